#include <charconv>
#include <string>
#include <string_view>

#include "agent/sandbox/spawn.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

// (uid_t)-1 means "leave as it is" to setresuid(2): not a user.
constexpr uint32_t kNoId = 0xffffffff;

bool ParseId(std::string_view text, uint32_t* id) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *id);
  return error == std::errc() && end == text.data() + text.size() && *id != kNoId;
}

// Cuts off and returns what stands before the next `separator`.
std::string_view NextField(std::string_view* rest, char separator) {
  std::string_view field = rest->substr(0, rest->find(separator));
  rest->remove_prefix(std::min(rest->size(), field.size() + 1));
  return field;
}

}  // namespace

absl::StatusOr<UserAndGroup> LookUpUser(std::string_view user) {
  UserAndGroup found;
  if (size_t colon = user.find(':'); colon != std::string_view::npos) {
    if (ParseId(user.substr(0, colon), &found.uid) && ParseId(user.substr(colon + 1), &found.gid)) {
      return found;
    }
    return absl::InvalidArgumentError(
        StrCat("user '", user, "': expected a name, or uid:gid in decimal numbers"));
  }

  DRAGNET_ASSIGN_OR_RETURN(std::string passwd, ReadFile("/etc/passwd"));
  std::string_view lines = passwd;
  while (!lines.empty() && !user.empty()) {
    // name:password:uid:gid:comment:home:shell, passwd(5)
    std::string_view line = NextField(&lines, '\n');
    if (NextField(&line, ':') != user) continue;
    NextField(&line, ':');
    if (ParseId(NextField(&line, ':'), &found.uid) && ParseId(NextField(&line, ':'), &found.gid)) {
      return found;
    }
    return absl::InvalidArgumentError(
        StrCat("user '", user, "': its line in /etc/passwd has no numeric ids"));
  }
  return absl::NotFoundError(StrCat(
      "user '", user, "': not in /etc/passwd; create it, or give uid:gid in the configuration"));
}

}  // namespace dragnet::sandbox
