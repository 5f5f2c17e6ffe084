// Brings everything that is stored to one receiver, in order, at least once: a
// thread that reads a batch, makes events of it, delivers it, and notes how far it
// is. A receiver that is down is tried again, ever more seldom, for ever; nothing
// else waits for it.
//
// Rows of hosts are parsed here (modules/events), on this thread. Memory: one batch
// that was read (256 KiB, or one record of 512 KiB), one that is delivered (1 MiB
// and one event of 1 MiB at most), and what one row of 64 KiB is while it is parsed.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/mutex.h"
#include "modules/events/ecs.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/watchers.h"
#include "scheduler/export/receiver.h"
#include "scheduler/export/tail_reader.h"

namespace dragnet::scheduler {

// How an export is, at one moment.
struct ExportState {
  std::string name;
  std::string address;
  uint64_t events = 0;
  uint64_t failures = 0;
  uint64_t gaps = 0;
  // What is wrong now, and since when; OK and InfinitePast when nothing is.
  absl::Status error;
  absl::Time failing_since = absl::InfinitePast();
  // It waits for somebody, not for its receiver.
  bool stopped = false;
  // When the oldest event was stored that was not delivered yet; InfinitePast when
  // all were.
  absl::Time behind_since = absl::InfinitePast();
};

class Exporter : public Watcher {
 public:
  struct Parts {
    Store& store;
    Retention& retention;
    const Agents& agents;
  };

  // Which events, and in which form.
  struct Content {
    bool changes_only = false;
    ExportSettings::Format format = ExportSettings::Format::kEcs;
  };

  // All of `parts` outlive it. A new one begins where `from_oldest` says, and notes that.
  Exporter(const Parts& parts, std::string name, bool from_oldest, std::string cursor_file,
           std::unique_ptr<Receiver> receiver, const Content& content);
  ~Exporter() override;
  // Ends within about a second; what was not confirmed comes again after the next start.
  // By the owner alone, who does so before the parts go: someone who notifies may
  // still hold this.
  void Stop();

  void Notify() override;
  ExportState state() const;

 private:
  void Loop();
  // One batch. False: there was nothing.
  absl::StatusOr<bool> Step();
  absl::Status OpenReader();
  // Where the reader is not let go on: an event that says so, then what is kept.
  absl::Status SayGap(const absl::Status& gap);
  absl::Status Map(const std::vector<v1::TailEvent>& events);
  absl::Status MapOne(const v1::TailEvent& event);
  absl::Status Add(std::string event);
  // Until it is delivered. Cancelled: this ends.
  absl::Status Deliver();
  absl::Status NoteCursor(const std::string& cursor);
  void SetError(const absl::Status& error, bool stopped);
  // False when this ends.
  bool Pause(absl::Duration duration);

  const Parts parts_;
  const bool from_oldest_;
  const std::string cursor_file_;
  const std::unique_ptr<Receiver> receiver_;
  const Content content_;

  // Of Loop alone.
  std::optional<TailReader> reader_;
  events::EcsMapper mapper_;
  std::string cursor_;
  std::vector<std::string> batch_;
  size_t batch_bytes_ = 0;

  std::atomic<bool> stop_ = false;
  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  bool news_ = true;
  ExportState state_;
  std::thread thread_;
};

}  // namespace dragnet::scheduler
