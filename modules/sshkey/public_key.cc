#include "modules/sshkey/public_key.h"

#include <openssl/evp.h>

#include <bit>

#include "absl/strings/escaping.h"
#include "core/ssh_wire.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::sshkey {
namespace {

// As OpenSSH has it; more make no valid certificate.
constexpr size_t kMaxPrincipals = 256;
constexpr size_t kMaxOptions = 64;
constexpr size_t kMaxText = 1024;
constexpr std::string_view kCertificateSuffix = "-cert-v01@openssh.com";

enum class Shape { kRsa, kDsa, kEcdsa, kEd25519, kEcdsaSk, kEd25519Sk };

struct KeyType {
  // What a certificate's name begins with.
  std::string_view stem;
  std::string_view name;
  std::string_view algorithm;
  Shape shape;
  std::string_view curve = {};
  uint32_t bits = 0;
};

constexpr KeyType kKeyTypes[] = {
    {"ssh-rsa", "ssh-rsa", "rsa", Shape::kRsa},
    {"ssh-dss", "ssh-dss", "dsa", Shape::kDsa},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "ecdsa", Shape::kEcdsa, "nistp256", 256},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "ecdsa", Shape::kEcdsa, "nistp384", 384},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "ecdsa", Shape::kEcdsa, "nistp521", 521},
    {"ssh-ed25519", "ssh-ed25519", "ed25519", Shape::kEd25519, {}, 256},
    {"sk-ecdsa-sha2-nistp256", "sk-ecdsa-sha2-nistp256@openssh.com", "ecdsa-sk", Shape::kEcdsaSk,
     "nistp256", 256},
    {"sk-ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ed25519-sk", Shape::kEd25519Sk, {}, 256},
};

struct NamedType {
  const KeyType* type = nullptr;
  bool certificate = false;
};

NamedType FindType(std::string_view name) {
  for (const KeyType& type : kKeyTypes) {
    if (name == type.name) return {&type, false};
    if (name.starts_with(type.stem) && name.substr(type.stem.size()) == kCertificateSuffix)
      return {&type, true};
  }
  return {};
}

// An mpint that is positive and has no superfluous zeros; its bits.
uint32_t PositiveBits(std::string_view mpint, bool* ok) {
  if (!mpint.empty() && (mpint.front() & 0x80) != 0) *ok = false;
  if (!mpint.empty() && mpint.front() == '\0') {
    mpint.remove_prefix(1);
    if (mpint.empty() || (mpint.front() & 0x80) == 0) *ok = false;
  }
  if (mpint.empty()) {
    *ok = false;
    return 0;
  }
  return static_cast<uint32_t>((mpint.size() - 1) * 8 +
                               std::bit_width(static_cast<uint8_t>(mpint.front())));
}

bool IsPoint(std::string_view point, uint32_t bits) {
  const size_t coordinate = (bits + 7) / 8;
  if (point.empty()) return false;
  if (point.front() == 4) return point.size() == 1 + 2 * coordinate;
  return (point.front() == 2 || point.front() == 3) && point.size() == 1 + coordinate;
}

// Reads the fields of the key itself.
uint32_t ReadKeyFields(const KeyType& type, WireReader& reader, bool* ok) {
  uint32_t bits = type.bits;
  switch (type.shape) {
    case Shape::kRsa:
      PositiveBits(reader.String(), ok);
      bits = PositiveBits(reader.String(), ok);
      break;
    case Shape::kDsa:
      bits = PositiveBits(reader.String(), ok);
      for (int i = 0; i < 3; ++i) PositiveBits(reader.String(), ok);
      break;
    case Shape::kEcdsa:
    case Shape::kEcdsaSk:
      if (reader.String() != type.curve || !IsPoint(reader.String(), bits)) *ok = false;
      break;
    case Shape::kEd25519:
    case Shape::kEd25519Sk:
      if (reader.String().size() != 32) *ok = false;
      break;
  }
  if (type.shape == Shape::kEcdsaSk || type.shape == Shape::kEd25519Sk) reader.String();
  if (!reader.ok()) *ok = false;
  return bits;
}

std::string Digest(const EVP_MD* algorithm, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, algorithm, nullptr) != 1) return {};
  return std::string(reinterpret_cast<const char*>(digest), size);
}

void SetFingerprints(std::string_view blob, PublicKey* key) {
  std::string base64 = absl::Base64Escape(Digest(EVP_sha256(), blob));
  while (!base64.empty() && base64.back() == '=') base64.pop_back();
  key->sha256 = StrCat("SHA256:", base64);
  key->md5 = "MD5";
  const std::string hex = HexEncode(Digest(EVP_md5(), blob));
  for (size_t i = 0; i < hex.size(); i += 2) StrAppend(&key->md5, ":", hex.substr(i, 2));
}

std::string Text(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, 2 * kMaxText)), kMaxText);
}

bool ReadOptions(std::string_view bytes, std::vector<std::string>* options) {
  WireReader reader(bytes);
  while (reader.ok() && !reader.AtEnd()) {
    const std::string_view name = reader.String();
    const std::string_view data = reader.String();
    if (!reader.ok() || options->size() == kMaxOptions) return false;
    // The value is a string within the string.
    WireReader value(data);
    const std::string_view inner = data.empty() ? data : value.String();
    if (!value.AtEnd() && !data.empty()) return false;
    options->push_back(data.empty() ? Text(name) : Text(StrCat(name, "=", inner)));
  }
  return reader.ok();
}

bool ReadCertificate(WireReader& reader, CertificateFacts* facts) {
  facts->serial = reader.Uint64();
  facts->type = reader.Uint32();
  facts->key_id = Text(reader.String());
  WireReader principals(reader.String());
  while (principals.ok() && !principals.AtEnd()) {
    if (facts->principals.size() == kMaxPrincipals) return false;
    facts->principals.push_back(Text(principals.String()));
  }
  facts->valid_after = reader.Uint64();
  facts->valid_before = reader.Uint64();
  if (!principals.ok() || !ReadOptions(reader.String(), &facts->critical_options)) return false;
  if (!ReadOptions(reader.String(), &facts->extensions)) return false;
  reader.String();
  const std::string_view ca = reader.String();
  reader.String();
  if (!reader.AtEnd()) return false;
  // A certificate is signed by a plain key: no recursion beyond this.
  WireReader ca_reader(ca);
  if (FindType(ca_reader.String()).certificate) return false;
  const auto ca_key = ParsePublicKey(ca);
  if (!ca_key.ok()) return false;
  facts->ca_algorithm = ca_key->algorithm;
  facts->ca_sha256 = ca_key->sha256;
  return true;
}

}  // namespace

bool IsKeyType(std::string_view name) { return FindType(name).type != nullptr; }

absl::StatusOr<PublicKey> ParsePublicKey(std::string_view blob) {
  WireReader reader(blob);
  const NamedType named = FindType(reader.String());
  if (named.type == nullptr) return absl::InvalidArgumentError("unknown type of key");
  PublicKey key;
  key.algorithm = std::string(named.type->algorithm);
  if (named.certificate) reader.String();  // The nonce.
  const std::string_view fields_on = reader.left();
  bool ok = true;
  key.bits = ReadKeyFields(*named.type, reader, &ok);
  if (!ok) return absl::InvalidArgumentError("damaged key");
  if (!named.certificate) {
    if (!reader.AtEnd()) return absl::InvalidArgumentError("damaged key");
    SetFingerprints(blob, &key);
    return key;
  }
  std::string plain;
  AppendWireString(&plain, named.type->name);
  plain.append(fields_on.substr(0, fields_on.size() - reader.left().size()));
  SetFingerprints(plain, &key);
  if (!ReadCertificate(reader, &key.certificate.emplace()))
    return absl::InvalidArgumentError("damaged certificate");
  return key;
}

bool DecodeBase64(std::string_view text, std::string* bytes) {
  // Abseil's passes over spaces and takes what isn't padded.
  if (text.size() % 4 != 0 || text.find_first_of(" \t\r\n\v\f.") != std::string_view::npos)
    return false;
  return absl::Base64Unescape(ToAbsl(text), bytes);
}

}  // namespace dragnet::sshkey
