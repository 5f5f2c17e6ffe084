#include "scheduler/describe.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "core/manual/files.h"
#include "core/manual/pages.h"
#include "core/manual/roff.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/version.h"

namespace dragnet::scheduler {
namespace {

manual::Option DescribeOption(const CLI::Option& option) {
  const bool takes_value = option.get_expected_min() > 0;
  manual::Option described{.name = StrCat("--", option.get_lnames().front()),
                           .value_name = takes_value ? option.get_type_name() : "",
                           .help = option.get_description(),
                           .required = option.get_required(),
                           .repeatable = option.get_expected_max() > 1 && takes_value};
  if (!option.get_snames().empty()) described.short_name = StrCat("-", option.get_snames().front());
  described.file = described.value_name == "FILE" || described.value_name == "DIR";
  if (!described.help.empty() && !described.help.ends_with('.')) described.help.push_back('.');
  if (const std::string& value = option.get_default_str(); takes_value && !value.empty())
    StrAppend(&described.help, " Default: ", value, ".");
  return described;
}

manual::Command DescribeCommand(const CLI::App& app) {
  manual::Command command{.name = app.get_name(), .summary = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    if (option == app.get_help_ptr() || option->get_lnames().empty()) continue;
    command.options.push_back(DescribeOption(*option));
  }
  for (const CLI::App* subcommand : app.get_subcommands(nullptr))
    if (!subcommand->get_group().empty())
      command.subcommands.push_back(DescribeCommand(*subcommand));
  return command;
}

}  // namespace

manual::Program Describe(const CLI::App& app) {
  manual::Command own = DescribeCommand(app);
  manual::Program program{.name = app.get_name(),
                          .summary = "takes signed actions, hands them to agents, keeps results",
                          .description = app.get_description(),
                          .options = own.options};
  program.options.push_back(
      {.name = "--help", .short_name = "-h", .help = "This, or the flags of a command."});
  program.groups = {{.title = "Commands", .commands = std::move(own.subcommands)}};
  return program;
}

absl::Status WriteManual(const CLI::App& app, const std::string& directory) {
  manual::Program program = Describe(app);
  DRAGNET_RETURN_IF_ERROR(manual::WriteCompletions(directory, program));
  StrAppend(&program.description,
            "\n\nIt says when it listens, and serves a watchdog, where a service manager started "
            "it that speaks sd_notify(3)'s protocol. The watchdog ends a scheduler that hangs; a "
            "full disk is no reason to: /readyz and `dragnet status` say so. Where standard error "
            "goes to systemd's journal, lines have the fields DRAGNET_ACTION and DRAGNET_AGENT.");
  program.exit_status = {{"0", "done, or stopped as asked"},
                         {"1", "failed, as of a full disk: a later try may not"},
                         {"2", "wrong usage, configuration or input, or a damaged store"},
                         {"4", "a port or a store is taken, or can't be reached"}};
  program.environment = {{"NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
                          "As sd_notify(3) and sd_watchdog_enabled(3) say."},
                         {"JOURNAL_STREAM", "As systemd.exec(5) says."}};
  program.files = {{"/etc/dragnet/scheduler.toml", "Configuration: scheduler.toml(5)."}};
  program.see_also = {"scheduler.toml(5)", "dragnet(1)", "dragnet-agent(8)"};
  const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
  const manual::PageStyle style{
      .section = 8, .version = kVersion, .date = manual::PageDate(epoch == nullptr ? "" : epoch)};
  return manual::WritePages(directory, {manual::ProgramPage(program, style)});
}

}  // namespace dragnet::scheduler
