// Agents that are connected to other schedulers, and hosts of one identity at two.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "core/uuid.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SilentSession : public AgentSession {
 public:
  void Send(OutgoingMessage) override {}
  bool SendAction(const std::string&, OutgoingMessage, bool) override { return true; }
  void Close(const absl::Status&) override {}
  void CutOffIfClosed() override {}
};

class AgentsElsewhereTest : public testing::Test {
 protected:
  AgentsElsewhereTest() {
    EXPECT_TRUE(SqliteStore::Create(directory_.path() + "/db").ok());
    store_ = *SqliteStore::Open(directory_.path() + "/db", StoreUse::kRun);
    agents_ = *Agents::Load(*store_, now_);
    agent_.id = NewUuidV4();
    agent_.facts.set_id(agent_.id);
    agent_.facts.set_name("web1");
    EXPECT_TRUE(agents_->Add(agent_).ok());
  }
  absl::StatusOr<std::shared_ptr<AgentSession>> Connect(
      const std::shared_ptr<AgentSession>& session, const std::string& boot_id, uint64_t epoch) {
    v1::Hello hello;
    *hello.mutable_facts() = agent_.facts;
    hello.set_boot_id(boot_id);
    return agents_->Connect(agent_.id, session, hello, now_, epoch);
  }
  StoredSession At(const std::string& scheduler, const std::string& boot_id, uint64_t epoch,
                   bool connected = true) const {
    return {agent_.id, scheduler, epoch, boot_id, connected};
  }
  v1::AgentInfo::State State() const { return agents_->Describe({agent_.id}, now_).at(0).state(); }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
  StoredAgent agent_;
  const std::shared_ptr<AgentSession> session_ = std::make_shared<SilentSession>();
  const std::string boot_a_ = NewUuidV4();
  const std::string boot_b_ = NewUuidV4();
};

TEST_F(AgentsElsewhereTest, CountsAsConnectedAndHasNoSessionHere) {
  EXPECT_THAT(agents_->NoteElsewhere({At("s2", boot_a_, 1)}, now_), IsEmpty());
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
  EXPECT_EQ(agents_->PresenceOf(agent_.id, now_), Presence::kConnected);
  EXPECT_THAT(agents_->Connected(), ElementsAre(agent_.id));
  EXPECT_EQ(agents_->TakeCensus(now_).online, 1u);
  EXPECT_EQ(agents_->SessionOf(agent_.id), nullptr);
  EXPECT_EQ(agents_->SchedulerOf(agent_.id), "s2");
  EXPECT_TRUE(agents_->IsReachable(agent_.id));
  agents_->NoteElsewhere({At("s2", boot_a_, 1, /*connected=*/false)}, now_);
  EXPECT_FALSE(agents_->IsReachable(agent_.id));
  EXPECT_EQ(agents_->PresenceOf(agent_.id, now_), Presence::kJustLeft);
}

TEST_F(AgentsElsewhereTest, NewerSessionOfTheSameBootReplacesTheOneHere) {
  ASSERT_TRUE(Connect(session_, boot_a_, 1).ok());
  EXPECT_EQ(agents_->SessionOf(agent_.id), session_);
  EXPECT_THAT(agents_->NoteElsewhere({At("s2", boot_a_, 2)}, now_), ElementsAre(session_));
  EXPECT_EQ(agents_->SessionOf(agent_.id), nullptr);
  EXPECT_EQ(agents_->SchedulerOf(agent_.id), "s2");
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
  // That it has ended here says nothing of there.
  agents_->Disconnect(agent_.id, session_.get(), now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
}

TEST_F(AgentsElsewhereTest, OlderWordOfAnotherSchedulerChangesNothing) {
  ASSERT_TRUE(Connect(session_, boot_a_, 3).ok());
  EXPECT_THAT(agents_->NoteElsewhere({At("s2", boot_a_, 2)}, now_), IsEmpty());
  EXPECT_EQ(agents_->SessionOf(agent_.id), session_);
  agents_->NoteElsewhere({At("s2", boot_a_, 2, /*connected=*/false)}, now_);
  EXPECT_EQ(agents_->SessionOf(agent_.id), session_);
}

TEST_F(AgentsElsewhereTest, ClaimThatWasOvertakenIsRefused) {
  agents_->NoteElsewhere({At("s2", boot_a_, 2)}, now_);
  EXPECT_TRUE(absl::IsAborted(Connect(session_, boot_a_, 1).status()));
  EXPECT_TRUE(Connect(session_, boot_a_, 3).ok());
  EXPECT_EQ(agents_->SessionOf(agent_.id), session_);
}

TEST_F(AgentsElsewhereTest, HostThatWasBootedAnewAtAnotherSchedulerIsNoDuplicate) {
  ASSERT_TRUE(Connect(session_, boot_a_, 1).ok());
  EXPECT_THAT(agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_), IsEmpty());
  EXPECT_EQ(agents_->SessionOf(agent_.id), nullptr);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
  agents_->Disconnect(agent_.id, session_.get(), now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
}

TEST_F(AgentsElsewhereTest, HostThatLivesOnBesideAnotherOneElsewhereIsADuplicate) {
  ASSERT_TRUE(Connect(session_, boot_a_, 1).ok());
  agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_);
  now_ += IdentityWatch::kLastWords + absl::Seconds(1);
  agents_->NoteHeard(agent_.id, session_.get(), now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_DUPLICATE);
  EXPECT_FALSE(agents_->IsReachable(agent_.id));
  ASSERT_EQ(agents_->DuplicatesHere().size(), 1u);
  EXPECT_EQ(agents_->DuplicatesHere()[0].epoch, 1u);
}

TEST_F(AgentsElsewhereTest, ItIsADuplicateAlsoWhereOnlyTheOthersTellOfIt) {
  agents_->NoteElsewhere({At("s1", boot_a_, 1)}, now_);
  agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
  now_ += IdentityWatch::kLastWords + absl::Seconds(1);
  // It lives on.
  agents_->NoteElsewhere({At("s1", boot_a_, 1)}, now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_DUPLICATE);
  // As long as both do.
  for (int i = 0; i < 4; ++i) {
    now_ += absl::Minutes(5);
    agents_->NoteElsewhere({At("s1", boot_a_, 1), At("s2", boot_b_, 2)}, now_);
    EXPECT_THAT(agents_->EndDuplicates(now_), IsEmpty());
  }
  now_ += IdentityWatch::kEndsAfter;
  agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_);
  EXPECT_THAT(agents_->EndDuplicates(now_), ElementsAre(agent_.id));
}

TEST_F(AgentsElsewhereTest, WhoComesBackAfterAnotherHostElsewhereIsADuplicate) {
  ASSERT_TRUE(Connect(session_, boot_a_, 1).ok());
  agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_);
  agents_->NoteElsewhere({At("s3", boot_a_, 3)}, now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_DUPLICATE);
}

TEST_F(AgentsElsewhereTest, WordsThatWereOvertakenAreNoSecondHost) {
  agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_);
  // Of before it was booted anew.
  agents_->NoteElsewhere({At("s1", boot_a_, 1)}, now_);
  agents_->NoteElsewhere({At("s3", boot_b_, 3)}, now_);
  EXPECT_EQ(State(), v1::AgentInfo::STATE_ONLINE);
}

TEST_F(AgentsElsewhereTest, DeathOfASchedulerEndsItsSessions) {
  agents_->NoteElsewhere({At("s2", boot_a_, 1)}, now_);
  agents_->ForgetElsewhere("s2", now_);
  EXPECT_FALSE(agents_->IsReachable(agent_.id));
  EXPECT_THAT(agents_->Connected(), IsEmpty());
}

TEST_F(AgentsElsewhereTest, WhatTheStoreKnowsCorrectsWhatWasMissed) {
  agents_->NoteElsewhere({At("s2", boot_a_, 1)}, now_);
  now_ += absl::Seconds(1);
  agents_->SetElsewhere({}, "s1", now_, now_);
  EXPECT_FALSE(agents_->IsReachable(agent_.id));
  agents_->SetElsewhere({At("s1", boot_a_, 2)}, "s1", now_, now_);
  EXPECT_FALSE(agents_->IsReachable(agent_.id));
  agents_->SetElsewhere({At("s2", boot_a_, 3)}, "s1", now_, now_);
  EXPECT_EQ(agents_->SchedulerOf(agent_.id), "s2");
  // What came after it was asked holds.
  agents_->SetElsewhere({}, "s1", now_ - absl::Seconds(1), now_);
  EXPECT_TRUE(agents_->IsReachable(agent_.id));
}

TEST_F(AgentsElsewhereTest, AgentThatIsNotKnownYetIsConnectedWhenItIs) {
  StoredAgent later = agent_;
  later.id = NewUuidV4();
  later.facts.set_id(later.id);
  agents_->NoteElsewhere({{later.id, "s2", 1, boot_a_, true}}, now_);
  EXPECT_FALSE(agents_->IsReachable(later.id));
  ASSERT_TRUE(agents_->Add(later).ok());
  EXPECT_TRUE(agents_->IsReachable(later.id));
}

TEST_F(AgentsElsewhereTest, OnlyItsOwnSessionsAreCheckedAndClosed) {
  ASSERT_TRUE(Connect(session_, boot_a_, 1).ok());
  ASSERT_EQ(agents_->OwnHere().size(), 1u);
  const std::vector<StoredSession> lost = agents_->OwnHere();
  EXPECT_THAT(agents_->StillOwnHere(lost), ElementsAre(session_));
  // Another host's session leaves it beside, as at one scheduler.
  agents_->NoteElsewhere({At("s2", boot_b_, 2)}, now_);
  EXPECT_THAT(agents_->OwnHere(), IsEmpty());
  EXPECT_THAT(agents_->StillOwnHere(lost), IsEmpty());
}

}  // namespace
}  // namespace dragnet::scheduler
