// What a command sees of the world outside of the fleet: its terminal, its
// standard input, its environment, the time. Tests make their own.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/client/config.h"
#include "console/output/sink.h"
#include "core/clock.h"

namespace dragnet::console {

// Not thread-safe; lives as long as the process.
struct Io {
  // Results, and nothing else.
  Sink* out = nullptr;
  // Everything said to the person: questions, progress, summaries, errors.
  Sink* err = nullptr;
  bool input_is_terminal = false;
  bool output_is_terminal = false;
  bool error_is_terminal = false;
  // Columns of the terminal; 80 where there is none.
  size_t width = 80;
  // Bold and colours may be used on `out`.
  bool color = false;
  // One line of standard input without its newline; nothing at its end.
  std::function<std::optional<std::string>()> read_line;
  // All of standard input, up to 4 MiB.
  std::function<absl::StatusOr<std::string>()> read_input;
  // Asks for a secret on the terminal, without echo, also when standard input is
  // a pipe. FailedPrecondition where there is no terminal.
  std::function<absl::StatusOr<std::string>(std::string_view what)> read_passphrase = NoTerminal;
  Environment environment;
  const Clock* clock = nullptr;

  // To `err`, one line.
  void Say(std::string_view line);
  // To `err`, a document in lines, as it is to be read before it is signed. On a
  // terminal what goes on from the line above is marked: its author chose the length
  // of a value, and where the terminal would break it.
  void Show(std::string_view document);

  static absl::StatusOr<std::string> NoTerminal(std::string_view what);
};

// The process's own. `out` and `err` outlive the result.
Io ProcessIo(Sink* out, Sink* err);

}  // namespace dragnet::console
