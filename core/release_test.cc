// Each attack of The Update Framework that a release's own check decides, and each
// bound of release.proto.
#include "core/release.h"

#include "core/ssh_testing.h"
#include "core/strings.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::dragnet::testing::NewKey;
using ::dragnet::testing::Signed;
using ::testing::HasSubstr;

class ReleaseTest : public ::testing::Test {
 protected:
  ReleaseTest() : policy_(PolicyWith([](v1::TrustPolicy&) {})) {
    context_.policy = &policy_;
    context_.now = fleet_.now;
    context_.os = "linux";
    context_.arch = "x86_64";
    context_.version = "0.1.0";
  }

  TrustPolicy PolicyWith(const std::function<void(v1::TrustPolicy&)>& change) const {
    v1::TrustPolicy proto = fleet_.PolicyProto();
    fleet_.AddReleaseKeys(&proto);
    change(proto);
    return *TrustPolicy::VerifyFirst(fleet_.SignedPolicy(proto), fleet_.Pinned(), fleet_.id);
  }
  std::string SignedBy(const v1::Release& release,
                       const std::vector<const PrivateKey*>& keys) const {
    return Signed(kReleasePayloadType, release, keys);
  }
  std::string SignedByRoots(const v1::Release& release) const {
    return SignedBy(release, {&fleet_.roots[0], &fleet_.roots[1]});
  }
  v1::Release Downgrade() const {
    v1::Release release = fleet_.ReleaseProto("0.0.9");
    release.set_downgrade(true);
    return release;
  }

  void ExpectTaken(const std::string& envelope) {
    const auto authorized = AuthorizeRelease(envelope, context_);
    EXPECT_TRUE(authorized.ok()) << authorized.status();
  }
  void ExpectRefused(const std::string& envelope, absl::StatusCode code, std::string_view words) {
    const auto authorized = AuthorizeRelease(envelope, context_);
    EXPECT_EQ(authorized.status().code(), code) << authorized.status();
    EXPECT_THAT(std::string(authorized.status().message()), HasSubstr(std::string(words)));
  }
  void ExpectMalformed(const std::function<void(v1::Release&)>& change, std::string_view words) {
    v1::Release release = fleet_.ReleaseProto();
    change(release);
    const absl::Status status = ValidateRelease(release);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << words;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(words)));
    ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kInvalidArgument, words);
  }

  Fleet fleet_;
  TrustPolicy policy_;
  ReleaseContext context_;
};

TEST_F(ReleaseTest, OneThatEnoughReleaseKeysSignedIsTaken) {
  const auto authorized = AuthorizeRelease(fleet_.SignedRelease(fleet_.ReleaseProto()), context_);
  ASSERT_TRUE(authorized.ok()) << authorized.status();
  EXPECT_EQ(authorized->release.version(), "0.2.0");
  EXPECT_EQ(authorized->platform.arch(), "x86_64");
  EXPECT_EQ(authorized->platform.files_size(), 3);
}

TEST_F(ReleaseTest, OneThatTheRootKeysSignedIsTaken) {
  ExpectTaken(SignedByRoots(fleet_.ReleaseProto()));
  const TrustPolicy without = PolicyWith([](v1::TrustPolicy& p) { p.clear_release_keys(); });
  context_.policy = &without;
  ExpectTaken(SignedByRoots(fleet_.ReleaseProto()));
}

// ---- rollback

TEST_F(ReleaseTest, RollbackToALowerVersionIsRefused) {
  context_.version = "0.3.0";
  ExpectRefused(fleet_.SignedRelease(fleet_.ReleaseProto()), absl::StatusCode::kFailedPrecondition,
                "version 0.2.0 is lower than 0.3.0");
  context_.version = "0.2.0";
  ExpectRefused(fleet_.SignedRelease(fleet_.ReleaseProto("0.2.0-rc.1")),
                absl::StatusCode::kFailedPrecondition, "lower");
}

TEST_F(ReleaseTest, RollbackToOneThatWasIssuedBeforeTheLastIsRefused) {
  const v1::Release release = fleet_.ReleaseProto();
  context_.last_issued = *ToTime(release.issued());
  ExpectTaken(fleet_.SignedRelease(release));  // once more, after a trial that failed
  context_.last_issued += absl::Nanoseconds(1);
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition,
                "before the one that was taken last");
}

TEST_F(ReleaseTest, ADowngradeThatWasIssuedBeforeTheLastReleaseIsNotPlayedBack) {
  context_.last_issued = fleet_.now;
  ExpectRefused(SignedByRoots(Downgrade()), absl::StatusCode::kFailedPrecondition,
                "before the one that was taken last");
}

TEST_F(ReleaseTest, TheVersionThatRunsIsNotTakenAgain) {
  context_.version = "0.2.0";
  ExpectRefused(fleet_.SignedRelease(fleet_.ReleaseProto()), absl::StatusCode::kAlreadyExists,
                "version 0.2.0 runs already");
  context_.version = "0.0.9";
  ExpectRefused(SignedByRoots(Downgrade()), absl::StatusCode::kAlreadyExists, "runs already");
}

TEST_F(ReleaseTest, WhatCanNotBeComparedIsNotReplaced) {
  context_.version = "unknown";
  ExpectRefused(fleet_.SignedRelease(fleet_.ReleaseProto()), absl::StatusCode::kFailedPrecondition,
                "can't be compared");
}

TEST_F(ReleaseTest, OneIsNotTakenFromBelowItsMinimumVersion) {
  v1::Release release = fleet_.ReleaseProto();
  release.set_minimum_version("0.1.0");
  ExpectTaken(fleet_.SignedRelease(release));
  release.set_minimum_version("0.1.1");
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition,
                "is taken from 0.1.1 upwards");
}

// ---- downgrade

TEST_F(ReleaseTest, ADowngradeIsTakenByTheRootThresholdOnly) {
  const v1::Release release = Downgrade();
  ExpectTaken(SignedByRoots(release));
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kPermissionDenied,
                "a downgrade takes the root keys' signatures: signed by 0 of 2 root keys");
  ExpectRefused(SignedBy(release, {&fleet_.releasers[0], &fleet_.releasers[1], &fleet_.releasers[2],
                                   &fleet_.roots[0]}),
                absl::StatusCode::kPermissionDenied, "signed by 1 of 2 root keys");
}

TEST_F(ReleaseTest, RootKeysAloneDoNotGoBackUnlessTheySaySo) {
  v1::Release release = Downgrade();
  release.set_downgrade(false);
  ExpectRefused(SignedByRoots(release), absl::StatusCode::kFailedPrecondition, "lower");
}

// ---- freeze

TEST_F(ReleaseTest, FreezeOnAnExpiredReleaseIsRefused) {
  v1::Release release = fleet_.ReleaseProto();
  *release.mutable_expires() = ToTimestamp(fleet_.now);
  ExpectTaken(fleet_.SignedRelease(release));
  *release.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition, "expired on");
  release.set_downgrade(true);
  ExpectRefused(SignedByRoots(release), absl::StatusCode::kFailedPrecondition, "expired on");
}

TEST_F(ReleaseTest, OneOfTheFutureIsRefused) {
  v1::Release release = fleet_.ReleaseProto();
  *release.mutable_issued() = ToTimestamp(fleet_.now + kReleaseClockSkew);
  ExpectTaken(fleet_.SignedRelease(release));
  *release.mutable_issued() = ToTimestamp(fleet_.now + kReleaseClockSkew + absl::Seconds(1));
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition,
                "was issued on");
}

// ---- wrong platform, wrong group

TEST_F(ReleaseTest, OneForAnotherPlatformIsRefused) {
  for (const auto& [os, arch] : {std::pair("linux", "aarch64"), std::pair("openbsd", "x86_64"),
                                 std::pair("", ""), std::pair("x86_64", "linux")}) {
    context_.os = os;
    context_.arch = arch;
    ExpectRefused(fleet_.SignedRelease(fleet_.ReleaseProto()),
                  absl::StatusCode::kFailedPrecondition, StrCat("nothing for ", os, "/", arch));
  }
}

TEST_F(ReleaseTest, OfSeveralPlatformsTheHostsOwnIsTaken) {
  v1::Release release = fleet_.ReleaseProto();
  *release.add_platforms() = release.platforms(0);
  release.mutable_platforms(1)->set_arch("aarch64");
  release.mutable_platforms(1)->mutable_files(0)->set_sha256(Sha256("of arm"));
  context_.arch = "aarch64";
  const auto authorized = AuthorizeRelease(fleet_.SignedRelease(release), context_);
  ASSERT_TRUE(authorized.ok()) << authorized.status();
  EXPECT_EQ(authorized->platform.files(0).sha256(), Sha256("of arm"));
}

TEST_F(ReleaseTest, OneOfAGroupIsForItsGroupOnly) {
  v1::Release release = fleet_.ReleaseProto();
  release.set_group("beta");
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition,
                "is for the group beta, this is in none");
  context_.group = "stable";
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition,
                "this is in stable");
  context_.group = "beta";
  ExpectTaken(fleet_.SignedRelease(release));
  ExpectTaken(fleet_.SignedRelease(fleet_.ReleaseProto()));  // for all
}

// ---- stolen keys

TEST_F(ReleaseTest, AStolenSingleKeyIsNotEnough) {
  const v1::Release release = fleet_.ReleaseProto();
  ExpectRefused(SignedBy(release, {}), absl::StatusCode::kPermissionDenied,
                "signed by 0 of 3 release keys, 2 are needed");
  for (const PrivateKey& stolen : fleet_.releasers) {
    ExpectRefused(SignedBy(release, {&stolen}), absl::StatusCode::kPermissionDenied,
                  "signed by 1 of 3 release keys, 2 are needed");
  }
  ExpectTaken(SignedBy(release, {&fleet_.releasers[2], &fleet_.releasers[1]}));
}

TEST_F(ReleaseTest, AStolenKeyThatSignsTwiceCountsOnce) {
  v1::Envelope envelope;
  envelope.ParseFromString(SignedBy(fleet_.ReleaseProto(), {&fleet_.releasers[0]}));
  *envelope.add_signatures() = envelope.signatures(0);
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied, "signed by 1");
  envelope.mutable_signatures(1)->set_keyid(fleet_.releasers[1].public_key().id());
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied, "signed by 1");
}

TEST_F(ReleaseTest, ARootKeyDoesNotCountAsAReleaseKey) {
  ExpectRefused(SignedBy(fleet_.ReleaseProto(), {&fleet_.releasers[0], &fleet_.roots[0]}),
                absl::StatusCode::kPermissionDenied, "signed by 1 of 3 release keys");
}

TEST_F(ReleaseTest, InvestigatorsSignNoRelease) {
  ExpectRefused(SignedBy(fleet_.ReleaseProto(), {&fleet_.alice, &fleet_.bob}),
                absl::StatusCode::kPermissionDenied, "signed by 0 of 3");
}

TEST_F(ReleaseTest, AKeyThatThePolicyNoLongerNamesDoesNotCount) {
  const std::string envelope = fleet_.SignedRelease(fleet_.ReleaseProto());
  const TrustPolicy without = PolicyWith(
      [&](v1::TrustPolicy& p) { p.mutable_release_keys()->mutable_keys()->DeleteSubrange(0, 1); });
  context_.policy = &without;
  ExpectRefused(envelope, absl::StatusCode::kPermissionDenied, "signed by 1 of 2");
  const TrustPolicy none = PolicyWith([](v1::TrustPolicy& p) { p.clear_release_keys(); });
  context_.policy = &none;
  ExpectRefused(envelope, absl::StatusCode::kPermissionDenied, "names no release keys");
}

TEST_F(ReleaseTest, OfASecurityKeyOnlyItsOwnSignaturesCount) {
  const testing::FakeSecurityKey token;
  const TrustPolicy policy = PolicyWith([&](v1::TrustPolicy& p) {
    *p.mutable_release_keys()->mutable_keys(0) = token.public_key().ToProto();
  });
  context_.policy = &policy;
  const auto signed_by = [&](const Signer& signer) {
    v1::Envelope envelope =
        NewEnvelope(kReleasePayloadType, fleet_.ReleaseProto().SerializeAsString());
    EXPECT_TRUE(AddSignature(fleet_.releasers[1], &envelope).ok());
    EXPECT_TRUE(AddSignature(signer, &envelope).ok());
    return envelope.SerializeAsString();
  };
  ExpectTaken(signed_by(token));
  ExpectRefused(signed_by(token.inside()), absl::StatusCode::kPermissionDenied, "signed by 1");
}

// ---- altered, of another type

TEST_F(ReleaseTest, AlteredAfterSigningIsRefused) {
  v1::Envelope envelope;
  envelope.ParseFromString(fleet_.SignedRelease(fleet_.ReleaseProto()));
  v1::Release other = fleet_.ReleaseProto();
  other.mutable_platforms(0)->mutable_files(0)->set_sha256(Sha256("something else"));
  envelope.set_payload(other.SerializeAsString());
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied, "signed by 0");
}

TEST_F(ReleaseTest, ASignatureOverAnotherTypeOfDocumentDoesNotCount) {
  const v1::Release release = fleet_.ReleaseProto();
  for (const std::string_view type :
       {kActionPayloadType, kTrustPolicyPayloadType, kOrderPayloadType}) {
    std::string bytes = Signed(type, release, {&fleet_.releasers[0], &fleet_.releasers[1]});
    ExpectRefused(bytes, absl::StatusCode::kInvalidArgument, "another type");
    v1::Envelope envelope;
    envelope.ParseFromString(bytes);
    envelope.set_payload_type(std::string(kReleasePayloadType));
    ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied, "signed by 0");
  }
}

// ---- no policy to decide by

TEST_F(ReleaseTest, WithoutAPolicyNothingIsTaken) {
  context_.policy = nullptr;
  ExpectRefused(SignedByRoots(fleet_.ReleaseProto()), absl::StatusCode::kFailedPrecondition,
                "no trust policy");
}

TEST_F(ReleaseTest, WithAnExpiredPolicyNothingIsTaken) {
  context_.now = policy_.expires() + absl::Seconds(1);
  v1::Release release = fleet_.ReleaseProto();
  *release.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(48));
  ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kFailedPrecondition,
                "trust policy version 1 expired");
}

// ---- endless data, and everything else that is malformed

TEST_F(ReleaseTest, EndlessDataIsRefusedBeforeItIsRead) {
  ExpectRefused(std::string(kMaxReleaseEnvelopeBytes + 1, '\0'), absl::StatusCode::kInvalidArgument,
                "at most 65536");
  ExpectRefused(std::string(64, '\xff'), absl::StatusCode::kInvalidArgument, "");
  ExpectRefused("", absl::StatusCode::kInvalidArgument, "another type");
}

TEST_F(ReleaseTest, APayloadOverItsSizeIsRefused) {
  v1::Envelope envelope = NewEnvelope(kReleasePayloadType, std::string(kMaxReleaseBytes + 1, 'x'));
  for (const PrivateKey& key : fleet_.releasers) ASSERT_TRUE(AddSignature(key, &envelope).ok());
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kInvalidArgument, "");
  EXPECT_FALSE(ParseRelease(std::string(kMaxReleaseBytes + 1, 'x')).ok());
}

TEST_F(ReleaseTest, AFieldThatIsNotKnownIsRefused) {
  for (const bool nested : {false, true}) {
    v1::Release release = fleet_.ReleaseProto();
    google::protobuf::Message* message = &release;
    if (nested) message = release.mutable_platforms(0)->mutable_files(0);
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(99, 1);
    ExpectRefused(fleet_.SignedRelease(release), absl::StatusCode::kInvalidArgument, "");
  }
  v1::Envelope envelope;
  envelope.ParseFromString(fleet_.SignedRelease(fleet_.ReleaseProto()));
  envelope.GetReflection()->MutableUnknownFields(&envelope)->AddVarint(99, 1);
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kInvalidArgument, "");
}

TEST_F(ReleaseTest, VersionsAndTimesAreWithinTheirBounds) {
  ExpectMalformed([](auto& r) { r.set_version("0.2"); }, "release version");
  ExpectMalformed([](auto& r) { r.set_version("0.2.0/../../etc"); }, "release version");
  ExpectMalformed([](auto& r) { r.set_minimum_version("x"); }, "release minimum_version");
  ExpectMalformed([](auto& r) { r.set_minimum_version("0.2.1"); }, "above version 0.2.0");
  ExpectMalformed([](auto& r) { r.clear_issued(); }, "release issued");
  ExpectMalformed([](auto& r) { r.clear_expires(); }, "release expires");
  ExpectMalformed([](auto& r) { *r.mutable_expires() = r.issued(); }, "not after issued");
  ExpectMalformed([](auto& r) { r.mutable_issued()->set_nanos(-1); }, "release issued");
  v1::Release release = fleet_.ReleaseProto();
  *release.mutable_expires() = ToTimestamp(*ToTime(release.issued()) + kMaxReleaseLifetime);
  EXPECT_TRUE(ValidateRelease(release).ok());
  ExpectMalformed(
      [&](auto& r) {
        *r.mutable_expires() = release.expires();
        r.mutable_expires()->set_seconds(release.expires().seconds() + 1);
      },
      "more than 1098 days");
  release = Downgrade();
  release.set_minimum_version("0.2.0");
  EXPECT_TRUE(ValidateRelease(release).ok()) << "back from versions that are higher";
}

TEST_F(ReleaseTest, GroupAndNotesAreWithinTheirBounds) {
  ExpectMalformed([](auto& r) { r.set_group("Beta"); }, "release group");
  ExpectMalformed([](auto& r) { r.set_group(std::string(65, 'a')); }, "release group");
  ExpectMalformed([](auto& r) { r.set_notes(std::string(4097, 'a')); }, "release notes");
  v1::Release release = fleet_.ReleaseProto();
  release.set_group(std::string(64, 'a'));
  release.set_notes(std::string(4096, 'a'));
  EXPECT_TRUE(ValidateRelease(release).ok());
}

TEST_F(ReleaseTest, PlatformsAreWithinTheirBounds) {
  ExpectMalformed([](auto& r) { r.clear_platforms(); }, "release platforms: 0");
  ExpectMalformed([](auto& r) { *r.add_platforms() = r.platforms(0); }, "listed twice");
  for (const char* word : {"", "../..", "x86/64", "X86", ".", "a-b"}) {
    ExpectMalformed([&](auto& r) { r.mutable_platforms(0)->set_arch(word); }, "os or arch");
    ExpectMalformed([&](auto& r) { r.mutable_platforms(0)->set_os(word); }, "os or arch");
  }
  const auto add = [](int count, v1::Release& r) {
    for (int i = r.platforms_size(); i < count; ++i) {
      *r.add_platforms() = r.platforms(0);
      r.mutable_platforms(i)->set_arch(StrCat("arch", i));
    }
  };
  v1::Release release = fleet_.ReleaseProto();
  add(16, release);
  EXPECT_TRUE(ValidateRelease(release).ok());
  ExpectMalformed([&](auto& r) { add(17, r); }, "release platforms: 17");
}

TEST_F(ReleaseTest, MixAndMatchOfAPlatformsFilesIsRefused) {
  const auto files = [](v1::Release& r) { return r.mutable_platforms(0)->mutable_files(); };
  ExpectMalformed([&](auto& r) { files(r)->RemoveLast(); }, "dragnet-worker is missing");
  ExpectMalformed([&](auto& r) { files(r)->Mutable(2)->set_name("dragnet-link"); },
                  "dragnet-link is listed twice");
  ExpectMalformed([&](auto& r) { files(r)->Mutable(0)->set_name("../dragnet-agent"); },
                  "a file that is none of");
  ExpectMalformed([&](auto& r) { files(r)->Mutable(0)->clear_sha256(); }, "SHA-256 is 0 bytes");
  ExpectMalformed([&](auto& r) { files(r)->Mutable(0)->mutable_sha256()->pop_back(); },
                  "SHA-256 is 31 bytes");
  ExpectMalformed([&](auto& r) { files(r)->Mutable(0)->set_size(0); }, "size 0");
  ExpectMalformed([&](auto& r) { files(r)->Mutable(0)->set_size(kMaxReleaseFileBytes + 1); },
                  "must be 1 to 33554432");
}

}  // namespace
}  // namespace dragnet
