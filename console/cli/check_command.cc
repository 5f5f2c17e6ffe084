// `dragnet check PACK…`: packs of checks on this machine, without a server.
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <map>

#include "absl/strings/str_join.h"
#include "console/check/agent_program.h"
#include "console/check/pack_names.h"
#include "console/check/report.h"
#include "console/check/run.h"
#include "console/cli/command.h"
#include "console/cli/interrupt.h"
#include "console/output/text_width.h"
#include "console/packs/advisories/import.h"
#include "console/packs/pack_keys.h"
#include "console/packs/pack_loader.h"
#include "console/packs/pack_schema.h"
#include "console/packs/yaml_reader.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// Of an entry that somebody is still to give a reason for.
constexpr int kBaselineDays = 90;

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

class CheckCommand : public Command {
 public:
  std::string name() const override { return "check"; }
  std::string summary() const override { return "Checks of a pack on this machine, as tests"; }
  CommandGroup group() const override { return CommandGroup::kProgram; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Runs the checks of packs (docs/packs.md) on this machine, or on an unpacked image: for "
        "CI pipelines and image builds. Needs no server, no key and no configuration. What could "
        "not be looked at is unknown, never passed. Exit status: 0 all passed, or is accepted or "
        "below --fail-on; 1 a check failed; 2 wrong usage or pack; 3 something is unknown.");
    line.AddArguments({.name = "PACK",
                       .help = "Files, or names of packs that come with Dragnet (--list).",
                       .completion = Completion::kFile},
                      &packs_);
    DefineSelection(line);
    DefineOutput(line);
    DefineOthers(line);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    Io& io = session.io();
    if (schema_) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string schema, PackSchema(session.modules()));
      io.out->Write(schema);
      return kExitDone;
    }
    if (list_) return List(session);
    if (!import_advisories_.empty()) return ImportAdvisories(io);
    if (packs_.empty()) {
      return absl::InvalidArgumentError(
          "check: which PACK? (a file, or a name out of dragnet check --list)");
    }
    DRAGNET_RETURN_IF_ERROR(CheckFlags());
    Problems problems;
    DRAGNET_ASSIGN_OR_RETURN(std::vector<Pack> packs, Load(session, &problems));
    if (lint_) return Lint(packs, problems, io);
    if (!problems.ok()) return Print(problems.ErrorLines(), io);
    std::optional<Baseline> baseline;
    if (baseline_.has_value()) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(*baseline_, kMaxYamlBytes));
      baseline = Baseline::Parse(text, *baseline_, &problems);
      if (!baseline.has_value()) return Print(problems.ErrorLines(), io);
      for (const std::string& remark : baseline->Remarks(packs, Host(), Today(session)))
        io.Say(remark);
    }
    DRAGNET_RETURN_IF_ERROR(Choose(&packs));
    return RunChecks(packs, baseline.has_value() ? &*baseline : nullptr, session);
  }

 private:
  // Of an image it isn't known: that of this machine says nothing of it.
  std::string Host() const { return root_.empty() ? HostName() : ""; }

  void DefineSelection(CommandLine& line) {
    const std::vector<std::string> severities(kSeverityWords.begin(), kSeverityWords.end());
    line.StartGroup("What to check");
    line.AddValue({.name = "--root",
                   .value_name = "DIR",
                   .help = "Inspect the unpacked image in DIR instead of this host.",
                   .completion = Completion::kDirectory},
                  &root_);
    line.AddValues({.name = "--set",
                    .value_name = "NAME=VALUE",
                    .help = "A variable of the packs. Of a list, values separated by commas."},
                   &set_);
    line.AddValues({.name = "--set-file",
                    .value_name = "NAME=FILE",
                    .help = "A variable of the packs: what is in FILE."},
                   &set_file_);
    line.AddValues({.name = "--only",
                    .value_name = "GLOB",
                    .help = "Only checks with such an id; * stands for anything."},
                   &only_);
    line.AddValue({.name = "--severity",
                   .value_name = "LEVEL",
                   .help = "Only checks of this severity or above.",
                   .choices = severities},
                  &severity_);
    line.StartGroup("What counts");
    line.AddValue({.name = "--fail-on",
                   .value_name = "LEVEL",
                   .help = "Failures and unknowns below this severity don't count for the exit "
                           "status (default: low).",
                   .choices = severities},
                  &fail_on_);
    line.AddValue({.name = "--baseline",
                   .value_name = "FILE",
                   .help = "Failures that are accepted, each with a reason and a last day.",
                   .completion = Completion::kFile},
                  &baseline_);
    line.AddValue({.name = "--write-baseline",
                   .value_name = "FILE",
                   .help = "Write a baseline of what fails now to a new FILE, with reasons to be "
                           "filled in.",
                   .completion = Completion::kFile},
                  &write_baseline_);
  }

  void DefineOutput(CommandLine& line) {
    line.StartGroup("Output");
    line.AddValue({.name = "--output",
                   .short_name = "-o",
                   .value_name = "FORMAT",
                   .help = "How to print (default: text).",
                   .choices = {std::begin(kCheckFormats), std::end(kCheckFormats)}},
                  &output_);
    line.AddSwitch({.name = "--quiet",
                    .short_name = "-q",
                    .help = "No lines of what passed or isn't applicable."},
                   &quiet_);
    line.AddSwitch(
        {.name = "--verbose", .short_name = "-v", .help = "Evidence and time of everything."},
        &verbose_);
  }

  void DefineOthers(CommandLine& line) {
    line.StartGroup("Without running anything");
    line.AddSwitch(
        {.name = "--lint", .help = "Say what is wrong with the packs, and what looks forgotten."},
        &lint_);
    line.AddSwitch({.name = "--list", .help = "List the packs that come with Dragnet."}, &list_);
    line.AddSwitch({.name = "--schema", .help = "Print the JSON Schema of packs, for editors."},
                   &schema_);
    line.AddValues({.name = "--import-advisories",
                    .value_name = "FILE",
                    .help = "Print the list of bad versions that advisories in FILE (OSV, OVAL) "
                            "make, for module pkg; what it can't hold is named on standard error.",
                    .completion = Completion::kFile},
                   &import_advisories_);
  }

  absl::Status CheckFlags() const {
    if (quiet_ && verbose_) {
      return absl::InvalidArgumentError("check: --quiet can't be given together with --verbose");
    }
    if (!root_.empty()) {
      struct stat info{};
      if (::stat(root_.c_str(), &info) != 0) return ErrnoStatus(StrCat("--root ", root_), errno);
      if (!S_ISDIR(info.st_mode)) {
        return absl::InvalidArgumentError(StrCat("--root ", root_, ": not a directory"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::map<std::string, std::string>> Variables() const {
    std::map<std::string, std::string> variables;
    for (const std::string& word : set_) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos || equals == 0) {
        return absl::InvalidArgumentError(StrCat("--set ", word, ": must be NAME=VALUE"));
      }
      if (!variables.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
        return absl::InvalidArgumentError(
            StrCat("--set ", word.substr(0, equals), ": given twice"));
      }
    }
    for (const std::string& word : set_file_) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos || equals == 0 || equals + 1 == word.size()) {
        return absl::InvalidArgumentError(StrCat("--set-file ", word, ": must be NAME=FILE"));
      }
      const std::string name = word.substr(0, equals);
      const absl::StatusOr<std::string> text =
          ReadFile(word.substr(equals + 1), kMaxParameterBytes);
      if (!text.ok()) return Annotate(text.status(), StrCat("--set-file ", name));
      if (!variables.emplace(name, *text).second) {
        return absl::InvalidArgumentError(StrCat("--set-file ", name, ": given twice"));
      }
    }
    return variables;
  }

  absl::StatusOr<int> ImportAdvisories(Io& io) const {
    std::vector<advisories::AdvisoryFile> files;
    for (const std::string& name : import_advisories_) {
      DRAGNET_ASSIGN_OR_RETURN(std::string content, ReadFile(name, advisories::kMaxFileBytes));
      files.push_back({.name = name, .content = std::move(content)});
    }
    DRAGNET_ASSIGN_OR_RETURN(const advisories::ImportedAdvisories imported,
                             advisories::ImportAdvisories(files));
    for (const advisories::LeftOut& left : imported.left_out)
      io.Say(StrCat("left out: ", left.what, ": ", left.why));
    io.out->Write(imported.parameters.vulnerable());
    io.Say(StrCat(imported.entries, imported.entries == 1 ? " entry, " : " entries, ",
                  imported.left_out.size(), " left out"));
    return kExitDone;
  }

  absl::StatusOr<std::vector<Pack>> Load(Session& session, Problems* problems) {
    PackOptions options{.modules = session.modules(), .now = session.now()};
    DRAGNET_ASSIGN_OR_RETURN(options.set, Variables());
    std::map<std::string, bool> used;
    std::vector<Pack> packs;
    std::map<std::string, std::string> files;
    for (const std::string& word : packs_) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string path, PackPath(word, session.io().environment));
      Problems of_this;
      std::optional<Pack> pack = LoadPack(path, options, &used, &of_this);
      problems->Merge(of_this);
      if (!pack.has_value()) continue;
      const auto [first, is_new] = files.emplace(pack->parameters.pack(), path);
      if (!is_new) {
        problems->Error(
            {}, path, StrCat("has the same id as ", first->second, ": ", pack->parameters.pack()));
      }
      packs.push_back(*std::move(pack));
    }
    for (const auto& [name, value] : options.set) {
      if (used.contains(name) || !problems->ok()) continue;
      problems->Error({}, StrCat("--set ", name), "no pack has this variable");
    }
    return packs;
  }

  static int Print(const std::vector<std::string>& lines, Io& io) {
    for (const std::string& line : lines) io.Say(line);
    return kExitBadInput;
  }

  static int Lint(const std::vector<Pack>& packs, const Problems& problems, Io& io) {
    for (const std::string& line : problems.ErrorLines()) io.Say(line);
    for (const std::string& line : problems.WarningLines()) io.Say(line);
    for (const Pack& pack : packs) {
      const int checks = pack.parameters.checks_size();
      io.out->Write(StrCat(ForTerminal(pack.file), ": ", pack.parameters.pack(), ", ", checks,
                           checks == 1 ? " check" : " checks", "\n"));
    }
    return problems.ok() ? kExitDone : kExitBadInput;
  }

  static absl::StatusOr<int> List(Session& session) {
    Io& io = session.io();
    DRAGNET_ASSIGN_OR_RETURN(const std::string directory, ShippedPackDirectory(io.environment));
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> names, ShippedPacks(directory));
    for (const std::string& name : names) {
      Problems problems;
      std::map<std::string, bool> used;
      const auto pack =
          LoadPack(StrCat(directory, "/", name, ".yaml"),
                   {.modules = session.modules(), .now = session.now()}, &used, &problems);
      io.out->Write(StrCat(PadRight(ForTerminal(name), 20), "  ",
                           pack.has_value()
                               ? StrCat(PadRight(StrCat(pack->parameters.checks_size()), 3),
                                        " checks  ", ForTerminal(pack->parameters.title()))
                               : std::string("can't be read: dragnet check --lint says why"),
                           "\n"));
    }
    if (names.empty()) io.Say(StrCat("No packs in ", directory, "."));
    return kExitDone;
  }

  // Takes out what --only and --severity leave.
  absl::Status Choose(std::vector<Pack>* packs) const {
    std::vector<bool> used(only_.size());
    bool any = false;
    for (Pack& pack : *packs) {
      Pack chosen;
      chosen.file = pack.file;
      chosen.parameters = pack.parameters;
      chosen.parameters.clear_checks();
      for (int i = 0; i < pack.parameters.checks_size(); ++i) {
        const check::v1::Check& check = pack.parameters.checks(i);
        if (!IsChosen(check, &used)) continue;
        *chosen.parameters.add_checks() = check;
        chosen.places.push_back(pack.places[static_cast<size_t>(i)]);
      }
      any = any || !chosen.parameters.checks().empty();
      pack = std::move(chosen);
    }
    for (size_t i = 0; i < only_.size(); ++i) {
      // A slip of the finger must not make a pipeline green.
      if (!used[i]) {
        return absl::InvalidArgumentError(StrCat("--only ", only_[i], ": no check has such an id"));
      }
    }
    if (!any) {
      return absl::InvalidArgumentError(
          StrCat("--severity ", severity_, ": none of the checks is"));
    }
    std::erase_if(*packs, [](const Pack& pack) { return pack.parameters.checks().empty(); });
    return absl::OkStatus();
  }

  bool IsChosen(const check::v1::Check& check, std::vector<bool>* used) const {
    bool named = only_.empty();
    for (size_t i = 0; i < only_.size(); ++i) {
      if (::fnmatch(only_[i].c_str(), check.id().c_str(), 0) != 0) continue;
      (*used)[i] = true;
      named = true;
    }
    return named &&
           (severity_.empty() || SeverityRank(check.severity()) >= SeverityRank(severity_));
  }

  static absl::CivilDay Today(const Session& session) {
    return absl::ToCivilDay(session.now(), absl::UTCTimeZone());
  }

  int RunChecks(const std::vector<Pack>& packs, const Baseline* baseline, Session& session) {
    Io& io = session.io();
    const absl::Time started = SteadyNow();
    const std::unique_ptr<CheckReport> report = NewReport(output_,
                                                          {.color = io.color,
                                                           .quiet = quiet_,
                                                           .verbose = verbose_,
                                                           .root = root_,
                                                           .fail_on = fail_on_,
                                                           .started = session.now()},
                                                          io.out);
    const Interrupt interrupt;
    const CheckRunOptions options{.program = FindAgentProgram(io.environment),
                                  .root = root_,
                                  .fail_on = fail_on_,
                                  .baseline = baseline,
                                  .host = Host(),
                                  .today = Today(session),
                                  .interrupted = [&] { return interrupt.raised(); }};
    CheckRunOutcome outcome = RunPacks(packs, options, report.get());
    int status = outcome.ExitStatus();
    report->Finish(outcome.tally, SteadyNow() - started, status);
    io.out->Flush().IgnoreError();
    for (const std::string& problem : outcome.problems) io.Say(StrCat("dragnet: ", problem));
    if (write_baseline_.has_value()) {
      const absl::Status written = WriteNewFile(
          *write_baseline_, BaselineOf(outcome.failures, Today(session) + kBaselineDays), 0644);
      if (!written.ok()) {
        io.Say(StrCat("dragnet: --write-baseline: ", ForTerminal(ToStd(written.message()))));
        status = kExitBadInput;
      } else {
        io.Say(StrCat("Wrote ", ForTerminal(*write_baseline_), ": ", outcome.failures.size(),
                      " to give a reason for."));
      }
    }
    return status;
  }

  std::vector<std::string> packs_;
  std::string root_;
  std::vector<std::string> set_;
  std::vector<std::string> set_file_;
  std::vector<std::string> import_advisories_;
  std::vector<std::string> only_;
  std::string severity_;
  std::string fail_on_;
  std::string output_ = "text";
  std::optional<std::string> baseline_;
  std::optional<std::string> write_baseline_;
  bool quiet_ = false;
  bool verbose_ = false;
  bool lint_ = false;
  bool list_ = false;
  bool schema_ = false;
};

}  // namespace

std::unique_ptr<Command> NewCheckCommand() { return std::make_unique<CheckCommand>(); }

}  // namespace dragnet::console
