#include "agent/monitor/check_run.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/weights.h"

namespace dragnet {
namespace {

using check::v1::Check;
using check::v1::CheckParameters;

constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxTitleBytes = 200;
constexpr size_t kMaxDetailBytes = 1024;
// As a worker's own summary has them (agent/worker/row_stream.h).
constexpr size_t kMaxReasons = 64;
constexpr int kMaxExamples = 5;
constexpr int kMaxLimitsHit = 64;
constexpr char kOtherReasons[] = "other reasons";

// Limits that hold for each check and not for all together.
v1::Limits WithoutTimes(v1::Limits limits) {
  limits.clear_wall_time();
  limits.clear_cpu_time();
  return limits;
}

absl::Duration OrInfinite(const google::protobuf::Duration& asked) {
  const absl::Duration time = ToDuration(asked);
  return time > absl::ZeroDuration() ? time : absl::InfiniteDuration();
}

void AddTo(google::protobuf::Duration* sum, const google::protobuf::Duration& more) {
  *sum = ToProtoDuration(ToDuration(*sum) + ToDuration(more));
}

}  // namespace

absl::StatusOr<CheckParameters> ParseChecks(std::string_view parameters, size_t max_bytes) {
  CheckParameters parsed;
  DRAGNET_RETURN_IF_ERROR(Annotate(ParseStrict(parameters, max_bytes, &parsed), "checks"));
  if (parsed.checks().empty() || parsed.checks_size() > kMaxChecksOfRun) {
    return absl::InvalidArgumentError(
        StrCat("checks: ", parsed.checks_size(), ", of 1 to ", kMaxChecksOfRun));
  }
  std::set<std::string_view> ids;
  for (const Check& check : parsed.checks()) {
    // They are what a verdict is known by, and what verdicts of this program's own
    // making hold; the rest of a check its worker judges.
    if (check.id().empty() || check.id().size() > kMaxIdBytes || !ids.insert(check.id()).second) {
      return absl::InvalidArgumentError(
          StrCat("checks: '", Shorten(check.id(), kMaxIdBytes), "' is not an id of its own"));
    }
    if (check.title().size() > kMaxTitleBytes || check.severity().size() > kMaxIdBytes) {
      return absl::InvalidArgumentError(
          StrCat("checks: ", check.id(), ": title or severity over its size"));
    }
  }
  return parsed;
}

CheckRun::CheckRun(const v1::Operation& operation, CheckSurroundings surroundings,
                   std::function<std::string()> why_not)
    : surroundings_(std::move(surroundings)), why_not_(std::move(why_not)) {
  *total_.mutable_started() = ToTimestamp(absl::Now());
  absl::StatusOr<CheckParameters> parameters =
      ParseChecks(operation.parameters(), kMaxParameterBytes);
  if (parameters.ok() && !operation.blobs().empty()) {
    parameters = absl::InvalidArgumentError("checks: they take no blobs");
  }
  if (!parameters.ok()) {
    Stop(v1::TERMINATION_INVALID_PARAMETERS, ToStd(parameters.status().message()));
    return;
  }
  parameters_ = *std::move(parameters);
  const v1::Limits& limits = operation.limits();
  const OperationLimits& ceiling = surroundings_.ceiling;
  wall_time_left_ = std::min(OrInfinite(limits.wall_time()), kMaxTimes * ceiling.wall_time);
  cpu_time_left_ = std::min(OrInfinite(limits.cpu_time()), kMaxTimes * ceiling.cpu_time);
  surroundings_.ceiling =
      EffectiveLimits(WithoutTimes(limits), surroundings_.ceiling, /*scheduled=*/false);
  // Who signed asked for this share: it isn't the agent's to lower it to its default.
  if (limits.cpu_share_percent() != 0) surroundings_.scheduled = false;
}

void CheckRun::AddPollFds(std::vector<pollfd>* fds) const {
  if (worker() != nullptr) worker()->AddPollFds(fds);
}

absl::Time CheckRun::deadline() const {
  if (summary_.has_value()) return absl::InfiniteFuture();
  if (worker() != nullptr) return worker()->deadline();
  if (stopped_as_.has_value() || MayGoOn()) return absl::InfinitePast();
  return absl::InfiniteFuture();
}

void CheckRun::Advance() {
  if (summary_.has_value() || rows_.has_value()) return;
  if (!current_.has_value() && !stopped_as_.has_value() && MayGoOn()) StartNext();
  if (current_.has_value()) {
    current_->Advance();
    if (current_->verdict().has_value()) TakeVerdict();
  }
  if (rows_.has_value() || current_.has_value()) return;
  if (stopped_as_.has_value() || next_ == parameters_.checks_size()) Finish();
}

bool CheckRun::TimeIsUp() {
  const bool wall = wall_time_left_ <= absl::ZeroDuration();
  if (!wall && cpu_time_left_ > absl::ZeroDuration()) return false;
  Stop(wall ? v1::TERMINATION_WALL_TIME_LIMIT : v1::TERMINATION_CPU_TIME_LIMIT,
       StrCat("the operation's ", wall ? "wall time" : "CPU time", " was over before ",
              parameters_.checks_size() - next_, " of ", parameters_.checks_size(),
              " checks were run"));
  return true;
}

bool CheckRun::IsAllowed() {
  const std::string why = why_not_ ? why_not_() : "";
  if (why.empty()) return true;
  Stop(v1::TERMINATION_NOT_STARTED,
       StrCat("no longer allowed before ", parameters_.checks_size() - next_, " of ",
              parameters_.checks_size(), " checks were run: ", why));
  return false;
}

void CheckRun::StartNext() {
  if (next_ == parameters_.checks_size() || TimeIsUp() || !IsAllowed()) return;
  CheckSurroundings surroundings = surroundings_;
  surroundings.ceiling.wall_time = std::min(surroundings.ceiling.wall_time, wall_time_left_);
  surroundings.ceiling.cpu_time = std::min(surroundings.ceiling.cpu_time, cpu_time_left_);
  current_.emplace(parameters_.checks(next_++), surroundings);
  if (worker() != nullptr && cpu_share_.has_value()) worker()->SetCpuShare(*cpu_share_);
}

void CheckRun::TakeVerdict() {
  const v1::OperationSummary& summary = current_->summary();
  const bool is_unknown = current_->verdict()->status() == kUnknown;
  Add(summary, is_unknown);
  // One that was stopped in the middle has not been answered.
  if (!stopped_as_.has_value()) {
    if (is_unknown) ++unknown_;
    total_.set_rows(total_.rows() + 1);
    rows_.emplace().add_rows(current_->verdict()->SerializeAsString());
  }
  current_.reset();
}

// What was not looked at by a check that failed all the same hides nothing.
void CheckRun::Add(const v1::OperationSummary& worker, bool is_unknown) {
  wall_time_left_ -= ToDuration(worker.wall_time());
  cpu_time_left_ -= ToDuration(worker.cpu_time());
  AddTo(total_.mutable_wall_time(), worker.wall_time());
  AddTo(total_.mutable_cpu_time(), worker.cpu_time());
  AddTo(total_.mutable_stood_still_for_spool(), worker.stood_still_for_spool());
  AddTo(total_.mutable_paused_by_order(), worker.paused_by_order());
  AddTo(total_.mutable_held_for_cpu_share(), worker.held_for_cpu_share());
  total_.set_peak_memory_bytes(std::max(total_.peak_memory_bytes(), worker.peak_memory_bytes()));
  const v1::ModuleSummary& module = worker.module();
  v1::ModuleSummary& all = *total_.mutable_module();
  all.set_items_examined(all.items_examined() + module.items_examined());
  all.set_bytes_examined(all.bytes_examined() + module.bytes_examined());
  if (!is_unknown) return;
  for (const v1::Unexamined& more : module.unexamined()) {
    const bool has_place =
        unexamined_.contains(more.reason()) || unexamined_.size() < kMaxReasons - 1;
    const std::string reason = has_place ? more.reason() : kOtherReasons;
    v1::Unexamined& sum = unexamined_[reason];
    sum.set_reason(reason);
    sum.set_count(sum.count() + more.count());
    for (const std::string& example : more.examples()) {
      if (sum.examples_size() < kMaxExamples) sum.add_examples(Shorten(example, kMaxDetailBytes));
    }
  }
  for (const std::string& limit : module.limits_hit()) {
    if (all.limits_hit_size() < kMaxLimitsHit) all.add_limits_hit(Shorten(limit, kMaxDetailBytes));
  }
}

void CheckRun::Finish() {
  total_.set_termination(stopped_as_.value_or(v1::TERMINATION_COMPLETED));
  if (!stopped_as_.has_value() && unknown_ > 0) {
    detail_ = StrCat(unknown_, " of ", parameters_.checks_size(), " checks unknown");
  }
  total_.set_detail(detail_);
  total_.set_outcome(stopped_as_.has_value() || unknown_ > 0 ? v1::OUTCOME_INCOMPLETE
                                                             : v1::OUTCOME_FOUND);
  for (const auto& [reason, unexamined] : unexamined_) {
    *total_.mutable_module()->add_unexamined() = unexamined;
  }
  summary_ = std::move(total_);
}

std::optional<v1::Rows> CheckRun::TakeRows() { return std::exchange(rows_, std::nullopt); }

void CheckRun::Pause(bool paused) {
  paused_ = paused;
  if (worker() != nullptr) worker()->Pause(paused);
}

void CheckRun::Hold(bool held) {
  if (summary_.has_value()) return;
  held_ = held;
  if (worker() != nullptr) worker()->Hold(held);
}

void CheckRun::SetCpuShare(uint32_t percent) {
  cpu_share_ = percent;
  if (worker() != nullptr) worker()->SetCpuShare(percent);
}

uint32_t CheckRun::cpu_share_limit() const {
  if (worker() != nullptr) return worker()->cpu_share_limit();
  return EffectiveLimits(v1::Limits(), surroundings_.ceiling, surroundings_.scheduled)
      .cpu_share_percent;
}

void CheckRun::Stop(v1::Termination termination, std::string_view detail) {
  if (summary_.has_value() || stopped_as_.has_value()) return;
  stopped_as_ = termination;
  detail_ = Shorten(ToValidUtf8(detail), kMaxDetailBytes);
  if (worker() != nullptr) worker()->Stop(termination, detail);
}

}  // namespace dragnet
