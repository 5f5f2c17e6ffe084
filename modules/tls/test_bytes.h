// Parts of handshakes, made by hand, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "modules/tls/wire.h"

namespace dragnet::tls {

inline std::string Record(uint8_t type, std::string_view content) {
  std::string bytes;
  AppendNumber(type, 1, &bytes);
  AppendNumber(0x0303, 2, &bytes);
  AppendVector(content, 2, &bytes);
  return bytes;
}

inline std::string Message(uint8_t type, std::string_view body) {
  std::string bytes;
  AppendNumber(type, 1, &bytes);
  AppendVector(body, 3, &bytes);
  return bytes;
}

inline std::string Extension(uint16_t type, std::string_view content) {
  std::string bytes;
  AppendNumber(type, 2, &bytes);
  AppendVector(content, 2, &bytes);
  return bytes;
}

struct ServerHelloBytes {
  uint16_t version = 0;
  uint16_t suite = 0;
  uint8_t compression = 0;
  bool is_retry = false;
  std::string extensions = {};
};

inline std::string HelloMessage(const ServerHelloBytes& hello) {
  // RFC 8446, 4.1.3: the SHA-256 of "HelloRetryRequest".
  constexpr std::string_view kRetry(
      "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
      "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c",
      32);
  std::string body;
  AppendNumber(hello.version, 2, &body);
  body += hello.is_retry ? std::string(kRetry) : std::string(32, 'r');
  AppendVector(std::string(32, 's'), 1, &body);
  AppendNumber(hello.suite, 2, &body);
  AppendNumber(hello.compression, 1, &body);
  if (!hello.extensions.empty()) AppendVector(hello.extensions, 2, &body);
  return Message(2, body);
}

inline std::string CertificateMessage(const std::vector<std::string>& certificates) {
  std::string list;
  for (const std::string& certificate : certificates) AppendVector(certificate, 3, &list);
  std::string body;
  AppendVector(list, 3, &body);
  return Message(11, body);
}

// Of a DHE ServerKeyExchange, with a modulus of so many bits behind a zero byte.
inline std::string DhParameters(uint32_t bits) {
  std::string modulus((bits + 7) / 8, '\xff');
  if (bits % 8 != 0) modulus[0] = static_cast<char>((1u << bits % 8) - 1);
  std::string body;
  AppendVector(std::string(1, '\0') + modulus, 2, &body);
  AppendVector("\x02", 2, &body);
  AppendVector(std::string(modulus.size(), 'y'), 2, &body);
  return body + "signature";
}

}  // namespace dragnet::tls
