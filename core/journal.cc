#include "core/journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "core/strings.h"

namespace dragnet {
namespace {

constexpr size_t kMaxNameBytes = 64;

bool IsFieldName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes || name[0] < 'A' || name[0] > 'Z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

// A value with a line feed has its length before it, in 64 bits, little-endian.
std::string EncodeJournalEntry(const std::vector<JournalField>& fields) {
  std::string entry;
  for (const JournalField& field : fields) {
    if (!IsFieldName(field.name)) continue;
    entry.append(field.name);
    if (field.value.find('\n') == std::string_view::npos) {
      entry.push_back('=');
    } else {
      entry.push_back('\n');
      for (int shift = 0; shift < 64; shift += 8)
        entry.push_back(static_cast<char>(uint64_t{field.value.size()} >> shift));
    }
    entry.append(field.value);
    entry.push_back('\n');
  }
  return entry;
}

bool IsJournalStream(int fd, std::string_view journal_stream) {
  struct stat info;
  if (journal_stream.empty() || ::fstat(fd, &info) != 0) return false;
  return journal_stream == StrCat(info.st_dev, ":", info.st_ino);
}

std::optional<Journal> Journal::OfStandardError(std::string identifier) {
  const char* stream = ::getenv("JOURNAL_STREAM");
  if (stream == nullptr || !IsJournalStream(STDERR_FILENO, stream)) return std::nullopt;
  return Open(kSocket, std::move(identifier));
}

std::optional<Journal> Journal::Open(std::string socket_path, std::string identifier) {
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path)) return std::nullopt;
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return std::nullopt;
  return Journal(std::move(fd), std::move(socket_path), std::move(identifier));
}

// By name each time: a journal that was started anew is found again.
bool Journal::Write(JournalPriority priority, std::string_view message,
                    const std::vector<JournalField>& fields) const {
  const std::string level = StrCat(static_cast<int>(priority));
  std::vector<JournalField> all = {
      {"MESSAGE", message}, {"PRIORITY", level}, {"SYSLOG_IDENTIFIER", identifier_}};
  all.insert(all.end(), fields.begin(), fields.end());
  const std::string entry = EncodeJournalEntry(all);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ::memcpy(address.sun_path, path_.data(), path_.size());
  return ::sendto(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0;
}

}  // namespace dragnet
