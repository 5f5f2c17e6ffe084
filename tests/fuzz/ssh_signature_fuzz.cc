// SSHSIG blobs and OpenSSH's public keys, from anyone. The first byte says what
// the rest is:
//   s  a signature on a document that the keys here never signed, or did:
//      only the very blobs that they made count
//   k  a public key as SSH sends it: what is taken has one encoding
//   t  a public key file
#include "core/ssh_signature.h"
#include "core/ssh_testing.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

constexpr std::string_view kMessage = "DSSEv1 4 type 7 payload";

// Ed25519 alone: its signatures are the same on every run, and one message has
// one, so that what verifies can be compared with what was signed.
struct Fixture {
  const testing::SshFormSigner plain{FixedKey('p')};
  const testing::FakeSecurityKey token{FixedKey('t'), "ssh:dragnet"};
  const std::string of_plain = *plain.Sign(kMessage);
  const std::string of_token = *token.Sign(kMessage);
};

const Fixture& TheFixture() {
  static const Fixture fixture;
  return fixture;
}

void TrySignature(std::string_view blob) {
  const Fixture& fixture = TheFixture();
  ParseSshSignature(blob).status().IgnoreError();
  if (fixture.plain.public_key().Verify(kMessage, blob)) {
    Must(blob == fixture.of_plain || blob == *FixedKey('p').Sign(kMessage),
         "a plain key's blob is the one that it made");
  }
  if (fixture.token.public_key().Verify(kMessage, blob)) {
    Must(blob == fixture.of_token, "a security key's blob is the one that it made");
  }
  Must(!fixture.token.inside().public_key().Verify(kMessage, blob) ||
           blob == *fixture.token.inside().Sign(kMessage),
       "a security key's blob is none of a plain key");
}

}  // namespace

std::vector<std::string> Seeds() {
  const Fixture& fixture = TheFixture();
  std::vector<std::string> seeds = {"s" + fixture.of_plain, "s" + fixture.of_token,
                                    "s" + *FixedKey('p').Sign(kMessage)};
  for (const PublicKey& key : {fixture.plain.public_key(), fixture.token.public_key()}) {
    seeds.push_back("k" + key.ToSshBlob());
    seeds.push_back("t" + testing::OpenSshLine(key));
    seeds.push_back("t" + key.ToPem());
  }
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  if (size == 0) return 0;
  const std::string_view input = fuzz::ToView(data + 1, size - 1);
  if (data[0] == 's') fuzz::TrySignature(input);
  if (data[0] == 'k') {
    if (const auto key = PublicKey::FromSshBlob(input); key.ok()) {
      fuzz::Must(key->ToSshBlob() == input, "a key has one encoding");
      const auto again = PublicKey::FromProto(key->ToProto());
      fuzz::Must(again.ok() && again->ToSshBlob() == input, "a policy keeps it as it is");
    }
  }
  if (data[0] == 't') {
    if (const auto key = PublicKey::FromText(input); key.ok()) {
      fuzz::Must(PublicKey::FromSpki(key->spki()).ok(), "its SPKI is one");
    }
  }
  return 0;
}
