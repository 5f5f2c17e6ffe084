// One logical line of a sudoers file, taken apart. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dragnet::accounts {

// A physical line, or several that end in \, without comments.
struct LogicalLine {
  uint32_t number = 0;
  std::string text;
};
std::vector<LogicalLine> LogicalLines(std::string_view content);

struct IncludeLine {
  std::string path;
  bool directory = false;
};

enum class AliasKind { kUser, kRunas, kHost, kCommand };
struct AliasDefinition {
  AliasKind kind;
  std::string name;
  std::vector<std::string> members;
};

struct DefaultSetting {
  std::string scope;
  std::string name;
  bool negated = false;
  std::string sign;
  std::string value;
};

// Commands that follow each other with the same runas, tags and options.
struct CommandRun {
  std::string runas;
  bool nopasswd = false;
  // By what they switch (EXEC for NOEXEC, CWD): as written.
  std::map<std::string, std::string> tags;
  // With ! in front.
  std::vector<std::string> commands;
};
struct Privilege {
  std::vector<std::string> hosts;
  std::vector<CommandRun> runs;
};
struct UserRights {
  std::vector<std::string> users;
  std::vector<Privilege> privileges;
};

using SudoersLine = std::variant<IncludeLine, std::vector<AliasDefinition>,
                                 std::vector<DefaultSetting>, UserRights>;

// Nothing when it isn't understood. `line` is not blank.
std::optional<SudoersLine> ParseSudoersLine(std::string_view line);

}  // namespace dragnet::accounts
