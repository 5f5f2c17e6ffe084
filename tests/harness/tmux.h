// A program in a real terminal: tmux draws what it writes, takes keys as a person
// would press them, and gives the screen as text. Each has a tmux server of its
// own, which ends with the test.
//
// Not thread-safe.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/harness/files.h"
#include "tests/harness/process.h"

namespace dragnet::testing {

struct TmuxOptions {
  int width = 80;
  int height = 24;
  // NAME=value for the program.
  std::vector<std::string> environment = {};
  // What the program is told that it runs on.
  std::string term = "tmux-256color";
};

class Tmux {
 public:
  // Starts `arguments` (a program of this build by its name, or a path).
  Tmux(const std::vector<std::string>& arguments, const TmuxOptions& options);

  // Keys by tmux's names ("Enter", "Escape", "F10", "C-c"), in order.
  void Press(const std::vector<std::string>& keys);
  // As it is, without names.
  void Type(const std::string& text);
  void Resize(int width, int height);

  // The screen, a line each, without spaces at the end.
  std::string Text() const;
  // With the escape sequences of colours and the like.
  std::string TextWithColours() const;
  // Waits until the screen contains it.
  ::testing::AssertionResult Shows(std::string_view text, absl::Duration patience = kPatience);
  ::testing::AssertionResult ShowsNo(std::string_view text, absl::Duration patience = kPatience);
  // Waits until nothing has changed on the screen for a moment, and gives it.
  std::string Settled();
  // Of the program.
  pid_t pid() const;
  bool Ended(absl::Duration patience = kPatience);

 private:
  std::vector<std::string> Client(const std::vector<std::string>& arguments) const;
  Finished Run(const std::vector<std::string>& arguments) const;

  TemporaryDirectory directory_;
  std::unique_ptr<Process> server_;
};

// What differs from run to run (ids, times, ports, key ids), by something of the
// same width.
std::string Normalised(std::string screen);

}  // namespace dragnet::testing
