#include "scheduler/dispatch/agents.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "core/action.h"
#include "core/uuid.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class SilentSession : public AgentSession {
 public:
  void Send(OutgoingMessage) override {}
  bool SendAction(const std::string&, OutgoingMessage, bool) override { return true; }
  void Close(const absl::Status&) override {}
  void CutOffIfClosed() override {}
  absl::Time silent_since() const override { return silent_since_; }
  absl::Time silent_since_ = absl::InfinitePast();
};

std::unique_ptr<SqliteStore> NewStore(const std::string& path) {
  EXPECT_TRUE(SqliteStore::Create(path).ok());
  return *SqliteStore::Open(path, StoreUse::kRun);
}

class AgentsTest : public testing::Test {
 protected:
  AgentsTest()
      : store_(NewStore(directory_.path() + "/db")), agents_(*Agents::Load(*store_, now_)) {}

  StoredAgent NewAgent() const {
    StoredAgent agent;
    agent.id = NewUuidV4();
    agent.facts.set_id(agent.id);
    agent.facts.set_name("web1");
    agent.facts.set_os("linux");
    agent.enrolled_at = now_;
    return agent;
  }
  v1::Hello HelloOf(const StoredAgent& agent, const std::string& boot_id) const {
    v1::Hello hello;
    *hello.mutable_facts() = agent.facts;
    *hello.mutable_facts()->mutable_boot_time() = ToTimestamp(now_ - absl::Hours(1));
    hello.set_boot_id(boot_id);
    return hello;
  }
  // Null when it replaced none.
  std::shared_ptr<AgentSession> Connect(const StoredAgent& agent,
                                        const std::shared_ptr<AgentSession>& session,
                                        const std::string& boot_id) {
    return *agents_->Connect(agent.id, session, HelloOf(agent, boot_id), now_);
  }
  v1::AgentInfo InfoOf(const StoredAgent& agent) const {
    return agents_->Describe({agent.id}, now_).at(0);
  }
  static std::shared_ptr<AgentSession> NewSession() { return std::make_shared<SilentSession>(); }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
  const std::string boot_a_ = NewUuidV4();
  const std::string boot_b_ = NewUuidV4();
};

// ---- who says it is the same host

TEST_F(AgentsTest, AgentsThatSayTheyAreTheSameHostAreNamedToEachOther) {
  const StoredAgent first = NewAgent(), second = NewAgent();
  StoredAgent clone = NewAgent(), other = NewAgent();
  (*clone.facts.mutable_environment())["machine_id"] = "0123";
  clone.facts.set_name("clone");
  (*other.facts.mutable_environment())["machine_id"] = "0123";
  other.facts.set_name("original");
  for (const StoredAgent& agent : {first, second, clone, other})
    ASSERT_TRUE(agents_->Add(agent).ok());
  const auto same = [&](const StoredAgent& agent) {
    const v1::AgentInfo info = InfoOf(agent);
    return std::vector<std::string>(info.same_host().begin(), info.same_host().end());
  };
  EXPECT_EQ(same(first), std::vector<std::string>{second.id});
  EXPECT_EQ(same(second), std::vector<std::string>{first.id});
  EXPECT_EQ(same(clone), std::vector<std::string>{other.id});
  // It gets a machine_id of its own.
  (*clone.facts.mutable_environment())["machine_id"] = "4567";
  ASSERT_TRUE(agents_->UpdateFacts(clone.id, clone.facts).ok());
  EXPECT_TRUE(same(clone).empty());
  EXPECT_TRUE(same(other).empty());
  // The old one of a host that was installed anew is retired.
  agents_->Revoke(first.id);
  EXPECT_TRUE(same(second).empty());
  EXPECT_TRUE(same(first).empty());
}

TEST_F(AgentsTest, OfAFleetThatSaysItIsOneHostOnlySomeAreNamed) {
  std::vector<StoredAgent> agents(20);
  for (StoredAgent& agent : agents) {
    agent = NewAgent();
    ASSERT_TRUE(agents_->Add(agent).ok());
  }
  for (const StoredAgent& agent : agents) EXPECT_EQ(InfoOf(agent).same_host_size(), 4);
}

// ---- revocation

TEST_F(AgentsTest, FactsThatComeAfterTheRevocationDoNotBringItBack) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  agents_->Revoke(agent.id);
  ASSERT_TRUE(agents_->UpdateFacts(agent.id, agent.facts).ok());
  EXPECT_TRUE(agents_->Select("true")->empty());
}

TEST_F(AgentsTest, AnEnrolmentThatReadTheStoreBeforeTheRevocationDoesNotBringItBack) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  agents_->Revoke(agent.id);
  ASSERT_TRUE(agents_->Add(agent).ok());
  EXPECT_TRUE(agents_->Select("true")->empty());
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_REVOKED);
}

TEST_F(AgentsTest, ARevocationBeforeTheEnrolmentIsAddedHolds) {
  const StoredAgent agent = NewAgent();
  agents_->Revoke(agent.id);
  ASSERT_TRUE(agents_->Add(agent).ok());
  EXPECT_TRUE(agents_->Select("true")->empty());
}

TEST_F(AgentsTest, NoneComesBackWhateverRunsAtOnce) {
  for (int round = 0; round < 50; ++round) {
    StoredAgent agent = NewAgent();
    ASSERT_TRUE(agents_->Add(agent).ok());
    std::atomic<bool> go = false;
    std::thread updates([&] {
      while (!go) std::this_thread::yield();
      for (int i = 0; i < 20; ++i) {
        agent.facts.set_name(std::to_string(i));
        EXPECT_TRUE(agents_->UpdateFacts(agent.id, agent.facts).ok());
      }
    });
    std::thread revokes([&] {
      while (!go) std::this_thread::yield();
      agents_->Revoke(agent.id);
    });
    go = true;
    updates.join();
    revokes.join();
    ASSERT_TRUE(agents_->Select("true")->empty()) << round;
  }
}

// ---- presence

TEST_F(AgentsTest, OnlineThenIdleForAnHourThenOffline) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_OFFLINE);
  const auto session = NewSession();
  Connect(agent, session, boot_a_);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
  EXPECT_TRUE(agents_->Disconnect(agent.id, session.get(), now_));
  now_ += absl::Minutes(59);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_IDLE);
  now_ += absl::Minutes(2);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_OFFLINE);
}

TEST_F(AgentsTest, WhoIsNotListenedToIsNotSilent) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  const auto session = std::make_shared<SilentSession>();
  Connect(agent, session, boot_a_);
  now_ += absl::Minutes(2);
  session->silent_since_ = absl::InfiniteFuture();
  EXPECT_TRUE(agents_->SilentSince(now_ - absl::Minutes(1)).empty());
  session->silent_since_ = now_;
  EXPECT_TRUE(agents_->SilentSince(now_ - absl::Minutes(1)).empty());
  now_ += absl::Minutes(2);
  EXPECT_EQ(agents_->SilentSince(now_ - absl::Minutes(1)).size(), 1u);
}

// ---- facts

TEST_F(AgentsTest, FactsThatAreTheSameAreNoChange) {
  StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  EXPECT_FALSE(*agents_->UpdateFacts(agent.id, agent.facts));
  agent.facts.set_name("web2");
  EXPECT_TRUE(*agents_->UpdateFacts(agent.id, agent.facts));
  EXPECT_FALSE(*agents_->UpdateFacts(agent.id, agent.facts));
  EXPECT_TRUE(absl::IsNotFound(agents_->UpdateFacts(NewUuidV4(), agent.facts).status()));
}

TEST_F(AgentsTest, APageEndsWhereItsBytesDo) {
  for (int i = 0; i < 20; ++i) {
    StoredAgent agent = NewAgent();
    agent.facts.set_name(std::string(1000, static_cast<char>('a' + i)));
    ASSERT_TRUE(agents_->Add(agent).ok());
  }
  std::string after;
  std::vector<std::string> names;
  for (bool more = true; more;) {
    const AgentPage page = *agents_->Search("", after, /*limit=*/100, /*max_bytes=*/3500, now_);
    ASSERT_FALSE(page.agents.empty());
    EXPECT_LE(page.agents.size(), 3u);
    EXPECT_EQ(page.total, 20u);
    for (const v1::AgentInfo& info : page.agents) names.push_back(info.facts().name());
    after = page.agents.back().facts().id();
    more = page.more;
  }
  EXPECT_EQ(names.size(), 20u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  // One that is larger than a page is a page.
  EXPECT_EQ(agents_->Search("", "", 100, /*max_bytes=*/1, now_)->agents.size(), 1u);
  const AgentPage count = *agents_->Search("", "", /*limit=*/0, 1, now_);
  EXPECT_TRUE(count.agents.empty());
  EXPECT_FALSE(count.more);
}

// ---- two hosts with one identity

TEST_F(AgentsTest, ASessionOfTheSameBootReplacesTheFirst) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  const auto first = NewSession();
  const auto second = NewSession();
  EXPECT_EQ(Connect(agent, first, boot_a_), nullptr);
  EXPECT_EQ(Connect(agent, second, boot_a_), first);
  EXPECT_FALSE(agents_->Disconnect(agent.id, first.get(), now_));
  EXPECT_EQ(agents_->SessionOf(agent.id), second);
}

TEST_F(AgentsTest, ASessionThatDoesNotSayStaysBesideTheFirst) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  const auto first = NewSession();
  Connect(agent, first, boot_a_);
  EXPECT_EQ(Connect(agent, NewSession(), ""), nullptr);
  // Any message, not only a heartbeat.
  now_ += absl::Seconds(31);
  agents_->NoteHeard(agent.id, first.get(), now_);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_DUPLICATE);
}

TEST_F(AgentsTest, WhoIsBootedAnewGetsActionsThoughTheOldSessionIsStillThere) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  const auto before = NewSession();
  const auto after = NewSession();
  Connect(agent, before, boot_a_);
  EXPECT_EQ(Connect(agent, after, boot_b_), nullptr);
  EXPECT_EQ(agents_->SessionOf(agent.id), after);
  // It ends like any session from which nothing is heard.
  now_ += absl::Minutes(2);
  agents_->NoteHeartbeat(agent.id, after.get(), now_, now_);
  EXPECT_EQ(agents_->SilentSince(now_ - absl::Minutes(1)),
            std::vector<std::shared_ptr<AgentSession>>{before});
  EXPECT_FALSE(agents_->Disconnect(agent.id, before.get(), now_));
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
}

TEST_F(AgentsTest, TwoLivingHostsAreBothNamedAndNeitherGetsActionsUntilOneIsLeft) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  const auto a = NewSession();
  const auto b = NewSession();
  Connect(agent, a, boot_a_);
  Connect(agent, b, boot_b_);
  now_ += absl::Seconds(31);
  agents_->NoteHeard(agent.id, b.get(), now_);
  agents_->NoteHeartbeat(agent.id, a.get(), now_, now_);
  const v1::AgentInfo info = InfoOf(agent);
  EXPECT_EQ(info.state(), v1::AgentInfo::STATE_DUPLICATE);
  ASSERT_EQ(info.same_identity_size(), 2);
  EXPECT_NE(info.same_identity(0).find(boot_a_), std::string::npos);
  EXPECT_NE(info.same_identity(1).find(boot_b_), std::string::npos);
  EXPECT_EQ(agents_->SessionOf(agent.id), nullptr);
  EXPECT_EQ(agents_->PresenceOf(agent.id, now_), Presence::kAway);
  // Both still get policies.
  EXPECT_EQ(agents_->Sessions().size(), 2u);

  // The later one is switched off; the other one goes on.
  EXPECT_FALSE(agents_->Disconnect(agent.id, b.get(), now_));
  for (int i = 0; i < 9; ++i) {
    now_ += absl::Minutes(1);
    agents_->NoteHeartbeat(agent.id, a.get(), now_, now_);
    EXPECT_TRUE(agents_->EndDuplicates(now_).empty());
  }
  now_ += absl::Minutes(2);
  agents_->NoteHeartbeat(agent.id, a.get(), now_, now_);
  EXPECT_EQ(agents_->EndDuplicates(now_), std::vector<std::string>{agent.id});
  EXPECT_TRUE(agents_->EndDuplicates(now_).empty());
  EXPECT_EQ(agents_->SessionOf(agent.id), a);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
}

TEST_F(AgentsTest, AHostThatDrawsBootIdsDoesNotFillMemory) {
  const StoredAgent agent = NewAgent();
  ASSERT_TRUE(agents_->Add(agent).ok());
  int replaced = 0;
  std::vector<std::shared_ptr<AgentSession>> sessions;
  for (int i = 0; i < 50; ++i) {
    sessions.push_back(NewSession());
    if (Connect(agent, sessions.back(), NewUuidV4()) != nullptr) ++replaced;
  }
  EXPECT_LE(agents_->Sessions().size(), IdentityWatch::kMaxHosts + 2);
  EXPECT_GE(replaced, 40);
}

}  // namespace
}  // namespace dragnet::scheduler
