// What is new, gone and changed between the rows of two runs, host by host.
//
// Rows of a host are the same thing when they are equal in the key's columns.
// Several that are (two sockets of one address) are matched by their content
// first, then in order. A host that one of the runs did not look at whole can't
// tell that something is new or gone: such rows are counted, not shown.
//
// Rows wait in a temporary database on disk, which no one else can open and
// which is gone with the process: in memory are at most 64 MiB of it, what is
// known of each host (about 200 bytes), and the rows of one host that have one
// key. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/output/cell.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

enum class ChangeKind { kNew, kGone, kChanged };

class RowDiff {
 public:
  enum Run { kBefore = 0, kAfter = 1 };

  // The rows of one operation, in both runs.
  struct Operation {
    // Of which others are made.
    const google::protobuf::Message* prototype = nullptr;
    std::vector<Column> key;
    // Looked at for changes; without those of the key.
    std::vector<Column> compared;
  };

  struct Change {
    ChangeKind kind = ChangeKind::kNew;
    size_t operation = 0;
    std::string agent;
    std::string agent_id;
    // Null when it is new.
    const google::protobuf::Message* before = nullptr;
    // Null when it is gone.
    const google::protobuf::Message* after = nullptr;
    // Of `compared`, those that differ.
    std::vector<const Column*> columns;
  };

  struct Counts {
    uint64_t added = 0;
    uint64_t gone = 0;
    uint64_t changed = 0;
    uint64_t same = 0;
    // Rows only in one run of hosts that the other one did not look at whole.
    uint64_t not_shown_as_new = 0;
    uint64_t not_shown_as_gone = 0;
    // Such hosts, whether or not they have rows.
    uint64_t hosts_not_whole_before = 0;
    uint64_t hosts_not_whole_after = 0;
    // In both runs.
    uint64_t hosts_compared = 0;
  };

  static absl::StatusOr<std::unique_ptr<RowDiff>> Create(std::vector<Operation> operations);
  ~RowDiff();
  RowDiff(const RowDiff&) = delete;
  RowDiff& operator=(const RowDiff&) = delete;

  absl::Status AddRow(Run run, size_t operation, std::string_view agent_id, std::string_view agent,
                      const google::protobuf::Message& row);
  // A host that a run was for. The last call for it counts.
  void AddHost(Run run, std::string_view agent_id, std::string_view agent, bool whole);

  // Names of hosts that a run didn't look at whole, or wasn't for; at most `most`.
  std::vector<std::string> HostsNotWhole(Run run, size_t most) const;

  // Once, after all was added. By operation, host and key. Errors of `visit`
  // end it.
  absl::Status ForEach(const std::function<absl::Status(const Change&)>& visit);
  // After ForEach.
  const Counts& counts() const;

 private:
  struct State;
  explicit RowDiff(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace dragnet::console
