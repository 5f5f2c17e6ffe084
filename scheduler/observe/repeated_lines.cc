#include "scheduler/observe/repeated_lines.h"

#include <utility>

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kSaidEvery = absl::Minutes(1);
// Looking for what may be forgotten takes all of them.
constexpr absl::Duration kSweepEvery = absl::Seconds(10);

}  // namespace

std::optional<uint64_t> RepeatedLines::Ask(std::string_view key, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  Line& line = FindLocked(key, now);
  if (now - line.said < kSaidEvery) {
    ++line.not_said;
    return std::nullopt;
  }
  line.said = now;
  return std::exchange(line.not_said, 0);
}

RepeatedLines::Line& RepeatedLines::FindLocked(std::string_view key, absl::Time now) {
  if (auto found = lines_.find(ToAbsl(key)); found != lines_.end()) return found->second;
  if (lines_.size() >= max_keys_ && now - swept_ >= kSweepEvery) {
    swept_ = now;
    absl::erase_if(lines_,
                   [now](const auto& line) { return now - line.second.said >= kSaidEvery; });
  }
  if (lines_.size() >= max_keys_) return others_;
  return lines_[std::string(key)];
}

std::string RepeatedLines::Words(uint64_t not_said) {
  return not_said == 0 ? "" : StrCat(" (and ", not_said, " more like it)");
}

}  // namespace dragnet::scheduler
