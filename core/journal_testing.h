// A journal of a test's own: its socket, and what came there, field by field. For
// tests only.
#pragma once

#include <gtest/gtest.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>

#include "core/unique_fd.h"

namespace dragnet::testing {

using JournalEntry = std::multimap<std::string, std::string>;

// As the journal reads one; nothing for what it would refuse.
inline std::optional<JournalEntry> ParseJournalEntry(std::string_view bytes) {
  JournalEntry entry;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (const size_t equals = line.find('='); equals != std::string_view::npos) {
      entry.emplace(line.substr(0, equals), line.substr(equals + 1));
      continue;
    }
    if (bytes.size() < 8) return std::nullopt;
    uint64_t size = 0;
    for (int i = 7; i >= 0; --i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(8);
    if (size >= bytes.size() || bytes[size] != '\n') return std::nullopt;
    entry.emplace(line, bytes.substr(0, size));
    bytes.remove_prefix(size + 1);
  }
  return entry;
}

class JournalSocket {
 public:
  explicit JournalSocket(std::string path) : path_(std::move(path)) {
    fd_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~JournalSocket() { ::unlink(path_.c_str()); }

  // Nothing when nothing came: sending is done when the call returns.
  std::optional<JournalEntry> Next() {
    std::string buffer(1 << 18, '\0');
    const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0) return std::nullopt;
    buffer.resize(static_cast<size_t>(count));
    std::optional<JournalEntry> entry = ParseJournalEntry(buffer);
    EXPECT_TRUE(entry.has_value()) << buffer;
    return entry;
  }

 private:
  const std::string path_;
  UniqueFd fd_;
};

}  // namespace dragnet::testing
