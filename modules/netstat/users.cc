#include "modules/netstat/users.h"

#include <fcntl.h>

#include <vector>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/proc_files.h"

namespace dragnet::netstat {
namespace {

// 100,000 users.
constexpr size_t kMaxFileBytes = 8 * 1024 * 1024;
constexpr size_t kMaxNames = 100'000;

}  // namespace

UserNames UserNames::Parse(std::string_view passwd) {
  UserNames users;
  for (absl::string_view line : absl::StrSplit(ToAbsl(passwd), '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 3));
    if (fields.size() != 4 || fields[0].empty() || users.names_.size() >= kMaxNames) continue;
    if (const auto uid = ParseDecimal(ToStd(fields[2])))
      users.names_.try_emplace(*uid, Shorten(ToValidUtf8(ToStd(fields[0])), 64));
  }
  return users;
}

UserNames UserNames::Load(const char* path) {
  const auto text = ReadProcFile(AT_FDCWD, path, kMaxFileBytes);
  return text ? Parse(*text) : UserNames();
}

std::string UserNames::NameOf(uint32_t uid) const {
  const auto found = names_.find(uid);
  return found != names_.end() ? found->second : StrCat(uid);
}

}  // namespace dragnet::netstat
