#include "console/trust/keys.h"

#include "core/strings.h"

namespace dragnet::console {

absl::StatusOr<PublicKey> ReadPublicKey(std::string_view text) {
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "this is a private key: it stays with its owner; give the public one");
  }
  return PublicKey::FromPem(text);
}

absl::StatusOr<PublicKey> KeyOf(const v1::PublicKey& proto) {
  return PublicKey::FromSpki(proto.spki());
}

v1::PublicKey ToProto(const PublicKey& key) {
  v1::PublicKey proto;
  proto.set_spki(key.spki());
  return proto;
}

std::string KeyWords(const PublicKey& key) {
  return StrCat(key.algorithm() == KeyAlgorithm::kEd25519 ? "Ed25519 " : "ECDSA P-256 ", key.id());
}

std::string KeyWords(const v1::PublicKey& proto) {
  const absl::StatusOr<PublicKey> key = KeyOf(proto);
  return key.ok() ? KeyWords(*key) : "an unreadable key";
}

std::string ShortKeyId(std::string_view id) {
  constexpr size_t kShown = 16;
  return id.size() <= kShown ? std::string(id) : StrCat(id.substr(0, kShown), "…");
}

}  // namespace dragnet::console
