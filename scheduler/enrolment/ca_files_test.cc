#include "scheduler/enrolment/ca_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/ca_bundle.h"
#include "core/certificate.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/trust_policy.h"
#include "scheduler/init/init.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class CaFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    InitOptions options;
    options.directory = directory_.path() + "/fleet";
    options.investigator = "ida";
    options.hosts = {"one.example", "10.0.0.1"};
    ASSERT_TRUE(InitializeFleet(options, now_ - absl::Hours(1)).ok());
    settings_ = *LoadSettings(options.directory + "/scheduler.toml");
    root_ = *PrivateKey::Load(options.directory + "/root/root-1.key");
    store_ = *SqliteStore::Open(settings_.store, StoreUse::kCommand);
  }

  // One that names these CAs (PEM), as if it had been published.
  void HavePolicy(uint64_t version, const std::vector<std::string>& cas) {
    const auto first =
        TrustPolicy::FromOwnStorage(store_->TrustPolicies()->front().envelope, settings_.fleet_id);
    v1::TrustPolicy policy = first->proto();
    policy.set_version(version);
    policy.clear_ca_certificates();
    for (const std::string& ca : cas) policy.add_ca_certificates(*CertificateToDer(ca));
    v1::Envelope envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
    ASSERT_TRUE(AddSignature(*root_, &envelope).ok());
    ASSERT_TRUE(
        store_->AddTrustPolicy({.version = version, .envelope = envelope.SerializeAsString()})
            .ok());
  }
  std::string Server() { return *ReadFile(settings_.server_certificate); }
  std::string Bundle() { return *ReadFile(settings_.ca_certificate); }

  TemporaryDirectory directory_;
  // The system's: files have its times.
  const absl::Time now_ = absl::Now();
  Settings settings_;
  std::optional<PrivateKey> root_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(CaFilesTest, ARenewedServerHasAnotherKeyAndTheSameNames) {
  const std::string before = Server();
  const auto renewed = RenewServer(settings_, {}, kServerLifetime, now_);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_NE(ParseCertificate(Server())->spki, ParseCertificate(before)->spki);
  EXPECT_EQ(ServerNamesOf(Server())->dns, ServerNamesOf(before)->dns);
  EXPECT_EQ(ServerNamesOf(Server())->ip, ServerNamesOf(before)->ip);
  EXPECT_THAT(ServerNamesOf(Server())->ip, ::testing::Contains("10.0.0.1"));
  EXPECT_TRUE(LoadFleetCertificates(settings_, now_).ok());
  ASSERT_TRUE(RenewServer(settings_, {"two.example", "::1"}, absl::Hours(1), now_).ok());
  EXPECT_THAT(ServerNamesOf(Server())->dns, ::testing::ElementsAre("localhost", "two.example"));
  EXPECT_THAT(ServerNamesOf(Server())->ip, ::testing::ElementsAre("127.0.0.1", "::1"));
  EXPECT_FALSE(RenewServer(settings_, {"x,DNS:y"}, absl::Hours(1), now_).ok());
}

TEST_F(CaFilesTest, ARenewalThatWasCutOffLeavesAServerThatStarts) {
  const std::string old_key = *ReadFile(settings_.server_key);
  const std::string old_chain = Server();
  ASSERT_TRUE(RenewServer(settings_, {}, kServerLifetime, now_).ok());
  const std::string new_key = *ReadFile(settings_.server_key);
  // Before the certificate was replaced, and after it.
  ASSERT_TRUE(WriteFileAtomically(settings_.server_key, old_key, 0600).ok());
  ASSERT_TRUE(WriteFileAtomically(settings_.server_key + ".next", new_key, 0600).ok());
  auto loaded = LoadFleetCertificates(settings_, now_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->server_key, new_key);
  ASSERT_TRUE(WriteFileAtomically(settings_.server_certificate, old_chain, 0644).ok());
  loaded = LoadFleetCertificates(settings_, now_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->server_key, old_key);
  // Neither of them.
  ASSERT_TRUE(WriteFileAtomically(settings_.server_key, new_key, 0600).ok());
  EXPECT_FALSE(LoadFleetCertificates(settings_, now_).ok());
}

TEST_F(CaFilesTest, StepsOutOfTurnAreRefusedAndChangeNothing) {
  EXPECT_FALSE(ActivateCa(settings_, *store_, now_).ok());
  EXPECT_FALSE(RetireCa(settings_, now_).ok());
  EXPECT_FALSE(FindLeftBehind(settings_, *store_, now_).ok());
  ASSERT_TRUE(NewCa(settings_, now_).ok());
  const std::string bundle = Bundle();
  EXPECT_THAT(NewCa(settings_, now_).status().message(), HasSubstr("a next CA already"));
  EXPECT_FALSE(RetireCa(settings_, now_).ok());
  // Agents would refuse what it issues.
  EXPECT_THAT(std::string(ActivateCa(settings_, *store_, now_).message()),
              HasSubstr("trust policy version 1 doesn't name the new CA"));
  EXPECT_EQ(Bundle(), bundle);
  EXPECT_TRUE(LoadFleetCertificates(settings_, now_).ok());
}

TEST_F(CaFilesTest, ANextCaThatWasCutOffIsMadeAgain) {
  const std::string bundle = Bundle();
  ASSERT_TRUE(NewCa(settings_, now_).ok());
  ASSERT_TRUE(WriteFileAtomically(settings_.ca_certificate, bundle, 0644).ok());
  EXPECT_TRUE(NewCa(settings_, now_).ok());
  EXPECT_THAT(*SplitCertificates(Bundle()), SizeIs(2));
}

TEST_F(CaFilesTest, FromOneCaToTheNext) {
  const std::string old_ca = Bundle();
  const auto new_ca = NewCa(settings_, now_);
  ASSERT_TRUE(new_ca.ok()) << new_ca.status();
  EXPECT_EQ(LoadIssuingCa(settings_, now_)->certificate_pem(), old_ca);
  HavePolicy(2, {old_ca, *new_ca});
  ASSERT_TRUE(ActivateCa(settings_, *store_, now_).ok());

  // The new one issues, and the server still shows what every agent knows.
  const auto between = LoadFleetCertificates(settings_, now_);
  ASSERT_TRUE(between.ok()) << between.status();
  EXPECT_EQ(between->issuing->certificate_pem(), *new_ca);
  EXPECT_EQ(between->accepted_pem, old_ca + *new_ca);
  EXPECT_THAT(
      between->needed_by_agents,
      ::testing::UnorderedElementsAre(*CertificateToDer(old_ca), *CertificateToDer(*new_ca)));
  ASSERT_TRUE(RenewServer(settings_, {}, kServerLifetime, now_).ok());
  EXPECT_EQ(IssuerKeyId(Server()), SubjectKeyId(old_ca));
  EXPECT_FALSE(NewCa(settings_, now_).ok());

  // ida's certificate is of before.
  const auto left = FindLeftBehind(settings_, *store_, now_);
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_THAT(left->people, ::testing::ElementsAre("ida"));
  EXPECT_THAT(left->agents, SizeIs(0));

  ASSERT_TRUE(RetireCa(settings_, now_).ok());
  const auto after = LoadFleetCertificates(settings_, now_);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->accepted_pem, *new_ca);
  EXPECT_EQ(IssuerKeyId(Server()), SubjectKeyId(*new_ca));
  EXPECT_THAT(after->needed_by_agents, ::testing::ElementsAre(*CertificateToDer(*new_ca)));
  EXPECT_FALSE(std::filesystem::exists(settings_.ca_key + ".previous"));
  EXPECT_TRUE(NewCa(settings_, now_).ok());
}

}  // namespace
}  // namespace dragnet::scheduler
