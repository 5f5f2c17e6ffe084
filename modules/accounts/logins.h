// Who is and was logged in: utmp and wtmp (utmp(5)), lastlog (lastlog(8)), and
// systemd-logind's sessions. The binary files as this architecture's glibc lays
// them out. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::accounts {

// A record of utmp and of lastlog, in bytes.
size_t UtmpRecordBytes();
size_t LastlogRecordBytes();

struct LoginRecord {
  std::string user;
  std::string terminal;
  std::string host;
  uint32_t pid = 0;
  // Seconds since 1970.
  int64_t time = 0;
};

// Logins (USER_PROCESS) in the order of the file. `bad` is told why a record, by
// its index, is not understood.
std::vector<LoginRecord> ParseUtmp(std::string_view content,
                                   const std::function<void(std::string_view, size_t)>& bad);

// One record of lastlog; nothing for a user who never logged in, and for what is
// no such record.
std::optional<LoginRecord> ParseLastlog(std::string_view record);

struct SystemdSession {
  std::string user;
  std::optional<uint32_t> uid;
  std::string terminal;
  std::string host;
  uint32_t leader = 0;
  // user, greeter, manager, …
  std::string session_class;
  std::string state;
  int64_t time = 0;
};

// A file of /run/systemd/sessions; nothing if it names no user.
std::optional<SystemdSession> ParseSystemdSession(std::string_view content);

}  // namespace dragnet::accounts
