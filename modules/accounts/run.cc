#include "modules/accounts/run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/strings.h"
#include "core/text.h"
#include "modules/accounts/account_row.h"
#include "modules/accounts/authorized_keys.h"
#include "modules/accounts/host_files.h"
#include "modules/accounts/sudoers.h"
#include "modules/file/open.h"
#include "modules/hidden_processes.h"
#include "modules/partial_text.h"

namespace dragnet::accounts {
namespace {

constexpr int64_t kSecondsPerDay = 86400;
constexpr int64_t kMaxTime = 253402300799;
constexpr size_t kMaxSessions = 20'000;
constexpr size_t kMaxProcesses = 1'000'000;
constexpr size_t kMaxCommandsText = 8192;
constexpr uint64_t kMaxId = std::numeric_limits<uint32_t>::max();

class HostSudoers : public SudoersSource {
 public:
  explicit HostSudoers(HostFiles& files) : files_(files) {}
  std::optional<std::string> Read(const std::string& path, bool required) override {
    return files_.Read(path, /*may_be_missing=*/!required);
  }
  std::vector<std::string> List(const std::string& directory) override {
    return files_.List(directory, 10'000);
  }
  void Bad(std::string_view reason, const std::string& path, uint32_t line) override {
    line == 0 ? files_.NotLookedAt(reason, path) : files_.NotLookedAt(reason, path, line);
  }

 private:
  HostFiles& files_;
};

// Somebody of the list, and how that is known.
struct Match {
  const Person* person = nullptr;
  std::string why;
};

class Run {
 public:
  Run(const Search& search, const pkg::Root& root, int64_t now, RunContext& context)
      : search_(search),
        context_(context),
        files_(root, context),
        now_(now),
        today_(now / kSecondsPerDay),
        tables_(UserTables::Read(files_, search.Wants("account") || search.Wants("key"))) {}

  void Execute() {
    if (search_.Wants("account") || search_.Wants("key")) LookAtAccounts();
    if (search_.Wants("group")) LookAtGroups();
    if (search_.Wants("sudo") || search_.Wants("sudo_default")) LookAtSudoers();
    if (search_.Wants("session")) LookAtSessions();
    if (search_.Wants("session") && search_.departed) LookAtProcesses();
  }

 private:
  const DepartedList* departed() const { return search_.departed ? &*search_.departed : nullptr; }

  bool Emit(v1::AccountsRow& row, const Match& match = {}) {
    if (context_.stopping()) return false;
    if (!search_.names.empty() && !search_.names.contains(row.name())) return true;
    if (match.person != nullptr) {
      row.set_person(match.person->label);
      row.set_why(Shorten(match.why, 1024));
    }
    if (search_.no_text) {
      // What is withheld is no empty text: a check that asks for it must not pass.
      for (std::string* text : {row.mutable_gecos(), row.mutable_comment(), row.mutable_commands()})
        if (!text->empty()) *text = kWithheld;
      if (!row.options().empty()) {
        row.clear_options();
        row.add_options(std::string(kWithheld));
      }
    }
    return context_.EmitRow(row);
  }

  // ---- accounts and their keys

  // Whose account it is; nobody without a list.
  Match MatchAccount(const PasswdEntry& entry) const {
    if (departed() == nullptr) return {};
    if (const Person* person = departed()->ByUser(entry.name)) return {person, "user name"};
    if (const Person* person = departed()->ByUid(entry.uid))
      return {person, StrCat("uid ", entry.uid)};
    std::string_view gecos = entry.gecos;
    while (!gecos.empty()) {
      const std::string_view part = gecos.substr(0, gecos.find(','));
      if (const Person* person = departed()->ByMail(part)) return {person, "mail in full name"};
      gecos.remove_prefix(std::min(part.size() + 1, gecos.size()));
    }
    return {};
  }

  void LookAtAccounts() {
    AuthorizedKeys keys(files_);
    std::optional<LastLogins> logins;
    if (search_.Wants("account")) logins.emplace(files_);
    if (search_.Wants("key")) keys.ReportCommands();
    for (const PasswdEntry& entry : tables_.passwd) {
      if (context_.stopping()) return;
      const Match owner = MatchAccount(entry);
      uint32_t count = 0;
      keys.ForEach(entry, [&](const sshkey::v1::SshkeyRow& key) {
        ++count;
        return !search_.Wants("key") || TakeKey(key, entry, owner);
      });
      context_.AddExamined(1, 0);
      if (!search_.Wants("account")) continue;
      v1::AccountsRow row = AccountRow(tables_, entry, today_, files_);
      row.set_keys(count);
      SetLoginPossible(row);
      SetLastLogin(logins->Of(entry), now_, row);
      if (departed() != nullptr && (owner.person == nullptr || !row.login_possible())) continue;
      Match match = owner;
      if (match.person != nullptr) {
        StrAppend(&match.why, "; account open: password ", row.password(),
                  ", authorized keys: ", count);
      }
      if (!Emit(row, match)) return;
    }
    if (!search_.Wants("key")) return;
    const PasswdEntry anyone{.name = "*", .password = {}, .gecos = {}, .home = {}, .shell = {}};
    keys.ForEachAuthority(
        [&](const sshkey::v1::SshkeyRow& key) { return TakeKey(key, anyone, {}); });
  }

  Match MatchKey(const sshkey::v1::SshkeyRow& key, const Match& owner) const {
    const Person* person = departed()->ByFingerprint(key.sha256());
    if (person == nullptr) person = departed()->ByFingerprint(key.md5());
    if (person != nullptr) return {person, "fingerprint of the key"};
    person = departed()->ByComment(key.comment());
    if (person != nullptr)
      return {person, search_.no_text ? "comment of the key"
                                      : StrCat("comment of the key: ", key.comment())};
    if (owner.person != nullptr) return {owner.person, StrCat("key into the account: ", owner.why)};
    return {};
  }

  bool TakeKey(const sshkey::v1::SshkeyRow& key, const PasswdEntry& account, const Match& owner) {
    Match match;
    if (departed() != nullptr) {
      match = MatchKey(key, owner);
      // sshd lets nobody into an account that has ended. One without a login
      // shell still forwards ports.
      if (match.person == nullptr || tables_.IsExpired(account, today_)) return true;
    }
    v1::AccountsRow row;
    row.set_kind("key");
    row.set_name(Text(account.name));
    row.set_uid(account.uid);
    row.set_path(key.path());
    row.set_line(key.line());
    row.set_algorithm(key.algorithm());
    row.set_bits(key.bits());
    row.set_sha256(key.sha256());
    row.set_comment(key.comment());
    row.set_cert_authority(account.name == "*");
    for (const std::string& option : key.options()) {
      row.add_options(option);
      const std::string_view name = std::string_view(option).substr(0, option.find('='));
      row.set_forced_command(row.forced_command() || name == "command");
      row.set_from_restricted(row.from_restricted() || name == "from");
      row.set_cert_authority(row.cert_authority() || name == "cert-authority");
    }
    return Emit(row, match);
  }

  // ---- groups

  void LookAtGroups() {
    for (const GroupEntry& entry : tables_.groups) {
      context_.AddExamined(1, 0);
      v1::AccountsRow row = GroupRow(tables_, entry);
      if (!Emit(row)) return;
    }
  }

  // ---- sudo

  static v1::AccountsRow SudoRow(const SudoRight& right) {
    v1::AccountsRow row;
    row.set_kind("sudo");
    row.set_name(Text(right.who));
    row.set_path(Text(right.path, 4096));
    row.set_line(right.line);
    row.set_host(Text(right.host));
    row.set_runas(Text(right.runas));
    row.set_nopasswd(right.nopasswd);
    row.set_all_commands(right.all_commands);
    row.set_excludes(right.excludes);
    row.set_user_alias(Text(right.user_alias));
    for (const std::string& tag : right.tags) row.add_tags(Text(tag));
    std::string commands;
    for (const std::string& command : right.commands) {
      StrAppend(&commands, commands.empty() ? "" : ", ", command);
      if (commands.size() > kMaxCommandsText) break;
    }
    row.set_commands(Text(commands, kMaxCommandsText));
    return row;
  }

  static v1::AccountsRow DefaultRow(const SudoDefault& setting) {
    v1::AccountsRow row;
    row.set_kind("sudo_default");
    row.set_name(Text(setting.name));
    row.set_path(Text(setting.path, 4096));
    row.set_line(setting.line);
    row.set_scope(Text(setting.scope));
    row.set_negated(setting.negated);
    row.set_sign(setting.sign);
    row.set_value(Text(setting.value, 4096));
    return row;
  }

  // Those of the list whom `who` of sudoers means: a user, #uid, %group, %#gid.
  std::vector<Match> MatchSudo(std::string_view who) {
    std::vector<Match> matches;
    if (who.starts_with('%')) {
      // A group may be in many lines, and a host may have many.
      const auto [known, is_new] = matches_of_group_.try_emplace(std::string(who.substr(1)));
      if (!is_new) return known->second;
      for (const GroupEntry& group : tables_.groups)
        if (group.name == known->first || StrCat("#", group.gid) == known->first)
          MatchMembers(group, &known->second);
      return known->second;
    }
    if (who.starts_with('#')) {
      const auto uid = ParseNumber(who.substr(1), kMaxId);
      if (!uid) return matches;
      if (const PasswdEntry* entry = tables_.ByUid(static_cast<uint32_t>(*uid))) {
        if (Match match = MatchAccount(*entry); match.person != nullptr) matches.push_back(match);
      } else if (const Person* person = departed()->ByUid(static_cast<uint32_t>(*uid))) {
        matches.push_back({person, "uid in sudoers"});
      }
      return matches;
    }
    if (const Person* person = departed()->ByUser(who)) {
      matches.push_back({person, "user name in sudoers"});
    } else if (const PasswdEntry* entry = tables_.ByName(who)) {
      if (Match match = MatchAccount(*entry); match.person != nullptr) matches.push_back(match);
    }
    return matches;
  }

  void MatchMembers(const GroupEntry& group, std::vector<Match>* matches) const {
    const std::string why = StrCat("member of group ", group.name, " that sudoers has");
    for (const std::string& member : group.members) {
      const PasswdEntry* entry = tables_.ByName(member);
      const Person* person = departed()->ByUser(member);
      if (person == nullptr && entry != nullptr) person = MatchAccount(*entry).person;
      if (person != nullptr) matches->push_back({person, StrCat(why, ": ", member)});
    }
    for (const PasswdEntry& entry : tables_.passwd) {
      if (entry.gid != group.gid) continue;
      if (const Person* person = MatchAccount(entry).person)
        matches->push_back({person, StrCat(why, ": ", entry.name)});
    }
  }

  bool TakeRight(const SudoRight& right) {
    v1::AccountsRow row = SudoRow(right);
    if (departed() == nullptr) return Emit(row);
    const bool allows = std::any_of(right.commands.begin(), right.commands.end(),
                                    [](const std::string& c) { return !c.starts_with('!'); });
    if (!allows || right.who.starts_with('!')) return true;
    for (const Match& match : MatchSudo(right.who))
      if (!Emit(row, match)) return false;
    return true;
  }

  void LookAtSudoers() {
    HostSudoers source(files_);
    const Sudoers sudoers = ReadSudoers(source, "/etc/sudoers");
    if (search_.Wants("sudo_default")) {
      for (const SudoDefault& setting : sudoers.defaults) {
        v1::AccountsRow row = DefaultRow(setting);
        if (!Emit(row)) return;
      }
    }
    if (!search_.Wants("sudo")) return;
    for (const SudoRight& right : sudoers.rights) {
      context_.AddExamined(1, 0);
      if (!TakeRight(right)) return;
    }
  }

  // ---- sessions

  struct Session {
    std::string user;
    std::optional<uint32_t> uid;
    std::string terminal, host;
    uint32_t pid = 0;
    int64_t time = 0;
    std::string_view source;
  };

  // By user name, or the uid of a session or of the account.
  Match MatchUser(const std::string& user, std::optional<uint32_t> uid) const {
    if (departed() == nullptr) return {};
    if (const Person* person = departed()->ByUser(user)) return {person, "user name"};
    const PasswdEntry* entry = tables_.ByName(user);
    if (entry == nullptr && uid) entry = tables_.ByUid(*uid);
    if (entry != nullptr) return MatchAccount(*entry);
    if (const Person* person = uid ? departed()->ByUid(*uid) : nullptr)
      return {person, StrCat("uid ", *uid)};
    return {};
  }

  bool EmitSession(const Session& session) {
    const PasswdEntry* entry = tables_.ByName(session.user);
    v1::AccountsRow row;
    row.set_kind("session");
    row.set_name(session.user);
    if (session.user.empty() && session.uid) {
      const PasswdEntry* known = tables_.ByUid(*session.uid);
      row.set_name(known == nullptr ? StrCat(*session.uid) : Text(known->name));
    }
    row.set_uid(session.uid ? *session.uid : entry == nullptr ? 0 : entry->uid);
    row.set_terminal(session.terminal);
    row.set_from(session.host);
    row.set_pid(session.pid);
    if (session.time != 0) row.mutable_started()->set_seconds(std::min(session.time, kMaxTime));
    row.set_source(std::string(session.source));
    Match match = MatchUser(session.user, session.uid);
    if (departed() != nullptr && match.person == nullptr) return true;
    match.why += "; running session";
    return Emit(row, match);
  }

  // False only when processes can be seen, and this one is none.
  bool MayRun(uint32_t pid) const {
    struct stat info;
    if (pid == 0 || !files_.root().Status("/proc/1", &info)) return true;
    return files_.root().Status(StrCat("/proc/", pid), &info) || errno != ENOENT;
  }

  void LookAtSessions() {
    constexpr std::string_view kSystemd = "/run/systemd/sessions";
    std::vector<Session> sessions;
    for (const std::string& name : files_.List(kSystemd, kMaxSessions)) {
      const std::string path = StrCat(kSystemd, "/", name);
      // NAME.ref is a pipe that keeps the session.
      if (name.ends_with(".ref")) continue;
      const auto content = files_.Read(path);
      if (!content) continue;
      auto session = ParseSystemdSession(*content);
      if (!session) {
        files_.NotLookedAt("session is of no user", path);
        continue;
      }
      // A user's service manager, and login screens, are no sessions of people.
      if (session->session_class.starts_with("manager") || session->session_class == "greeter")
        continue;
      sessions.push_back({session->user, session->uid, session->terminal, session->host,
                          session->leader, session->time, "systemd"});
    }
    AddUtmp(&sessions);
    for (const Session& session : sessions) {
      context_.AddExamined(1, 0);
      if (!EmitSession(session)) return;
    }
  }

  void AddUtmp(std::vector<Session>* sessions) {
    constexpr std::string_view kUtmp = "/run/utmp";
    const auto content = files_.Read(kUtmp);
    if (!content) return;
    // What logind has as well is told once.
    std::set<std::pair<std::string, std::string>> terminals;
    std::set<uint32_t> leaders;
    for (const Session& session : *sessions) {
      if (!session.terminal.empty()) terminals.emplace(session.user, session.terminal);
      leaders.insert(session.pid);
    }
    const auto bad = [&](std::string_view reason, size_t) { files_.NotLookedAt(reason, kUtmp); };
    for (LoginRecord& login : ParseUtmp(*content, bad)) {
      if (terminals.contains({login.user, login.terminal}) || leaders.contains(login.pid) ||
          !MayRun(login.pid) || sessions->size() >= 2 * kMaxSessions) {
        continue;
      }
      sessions->push_back(
          {login.user, {}, login.terminal, login.host, login.pid, login.time, "utmp"});
    }
  }

  // Processes that outlived their session, or never had one: a row for each
  // account of somebody of the list.
  void LookAtProcesses() {
    const UniqueFd proc = files_.root().OpenAt("/proc", O_RDONLY | O_DIRECTORY);
    std::vector<std::string> names;
    bool truncated = false;
    if (!proc.valid() || !pkg::ListDirectory(proc.get(), kMaxProcesses, &names, &truncated)) {
      if (!IsMissing(errno)) files_.NotLookedAt(file::ErrorWords(errno), "/proc");
      return;
    }
    if (ProcessesAreHidden()) files_.NotLookedAt(kHiddenProcesses, "/proc");
    struct Owned {
      uint32_t first_pid = 0;
      uint32_t count = 0;
    };
    std::map<uint32_t, Owned> owners;
    for (const std::string& name : names) {
      const auto pid = ParseNumber(name, kMaxId);
      struct stat info;
      if (!pid || fstatat(proc.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
      Owned& owned = owners[info.st_uid];
      ++owned.count;
      if (owned.first_pid == 0 || *pid < owned.first_pid)
        owned.first_pid = static_cast<uint32_t>(*pid);
    }
    for (const auto& [uid, owned] : owners) {
      const PasswdEntry* entry = tables_.ByUid(uid);
      Match match = MatchUser(entry == nullptr ? std::string() : entry->name, uid);
      if (match.person == nullptr) continue;
      StrAppend(&match.why, "; running processes: ", owned.count);
      v1::AccountsRow row;
      row.set_kind("session");
      row.set_name(entry == nullptr ? StrCat(uid) : Text(entry->name));
      row.set_uid(uid);
      row.set_pid(owned.first_pid);
      row.set_source("processes");
      if (!Emit(row, match)) return;
    }
  }

  const Search& search_;
  RunContext& context_;
  HostFiles files_;
  const int64_t now_;
  const int64_t today_;
  const UserTables tables_;
  // By what follows % in sudoers.
  std::map<std::string, std::vector<Match>> matches_of_group_;
};

}  // namespace

void RunSearch(const Search& search, const pkg::Root& root, int64_t now, RunContext& context) {
  Run(search, root, now, context).Execute();
}

}  // namespace dragnet::accounts
