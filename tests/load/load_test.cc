#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "core/testing.h"
#include "dragnet/v1/order.pb.h"
#include "modules/file/file.pb.h"
#include "tests/load/answer.h"
#include "tests/load/authority.h"
#include "tests/load/blob_content.h"
#include "tests/load/fleet_files.h"

namespace dragnet::load {
namespace {

using ::dragnet::testing::Fleet;
using ::dragnet::testing::Signed;
using ::testing::HasSubstr;

TEST(AnswerTest, SettingsSurviveBeingWrittenAndRead) {
  const auto answer = ParseAnswer(
      "rows=3..9 row_bytes=300 record_bytes=5000 delay=50ms..2s clean=1% incomplete=2.5% "
      "crashed=3% "
      "limit=4% refuse=5%",
      Answer());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->min_rows, 3);
  EXPECT_EQ(answer->max_delay, absl::Seconds(2));
  const auto again = ParseAnswer(answer->ToText(), Answer());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ToText(), answer->ToText());
}

TEST(AnswerTest, WhatIsNotUnderstoodIsRefusedByName) {
  for (const char* text : {"rows=9..3", "rows=-1", "row_bytes=0", "row_bytes=70000", "delay=2",
                           "clean=101%", "clean=1", "speed=9", "rows"}) {
    const auto answer = ParseAnswer(text, Answer());
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr(text)) << text;
  }
  EXPECT_FALSE(ParseAnswer("clean=60% crashed=60%", Answer()).ok());
}

TEST(RowMakerTest, RowsAreFileRowsOfTheSizeAskedForAndAllDifferent) {
  const RowMaker rows;
  std::set<std::string> seen;
  for (const uint32_t bytes : {200u, 255u, 256u, 257u, 1024u, 16'500u, 65'536u}) {
    Answer answer;
    answer.row_bytes = bytes;
    for (const uint64_t index : {uint64_t{0}, uint64_t{126}, uint64_t{127}, uint64_t{99'999}}) {
      for (const uint32_t agent : {0u, 14'999u}) {
        std::string bytes_of_row;
        rows.Append(answer, {agent, "0190163d-8694-7000-8000-000000000001", 0}, index,
                    &bytes_of_row);
        file::v1::FileRow row;
        ASSERT_TRUE(row.ParseFromString(bytes_of_row));
        EXPECT_EQ(row.size(), index + 1);
        // A length that takes one byte more can't always be hit.
        EXPECT_LE(bytes_of_row.size(), bytes);
        EXPECT_GE(bytes_of_row.size() + 1, bytes);
        EXPECT_TRUE(seen.insert(bytes_of_row).second);
      }
    }
  }
}

TEST(RowMakerTest, ARecordsRowsParse) {
  Answer answer;
  answer.row_bytes = 200;
  const RowMaker rows;
  std::string bytes;
  rows.AppendRecordRows(answer, {7, "an-action", 1}, 10, 25, &bytes);
  v1::ResultRecord record;
  ASSERT_TRUE(record.ParseFromString(bytes));
  ASSERT_EQ(record.rows().rows_size(), 25);
  std::string expected;
  rows.Append(answer, {7, "an-action", 1}, 34, &expected);
  EXPECT_EQ(record.rows().rows(24), expected);
}

TEST(FactsTest, AreTheSameForTheSameSeedAndDifferBetweenAgents) {
  const std::string id = NewUuidV4();
  EXPECT_EQ(FactsOf(1, 5, "f", id).SerializeAsString().size(),
            FactsOf(1, 5, "f", id).SerializeAsString().size());
  EXPECT_EQ(FactsOf(1, 5, "f", id).DebugString(), FactsOf(1, 5, "f", id).DebugString());
  EXPECT_NE(FactsOf(1, 5, "f", id).name(), FactsOf(1, 6, "f", id).name());
  std::set<std::string> distributions;
  for (uint32_t index = 0; index < 300; ++index)
    distributions.insert(FactsOf(1, index, "f", id).distribution());
  EXPECT_GE(distributions.size(), 4);
}

TEST(BlobContentsTest, AnotherByteAnywhereIsFound) {
  const std::string content = std::string(1000, 'a') + std::string(1000, 'b');
  const std::string sha256 = Sha256(content);
  BlobContents blobs;
  EXPECT_TRUE(blobs.Check(sha256, 2000, 0, std::string_view(content).substr(0, 1000)));
  EXPECT_FALSE(blobs.Check(sha256, 2000, 0, std::string(1000, 'x')));
  EXPECT_TRUE(blobs.Check(sha256, 2000, 1000, std::string_view(content).substr(1000)));
  EXPECT_FALSE(blobs.Check(sha256, 2000, 1000, std::string(1000, 'a')));
  EXPECT_FALSE(blobs.Check(sha256, 2000, 1500, std::string(1000, 'b')));
  BlobContents wrong;
  EXPECT_TRUE(wrong.Check(sha256, 2000, 0, std::string(1000, 'x')));
  EXPECT_FALSE(wrong.Check(sha256, 2000, 1000, std::string(1000, 'b')));
}

class AuthorityTest : public ::testing::Test {
 protected:
  AuthorityTest() {
    fleet_.now = absl::Now();
    authority_ = *Authority::Create(fleet_.id, fleet_.Pinned(), Answer(), false);
    for (uint32_t place = 0; place < 2; ++place) {
      facts_[place] = FactsOf(1, place, fleet_.id, NewUuidV4());
      EXPECT_TRUE(authority_->AddAgent(place, facts_[place]).ok());
    }
    policy_ = *authority_->TakePolicy(nullptr, fleet_.SignedPolicy(fleet_.PolicyProto()));
  }

  std::string Order(const std::string& action_id, v1::Order::Kind kind, const PrivateKey& key) {
    v1::Order order;
    order.set_id(NewUuidV7(absl::Now()));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action_id);
    order.set_kind(kind);
    *order.mutable_issued() = ToTimestamp(absl::Now());
    *order.mutable_expires() = ToTimestamp(absl::Now() + absl::Hours(1));
    return Signed("application/vnd.dragnet.order.v1+protobuf", order, {&key});
  }

  Fleet fleet_;
  std::unique_ptr<Authority> authority_;
  v1::Facts facts_[2];
  Authority::Policy policy_;
};

TEST_F(AuthorityTest, AnEnvelopeIsVerifiedOnceAndItsTargetHoldsForEachAgent) {
  v1::Action action = fleet_.ActionProto();
  action.set_target(StrCat("id = '", facts_[1].id(), "'"));
  action.set_description("swarm: rows=7");
  const std::string envelope = Signed(kActionPayloadType, action, {&fleet_.alice});
  const uint64_t before = authority_->verifications();
  EXPECT_EQ(authority_->Decide(envelope, policy_, 0, facts_[0]).refused.reason,
            v1::Refusal::REASON_NOT_TARGETED);
  const Authority::Decision taken = authority_->Decide(envelope, policy_, 1, facts_[1]);
  ASSERT_NE(taken.action, nullptr) << taken.refused.detail;
  EXPECT_EQ(taken.action->answer.min_rows, 7);
  EXPECT_EQ(authority_->verifications(), before + 1);
}

TEST_F(AuthorityTest, WithoutAPolicyOrAValidSignatureNothingRuns) {
  const v1::Action action = fleet_.ActionProto();
  const std::string good = Signed(kActionPayloadType, action, {&fleet_.alice});
  EXPECT_EQ(authority_->Decide(good, nullptr, 0, facts_[0]).refused.reason,
            v1::Refusal::REASON_NO_POLICY);
  const PrivateKey stranger = dragnet::testing::NewKey();
  const std::string bad = Signed(kActionPayloadType, action, {&stranger});
  EXPECT_EQ(authority_->Decide(bad, policy_, 0, facts_[0]).refused.reason,
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorityTest, OrdersOfInvestigatorsHoldAndCancelCantBeUndone) {
  const v1::Action action = fleet_.ActionProto();
  const std::string envelope = Signed(kActionPayloadType, action, {&fleet_.alice});
  SharedAction* shared = authority_->Decide(envelope, policy_, 0, facts_[0]).action;
  ASSERT_NE(shared, nullptr);
  const PrivateKey stranger = dragnet::testing::NewKey();
  EXPECT_TRUE(authority_->TakeOrder(Order(action.id(), v1::Order::KIND_CANCEL, stranger), policy_)
                  .refused.has_value());
  EXPECT_EQ(shared->order, v1::Order::KIND_UNSPECIFIED);
  EXPECT_FALSE(
      authority_->TakeOrder(Order(action.id(), v1::Order::KIND_CANCEL, fleet_.alice), policy_)
          .refused.has_value());
  EXPECT_EQ(shared->order, v1::Order::KIND_CANCEL);
  authority_->TakeOrder(Order(action.id(), v1::Order::KIND_RESUME, fleet_.alice), policy_);
  EXPECT_EQ(shared->order, v1::Order::KIND_CANCEL);
}

}  // namespace
}  // namespace dragnet::load
