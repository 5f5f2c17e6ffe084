#include "modules/accounts/sudoers_line.h"

#include <algorithm>
#include <utility>

namespace dragnet::accounts {
namespace {

constexpr std::string_view kBlank = " \t\r";

bool IsBlank(char c) { return kBlank.find(c) != std::string_view::npos; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool IsAliasCharacter(char c) { return IsDigit(c) || c == '_' || (c >= 'A' && c <= 'Z'); }

constexpr std::string_view kIncludes[] = {"#includedir", "@includedir", "#include", "@include"};

// The directive that `text`, without blanks in front, begins with; empty if none.
std::string_view IncludeOf(std::string_view text) {
  for (const std::string_view word : kIncludes)
    if (text.starts_with(word) && text.size() > word.size() && IsBlank(text[word.size()]))
      return word;
  return {};
}

// Whether the # at `at` begins a uid, not a comment: it stands where a user can.
bool IsUid(std::string_view line, size_t at, bool users_possible) {
  size_t next = at + 1;
  if (next < line.size() && line[next] == '-') ++next;
  if (!users_possible || next >= line.size() || !IsDigit(line[next])) return false;
  return at == 0 || IsBlank(line[at - 1]) ||
         std::string_view("%!,(:>=").find(line[at - 1]) != std::string_view::npos;
}

bool IsAliasOfUsers(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  return line.starts_with("User_Alias") || line.starts_with("Runas_Alias");
}

// Takes a logical line from left to right. What can't be taken leaves `failed`.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) { SkipBlanks(); }

  bool at_end() const { return text_.empty(); }
  std::string_view rest() const { return text_; }
  char front() const { return text_.empty() ? '\0' : text_.front(); }

  void SkipBlanks() {
    text_.remove_prefix(std::min(text_.find_first_not_of(kBlank), text_.size()));
  }
  void Drop(size_t count) { text_.remove_prefix(std::min(count, text_.size())); }

  // The character, and blanks after it.
  bool Take(char c) {
    if (front() != c) return false;
    Drop(1);
    SkipBlanks();
    return true;
  }
  // The word, if no more of a word follows it.
  bool TakeWord(std::string_view word) {
    if (!text_.starts_with(word)) return false;
    if (text_.size() > word.size() && !IsBlank(text_[word.size()])) return false;
    Drop(word.size());
    SkipBlanks();
    return true;
  }

  // "…" without the quotes. False if it isn't closed.
  bool TakeQuoted(std::string* value) {
    Drop(1);
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1 && (text_[1] == '"' || text_[1] == '\\'))
        Drop(1);
      value->push_back(text_.front());
      Drop(1);
    }
    if (text_.empty()) return false;
    Drop(1);
    SkipBlanks();
    return true;
  }

  // Up to a blank or one of `ends`, \ in front of a character taking it as it is.
  bool TakeUntil(std::string_view ends, std::string* value) {
    const size_t before = value->size();
    while (!text_.empty() && !IsBlank(text_.front()) &&
           ends.find(text_.front()) == std::string_view::npos) {
      if (text_.front() == '\\') {
        Drop(1);
        if (text_.empty()) return false;
      }
      value->push_back(text_.front());
      Drop(1);
    }
    const bool any = value->size() > before;
    SkipBlanks();
    return any;
  }

 private:
  std::string_view text_;
};

// !!x is x.
std::string TakeNegation(Cursor& cursor) {
  bool negated = false;
  while (cursor.Take('!')) negated = !negated;
  return negated ? "!" : "";
}

// Whether the : at the front is within an IPv6 address, of which `taken` is the
// beginning.
bool IsWithinAddress(std::string_view taken, std::string_view rest) {
  if (taken.empty() && !rest.starts_with("::")) return false;
  for (const char c : taken)
    if (!IsHex(c) && c != ':') return false;
  return rest.size() > 1 && (IsHex(rest[1]) || rest[1] == ':' || rest[1] == '/');
}

// One user, group, netgroup, host or alias, with its !.
bool TakeMember(Cursor& cursor, std::string* member) {
  *member = TakeNegation(cursor);
  std::string name;
  if (cursor.front() == '"') {
    if (!cursor.TakeQuoted(&name) || name.empty()) return false;
    *member += name;
    return true;
  }
  // %:group and %:#gid are of other directories than the host's.
  if (cursor.rest().starts_with("%:")) {
    name = "%:";
    cursor.Drop(2);
  }
  while (true) {
    const std::string_view before = cursor.rest();
    std::string part;
    const bool any = cursor.TakeUntil(",:=()!\"", &part);
    name += part;
    const bool blank_follows = any && before.size() > cursor.rest().size() &&
                               IsBlank(before[before.size() - cursor.rest().size() - 1]);
    if (blank_follows || cursor.front() != ':' || !IsWithinAddress(name, cursor.rest())) break;
    cursor.Drop(1);
    name.push_back(':');
  }
  *member += name;
  return !name.empty();
}

bool TakeMembers(Cursor& cursor, std::vector<std::string>* members) {
  do {
    std::string member;
    if (!TakeMember(cursor, &member)) return false;
    members->push_back(std::move(member));
  } while (cursor.Take(','));
  return true;
}

bool IsDigestName(std::string_view text) {
  for (const std::string_view name : {"sha224:", "sha256:", "sha384:", "sha512:"})
    if (text.starts_with(name)) return true;
  return false;
}

// ^…$, in which nothing is special; it ends at a $ before a blank, a comma, a
// colon or the end.
bool TakeExpression(Cursor& cursor, std::string* command) {
  const std::string_view text = cursor.rest();
  for (size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '$' && (at + 1 == text.size() || IsBlank(text[at + 1]) ||
                                   text[at + 1] == ',' || text[at + 1] == ':')) {
      command->append(text.substr(0, at + 1));
      cursor.Drop(at + 1);
      return true;
    }
  }
  return false;
}

// One command with its digests, its ! and its arguments, as written but for
// what \ takes as it is.
bool TakeCommand(Cursor& cursor, std::string* command) {
  while (IsDigestName(cursor.rest())) {
    const std::string_view text = cursor.rest();
    const size_t end = text.find_first_of(" \t\r,");
    if (end == std::string_view::npos) return false;
    command->append(text.substr(0, end));
    cursor.Drop(end);
    cursor.SkipBlanks();
    command->append(cursor.Take(',') ? ", " : " ");
  }
  command->append(TakeNegation(cursor));
  const size_t before = command->size();
  if (cursor.front() == '^' && !TakeExpression(cursor, command)) return false;
  while (!cursor.at_end() && cursor.front() != ',' && cursor.front() != ':') {
    if (IsBlank(cursor.front())) {
      cursor.SkipBlanks();
      if (cursor.at_end() || cursor.front() == ',' || cursor.front() == ':') break;
      command->push_back(' ');
      if (cursor.front() == '^') {
        if (!TakeExpression(cursor, command)) return false;
        continue;
      }
    }
    if (cursor.front() == '\\') {
      cursor.Drop(1);
      if (cursor.at_end()) return false;
    }
    command->push_back(cursor.front());
    cursor.Drop(1);
  }
  return command->size() > before;
}

bool TakeAliases(Cursor& cursor, AliasKind kind, std::vector<AliasDefinition>* aliases) {
  do {
    AliasDefinition alias{kind, {}, {}};
    if (!cursor.TakeUntil("=,:!()", &alias.name) || !cursor.Take('=')) return false;
    if (alias.name.front() < 'A' || alias.name.front() > 'Z' ||
        !std::all_of(alias.name.begin(), alias.name.end(), IsAliasCharacter)) {
      return false;
    }
    if (kind != AliasKind::kCommand) {
      if (!TakeMembers(cursor, &alias.members)) return false;
    } else {
      do {
        std::string command;
        if (!TakeCommand(cursor, &command)) return false;
        alias.members.push_back(std::move(command));
      } while (cursor.Take(','));
    }
    aliases->push_back(std::move(alias));
  } while (cursor.Take(':'));
  return cursor.at_end();
}

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += ",";
    text += part;
  }
  return text;
}

bool TakeScope(Cursor& cursor, std::string* scope) {
  const char c = cursor.front();
  if (std::string_view("@:!>").find(c) == std::string_view::npos || cursor.at_end()) return true;
  cursor.Take(c);
  std::vector<std::string> members;
  if (!TakeMembers(cursor, &members)) return false;
  *scope = c + Join(members);
  return true;
}

bool TakeSetting(Cursor& cursor, DefaultSetting* setting) {
  setting->negated = !TakeNegation(cursor).empty();
  for (; !cursor.at_end(); cursor.Drop(1)) {
    const char c = cursor.front();
    if (!IsDigit(c) && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) break;
    setting->name.push_back(c);
  }
  cursor.SkipBlanks();
  if (setting->name.empty()) return false;
  for (const std::string_view sign : {"+=", "-=", "="}) {
    if (!cursor.rest().starts_with(sign)) continue;
    setting->sign = sign;
    cursor.Drop(sign.size());
    cursor.SkipBlanks();
    return cursor.front() == '"' ? cursor.TakeQuoted(&setting->value)
                                 : cursor.TakeUntil(",", &setting->value);
  }
  return true;
}

bool TakeDefaults(Cursor& cursor, std::vector<DefaultSetting>* settings) {
  std::string scope;
  if (!TakeScope(cursor, &scope)) return false;
  do {
    DefaultSetting setting;
    setting.scope = scope;
    if (!TakeSetting(cursor, &setting)) return false;
    settings->push_back(std::move(setting));
  } while (cursor.Take(','));
  return cursor.at_end();
}

// (USERS : GROUPS), either of them empty.
bool TakeRunas(Cursor& cursor, std::string* runas) {
  runas->clear();
  cursor.Take('(');
  std::vector<std::string> users;
  std::vector<std::string> groups;
  if (cursor.front() != ':' && cursor.front() != ')' && !TakeMembers(cursor, &users)) return false;
  const bool has_groups = cursor.Take(':');
  if (has_groups && cursor.front() != ')' && !TakeMembers(cursor, &groups)) return false;
  if (!cursor.Take(')')) return false;
  *runas = Join(users);
  if (!groups.empty()) *runas += ":" + Join(groups);
  return true;
}

constexpr std::string_view kTags[] = {"EXEC", "FOLLOW", "LOG_INPUT", "LOG_OUTPUT",
                                      "MAIL", "PASSWD", "SETENV",    "INTERCEPT"};
constexpr std::string_view kOptions[] = {
    "ROLE",      "TYPE",     "PRIVS", "LIMITPRIVS", "TIMEOUT",
    "NOTBEFORE", "NOTAFTER", "CWD",   "CHROOT",     "APPARMOR_PROFILE"};

// One tag or option, if there is one. False if it is not understood.
bool TakeTag(Cursor& cursor, CommandRun* run, bool* taken) {
  *taken = false;
  const std::string_view text = cursor.rest();
  size_t length = 0;
  while (length < text.size() && IsAliasCharacter(text[length])) ++length;
  const std::string word(text.substr(0, length));
  const size_t next = std::min(text.find_first_not_of(kBlank, length), text.size());
  const char follows = next < text.size() ? text[next] : '\0';
  if (follows == '=' &&
      std::find(std::begin(kOptions), std::end(kOptions), word) != std::end(kOptions)) {
    cursor.Drop(next + 1);
    cursor.SkipBlanks();
    std::string value;
    const bool good =
        cursor.front() == '"' ? cursor.TakeQuoted(&value) : cursor.TakeUntil(",:", &value);
    run->tags[word] = word + "=" + value;
    *taken = true;
    return good;
  }
  if (follows != ':') return true;
  const bool negative = word.starts_with("NO");
  const std::string positive = negative ? word.substr(2) : word;
  if (std::find(std::begin(kTags), std::end(kTags), positive) == std::end(kTags)) return true;
  cursor.Drop(next + 1);
  cursor.SkipBlanks();
  *taken = true;
  if (positive == "PASSWD") {
    run->nopasswd = negative;
  } else {
    run->tags[positive] = word;
  }
  return true;
}

bool TakeCommands(Cursor& cursor, std::vector<CommandRun>* runs) {
  // What holds for a command holds for those after it.
  CommandRun now;
  do {
    if (cursor.front() == '(' && !TakeRunas(cursor, &now.runas)) return false;
    bool taken = false;
    do {
      if (!TakeTag(cursor, &now, &taken)) return false;
    } while (taken);
    std::string command;
    if (!TakeCommand(cursor, &command)) return false;
    if (runs->empty() || runs->back().runas != now.runas || runs->back().nopasswd != now.nopasswd ||
        runs->back().tags != now.tags) {
      runs->push_back(now);
    }
    runs->back().commands.push_back(std::move(command));
  } while (cursor.Take(','));
  return true;
}

bool TakeUserRights(Cursor& cursor, UserRights* rights) {
  if (!TakeMembers(cursor, &rights->users)) return false;
  do {
    Privilege privilege;
    if (!TakeMembers(cursor, &privilege.hosts) || !cursor.Take('=') ||
        !TakeCommands(cursor, &privilege.runs)) {
      return false;
    }
    rights->privileges.push_back(std::move(privilege));
  } while (cursor.Take(':'));
  return cursor.at_end();
}

}  // namespace

std::vector<LogicalLine> LogicalLines(std::string_view content) {
  std::vector<LogicalLine> lines;
  LogicalLine line;
  bool continued = false;
  bool quoted = false;
  bool users_possible = true;
  for (uint32_t number = 1; !content.empty(); ++number) {
    const size_t end = std::min(content.find('\n'), content.size());
    std::string_view text = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (!continued) {
      line = {number, {}};
      quoted = false;
      users_possible = true;
    }
    continued = false;
    const std::string_view trimmed =
        text.substr(std::min(text.find_first_not_of(kBlank), text.size()));
    const bool is_include = line.text.empty() && !IncludeOf(trimmed).empty();
    for (size_t at = 0; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '\\') {
        if (text.find_first_not_of(kBlank, at + 1) == std::string_view::npos) {
          continued = true;
          line.text.push_back(' ');
          break;
        }
        line.text.append(text.substr(at++, 2));
        continue;
      }
      if (c == '"') quoted = !quoted;
      if (c == '#' && !quoted && !(is_include && text.data() + at == trimmed.data()) &&
          !IsUid(text, at, users_possible)) {
        break;
      }
      // Before the first =, in parentheses, or in an alias of users.
      if (c == '(') users_possible = true;
      if (c == ')' || (c == '=' && !IsAliasOfUsers(line.text))) users_possible = false;
      line.text.push_back(c);
    }
    if (continued && !content.empty()) continue;
    continued = false;
    if (line.text.find_first_not_of(kBlank) != std::string::npos) lines.push_back(std::move(line));
    line = {};
  }
  return lines;
}

std::optional<SudoersLine> ParseSudoersLine(std::string_view line) {
  Cursor cursor(line);
  if (const std::string_view word = IncludeOf(cursor.rest()); !word.empty()) {
    cursor.Drop(word.size());
    cursor.SkipBlanks();
    IncludeLine include;
    include.directory = word.ends_with("dir");
    const bool good = cursor.front() == '"' ? cursor.TakeQuoted(&include.path)
                                            : cursor.TakeUntil({}, &include.path);
    if (!good || !cursor.at_end() || include.path.empty()) return std::nullopt;
    return include;
  }
  struct AliasWord {
    std::string_view word;
    AliasKind kind;
  };
  constexpr AliasWord kAliasWords[] = {{"User_Alias", AliasKind::kUser},
                                       {"Runas_Alias", AliasKind::kRunas},
                                       {"Host_Alias", AliasKind::kHost},
                                       {"Cmnd_Alias", AliasKind::kCommand},
                                       {"Cmd_Alias", AliasKind::kCommand}};
  for (const AliasWord& known : kAliasWords) {
    if (!cursor.TakeWord(known.word)) continue;
    std::vector<AliasDefinition> aliases;
    if (!TakeAliases(cursor, known.kind, &aliases)) return std::nullopt;
    return aliases;
  }
  constexpr std::string_view kDefaults = "Defaults";
  if (const std::string_view text = cursor.rest();
      text.starts_with(kDefaults) && text.size() > kDefaults.size() &&
      std::string_view(" \t@:!>").find(text[kDefaults.size()]) != std::string_view::npos) {
    cursor.Drop(kDefaults.size());
    const bool scoped = !IsBlank(cursor.front());
    cursor.SkipBlanks();
    std::vector<DefaultSetting> settings;
    // `Defaults !use_pty` has a blank, `Defaults!COMMANDS noexec` none.
    if (!scoped) {
      do {
        DefaultSetting setting;
        if (!TakeSetting(cursor, &setting)) return std::nullopt;
        settings.push_back(std::move(setting));
      } while (cursor.Take(','));
      if (!cursor.at_end()) return std::nullopt;
    } else if (!TakeDefaults(cursor, &settings)) {
      return std::nullopt;
    }
    return settings;
  }
  UserRights rights;
  if (!TakeUserRights(cursor, &rights)) return std::nullopt;
  return rights;
}

}  // namespace dragnet::accounts
