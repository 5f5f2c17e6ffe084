#include "console/tui/views/action_pace.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "console/tui/views/ages.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

uint64_t Ended(const v1::Progress& progress) {
  return progress.found() + progress.clean() + progress.incomplete() + progress.refused();
}

double Rate(uint64_t from, uint64_t to, absl::Duration time) {
  // Counts fall when a scheduler was restored from a backup.
  return to <= from ? 0 : static_cast<double>(to - from) / absl::ToDoubleSeconds(time);
}

}  // namespace

void ActionPace::Add(absl::Time now, const v1::Progress& progress) {
  const Sample sample{now, progress.rows(), Ended(progress)};
  if (samples_.size() > 1 && now - samples_[samples_.size() - 2].at < kSpacing) {
    // Two within a moment: the later one counts.
    samples_.back() = sample;
  } else {
    samples_.push_back(sample);
  }
  // One from before the window stays: what it begins with.
  while (samples_.size() > 2 && samples_[1].at <= now - kWindow) samples_.pop_front();
}

const ActionPace::Sample* ActionPace::Begin(absl::Time now) const {
  for (size_t i = samples_.size(); i-- > 0;)
    if (samples_[i].at <= now - kWindow || i == 0) return &samples_[i];
  return nullptr;
}

double ActionPace::RowsPerSecond(absl::Time now) const {
  const Sample* begin = Begin(now);
  if (begin == nullptr || now - begin->at < kLeast) return 0;
  return Rate(begin->rows, samples_.back().rows, std::min(now - begin->at, kWindow));
}

double ActionPace::AgentsPerSecond(absl::Time now) const {
  const Sample* begin = Begin(now);
  if (begin == nullptr || now - begin->at < kLeast) return 0;
  return Rate(begin->ended, samples_.back().ended, std::min(now - begin->at, kWindow));
}

uint64_t Pending(const v1::Progress& progress) {
  return progress.waiting() + progress.sent() + progress.running();
}

uint64_t PendingOnline(const v1::Progress& progress) {
  return Pending(progress) - std::min(progress.offline(), Pending(progress));
}

bool IsActive(v1::DispatchPhase phase, const v1::Progress& progress) {
  return (phase == v1::DISPATCH_PHASE_OPEN || phase == v1::DISPATCH_PHASE_CANARY) &&
         Pending(progress) > 0;
}

std::string ExpectedEnd(v1::DispatchPhase phase, const v1::Progress& progress,
                        const ActionPace* pace, absl::Time expires, absl::Time now,
                        absl::Time steady_now) {
  if (!IsActive(phase, progress)) return "";
  const uint64_t online = PendingOnline(progress);
  if (online == 0) return StrCat(Pending(progress), " offline");
  const double rate = pace == nullptr ? 0 : pace->AgentsPerSecond(steady_now);
  if (rate <= 0) return "…";
  const absl::Duration left = absl::Seconds(static_cast<double>(online) / rate);
  if (now + left > expires) return "too slow";
  return StrCat("~", left < absl::Seconds(1) ? "1 s" : ShortDuration(left));
}

std::string RateText(double per_second) {
  return per_second < 10 ? absl::StrFormat("%.1f", per_second)
                         : absl::StrFormat("%.0f", per_second);
}

}  // namespace dragnet::console::tui
