#include "modules/file/names.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "modules/file/open.h"

namespace dragnet::file {
namespace {

constexpr size_t kMaxFileBytes = 16 * 1024 * 1024;
// utmp and the tools stop at 32, the kernel doesn't care.
constexpr size_t kMaxNameBytes = 256;

// Takes what is before the next : off `line`; false if there is none.
bool TakeField(std::string_view* line, std::string_view* field) {
  const size_t colon = line->find(':');
  if (colon == std::string_view::npos) return false;
  *field = line->substr(0, colon);
  line->remove_prefix(colon + 1);
  return true;
}

}  // namespace

NameTable NameTable::Parse(std::string_view text) {
  NameTable table;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view name, password, number;
    uint32_t id = 0;
    if (!TakeField(&line, &name) || !TakeField(&line, &password) || !TakeField(&line, &number))
      continue;
    if (name.empty() || name.size() > kMaxNameBytes || name[0] == '#' || name[0] == '+' ||
        name[0] == '-' || number.empty() ||
        number.find_first_not_of("0123456789") != std::string_view::npos ||
        !absl::SimpleAtoi(ToAbsl(number), &id)) {
      continue;
    }
    table.names_.try_emplace(id, name);
    table.ids_.try_emplace(std::string(name), id);
  }
  return table;
}

NameTable NameTable::ReadFile(const char* path, int* error) {
  *error = 0;
  // It may be a link, as on hosts whose /etc is generated.
  const UniqueFd fd(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno != ENOENT) *error = errno;
    return {};
  }
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t count = read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) *error = errno;
    if (count <= 0) break;
    if (text.size() + static_cast<size_t>(count) > kMaxFileBytes) {
      *error = EFBIG;
      break;
    }
    text.append(buffer, static_cast<size_t>(count));
  }
  return Parse(text);
}

std::string_view NameTable::NameOf(uint32_t id) const {
  const auto found = names_.find(id);
  return found == names_.end() ? std::string_view() : found->second;
}

std::optional<uint32_t> NameTable::IdOf(std::string_view name) const {
  const auto found = ids_.find(ToAbsl(name));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace dragnet::file
