#include "core/ssh_signature.h"

#include <optional>

#include "core/ssh_wire.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr std::string_view kMagic = "SSHSIG";
constexpr uint32_t kVersion = 1;
constexpr size_t kEd25519SignatureBytes = 64;
// The largest that an envelope may hold, and more than any blob that verifies.
constexpr size_t kMaxBlobBytes = 512;

// Flags of an authenticator (WebAuthn, section 6.1). With the last two more
// would be signed than SSH puts there.
constexpr uint8_t kUserPresent = 0x01;
constexpr uint8_t kUserVerified = 0x04;
constexpr uint8_t kAttestedData = 0x40;
constexpr uint8_t kExtensionData = 0x80;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("SSH signature: ", what));
}

absl::Status Refused(std::string_view what) {
  return absl::PermissionDeniedError(StrCat("SSH signature: ", what));
}

std::string SignedData(std::string_view hash_algorithm, std::string_view digest) {
  std::string data(kMagic);
  AppendWireString(&data, kSshNamespace);
  AppendWireString(&data, "");
  AppendWireString(&data, hash_algorithm);
  AppendWireString(&data, digest);
  return data;
}

// A positive number of at most 256 bits, in its only encoding as an mpint. That
// is also the only one as a DER INTEGER.
bool IsCanonicalNumber(std::string_view mpint) {
  if (mpint.empty() || mpint.size() > 33) return false;
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(mpint[at]); };
  if (byte(0) >= 0x80) return false;
  if (byte(0) != 0) return mpint.size() <= 32;
  return mpint.size() > 1 && byte(1) >= 0x80;
}

// string(mpint r, mpint s) as DER ECDSA-Sig-Value; nothing if it isn't one.
std::optional<std::string> DerOfEcdsa(std::string_view numbers) {
  WireReader reader(numbers);
  const std::string_view r = reader.String();
  const std::string_view s = reader.String();
  if (!reader.AtEnd() || !IsCanonicalNumber(r) || !IsCanonicalNumber(s)) return std::nullopt;
  // Below 128 bytes each length is one byte.
  std::string der = {0x30, static_cast<char>(2 + r.size() + 2 + s.size())};
  for (const std::string_view number : {r, s}) {
    der += {0x02, static_cast<char>(number.size())};
    der += number;
  }
  return der;
}

// What a security key adds to a signature.
struct TokenState {
  uint8_t flags = 0;
  uint32_t counter = 0;
};

absl::Status CheckFlags(const SecurityKeyTerms& terms, uint8_t flags) {
  if ((flags & kUserPresent) == 0) {
    return Refused("made by a security key that no one touched");
  }
  if (terms.user_verification && (flags & kUserVerified) == 0) {
    return Refused(
        "made by a security key that didn't verify its user (PIN or fingerprint): the trust "
        "policy asks for that");
  }
  if ((flags & (kAttestedData | kExtensionData)) != 0) {
    return Malformed("a security key's flags that ssh never asks for");
  }
  return absl::OkStatus();
}

// What a security key signs in place of `data`.
std::string TokenSignedData(const SecurityKeyTerms& terms, const TokenState& token,
                            std::string_view data) {
  std::string all = Sha256(terms.application);
  all.push_back(static_cast<char>(token.flags));
  AppendWireUint32(&all, token.counter);
  all += Sha256(data);
  return all;
}

// `signature`: "string type, string bytes", and of a security key "byte flags,
// uint32 counter".
absl::Status CheckKeySignature(const PublicKey& key, std::string_view data,
                               std::string_view signature) {
  WireReader reader(signature);
  if (reader.String() != SshKeyType(key) || !reader.ok()) {
    return Malformed(StrCat("its signature is not of type ", SshKeyType(key)));
  }
  const std::string_view bytes = reader.String();
  TokenState token;
  if (key.security_key().has_value()) {
    token.flags = reader.Byte();
    token.counter = reader.Uint32();
  }
  if (!reader.AtEnd()) return Malformed("its signature is cut off, or something follows it");

  std::string raw(bytes);
  if (key.algorithm() == KeyAlgorithm::kEcdsaP256) {
    std::optional<std::string> der = DerOfEcdsa(bytes);
    if (!der.has_value()) return Malformed("not two positive numbers in their shortest form");
    raw = *std::move(der);
  } else if (bytes.size() != kEd25519SignatureBytes) {
    return Malformed("an Ed25519 signature has 64 bytes");
  }
  std::string signed_data(data);
  if (key.security_key().has_value()) {
    DRAGNET_RETURN_IF_ERROR(CheckFlags(*key.security_key(), token.flags));
    signed_data = TokenSignedData(*key.security_key(), token, data);
  }
  if (!key.VerifyRaw(signed_data, raw)) return Refused("is not valid");
  return absl::OkStatus();
}

}  // namespace

bool IsSshSignature(KeyAlgorithm algorithm, std::string_view signature) {
  if (algorithm == KeyAlgorithm::kEd25519 && signature.size() == kEd25519SignatureBytes) {
    return false;
  }
  return signature.starts_with(kMagic);
}

absl::StatusOr<SshSignature> ParseSshSignature(std::string_view blob) {
  if (blob.size() > kMaxBlobBytes) return Malformed("too large");
  WireReader reader(blob);
  if (reader.Bytes(kMagic.size()) != kMagic) return Malformed("doesn't begin with SSHSIG");
  const uint32_t version = reader.Uint32();
  if (reader.ok() && version != kVersion) return Malformed("of another version than 1");
  SshSignature parts;
  parts.public_key = reader.String();
  const std::string_view name_space = reader.String();
  const std::string_view reserved = reader.String();
  parts.hash_algorithm = reader.String();
  parts.signature = reader.String();
  if (!reader.AtEnd()) return Malformed("is cut off, or something follows it");
  if (name_space != kSshNamespace) {
    return Refused(StrCat("made for another purpose: its namespace is not ", kSshNamespace));
  }
  if (!reserved.empty()) return Malformed("its reserved field is not empty");
  if (parts.hash_algorithm != "sha256" && parts.hash_algorithm != "sha512") {
    return Malformed("its hash is neither sha256 nor sha512");
  }
  return parts;
}

absl::Status CheckSshSignature(const PublicKey& key, std::string_view message,
                               std::string_view blob) {
  DRAGNET_ASSIGN_OR_RETURN(const SshSignature parts, ParseSshSignature(blob));
  // Type, point and application at once: a key has one encoding.
  if (parts.public_key != key.ToSshBlob()) return Refused("of another key than this one");
  const std::string digest = parts.hash_algorithm == "sha512" ? Sha512(message) : Sha256(message);
  return CheckKeySignature(key, SignedData(parts.hash_algorithm, digest), parts.signature);
}

std::string SshSignedData(std::string_view message) {
  return SignedData("sha512", Sha512(message));
}

std::string FormatSshSignature(const PublicKey& key, std::string_view signature) {
  std::string blob(kMagic);
  AppendWireUint32(&blob, kVersion);
  AppendWireString(&blob, key.ToSshBlob());
  AppendWireString(&blob, kSshNamespace);
  AppendWireString(&blob, "");
  AppendWireString(&blob, "sha512");
  AppendWireString(&blob, signature);
  return blob;
}

}  // namespace dragnet
