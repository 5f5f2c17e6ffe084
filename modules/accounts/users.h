// /etc/passwd, shadow, group and login.defs (passwd(5), shadow(5), group(5),
// login.defs(5)), line by line. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::accounts {

struct PasswdEntry {
  std::string name;
  std::string password;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string gecos;
  std::string home;
  std::string shell;
};

// Days are counted from 1970; -1 is an empty field.
struct ShadowEntry {
  std::string name;
  std::string password;
  int64_t changed = -1;
  int64_t min_days = -1;
  int64_t max_days = -1;
  int64_t warn_days = -1;
  int64_t inactive_days = -1;
  int64_t expires = -1;
};

struct GroupEntry {
  std::string name;
  uint32_t gid = 0;
  std::vector<std::string> members;
};

// Why a line is not understood.
using OnBadLine = std::function<void(std::string_view reason, uint32_t line)>;

std::vector<PasswdEntry> ParsePasswd(std::string_view text, const OnBadLine& bad);
std::vector<ShadowEntry> ParseShadow(std::string_view text, const OnBadLine& bad);
std::vector<GroupEntry> ParseGroup(std::string_view text, const OnBadLine& bad);

// UID_MIN; 1000 if there is none.
uint32_t UidMin(std::string_view login_defs);

struct PasswordFacts {
  // set, empty, locked or none.
  std::string_view state;
  // Empty if there is no hash.
  std::string_view algorithm;
};
// Of the field of /etc/shadow, or of /etc/passwd.
PasswordFacts JudgePassword(std::string_view field);

// Overdue, as shadow(5) has it: it must be changed at the next login.
bool IsPasswordExpired(const ShadowEntry& entry, int64_t today);
// The account has ended, or was closed some days after that.
bool IsAccountExpired(const ShadowEntry& entry, int64_t today);

bool IsLoginShell(std::string_view shell);

}  // namespace dragnet::accounts
