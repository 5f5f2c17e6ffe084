// The numbers of TLS and what they are called. Thread-safe: constants.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dragnet::tls {

inline constexpr uint16_t kSsl3 = 0x0300;
inline constexpr uint16_t kTls10 = 0x0301;
inline constexpr uint16_t kTls11 = 0x0302;
inline constexpr uint16_t kTls12 = 0x0303;
inline constexpr uint16_t kTls13 = 0x0304;
inline constexpr uint16_t kVersions[] = {kSsl3, kTls10, kTls11, kTls12, kTls13};

// SSLv3, TLSv1.0, …; 0x0305 for what has no name.
std::string VersionName(uint16_t version);

// IANA's registry "TLS Cipher Suites", and those of SSLv3 and drafts that were in
// use; without PSK, SRP, Kerberos and GOST.
struct Suite {
  uint16_t code;
  std::string_view iana;
  // OpenSSL's, of any of its versions; empty when it never had it.
  std::string_view openssl;

  std::string_view name() const { return openssl.empty() ? iana : openssl; }
};

// By rising code.
std::span<const Suite> AllSuites();
// Null for one that isn't known.
const Suite* FindSuite(uint16_t code);
// As Suite::name; 0xc0b4 for one that isn't known.
std::string SuiteName(uint16_t code);
// Whether `version` has the suite: TLS 1.3 has its own, and those with AEAD or
// SHA-2 came with TLS 1.2.
bool IsOfVersion(const Suite& suite, uint16_t version);

enum class KeyExchange { kRsa, kDh, kDhe, kEcdh, kEcdhe, kTls13 };
KeyExchange KeyExchangeOf(const Suite& suite);
// Nobody's certificate is used.
bool IsAnonymous(const Suite& suite);

// IANA's registry "TLS Supported Groups".
struct Group {
  uint16_t code;
  std::string_view name;
  // Of the curve's field; 0 for what isn't a curve alone.
  uint16_t curve_bits;
  // Whether a ClientHello before TLS 1.3, or one of TLS 1.3, can offer it here.
  // ffdhe only in TLS 1.3: before, it would hide which DH parameters a service has
  // of its own (RFC 7919).
  bool before_tls13;
  bool in_tls13;
};

// The better ones first.
std::span<const Group> AllGroups();
const Group* FindGroup(uint16_t code);
const Group* FindGroupByName(std::string_view name);
// 0x1234 for one that isn't known.
std::string GroupName(uint16_t code);

// SignatureScheme (RFC 8446, 4.2.3) and the pairs of RFC 5246: everything that a
// server could want to sign with.
std::span<const uint16_t> AllSignatureSchemes();

// Of an alert (RFC 8446, 6): handshake_failure, alert 200.
std::string AlertName(uint8_t alert);

}  // namespace dragnet::tls
