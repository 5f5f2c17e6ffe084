#include "console/cli/io.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

absl::StatusOr<std::string> ReadStandardInput() {
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read standard input", errno);
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kMaxSmallFile) {
      return absl::InvalidArgumentError("standard input: more than 4 MiB");
    }
  }
}

size_t TerminalWidth() {
  winsize size{};
  for (const int fd : {STDERR_FILENO, STDOUT_FILENO}) {
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  }
  return 80;
}

}  // namespace

void Io::Say(std::string_view line) {
  err->Write(StrCat(line, "\n"));
  err->Flush().IgnoreError();
}

Io ProcessIo(Sink* out, Sink* err) {
  Io io;
  io.out = out;
  io.err = err;
  io.input_is_terminal = ::isatty(STDIN_FILENO) == 1;
  io.output_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  io.error_is_terminal = ::isatty(STDERR_FILENO) == 1;
  io.width = TerminalWidth();
  io.environment = [](std::string_view name) -> std::optional<std::string> {
    const char* value = ::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
  const std::optional<std::string> term = io.environment("TERM");
  io.color = io.output_is_terminal && !io.environment("NO_COLOR").has_value() && term.has_value() &&
             *term != "dumb";
  io.read_line = []() -> std::optional<std::string> {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  };
  io.read_input = ReadStandardInput;
  io.clock = &Clock::System();
  return io;
}

}  // namespace dragnet::console
