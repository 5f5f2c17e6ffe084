#include "scheduler/dispatch/policies.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/testing.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class PoliciesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(directory_.path() + "/store.db").ok());
    store_ = *SqliteStore::Open(directory_.path() + "/store.db", StoreUse::kRun);
    ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = Envelope(1)}).ok());
    policies_ = *Policies::Load(*store_, fleet_.id, fleet_.Pinned());
  }
  std::string Envelope(uint64_t version) {
    return fleet_.SignedPolicy(fleet_.PolicyProto(version));
  }

  TemporaryDirectory directory_;
  testing::Fleet fleet_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Policies> policies_;
};

TEST_F(PoliciesTest, NewerOneIsTakenKeptAndHandedOn) {
  EXPECT_EQ(policies_->EnvelopesAfter(0).size(), 1u);
  EXPECT_TRUE(policies_->EnvelopesAfter(1).empty());
  const std::string second = Envelope(2), third = Envelope(3);
  ASSERT_TRUE(policies_->Publish(second, fleet_.now).ok());
  ASSERT_TRUE(policies_->Publish(third, fleet_.now).ok());
  EXPECT_EQ(policies_->current()->version(), 3u);
  // The root keys are the same all along: the newest one is all that is needed.
  EXPECT_EQ(policies_->EnvelopesAfter(1), std::vector<std::string>{third});
  const auto again = Policies::Load(*store_, fleet_.id, fleet_.Pinned());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->current()->version(), 3u);
}

TEST_F(PoliciesTest, OneThatWouldCutAgentsOffIsRefused) {
  policies_->SetNeededCas([] { return std::vector<std::string>{"old", "new"}; });
  const auto with = [&](uint64_t version, const std::vector<std::string>& cas) {
    v1::TrustPolicy policy = fleet_.PolicyProto(version);
    policy.clear_ca_certificates();
    for (const std::string& ca : cas) policy.add_ca_certificates(ca);
    return fleet_.SignedPolicy(policy);
  };
  const absl::Status refused = policies_->Publish(with(2, {"new", "other"}), fleet_.now);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(policies_->current()->version(), 1u);
  EXPECT_TRUE(policies_->Publish(with(2, {"other", "new", "old"}), fleet_.now).ok());
  // Agents would go back to their own file, which may be of a CA that is gone.
  EXPECT_TRUE(absl::IsFailedPrecondition(policies_->Publish(with(3, {}), fleet_.now)));
  EXPECT_EQ(policies_->current()->version(), 2u);
}

TEST_F(PoliciesTest, OlderSameForeignAndUnsignedOnesAreRefused) {
  ASSERT_TRUE(policies_->Publish(Envelope(5), fleet_.now).ok());
  EXPECT_FALSE(policies_->Publish(Envelope(5), fleet_.now).ok());
  EXPECT_FALSE(policies_->Publish(Envelope(4), fleet_.now).ok());
  EXPECT_FALSE(policies_->Publish("rubbish", fleet_.now).ok());
  EXPECT_FALSE(policies_->Publish(Envelope(6), fleet_.now + absl::Hours(48)).ok());
  v1::TrustPolicy foreign = fleet_.PolicyProto(7);
  foreign.set_fleet_id("other");
  EXPECT_FALSE(policies_->Publish(fleet_.SignedPolicy(foreign), fleet_.now).ok());
  const std::string by_one_root =
      testing::Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(8), {&fleet_.roots[0]});
  EXPECT_TRUE(absl::IsPermissionDenied(policies_->Publish(by_one_root, fleet_.now)));
  EXPECT_EQ(policies_->current()->version(), 5u);
  EXPECT_EQ(store_->TrustPolicies()->size(), 2u);
}

TEST_F(PoliciesTest, AfterARotationOfRootsItsStepsAreSentInOrder) {
  ASSERT_TRUE(policies_->Publish(Envelope(2), fleet_.now).ok());
  const std::vector<PrivateKey> old_roots = fleet_.roots;
  fleet_.roots = {testing::NewKey(), testing::NewKey()};
  const std::string rotated =
      testing::Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(3),
                      {&old_roots[0], &old_roots[1], &fleet_.roots[0], &fleet_.roots[1]});
  ASSERT_TRUE(policies_->Publish(rotated, fleet_.now).ok());
  const std::string last = Envelope(4);
  ASSERT_TRUE(policies_->Publish(last, fleet_.now).ok());
  EXPECT_EQ(policies_->EnvelopesAfter(2), (std::vector<std::string>{rotated, last}));
  EXPECT_EQ(policies_->EnvelopesAfter(3), std::vector<std::string>{last});
  EXPECT_EQ(policies_->EnvelopesAfter(1), (std::vector<std::string>{rotated, last}));

  // A new host, as agents take policies: whichever roots it pinned, it refuses none of
  // them and ends with the newest.
  const RootSet old_pins =
      *RootSet::Create({old_roots[0].public_key(), old_roots[1].public_key()}, 2);
  for (const RootSet& pins : {old_pins, fleet_.Pinned()}) {
    std::optional<TrustPolicy> held;
    for (const std::string& envelope : policies_->EnvelopesAfter(0)) {
      auto taken = held.has_value() ? held->VerifySuccessor(envelope, fleet_.now)
                                    : TrustPolicy::VerifyFirst(envelope, pins, fleet_.id);
      ASSERT_TRUE(taken.ok()) << taken.status();
      held = *std::move(taken);
    }
    ASSERT_TRUE(held.has_value());
    EXPECT_EQ(held->version(), 4u);
  }
}

TEST_F(PoliciesTest, StoreWithoutAPolicyOrWithOneOfOtherRootsIsRefused) {
  testing::Fleet other;
  EXPECT_TRUE(
      absl::IsPermissionDenied(Policies::Load(*store_, fleet_.id, other.Pinned()).status()));
  const std::string path = directory_.path() + "/empty.db";
  ASSERT_TRUE(SqliteStore::Create(path).ok());
  const auto empty = *SqliteStore::Open(path, StoreUse::kRun);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(Policies::Load(*empty, fleet_.id, fleet_.Pinned()).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
