#include "absl/strings/numbers.h"
#include "console/cli/launch.h"
#include "console/form/values.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"

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

}  // namespace

void AddOutputFlag(CommandLine& line, std::string* output) {
  line.AddValue({.name = "--output",
                 .short_name = "-o",
                 .value_name = "FORMAT",
                 .help = "How to print (default: table).",
                 .choices = {std::begin(kFormats), std::end(kFormats)}},
                output);
}

void LaunchFlags::Define(CommandLine& line, const Defaults& defaults) {
  line.StartGroup("Which hosts, and for how long");
  line.AddValue(
      {.name = "--target",
       .short_name = "-t",
       .value_name = "EXPR",
       .help = StrCat(
           "Which agents, e.g. \"os='linux' and tags->>'env'='prod'\" "
           "(default: ",
           defaults.target,
           "). A condition over an agent's facts, which each agent checks again "
           "itself. Columns: id, name, os, distribution, distribution_version, kernel, arch, "
           "version, boot_time (seconds since 1970) and, as JSON, tags, environment, "
           "addresses, modules.")},
      &target);
  line.AddValue({.name = "--expires",
                 .value_name = "DURATION",
                 .help = StrCat("How long agents may obey it (default: ", defaults.expires,
                                "). Those that come online in time still run it.")},
                &expires);
  line.AddSwitch(
      {.name = "--wait", .help = "Wait for agents that are offline, too, until it expires."},
      &wait);

  DefineDispatch(line);

  line.StartGroup("Output");
  AddOutputFlag(line, &output);
  AddRowFlags(line, &where, &columns);

  line.StartGroup("Signing");
  line.AddSwitch(
      {.name = "--yes", .short_name = "-y", .help = "Don't ask; the action is shown all the same."},
      &yes);
  line.AddSwitch({.name = "--no-wait",
                  .help = "Don't follow it: print its id once it is launched, or proposed to "
                          "others who must sign it, too."},
                 &no_wait);
  line.AddSwitch({.name = "--dry-run", .help = "Show the action and its reach; sign nothing."},
                 &dry_run);
  line.AddValue({.name = "--no-launch",
                 .value_name = "FILE",
                 .help = "Sign, write the signed envelope to a new FILE, and don't launch.",
                 .completion = Completion::kFile},
                &no_launch);

  line.StartGroup("What the record says");
  line.AddValue({.name = "--action-name",
                 .value_name = "TEXT",
                 .help = "One line for people (default: the command as typed)."},
                &name);
  line.AddValue(
      {.name = "--action-description", .value_name = "TEXT", .help = "More for people, e.g. why."},
      &description);
  line.AddValue(
      {.name = "--threat-level", .value_name = "TEXT", .help = "Low, high, alert or the like."},
      &threat_level);
  line.AddValue({.name = "--threat-family",
                 .value_name = "TEXT",
                 .help = "Backdoor, compliance or the like."},
                &threat_family);
  line.AddValue({.name = "--threat-type", .value_name = "TEXT", .help = "Ioc or the like."},
                &threat_type);
  line.AddValue(
      {.name = "--threat-reference", .value_name = "TEXT", .help = "A ticket, CVE or URL."},
      &threat_reference);

  line.StartGroup("Limits on each host (the agent's own ceilings always hold)");
  line.AddValue({.name = "--limit-wall-time",
                 .value_name = "DURATION",
                 .help = "Stop after so long (default: 10m)."},
                &wall_time);
  line.AddValue({.name = "--limit-cpu-time",
                 .value_name = "DURATION",
                 .help = "Stop after so much CPU time (default: 5m)."},
                &cpu_time);
  line.AddValue({.name = "--limit-memory", .value_name = "SIZE", .help = "Memory (default: 512M)."},
                &memory);
  line.AddValue({.name = "--limit-rows",
                 .value_name = "N",
                 .help = "Stop after so many rows (default: 100000)."},
                &rows);
  line.AddValue({.name = "--limit-result-size",
                 .value_name = "SIZE",
                 .help = "Stop after so many bytes of rows (default: 64M)."},
                &result_size);
  line.AddValue(
      {.name = "--limit-cpu-share",
       .value_name = "PERCENT",
       .help = "At most this share of one core at any time, 1% to 6400% (default: 100%)."},
      &cpu_share);
}

RowOptions LaunchFlags::Rows() const { return {.where = where, .columns = SplitNames(columns)}; }

void AddRowFlags(CommandLine& line, std::string* where, std::vector<std::string>* columns) {
  line.AddValue(
      {.name = "--where",
       .value_name = "EXPR",
       .help = "Show only rows for which this is true, e.g. \"size > 1000 and path like "
               "'/etc/%'\"; the others are counted. A condition over agent, agent_id and "
               "the row's columns, in the language of targets (docs/results.md). Hosts keep "
               "their states."},
      where);
  line.AddValues({.name = "--columns",
                  .value_name = "COLUMN[,COLUMN]",
                  .help = "Show only these columns, in this order."},
                 columns);
}

void LaunchFlags::DefineDispatch(CommandLine& line) {
  line.StartGroup("How it spreads over the fleet (signed with it)");
  line.AddValue({.name = "--rate",
                 .value_name = "N/s",
                 .help = "To so many agents in a second (default: all at once)."},
                &rate);
  line.AddValue({.name = "--canary",
                 .value_name = "PERCENT",
                 .help = "First to this share of the connected agents, 1% to 50%. To the others "
                         "when all of these have ended and none failed."},
                &canary);
  line.AddValue({.name = "--limit",
                 .value_name = "N",
                 .help = "To so many agents at most, chosen at random (default: to all)."},
                &agent_limit);
  line.AddValue(
      {.name = "--stop-when-failed",
       .value_name = "PERCENT",
       .help = "To no further agent when more than this share of those that ended "
               "failed, 1% to 100%. Looked at once 10 agents, or all, have ended; dragnet "
               "resume lets it go on."},
      &stop_when_failed);
}

absl::StatusOr<std::optional<absl::Duration>> LaunchFlags::Lifetime() const {
  if (!expires.has_value()) return std::nullopt;
  const absl::StatusOr<absl::Duration> lifetime = ParseDuration(*expires);
  if (!lifetime.ok()) return Annotate(lifetime.status(), "--expires");
  if (*lifetime <= absl::ZeroDuration() || *lifetime + absl::Minutes(1) > kMaxActionLifetime) {
    return absl::InvalidArgumentError(
        StrCat("--expires: ", *expires, " is not between 1s and 365d"));
  }
  return *lifetime;
}

absl::Status LaunchFlags::Apply(v1::Action* action) const {
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

absl::StatusOr<v1::Limits> LaunchFlags::Limits() const {
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

absl::Status LaunchFlags::ApplyDispatch(v1::Action* action) const {
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

}  // namespace dragnet::console
