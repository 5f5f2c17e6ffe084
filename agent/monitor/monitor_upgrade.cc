// The monitor's part in upgrades: what agent/monitor/upgrade needs of it, and what a
// version does that came up by one until it is confirmed.
#include <algorithm>
#include <utility>

#include "agent/monitor/log.h"
#include "agent/monitor/monitor.h"
#include "core/action.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet {
namespace {

constexpr absl::Duration kRetryInterval = absl::Seconds(10);

}  // namespace

absl::StatusOr<AuthorizedRelease> Monitor::Authorize(std::string_view release) {
  // It would be put over what is there, and can't be read.
  if (const std::string& why = environment_.launch.undecided; !why.empty()) {
    return absl::FailedPreconditionError(
        StrCat("which version is to run here could not be told at the agent's start: ", why));
  }
  ReleaseContext context;
  context.policy = policy_.has_value() ? &*policy_ : nullptr;
  context.now = clock_.Now();
  context.os = environment_.facts.os();
  context.arch = environment_.facts.arch();
  context.version = kVersion;
  context.group = environment_.config.release_group;
  context.last_issued = release_state().last_issued;
  return AuthorizeRelease(release, context);
}

bool Monitor::by_package_manager() const {
  return environment_.config.upgrade == AgentConfig::Upgrade::kPackageManager;
}

std::string Monitor::running_version() const { return kVersion; }

// What waits counts, too: it is in the journal, and another process would not run it.
std::string Monitor::WhyNotNow() {
  if (!release_state().confirmed) return StrCat("version ", kVersion, " is not confirmed yet");
  if (link_.held()) return "another upgrade is in its trial";
  if (retiring_.has_value()) return "this host is being retired";
  for (const auto& run : actions_) {
    const bool is_upgrade = run->next_operation < run->action.operations_size() &&
                            run->action.operations(run->next_operation).module() == kUpgradeModule;
    if (is_upgrade) continue;
    return StrCat("action ", run->action.id(),
                  orders_.IsPaused(run->action.id()) ? " is paused" : " runs or waits");
  }
  return "";
}

void Monitor::HoldLink(bool held) {
  link_.Hold(held);
  connected_ = false;
}

absl::StatusOr<std::unique_ptr<Trial>> Monitor::StartTrial(const InstalledRelease& release) {
  TrialOptions options;
  options.program = releases_.Program(release.version);
  options.arguments = {"trial",
                       "--config",
                       environment_.config_path,
                       "--state-copy",
                       releases_.TrialDirectory(),
                       "--release-version",
                       release.version};
  options.nonce = HexEncode(RandomBytes(16));
  options.arguments.insert(options.arguments.end(), {"--nonce", options.nonce});
  options.host_network_fd = environment_.link.host_network_fd;
  options.time = environment_.config.trial_time;
  // Of the state, which it may rewrite: that is mostly what waits for a scheduler.
  options.max_file_bytes += 4 * environment_.config.spool_bytes;
  return TrialProcess::Start(options);
}

absl::Status Monitor::ForgetFormer() {
  ReleaseState state = release_state().WithoutFormer();
  DRAGNET_RETURN_IF_ERROR(releases_.Save(state));
  environment_.launch.state = std::move(state);
  return absl::OkStatus();
}

void Monitor::Become(const ReleaseState& next) {
  environment_.launch.state = next;
  become_ = true;
}

std::string Monitor::program_to_become() const {
  return become_ ? release_state().base_program : "";
}

std::unique_ptr<OperationRun> Monitor::NewUpgradeRun(const ActionRun& run,
                                                     const v1::Operation& operation,
                                                     std::vector<UniqueFd> inputs) {
  UpgradeOperation upgrade;
  upgrade.action_id = run.action.id();
  upgrade.occurrence = run.occurrence;
  upgrade.index = static_cast<uint32_t>(run.next_operation);
  upgrade.operation = operation;
  upgrade.wall_time =
      EffectiveLimits(operation.limits(), environment_.config.limits, run.action.has_recurrence())
          .wall_time;
  UpgradeHost* const host = this;
  return std::make_unique<UpgradeRun>(std::move(upgrade), std::move(inputs), host);
}

void Monitor::PrepareUpgrades() {
  const ReleaseState& state = release_state();
  if (environment_.config.release_directory.empty()) return;
  // What can't be read may name what would be removed here.
  if (!environment_.launch.undecided.empty()) return;
  // What a kill left of a trial, or of a version that was never complete.
  releases_.RemoveTrial();
  if (state.confirmed) {
    releases_.RemoveOthers(state);
    // There is no version that it could go back to.
    if (!state.current.has_value()) releases_.RemoveSnapshotsFrom(0);
  } else {
    const AgentConfig& config = environment_.config;
    give_up_ = SteadyNow() + TimeToConfirm(config.trial_time, config.confirm_time);
    LogInfo(StrCat("version ", kVersion, " is on trial until it has been connected for ",
                   absl::FormatDuration(config.confirm_time)));
  }
}

bool Monitor::IsOwedUpgrade(const InterruptedOperation& operation) const {
  const auto& report = release_state().report;
  return report.has_value() && report->action_id == operation.action_id &&
         report->occurrence == operation.occurrence && report->operation == operation.operation;
}

// Its end goes into the spool before the state forgets that it is owed: a kill between
// the two leaves nothing to tell of.
void Monitor::TellOfUpgrade() {
  ReleaseState state = release_state();
  if (!state.report.has_value()) return;
  if (owed_upgrade_.has_value()) {
    const InterruptedOperation& owed = *owed_upgrade_;
    UpgradeEnd end = EndOfUpgrade(*state.report);
    auto run = std::make_unique<ActionRun>();
    run->action.set_id(owed.action_id);
    run->occurrence = owed.occurrence;
    run->next_operation = static_cast<int>(owed.operation);
    run->next_sequence = owed.next_sequence;
    AddRecord(*run).mutable_rows()->add_rows(end.row.SerializeAsString());
    end.summary.set_rows(owed.rows + 1);
    *AddRecord(*run).mutable_summary() = std::move(end.summary);
    WriteRecords(*run);
    const bool written = run->unwritten.empty();
    actions_.push_back(std::move(run));
    owed_upgrade_.reset();
    // Tried again with the other records; the state forgets it at the next start.
    if (!written) return;
  }
  state.report.reset();
  if (const absl::Status saved = releases_.Save(state); !saved.ok()) {
    LogWarning(StrCat("upgrades: not written: ", saved.message()));
    next_write_ = SteadyNow() + kRetryInterval;
    return;
  }
  environment_.launch.state = std::move(state);
}

void Monitor::Confirm() {
  const ReleaseState confirmed = release_state().Confirmed();
  if (const absl::Status saved = releases_.Save(confirmed); !saved.ok()) {
    LogWarning(StrCat("version ", kVersion, " can't be confirmed: ", saved.message()));
    next_write_ = SteadyNow() + kRetryInterval;
    return;
  }
  environment_.launch.state = confirmed;
  give_up_ = absl::InfiniteFuture();
  CancelLaunchAlarm();
  LogInfo(StrCat("version ", kVersion, " is confirmed"));
  releases_.RemoveOthers(confirmed);
  // Those of earlier schemas stay while something earlier could run again: the base. Who
  // reads this one's, can read what is there now.
  releases_.RemoveSnapshotsFrom(StateStore::OwnSchemaVersion());
}

// It runs, but reaches no one: the version before it does better.
void Monitor::GiveUp() {
  const ReleaseState back = release_state().WentBack(
      StrCat("version ", kVersion, ": was not connected to a scheduler for ",
             absl::FormatDuration(environment_.config.confirm_time), " within ",
             absl::FormatDuration(
                 TimeToConfirm(environment_.config.trial_time, environment_.config.confirm_time)),
             " of its start"));
  if (const absl::Status saved = releases_.Save(back); !saved.ok()) {
    LogWarning(StrCat("back to version ", back.version(), ": ", saved.message()));
    give_up_ = SteadyNow() + kRetryInterval;
    return;
  }
  LogWarning(StrCat("back to version ", back.version(), ": no scheduler was reached in time"));
  Become(back);
}

void Monitor::AdvanceUpgrade() {
  const absl::Time now = SteadyNow();
  if (become_) return;
  // It is gone through with by whichever version began it: the others are destroyed.
  if (retiring_.has_value() && !release_state().confirmed) return CancelLaunchAlarm();
  if (!release_state().confirmed) {
    if (connected_ && now >= connected_since_ + environment_.config.confirm_time &&
        now >= next_write_) {
      Confirm();
    } else if (now >= give_up_) {
      GiveUp();
    }
  }
  if (become_ || !release_state().confirmed) return;
  if (now >= next_write_) TellOfUpgrade();
  const bool expired =
      release_state().current.has_value() && clock_.Now() > release_state().current->expires;
  if (expired && !expiry_told_) {
    LogWarning(UpgradeLines().back());
    ipc::MonitorToLink hello;
    *hello.mutable_hello() = Hello();
    link_.Send(hello);
  }
  expiry_told_ = expired;
}

absl::Time Monitor::UpgradeDeadline() const {
  if (release_state().confirmed || retiring_.has_value()) return absl::InfiniteFuture();
  const absl::Time confirmation =
      connected_ ? std::max(connected_since_ + environment_.config.confirm_time, next_write_)
                 : absl::InfiniteFuture();
  return std::min(give_up_, confirmation);
}

std::vector<std::string> Monitor::UpgradeLines() const {
  std::vector<std::string> lines;
  if (by_package_manager()) lines.push_back("upgrades: by the host's package manager");
  if (const std::string& why = environment_.launch.undecided; !why.empty()) {
    lines.push_back(StrCat("upgrades: none until the agent's next start: ", why));
  }
  const auto& current = release_state().current;
  if (current.has_value() && clock_.Now() > current->expires) {
    lines.push_back(StrCat("release ", current->version, " has expired (",
                           absl::FormatTime("%Y-%m-%d", current->expires, absl::UTCTimeZone()),
                           "): somebody may be withholding the next one"));
  }
  return lines;
}

}  // namespace dragnet
