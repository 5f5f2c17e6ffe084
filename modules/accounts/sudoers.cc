#include "modules/accounts/sudoers.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/strings.h"
#include "modules/accounts/sudoers_line.h"

namespace dragnet::accounts {
namespace {

constexpr int kMaxIncludeDepth = 32;
constexpr size_t kMaxFiles = 512;
// Of one list, its aliases replaced.
constexpr size_t kMaxExpanded = 20'000;

struct Member {
  std::string text;
  // The outermost alias that it came through.
  std::string alias;
};

std::string Negated(std::string_view text) {
  return text.starts_with('!') ? std::string(text.substr(1)) : StrCat("!", text);
}

// Members of aliases of one kind, which may be defined after they are used.
class Aliases {
 public:
  void Add(AliasDefinition alias) {
    members_.try_emplace(std::move(alias.name), std::move(alias.members));
  }

  // `list` with what its aliases stand for. False if that is too much.
  bool Expand(const std::vector<std::string>& list, std::vector<Member>* expanded) const {
    std::set<std::string> within;
    for (const std::string& item : list)
      if (!ExpandItem(item, {}, &within, expanded)) return false;
    return true;
  }

 private:
  bool ExpandItem(const std::string& item, const std::string& through,
                  std::set<std::string>* within, std::vector<Member>* expanded) const {
    const bool negated = item.starts_with('!');
    const std::string name = negated ? item.substr(1) : item;
    const auto found = members_.find(name);
    // An alias within itself is an error to sudo, too.
    if (found == members_.end() || within->contains(name)) {
      if (expanded->size() == kMaxExpanded) return false;
      expanded->push_back({item, through});
      return true;
    }
    // Steps are bounded by what they add: each alias has a member.
    if (within->size() > 64) return false;
    within->insert(name);
    for (const std::string& member : found->second) {
      if (!ExpandItem(negated ? Negated(member) : member, through.empty() ? name : through, within,
                      expanded)) {
        return false;
      }
    }
    within->erase(name);
    return true;
  }

  std::map<std::string, std::vector<std::string>> members_;
};

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) StrAppend(&text, text.empty() ? "" : ",", part);
  return text;
}

// Without the digests in front.
std::string_view CommandItself(std::string_view command) {
  while (command.starts_with("sha")) {
    const size_t space = command.find(' ');
    if (space == std::string_view::npos || command.find(':') > space) break;
    command.remove_prefix(space + 1);
  }
  return command;
}

class Reader {
 public:
  explicit Reader(SudoersSource& source) : source_(source) {}

  void ReadFile(const std::string& path, bool required, int depth) {
    if (depth > kMaxIncludeDepth || files_ == kMaxFiles) {
      source_.Bad("more files of sudoers than are read", path, 0);
      return;
    }
    if (!open_.insert(path).second) {
      source_.Bad("file of sudoers includes itself", path, 0);
      return;
    }
    const std::optional<std::string> content = source_.Read(path, required);
    if (content) ReadLines(*content, path, depth);
    open_.erase(path);
  }

  Sudoers Finish() {
    Sudoers sudoers;
    for (Pending& pending : pending_) {
      if (!Flatten(pending, &sudoers.rights)) {
        source_.Bad("more rights in sudoers than are told", pending.path, pending.line);
        break;
      }
    }
    sudoers.defaults = std::move(defaults_);
    // What holds for everyone.
    bool authenticates = true;
    for (const SudoDefault& setting : sudoers.defaults)
      if (setting.name == "authenticate" && setting.scope.empty()) authenticates = !setting.negated;
    if (!authenticates)
      for (SudoRight& right : sudoers.rights) right.nopasswd = true;
    return sudoers;
  }

 private:
  struct Pending {
    UserRights rights;
    std::string path;
    uint32_t line = 0;
  };

  void ReadLines(std::string_view content, const std::string& path, int depth) {
    ++files_;
    for (const LogicalLine& line : LogicalLines(content)) {
      std::optional<SudoersLine> parsed = ParseSudoersLine(line.text);
      if (!parsed) {
        source_.Bad("line of sudoers is not understood", path, line.number);
      } else {
        Take(*std::move(parsed), path, line.number, depth);
      }
    }
  }

  void Take(SudoersLine parsed, const std::string& path, uint32_t line, int depth) {
    if (const auto* include = std::get_if<IncludeLine>(&parsed)) {
      Include(*include, path, line, depth);
    } else if (auto* aliases = std::get_if<std::vector<AliasDefinition>>(&parsed)) {
      for (AliasDefinition& alias : *aliases)
        aliases_[static_cast<size_t>(alias.kind)].Add(std::move(alias));
    } else if (auto* settings = std::get_if<std::vector<DefaultSetting>>(&parsed)) {
      for (DefaultSetting& setting : *settings) {
        if (defaults_.size() == kMaxSudoRights) return;
        defaults_.push_back({std::move(setting.scope), std::move(setting.name), setting.negated,
                             std::move(setting.sign), std::move(setting.value), path, line});
      }
    } else if (auto* rights = std::get_if<UserRights>(&parsed)) {
      if (pending_.size() < kMaxSudoRights + 1)
        pending_.push_back({std::move(*rights), path, line});
    }
  }

  void Include(const IncludeLine& include, const std::string& from, uint32_t line, int depth) {
    if (include.path.find("%h") != std::string::npos) {
      source_.Bad("include of sudoers that depends on the host's name", from, line);
      return;
    }
    std::string path = include.path;
    if (!path.starts_with('/')) path = StrCat(from.substr(0, from.rfind('/') + 1), path);
    if (!include.directory) return ReadFile(path, /*required=*/true, depth + 1);
    for (const std::string& name : source_.List(path)) {
      // What editors and package managers leave (sudoers(5)).
      if (name.ends_with('~') || name.find('.') != std::string::npos) continue;
      ReadFile(StrCat(path, path.ends_with('/') ? "" : "/", name), /*required=*/true, depth + 1);
    }
  }

  const Aliases& Of(AliasKind kind) const { return aliases_[static_cast<size_t>(kind)]; }

  bool SetCommands(const CommandRun& run, SudoRight* right) const {
    std::vector<Member> commands;
    if (!Of(AliasKind::kCommand).Expand(run.commands, &commands)) return false;
    for (Member& command : commands) {
      const std::string_view itself = CommandItself(command.text);
      right->all_commands |= itself == "ALL";
      right->excludes |= itself.starts_with('!');
      right->commands.push_back(std::move(command.text));
    }
    right->runas = run.runas;
    right->nopasswd = run.nopasswd;
    for (const auto& [switched, tag] : run.tags) right->tags.push_back(tag);
    return true;
  }

  bool Flatten(const Pending& pending, std::vector<SudoRight>* rights) {
    std::vector<Member> users;
    if (!Of(AliasKind::kUser).Expand(pending.rights.users, &users)) return false;
    for (const Privilege& privilege : pending.rights.privileges) {
      for (const CommandRun& run : privilege.runs) {
        SudoRight right;
        right.host = Join(privilege.hosts);
        right.path = pending.path;
        right.line = pending.line;
        if (!SetCommands(run, &right)) return false;
        for (const Member& user : users) {
          // Bounded by the texts as well as by their number.
          texts_ += right.commands.size() + 1;
          if (rights->size() == kMaxSudoRights || texts_ > 10 * kMaxSudoRights) return false;
          right.who = user.text;
          right.user_alias = user.alias;
          rights->push_back(right);
        }
      }
    }
    return true;
  }

  SudoersSource& source_;
  // The file that is read, and those that include it.
  std::set<std::string> open_;
  Aliases aliases_[4];
  std::vector<Pending> pending_;
  std::vector<SudoDefault> defaults_;
  size_t files_ = 0;
  size_t texts_ = 0;
};

}  // namespace

Sudoers ReadSudoers(SudoersSource& source, const std::string& path) {
  Reader reader(source);
  reader.ReadFile(path, /*required=*/false, 0);
  return reader.Finish();
}

}  // namespace dragnet::accounts
