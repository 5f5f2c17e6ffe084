#include "modules/netstat/netlink.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::netstat {
namespace {

// The kernel makes datagrams of at most 32 KiB for a dump; a single message that
// needs more makes a larger one.
constexpr size_t kBufferBytes = 128 * 1024;
// A dump is answered at once; longer is a kernel that won't.
constexpr time_t kTimeoutSeconds = 10;

// absl::ErrnoToStatus writes the same, but NotFound is what callers ask for.
absl::Status Errno(std::string_view what, int error) {
  const std::string message = StrCat(what, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
      return absl::NotFoundError(message);
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

template <typename T>
size_t Aligned(T length) {
  return (static_cast<size_t>(length) + 3) & ~size_t{3};
}

absl::Status DumpError(std::string_view payload) {
  int32_t error = 0;
  if (!TakeStruct(&payload, &error) || error >= 0 || error < -4095)
    return absl::InvalidArgumentError("netlink: an error message without an error");
  return Errno("netlink dump", -error);
}

}  // namespace

absl::StatusOr<std::optional<NetlinkMessage>> TakeMessage(std::string_view* datagram) {
  if (datagram->empty()) return std::nullopt;
  nlmsghdr header;
  std::string_view rest = *datagram;
  if (!TakeStruct(&rest, &header) || header.nlmsg_len < sizeof header ||
      header.nlmsg_len > datagram->size()) {
    return absl::InvalidArgumentError("netlink: a message of impossible length");
  }
  NetlinkMessage message;
  message.type = header.nlmsg_type;
  message.flags = header.nlmsg_flags;
  message.sequence = header.nlmsg_seq;
  message.payload = rest.substr(0, header.nlmsg_len - sizeof header);
  datagram->remove_prefix(std::min(datagram->size(), Aligned(header.nlmsg_len)));
  return message;
}

absl::Status ForEachAttribute(std::string_view attributes,
                              absl::FunctionRef<void(uint16_t, std::string_view)> each) {
  while (!attributes.empty()) {
    nlattr header;
    std::string_view rest = attributes;
    if (!TakeStruct(&rest, &header) || header.nla_len < sizeof header ||
        header.nla_len > attributes.size()) {
      return absl::InvalidArgumentError("netlink: an attribute of impossible length");
    }
    each(header.nla_type & NLA_TYPE_MASK, rest.substr(0, header.nla_len - sizeof header));
    attributes.remove_prefix(std::min(attributes.size(), Aligned(header.nla_len)));
  }
  return absl::OkStatus();
}

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open(int protocol) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd.valid()) return Errno("open a netlink socket", errno);
  const timeval timeout = {.tv_sec = kTimeoutSeconds, .tv_usec = 0};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0)
    return Errno("set up a netlink socket", errno);
  return NetlinkSocket(std::move(fd));
}

absl::StatusOr<std::string_view> NetlinkSocket::Receive() {
  buffer_.resize(kBufferBytes);
  for (;;) {
    sockaddr_nl sender = {};
    iovec part = {buffer_.data(), buffer_.size()};
    msghdr header = {};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t size = ::recvmsg(fd_.get(), &header, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Errno("read from netlink", errno);
    if (size == 0) return absl::UnavailableError("read from netlink: nothing came");
    if (header.msg_flags & MSG_TRUNC)
      return absl::InvalidArgumentError("netlink: a datagram over 128 KiB");
    // Other processes may write to this socket; only the kernel is 0.
    if (header.msg_namelen != sizeof sender || sender.nl_pid != 0) continue;
    return std::string_view(buffer_).substr(0, static_cast<size_t>(size));
  }
}

absl::StatusOr<NetlinkSocket::End> NetlinkSocket::Dump(
    uint16_t type, std::string_view request, absl::FunctionRef<bool(const NetlinkMessage&)> each) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + request.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header.nlmsg_seq = ++sequence_;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += request;
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
               sizeof kernel) < 0) {
    return Errno("ask netlink", errno);
  }
  End end;
  for (;;) {
    DRAGNET_ASSIGN_OR_RETURN(std::string_view datagram, Receive());
    for (;;) {
      DRAGNET_ASSIGN_OR_RETURN(const auto message, TakeMessage(&datagram));
      if (!message) break;
      // Left over from a dump that was given up.
      if (message->sequence != sequence_) continue;
      if (message->flags & NLM_F_DUMP_INTR) end.interrupted = true;
      if (message->type == NLMSG_NOOP) continue;
      if (message->type == NLMSG_ERROR) return DumpError(message->payload);
      if (message->type == NLMSG_DONE) {
        // Newer kernels put an error here when a dump failed half-way.
        if (const auto error = ReadExactly<int32_t>(message->payload.substr(0, 4));
            error && *error < 0 && *error >= -4095) {
          return Errno("netlink dump", -*error);
        }
        return end;
      }
      if (!each(*message)) {
        end.stopped = true;
        return end;
      }
    }
  }
}

}  // namespace dragnet::netstat
