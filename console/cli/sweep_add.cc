// `dragnet sweep add|run-now`: what is signed.
#include <map>

#include "console/cli/sweep.h"
#include "console/cli/sweep_pack.h"
#include "console/form/values.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/verification.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// Of an extra run, for hosts that come a little later.
constexpr absl::Duration kExtraRunLifetime = absl::Hours(1);

absl::StatusOr<std::map<std::string, std::string>> SetOf(const std::vector<std::string>& words) {
  std::map<std::string, std::string> set;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return absl::InvalidArgumentError(StrCat("--set ", word, ": write --set name=value"));
    if (!set.emplace(word.substr(0, equals), word.substr(equals + 1)).second)
      return absl::InvalidArgumentError(
          StrCat("--set ", word.substr(0, equals), ": given more than once"));
  }
  return set;
}

// Never followed: it goes on for months.
LaunchFlags Unfollowed(const SweepFlags& flags) {
  LaunchFlags launch = flags.launch;
  launch.output = flags.output;
  launch.no_wait = true;
  return launch;
}

}  // namespace

absl::StatusOr<int> AddSweep(const SweepFlags& flags, Session& session) {
  if (!flags.launch.target.has_value()) {
    return absl::InvalidArgumentError(
        "sweep add: --target: missing: which hosts (\"true\" is every agent)?");
  }
  DRAGNET_ASSIGN_OR_RETURN(const auto set, SetOf(flags.set));
  DRAGNET_ASSIGN_OR_RETURN(const check::v1::CheckParameters pack,
                           LoadSweepPack(flags.pack, set, session));
  DRAGNET_ASSIGN_OR_RETURN(v1::Action action,
                           SweepAction(pack, flags.plan, session.now(), &session.blobs()));
  DRAGNET_RETURN_IF_ERROR(flags.launch.Apply(&action));
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  DRAGNET_RETURN_IF_ERROR(CompleteAction(config->fleet_id, session.now(), std::nullopt,
                                         session.modules(), session.blobs(), &action));
  if (flags.plan.until.empty())
    session.io().Say(
        "It ends in 90 days, because --until isn't given; a sweep lasts for 366 days "
        "at most.");
  return LaunchAction(action, Unfollowed(flags), session);
}

absl::StatusOr<int> RunSweepNow(const SweepFlags& flags, Session& session) {
  // A scheduler that makes up a sweep gets no signature on what it wrote.
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, 1, session));
  const Sweep& sweep = found.sweep;
  DRAGNET_ASSIGN_OR_RETURN(const auto lifetime, flags.launch.Lifetime());
  DRAGNET_ASSIGN_OR_RETURN(
      v1::Action action,
      ExtraRunOf(sweep.action, lifetime.value_or(kExtraRunLifetime), session.now()));
  LaunchFlags launch = Unfollowed(flags);
  launch.lifetime_is_default = !lifetime.has_value();
  DRAGNET_ASSIGN_OR_RETURN(const int status, LaunchAction(action, launch, session));
  if (status == 0 && !flags.launch.dry_run && !flags.launch.no_launch.has_value())
    session.io().Say(StrCat("See it:  dragnet results ", action.id(), " --follow"));
  return status;
}

}  // namespace dragnet::console
