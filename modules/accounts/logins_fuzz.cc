// libFuzzer target: utmp, lastlog and session files that somebody made up.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/text.h"
#include "modules/accounts/logins.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet::accounts;
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  size_t told = 0;
  const auto logins = ParseUtmp(content, [&](std::string_view, size_t) { ++told; });
  // A record is a login, no login, or bad.
  if (logins.size() + told > size / UtmpRecordBytes() + 1) std::abort();
  for (const LoginRecord& login : logins) {
    if (login.user.empty() || login.time < 0) std::abort();
    if (!dragnet::IsValidUtf8(login.user) || !dragnet::IsValidUtf8(login.host)) std::abort();
  }
  if (const auto login = ParseLastlog(content.substr(0, LastlogRecordBytes()));
      login && login->time <= 0) {
    std::abort();
  }
  if (const auto session = ParseSystemdSession(content);
      session && (session->time < 0 || (session->user.empty() && !session->uid))) {
    std::abort();
  }
  return 0;
}
