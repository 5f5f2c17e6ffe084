// Events of the stream of everything, as lines. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/output/sink.h"
#include "dragnet/v1/facts.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "modules/events/ecs.h"

namespace dragnet::console {

enum class TailFormat { kEcs, kJsonl, kTable };

// What the scheduler knows of the hosts, asked for when an agent comes that isn't
// known here, at most every ten seconds.
class TailHosts {
 public:
  explicit TailHosts(Client& client) : client_(client) {}
  // Null when the scheduler doesn't say.
  const v1::Facts* Find(const std::string& agent_id);

 private:
  void Load();

  Client& client_;
  std::map<std::string, v1::Facts> facts_;
  absl::Time load_again_at_ = absl::InfinitePast();  // steady
};

class TailOutput {
 public:
  // All outlive it.
  TailOutput(TailFormat format, Client& client, Sink* sink)
      : format_(format), hosts_(client), sink_(sink) {}

  // Writes; whether that went shows when the sink is flushed.
  void Write(const v1::TailEvent& event);
  uint64_t lines() const { return lines_; }

 private:
  void Line(std::string_view text);
  void WriteEcs(const v1::TailEvent& event);
  void WriteJson(const v1::TailEvent& event);
  void WriteTable(const v1::TailEvent& event);

  const TailFormat format_;
  TailHosts hosts_;
  Sink* const sink_;
  events::EcsMapper mapper_;
  // For tables.
  std::map<std::string, std::string> action_names_;
  uint64_t lines_ = 0;
};

}  // namespace dragnet::console
