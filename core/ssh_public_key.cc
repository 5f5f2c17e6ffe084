// Public keys as OpenSSH has them (RFC 4253 section 6.6, RFC 5656 section 3.1,
// RFC 8709 section 4, PROTOCOL.u2f of openssh).
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "core/keys.h"
#include "core/ssh_signature.h"
#include "core/ssh_wire.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr std::string_view kEd25519 = "ssh-ed25519";
constexpr std::string_view kEcdsa = "ecdsa-sha2-nistp256";
constexpr std::string_view kSecurityEd25519 = "sk-ssh-ed25519@openssh.com";
constexpr std::string_view kSecurityEcdsa = "sk-ecdsa-sha2-nistp256@openssh.com";
constexpr std::string_view kCurve = "nistp256";

constexpr size_t kEd25519Bytes = 32;
// Uncompressed: 4, x, y.
constexpr size_t kPointBytes = 65;
constexpr size_t kMaxTextBytes = 16 * 1024;
constexpr size_t kMaxBlobBytes = 1024;

// What precedes the key itself in its DER SubjectPublicKeyInfo.
constexpr std::string_view kEd25519SpkiStart("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
                                             12);
constexpr std::string_view kP256SpkiStart(
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
    "\x03\x42\x00",
    26);

bool IsSupported(std::string_view type) {
  return type == kEd25519 || type == kEcdsa || type == kSecurityEd25519 || type == kSecurityEcdsa;
}

absl::Status Unsupported(std::string_view type) {
  return absl::InvalidArgumentError(
      StrCat("a key of type ", ForTerminal(Shorten(type, 64)), " is not supported: use ", kEd25519,
             ", ", kEcdsa, ", or of a security key ", kSecurityEd25519, " or ", kSecurityEcdsa));
}

}  // namespace

std::string_view SshKeyType(const PublicKey& key) {
  const bool security = key.security_key().has_value();
  if (key.algorithm() == KeyAlgorithm::kEd25519) return security ? kSecurityEd25519 : kEd25519;
  return security ? kSecurityEcdsa : kEcdsa;
}

std::string PublicKey::ToSshBlob() const {
  std::string blob;
  AppendWireString(&blob, SshKeyType(*this));
  const std::string_view spki = spki_;
  if (algorithm_ == KeyAlgorithm::kEd25519) {
    AppendWireString(&blob, spki.substr(kEd25519SpkiStart.size()));
  } else {
    AppendWireString(&blob, kCurve);
    AppendWireString(&blob, spki.substr(kP256SpkiStart.size()));
  }
  if (security_key_.has_value()) AppendWireString(&blob, security_key_->application);
  return blob;
}

std::string PublicKey::SshFingerprint() const {
  std::string base64 = absl::Base64Escape(Sha256(ToSshBlob()));
  while (base64.ends_with('=')) base64.pop_back();
  return StrCat("SHA256:", base64);
}

absl::StatusOr<PublicKey> PublicKey::FromSshBlob(std::string_view blob) {
  if (blob.size() > kMaxBlobBytes) return absl::InvalidArgumentError("SSH public key: too large");
  WireReader reader(blob);
  const std::string_view type = reader.String();
  if (!reader.ok()) return absl::InvalidArgumentError("SSH public key: cut off");
  if (!IsSupported(type)) return Unsupported(type);
  const bool ed25519 = type == kEd25519 || type == kSecurityEd25519;
  const bool of_curve = ed25519 || reader.String() == kCurve;
  const std::string_view point = reader.String();
  std::string_view application;
  const bool security = type == kSecurityEd25519 || type == kSecurityEcdsa;
  if (security) application = reader.String();
  if (!reader.AtEnd() || !of_curve || point.size() != (ed25519 ? kEd25519Bytes : kPointBytes)) {
    return absl::InvalidArgumentError(StrCat("SSH public key: not one of type ", type));
  }
  const std::string spki = StrCat(ed25519 ? kEd25519SpkiStart : kP256SpkiStart, point);
  DRAGNET_ASSIGN_OR_RETURN(PublicKey key, FromSpki(spki));
  if (!security) return key;
  if (application.empty() || application.size() > kMaxApplicationBytes ||
      !IsValidUtf8(application)) {
    return absl::InvalidArgumentError(
        StrCat("SSH public key: application is not text of 1 to ", kMaxApplicationBytes, " bytes"));
  }
  key.security_key_ = SecurityKeyTerms{std::string(application), false};
  return key;
}

absl::StatusOr<PublicKey> PublicKey::FromOpenSsh(std::string_view line) {
  const std::string_view text = ToStd(absl::StripAsciiWhitespace(ToAbsl(line)));
  if (text.size() > kMaxTextBytes || text.find('\n') != std::string_view::npos) {
    return absl::InvalidArgumentError("SSH public key: more than one line, or a very long one");
  }
  const std::vector<std::string> words =
      absl::StrSplit(ToAbsl(text), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() < 2) {
    return absl::InvalidArgumentError(
        "SSH public key: not \"TYPE BASE64\", e.g. the line in ~/.ssh/id_ed25519.pub");
  }
  if (!IsSupported(words[0])) return Unsupported(words[0]);
  std::string blob;
  if (!absl::Base64Unescape(words[1], &blob) || absl::Base64Escape(blob) != words[1]) {
    return absl::InvalidArgumentError("SSH public key: its second word is not base64");
  }
  DRAGNET_ASSIGN_OR_RETURN(PublicKey key, FromSshBlob(blob));
  if (SshKeyType(key) != words[0]) {
    return absl::InvalidArgumentError(
        StrCat("SSH public key: says ", words[0], " and is ", SshKeyType(key)));
  }
  return key;
}

absl::StatusOr<PublicKey> PublicKey::FromText(std::string_view text) {
  if (text.size() > kMaxTextBytes) return absl::InvalidArgumentError("public key: file too large");
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return absl::InvalidArgumentError("is a private key: give the public one, its .pub file");
  }
  if (text.find("-----BEGIN ") != std::string_view::npos) return FromPem(text);
  return FromOpenSsh(text);
}

}  // namespace dragnet
