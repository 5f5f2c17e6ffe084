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

  line.StartGroup("Output");
  AddOutputFlag(line, &output);

  line.StartGroup("Signing");
  line.AddSwitch(
      {.name = "--yes", .short_name = "-y", .help = "Don't ask; the action is shown all the same."},
      &yes);
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
  if (limits.ByteSizeLong() > 0) {
    for (v1::Operation& operation : *action->mutable_operations()) {
      operation.mutable_limits()->MergeFrom(limits);
    }
  }
  return absl::OkStatus();
}

}  // namespace dragnet::console
