// `dragnet release` and `dragnet trust release-key`, and what attackers do to a bundle.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "console/cli/release_testing.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

class ReleaseCommandTest : public testing::ReleaseConsoleTest {
 protected:
  v1::Release ReleaseOf(const std::string& bundle) const {
    return *ParseRelease(ParseEnvelope(EnvelopeOf(bundle), kReleasePayloadType)->payload());
  }
};

TEST_F(ReleaseCommandTest, ABundleIsMadeSignedAndShown) {
  const Outcome made = New("bundle", {"--minimum", "0.1.0", "--group", "beta", "--notes", "words"});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("Programs for linux/x86_64"));
  EXPECT_THAT(made.err, Not(HasSubstr("warning")));
  EXPECT_EQ(Show("bundle").status, 4);
  ASSERT_EQ(Sign("bundle", "release-1.key").status, 0);
  const Outcome one = Show("bundle");
  EXPECT_EQ(one.status, 4);
  EXPECT_THAT(one.out, HasSubstr("1 of 3 signed, 2 must: NOT ENOUGH"));
  EXPECT_THAT(one.out, HasSubstr("No agent takes this release"));
  ASSERT_EQ(Sign("bundle", "release-3.key").status, 0);
  const Outcome two = Show("bundle");
  EXPECT_EQ(two.status, 0) << two.out << two.err;
  EXPECT_THAT(two.out, HasSubstr("2 of 3 signed, 2 must: enough"));
  EXPECT_THAT(two.out, HasSubstr("linux/x86_64: those that the release names"));
  EXPECT_EQ(Dragnet({"verify", Path("bundle/release.dnr")}).status, 0);

  const v1::Release release = ReleaseOf("bundle");
  EXPECT_EQ(release.version(), "0.2.0");
  EXPECT_EQ(release.minimum_version(), "0.1.0");
  EXPECT_EQ(release.group(), "beta");
  EXPECT_EQ(release.notes(), "words");
  EXPECT_EQ(*ToTime(release.expires()) - *ToTime(release.issued()), absl::Hours(365 * 24));
  struct stat info;
  ASSERT_EQ(::stat(Path("bundle/linux-x86_64/dragnet-worker").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755u);
}

TEST_F(ReleaseCommandTest, ProgramsAreTakenFromPackages) {
  WriteFile("agent.deb", testing::Deb(testing::FilesOfPackage("0.2.0")), 0644);
  WriteFile("agent.rpm", testing::Rpm(testing::FilesOfPackage("0.2.0", EM_AARCH64)), 0644);
  const Outcome made = New("bundle", {"--from", Path("agent.deb"), "--from", Path("agent.rpm")});
  ASSERT_EQ(made.status, 0) << made.err;
  const v1::Release release = ReleaseOf("bundle");
  ASSERT_EQ(release.platforms_size(), 2);
  EXPECT_EQ(release.platforms(0).arch(), "x86_64");
  EXPECT_EQ(release.platforms(1).arch(), "aarch64");
  EXPECT_EQ(*ReadFile(Path("bundle/linux-aarch64/dragnet-link")),
            testing::FakeProgram("0.2.0", EM_AARCH64));
  const Outcome twice = New("again", {"--from", Path("agent.deb"), "--from", Path("built")});
  EXPECT_EQ(twice.status, 2);
  EXPECT_THAT(twice.err, HasSubstr("a second one for linux/x86_64"));
}

TEST_F(ReleaseCommandTest, NothingIsOverwrittenAndNothingIsLeftOfAnAttemptThatFails) {
  ASSERT_EQ(New("bundle").status, 0);
  EXPECT_THAT(New("bundle").err, HasSubstr("nothing is overwritten"));
  WritePrograms("mixed", "0.2.0");
  WriteFile("mixed/dragnet-worker", testing::FakeProgram("0.2.0", EM_AARCH64), 0755);
  const Outcome mixed = New("other", {"--from", Path("mixed")});
  EXPECT_EQ(mixed.status, 2);
  EXPECT_THAT(mixed.err, HasSubstr("dragnet-worker is for linux/aarch64"));
  std::filesystem::remove(Path("mixed/dragnet-worker"));
  EXPECT_THAT(New("other", {"--from", Path("mixed")}).err, HasSubstr("mixed/dragnet-worker"));
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("other")));
  }
}

TEST_F(ReleaseCommandTest, WhatNoAgentCouldTakeIsNotMade) {
  for (const auto& [flag, value] :
       {std::pair("--minimum", "0.3.0"), std::pair("--minimum", "x"), std::pair("--group", "A B"),
        std::pair("--expires", "1099d"), std::pair("--expires", "soon"),
        std::pair("--version", "1.0")}) {
    EXPECT_EQ(New("bundle", {flag, value}).status, 2) << flag << value;
    EXPECT_FALSE(std::filesystem::exists(Path("bundle"))) << flag << value;
  }
}

TEST_F(ReleaseCommandTest, ProgramsOfAnotherVersionAreWarnedOf) {
  WritePrograms("old", "0.2.0-rc.1");
  EXPECT_THAT(New("bundle", {"--from", Path("old")}).err, HasSubstr("the text 0.2.0 isn't in"));
}

TEST_F(ReleaseCommandTest, SigningAsksAndShowsWhatIsSigned) {
  ASSERT_EQ(New("bundle", {"--notes", "evil\x1b[2J"}).status, 0);
  const std::vector<std::string> words = {"release", "sign", Path("bundle"), "--key",
                                          Path("release-1.key")};
  const Outcome no = Dragnet(words, "n");
  EXPECT_EQ(no.status, 2);
  EXPECT_THAT(no.err, HasSubstr("Programs for linux/x86_64"));
  EXPECT_THAT(no.err, HasSubstr("Nothing was signed"));
  EXPECT_THAT(no.err, Not(HasSubstr("\x1b")));
  EXPECT_EQ(ParseEnvelope(EnvelopeOf("bundle"), kReleasePayloadType)->signatures_size(), 0);
  EXPECT_EQ(Dragnet(words, "y").status, 0);
  EXPECT_THAT(Dragnet(words, "y").err, HasSubstr("has signed this document already"));
}

TEST_F(ReleaseCommandTest, ChangedProgramsAreNeitherSignedNorGood) {
  MakeBundle("bundle");
  WriteFile("bundle/linux-x86_64/dragnet-link", "something else", 0755);
  const Outcome shown = Show("bundle");
  EXPECT_EQ(shown.status, 4);
  EXPECT_THAT(shown.out, HasSubstr("NOT THOSE"));
  const Outcome signing = Sign("bundle", "release-3.key");
  EXPECT_EQ(signing.status, 2);
  EXPECT_THAT(signing.err, HasSubstr("nothing was signed"));
  // The file alone can be signed where the programs aren't.
  EXPECT_EQ(Sign("bundle/release.dnr", "release-3.key").status, 0);
}

TEST_F(ReleaseCommandTest, AKeyThatCountsForNothingIsToldWithThePolicy) {
  ASSERT_EQ(New("bundle").status, 0);
  ASSERT_EQ(New("back", {"--downgrade"}).status, 0);
  ASSERT_EQ(Dragnet({"trust", "show", "--save", Path("policy")}).status, 0);
  const auto sign = [&](const std::string& bundle, const std::string& key) {
    return Sign(bundle, key, {"--policy", Path("policy"), "--yes"});
  };
  EXPECT_THAT(sign("bundle", "signing.key").err, HasSubstr("neither a release key nor a root key"));
  EXPECT_THAT(sign("back", "release-1.key").err, HasSubstr("a downgrade takes root keys"));
  const Outcome counts = sign("bundle", "release-1.key");
  EXPECT_EQ(counts.status, 0) << counts.err;
  EXPECT_THAT(counts.out, HasSubstr("1 of 3 signed"));
}

TEST_F(ReleaseCommandTest, ADowngradeIsGoodByRootKeysOnly) {
  ASSERT_EQ(New("back", {"--downgrade"}).status, 0);
  for (const char* key : {"release-1.key", "release-2.key", "root-1.key"}) {
    ASSERT_EQ(Sign("back", key).status, 0);
  }
  const Outcome shown = Show("back");
  EXPECT_EQ(shown.status, 4);
  EXPECT_THAT(shown.out, HasSubstr("DOWNGRADE"));
  EXPECT_THAT(shown.out, HasSubstr("Root keys of trust policy version 1: 1 of 2 signed"));
  ASSERT_EQ(Sign("back", "root-2.key").status, 0);
  EXPECT_EQ(Show("back").status, 0);
}

TEST_F(ReleaseCommandTest, AChangedReleaseIsNamedAndNotSignedFurther) {
  MakeBundle("bundle");
  v1::Envelope envelope = *ParseEnvelope(EnvelopeOf("bundle"), kReleasePayloadType);
  v1::Release release = *ParseRelease(envelope.payload());
  release.set_notes("changed");
  envelope.set_payload(release.SerializeAsString());
  WriteFile("bundle/release.dnr", envelope.SerializeAsString(), 0644);
  const Outcome shown = Show("bundle");
  EXPECT_EQ(shown.status, 4);
  EXPECT_THAT(shown.out, HasSubstr("INVALID"));
  ASSERT_EQ(Dragnet({"trust", "show", "--save", Path("policy")}).status, 0);
  EXPECT_THAT(Sign("bundle", "release-3.key", {"--policy", Path("policy"), "--yes"}).err,
              HasSubstr("does not verify"));
}

TEST_F(ReleaseCommandTest, OtherDocumentsAreNoReleasesAndTheReverse) {
  MakeBundle("bundle");
  const std::string file = Path("bundle/release.dnr");
  EXPECT_THAT(Dragnet({"sign", file, "--yes"}).err, HasSubstr("dragnet release sign"));
  EXPECT_THAT(Dragnet({"launch", file, "--yes"}).err, HasSubstr("moves no agent by itself"));
  EXPECT_THAT(Dragnet({"trust", "show", file}).err, HasSubstr("this is a release"));
  WriteFile("policy", scheduler_->policy, 0644);
  EXPECT_THAT(Dragnet({"release", "show", Path("policy")}).err,
              HasSubstr("this is a trust policy, not a release"));
}

TEST_F(ReleaseCommandTest, AReleaseIsJudgedByAPolicyThatThePinnedRootKeysSigned) {
  MakeBundle("bundle");
  dragnet::testing::Fleet mallory;
  mallory.id = fleet_.id;
  mallory.now = fleet_.now;
  mallory.releasers = fleet_.releasers;
  v1::TrustPolicy policy = mallory.PolicyProto();
  mallory.AddReleaseKeys(&policy, 1);
  WriteFile("policy", mallory.SignedPolicy(policy), 0644);
  const Outcome shown = Dragnet({"release", "show", Path("bundle"), "--policy", Path("policy")});
  EXPECT_NE(shown.status, 0);
  EXPECT_THAT(shown.err, HasSubstr("root keys"));
}

// ---- the keys in the trust policy

TEST_F(ReleaseCommandTest, ReleaseKeysAreChangedInADraftAndShown) {
  ASSERT_EQ(Dragnet({"trust", "draft", Path("next")}).status, 0);
  WriteFile("new.pub", dragnet::testing::NewKey().public_key().ToPem(), 0644);
  const Outcome changed =
      Dragnet({"trust", "release-key", Path("next"), "--add", Path("new.pub"), "--remove",
               fleet_.releasers[0].public_key().id(), "--threshold", "1"});
  ASSERT_EQ(changed.status, 0) << changed.err;
  EXPECT_THAT(changed.out, HasSubstr("! release key added: Ed25519"));
  EXPECT_THAT(changed.out, HasSubstr("! release key removed: "));
  EXPECT_THAT(changed.out, HasSubstr("! release keys that must sign a release: 2 -> 1"));
  EXPECT_THAT(Dragnet({"trust", "show", Path("next")}).out,
              HasSubstr("Release keys  1 of 3 must sign a release"));
  EXPECT_THAT(Dragnet({"trust", "diff", Path("next")}).out, HasSubstr("2 -> 1"));
  WriteFile("alice.pub", fleet_.alice.public_key().ToPem(), 0644);
  EXPECT_THAT(Dragnet({"trust", "release-key", Path("next"), "--add", Path("alice.pub")}).err,
              HasSubstr("is alice's already"));
  EXPECT_THAT(Dragnet({"trust", "release-key", Path("next"), "--threshold", "4"}).err,
              HasSubstr("release threshold: 4"));
}

}  // namespace
}  // namespace dragnet::console
