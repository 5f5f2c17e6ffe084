#include "console/trust/keys.h"

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

absl::StatusOr<PublicKey> ReadPublicKey(std::string_view text) {
  if (text.find("PRIVATE KEY-----") != std::string_view::npos) {
    return absl::InvalidArgumentError(
        "this is a private key: it stays with its owner; give the public one");
  }
  return PublicKey::FromText(text);
}

absl::StatusOr<PublicKey> DemandUserVerification(const PublicKey& key) {
  if (!key.security_key().has_value()) {
    return absl::InvalidArgumentError(
        StrCat("key ", ShortKeyId(key.id()),
               " is not in a security key, so nothing can say that its user was verified"));
  }
  return key.WithUserVerification();
}

absl::StatusOr<PublicKey> KeyOf(const v1::PublicKey& proto) { return PublicKey::FromProto(proto); }

v1::PublicKey ToProto(const PublicKey& key) { return key.ToProto(); }

std::string KeyWords(const PublicKey& key) {
  std::string words =
      StrCat(key.algorithm() == KeyAlgorithm::kEd25519 ? "Ed25519 " : "ECDSA P-256 ", key.id());
  if (const auto& security_key = key.security_key(); security_key.has_value()) {
    StrAppend(&words, " in a security key, application ", ForTerminal(security_key->application),
              security_key->user_verification ? ", user verified" : "");
  }
  return words;
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
