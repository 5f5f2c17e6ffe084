// Netlink (RFC 3549, netlink(7)): reading messages and their attributes, and
// asking for dumps.
//
// What the kernel sends is taken as hostile: every length is checked against
// what is there, and nothing is read through a cast pointer.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/unique_fd.h"

namespace dragnet::netstat {

struct NetlinkMessage {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  std::string_view payload;
};

// Takes the first message off `datagram`; nothing when it is empty.
// InvalidArgument when its length is impossible.
absl::StatusOr<std::optional<NetlinkMessage>> TakeMessage(std::string_view* datagram);

// Takes a T off `bytes`; false when there are too few.
template <typename T>
bool TakeStruct(std::string_view* bytes, T* value) {
  if (bytes->size() < sizeof(T)) return false;
  std::memcpy(value, bytes->data(), sizeof(T));
  bytes->remove_prefix(sizeof(T));
  return true;
}

// A T of exactly this size.
template <typename T>
std::optional<T> ReadExactly(std::string_view bytes) {
  T value;
  if (bytes.size() != sizeof(T) || !TakeStruct(&bytes, &value)) return std::nullopt;
  return value;
}

// Calls `each` with the type (flags of nesting and byte order taken off) and value
// of every attribute. InvalidArgument when a length is impossible.
absl::Status ForEachAttribute(std::string_view attributes,
                              absl::FunctionRef<void(uint16_t type, std::string_view value)> each);

// A netlink socket; stays in the network namespace in which it was opened.
// Thread-compatible.
class NetlinkSocket {
 public:
  // `protocol`: NETLINK_ROUTE or NETLINK_SOCK_DIAG.
  static absl::StatusOr<NetlinkSocket> Open(int protocol);

  // How a dump ended that was not ended by an error.
  struct End {
    // What was dumped changed meanwhile: entries may be missing or there twice.
    bool interrupted = false;
    // `each` returned false. The socket can't be used for another dump.
    bool stopped = false;
  };

  // Asks for a dump (`type`, with the header that `request` begins with) and
  // calls `each` for every message of it. NotFound when the kernel has nothing of
  // this kind (a protocol or family that it was built without); otherwise the
  // error that it answered.
  absl::StatusOr<End> Dump(uint16_t type, std::string_view request,
                           absl::FunctionRef<bool(const NetlinkMessage&)> each);

 private:
  explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  // One datagram of the kernel, in `buffer_`.
  absl::StatusOr<std::string_view> Receive();

  UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::string buffer_;
};

}  // namespace dragnet::netstat
