#include "modules/accounts/logins.h"

#include <lastlog.h>
#include <utmp.h>

#include <cstring>
#include <limits>

#include "modules/accounts/host_files.h"

namespace dragnet::accounts {
namespace {

// Fields that are full have no NUL at their end.
template <size_t kSize>
std::string FieldText(const char (&field)[kSize]) {
  return Text(std::string_view(field, strnlen(field, kSize)));
}

constexpr uint64_t kMaxUid = std::numeric_limits<uint32_t>::max();
// 9999-12-31: protobuf's last day.
constexpr int64_t kMaxTime = 253402300799;

}  // namespace

size_t UtmpRecordBytes() { return sizeof(struct utmp); }
size_t LastlogRecordBytes() { return sizeof(struct lastlog); }

std::vector<LoginRecord> ParseUtmp(std::string_view content,
                                   const std::function<void(std::string_view, size_t)>& bad) {
  std::vector<LoginRecord> logins;
  for (size_t index = 0; !content.empty(); ++index) {
    struct utmp record;
    if (content.size() < sizeof record) {
      bad("ends within a record", index);
      break;
    }
    std::memcpy(&record, content.data(), sizeof record);
    content.remove_prefix(sizeof record);
    if (record.ut_type < EMPTY || record.ut_type > ACCOUNTING) {
      bad("record of a type that there isn't", index);
      continue;
    }
    if (record.ut_type != USER_PROCESS) continue;
    LoginRecord login;
    login.user = FieldText(record.ut_user);
    if (login.user.empty() || record.ut_pid < 0) {
      bad("login of nobody", index);
      continue;
    }
    login.terminal = FieldText(record.ut_line);
    login.host = FieldText(record.ut_host);
    login.pid = static_cast<uint32_t>(record.ut_pid);
    login.time = static_cast<uint32_t>(record.ut_tv.tv_sec);
    logins.push_back(std::move(login));
  }
  return logins;
}

std::optional<LoginRecord> ParseLastlog(std::string_view bytes) {
  struct lastlog record;
  if (bytes.size() != sizeof record) return std::nullopt;
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.ll_time == 0) return std::nullopt;
  LoginRecord login;
  login.terminal = FieldText(record.ll_line);
  login.host = FieldText(record.ll_host);
  login.time = static_cast<uint32_t>(record.ll_time);
  return login;
}

std::optional<SystemdSession> ParseSystemdSession(std::string_view content) {
  SystemdSession session;
  for (const NumberedLine& line : LinesOf(content)) {
    const size_t equals = line.text.find('=');
    if (equals == std::string_view::npos || line.text.starts_with('#')) continue;
    const std::string_view key = line.text.substr(0, equals);
    const std::string_view value = line.text.substr(equals + 1);
    if (key == "USER") session.user = Text(value);
    if (key == "TTY") session.terminal = Text(value);
    if (key == "REMOTE_HOST") session.host = Text(value);
    if (key == "CLASS") session.session_class = Text(value);
    if (key == "STATE") session.state = Text(value);
    if (key == "UID") {
      if (const auto uid = ParseNumber(value, kMaxUid)) session.uid = static_cast<uint32_t>(*uid);
    }
    if (key == "LEADER") {
      if (const auto pid = ParseNumber(value, kMaxUid))
        session.leader = static_cast<uint32_t>(*pid);
    }
    // In microseconds.
    if (key == "REALTIME") {
      if (const auto time = ParseNumber(value, std::numeric_limits<int64_t>::max()))
        session.time = std::min(static_cast<int64_t>(*time / 1'000'000), kMaxTime);
    }
  }
  if (session.user.empty() && !session.uid) return std::nullopt;
  return session;
}

}  // namespace dragnet::accounts
