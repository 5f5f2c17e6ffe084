// `dragnet sweep`: checks on the fleet, again and again (docs/sweeps.md).
#include <functional>
#include <utility>

#include "console/cli/command.h"
#include "console/cli/sweep.h"
#include "core/status_macros.h"

namespace dragnet::console {
namespace {

constexpr char kSweepHelp[] = "Its id, a unique beginning or end of it, or \"last\".";
constexpr char kExitHelp[] =
    " Exit status 0 when everything passes, 1 when a check failed, 3 when nothing failed but "
    "something is unknown or a host silent.";

class SweepCommand : public Command {
 public:
  std::string name() const override { return "sweep"; }
  std::string summary() const override { return "Run packs of checks on a schedule"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "A sweep is a pack of checks and a schedule, signed once. Agents run it by themselves at "
        "each of its times, also while the scheduler is down, and tell of each check: pass, fail, "
        "unknown or not applicable. The score is passed / (passed + failed + unknown), so what is "
        "unknown counts as not passed.");
    line.RequireSubcommand();
    DefineAdd(*Part(line, "add", "Sign and launch a sweep", AddSweep));
    DefineList(*Part(line, "list", "Sweeps, their schedules and how they stand", ListSweeps));
    DefineShow(
        *OfSweep(line, "show", "Where one stands, check by check or host by host", ShowSweep));
    DefineHistory(*OfSweep(line, "history", "Its runs, the newest first", ShowSweepHistory));
    DefineDrift(*OfSweep(line, "drift", "What is another now than it was", ShowSweepDrift));
    DefineRunNow(*OfSweep(line, "run-now", "Sign one more run of it, now", RunSweepNow));
    DefineReport(
        *OfSweep(line, "report", "All of it as a page, or for other programs", ReportSweep));
    DRAGNET_RETURN_IF_ERROR(Order(line, "pause", "Let it stand still", v1::Order::KIND_PAUSE));
    DRAGNET_RETURN_IF_ERROR(Order(line, "resume", "Let it go on", v1::Order::KIND_RESUME));
    return Order(line, "remove", "End it everywhere", v1::Order::KIND_CANCEL);
  }

  absl::StatusOr<int> Run(CommandLine& line, Session& session) override {
    for (const auto& [part, run] : parts_)
      if (line.chosen() == part) return run(flags_, session);
    for (const auto& [part, order] : orders_)
      if (line.chosen() == part) return order->Run(*part, session);
    return absl::InvalidArgumentError("sweep: what about it? dragnet help sweep");
  }

 private:
  using PartFunction = std::function<absl::StatusOr<int>(const SweepFlags&, Session&)>;

  CommandLine* Part(CommandLine& line, const std::string& name, const std::string& summary,
                    PartFunction run) {
    CommandLine* part = line.AddSubcommand(name, summary);
    parts_.emplace_back(part, std::move(run));
    return part;
  }

  CommandLine* OfSweep(CommandLine& line, const std::string& name, const std::string& summary,
                       PartFunction run) {
    CommandLine* part = Part(line, name, summary, std::move(run));
    part->AddArgument({.name = "SWEEP", .help = kSweepHelp, .required = true}, &flags_.sweep);
    return part;
  }

  absl::Status Order(CommandLine& line, const std::string& name, const std::string& summary,
                     v1::Order::Kind kind) {
    CommandLine* part = line.AddSubcommand(name, summary);
    orders_.emplace_back(part, NewSweepOrderCommand(kind));
    return orders_.back().second->Define(*part);
  }

  void DefineSigning(CommandLine& line) {
    line.StartGroup("Signing");
    line.AddSwitch({.name = "--yes",
                    .short_name = "-y",
                    .help = "Don't ask; the action is shown all the same."},
                   &flags_.launch.yes);
    line.AddSwitch({.name = "--dry-run", .help = "Show the action and its reach; sign nothing."},
                   &flags_.launch.dry_run);
    line.AddValue({.name = "--no-launch",
                   .value_name = "FILE",
                   .help = "Sign, write the signed envelope to a new FILE, and don't launch.",
                   .completion = Completion::kFile},
                  &flags_.launch.no_launch);
  }

  void DefineAdd(CommandLine& line) {
    line.SetDescription(
        "Shows what will be signed: every check, and the first five times by the clocks of the "
        "time zone and by those here. It can't be changed afterwards: remove it and add another.");
    line.AddArgument({.name = "PACK",
                      .help = "A pack of checks in YAML (docs/packs.md).",
                      .completion = Completion::kFile,
                      .required = true},
                     &flags_.pack);
    line.AddValue({.name = "--every",
                   .value_name = "CRON",
                   .help = "When, as in crontab(5): minute, hour, day of month, month, day of "
                           "week, e.g. '0 3 * * *'; or @hourly, @daily, @weekly, @monthly, "
                           "@yearly.",
                   .required = true},
                  &flags_.plan.every);
    line.AddValue({.name = "--tz",
                   .value_name = "ZONE",
                   .help = "By the clocks of this IANA time zone, e.g. Europe/Berlin (default: "
                           "UTC)."},
                  &flags_.plan.time_zone);
    line.AddValue({.name = "--jitter",
                   .value_name = "TIME",
                   .help = "Each host begins later by a time of its own, up to this, e.g. 30m "
                           "(default: none)."},
                  &flags_.plan.jitter);
    line.AddValue({.name = "--until",
                   .value_name = "DATE",
                   .help = "It ends after this day of the time zone, or at this time (default: in "
                           "90 days). At most 366 days from now."},
                  &flags_.plan.until);
    line.AddValue({.name = "--missed",
                   .value_name = "WHAT",
                   .help = "What becomes of runs at which a host is off (default: run-late). "
                           "run-late: the last of them is run as soon as it can be.",
                   .choices = {"run-late", "skip"}},
                  &flags_.plan.missed);
    line.AddValues({.name = "--set", .value_name = "NAME=VALUE", .help = "A variable of the pack."},
                   &flags_.set);
    const LaunchFlags::Defaults defaults = {.target = "none, it must be given", .expires = ""};
    line.StartGroup("Hosts");
    line.AddValue({.name = "--target",
                   .short_name = "-t",
                   .value_name = "EXPR",
                   .help = "On which hosts: a condition over their facts, e.g. \"os='linux'\"; "
                           "\"true\" is every agent."},
                  &flags_.launch.target);
    flags_.launch.DefineGroup(LaunchOptionGroup::kDispatch, defaults, line);
    line.StartGroup("Output");
    AddOutputFlag(line, &flags_.output);
    DefineSigning(line);
    flags_.launch.DefineGroup(LaunchOptionGroup::kRecord, defaults, line);
  }

  void DefineList(CommandLine& line) {
    line.AddSwitch({.name = "--all", .help = "Also those that have ended."}, &flags_.all);
    AddOutputFlag(line, &flags_.output);
  }

  void DefineShow(CommandLine& line) {
    line.SetDescription(std::string("The newest verdicts of all hosts.") + kExitHelp);
    line.AddValue({.name = "--by",
                   .value_name = "WHAT",
                   .help = "Count by check, host, os, distribution, tag:KEY or environment:KEY "
                           "(default: check)."},
                  &flags_.by);
    line.AddSwitch({.name = "--failed",
                    .help = "The verdicts that aren't passes (failed and unknown ones), with their "
                            "evidence."},
                   &flags_.failed);
    line.AddValues({.name = "--check",
                    .value_name = "ID",
                    .help = "The verdicts on this check, with their evidence."},
                   &flags_.checks);
    AddOutputFlag(line, &flags_.output);
  }

  void DefineHistory(CommandLine& line) {
    line.AddValue({.name = "--limit",
                   .short_name = "-n",
                   .value_name = "N",
                   .help = "How many, at most 1000 (default: 100)."},
                  &flags_.limit);
    AddOutputFlag(line, &flags_.output);
  }

  void DefineDrift(CommandLine& line) {
    line.SetDescription(
        "Checks that fail or are unknown since then, those that were fixed, hosts that are new, "
        "hosts that are silent. What went there and back again isn't told.");
    line.AddValue({.name = "--since",
                   .value_name = "TIME",
                   .help = "A day, a time or a run (SWEEP@SECONDS): what is another than at its "
                           "end (default: the run before the last)."},
                  &flags_.since);
    AddOutputFlag(line, &flags_.output);
  }

  void DefineRunNow(CommandLine& line) {
    line.SetDescription(
        "A new action with the sweep's checks and target, which needs the same signatures. Its "
        "verdicts count to the sweep.");
    line.AddValue({.name = "--expires",
                   .value_name = "TIME",
                   .help = "How long hosts that are offline may still get it (default: 1h)."},
                  &flags_.launch.expires);
    AddOutputFlag(line, &flags_.output);
    DefineSigning(line);
  }

  void DefineReport(CommandLine& line) {
    line.SetDescription(std::string("Without --html the verdicts, on standard output.") +
                        kExitHelp);
    line.AddValue({.name = "--html",
                   .value_name = "FILE",
                   .help = "One page that needs nothing else. A file that is there is kept, unless "
                           "--force.",
                   .completion = Completion::kFile},
                  &flags_.html);
    line.AddSwitch({.name = "--force", .help = "Replace FILE if it is there."}, &flags_.force);
    line.AddValue({.name = "--by",
                   .value_name = "WHAT",
                   .help = "The page's groups: os, distribution, tag:KEY or environment:KEY "
                           "(default: distribution)."},
                  &flags_.report_by);
    line.AddValue({.name = "--output",
                   .short_name = "-o",
                   .value_name = "FORMAT",
                   .help = "How to print (default: table).",
                   .choices = {"table", "json", "jsonl", "csv", "junit", "sarif"}},
                  &flags_.report_output);
  }

  SweepFlags flags_;
  std::vector<std::pair<CommandLine*, PartFunction>> parts_;
  std::vector<std::pair<CommandLine*, std::unique_ptr<Command>>> orders_;
};

}  // namespace

std::unique_ptr<Command> NewSweepCommand() { return std::make_unique<SweepCommand>(); }

}  // namespace dragnet::console
