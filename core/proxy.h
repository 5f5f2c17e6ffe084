// An HTTP proxy that connections are made through (CONNECT, RFC 9110 section 9.3.6), as
// configuration files name it. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet {

class Proxy {
 public:
  // "http://host:port", "http://user:password@host:port", at most 1 KiB. User and
  // password as in URLs: "%40" stands for "@". InvalidArgument says what is wrong, and
  // never quotes: there may be a password in it.
  static absl::StatusOr<Proxy> FromUrl(std::string_view url);

  // "host:port"; an IPv6 address in brackets.
  const std::string& address() const { return address_; }
  uint16_t port() const { return port_; }
  // Of the header Proxy-Authorization ("Basic …", RFC 7617); empty without a user.
  const std::string& authorization() const { return authorization_; }

 private:
  std::string address_;
  uint16_t port_ = 0;
  std::string authorization_;
};

}  // namespace dragnet
