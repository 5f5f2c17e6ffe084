#include "modules/accounts/users.h"

#include <limits>

#include "modules/accounts/host_files.h"

namespace dragnet::accounts {
namespace {

constexpr uint64_t kMaxId = std::numeric_limits<uint32_t>::max();
// Beyond the year 9999 in days.
constexpr uint64_t kMaxDays = 100'000'000;
constexpr size_t kMaxMembers = 100'000;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Calls `take` with the fields of each line that has `count` of them; says why
// it doesn't take a line by returning false.
template <typename Take>
void ForEachLine(std::string_view text, size_t count, const OnBadLine& bad, const Take& take) {
  for (const NumberedLine& line : LinesOf(text)) {
    // glibc passes over both.
    if (line.text.empty() || line.text.front() == '#') continue;
    if (line.text.front() == '+' || line.text.front() == '-') {
      bad("entry of NIS: whom it lets in was not looked at", line.number);
      continue;
    }
    const std::vector<std::string_view> fields = Split(line.text, ':');
    if (fields.size() != count || fields[0].empty() || !take(fields))
      bad("line is not understood", line.number);
  }
}

// An empty field or one below zero is none; false when it is no number.
bool TakeDays(std::string_view field, int64_t* days) {
  *days = -1;
  if (field.empty()) return true;
  const bool negative = field.front() == '-';
  const auto number = ParseNumber(negative ? field.substr(1) : field, kMaxDays);
  if (!number) return false;
  if (!negative) *days = static_cast<int64_t>(*number);
  return true;
}

std::string_view AlgorithmOf(std::string_view hash) {
  struct Prefix {
    std::string_view prefix;
    std::string_view algorithm;
  };
  // crypt(5).
  static constexpr Prefix kPrefixes[] = {{"$y$", "yescrypt"}, {"$gy$", "gost-yescrypt"},
                                         {"$7$", "scrypt"},   {"$2", "bcrypt"},
                                         {"$6$", "sha512"},   {"$5$", "sha256"},
                                         {"$sha1$", "sha1"},  {"$md5", "sunmd5"},
                                         {"$1$", "md5"},      {"$3$", "nt"}};
  for (const Prefix& known : kPrefixes)
    if (hash.starts_with(known.prefix)) return known.algorithm;
  if (hash.starts_with('$')) return "unknown";
  constexpr std::string_view kAlphabet =
      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const auto is_of_alphabet = [&](std::string_view text) {
    return text.find_first_not_of(kAlphabet) == std::string_view::npos;
  };
  if (hash.starts_with('_') && hash.size() == 20 && is_of_alphabet(hash.substr(1))) return "bsdi";
  // bigcrypt's are longer, by eleven characters for each eight of the password.
  if (hash.size() >= 13 && (hash.size() - 13) % 11 == 0 && is_of_alphabet(hash)) return "des";
  return {};
}

}  // namespace

std::vector<PasswdEntry> ParsePasswd(std::string_view text, const OnBadLine& bad) {
  std::vector<PasswdEntry> entries;
  ForEachLine(text, 7, bad, [&](const std::vector<std::string_view>& fields) {
    const auto uid = ParseNumber(fields[2], kMaxId);
    const auto gid = ParseNumber(fields[3], kMaxId);
    if (!uid || !gid) return false;
    PasswdEntry entry;
    entry.name = fields[0];
    entry.password = fields[1];
    entry.uid = static_cast<uint32_t>(*uid);
    entry.gid = static_cast<uint32_t>(*gid);
    entry.gecos = fields[4];
    entry.home = fields[5];
    entry.shell = fields[6];
    entries.push_back(std::move(entry));
    return true;
  });
  return entries;
}

std::vector<ShadowEntry> ParseShadow(std::string_view text, const OnBadLine& bad) {
  std::vector<ShadowEntry> entries;
  ForEachLine(text, 9, bad, [&](const std::vector<std::string_view>& fields) {
    ShadowEntry entry;
    entry.name = fields[0];
    entry.password = fields[1];
    entries.push_back(std::move(entry));
    ShadowEntry& kept = entries.back();
    int64_t* const days[] = {&kept.changed,   &kept.min_days,      &kept.max_days,
                             &kept.warn_days, &kept.inactive_days, &kept.expires};
    bool understood = true;
    // What is understood counts all the same: the password is the more important part.
    for (size_t i = 0; i < std::size(days); ++i) understood &= TakeDays(fields[2 + i], days[i]);
    return understood;
  });
  return entries;
}

std::vector<GroupEntry> ParseGroup(std::string_view text, const OnBadLine& bad) {
  std::vector<GroupEntry> entries;
  size_t members = 0;
  ForEachLine(text, 4, bad, [&](const std::vector<std::string_view>& fields) {
    const auto gid = ParseNumber(fields[2], kMaxId);
    if (!gid) return false;
    GroupEntry entry;
    entry.name = fields[0];
    entry.gid = static_cast<uint32_t>(*gid);
    for (const std::string_view member : Split(fields[3], ',')) {
      if (member.empty()) continue;
      if (++members > kMaxMembers) return false;
      entry.members.emplace_back(member);
    }
    entries.push_back(std::move(entry));
    return true;
  });
  return entries;
}

uint32_t UidMin(std::string_view login_defs) {
  constexpr uint32_t kDefault = 1000;
  constexpr std::string_view kSpace = " \t";
  uint32_t uid_min = kDefault;
  for (const NumberedLine& line : LinesOf(login_defs)) {
    std::string_view text = line.text;
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    constexpr std::string_view kKey = "UID_MIN";
    if (!text.starts_with(kKey)) continue;
    text.remove_prefix(kKey.size());
    const size_t begin = text.find_first_not_of(kSpace);
    if (begin == 0 || begin == std::string_view::npos) continue;
    text.remove_prefix(begin);
    if (const auto number = ParseNumber(text.substr(0, text.find_first_of(" \t\r")), kMaxId))
      uid_min = static_cast<uint32_t>(*number);
  }
  return uid_min;
}

PasswordFacts JudgePassword(std::string_view field) {
  if (field.empty()) return {"empty", {}};
  // passwd -l puts one ! in front, some tools two, and others a *.
  const size_t marks = std::min(field.find_first_not_of("!*"), field.size());
  // A lock of an account without a password: unlocking it would open it.
  const std::string_view algorithm = AlgorithmOf(field.substr(marks));
  if (algorithm.empty()) return {"none", {}};
  return {marks == 0 ? "set" : "locked", algorithm};
}

bool IsPasswordExpired(const ShadowEntry& entry, int64_t today) {
  if (entry.changed == 0) return true;
  return entry.changed > 0 && entry.max_days >= 0 && today > entry.changed + entry.max_days;
}

bool IsAccountExpired(const ShadowEntry& entry, int64_t today) {
  // 0 is read as never by some and as 1970 by others (shadow(5)): who might get in counts.
  if (entry.expires > 0 && today >= entry.expires) return true;
  return entry.changed > 0 && entry.max_days >= 0 && entry.inactive_days >= 0 &&
         today > entry.changed + entry.max_days + entry.inactive_days;
}

bool IsLoginShell(std::string_view shell) {
  const size_t slash = shell.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? shell : shell.substr(slash + 1);
  for (const std::string_view closed : {"nologin", "false", "true", "sync", "halt", "shutdown"})
    if (name == closed) return false;
  return true;
}

}  // namespace dragnet::accounts
