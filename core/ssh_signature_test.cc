#include "core/ssh_signature.h"

#include <stdlib.h>

#include <filesystem>

#include "core/envelope.h"
#include "core/file_io.h"
#include "core/ssh_testing.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::FakeSecurityKey;
using ::dragnet::testing::NewKey;
using ::dragnet::testing::PlainSshSignature;
using ::dragnet::testing::SshFormSigner;
using ::testing::HasSubstr;

constexpr std::string_view kMessage = "DSSEv1 4 type 7 payload";
constexpr KeyAlgorithm kAlgorithms[] = {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256};

// What `key` signs when the parts of an SSHSIG are these.
struct Parts {
  std::string magic = "SSHSIG";
  uint32_t version = 1;
  std::string public_key = {};
  std::string name_space = "dragnet";
  std::string reserved = {};
  std::string hash = "sha512";
  std::string digest = Sha512(kMessage);
  std::string after = {};
};

std::string DataOf(const Parts& parts) {
  std::string data = parts.magic;
  AppendWireString(&data, parts.name_space);
  AppendWireString(&data, parts.reserved);
  AppendWireString(&data, parts.hash);
  AppendWireString(&data, parts.digest);
  return data;
}

std::string BlobOf(const Parts& parts, const PublicKey& key, std::string_view signature) {
  std::string blob = parts.magic;
  AppendWireUint32(&blob, parts.version);
  AppendWireString(&blob, parts.public_key.empty() ? key.ToSshBlob() : parts.public_key);
  AppendWireString(&blob, parts.name_space);
  AppendWireString(&blob, parts.reserved);
  AppendWireString(&blob, parts.hash);
  AppendWireString(&blob, signature);
  return blob + parts.after;
}

std::string Signed(const PrivateKey& key, const Parts& parts) {
  return BlobOf(parts, key.public_key(), PlainSshSignature(key, DataOf(parts)));
}
std::string Signed(const FakeSecurityKey& key, const Parts& parts) {
  return BlobOf(parts, key.public_key(), key.SignData(DataOf(parts)));
}

std::string Why(const PublicKey& key, std::string_view blob) {
  return std::string(CheckSshSignature(key, kMessage, blob).message());
}

// Each kind of key, with a valid blob of it.
struct Sample {
  std::string name;
  PublicKey key;
  std::string blob;
};
std::vector<Sample> Samples() {
  std::vector<Sample> samples;
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const SshFormSigner plain(NewKey(algorithm));
    const FakeSecurityKey token(algorithm);
    samples.push_back({"plain", plain.public_key(), *plain.Sign(kMessage)});
    samples.push_back({"token", token.public_key(), *token.Sign(kMessage)});
  }
  return samples;
}

TEST(SshSignatureTest, EveryKindOfKeyVerifiesItsOwn) {
  for (const Sample& sample : Samples()) {
    EXPECT_TRUE(sample.key.Verify(kMessage, sample.blob)) << Why(sample.key, sample.blob);
    EXPECT_FALSE(sample.key.Verify("DSSEv1 4 type 7 Payload", sample.blob));
    EXPECT_FALSE(sample.key.Verify("", sample.blob));
    EXPECT_LE(sample.blob.size(), kMaxSignatureBytes);
  }
}

TEST(SshSignatureTest, TheLongestApplicationStillFitsAnEnvelope) {
  const FakeSecurityKey token(KeyAlgorithm::kEcdsaP256, std::string(kMaxApplicationBytes, 'a'));
  // The numbers of a signature are up to 33 bytes long each: try until they are.
  size_t longest = 0;
  for (int i = 0; i < 64; ++i) {
    const std::string blob = *token.Sign(kMessage);
    EXPECT_TRUE(token.public_key().Verify(kMessage, blob));
    longest = std::max(longest, blob.size());
  }
  EXPECT_LE(longest, kMaxSignatureBytes);
}

TEST(SshSignatureTest, EveryTruncationIsRefused) {
  for (const Sample& sample : Samples()) {
    for (size_t length = 0; length < sample.blob.size(); ++length)
      EXPECT_FALSE(sample.key.Verify(kMessage, sample.blob.substr(0, length))) << length;
  }
}

TEST(SshSignatureTest, EveryFlippedBitIsRefused) {
  for (const Sample& sample : Samples()) {
    for (size_t bit = 0; bit < sample.blob.size() * 8; ++bit) {
      std::string altered = sample.blob;
      altered[bit / 8] ^= static_cast<char>(1 << bit % 8);
      EXPECT_FALSE(sample.key.Verify(kMessage, altered)) << sample.name << " bit " << bit;
    }
  }
}

TEST(SshSignatureTest, TrailingBytesAreRefusedInEveryPart) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const PrivateKey key = NewKey(algorithm);
    const FakeSecurityKey token(algorithm);
    EXPECT_FALSE(key.public_key().Verify(kMessage, Signed(key, {.after = "x"})));
    const std::string inner = PlainSshSignature(key, DataOf({}));
    EXPECT_TRUE(key.public_key().Verify(kMessage, BlobOf({}, key.public_key(), inner)));
    EXPECT_FALSE(key.public_key().Verify(kMessage, BlobOf({}, key.public_key(), inner + "x")));
    const std::string of_token = token.SignData(DataOf({}));
    EXPECT_FALSE(
        token.public_key().Verify(kMessage, BlobOf({}, token.public_key(), of_token + "x")));
  }
}

TEST(SshSignatureTest, AnotherNamespaceIsRefused) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const PrivateKey key = NewKey(algorithm);
    for (const std::string& name :
         {std::string(), std::string("git"), std::string("file"), std::string("Dragnet"),
          std::string("dragnet\0", 8), std::string("dragnet2"), std::string("dragne")}) {
      const std::string blob = Signed(key, {.name_space = name});
      EXPECT_FALSE(key.public_key().Verify(kMessage, blob)) << name;
      EXPECT_THAT(Why(key.public_key(), blob), HasSubstr("namespace"));
      const FakeSecurityKey token(algorithm);
      EXPECT_FALSE(token.public_key().Verify(kMessage, Signed(token, {.name_space = name})));
    }
    // Signed for git, and said to be for dragnet.
    const std::string inner = PlainSshSignature(key, DataOf({.name_space = "git"}));
    EXPECT_FALSE(key.public_key().Verify(kMessage, BlobOf({}, key.public_key(), inner)));
  }
}

TEST(SshSignatureTest, OtherVersionsAndReservedFieldsAreRefused) {
  const PrivateKey key = NewKey();
  for (const uint32_t version : {0U, 2U, 0x01000000U})
    EXPECT_FALSE(key.public_key().Verify(kMessage, Signed(key, {.version = version})));
  EXPECT_FALSE(key.public_key().Verify(kMessage, Signed(key, {.reserved = "x"})));
  EXPECT_FALSE(key.public_key().Verify(kMessage, Signed(key, {.magic = "sshsig"})));
}

TEST(SshSignatureTest, BothHashesCountAndOnlyUnderTheirOwnNames) {
  const PrivateKey key = NewKey();
  const auto counts = [&](const Parts& parts) {
    return key.public_key().Verify(kMessage, Signed(key, parts));
  };
  EXPECT_TRUE(counts({.hash = "sha256", .digest = Sha256(kMessage)}));
  EXPECT_FALSE(counts({.hash = "sha256", .digest = Sha512(kMessage)}));
  EXPECT_FALSE(counts({.hash = "sha512", .digest = Sha256(kMessage)}));
  for (const std::string hash : {"", "SHA512", "sha1", "sha384", "md5", "sha512 "})
    EXPECT_FALSE(counts({.hash = hash})) << hash;
  // The name in the blob is not the one that was signed.
  const Parts signed_as{.hash = "sha256", .digest = Sha256(kMessage)};
  EXPECT_FALSE(key.public_key().Verify(
      kMessage, BlobOf({}, key.public_key(), PlainSshSignature(key, DataOf(signed_as)))));
}

TEST(SshSignatureTest, AnotherKeyInTheBlobIsRefused) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const PrivateKey key = NewKey(algorithm);
    const PrivateKey other = NewKey(algorithm);
    EXPECT_FALSE(other.public_key().Verify(kMessage, Signed(key, {})));
    // What signed it is right, what it says is not.
    const std::string named = Signed(key, {.public_key = other.public_key().ToSshBlob()});
    EXPECT_FALSE(key.public_key().Verify(kMessage, named));
    EXPECT_FALSE(other.public_key().Verify(kMessage, named));
  }
}

TEST(SshSignatureTest, NumbersHaveOneEncoding) {
  const PrivateKey key = NewKey(KeyAlgorithm::kEcdsaP256);
  const std::string der = *key.Sign(DataOf({}));
  const auto r_size = static_cast<size_t>(der[3]);
  const std::string r = der.substr(4, r_size);
  const std::string s = der.substr(4 + r_size + 2);
  const auto counts = [&](const std::string& first, const std::string& second,
                          const std::string& after = "") {
    std::string numbers;
    AppendWireString(&numbers, first);
    AppendWireString(&numbers, second);
    std::string signature;
    AppendWireString(&signature, "ecdsa-sha2-nistp256");
    AppendWireString(&signature, numbers + after);
    return key.public_key().Verify(kMessage, BlobOf({}, key.public_key(), signature));
  };
  const std::string zero(1, '\0');
  EXPECT_TRUE(counts(r, s));
  EXPECT_FALSE(counts(s, r));
  EXPECT_FALSE(counts(zero + r, s)) << "a zero too many";
  EXPECT_FALSE(counts(r, zero + s));
  EXPECT_FALSE(counts(r, s, "x"));
  EXPECT_FALSE(counts("", s));
  EXPECT_FALSE(counts(zero, s));
  EXPECT_FALSE(counts(zero, zero));
  EXPECT_FALSE(counts("", ""));
  EXPECT_FALSE(counts("\x80" + r, s)) << "negative";
  EXPECT_FALSE(counts(std::string(34, '\x7f'), s)) << "too long";
  EXPECT_FALSE(counts(std::string(200, '\x7f'), s));
}

TEST(SshSignatureTest, RawAndSshFormsDoNotStandInForEachOther) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const PrivateKey key = NewKey(algorithm);
    const std::string raw = *key.Sign(kMessage);
    EXPECT_TRUE(key.public_key().Verify(kMessage, raw));
    // What ssh-agent signed, as a raw signature.
    EXPECT_FALSE(key.public_key().Verify(kMessage, *key.Sign(SshSignedData(kMessage))));
    // A raw signature, as what ssh-agent signed.
    EXPECT_FALSE(key.public_key().Verify(
        kMessage, BlobOf({}, key.public_key(), PlainSshSignature(key, kMessage))));
    // Raw over the whole blob's own data is a signature on other bytes.
    EXPECT_FALSE(key.public_key().Verify(SshSignedData(kMessage), Signed(key, {})));
  }
}

TEST(SshSignatureTest, AnEd25519SignatureOfSixtyFourBytesIsRawWhateverItBeginsWith) {
  std::string signature = "SSHSIG" + std::string(58, 'x');
  EXPECT_FALSE(IsSshSignature(KeyAlgorithm::kEd25519, signature));
  EXPECT_TRUE(IsSshSignature(KeyAlgorithm::kEd25519, signature + "x"));
  EXPECT_TRUE(IsSshSignature(KeyAlgorithm::kEcdsaP256, signature));
  EXPECT_FALSE(IsSshSignature(KeyAlgorithm::kEcdsaP256, "\x30\x45"));
  EXPECT_FALSE(IsSshSignature(KeyAlgorithm::kEd25519, "SSHSI"));
}

TEST(SshSignatureTest, OtherSignatureTypesAreRefused) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const PrivateKey key = NewKey(algorithm);
    for (const std::string type : {"ssh-rsa", "rsa-sha2-512", "ssh-ed25519-cert-v01@openssh.com",
                                   "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", ""}) {
      std::string signature;
      AppendWireString(&signature, type);
      AppendWireString(&signature, testing::SshBytesOf(algorithm, *key.Sign(DataOf({}))));
      EXPECT_FALSE(key.public_key().Verify(kMessage, BlobOf({}, key.public_key(), signature)));
    }
  }
}

// ---- security keys

TEST(SecurityKeyTest, ATokenThatNoOneTouchedDoesNotCount) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    FakeSecurityKey token(algorithm);
    for (const uint8_t flags : {0x00, 0x04, 0x08, 0x10}) {
      token.flags = flags;
      const std::string blob = *token.Sign(kMessage);
      EXPECT_FALSE(token.public_key().Verify(kMessage, blob)) << int{flags};
      EXPECT_THAT(Why(token.public_key(), blob), HasSubstr("touched"));
    }
  }
}

TEST(SecurityKeyTest, VerificationOfTheUserIsAskedForWhereThePolicySaysSo) {
  FakeSecurityKey token;
  const PublicKey strict = token.public_key().WithUserVerification();
  EXPECT_FALSE(strict.Verify(kMessage, *token.Sign(kMessage)));
  EXPECT_THAT(Why(strict, *token.Sign(kMessage)), HasSubstr("verify its user"));
  token.flags = 0x05;
  EXPECT_TRUE(strict.Verify(kMessage, *token.Sign(kMessage)));
  EXPECT_TRUE(token.public_key().Verify(kMessage, *token.Sign(kMessage)));
  token.flags = 0x04;
  EXPECT_FALSE(strict.Verify(kMessage, *token.Sign(kMessage))) << "verified, but not present";
}

TEST(SecurityKeyTest, FlagsOfDataThatSshNeverAsksForAreRefused) {
  FakeSecurityKey token;
  for (const uint8_t flags : {0x41, 0x81, 0xc1}) {
    token.flags = flags;
    EXPECT_FALSE(token.public_key().Verify(kMessage, *token.Sign(kMessage)));
  }
  // Whether the key may be, or is, backed up.
  token.flags = 0x19;
  EXPECT_TRUE(token.public_key().Verify(kMessage, *token.Sign(kMessage)));
}

TEST(SecurityKeyTest, FlagsAndCounterAreSigned) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    FakeSecurityKey token(algorithm);
    token.flags = 0x00;
    std::string blob = *token.Sign(kMessage);
    blob[blob.size() - 5] = 0x01;
    EXPECT_FALSE(token.public_key().Verify(kMessage, blob)) << "presence set afterwards";
    token.flags = 0x01;
    blob = *token.Sign(kMessage);
    blob[blob.size() - 5] = 0x05;
    EXPECT_FALSE(token.public_key().WithUserVerification().Verify(kMessage, blob));
    blob = *token.Sign(kMessage);
    blob.back() = static_cast<char>(blob.back() + 1);
    EXPECT_FALSE(token.public_key().Verify(kMessage, blob)) << "another counter";
  }
}

TEST(SecurityKeyTest, AnotherApplicationIsRefused) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const PrivateKey inside = NewKey(algorithm);
    const FakeSecurityKey ours(inside, "ssh:dragnet");
    const FakeSecurityKey login(inside, "ssh:");
    EXPECT_FALSE(ours.public_key().Verify(kMessage, *login.Sign(kMessage)));
    // Relabelled.
    EXPECT_FALSE(ours.public_key().Verify(
        kMessage, BlobOf({}, ours.public_key(), login.SignData(DataOf({})))));
  }
}

TEST(SecurityKeyTest, ASecurityKeyTakesNoOtherFormAndAPlainKeyNotThisOne) {
  for (const KeyAlgorithm algorithm : kAlgorithms) {
    const FakeSecurityKey token(algorithm);
    const PublicKey& sk = token.public_key();
    const PublicKey& plain = token.inside().public_key();
    ASSERT_EQ(sk.id(), plain.id()) << "only the form tells them apart";
    EXPECT_FALSE(sk.Verify(kMessage, *token.inside().Sign(kMessage))) << "raw";
    EXPECT_FALSE(sk.Verify(kMessage, Signed(token.inside(), {}))) << "plain SSHSIG";
    EXPECT_FALSE(plain.Verify(kMessage, *token.Sign(kMessage)));
    // Mixed: the outside of one, the inside of the other.
    EXPECT_FALSE(
        sk.Verify(kMessage, BlobOf({}, sk, PlainSshSignature(token.inside(), DataOf({})))));
    EXPECT_FALSE(plain.Verify(kMessage, BlobOf({}, plain, token.SignData(DataOf({})))));
    EXPECT_FALSE(plain.Verify(kMessage, BlobOf({}, sk, token.SignData(DataOf({})))));
  }
}

TEST(SecurityKeyTest, InAnEnvelopeItCountsOnceHoweverOftenItsCounterRises) {
  FakeSecurityKey token;
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, "payload");
  ASSERT_TRUE(AddSignature(token, &envelope).ok());
  token.counter = 8;
  v1::Envelope again = NewEnvelope(kActionPayloadType, "payload");
  ASSERT_TRUE(AddSignature(token, &again).ok());
  *envelope.add_signatures() = again.signatures(0);
  EXPECT_THAT(ValidSigners(envelope, {&token.public_key()}), ::testing::ElementsAre(0));
}

// ---- what OpenSSH itself makes

class OpensshTest : public ::testing::Test {
 protected:
  OpensshTest() {
    char pattern[] = "/tmp/dragnet-sshsig-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~OpensshTest() override { std::filesystem::remove_all(directory_); }

  int Run(const std::string& command) {
    return ::system(StrCat("cd ", directory_, " && (", command, ") > out 2>&1").c_str());
  }
  std::string Content(const std::string& name) { return *ReadFile(StrCat(directory_, "/", name)); }
  void Write(const std::string& name, std::string_view content) {
    ASSERT_TRUE(WriteFileAtomically(StrCat(directory_, "/", name), content, 0600).ok());
  }
  // Without its armor.
  std::string Sign(const std::string& options) {
    EXPECT_EQ(Run("rm -f m.sig; ssh-keygen -Y sign -f key " + options + " m"), 0) << Content("out");
    EXPECT_EQ(Run("grep -v -- ---- m.sig | base64 -d > m.bin"), 0);
    return Content("m.bin");
  }

  std::string directory_;
};

TEST_F(OpensshTest, SignaturesOfSshKeygenVerifyInTheirNamespaceOnly) {
  for (const std::string type : {"ed25519", "ecdsa -b 256"}) {
    ASSERT_EQ(Run("rm -f key key.pub; ssh-keygen -q -t " + type + " -N '' -f key"), 0);
    Write("m", kMessage);
    const PublicKey key = *PublicKey::FromText(Content("key.pub"));
    for (const std::string hash : {"sha256", "sha512"}) {
      const std::string blob = Sign("-n dragnet -O hashalg=" + hash);
      EXPECT_TRUE(key.Verify(kMessage, blob)) << Why(key, blob);
      EXPECT_FALSE(key.Verify("other", blob));
    }
    EXPECT_FALSE(key.Verify(kMessage, Sign("-n file")));
    EXPECT_FALSE(key.Verify(kMessage, Sign("-n git")));
  }
}

TEST_F(OpensshTest, SshKeygenVerifiesWhatIsMadeHere) {
  for (const Sample& sample : Samples()) {
    Write("allowed", StrCat("ida ", testing::OpenSshLine(sample.key)));
    Write("m.bin", sample.blob);
    Write("m", kMessage);
    ASSERT_EQ(Run("(echo '-----BEGIN SSH SIGNATURE-----'; base64 -w 70 m.bin;"
                  " echo '-----END SSH SIGNATURE-----') > m.sig"),
              0);
    EXPECT_EQ(Run("ssh-keygen -Y verify -f allowed -I ida -n dragnet -s m.sig < m"), 0)
        << sample.name << Content("out");
  }
}

}  // namespace
}  // namespace dragnet
