// Rows of accounts and groups. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "modules/accounts/accounts.pb.h"
#include "modules/accounts/host_files.h"
#include "modules/accounts/logins.h"
#include "modules/accounts/users.h"

namespace dragnet::accounts {

// What the host's files say of accounts and groups.
struct UserTables {
  std::vector<PasswdEntry> passwd;
  std::vector<GroupEntry> groups;
  // By name, the first entry of each.
  std::map<std::string, ShadowEntry, std::less<>> shadow;
  // /etc/shadow can't be read.
  bool shadow_unknown = false;
  uint32_t uid_min = 1000;
  // Groups that list a user as a member, by user.
  std::map<std::string, std::vector<std::string>, std::less<>> groups_of;
  std::map<uint32_t, std::string> group_names;
  // How many entries of each file have a name or a number.
  std::map<std::string, uint32_t, std::less<>> user_names, group_entries;
  std::map<uint32_t, uint32_t> uids, gids, primary;

  static UserTables Read(HostFiles& files, bool wants_shadow);

  // The account with this uid, or name; null if there is none.
  const PasswdEntry* ByUid(uint32_t uid) const;
  const PasswdEntry* ByName(std::string_view name) const;

  // The account has ended. False where that isn't known.
  bool IsExpired(const PasswdEntry& entry, int64_t today) const;

 private:
  std::map<uint32_t, size_t> by_uid_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

// When an account was last used.
class LastLogins {
 public:
  // `files` outlives it.
  explicit LastLogins(HostFiles& files);
  std::optional<LoginRecord> Of(const PasswdEntry& entry) const;

 private:
  HostFiles& files_;
  UniqueFd lastlog_;
  std::map<std::string, LoginRecord, std::less<>> wtmp_;
};

// All of an account but its keys and logins.
v1::AccountsRow AccountRow(const UserTables& tables, const PasswdEntry& entry, int64_t today,
                           HostFiles& files);
// Once `keys` is set.
void SetLoginPossible(v1::AccountsRow& row);
void SetLastLogin(const std::optional<LoginRecord>& login, int64_t now, v1::AccountsRow& row);

v1::AccountsRow GroupRow(const UserTables& tables, const GroupEntry& entry);

}  // namespace dragnet::accounts
