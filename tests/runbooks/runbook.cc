#include "tests/runbooks/runbook.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

constexpr absl::Duration kScriptPatience = absl::Minutes(3);

constexpr char kPrelude[] = R"(set -euo pipefail
dragnet() {
  case "$1 ${2-}" in
    'trust sign'|'trust publish'|'trust revoke') command dragnet "$@" --yes ;;
    *) command dragnet "$@" ;;
  esac
}
systemctl() {
  local number=$(($(cat "$SERVICES/count") + 1))
  echo $number >"$SERVICES/count"
  echo "$*" >"$SERVICES/asking"
  mv "$SERVICES/asking" "$SERVICES/ask.$number"
  until [ -e "$SERVICES/done.$number" ]; do sleep 0.02; done
}
)";

std::string_view Unindented(std::string_view line) {
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

bool IsStep(std::string_view line) {
  size_t digits = 0;
  while (digits < line.size() && absl::ascii_isdigit(static_cast<unsigned char>(line[digits])))
    ++digits;
  return digits > 0 && line.substr(digits).starts_with(". ");
}

class Page {
 public:
  explicit Page(const std::string& name) : name_(name) {
    std::ifstream file(StrCat(DOCUMENTS, "/", name));
    for (std::string line; std::getline(file, line);) lines_.push_back(line);
    Need(!lines_.empty(), "read a page", name);
  }

  std::vector<Runbook> Runbooks() const {
    std::vector<Runbook> runbooks;
    for (size_t i = 0; i < lines_.size(); ++i) {
      std::string_view marker = lines_[i];
      if (!marker.starts_with("<!-- runbook: ") || !marker.ends_with(" -->")) continue;
      marker.remove_prefix(14);
      marker.remove_suffix(4);
      Runbook runbook = Read(i + 1);
      runbook.name = std::string(marker);
      runbook.page = name_;
      if (i == 0 || !lines_[i - 1].starts_with("## ")) runbook.mistake = "not below a heading";
      runbooks.push_back(std::move(runbook));
    }
    return runbooks;
  }

  std::string Section(const std::string& title) const {
    for (size_t i = 0; i < lines_.size(); ++i)
      if (lines_[i] == "## " + title) return Read(i + 1).script;
    Need(false, "find a section", StrCat(name_, ": ", title));
    return "";
  }

 private:
  // From this line to the next heading.
  Runbook Read(size_t begin) const {
    Runbook runbook;
    bool block = false;
    size_t indent = 0;
    for (size_t i = begin; i < lines_.size(); ++i) {
      const std::string& line = lines_[i];
      const std::string_view text = Unindented(line);
      if (!block && (line.starts_with("## ") || line.starts_with("# "))) break;
      if (text.starts_with("```")) {
        if (!block && text != "```sh") runbook.mistake = StrCat("a block that isn't sh: ", line);
        if (!block && runbook.steps == 0) runbook.mistake = StrCat("commands before step 1");
        block = !block;
        indent = line.size() - text.size();
      } else if (block) {
        StrAppend(&runbook.script, line.size() > indent ? line.substr(indent) : "", "\n");
      } else if (IsStep(line)) {
        ++runbook.steps;
        if (!line.starts_with(StrCat(runbook.steps, ". ")))
          runbook.mistake = StrCat("a step out of turn: ", line);
      }
    }
    if (runbook.script.empty()) runbook.mistake = "no commands";
    return runbook;
  }

  std::string name_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<Runbook> AllRunbooks() {
  std::vector<Runbook> all;
  for (const char* page : {"operations.md", "key-ceremony.md"})
    for (Runbook& runbook : Page(page).Runbooks()) all.push_back(std::move(runbook));
  return all;
}

std::string SectionOf(const std::string& page, const std::string& title) {
  return Page(page).Section(title);
}

TypedTerminal::TypedTerminal(const std::string& line)
    : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  Need(master_.valid() && ::grantpt(master_.get()) == 0 && ::unlockpt(master_.get()) == 0, "pty");
  char name[128];
  Need(::ptsname_r(master_.get(), name, sizeof name) == 0, "ptsname");
  name_ = name;
  // Held open, so that what is typed isn't lost before a program opens it.
  slave_.Reset(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::string typed;
  for (int i = 0; i < 32; ++i) StrAppend(&typed, line, "\n");
  Need(::write(master_.get(), typed.data(), typed.size()) == static_cast<ssize_t>(typed.size()),
       "type");
}

void TypedTerminal::Take() const { ::open(name_.c_str(), O_RDWR); }

ScriptRun RunScript(const std::string& script, const ScriptOptions& options) {
  const TemporaryDirectory services;
  Write(services.path() + "/count", "0\n");
  const TypedTerminal terminal(options.passphrase);
  const std::string programs = std::filesystem::path(ProgramPath("dragnet")).parent_path();
  Command command;
  command.arguments = {"/usr/bin/env", "-C", options.directory,
                       "/bin/bash",    "-c", kPrelude + script};
  command.environment = {StrCat("PATH=", programs, ":/usr/bin:/bin:/usr/sbin:/sbin"),
                         StrCat("SERVICES=", services.path())};
  for (const auto& [name, value] : options.environment)
    command.environment.push_back(StrCat(name, "=", value));
  command.before_exec = [&terminal] { terminal.Take(); };
  Process process(command, services.path() + "/log");
  int answered = 0;
  Eventually(
      [&] {
        const std::string next = StrCat(services.path(), "/ask.", answered + 1);
        if (std::filesystem::exists(next)) {
          ++answered;
          options.service_manager(std::string(absl::StripAsciiWhitespace(Read(next))));
          Write(StrCat(services.path(), "/done.", answered), "");
        }
        if (options.meanwhile != nullptr) options.meanwhile(process.Output());
        return !process.running();
      },
      kScriptPatience);
  ScriptRun run;
  const std::optional<Ended> ended = process.WaitForEnd(absl::ZeroDuration());
  if (ended.has_value()) run.status = ended->exit_status;
  run.output = StrCat(process.Output(), ended.has_value() ? "" : "\nit still ran: gave up\n");
  return run;
}

}  // namespace dragnet::testing
