#include "console/cli/manual_command.h"

#include "console/cli/self_description.h"
#include "core/file_io.h"
#include "core/manual/completion.h"
#include "core/manual/files.h"
#include "core/manual/markdown.h"
#include "core/manual/pages.h"
#include "core/manual/roff.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/version.h"

namespace dragnet::console {
namespace {

constexpr char kAgentAbout[] =
    "dragnet-agent is the part of Dragnet that runs on every host of a fleet. It obeys actions "
    "that investigators signed, as the fleet's trust policy allows, and nothing else: it runs "
    "their operations in sandboxed workers (dragnet-worker(8)), and sends what was found to a "
    "scheduler through dragnet-link(8), the only one of its processes that speaks to the "
    "network.\n\nWhere a service manager started it that speaks sd_notify(3)'s protocol, it says "
    "when it is ready and whether it is connected, and serves its watchdog. Where standard error "
    "goes to systemd's journal, lines have the fields DRAGNET_ACTION and DRAGNET_AGENT.";

manual::Program LinkProgram() {
  return {.name = "dragnet-link",
          .summary = "the part of dragnet-agent that speaks to schedulers",
          .description =
              "Started by dragnet-agent(8), which gives it all that it needs over a socket; it "
              "takes no command, reads no configuration, and can't be run by hand. It runs as a "
              "user of its own (dragnet-link), behind walls that leave it the network, the names "
              "of hosts, and the directory of this host's TLS key and certificate. It holds no "
              "key that an action could be signed with, and the monitor believes nothing that it "
              "says: what it brings is verified there.\n\nWhat it says on standard error, "
              "dragnet-agent logs.",
          .see_also = {"dragnet-agent(8)", "agent.toml(5)"}};
}

manual::Program WorkerProgram() {
  return {.name = "dragnet-worker",
          .summary = "the part of dragnet-agent that runs one operation",
          .description =
              "Started by dragnet-agent(8) for one operation of one action, with the module's "
              "name and parameters on standard input; it takes no command, and can't be run by "
              "hand: see `dragnet-agent module`. Before it looks at anything it gives up all "
              "that its module doesn't need: users, capabilities, system calls, files, the "
              "network. The monitor ends it when it goes over a limit.",
          .exit_status = {{"0", "the module's answer was given, whatever it is"},
                          {"2", "it was called by hand"}},
          .see_also = {"dragnet-agent(8)", "agent.toml(5)"}};
}

// A file of docs/, or some of its sections.
struct Source {
  std::string file;
  // Empty: all of it.
  std::string section = {};
  // Its heading on the page; empty: none.
  std::string title = {};
};

struct FilePage {
  std::string name;
  std::string summary;
  std::vector<Source> sources;
  std::string see_also;
};

std::vector<FilePage> FilePages() {
  return {{"agent.toml", "configuration of dragnet-agent", {{"agent-toml.md"}}, "dragnet-agent(8)"},
          {"scheduler.toml",
           "configuration of dragnet-scheduler",
           {{"operations.md", "Settings: scheduler.toml"},
            {"streams.md", "Exports of the scheduler", "Exports"}},
           "dragnet-scheduler(8)"},
          {"console.toml",
           "configuration of dragnet, the investigator's program",
           {{"console-toml.md"}},
           "dragnet(1)"}};
}

class ManualCommand : public Command {
 public:
  explicit ManualCommand(const ModuleCatalog& modules) : modules_(modules) {}

  std::string name() const override { return "manual"; }
  std::string summary() const override { return "Write manual pages and completion scripts"; }
  CommandGroup group() const override { return CommandGroup::kHidden; }

  absl::Status Define(CommandLine& line) override {
    line.AddValue({.name = "--dir",
                   .value_name = "DIR",
                   .help = "Gets man/ and completions/.",
                   .completion = Completion::kDirectory,
                   .required = true},
                  &directory_);
    line.AddValue({.name = "--docs",
                   .value_name = "DIR",
                   .help = "Dragnet's docs/: with it, the pages of configuration files, too.",
                   .completion = Completion::kDirectory},
                  &docs_);
    line.AddValue({.name = "--agent-help",
                   .value_name = "FILE",
                   .help = "What dragnet-agent --help prints: with it, its pages, too.",
                   .completion = Completion::kFile},
                  &agent_help_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    const std::string date =
        manual::PageDate(session.io().environment("SOURCE_DATE_EPOCH").value_or(""));
    user_ = {.section = 1, .version = kVersion, .date = date};
    file_ = {.section = 5, .version = kVersion, .date = date};
    system_ = {.section = 8, .version = kVersion, .date = date};
    DRAGNET_RETURN_IF_ERROR(WriteOwn());
    if (!docs_.empty()) DRAGNET_RETURN_IF_ERROR(WriteFilePages());
    if (!agent_help_.empty()) DRAGNET_RETURN_IF_ERROR(WriteAgents());
    return kExitDone;
  }

 private:
  absl::Status WriteOwn() {
    DRAGNET_ASSIGN_OR_RETURN(manual::Program program, DescribeProgram(modules_));
    program.description =
        "dragnet asks the hosts of a fleet: what files, processes, connections, packages and "
        "settings they have. Each question is an action, which is shown, signed with the "
        "investigator's own key, and handed to a scheduler; the hosts' agents verify it and "
        "answer. `dragnet console` does the same on the whole screen.\n\n`dragnet help COMMAND` "
        "says what a command's page here says.";
    program.environment = {
        {"DRAGNET_CONFIG", "Configuration, where --config isn't given."},
        {"XDG_CONFIG_HOME", "Where dragnet/console.toml is, if neither is; else ~/.config."}};
    program.files = {{"~/.config/dragnet/console.toml", "Configuration: console.toml(5)."}};
    program.see_also = {"console.toml(5)", "dragnet-agent(8)", "dragnet-scheduler(8)"};
    DRAGNET_RETURN_IF_ERROR(manual::WritePages(directory_, manual::CommandPages(program, user_)));
    return manual::WriteCompletions(directory_, program);
  }

  absl::Status WriteFilePages() {
    for (const FilePage& page : FilePages()) {
      manual::Roff roff({.name = page.name,
                         .section = file_.section,
                         .summary = page.summary,
                         .version = StrCat("dragnet ", file_.version),
                         .date = file_.date});
      for (const Source& source : page.sources) {
        const std::string path = StrCat(docs_, "/", source.file);
        DRAGNET_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
        if (!source.section.empty()) {
          const auto section = manual::MarkdownSection(text, source.section);
          DRAGNET_RETURN_IF_ERROR(Annotate(section.status(), path));
          text = *section;
        }
        if (!source.title.empty()) text = StrCat("## ", source.title, "\n\n", text);
        manual::AddMarkdown(text, &roff);
      }
      roff.Section("See also");
      roff.Paragraph(page.see_also);
      DRAGNET_RETURN_IF_ERROR(
          manual::WritePages(directory_, {{StrCat(page.name, ".", file_.section), roff.text()}}));
    }
    return absl::OkStatus();
  }

  absl::Status WriteAgents() {
    DRAGNET_ASSIGN_OR_RETURN(const std::string help, ReadFile(agent_help_));
    absl::StatusOr<manual::Program> agent = manual::ProgramFromHelp(help);
    DRAGNET_RETURN_IF_ERROR(Annotate(agent.status(), agent_help_));
    // Of `module`: what it can run.
    for (manual::Command& command : agent->groups[0].commands) {
      for (manual::Option& option : command.options) {
        if (command.name != "module" || !option.positional) continue;
        for (const manual::Entry& module : agent->modules) option.choices.push_back(module.name);
      }
    }
    DRAGNET_RETURN_IF_ERROR(manual::WriteCompletions(directory_, *agent));
    agent->description = kAgentAbout;
    agent->exit_status = {{"0", "done, or stopped as asked"},
                          {"2", "wrong usage or configuration"},
                          {"3", "what was asked for could not be run"},
                          {"5", "the host was retired: it has no identity any more"}};
    agent->environment = {{"NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
                           "As sd_notify(3) and sd_watchdog_enabled(3) say."},
                          {"JOURNAL_STREAM", "As systemd.exec(5) says."}};
    agent->files = {{"/etc/dragnet/agent.toml", "Configuration: agent.toml(5)."},
                    {"/var/lib/dragnet", "State: identity, journal, results that wait."},
                    {"/var/lib/dragnet-releases", "Versions that were put in place by upgrades."}};
    agent->see_also = {"agent.toml(5)", "dragnet-link(8)", "dragnet-worker(8)", "dragnet(1)"};
    return manual::WritePages(directory_, {manual::ProgramPage(*agent, system_),
                                           manual::ProgramPage(LinkProgram(), system_),
                                           manual::ProgramPage(WorkerProgram(), system_)});
  }

  const ModuleCatalog& modules_;
  std::string directory_;
  std::string docs_;
  std::string agent_help_;
  manual::PageStyle user_;
  manual::PageStyle file_;
  manual::PageStyle system_;
};

}  // namespace

std::unique_ptr<Command> NewManualCommand(const ModuleCatalog& modules) {
  return std::make_unique<ManualCommand>(modules);
}

}  // namespace dragnet::console
