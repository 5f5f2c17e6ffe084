// An append-only log of what the agents of a swarm took on, produced and had
// acknowledged, so that a swarm which was killed goes on where it was. Written
// before anything of it is sent, not synced: it outlives the process, not the
// machine. Not thread-safe.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "tests/load/swarm.pb.h"

namespace dragnet::load {

class SpoolFile {
 public:
  // Without a file: nothing is kept.
  SpoolFile() = default;
  // Reads what is there, in order. What a killed process left half written at
  // the end was never sent, and is cut off.
  static absl::StatusOr<SpoolFile> Open(const std::string& path,
                                        const std::function<void(const SpoolEntry&)>& entry);

  bool is_open() const { return file_.valid(); }
  void Append(const SpoolEntry& entry);
  // Ends the process when that fails: agents that forget would run things twice.
  void Flush();

 private:
  UniqueFd file_;
  std::string path_;
  std::string buffered_;
};

}  // namespace dragnet::load
