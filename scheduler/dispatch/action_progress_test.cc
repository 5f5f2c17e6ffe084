#include "scheduler/dispatch/action_progress.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "core/keys.h"
#include "core/strings.h"
#include "google/protobuf/util/message_differencer.h"
#include "scheduler/dispatch/progress.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kOther[] = "0190a000-0000-7000-8000-000000000002";

class SilentSession : public AgentSession {
 public:
  void Send(OutgoingMessage) override {}
  bool SendAction(const std::string&, OutgoingMessage, bool) override { return true; }
  void Close(const absl::Status&) override {}
  void CutOffIfClosed() override {}
};

class ActionProgressTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_.path() + "/store.db";
    ASSERT_TRUE(SqliteStore::Create(path).ok());
    store_ = *SqliteStore::Open(path, StoreUse::kRun);
    StoredToken token;
    token.sha256 = Sha256("token");
    token.expires = now_ + absl::Hours(1);
    token.uses_left = 100;
    ASSERT_TRUE(store_->AddToken(token).ok());
    for (int i = 0; i < 4; ++i) {
      Enrolment enrolment;
      enrolment.agent_id = IdOf(i);
      enrolment.spki = "key";
      enrolment.token_sha256 = Sha256("token");
      enrolment.facts.set_id(IdOf(i));
      enrolment.certificate.fingerprint = IdOf(i);
      enrolment.certificate.identity = "spiffe://fleet/agent/" + IdOf(i);
      ASSERT_TRUE(store_->EnrolAgent(enrolment, now_).ok());
    }
    agents_ = *Agents::Load(*store_, now_);
    Add(kAction);
    Add(kOther);
  }
  static std::string IdOf(int number) {
    return StrCat("0000000", number, "-0000-4000-8000-000000000000");
  }
  void Add(const std::string& id) {
    StoredAction action;
    action.id = id;
    action.envelope = "x";
    action.launched_at = now_;
    action.expires = now_ + absl::Minutes(5);
    action.bounds.assign(1, {.rows = 1000, .bytes = 1 << 20});
    ASSERT_TRUE(store_->AddAction(action, {IdOf(0), IdOf(1), IdOf(2), IdOf(3)}).ok());
  }
  void Append(int agent, v1::ResultRecord record) {
    record.set_action_id(kAction);
    std::promise<void> done;
    store_->AppendRecord(IdOf(agent), std::move(record), absl::Now(),
                         [&](absl::StatusOr<Appended> appended) {
                           EXPECT_TRUE(appended.ok()) << appended.status();
                           done.set_value();
                         });
    done.get_future().wait();
  }
  void Rows(int agent, uint64_t sequence, int rows) {
    v1::ResultRecord record;
    record.set_sequence(sequence);
    for (int i = 0; i < rows; ++i) record.mutable_rows()->add_rows("row");
    Append(agent, std::move(record));
  }
  void End(int agent, uint64_t sequence, uint64_t rows, v1::Termination how) {
    v1::ResultRecord record;
    record.set_sequence(sequence);
    record.mutable_summary()->set_outcome(rows > 0 ? v1::OUTCOME_FOUND : v1::OUTCOME_CLEAN);
    record.mutable_summary()->set_termination(how);
    record.mutable_summary()->set_rows(rows);
    Append(agent, std::move(record));
  }
  // What is counted is what counting all of it anew gives.
  v1::Progress Check(ActionProgress& progress, HeldBack held_back = HeldBack::kNone) {
    const v1::Progress expected = CountPairs(
        *store_->Pairs(kAction),
        [&](const std::string& id) { return agents_->PresenceOf(id, now_); }, held_back);
    const auto counted = progress.Of(kAction, held_back);
    EXPECT_TRUE(counted.ok()) << counted.status();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*counted, expected))
        << counted->DebugString() << "instead of\n"
        << expected.DebugString();
    return *counted;
  }

  TemporaryDirectory directory_;
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
};

TEST_F(ActionProgressTest, WhatIsKeptFollowsEveryChange) {
  ActionProgress progress(*store_, *agents_);
  Check(progress);
  const auto session = std::make_shared<SilentSession>();
  v1::Hello hello;
  hello.mutable_facts()->set_id(IdOf(0));
  ASSERT_TRUE(agents_->Connect(IdOf(0), session, hello, now_).ok());
  EXPECT_EQ(Check(progress).offline(), 3u);
  EXPECT_EQ(Check(progress, HeldBack::kConnected).held_back(), 1u);
  EXPECT_EQ(Check(progress, HeldBack::kAll).held_back(), 4u);
  Rows(0, 1, 3);
  EXPECT_EQ(Check(progress).running(), 1u);
  // The pair's state stays, its rows don't.
  Rows(0, 2, 4);
  EXPECT_EQ(Check(progress).rows(), 7u);
  End(0, 3, 7, v1::TERMINATION_COMPLETED);
  EXPECT_EQ(Check(progress).found(), 1u);
  Rows(1, 1, 1);
  End(2, 1, 0, v1::TERMINATION_COMPLETED);
  End(3, 1, 0, v1::TERMINATION_CRASHED);
  EXPECT_EQ(Check(progress).failed(), 1u);
  agents_->Disconnect(IdOf(0), session.get(), now_);
  Check(progress);
  ASSERT_TRUE(store_->CancelAction(kAction).ok());
  Check(progress);
  EXPECT_TRUE(absl::IsNotFound(
      progress.Of("0190a000-0000-7000-8000-00000000000f", HeldBack::kNone).status()));
}

TEST_F(ActionProgressTest, WhatHasNoRoomIsCountedAnew) {
  ActionProgress progress(*store_, *agents_, /*max_pairs=*/1);
  Check(progress);
  EXPECT_EQ(progress.Of(kOther, HeldBack::kNone)->targeted(), 4u);
  Rows(0, 1, 3);
  Check(progress);
}

}  // namespace
}  // namespace dragnet::scheduler
