// For tests: signers of SSH's forms, made of keys in memory. A security key is
// played by a plain key that signs what an authenticator would (openssh's
// PROTOCOL.u2f). Header-only, tests only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "core/keys.h"
#include "core/signer.h"
#include "core/ssh_signature.h"
#include "core/ssh_wire.h"
#include "core/strings.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::testing {

// A raw signature as SSH writes its bytes: those of Ed25519 as they are, ECDSA as
// string(mpint r, mpint s). DER's integers and mpints have the same bytes.
inline std::string SshBytesOf(KeyAlgorithm algorithm, const std::string& raw) {
  if (algorithm == KeyAlgorithm::kEd25519) return raw;
  const auto length = static_cast<size_t>(raw[3]);
  std::string numbers;
  AppendWireString(&numbers, raw.substr(4, length));
  AppendWireString(&numbers, raw.substr(4 + length + 2));
  return numbers;
}

// "string type, string bytes": what ssh-agent answers for a plain key.
inline std::string PlainSshSignature(const PrivateKey& key, std::string_view data) {
  std::string signature;
  AppendWireString(&signature, SshKeyType(key.public_key()));
  AppendWireString(&signature, SshBytesOf(key.public_key().algorithm(), *key.Sign(data)));
  return signature;
}

// The line of a public key file.
inline std::string OpenSshLine(const PublicKey& key) {
  return StrCat(SshKeyType(key), " ", absl::Base64Escape(key.ToSshBlob()), " test\n");
}

class FakeSecurityKey : public Signer {
 public:
  explicit FakeSecurityKey(KeyAlgorithm algorithm = KeyAlgorithm::kEd25519,
                           std::string application = "ssh:")
      : FakeSecurityKey(*PrivateKey::Generate(algorithm), std::move(application)) {}
  FakeSecurityKey(PrivateKey key, std::string application)
      : key_(std::move(key)), public_key_(PublicOf(key_, std::move(application))) {}

  const PublicKey& public_key() const override { return public_key_; }
  // The same point as a plain key.
  const PrivateKey& inside() const { return key_; }

  // What the token tells of itself, and signs.
  uint8_t flags = 0x01;
  uint32_t counter = 7;

  // "string type, string bytes, byte flags, uint32 counter".
  std::string SignData(std::string_view data) const {
    std::string all = Sha256(public_key_.security_key()->application);
    all.push_back(static_cast<char>(flags));
    AppendWireUint32(&all, counter);
    all += Sha256(data);
    std::string signature;
    AppendWireString(&signature, SshKeyType(public_key_));
    AppendWireString(&signature, SshBytesOf(public_key_.algorithm(), *key_.Sign(all)));
    signature.push_back(static_cast<char>(flags));
    AppendWireUint32(&signature, counter);
    return signature;
  }
  // SSHSIG.
  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    return FormatSshSignature(public_key_, SignData(SshSignedData(message)));
  }

 private:
  static PublicKey PublicOf(const PrivateKey& key, std::string application) {
    v1::PublicKey proto = key.public_key().ToProto();
    proto.mutable_security_key()->set_application(std::move(application));
    return *PublicKey::FromProto(proto);
  }

  PrivateKey key_;
  PublicKey public_key_;
};

// A plain key that signs as ssh-agent would.
class SshFormSigner : public Signer {
 public:
  explicit SshFormSigner(PrivateKey key) : key_(std::move(key)) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    return FormatSshSignature(key_.public_key(), PlainSshSignature(key_, SshSignedData(message)));
  }

 private:
  PrivateKey key_;
};

}  // namespace dragnet::testing
