// One thing that can be found, as the kernel told it, before any filter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "modules/netstat/address.h"

namespace dragnet::netstat {

enum class Kind : uint8_t { kSocket, kNeighbour, kInterface, kAddress, kRoute };
inline constexpr std::string_view kKindNames[] = {"socket", "neighbour", "interface", "address",
                                                  "route"};

enum class Protocol : uint8_t { kTcp, kTcp6, kUdp, kUdp6, kRaw, kRaw6, kPacket, kUnix };
inline constexpr std::string_view kProtocolNames[] = {"tcp", "tcp6", "udp",    "udp6",
                                                      "raw", "raw6", "packet", "unix"};

// States that filters ask for by themselves.
inline constexpr std::string_view kListen = "listen";
inline constexpr std::string_view kUnconnected = "unconnected";

struct Fact {
  Kind kind = Kind::kSocket;
  // Of sockets.
  Protocol protocol = Protocol::kTcp;
  // As in the row.
  std::string protocol_name;

  // The prefixes are those of addresses' and routes' networks.
  IpAddress local;
  std::optional<uint16_t> local_port;
  int local_prefix = 0;
  IpAddress remote;
  std::optional<uint16_t> remote_port;
  int remote_prefix = 0;
  IpAddress gateway;
  // Valid UTF-8, of a Unix socket.
  std::string path;

  // A constant.
  std::string_view state;
  // 0: none. The name comes from the namespace's list of interfaces.
  uint32_t interface_index = 0;
  std::string interface;
  // "52:54:00:12:34:56", or empty.
  std::string mac;

  std::optional<uint32_t> uid;
  uint32_t inode = 0;
  uint32_t peer_inode = 0;
  std::string type;
  uint32_t receive_queue = 0;
  uint32_t send_queue = 0;
  uint32_t table = 0;
};

}  // namespace dragnet::netstat
