#include "modules/netstat/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::netstat {
namespace {

// By the numbers of enum tcp_state, which the other protocols borrow; 12 is
// TCP_NEW_SYN_RECV, a request that has no socket yet; 13 is TCP_BOUND_INACTIVE.
constexpr std::string_view kStates[] = {
    "",           "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
    kUnconnected, "close-wait",  "last-ack", kListen,    "closing",    "syn-recv",   kUnconnected};

template <typename T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

absl::Status Malformed(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

bool IsInet6(Protocol protocol) {
  return protocol == Protocol::kTcp6 || protocol == Protocol::kUdp6 || protocol == Protocol::kRaw6;
}

uint8_t IpProtocol(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
    case Protocol::kTcp6:
      return IPPROTO_TCP;
    case Protocol::kUdp:
    case Protocol::kUdp6:
      return IPPROTO_UDP;
    default:
      return IPPROTO_RAW;
  }
}

absl::Status SetState(uint8_t state, Fact* fact) {
  if (state == 0 || state >= std::size(kStates)) return Malformed("socket: an unknown state");
  fact->state = kStates[state];
  return absl::OkStatus();
}

absl::StatusOr<Fact> ParseInet(Protocol protocol, std::string_view payload, Fact fact) {
  inet_diag_msg message;
  if (!TakeStruct(&payload, &message)) return Malformed("socket: a message that is too short");
  if (message.idiag_family != (IsInet6(protocol) ? AF_INET6 : AF_INET))
    return Malformed("socket: of another family than was asked for");
  DRAGNET_RETURN_IF_ERROR(SetState(message.idiag_state, &fact));
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [](uint16_t, std::string_view) {}));

  const size_t size = IsInet6(protocol) ? 16 : 4;
  fact.local = IpAddress::FromBytes({reinterpret_cast<const char*>(message.id.idiag_src), size});
  const auto remote =
      IpAddress::FromBytes({reinterpret_cast<const char*>(message.id.idiag_dst), size});
  const bool raw = IpProtocol(protocol) == IPPROTO_RAW;
  if (raw) {
    // The kernel puts the number of the IP protocol where others have a port.
    fact.type = StrCat(ntohs(message.id.idiag_sport));
  } else {
    fact.local_port = ntohs(message.id.idiag_sport);
  }
  // A socket that is not connected has no other end; the kernel writes zeros.
  if (!remote.is_unspecified() || (!raw && message.id.idiag_dport != 0)) {
    fact.remote = remote;
    if (!raw) fact.remote_port = ntohs(message.id.idiag_dport);
  }
  fact.interface_index = message.id.idiag_if;
  fact.uid = message.idiag_uid;
  fact.inode = message.idiag_inode;
  fact.receive_queue = message.idiag_rqueue;
  fact.send_queue = message.idiag_wqueue;
  return fact;
}

// A path, or an abstract name, which begins with NUL and may hold more of them.
std::string UnixName(std::string_view name) {
  std::string text(name);
  if (text.starts_with('\0')) {
    for (char& c : text)
      if (c == '\0') c = '@';
  } else {
    text.resize(std::strlen(text.c_str()));
  }
  return ToValidUtf8(text);
}

absl::StatusOr<Fact> ParseUnix(std::string_view payload, Fact fact) {
  unix_diag_msg message;
  if (!TakeStruct(&payload, &message)) return Malformed("socket: a message that is too short");
  if (message.udiag_family != AF_UNIX)
    return Malformed("socket: of another family than was asked for");
  DRAGNET_RETURN_IF_ERROR(SetState(message.udiag_state, &fact));
  fact.inode = message.udiag_ino;
  switch (message.udiag_type) {
    case SOCK_STREAM:
      fact.type = "stream";
      break;
    case SOCK_DGRAM:
      fact.type = "dgram";
      break;
    case SOCK_SEQPACKET:
      fact.type = "seqpacket";
      break;
    default:
      fact.type = StrCat(static_cast<int>(message.udiag_type));
  }
  bool right = true;
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [&](uint16_t type, std::string_view value) {
    if (type == UNIX_DIAG_NAME) {
      right = right && value.size() <= 256;
      if (right) fact.path = UnixName(value);
    } else if (type == UNIX_DIAG_PEER) {
      const auto peer = ReadExactly<uint32_t>(value);
      right = right && peer.has_value();
      fact.peer_inode = peer.value_or(0);
    } else if (type == UNIX_DIAG_RQLEN) {
      const auto queues = ReadExactly<unix_diag_rqlen>(value);
      right = right && queues.has_value();
      if (queues) {
        fact.receive_queue = queues->udiag_rqueue;
        fact.send_queue = queues->udiag_wqueue;
      }
    } else if (type == UNIX_DIAG_UID) {
      fact.uid = ReadExactly<uint32_t>(value);
      right = right && fact.uid.has_value();
    }
  }));
  if (!right) return Malformed("socket: an attribute of the wrong size");
  return fact;
}

absl::StatusOr<Fact> ParsePacket(std::string_view payload, Fact fact) {
  packet_diag_msg message;
  if (!TakeStruct(&payload, &message)) return Malformed("socket: a message that is too short");
  if (message.pdiag_family != AF_PACKET)
    return Malformed("socket: of another family than was asked for");
  fact.state = kUnconnected;
  fact.inode = message.pdiag_ino;
  fact.type = StrCat(message.pdiag_num);
  bool right = true;
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [&](uint16_t type, std::string_view value) {
    if (type == PACKET_DIAG_INFO) {
      const auto info = ReadExactly<packet_diag_info>(value);
      right = right && info.has_value();
      if (info) fact.interface_index = info->pdi_index;
    } else if (type == PACKET_DIAG_UID) {
      fact.uid = ReadExactly<uint32_t>(value);
      right = right && fact.uid.has_value();
    }
  }));
  if (!right) return Malformed("socket: an attribute of the wrong size");
  return fact;
}

}  // namespace

std::string SockDiagRequest(Protocol protocol, bool only_listening) {
  const uint32_t states = only_listening ? 1u << TCP_LISTEN : UINT32_MAX;
  if (protocol == Protocol::kUnix) {
    unix_diag_req request = {};
    request.sdiag_family = AF_UNIX;
    request.udiag_states = states;
    request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    return Bytes(request);
  }
  if (protocol == Protocol::kPacket) {
    packet_diag_req request = {};
    request.sdiag_family = AF_PACKET;
    request.pdiag_show = PACKET_SHOW_INFO;
    return Bytes(request);
  }
  inet_diag_req_v2 request = {};
  request.sdiag_family = IsInet6(protocol) ? AF_INET6 : AF_INET;
  request.sdiag_protocol = IpProtocol(protocol);
  request.idiag_states = states;
  return Bytes(request);
}

absl::StatusOr<Fact> ParseSocket(Protocol protocol, const NetlinkMessage& message) {
  if (message.type != SOCK_DIAG_BY_FAMILY) return Malformed("socket: a message of another type");
  Fact fact;
  fact.kind = Kind::kSocket;
  fact.protocol = protocol;
  fact.protocol_name = kProtocolNames[static_cast<size_t>(protocol)];
  if (protocol == Protocol::kUnix) return ParseUnix(message.payload, std::move(fact));
  if (protocol == Protocol::kPacket) return ParsePacket(message.payload, std::move(fact));
  return ParseInet(protocol, message.payload, std::move(fact));
}

}  // namespace dragnet::netstat
