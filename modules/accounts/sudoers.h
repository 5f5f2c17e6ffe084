// What sudoers files allow (sudoers(5)). Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::accounts {

// More are not told, which is reported.
inline constexpr size_t kMaxSudoRights = 100'000;

// One user, and commands that share all but themselves.
struct SudoRight {
  // As written, with ! in front if it is excluded.
  std::string who;
  // The alias in the list of users that `who` is a member of.
  std::string user_alias;
  // Hosts, as written.
  std::string host;
  // USERS:GROUPS as written; empty is root.
  std::string runas;
  bool nopasswd = false;
  // Aliases of commands are replaced by what they stand for.
  std::vector<std::string> commands;
  bool all_commands = false;
  bool excludes = false;
  std::vector<std::string> tags;
  std::string path;
  uint32_t line = 0;
};

struct SudoDefault {
  // @HOSTS, :USERS, !COMMANDS, >RUNAS, or nothing.
  std::string scope;
  std::string name;
  bool negated = false;
  // =, += or -=, or nothing.
  std::string sign;
  std::string value;
  std::string path;
  uint32_t line = 0;
};

struct Sudoers {
  std::vector<SudoRight> rights;
  std::vector<SudoDefault> defaults;
};

class SudoersSource {
 public:
  virtual ~SudoersSource() = default;
  // Reports what can't be read itself; that nothing is there only if `required`.
  virtual std::optional<std::string> Read(const std::string& path, bool required) = 0;
  // Names in a directory, sorted; none if it isn't there.
  virtual std::vector<std::string> List(const std::string& directory) = 0;
  // `line` is 0 for all of the file.
  virtual void Bad(std::string_view reason, const std::string& path, uint32_t line) = 0;
};

// Reads `path` and what it includes. Rights are in the order of the files, of
// which the last one that matches counts for sudo.
Sudoers ReadSudoers(SudoersSource& source, const std::string& path);

}  // namespace dragnet::accounts
