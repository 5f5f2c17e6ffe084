// Sockets for tests: made on loopback addresses, known by their inode.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "core/unique_fd.h"

namespace dragnet::netstat {

inline void Check(bool right, const char* what) {
  if (!right) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

inline sockaddr_in6 LoopbackV6(const char* address) {
  sockaddr_in6 name = {};
  name.sin6_family = AF_INET6;
  Check(::inet_pton(AF_INET6, address, &name.sin6_addr) == 1, "inet_pton");
  return name;
}

inline sockaddr_in LoopbackV4() {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return name;
}

// Bound to `name`, its port chosen by the kernel if 0.
template <typename Name>
UniqueFd BoundSocket(int type, const Name& name) {
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  UniqueFd fd(::socket(address->sa_family, type | SOCK_CLOEXEC, 0));
  Check(fd.valid(), "socket");
  Check(::bind(fd.get(), address, sizeof name) == 0, "bind");
  return fd;
}

template <typename Name>
UniqueFd Listener(const Name& name) {
  UniqueFd fd = BoundSocket(SOCK_STREAM, name);
  Check(::listen(fd.get(), 16) == 0, "listen");
  return fd;
}

template <typename Name>
Name NameOf(int fd) {
  Name name = {};
  socklen_t size = sizeof name;
  Check(::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0, "getsockname");
  return name;
}

inline uint16_t PortOf(int fd) {
  // At the same place in sockaddr_in and sockaddr_in6.
  return ntohs(NameOf<sockaddr_in6>(fd).sin6_port);
}

template <typename Name>
UniqueFd ConnectedTo(int type, const Name& name) {
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  UniqueFd fd(::socket(address->sa_family, type | SOCK_CLOEXEC, 0));
  Check(fd.valid(), "socket");
  Check(::connect(fd.get(), address, sizeof name) == 0, "connect");
  return fd;
}

inline uint64_t InodeOf(int fd) {
  struct stat info = {};
  Check(::fstat(fd, &info) == 0, "fstat");
  return info.st_ino;
}

}  // namespace dragnet::netstat
