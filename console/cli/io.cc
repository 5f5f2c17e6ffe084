#include "console/cli/io.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/ui.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <vector>

#include "console/output/text_width.h"
#include "core/file_io.h"
#include "core/openssl.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

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

// OpenSSL's console reader: it turns echo off and on again, signals included.
absl::StatusOr<std::string> ReadPassphrase(std::string_view what) {
  // It would read standard input if there were no terminal.
  if (!UniqueFd(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)).valid()) {
    return Io::NoTerminal(what);
  }
  char typed[1024] = {};
  char check[1] = {};
  const int failed =
      ::UI_UTIL_read_pw(typed, check, sizeof typed, StrCat(ForTerminal(what), ": ").c_str(), 0);
  std::string passphrase;
  // On the heap, whatever its length: moved on, and not copied, until it is wiped.
  passphrase.reserve(sizeof typed);
  passphrase.append(typed, ::strnlen(typed, sizeof typed));
  ::OPENSSL_cleanse(typed, sizeof typed);
  ClearOpensslErrors();
  if (failed != 0) {
    return absl::CancelledError(StrCat(what, ": nothing was typed"));
  }
  return passphrase;
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

void Io::Show(std::string_view document) {
  if (!error_is_terminal) {
    err->Write(document);
    return;
  }
  std::vector<std::string> lines;
  while (!document.empty()) {
    const std::string_view line = document.substr(0, document.find('\n'));
    document.remove_prefix(std::min(line.size() + 1, document.size()));
    BreakLine(line, static_cast<int>(width) - 1, &lines, kContinued);
  }
  for (const std::string& line : lines) err->Write(StrCat(line, "\n"));
}

absl::StatusOr<std::string> Io::NoTerminal(std::string_view what) {
  return absl::FailedPreconditionError(StrCat(what, ": there is no terminal to ask on"));
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
  io.read_passphrase = ReadPassphrase;
  io.clock = &Clock::System();
  return io;
}

}  // namespace dragnet::console
