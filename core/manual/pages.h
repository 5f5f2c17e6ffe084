// A program's manual pages from what its command line takes. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/manual/program.h"

namespace dragnet::manual {

// One file of a manual.
struct Page {
  // "dragnet-agent.8"
  std::string file;
  std::string text;
};

// What all pages have in common.
struct PageStyle {
  int section = 1;
  // Of the software: "0.1.0".
  std::string version{};
  // As PageDate() gives.
  std::string date{};
};

// Everything on one page.
Page ProgramPage(const Program& program, const PageStyle& style);

// An overview, and one page for each command: "dragnet.1", "dragnet-run.1", …
std::vector<Page> CommandPages(const Program& program, const PageStyle& style);

// The program that a help text describes, of the form that dragnet-agent's has:
//
//   PROGRAM: what it is for.
//
//     PROGRAM COMMAND WORDS --flag VALUE [--flag|--other]
//         Description: in it, "--flag: …" at the start of a line is that flag's.
//
//   Modules:                (or: Exit status:)
//     entry      text
//
// InvalidArgument for another form, so that a change of the help can't get lost.
absl::StatusOr<Program> ProgramFromHelp(std::string_view help);

}  // namespace dragnet::manual
