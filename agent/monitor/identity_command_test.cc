#include "agent/monitor/identity_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/file_io.h"
#include "core/keys.h"
#include "core/rpc/testing/test_ca.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

constexpr char kFleet[] = "test-1234";
constexpr char kAgent[] = "11111111-2222-4333-8444-555555555555";

class IdentityCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-identity-XXXXXX";
    config_.state_directory = ::mkdtemp(pattern);
    config_.fleet_id = kFleet;
    link_ = config_.state_directory + "/link";
    ASSERT_TRUE(MakeDirectories(link_, 0700).ok());
  }
  void TearDown() override { std::filesystem::remove_all(config_.state_directory); }

  void WriteKey() { Write("tls.key", key_.ToPem()); }
  void WriteCertificate(const std::string& spiffe_id) {
    Write("tls.pem", ca_.Issue(key_.public_key(), StrCat("URI:", spiffe_id), now_ - absl::Hours(1),
                               absl::Hours(24)));
  }
  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(StrCat(link_, "/", name), content, 0600).ok());
  }
  std::string Lines() {
    const auto lines = DescribeIdentity(config_, now_);
    EXPECT_TRUE(lines.ok()) << lines.status();
    return lines.ok() ? *lines : "";
  }
  std::string Error() { return std::string(DescribeIdentity(config_, now_).status().message()); }

  absl::Time now_ = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  AgentConfig config_;
  std::string link_;
  TestCa ca_;
  PrivateKey key_ = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
};

TEST_F(IdentityCommandTest, AnEnrolledAgentIsDescribed) {
  WriteKey();
  WriteCertificate(StrCat("spiffe://", kFleet, "/agent/", kAgent));
  EXPECT_EQ(Lines(), StrCat("agent        ", kAgent, "\nfleet        ", kFleet, "\nkey          ",
                            HexEncode(Sha256(key_.public_key().spki())), "\ncertificate  until ",
                            absl::FormatTime("%Y-%m-%d %H:%M UTC", now_ + absl::Hours(23),
                                             absl::UTCTimeZone()),
                            "\nversion      ", kVersion, "\n"));
  now_ += absl::Hours(24);
  EXPECT_THAT(Lines(), HasSubstr("certificate  expired "));
}

TEST_F(IdentityCommandTest, BeforeTheEnrolmentThereIsAKeyToCompare) {
  EXPECT_THAT(Error(), HasSubstr("no key yet"));
  WriteKey();
  EXPECT_THAT(Lines(), HasSubstr("agent        not enrolled yet"));
  EXPECT_THAT(Lines(), HasSubstr(HexEncode(Sha256(key_.public_key().spki()))));
}

TEST_F(IdentityCommandTest, WhatDoesntBelongTogetherIsRefused) {
  WriteKey();
  WriteCertificate(StrCat("spiffe://other-fleet/agent/", kAgent));
  EXPECT_THAT(Error(), HasSubstr("not for an agent of test-1234"));
  WriteCertificate(StrCat("spiffe://", kFleet, "/investigator/alice"));
  EXPECT_THAT(Error(), HasSubstr("not for an agent of test-1234"));
  WriteCertificate(StrCat("spiffe://", kFleet, "/agent/", kAgent));
  Write("tls.key", PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)->ToPem());
  EXPECT_THAT(Error(), HasSubstr("does not belong to"));
}

// The directory is the link's, which stands in the network; this is run by root.
TEST_F(IdentityCommandTest, ALinkThatWasTakenOverLeadsNowhere) {
  WriteKey();
  std::filesystem::rename(link_ + "/tls.key", config_.state_directory + "/secret");
  std::filesystem::create_symlink(config_.state_directory + "/secret", link_ + "/tls.key");
  EXPECT_THAT(Error(), HasSubstr("open "));
  std::filesystem::remove(link_ + "/tls.key");
  // Nobody writes to it: an open that waited would wait for ever.
  ASSERT_EQ(::mkfifo((link_ + "/tls.key").c_str(), 0600), 0);
  EXPECT_THAT(Error(), HasSubstr("not a plain file"));
  std::filesystem::remove(link_ + "/tls.key");
  Write("tls.key", std::string(1 << 20, 'x'));
  EXPECT_THAT(Error(), HasSubstr("over 65536 bytes"));
}

}  // namespace
}  // namespace dragnet
