#include "core/trust_policy.h"

#include "core/ssh_testing.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::dragnet::testing::NewKey;
using ::dragnet::testing::Signed;
using ::testing::HasSubstr;

class TrustPolicyTest : public ::testing::Test {
 protected:
  absl::StatusCode First(const std::string& envelope) {
    return TrustPolicy::VerifyFirst(envelope, fleet_.Pinned(), fleet_.id).status().code();
  }
  absl::StatusCode Successor(const std::string& envelope) {
    return held_.VerifySuccessor(envelope, fleet_.now).status().code();
  }

  Fleet fleet_;
  TrustPolicy held_ = fleet_.Policy(5);
};

TEST_F(TrustPolicyTest, ThresholdOfPinnedRootKeysIsEnforced) {
  const v1::TrustPolicy policy = fleet_.PolicyProto();
  const PrivateKey mallory = NewKey();
  const auto& [first, second] = std::tie(fleet_.roots[0], fleet_.roots[1]);
  EXPECT_EQ(First(Signed(kTrustPolicyPayloadType, policy, {&first, &second})),
            absl::StatusCode::kOk);
  EXPECT_EQ(First(Signed(kTrustPolicyPayloadType, policy, {&second, &first})),
            absl::StatusCode::kOk);
  EXPECT_EQ(First(Signed(kTrustPolicyPayloadType, policy, {})),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(First(Signed(kTrustPolicyPayloadType, policy, {&first})),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(First(Signed(kTrustPolicyPayloadType, policy, {&first, &mallory})),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(TrustPolicyTest, OneRootKeySigningTwiceCountsOnce) {
  v1::Envelope envelope;
  envelope.ParseFromString(
      Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(), {&fleet_.roots[0]}));
  *envelope.add_signatures() = envelope.signatures(0);
  EXPECT_EQ(First(envelope.SerializeAsString()), absl::StatusCode::kPermissionDenied);
}

TEST_F(TrustPolicyTest, AnInvestigatorsSignatureIsNotARoots) {
  EXPECT_EQ(
      First(Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(), {&fleet_.alice, &fleet_.bob})),
      absl::StatusCode::kPermissionDenied);
}

TEST_F(TrustPolicyTest, AnotherFleetsPolicyIsRefused) {
  v1::TrustPolicy policy = fleet_.PolicyProto();
  policy.set_fleet_id("other-0123456789ab");
  EXPECT_EQ(First(fleet_.SignedPolicy(policy)), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TrustPolicyTest, VersionsOnlyRise) {
  EXPECT_EQ(Successor(fleet_.SignedPolicy(fleet_.PolicyProto(6))), absl::StatusCode::kOk);
  EXPECT_EQ(Successor(fleet_.SignedPolicy(fleet_.PolicyProto(5))),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Successor(fleet_.SignedPolicy(fleet_.PolicyProto(4))),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(TrustPolicyTest, AnExpiredSuccessorIsRefused) {
  v1::TrustPolicy policy = fleet_.PolicyProto(6);
  *policy.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  EXPECT_EQ(Successor(fleet_.SignedPolicy(policy)), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TrustPolicyTest, ARotationOfRootsNeedsTheOldThresholdAndTheNewOne) {
  const PrivateKey new_root = NewKey();
  v1::TrustPolicy policy = fleet_.PolicyProto(6);
  *policy.mutable_roots() = RootSet::Create({new_root.public_key()}, 1)->ToProto();
  const auto& [first, second] = std::tie(fleet_.roots[0], fleet_.roots[1]);
  EXPECT_EQ(Successor(Signed(kTrustPolicyPayloadType, policy, {&first, &second})),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Successor(Signed(kTrustPolicyPayloadType, policy, {&new_root})),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Successor(Signed(kTrustPolicyPayloadType, policy, {&first, &new_root})),
            absl::StatusCode::kPermissionDenied);
  const std::string rotated = Signed(kTrustPolicyPayloadType, policy, {&first, &second, &new_root});
  ASSERT_EQ(Successor(rotated), absl::StatusCode::kOk);

  // From then on the new roots alone decide, and the old ones no longer do.
  const TrustPolicy after = *held_.VerifySuccessor(rotated, fleet_.now);
  policy.set_version(7);
  EXPECT_TRUE(
      after.VerifySuccessor(Signed(kTrustPolicyPayloadType, policy, {&new_root}), fleet_.now).ok());
  EXPECT_FALSE(after.VerifySuccessor(fleet_.SignedPolicy(fleet_.PolicyProto(7)), fleet_.now).ok());
  EXPECT_TRUE(TrustPolicy::FromOwnStorage(after.envelope_bytes(), fleet_.id).ok());
}

TEST_F(TrustPolicyTest, AnExpiredRotationIsTakenButStaysExpired) {
  const PrivateKey new_root = NewKey();
  v1::TrustPolicy policy = fleet_.PolicyProto(6);
  *policy.mutable_roots() = RootSet::Create({new_root.public_key()}, 1)->ToProto();
  *policy.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  const auto taken = held_.VerifySuccessor(
      Signed(kTrustPolicyPayloadType, policy, {&fleet_.roots[0], &fleet_.roots[1], &new_root}),
      fleet_.now);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_TRUE(taken->expired(fleet_.now));
}

TEST_F(TrustPolicyTest, MalformedPoliciesAreRefusedByName) {
  const auto problem = [&](auto change) {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    change(policy);
    const absl::Status status = ValidateTrustPolicy(policy);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(problem([](auto& p) { p.set_version(0); }), HasSubstr("version"));
  EXPECT_THAT(problem([](auto& p) { p.clear_expires(); }), HasSubstr("expires"));
  EXPECT_THAT(problem([](auto& p) { p.mutable_roots()->set_threshold(0); }),
              HasSubstr("threshold"));
  EXPECT_THAT(problem([](auto& p) { p.mutable_roots()->set_threshold(3); }),
              HasSubstr("threshold"));
  EXPECT_THAT(problem([](auto& p) { *p.mutable_roots()->add_keys() = p.roots().keys(0); }),
              HasSubstr("twice"));
  EXPECT_THAT(problem([](auto& p) { p.mutable_investigators(1)->set_name("alice"); }),
              HasSubstr("named twice"));
  EXPECT_THAT(problem([](auto& p) { p.mutable_investigators(0)->set_name("../root"); }),
              HasSubstr("investigators"));
  // One key under two names would count twice.
  EXPECT_THAT(problem([](auto& p) {
                *p.mutable_investigators(1)->mutable_keys(0) = p.investigators(0).keys(0);
              }),
              HasSubstr("listed twice"));
  EXPECT_THAT(problem([](auto& p) { p.mutable_modules(0)->set_minimum_weight(0); }),
              HasSubstr("minimum_weight"));
  EXPECT_THAT(problem([](auto& p) { p.mutable_modules(1)->set_module("file"); }),
              HasSubstr("listed twice"));
  EXPECT_THAT(
      problem([](auto& p) { *p.mutable_modules(0)->add_weights() = p.modules(0).weights(0); }),
      HasSubstr("two weights"));
  EXPECT_THAT(problem([](auto& p) {
                p.mutable_modules(0)->mutable_weights(0)->set_investigator("nobody");
              }),
              HasSubstr("not an investigator"));
}

// ---- release keys

TEST_F(TrustPolicyTest, ReleaseKeysAreThoseOfThePolicy) {
  EXPECT_FALSE(held_.release_keys().has_value());
  v1::TrustPolicy policy = fleet_.PolicyProto(6);
  fleet_.AddReleaseKeys(&policy);
  const auto next = held_.VerifySuccessor(fleet_.SignedPolicy(policy), fleet_.now);
  ASSERT_TRUE(next.ok()) << next.status();
  ASSERT_TRUE(next->release_keys().has_value());
  EXPECT_EQ(next->release_keys()->keys().size(), 3u);
  EXPECT_EQ(next->release_keys()->threshold(), 2u);
  EXPECT_EQ(ReleaseKeySet::FromProto(next->release_keys()->ToProto())->keys().size(), 3u);
}

TEST_F(TrustPolicyTest, MalformedReleaseKeysAreRefusedByName) {
  const auto problem = [&](auto change) {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    fleet_.AddReleaseKeys(&policy);
    EXPECT_TRUE(ValidateTrustPolicy(policy).ok());
    change(*policy.mutable_release_keys());
    const absl::Status status = ValidateTrustPolicy(policy);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(problem([](auto& r) { r.clear_keys(); }), HasSubstr("release keys: 0"));
  EXPECT_THAT(problem([](auto& r) { r.set_threshold(0); }), HasSubstr("release threshold: 0"));
  EXPECT_THAT(problem([](auto& r) { r.set_threshold(4); }), HasSubstr("release threshold: 4"));
  EXPECT_THAT(problem([](auto& r) { *r.add_keys() = r.keys(0); }), HasSubstr("listed twice"));
  EXPECT_THAT(problem([](auto& r) { r.mutable_keys(0)->set_spki("x"); }),
              HasSubstr("release_keys"));
  EXPECT_THAT(problem([](auto& r) {
                while (r.keys_size() < 33) *r.add_keys() = NewKey().public_key().ToProto();
              }),
              HasSubstr("release keys: 33"));
}

TEST_F(TrustPolicyTest, AReleaseKeyIsNoRootKeyAndNoInvestigators) {
  const testing::FakeSecurityKey token;
  const auto with = [&](const v1::PublicKey& key) {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    fleet_.AddReleaseKeys(&policy);
    *policy.mutable_release_keys()->add_keys() = key;
    *policy.mutable_investigators(2)->add_keys() = token.public_key().ToProto();
    return ValidateTrustPolicy(policy);
  };
  EXPECT_TRUE(with(testing::FakeSecurityKey().public_key().ToProto()).ok());
  EXPECT_THAT(std::string(with(fleet_.roots[1].public_key().ToProto()).message()),
              HasSubstr("is a root key too"));
  EXPECT_THAT(std::string(with(fleet_.bob.public_key().ToProto()).message()),
              HasSubstr("a key of investigator bob too"));
  EXPECT_FALSE(with(token.public_key().ToProto()).ok());
  EXPECT_FALSE(with(token.inside().public_key().ToProto()).ok()) << "the same key, as a plain one";
}

TEST_F(TrustPolicyTest, WeightsOverflowNothing) {
  v1::TrustPolicy policy = fleet_.PolicyProto();
  policy.mutable_modules(0)->set_minimum_weight(0xFFFFFFFF);
  policy.mutable_modules(0)->mutable_weights(0)->set_weight(1000);
  policy.mutable_modules(0)->mutable_weights(1)->set_weight(1000);
  const auto verified =
      TrustPolicy::VerifyFirst(fleet_.SignedPolicy(policy), fleet_.Pinned(), fleet_.id);
  ASSERT_TRUE(verified.ok());
  EXPECT_FALSE(verified->CheckWeight("file", {"alice", "bob"}).ok());
}

// ---- security keys

TEST_F(TrustPolicyTest, AKeyListedAsASecurityKeyAndAsAPlainOneIsRefused) {
  const testing::FakeSecurityKey token;
  for (const bool same_person : {true, false}) {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    *policy.mutable_investigators(0)->add_keys() = token.public_key().ToProto();
    EXPECT_TRUE(ValidateTrustPolicy(policy).ok());
    *policy.mutable_investigators(same_person ? 0 : 1)->add_keys() =
        token.inside().public_key().ToProto();
    EXPECT_FALSE(ValidateTrustPolicy(policy).ok());
  }
  v1::TrustPolicy policy = fleet_.PolicyProto();
  *policy.mutable_roots()->add_keys() = token.public_key().ToProto();
  EXPECT_TRUE(ValidateTrustPolicy(policy).ok());
  *policy.mutable_roots()->add_keys() = token.inside().public_key().ToProto();
  EXPECT_FALSE(ValidateTrustPolicy(policy).ok());
  policy.mutable_roots()->mutable_keys()->RemoveLast();
  *policy.mutable_investigators(0)->add_keys() = token.inside().public_key().ToProto();
  EXPECT_FALSE(ValidateTrustPolicy(policy).ok()) << "a root's, and plain as an investigator's";
}

TEST_F(TrustPolicyTest, ASecurityKeyThatDoesNotSayOfWhatIsRefused) {
  v1::TrustPolicy policy = fleet_.PolicyProto();
  policy.mutable_investigators(0)->mutable_keys(0)->mutable_security_key();
  EXPECT_FALSE(ValidateTrustPolicy(policy).ok());
  policy = fleet_.PolicyProto();
  policy.mutable_roots()->mutable_keys(0)->mutable_security_key();
  EXPECT_FALSE(ValidateTrustPolicy(policy).ok());
}

TEST_F(TrustPolicyTest, OfAnInvestigatorsSecurityKeyOnlyItsOwnSignaturesCount) {
  const testing::FakeSecurityKey token;
  v1::TrustPolicy proto = fleet_.PolicyProto();
  *proto.mutable_investigators(0)->mutable_keys(0) = token.public_key().ToProto();
  const TrustPolicy policy =
      *TrustPolicy::VerifyFirst(fleet_.SignedPolicy(proto), fleet_.Pinned(), fleet_.id);
  const auto signers = [&](const Signer& signer) {
    v1::Envelope envelope = NewEnvelope(kActionPayloadType, "payload");
    EXPECT_TRUE(AddSignature(signer, &envelope).ok());
    return policy.Signers(envelope);
  };
  EXPECT_EQ(signers(token), std::set<std::string>{"alice"});
  EXPECT_TRUE(signers(token.inside()).empty());
  EXPECT_TRUE(signers(testing::SshFormSigner(token.inside())).empty());
  EXPECT_EQ(signers(testing::SshFormSigner(fleet_.bob)), std::set<std::string>{"bob"});
}

TEST_F(TrustPolicyTest, RootKeysMayBeSecurityKeysAndStayThat) {
  const testing::FakeSecurityKey token(KeyAlgorithm::kEcdsaP256);
  const RootSet roots = *RootSet::Create({fleet_.roots[0].public_key(), token.public_key()}, 2);
  v1::TrustPolicy policy = fleet_.PolicyProto();
  *policy.mutable_roots() = roots.ToProto();
  EXPECT_EQ(RootSet::FromProto(policy.roots())->ToProto().SerializeAsString(),
            roots.ToProto().SerializeAsString());
  const auto first = [&](const Signer& signer) {
    v1::Envelope envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
    EXPECT_TRUE(AddSignature(fleet_.roots[0], &envelope).ok());
    EXPECT_TRUE(AddSignature(signer, &envelope).ok());
    return TrustPolicy::VerifyFirst(envelope.SerializeAsString(), roots, fleet_.id).status().code();
  };
  EXPECT_EQ(first(token), absl::StatusCode::kOk);
  EXPECT_EQ(first(token.inside()), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(first(testing::SshFormSigner(token.inside())), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace dragnet
