#include "console/investigation/launch_options.h"

#include "absl/strings/numbers.h"
#include "console/form/values.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"
#include "google/protobuf/util/message_differencer.h"

namespace dragnet::console {
namespace {

absl::Status ApplyDuration(const std::optional<std::string>& text, std::string_view flag,
                           google::protobuf::Duration* duration) {
  if (!text.has_value()) return absl::OkStatus();
  const absl::StatusOr<absl::Duration> value = ParseDuration(*text);
  if (!value.ok()) return Annotate(value.status(), flag);
  *duration = ToProtoDuration(*value);
  return absl::OkStatus();
}

absl::Status ApplySize(const std::optional<std::string>& text, std::string_view flag,
                       v1::Limits* limits, void (v1::Limits::*set)(uint64_t)) {
  if (!text.has_value()) return absl::OkStatus();
  const absl::StatusOr<uint64_t> value = ParseSize(*text);
  if (!value.ok()) return Annotate(value.status(), flag);
  (limits->*set)(*value);
  return absl::OkStatus();
}

// "N", or "N" and `unit`: from `least` to `most`.
absl::Status ParseNumber(std::string_view text, std::string_view flag, std::string_view unit,
                         uint64_t least, uint64_t most, uint64_t* value) {
  std::string_view digits = text;
  if (digits.ends_with(unit)) digits.remove_suffix(unit.size());
  if (absl::SimpleAtoi(ToAbsl(digits), value) && *value >= least && *value <= most) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      StrCat(flag, ": \"", text, "\" is not a number from ", least,
             most == UINT64_MAX ? std::string() : StrCat(" to ", most),
             unit.empty() ? "" : StrCat(", with or without ", unit)));
}

using Options = LaunchOptions;
using enum LaunchOptionGroup;

constexpr LaunchOption kOptions[] = {
    {kHosts, "--target", "-t", "EXPR",
     "Which agents, e.g. \"os='linux' and tags->>'env'='prod'\". A condition over an agent's "
     "facts, which each agent checks again itself. Columns: id, name, os, distribution, "
     "distribution_version, kernel, arch, version, boot_time (seconds since 1970) and, as JSON, "
     "tags, environment, addresses, modules.",
     "every agent", &Options::target},
    {kHosts, "--expires", "", "DURATION",
     "How long agents may obey it. Those that come online in time still run it.", "5m",
     &Options::expires},

    {kDispatch, "--rate", "", "N/s", "To so many agents in a second (default: all at once).", "",
     &Options::rate},
    {kDispatch, "--canary", "", "PERCENT",
     "First to this share of the connected agents, 1% to 50%. To the others when all of these "
     "have ended and none failed.",
     "", &Options::canary},
    {kDispatch, "--limit", "", "N",
     "To so many agents at most, chosen at random (default: to all).", "", &Options::agent_limit},
    {kDispatch, "--stop-when-failed", "", "PERCENT",
     "To no further agent when more than this share of those that ended failed, 1% to 100%. "
     "Looked at once 10 agents, or all, have ended; dragnet resume lets it go on.",
     "", &Options::stop_when_failed},

    {kRecord, "--action-name", "", "TEXT", "One line for people (default: the command as typed).",
     "", &Options::name},
    {kRecord, "--action-description", "", "TEXT", "More for people, e.g. why.", "",
     &Options::description},
    {kRecord, "--threat-level", "", "TEXT", "Low, high, alert or the like.", "",
     &Options::threat_level},
    {kRecord, "--threat-family", "", "TEXT", "Backdoor, compliance or the like.", "",
     &Options::threat_family},
    {kRecord, "--threat-type", "", "TEXT", "Ioc or the like.", "", &Options::threat_type},
    {kRecord, "--threat-reference", "", "TEXT", "A ticket, CVE or URL.", "",
     &Options::threat_reference},

    {kLimits, "--limit-wall-time", "", "DURATION", "Stop after so long (default: 10m).", "",
     &Options::wall_time},
    {kLimits, "--limit-cpu-time", "", "DURATION", "Stop after so much CPU time (default: 5m).", "",
     &Options::cpu_time},
    {kLimits, "--limit-memory", "", "SIZE", "Memory (default: 512M).", "", &Options::memory},
    {kLimits, "--limit-rows", "", "N", "Stop after so many rows (default: 100000).", "",
     &Options::rows},
    {kLimits, "--limit-result-size", "", "SIZE", "Stop after so many bytes of rows (default: 64M).",
     "", &Options::result_size},
    {kLimits, "--limit-cpu-share", "", "PERCENT",
     "At most this share of one core at any time, 1% to 6400% (default: 100%).", "",
     &Options::cpu_share},
};

void TakeText(std::string* from, std::optional<std::string>* to) {
  if (from->empty()) return;
  *to = std::move(*from);
  from->clear();
}

// The limits of all operations, when they are the same.
void TakeLimits(v1::Action* action, LaunchOptions* options) {
  if (action->operations().empty() || !action->operations(0).has_limits()) return;
  const v1::Limits limits = action->operations(0).limits();
  for (const v1::Operation& operation : action->operations())
    if (!google::protobuf::util::MessageDifferencer::Equals(operation.limits(), limits)) return;
  const auto number = [](uint64_t value, std::optional<std::string>* to) {
    if (value > 0) *to = StrCat(value);
  };
  if (limits.has_wall_time())
    options->wall_time = absl::FormatDuration(ToDuration(limits.wall_time()));
  if (limits.has_cpu_time())
    options->cpu_time = absl::FormatDuration(ToDuration(limits.cpu_time()));
  number(limits.memory_bytes(), &options->memory);
  number(limits.rows(), &options->rows);
  number(limits.result_bytes(), &options->result_size);
  number(limits.cpu_share_percent(), &options->cpu_share);
  for (v1::Operation& operation : *action->mutable_operations()) operation.clear_limits();
}

}  // namespace

std::string_view TitleOf(LaunchOptionGroup group) {
  switch (group) {
    case kHosts:
      return "Which hosts, and for how long";
    case kDispatch:
      return "How it spreads over the fleet (signed with it)";
    case kRecord:
      return "What the record says";
    case kLimits:
      return "Limits on each host (the agent's own ceilings always hold)";
  }
  return "";
}

std::span<const LaunchOption> AllLaunchOptions() { return kOptions; }

absl::StatusOr<std::optional<absl::Duration>> LaunchOptions::Lifetime() const {
  if (!expires.has_value()) return std::nullopt;
  const absl::StatusOr<absl::Duration> lifetime = ParseDuration(*expires);
  if (!lifetime.ok()) return Annotate(lifetime.status(), "--expires");
  if (*lifetime <= absl::ZeroDuration() || *lifetime + absl::Minutes(1) > kMaxActionLifetime) {
    return absl::InvalidArgumentError(
        StrCat("--expires: ", *expires, " is not between 1s and 365d"));
  }
  return *lifetime;
}

absl::Status LaunchOptions::Apply(v1::Action* action) const {
  if (target.has_value()) {
    DRAGNET_RETURN_IF_ERROR(Annotate(ValidateTarget(*target), "--target"));
    action->set_target(*target);
  }
  if (name.has_value()) action->set_name(*name);
  if (description.has_value()) action->set_description(*description);
  if (threat_level.has_value()) action->mutable_threat()->set_level(*threat_level);
  if (threat_family.has_value()) action->mutable_threat()->set_family(*threat_family);
  if (threat_type.has_value()) action->mutable_threat()->set_type(*threat_type);
  if (threat_reference.has_value()) action->mutable_threat()->set_reference(*threat_reference);

  DRAGNET_RETURN_IF_ERROR(ApplyDispatch(action));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Limits limits, Limits());
  if (limits.ByteSizeLong() > 0) {
    for (v1::Operation& operation : *action->mutable_operations()) {
      operation.mutable_limits()->MergeFrom(limits);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Limits> LaunchOptions::Limits() const {
  v1::Limits limits;
  if (wall_time.has_value()) {
    DRAGNET_RETURN_IF_ERROR(
        ApplyDuration(wall_time, "--limit-wall-time", limits.mutable_wall_time()));
  }
  if (cpu_time.has_value()) {
    DRAGNET_RETURN_IF_ERROR(ApplyDuration(cpu_time, "--limit-cpu-time", limits.mutable_cpu_time()));
  }
  DRAGNET_RETURN_IF_ERROR(
      ApplySize(memory, "--limit-memory", &limits, &v1::Limits::set_memory_bytes));
  DRAGNET_RETURN_IF_ERROR(
      ApplySize(result_size, "--limit-result-size", &limits, &v1::Limits::set_result_bytes));
  if (rows.has_value()) {
    uint64_t count;
    if (!absl::SimpleAtoi(*rows, &count)) {
      return absl::InvalidArgumentError(StrCat("--limit-rows: \"", *rows, "\" is not a number"));
    }
    limits.set_rows(count);
  }
  if (cpu_share.has_value()) {
    uint64_t percent;
    DRAGNET_RETURN_IF_ERROR(
        ParseNumber(*cpu_share, "--limit-cpu-share", "%", 1, kMaxCpuSharePercent, &percent));
    limits.set_cpu_share_percent(static_cast<uint32_t>(percent));
  }
  return limits;
}

absl::Status LaunchOptions::ApplyDispatch(v1::Action* action) const {
  uint64_t number;
  if (rate.has_value()) {
    DRAGNET_RETURN_IF_ERROR(ParseNumber(*rate, "--rate", "/s", 1, kMaxAgentsPerSecond, &number));
    action->mutable_dispatch()->set_agents_per_second(static_cast<uint32_t>(number));
  }
  if (canary.has_value()) {
    DRAGNET_RETURN_IF_ERROR(ParseNumber(*canary, "--canary", "%", 1, kMaxCanaryPercent, &number));
    action->mutable_dispatch()->set_canary_percent(static_cast<uint32_t>(number));
  }
  if (agent_limit.has_value()) {
    DRAGNET_RETURN_IF_ERROR(ParseNumber(*agent_limit, "--limit", "", 1, UINT64_MAX, &number));
    action->mutable_dispatch()->set_agent_limit(number);
  }
  if (stop_when_failed.has_value()) {
    DRAGNET_RETURN_IF_ERROR(
        ParseNumber(*stop_when_failed, "--stop-when-failed", "%", 1, 100, &number));
    action->mutable_dispatch()->set_stop_when_failed_percent(static_cast<uint32_t>(number));
  }
  return absl::OkStatus();
}

LaunchOptions LaunchOptions::TakeFrom(v1::Action* action) {
  LaunchOptions options;
  TakeText(action->mutable_target(), &options.target);
  TakeText(action->mutable_name(), &options.name);
  TakeText(action->mutable_description(), &options.description);
  if (action->has_threat()) {
    TakeText(action->mutable_threat()->mutable_level(), &options.threat_level);
    TakeText(action->mutable_threat()->mutable_family(), &options.threat_family);
    TakeText(action->mutable_threat()->mutable_type(), &options.threat_type);
    TakeText(action->mutable_threat()->mutable_reference(), &options.threat_reference);
    if (action->threat().ByteSizeLong() == 0) action->clear_threat();
  }
  if (action->has_dispatch()) {
    const v1::Dispatch dispatch = action->dispatch();
    action->clear_dispatch();
    if (dispatch.agents_per_second() > 0) options.rate = StrCat(dispatch.agents_per_second());
    if (dispatch.canary_percent() > 0) options.canary = StrCat(dispatch.canary_percent());
    if (dispatch.agent_limit() > 0) options.agent_limit = StrCat(dispatch.agent_limit());
    if (dispatch.stop_when_failed_percent() > 0)
      options.stop_when_failed = StrCat(dispatch.stop_when_failed_percent());
  }
  TakeLimits(action, &options);
  return options;
}

}  // namespace dragnet::console
