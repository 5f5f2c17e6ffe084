// The agents of one action: what became of each, and why something was not looked
// at. Agents have numbers, from 0 in the order in which they were first heard of.
// Whole answers lie in a scratch file; memory has a few hundred bytes for each
// agent. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/tui/results/scratch_file.h"
#include "core/mutex.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

struct Host {
  // Text from a host, at most kMostNameBytes.
  std::string name;
  std::string id;
  v1::DispatchState state = v1::DISPATCH_STATE_UNSPECIFIED;
  // As the scheduler counted them, and as they came here.
  uint64_t rows = 0;
  uint64_t rows_here = 0;
  // Why it could not look, or not at all: NotLookedAt, its beginning.
  std::string not_looked_at;
};

class HostTable {
 public:
  // More of them than any fleet has are a scheduler's lie.
  static constexpr size_t kMaxHosts = 250'000;
  static constexpr size_t kMostNameBytes = 256;
  static constexpr size_t kMostReasonBytes = 240;
  static constexpr size_t kMostReasons = 256;

  HostTable(std::shared_ptr<ScratchFile> file, v1::Action action)
      : file_(std::move(file)), action_(std::move(action)) {}

  // The number of an agent from which rows came; a new one if need be.
  absl::StatusOr<uint32_t> AddRows(const std::string& id, std::string_view name, uint64_t rows);
  // A later state takes an earlier one's place.
  absl::Status SetState(const v1::AgentState& state);

  size_t size() const;
  Host At(uint32_t number) const;
  std::string NameOf(uint32_t number) const;
  // "name" and "id".
  std::pair<std::string, std::string> NamesOf(uint32_t number) const;
  std::optional<uint32_t> Find(const std::string& id) const;
  // The whole answer, from the scratch file. NotFound: none came.
  absl::StatusOr<v1::AgentState> StateOf(uint32_t number) const;

  // Rises with every change.
  uint64_t version() const;
  // How many agents did not look at something, by the words for it; the most
  // frequent first.
  std::vector<std::pair<std::string, uint64_t>> Reasons() const;
  std::map<v1::DispatchState, uint64_t> States() const;

 private:
  struct Entry {
    Host host;
    uint64_t offset = 0;
    uint32_t length = 0;
    // Index into reasons_; -1: looked at everything.
    int reason = -1;
  };

  absl::StatusOr<uint32_t> NumberLocked(const std::string& id, std::string_view name);
  int ReasonLocked(const v1::AgentState& state);

  const std::shared_ptr<ScratchFile> file_;
  const v1::Action action_;
  mutable WaitableMutex mutex_;
  std::deque<Entry> entries_;
  std::unordered_map<std::string, uint32_t> numbers_;
  std::vector<std::pair<std::string, uint64_t>> reasons_;
  std::map<v1::DispatchState, uint64_t> states_;
  uint64_t version_ = 0;
};

}  // namespace dragnet::console::tui
