// For lines that a peer could cause again and again: each is said once a minute,
// with how often it would have been said since. Thread-safe.
//
//   if (const auto said = lines.Ask(StrCat(agent, " dropped"), SteadyNow()))
//     spdlog::warn("agent {}: record dropped{}", agent, RepeatedLines::Words(*said));
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

class RepeatedLines {
 public:
  // Of so many different lines it is known when each was said last; those that
  // are too many share one.
  explicit RepeatedLines(size_t max_keys = 20'000) : max_keys_(max_keys) {}

  // Nothing: it was said in the last minute. Else how often it was not said
  // since then. `key` says which line it is: of bounded size, without what
  // differs each time. `now` is on SteadyNow's scale.
  std::optional<uint64_t> Ask(std::string_view key, absl::Time now);

  // " (and 12 more like it)"; nothing for 0.
  static std::string Words(uint64_t not_said);

 private:
  struct Line {
    absl::Time said = absl::InfinitePast();
    uint64_t not_said = 0;
  };
  Line& FindLocked(std::string_view key, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_keys_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Line> lines_ ABSL_GUARDED_BY(mutex_);
  Line others_ ABSL_GUARDED_BY(mutex_);
  absl::Time swept_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace dragnet::scheduler
