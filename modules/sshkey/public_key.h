// Public keys and certificates as SSH encodes them (RFC 4253 section 6.6, RFC
// 5656, RFC 8709, OpenSSH's PROTOCOL.certkeys and PROTOCOL.u2f). Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::sshkey {

struct CertificateFacts {
  uint64_t serial = 0;
  // 1 user, 2 host.
  uint32_t type = 0;
  std::string key_id;
  std::vector<std::string> principals;
  uint64_t valid_after = 0;
  uint64_t valid_before = 0;
  std::vector<std::string> critical_options;
  std::vector<std::string> extensions;
  std::string ca_algorithm;
  std::string ca_sha256;
};

struct PublicKey {
  // rsa, dsa, ecdsa, ed25519, ecdsa-sk, ed25519-sk.
  std::string algorithm;
  uint32_t bits = 0;
  // "SHA256:…" and "MD5:aa:bb:…"; a certificate's are those of its key.
  std::string sha256;
  std::string md5;
  std::optional<CertificateFacts> certificate;
};

// Whether `name` is a key type that ParsePublicKey knows: ssh-ed25519,
// ssh-rsa-cert-v01@openssh.com, …
bool IsKeyType(std::string_view name);

// All of `blob` must be one key, in the only form there is for it.
absl::StatusOr<PublicKey> ParsePublicKey(std::string_view blob);

// Base64 as it is in key files: strict, padded.
bool DecodeBase64(std::string_view text, std::string* bytes);

}  // namespace dragnet::sshkey
