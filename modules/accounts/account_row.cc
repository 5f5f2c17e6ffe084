#include "modules/accounts/account_row.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/strings.h"
#include "modules/file/filters.h"
#include "modules/file/open.h"

namespace dragnet::accounts {
namespace {

constexpr int64_t kSecondsPerDay = 86400;
constexpr int64_t kMaxTime = 253402300799;
constexpr int kMaxGroups = 256;
constexpr int kMaxMembers = 1024;
// Of all names in a list, so that a row stays small whatever the file says.
constexpr size_t kMaxNamesText = 16 << 10;
constexpr size_t kMaxPathText = 4096;
constexpr uint32_t kNobody = 65534;
constexpr size_t kMaxWtmp = 16 << 20;

void SetDay(int64_t day, google::protobuf::Timestamp& time) {
  time.set_seconds(std::min(day * kSecondsPerDay, kMaxTime));
}

OnBadLine NoteIn(HostFiles& files, std::string_view path) {
  return [&files, path](std::string_view reason, uint32_t line) {
    files.NotLookedAt(reason, path, line);
  };
}

void SetPassword(const UserTables& tables, const PasswdEntry& entry, int64_t today,
                 v1::AccountsRow& row) {
  row.set_min_days(-1);
  row.set_max_days(-1);
  row.set_warn_days(-1);
  row.set_inactive_days(-1);
  // pam_unix goes to /etc/shadow for x and for ##NAME.
  const bool shadowed = entry.password == "x" || entry.password == "##" + entry.name;
  row.set_shadowed(shadowed);
  const auto found = tables.shadow.find(entry.name);
  if (found == tables.shadow.end()) {
    PasswordFacts facts{"none", {}};
    if (!shadowed) facts = JudgePassword(entry.password);
    if (shadowed && tables.shadow_unknown) facts.state = "unknown";
    row.set_password(std::string(facts.state));
    row.set_hash_algorithm(std::string(facts.algorithm));
    return;
  }
  const ShadowEntry& shadow = found->second;
  row.set_in_shadow(true);
  const PasswordFacts facts = JudgePassword(shadowed ? shadow.password : entry.password);
  const bool overdue = facts.state == "set" && IsPasswordExpired(shadow, today);
  row.set_password(std::string(overdue ? "expired" : facts.state));
  row.set_hash_algorithm(std::string(facts.algorithm));
  row.set_min_days(static_cast<int32_t>(shadow.min_days));
  row.set_max_days(static_cast<int32_t>(shadow.max_days));
  row.set_warn_days(static_cast<int32_t>(shadow.warn_days));
  row.set_inactive_days(static_cast<int32_t>(shadow.inactive_days));
  if (shadow.changed >= 0) SetDay(shadow.changed, *row.mutable_password_changed());
  row.set_password_changed_in_future(shadow.changed > today);
  if (shadow.expires > 0) SetDay(shadow.expires, *row.mutable_expires());
  row.set_expired(IsAccountExpired(shadow, today));
}

void SetHome(const PasswdEntry& entry, HostFiles& files, v1::AccountsRow& row) {
  if (entry.home.empty() || !files.IsLocal(entry.home)) return;
  // A link to a directory will do.
  const UniqueFd home = files.root().OpenAt(entry.home, O_PATH | O_DIRECTORY);
  struct stat info;
  if (!home.valid() || fstat(home.get(), &info) != 0) {
    if (!IsMissing(errno)) files.NotLookedAt(file::ErrorWords(errno), entry.home);
    return;
  }
  row.set_home_exists(true);
  row.set_home_mode(file::ModeString(info.st_mode));
  row.set_home_owner(info.st_uid);
  row.set_home_owned(info.st_uid == entry.uid);
  row.set_home_too_open((info.st_mode & 0027) != 0);
  for (const char* name : {".rhosts", ".shosts", ".netrc", ".forward"}) {
    struct stat beneath;
    if (fstatat(home.get(), name, &beneath, AT_SYMLINK_NOFOLLOW) == 0) {
      row.add_home_files(name);
    } else if (!IsMissing(errno)) {
      files.NotLookedAt(file::ErrorWords(errno), StrCat(entry.home, "/", name));
    }
  }
}

// Unless there are `max` already, or it takes more than is `*left`.
void AddName(std::string_view name, int max, size_t* left,
             google::protobuf::RepeatedPtrField<std::string>* names) {
  std::string text = Text(name);
  if (names->size() >= max || text.size() > *left) return;
  *left -= text.size();
  names->Add(std::move(text));
}

template <typename Map, typename Key>
uint32_t CountIn(const Map& counts, const Key& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

UserTables UserTables::Read(HostFiles& files, bool wants_shadow) {
  UserTables tables;
  constexpr std::string_view kPasswd = "/etc/passwd";
  constexpr std::string_view kShadow = "/etc/shadow";
  constexpr std::string_view kGroup = "/etc/group";
  if (const auto text = files.Read(kPasswd, /*may_be_missing=*/false))
    tables.passwd = ParsePasswd(*text, NoteIn(files, kPasswd));
  if (const auto text = files.Read(kGroup))
    tables.groups = ParseGroup(*text, NoteIn(files, kGroup));
  if (const auto text = files.Read("/etc/login.defs")) tables.uid_min = UidMin(*text);
  if (wants_shadow) {
    if (const auto text = files.Read(kShadow)) {
      for (ShadowEntry& entry : ParseShadow(*text, NoteIn(files, kShadow))) {
        std::string name = entry.name;
        tables.shadow.try_emplace(std::move(name), std::move(entry));
      }
    } else {
      struct stat info;
      tables.shadow_unknown = files.root().Status(kShadow, &info) || !IsMissing(errno);
    }
  }
  for (size_t i = 0; i < tables.passwd.size(); ++i) {
    const PasswdEntry& entry = tables.passwd[i];
    ++tables.user_names[entry.name];
    ++tables.uids[entry.uid];
    ++tables.primary[entry.gid];
    tables.by_uid_.try_emplace(entry.uid, i);
    tables.by_name_.try_emplace(entry.name, i);
  }
  for (const GroupEntry& group : tables.groups) {
    ++tables.group_entries[group.name];
    ++tables.gids[group.gid];
    tables.group_names.try_emplace(group.gid, group.name);
    for (const std::string& member : group.members) tables.groups_of[member].push_back(group.name);
  }
  return tables;
}

const PasswdEntry* UserTables::ByUid(uint32_t uid) const {
  const auto found = by_uid_.find(uid);
  return found == by_uid_.end() ? nullptr : &passwd[found->second];
}
const PasswdEntry* UserTables::ByName(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &passwd[found->second];
}

bool UserTables::IsExpired(const PasswdEntry& entry, int64_t today) const {
  const auto found = shadow.find(entry.name);
  return found != shadow.end() && IsAccountExpired(found->second, today);
}

LastLogins::LastLogins(HostFiles& files) : files_(files) {
  constexpr std::string_view kLastlog = "/var/log/lastlog";
  constexpr std::string_view kWtmp = "/var/log/wtmp";
  lastlog_ = files.root().OpenFile(kLastlog);
  if (!lastlog_.valid() && !IsMissing(errno)) files.NotLookedAt(file::ErrorWords(errno), kLastlog);
  const auto wtmp = files.ReadTail(kWtmp, kMaxWtmp, UtmpRecordBytes());
  if (!wtmp) return;
  for (LoginRecord& login : ParseUtmp(
           *wtmp, [&](std::string_view reason, size_t) { files.NotLookedAt(reason, kWtmp); })) {
    LoginRecord& last = wtmp_[login.user];
    if (login.time >= last.time) last = std::move(login);
  }
}

std::optional<LoginRecord> LastLogins::Of(const PasswdEntry& entry) const {
  std::optional<LoginRecord> last;
  if (const auto found = wtmp_.find(entry.name); found != wtmp_.end()) last = found->second;
  if (!lastlog_.valid()) return last;
  // The file has a hole for each uid that never logged in.
  std::string record(LastlogRecordBytes(), '\0');
  const ssize_t count = pread(lastlog_.get(), record.data(), record.size(),
                              static_cast<off_t>(record.size() * uint64_t{entry.uid}));
  if (count < 0) {
    files_.NotLookedAt(file::ErrorWords(errno), "/var/log/lastlog");
    return last;
  }
  record.resize(static_cast<size_t>(count));
  auto login = ParseLastlog(record);
  if (login && (!last || login->time > last->time)) last = std::move(login);
  return last;
}

v1::AccountsRow AccountRow(const UserTables& tables, const PasswdEntry& entry, int64_t today,
                           HostFiles& files) {
  v1::AccountsRow row;
  row.set_kind("account");
  row.set_name(Text(entry.name));
  row.set_uid(entry.uid);
  row.set_gid(entry.gid);
  row.set_gecos(Text(entry.gecos));
  row.set_home(Text(entry.home, kMaxPathText));
  row.set_shell(Text(entry.shell, kMaxPathText));
  row.set_login_shell(IsLoginShell(entry.shell));
  row.set_uid0_twin(entry.uid == 0 && entry.name != "root");
  row.set_duplicate_id(CountIn(tables.uids, entry.uid) > 1);
  row.set_duplicate_name(CountIn(tables.user_names, entry.name) > 1);
  row.set_system(entry.uid < tables.uid_min || entry.uid == kNobody);
  std::string_view primary;
  if (const auto group = tables.group_names.find(entry.gid); group != tables.group_names.end()) {
    primary = group->second;
    row.set_primary_group(Text(primary));
    row.add_groups(row.primary_group());
  }
  if (const auto groups = tables.groups_of.find(entry.name); groups != tables.groups_of.end()) {
    size_t left = kMaxNamesText;
    for (const std::string& group : groups->second)
      if (group != primary) AddName(group, kMaxGroups, &left, row.mutable_groups());
  }
  row.set_days_since_login(-1);
  SetPassword(tables, entry, today, row);
  SetHome(entry, files, row);
  return row;
}

void SetLoginPossible(v1::AccountsRow& row) {
  const std::string& password = row.password();
  const bool has_password =
      password == "set" || password == "empty" || password == "expired" || password == "unknown";
  row.set_login_possible(row.login_shell() && !row.expired() && (has_password || row.keys() > 0));
}

void SetLastLogin(const std::optional<LoginRecord>& login, int64_t now, v1::AccountsRow& row) {
  if (!login) return;
  row.mutable_last_login()->set_seconds(std::min(login->time, kMaxTime));
  row.set_days_since_login(
      static_cast<int32_t>(std::max<int64_t>(now - login->time, 0) / kSecondsPerDay));
  row.set_last_login_from(login->host.empty() ? login->terminal : login->host);
}

v1::AccountsRow GroupRow(const UserTables& tables, const GroupEntry& entry) {
  v1::AccountsRow row;
  row.set_kind("group");
  row.set_name(Text(entry.name));
  row.set_gid(entry.gid);
  row.set_duplicate_id(CountIn(tables.gids, entry.gid) > 1);
  row.set_duplicate_name(CountIn(tables.group_entries, entry.name) > 1);
  size_t left = kMaxNamesText;
  for (const std::string& member : entry.members)
    AddName(member, kMaxMembers, &left, row.mutable_members());
  row.set_member_count(static_cast<uint32_t>(entry.members.size()));
  row.set_primary_count(CountIn(tables.primary, entry.gid));
  return row;
}

}  // namespace dragnet::accounts
