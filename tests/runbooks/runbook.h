// Sections of the documentation whose steps a test runs: below a heading, a line
//
//   <!-- runbook: NAME -->
//
// and then numbered steps, whose commands are in blocks of ```sh. Nothing is added to
// them but answers: yes where a command asks, a passphrase where one is asked for, and
// a host's service manager (systemctl), whose part the test plays.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/unique_fd.h"
#include "tests/harness/process.h"

namespace dragnet::testing {

struct Runbook {
  std::string name;
  std::string page;  // "operations.md"
  // Its commands, in order.
  std::string script;
  int steps = 0;
  // What is wrong with how it is written; empty: nothing.
  std::string mistake;
};

// Of all pages, in their order.
std::vector<Runbook> AllRunbooks();
// The commands of a section without a marker, by its title.
std::string SectionOf(const std::string& page, const std::string& title);

// A terminal on which the same line was typed already, several times.
class TypedTerminal {
 public:
  explicit TypedTerminal(const std::string& line);
  // In a child that leads a session: makes it that one's terminal.
  void Take() const;

 private:
  UniqueFd master_;
  UniqueFd slave_;
  std::string name_;
};

struct ScriptRun {
  int status = -1;
  std::string output;
};

struct ScriptOptions {
  std::string directory;  // where it runs
  std::map<std::string, std::string> environment;
  std::string passphrase = "correct horse battery";
  // "stop dragnet-scheduler": what a service manager does.
  std::function<void(const std::string& request)> service_manager;
  // Again and again while it runs, with what it has written so far.
  std::function<void(const std::string& output)> meanwhile;
};

ScriptRun RunScript(const std::string& script, const ScriptOptions& options);

}  // namespace dragnet::testing
