#include "agent/monitor/upgrade/upgrade_run.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "agent/monitor/log.h"
#include "agent/monitor/state_store.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

using upgrade::v1::UpgradeParameters;
using upgrade::v1::UpgradeRow;

constexpr size_t kMaxDetailBytes = 1024;
// The trial begins when the last other operation has ended, which no descriptor tells.
constexpr absl::Duration kLookInterval = absl::Milliseconds(200);
// Of UpgradeParameters, in the order of kAgentPrograms.
constexpr std::string_view kFields[] = {"agent", "link", "worker"};
static_assert(std::size(kFields) == std::size(kAgentPrograms));

UpgradeRow RowOf(std::string_view outcome, std::string_view from, std::string_view to,
                 std::string_view detail) {
  UpgradeRow row;
  row.set_from(std::string(from));
  row.set_to(std::string(to));
  row.set_outcome(std::string(outcome));
  row.set_detail(Shorten(ToValidUtf8(detail), kMaxDetailBytes));
  return row;
}

// COMPLETED: there is a finding. Else it is counted as a failure where the action says
// stop_when_failed_percent (action.proto), and never as clean.
v1::OperationSummary SummaryOf(v1::Termination termination, std::string_view detail) {
  v1::OperationSummary summary = NotRun(termination, detail);
  if (termination == v1::TERMINATION_COMPLETED) summary.set_outcome(v1::OUTCOME_FOUND);
  summary.set_rows(1);
  return summary;
}

}  // namespace

UpgradeEnd EndOfUpgrade(const UpgradeReport& report) {
  UpgradeEnd end;
  const bool went_back = !report.went_back.empty();
  end.row = RowOf(went_back ? "went_back" : "upgraded", report.from, report.to, report.went_back);
  end.row.set_trial_milliseconds(report.trial_milliseconds);
  end.summary =
      SummaryOf(went_back ? v1::TERMINATION_MODULE_ERROR : v1::TERMINATION_COMPLETED,
                went_back ? StrCat("back to version ", report.from, ": ", report.went_back) : "");
  return end;
}

UpgradeRun::UpgradeRun(UpgradeOperation operation, std::vector<UniqueFd> inputs, UpgradeHost* host)
    : operation_(std::move(operation)),
      inputs_(std::move(inputs)),
      host_(host),
      started_(absl::Now()),
      steady_started_(SteadyNow()) {
  if (const absl::Status taken = Take(); !taken.ok()) Refuse(taken);
}

UpgradeRun::~UpgradeRun() {
  if (stage_ != Stage::kSwitched) GoOnAsBefore();
  if (IsUnderWay()) host_->under_way_ = nullptr;
}

absl::Status UpgradeRun::Take() {
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ParseStrict(operation_.operation.parameters(), kMaxParameterBytes, &parameters_),
               "parameters"));
  if (host_->by_package_manager()) {
    End("package_manager", v1::TERMINATION_COMPLETED,
        "agent.toml says upgrade = \"package-manager\": nothing was done");
    return absl::OkStatus();
  }
  const absl::StatusOr<AuthorizedRelease> authorized = host_->Authorize(parameters_.release());
  if (absl::IsAlreadyExists(authorized.status())) {
    to_ = host_->running_version();
    End("current", v1::TERMINATION_COMPLETED, ToStd(authorized.status().message()));
    return absl::OkStatus();
  }
  DRAGNET_RETURN_IF_ERROR(authorized.status());
  to_ = authorized->release.version();
  DRAGNET_ASSIGN_OR_RETURN(release_, InstalledReleaseOf(*authorized));
  // Each program is a blob, which is what the action's signers saw, and is of the release.
  if (!parameters_.agent().empty() || !parameters_.link().empty() ||
      !parameters_.worker().empty() || inputs_.size() != std::size(kFields) ||
      operation_.operation.blobs_size() != static_cast<int>(std::size(kFields))) {
    return absl::InvalidArgumentError("agent, link and worker: each must be a blob");
  }
  for (size_t program = 0; program < std::size(kFields); ++program) {
    const auto& blobs = operation_.operation.blobs();
    const auto blob = std::find_if(blobs.begin(), blobs.end(), [&](const v1::Blob& candidate) {
      return candidate.field() == kFields[program];
    });
    if (blob == blobs.end()) {
      return absl::InvalidArgumentError(StrCat(kFields[program], ": there is no such blob"));
    }
    const InstalledFile& file = release_.files[program];
    if (blob->sha256() != file.sha256 || blob->size() != file.size) {
      return absl::FailedPreconditionError(
          StrCat(kFields[program], ": is not the ", kAgentPrograms[program], " of release ", to_,
                 ": SHA-256 ", HexEncode(blob->sha256()), " of ", blob->size(),
                 " bytes, the release says ", HexEncode(file.sha256), " of ", file.size));
    }
    input_of_[program] = static_cast<size_t>(blob - blobs.begin());
  }
  return absl::OkStatus();
}

void UpgradeRun::AddPollFds(std::vector<pollfd>* fds) const {
  if (trial_ != nullptr) trial_->AddPollFds(fds);
}

absl::Time UpgradeRun::deadline() const {
  switch (stage_) {
    case Stage::kQueued:
      if (host_->under_way_ != nullptr) return SteadyNow() + kLookInterval;
      return held_ ? absl::InfiniteFuture() : absl::InfinitePast();
    case Stage::kStaging:
      return held_ ? absl::InfiniteFuture() : absl::InfinitePast();
    case Stage::kWaiting:
      return held_ ? absl::InfiniteFuture() : SteadyNow() + kLookInterval;
    case Stage::kTrial:
      return trial_->deadline();
    case Stage::kSwitched:
    case Stage::kEnded:
      return absl::InfiniteFuture();
  }
  return absl::InfiniteFuture();
}

void UpgradeRun::Advance() {
  if (stage_ == Stage::kTrial) return AdvanceTrial();
  if (held_) return;
  if (stage_ == Stage::kQueued) AdvanceQueued();
  if (stage_ == Stage::kStaging) {
    if (const absl::Status staged = StageNext(); !staged.ok()) Refuse(staged);
  } else if (stage_ == Stage::kWaiting) {
    AdvanceWaiting();
  }
}

// Two at a time would take each other's trial and files away.
void UpgradeRun::AdvanceQueued() {
  if (host_->under_way_ == nullptr) {
    host_->under_way_ = this;
    stage_ = Stage::kStaging;
    return;
  }
  if (SteadyNow() - steady_started_ < operation_.wall_time) return;
  End("refused", v1::TERMINATION_WALL_TIME_LIMIT,
      StrCat("it could not begin within ", absl::FormatDuration(operation_.wall_time),
             ": another upgrade is under way"));
}

// One program per call: some hundred milliseconds at most, between which others go on.
absl::Status UpgradeRun::StageNext() {
  // What is called the same and has other files: nothing could go back to it.
  const auto& former = host_->release_state().former;
  if (staged_ == 0 && former.has_value() && former->version == release_.version &&
      former->files != release_.files) {
    DRAGNET_RETURN_IF_ERROR(Annotate(host_->ForgetFormer(), "forget the former version"));
  }
  DRAGNET_RETURN_IF_ERROR(Annotate(
      host_->releases().StageFile(release_, staged_, inputs_[input_of_[staged_]].get()), "stage"));
  if (++staged_ < std::size(kAgentPrograms)) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(Annotate(host_->releases().FinishStaging(release_), "stage"));
  inputs_.clear();
  stage_ = Stage::kWaiting;
  return absl::OkStatus();
}

void UpgradeRun::AdvanceWaiting() {
  if (const std::string why = host_->WhyNotNow(); !why.empty()) {
    if (SteadyNow() - steady_started_ < operation_.wall_time) return;
    return End("refused", v1::TERMINATION_WALL_TIME_LIMIT,
               StrCat("its trial could not begin within ",
                      absl::FormatDuration(operation_.wall_time), ": ", why));
  }
  // Anew: it may have waited, and another policy may hold.
  const absl::StatusOr<AuthorizedRelease> authorized = host_->Authorize(parameters_.release());
  if (!authorized.ok()) return Refuse(authorized.status());
  if (const absl::Status begun = BeginTrial(); !begun.ok()) GoBack(begun);
}

absl::Status UpgradeRun::BeginTrial() {
  LogInfo(StrCat("upgrade from ", host_->running_version(), " to ", to_, ": trial begins"));
  trial_began_ = SteadyNow();
  link_held_ = true;
  host_->HoldLink(true);
  ReleaseDirectory& releases = host_->releases();
  DRAGNET_RETURN_IF_ERROR(releases.MakeTrialDirectory());
  DRAGNET_RETURN_IF_ERROR(host_->CopyState(releases.TrialDatabase(), /*with_spool=*/false));
  DRAGNET_ASSIGN_OR_RETURN(trial_, host_->StartTrial(release_));
  stage_ = Stage::kTrial;
  return absl::OkStatus();
}

void UpgradeRun::AdvanceTrial() {
  trial_->Advance();
  if (!trial_->result().has_value()) return;
  const absl::Status result = *trial_->result();
  trial_.reset();
  host_->releases().RemoveTrial();
  if (!result.ok()) return GoBack(Annotate(result, "trial"));
  if (const absl::Status switched = Switch(); !switched.ok()) GoBack(switched);
}

// The last step before the state file changes nothing that runs; the state file is the
// switch.
absl::Status UpgradeRun::Switch() {
  ReleaseDirectory& releases = host_->releases();
  DRAGNET_RETURN_IF_ERROR(Annotate(
      [&]() -> absl::Status {
        DRAGNET_RETURN_IF_ERROR(releases.BeginSnapshot());
        DRAGNET_RETURN_IF_ERROR(host_->CopyState(releases.NewSnapshot(), /*with_spool=*/true));
        return releases.FinishSnapshot(StateStore::OwnSchemaVersion());
      }(),
      "snapshot"));
  DRAGNET_RETURN_IF_ERROR(releases.GrantStarts());
  UpgradeReport report;
  report.action_id = operation_.action_id;
  report.occurrence = operation_.occurrence;
  report.operation = operation_.index;
  report.from = host_->running_version();
  report.to = to_;
  report.trial_milliseconds =
      static_cast<uint32_t>(absl::ToInt64Milliseconds(SteadyNow() - trial_began_));
  const ReleaseState next = host_->release_state().Switched(release_, report);
  if (const absl::Status saved = releases.Save(next); !saved.ok()) {
    // It may be there, and not synced: the one before is to hold, too.
    releases.Save(host_->release_state()).IgnoreError();
    return saved;
  }
  stage_ = Stage::kSwitched;
  host_->Become(next);
  return absl::OkStatus();
}

void UpgradeRun::GoOnAsBefore() {
  trial_.reset();
  // Of another upgrade, if this one had none.
  if (!link_held_) return;
  host_->releases().RemoveTrial();
  host_->HoldLink(false);
  link_held_ = false;
}

void UpgradeRun::Refuse(const absl::Status& why) {
  End("refused", v1::TERMINATION_NOT_STARTED, ToStd(why.message()));
}

void UpgradeRun::GoBack(const absl::Status& why) {
  End("went_back", v1::TERMINATION_MODULE_ERROR, ToStd(why.message()));
}

void UpgradeRun::End(std::string_view outcome, v1::Termination termination,
                     std::string_view detail) {
  if (summary_.has_value()) return;
  GoOnAsBefore();
  if (IsUnderWay()) {
    // What was staged is no one's.
    host_->releases().RemoveStaged(release_.version, host_->release_state());
    host_->under_way_ = nullptr;
  }
  inputs_.clear();
  stage_ = Stage::kEnded;
  UpgradeRow row = RowOf(outcome, host_->running_version(), to_, detail);
  if (trial_began_ != absl::Time()) {
    row.set_trial_milliseconds(
        static_cast<uint32_t>(absl::ToInt64Milliseconds(SteadyNow() - trial_began_)));
  }
  rows_.emplace().add_rows(row.SerializeAsString());
  summary_ = SummaryOf(termination, termination == v1::TERMINATION_COMPLETED ? "" : row.detail());
  *summary_->mutable_started() = ToTimestamp(started_);
  *summary_->mutable_wall_time() = ToProtoDuration(SteadyNow() - steady_started_);
  LogWarning(StrCat("upgrade to ", to_.empty() ? "a release" : to_, ": ", outcome,
                    detail.empty() ? "" : ": ", detail));
}

std::optional<v1::Rows> UpgradeRun::TakeRows() { return std::exchange(rows_, std::nullopt); }

void UpgradeRun::Stop(v1::Termination termination, std::string_view detail) {
  if (stage_ == Stage::kSwitched || summary_.has_value()) return;
  held_ = false;
  End(trial_ != nullptr ? "went_back" : "refused", termination, detail);
}

}  // namespace dragnet
