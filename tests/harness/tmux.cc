#include "tests/harness/tmux.h"

#include <regex>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

std::string ShellWord(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// As many of `fill` as `match` has bytes, separators kept.
std::string SameWidth(const std::string& match) {
  std::string filled;
  for (const char c : match) filled += std::isalnum(static_cast<unsigned char>(c)) ? '#' : c;
  return filled;
}

std::string ReplaceAll(const std::string& text, const std::regex& pattern) {
  std::string out;
  auto at = text.cbegin();
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    out.append(at, (*match)[0].first);
    out += SameWidth(match->str());
    at = (*match)[0].second;
  }
  out.append(at, text.cend());
  return out;
}

}  // namespace

Tmux::Tmux(const std::vector<std::string>& arguments, const TmuxOptions& options) {
  Command server;
  server.arguments = Client({"-D"});
  server_ = std::make_unique<Process>(server, directory_.path() + "/tmux.log");
  Need(Eventually([&] { return Run({"start-server"}).status() == 0; }), "tmux: no server");
  std::string line = "exec env";
  for (const std::string& setting : options.environment) StrAppend(&line, " ", ShellWord(setting));
  StrAppend(&line, " ",
            ShellWord(arguments[0].starts_with('/') ? arguments[0] : ProgramPath(arguments[0])));
  for (size_t i = 1; i < arguments.size(); ++i) StrAppend(&line, " ", ShellWord(arguments[i]));
  const std::vector<std::string> start = {"set-option",
                                          "-g",
                                          "default-terminal",
                                          options.term,
                                          ";",
                                          "set-option",
                                          "-g",
                                          "status",
                                          "off",
                                          ";",
                                          "set-option",
                                          "-g",
                                          "remain-on-exit",
                                          "on",
                                          ";",
                                          "set-option",
                                          "-g",
                                          "escape-time",
                                          "0",
                                          ";",
                                          "new-session",
                                          "-d",
                                          "-x",
                                          StrCat(options.width),
                                          "-y",
                                          StrCat(options.height),
                                          line};
  // On a busy machine tmux's server sometimes ends before its first client has spoken to
  // it; nothing of ours has run then.
  Finished started = Run(start);
  for (int more = 2;
       more > 0 && started.err.find("server exited unexpectedly") != std::string::npos; --more) {
    started = Run(start);
  }
  Need(started.status() == 0, "tmux: new-session", started.err);
}

std::vector<std::string> Tmux::Client(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = {"/usr/bin/tmux", "-u", "-S", directory_.path() + "/socket", "-f",
                                  "/dev/null"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

Finished Tmux::Run(const std::vector<std::string>& arguments) const {
  return RunToEnd(Client(arguments));
}

void Tmux::Press(const std::vector<std::string>& keys) {
  std::vector<std::string> arguments = {"send-keys"};
  arguments.insert(arguments.end(), keys.begin(), keys.end());
  const Finished sent = Run(arguments);
  Need(sent.status() == 0, "tmux: send-keys", sent.err);
}

void Tmux::Type(const std::string& text) {
  const Finished sent = Run({"send-keys", "-l", text});
  Need(sent.status() == 0, "tmux: send-keys -l", sent.err);
}

void Tmux::Resize(int width, int height) {
  const Finished resized = Run({"resize-window", "-x", StrCat(width), "-y", StrCat(height)});
  Need(resized.status() == 0, "tmux: resize-window", resized.err);
}

std::string Tmux::Text() const { return Run({"capture-pane", "-p"}).out; }

std::string Tmux::TextWithColours() const { return Run({"capture-pane", "-p", "-e"}).out; }

::testing::AssertionResult Tmux::Shows(std::string_view text, absl::Duration patience) {
  if (Eventually([&] { return Text().find(text) != std::string::npos; }, patience))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "never showed \"" << text << "\":\n" << Text();
}

::testing::AssertionResult Tmux::ShowsNo(std::string_view text, absl::Duration patience) {
  if (Eventually([&] { return Text().find(text) == std::string::npos; }, patience))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "still shows \"" << text << "\":\n" << Text();
}

std::string Tmux::Settled() {
  std::string before = Text();
  int unchanged = 0;
  Eventually([&] {
    const std::string now = Text();
    unchanged = now == before ? unchanged + 1 : 0;
    before = now;
    return unchanged >= 20;
  });
  return before;
}

pid_t Tmux::pid() const {
  const Finished shown = Run({"list-panes", "-F", "#{pane_pid}"});
  pid_t pid = -1;
  [[maybe_unused]] const bool read = absl::SimpleAtoi(shown.out, &pid);
  return pid;
}

bool Tmux::Ended(absl::Duration patience) {
  return Eventually([&] { return Run({"list-panes", "-F", "#{pane_dead}"}).out.starts_with("1"); },
                    patience);
}

std::string Normalised(std::string screen) {
  static const std::regex kPatterns[] = {
      std::regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
      std::regex("[0-9a-f]{4,8}-[0-9a-f]{4}(-[0-9a-f]{1,12})*"),
      std::regex("\\b[0-9a-f]{12,64}\\b"),
      std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2}"),
      std::regex("[0-9]{2}:[0-9]{2}(:[0-9]{2})?([+-][0-9]{2}:[0-9]{2})?"),
      std::regex("-[0-9a-f]{6,12}"),
      std::regex("\\b[0-9]+ (s|min|h|d)\\b"),
      std::regex("127\\.0\\.0\\.1:[0-9]+"),
  };
  for (const std::regex& pattern : kPatterns) screen = ReplaceAll(screen, pattern);
  return screen;
}

}  // namespace dragnet::testing
