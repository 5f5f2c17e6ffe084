#include "core/envelope.h"

#include <algorithm>

#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EnvelopeTest : public ::testing::Test {
 protected:
  std::vector<size_t> Signers(const v1::Envelope& envelope) {
    return ValidSigners(envelope, {&ed25519_.public_key(), &p256_.public_key()});
  }
  v1::Envelope SignedByBoth() {
    v1::Envelope envelope = NewEnvelope(kActionPayloadType, "payload");
    EXPECT_TRUE(AddSignature(ed25519_, &envelope).ok());
    EXPECT_TRUE(AddSignature(p256_, &envelope).ok());
    return envelope;
  }

  const PrivateKey ed25519_ = testing::NewKey();
  const PrivateKey p256_ = testing::NewKey(KeyAlgorithm::kEcdsaP256);
};

TEST_F(EnvelopeTest, PreAuthEncodingIsThatOfTheDsseSpecification) {
  // The example of the DSSE protocol document, section "Test Vectors".
  EXPECT_EQ(PreAuthEncoding("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST_F(EnvelopeTest, BothAlgorithmsSignAndVerifyInAnyOrder) {
  v1::Envelope envelope = SignedByBoth();
  EXPECT_THAT(Signers(envelope), ElementsAre(0, 1));
  envelope.mutable_signatures()->SwapElements(0, 1);
  EXPECT_THAT(Signers(envelope), ElementsAre(0, 1));
}

TEST_F(EnvelopeTest, ASignatureRepeatedCountsOnce) {
  v1::Envelope envelope = SignedByBoth();
  for (int i = 0; i < 10; ++i) *envelope.add_signatures() = envelope.signatures(0);
  EXPECT_THAT(Signers(envelope), ElementsAre(0, 1));
}

TEST_F(EnvelopeTest, ABrokenSignatureBeforeAGoodOneOfTheSameKeyDoesNotHideIt) {
  v1::Envelope envelope = SignedByBoth();
  *envelope.add_signatures() = envelope.signatures(0);
  envelope.mutable_signatures(0)->set_sig("broken");
  EXPECT_THAT(Signers(envelope), ElementsAre(0, 1));
}

TEST_F(EnvelopeTest, ASecondSignatureOfTheSameKeyIsNotAdded) {
  v1::Envelope envelope = SignedByBoth();
  EXPECT_EQ(AddSignature(p256_, &envelope).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(EnvelopeTest, SwappedKeyIdsVerifyNothing) {
  v1::Envelope envelope = SignedByBoth();
  std::swap(*envelope.mutable_signatures(0)->mutable_keyid(),
            *envelope.mutable_signatures(1)->mutable_keyid());
  EXPECT_THAT(Signers(envelope), IsEmpty());
}

TEST_F(EnvelopeTest, UnknownEmptyAndUpperCaseKeyIdsVerifyNothing) {
  for (const std::string& keyid : {std::string(), std::string("alice"), std::string(64, '0')}) {
    v1::Envelope envelope = NewEnvelope(kActionPayloadType, "payload");
    ASSERT_TRUE(AddSignature(ed25519_, &envelope).ok());
    envelope.mutable_signatures(0)->set_keyid(keyid);
    EXPECT_THAT(Signers(envelope), IsEmpty()) << keyid;
  }
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, "payload");
  ASSERT_TRUE(AddSignature(ed25519_, &envelope).ok());
  std::string* keyid = envelope.mutable_signatures(0)->mutable_keyid();
  std::transform(keyid->begin(), keyid->end(), keyid->begin(), ::toupper);
  EXPECT_THAT(Signers(envelope), IsEmpty());
}

TEST_F(EnvelopeTest, EveryAlteredBitOfThePayloadIsNoticed) {
  const v1::Envelope good = SignedByBoth();
  for (size_t byte = 0; byte < good.payload().size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      v1::Envelope altered = good;
      (*altered.mutable_payload())[byte] ^= static_cast<char>(1 << bit);
      EXPECT_THAT(Signers(altered), IsEmpty()) << byte << "." << bit;
    }
  }
}

TEST_F(EnvelopeTest, TheTypeIsSignedWithThePayload) {
  v1::Envelope envelope = SignedByBoth();
  envelope.set_payload_type(std::string(kTrustPolicyPayloadType));
  EXPECT_THAT(Signers(envelope), IsEmpty());
}

TEST_F(EnvelopeTest, ADocumentOfAnotherTypeIsRefused) {
  const std::string bytes = SignedByBoth().SerializeAsString();
  EXPECT_TRUE(ParseEnvelope(bytes, kActionPayloadType).ok());
  EXPECT_EQ(ParseEnvelope(bytes, kTrustPolicyPayloadType).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(EnvelopeTest, BoundsAreEnforced) {
  v1::Envelope many = NewEnvelope(kActionPayloadType, "payload");
  for (int i = 0; i <= kMaxSignatures; ++i) many.add_signatures();
  EXPECT_FALSE(ParseEnvelope(many.SerializeAsString(), kActionPayloadType).ok());

  v1::Envelope long_signature = NewEnvelope(kActionPayloadType, "payload");
  long_signature.add_signatures()->set_sig(std::string(kMaxSignatureBytes + 1, 'x'));
  EXPECT_FALSE(ParseEnvelope(long_signature.SerializeAsString(), kActionPayloadType).ok());

  const v1::Envelope large =
      NewEnvelope(kActionPayloadType, std::string(kMaxEnvelopeBytes + 1, 'x'));
  EXPECT_FALSE(ParseEnvelope(large.SerializeAsString(), kActionPayloadType).ok());
}

TEST_F(EnvelopeTest, EveryTruncationIsRefusedOrVerifiesNothing) {
  const std::string bytes = SignedByBoth().SerializeAsString();
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto parsed = ParseEnvelope(bytes.substr(0, length), kActionPayloadType);
    if (!parsed.ok()) continue;
    // A cut between two signatures leaves a whole envelope with fewer of them.
    EXPECT_LT(Signers(*parsed).size(), 2u) << length;
  }
}

TEST_F(EnvelopeTest, UnknownFieldsAreRefused) {
  const std::string bytes = SignedByBoth().SerializeAsString() + std::string("\x7a\x01x", 3);
  EXPECT_FALSE(ParseEnvelope(bytes, kActionPayloadType).ok());
}

}  // namespace
}  // namespace dragnet
