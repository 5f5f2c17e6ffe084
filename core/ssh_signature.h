// SSHSIG: what ssh-agent and `ssh-keygen -Y sign` sign (openssh's
// PROTOCOL.sshsig; for security keys PROTOCOL.u2f), binary, without armor.
// Whoever verifies reads it strictly: there is one encoding of each part, and
// nothing is skipped. Thread-safe: no state.
//
//   "SSHSIG" uint32 1
//   string public key      must be, byte by byte, the key that is asked for
//   string namespace       "dragnet"
//   string reserved        empty
//   string hash            "sha256" or "sha512", of the message
//   string signature       over "SSHSIG", namespace, reserved, hash, H(message)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/keys.h"

namespace dragnet {

// Of every SSHSIG signature on a document: what is signed for git, for files
// or for a login isn't one.
inline constexpr std::string_view kSshNamespace = "dragnet";

// Longest application of a security key that a trust policy may name.
inline constexpr size_t kMaxApplicationBytes = 128;

// Whether `signature` is to be read as SSHSIG, and not as a raw one. The two
// can't be mixed up: a raw Ed25519 signature has exactly 64 bytes, whatever
// they are, and no SSHSIG blob is that short; DER of ECDSA begins with 0x30.
// (By its first bytes alone an Ed25519 signature could be taken for SSHSIG: its
// maker can try until they are "SSHSIG".) Nor can what they sign: documents
// begin with "DSSEv1 ", what SSHSIG signs with "SSHSIG".
bool IsSshSignature(KeyAlgorithm algorithm, std::string_view signature);

// InvalidArgument for a blob that isn't one, PermissionDenied for one that
// doesn't count: of another key, namespace or application, without the token's
// user, or not valid. Says which.
absl::Status CheckSshSignature(const PublicKey& key, std::string_view message,
                               std::string_view blob);

// Parts of a blob, as views into it.
struct SshSignature {
  std::string_view public_key;
  std::string_view hash_algorithm;
  // "string type, …", by the type of key.
  std::string_view signature;
};
absl::StatusOr<SshSignature> ParseSshSignature(std::string_view blob);

// For those who sign: what a key signs in place of `message`, with SHA-512, and
// the blob made of what came back from it.
std::string SshSignedData(std::string_view message);
std::string FormatSshSignature(const PublicKey& key, std::string_view signature);

// "ssh-ed25519", "sk-ecdsa-sha2-nistp256@openssh.com", …
std::string_view SshKeyType(const PublicKey& key);

}  // namespace dragnet
