// Orders and dispatch options over real TLS: which agents get what, and what a
// restart or a late agent changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/order.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

class OrdersEndToEndTest : public ServerTest {
 protected:
  v1::Order NewOrder(const v1::Action& action, v1::Order::Kind kind) {
    // Each newer than the one before, whatever the clock's resolution.
    const absl::Time issued = clock_.Now() + absl::Milliseconds(++orders_made_);
    v1::Order order;
    order.set_id(NewUuidV7(issued));
    order.set_fleet_id(settings_.fleet_id);
    order.set_action_id(action.id());
    order.set_kind(kind);
    order.set_reason("why");
    *order.mutable_issued() = ToTimestamp(issued);
    *order.mutable_expires() = action.expires();
    return order;
  }
  std::string SignOrder(const v1::Order& order) const {
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
    EXPECT_TRUE(AddSignature(*PrivateKey::Load(Path("investigator/signing.key")), &envelope).ok());
    return envelope.SerializeAsString();
  }
  grpc::Status Send(const std::string& envelope, v1::SendOrderResponse* response) {
    v1::SendOrderRequest request;
    request.set_envelope(envelope);
    return Api().SendOrder(Patience().get(), request, response);
  }
  // Expects success; gives the envelope.
  std::string Order(const v1::Action& action, v1::Order::Kind kind,
                    v1::SendOrderResponse* response = nullptr) {
    v1::SendOrderResponse ignored;
    const std::string envelope = SignOrder(NewOrder(action, kind));
    const grpc::Status status = Send(envelope, response != nullptr ? response : &ignored);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return envelope;
  }
  void LaunchThis(const v1::Action& action) {
    v1::LaunchResponse response;
    const grpc::Status status = Launch(Sign(action), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  v1::ActionInfo Info(const v1::Action& action) {
    v1::GetActionRequest request;
    request.set_action_id(action.id());
    v1::GetActionResponse response;
    EXPECT_TRUE(Api().GetAction(Patience().get(), request, &response).ok());
    return response.action();
  }
  // Waits for what the scheduler's threads do.
  template <typename Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 600; ++i) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }
  bool EventuallyIn(const v1::Action& action, v1::DispatchPhase phase) {
    return Eventually([&] { return Info(action).phase() == phase; });
  }

  // Until an order comes; "" when the stream has ended.
  static std::string ReadOrder(AgentPeer& peer) {
    v1::SchedulerMessage message;
    while (peer.Read(&message))
      if (message.has_order_envelope()) return message.order_envelope();
    return "";
  }
  static void Accept(AgentPeer& peer, const v1::Action& action) {
    v1::AgentMessage message;
    message.mutable_accepted()->set_action_id(action.id());
    peer.Write(message);
  }
  static void End(AgentPeer& peer, const v1::Action& action, v1::Termination termination) {
    const bool completed = termination == v1::TERMINATION_COMPLETED;
    v1::ResultRecord record =
        SummaryRecord(action.id(), 1, completed ? v1::OUTCOME_CLEAN : v1::OUTCOME_INCOMPLETE, 0);
    record.mutable_summary()->set_termination(termination);
    peer.SendRecord(record);
    EXPECT_EQ(peer.ReadAcknowledgement().sequence(), 1u);
  }
  uint64_t SentTo(const v1::Action& action) {
    const v1::Progress progress = Info(action).progress();
    return progress.targeted() - progress.waiting() - progress.never_sent();
  }

  struct Host {
    Agent agent;
    std::unique_ptr<AgentPeer> peer;
  };
  std::vector<Host> ConnectHosts(int count) {
    std::vector<Host> hosts;
    for (int i = 0; i < count; ++i) {
      Host& host = hosts.emplace_back();
      host.agent = Enrol(StrCat("host", i));
      host.peer = Connect(host.agent);
    }
    return hosts;
  }
  // The hosts whose pair isn't waiting.
  std::set<size_t> Reached(const v1::Action& action, const std::vector<Host>& hosts) {
    const auto events = Results(action.id());
    std::set<size_t> reached;
    for (size_t i = 0; i < hosts.size(); ++i) {
      const v1::DispatchState state = StateOf(events, hosts[i].agent.id).state();
      if (state != v1::DISPATCH_STATE_WAITING) reached.insert(i);
    }
    return reached;
  }

  // From now on `file` takes two: alice, and bob with this key.
  void PublishThatFileTakesTwo(const PrivateKey& bob) {
    v1::GetTrustPolicyResponse current;
    ASSERT_TRUE(Api().GetTrustPolicy(Patience().get(), {}, &current).ok());
    v1::Envelope envelope;
    ASSERT_TRUE(envelope.ParseFromString(current.envelope()));
    v1::TrustPolicy policy;
    ASSERT_TRUE(policy.ParseFromString(envelope.payload()));
    policy.set_version(policy.version() + 1);
    v1::Investigator* investigator = policy.add_investigators();
    investigator->set_name("bob");
    investigator->add_keys()->set_spki(bob.public_key().spki());
    investigator->add_roles(v1::ROLE_INVESTIGATOR);
    for (v1::ModulePolicy& module : *policy.mutable_modules()) {
      if (module.module() != "file") continue;
      module.set_minimum_weight(2);
      v1::Weight* weight = module.add_weights();
      weight->set_investigator("bob");
      weight->set_weight(1);
    }
    envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
    ASSERT_TRUE(AddSignature(*PrivateKey::Load(Path("root/root-1.key")), &envelope).ok());
    v1::PublishTrustPolicyRequest request;
    request.set_envelope(envelope.SerializeAsString());
    v1::PublishTrustPolicyResponse response;
    const grpc::Status status = Api().PublishTrustPolicy(Patience().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  int orders_made_ = 0;
};

TEST_F(OrdersEndToEndTest, CancelReachesThoseThatHaveItAndTheOthersNeverGetIt) {
  const Agent away = Enrol("away");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action action = NewAction();
  LaunchThis(action);
  ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  Accept(*peer, action);
  v1::SendOrderResponse response;
  const std::string envelope = Order(action, v1::Order::KIND_CANCEL, &response);
  EXPECT_EQ(response.action_id(), action.id());
  EXPECT_EQ(response.sent(), 1u);
  EXPECT_EQ(response.progress().never_sent(), 1u);
  EXPECT_EQ(ReadOrder(*peer), envelope);
  End(*peer, action, v1::TERMINATION_CANCELLED);
  const v1::ActionInfo info = Info(action);
  EXPECT_TRUE(info.cancelled());
  EXPECT_EQ(info.phase(), v1::DISPATCH_PHASE_CANCELLED);
  EXPECT_EQ(info.phase_reason(), "cancelled by alice: why");
  ASSERT_EQ(info.orders_size(), 1);
  EXPECT_EQ(info.orders(0), envelope);
  EXPECT_EQ(info.progress().incomplete(), 1u);
  // Who comes later gets the next action, and not this one.
  const auto late = Connect(away);
  const std::string next = LaunchNew();
  v1::Envelope got;
  ASSERT_TRUE(got.ParseFromString(late->ReadActionEnvelope()));
  EXPECT_NE(got.payload().find(next), std::string::npos);
}

TEST_F(OrdersEndToEndTest, AnAgentThatHasItAndWasAwayGetsTheCancellationOnlyAlsoAfterARestart) {
  const Agent agent = Enrol("web1");
  const v1::Action action = NewAction();
  {
    const auto peer = Connect(agent);
    LaunchThis(action);
    ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  }
  v1::SendOrderResponse response;
  const std::string envelope = Order(action, v1::Order::KIND_CANCEL, &response);
  EXPECT_EQ(response.progress().sent(), 1u) << "it may run there";
  Stop();
  Start();
  const auto peer = Connect(agent);
  v1::SchedulerMessage message;
  ASSERT_TRUE(peer->Read(&message));
  EXPECT_EQ(message.order_envelope(), envelope);
  // Not the action, although it may never have got it: what comes next is another.
  const std::string next = LaunchNew();
  ASSERT_TRUE(peer->Read(&message));
  v1::Envelope got;
  ASSERT_TRUE(got.ParseFromString(message.action_envelope()));
  EXPECT_NE(got.payload().find(next), std::string::npos);
  // It says that it never ran.
  v1::ResultRecord refused;
  refused.set_action_id(action.id());
  refused.mutable_refusal()->set_reason(v1::Refusal::REASON_CANCELLED);
  refused.mutable_refusal()->set_envelope_sha256(std::string(32, 'x'));
  peer->SendRecord(refused);
  peer->ReadAcknowledgement();
  EXPECT_EQ(Watch(action.id()).back().end().progress().refused(), 1u);
  EXPECT_EQ(Info(action).phase_reason(), "cancelled by alice: why");
}

TEST_F(OrdersEndToEndTest, APausedActionGoesToNoOneUntilItIsResumedAlsoOverARestart) {
  const Agent agent = Enrol("web1");
  const v1::Action action = NewAction();
  LaunchThis(action);
  Order(action, v1::Order::KIND_PAUSE);
  Stop();
  Start();
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_PAUSED);
  EXPECT_EQ(Info(action).phase_reason(), "paused by alice: why");
  const auto peer = Connect(agent);
  EXPECT_TRUE(Eventually([&] { return Info(action).progress().held_back() == 1; }));
  Order(action, v1::Order::KIND_RESUME);
  v1::Envelope got;
  ASSERT_TRUE(got.ParseFromString(peer->ReadActionEnvelope()));
  EXPECT_NE(got.payload().find(action.id()), std::string::npos);
  EXPECT_EQ(Info(action).progress().held_back(), 0u);
}

TEST_F(OrdersEndToEndTest, APauseAndAResumeReachWhoHasIt) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action action = NewAction();
  LaunchThis(action);
  ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  const std::string pause = Order(action, v1::Order::KIND_PAUSE);
  EXPECT_EQ(ReadOrder(*peer), pause);
  const std::string resume = Order(action, v1::Order::KIND_RESUME);
  EXPECT_EQ(ReadOrder(*peer), resume);
  // Who takes it on only now may have got it in the moment of the order.
  Accept(*peer, action);
  EXPECT_EQ(ReadOrder(*peer), resume);
}

TEST_F(OrdersEndToEndTest, OrdersThatNobodyWithASayGaveAreRefusedClearly) {
  const v1::Action action = NewAction();
  LaunchThis(action);
  v1::SendOrderResponse response;
  const v1::Order cancel = NewOrder(action, v1::Order::KIND_CANCEL);
  const auto expect = [&](const std::string& envelope, grpc::StatusCode code,
                          const std::string& words) {
    const grpc::Status status = Send(envelope, &response);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(words));
  };
  const PrivateKey mallory = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  v1::Envelope forged = NewEnvelope(kOrderPayloadType, cancel.SerializeAsString());
  expect(forged.SerializeAsString(), grpc::StatusCode::PERMISSION_DENIED, "no valid signature");
  ASSERT_TRUE(AddSignature(mallory, &forged).ok());
  expect(forged.SerializeAsString(), grpc::StatusCode::PERMISSION_DENIED, "no valid signature");
  expect(Sign(action), grpc::StatusCode::INVALID_ARGUMENT, "another type");
  expect("garbage", grpc::StatusCode::INVALID_ARGUMENT, "");
  v1::Order other_fleet = cancel;
  other_fleet.set_fleet_id("other-0123456789ab");
  expect(SignOrder(other_fleet), grpc::StatusCode::FAILED_PRECONDITION, "fleet");
  expect(SignOrder(NewOrder(NewAction(), v1::Order::KIND_CANCEL)), grpc::StatusCode::NOT_FOUND,
         "no action");
  const std::string older = SignOrder(NewOrder(action, v1::Order::KIND_RESUME));
  const std::string newer = SignOrder(NewOrder(action, v1::Order::KIND_PAUSE));
  EXPECT_TRUE(Send(newer, &response).ok());
  expect(older, grpc::StatusCode::FAILED_PRECONDITION, "not newer");
  EXPECT_TRUE(Send(newer, &response).ok()) << "who lost the answer asks again";
  EXPECT_FALSE(Info(action).cancelled());
  Order(action, v1::Order::KIND_CANCEL);
  expect(SignOrder(NewOrder(action, v1::Order::KIND_RESUME)), grpc::StatusCode::FAILED_PRECONDITION,
         "can't be undone");
}

TEST_F(OrdersEndToEndTest, OrdersThatChangeNothingOrExpireTooEarlyAreRefused) {
  const v1::Action action = NewAction();
  LaunchThis(action);
  v1::SendOrderResponse response;
  const auto refusal = [&](const v1::Order& order) {
    const grpc::Status status = Send(SignOrder(order), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    return status.error_message();
  };
  EXPECT_THAT(refusal(NewOrder(action, v1::Order::KIND_RESUME)), HasSubstr("neither paused nor"));
  for (const auto kind : {v1::Order::KIND_CANCEL, v1::Order::KIND_PAUSE, v1::Order::KIND_RESUME}) {
    v1::Order brief = NewOrder(action, kind);
    *brief.mutable_expires() = ToTimestamp(*ToTime(action.expires()) - absl::Seconds(1));
    EXPECT_THAT(refusal(brief), HasSubstr("expires before the action does"));
  }
  Order(action, v1::Order::KIND_PAUSE);
  EXPECT_THAT(refusal(NewOrder(action, v1::Order::KIND_PAUSE)), HasSubstr("paused already"));
  EXPECT_EQ(Info(action).orders_size(), 1);
}

TEST_F(OrdersEndToEndTest, OneMayPauseWhatItTakesTwoToResume) {
  const v1::Action action = NewAction();
  LaunchThis(action);
  const PrivateKey bob = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  PublishThatFileTakesTwo(bob);
  Order(action, v1::Order::KIND_PAUSE);
  const std::string alone = SignOrder(NewOrder(action, v1::Order::KIND_RESUME));
  v1::SendOrderResponse response;
  const grpc::Status refused = Send(alone, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(refused.error_message(), HasSubstr("to resume takes what to start does"));
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_PAUSED);
  v1::Envelope together;
  ASSERT_TRUE(together.ParseFromString(alone));
  ASSERT_TRUE(AddSignature(bob, &together).ok());
  const grpc::Status sent = Send(together.SerializeAsString(), &response);
  EXPECT_TRUE(sent.ok()) << sent.error_message();
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(OrdersEndToEndTest, ACancellationIsNotShutOutByAPauseFromTheFuture) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action action = NewAction();
  LaunchThis(action);
  ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  const std::string cancel = SignOrder(NewOrder(action, v1::Order::KIND_CANCEL));
  v1::Order pause = NewOrder(action, v1::Order::KIND_PAUSE);
  const absl::Time ahead = clock_.Now() + kOrderClockSkew - absl::Seconds(1);
  *pause.mutable_issued() = ToTimestamp(ahead);
  *pause.mutable_expires() = ToTimestamp(ahead + absl::Hours(1));
  pause.set_id(NewUuidV7(ahead));
  v1::SendOrderResponse response;
  ASSERT_TRUE(Send(SignOrder(pause), &response).ok());
  EXPECT_EQ(ReadOrder(*peer), SignOrder(pause));
  const grpc::Status sent = Send(cancel, &response);
  EXPECT_TRUE(sent.ok()) << sent.error_message();
  EXPECT_EQ(ReadOrder(*peer), cancel);
  Stop();
  Start();
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_CANCELLED);
  EXPECT_EQ(ReadOrder(*Connect(agent)), cancel);
}

TEST_F(OrdersEndToEndTest, TheSameOrderAgainIsHandedOnOnceASecond) {
  const auto peer = Connect(Enrol("web1"));
  const v1::Action action = NewAction();
  LaunchThis(action);
  ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  v1::SendOrderResponse response;
  const std::string pause = Order(action, v1::Order::KIND_PAUSE, &response);
  EXPECT_EQ(response.sent(), 1u);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Send(pause, &response).ok());
    EXPECT_EQ(response.sent(), 1u) << "the answer is the same";
  }
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Send(pause, &response).ok());
  EXPECT_EQ(ReadOrder(*peer), pause);
  EXPECT_EQ(ReadOrder(*peer), pause);
  LaunchNew();
  v1::SchedulerMessage message;
  ASSERT_TRUE(peer->Read(&message));
  EXPECT_TRUE(message.has_action_envelope());
}

TEST_F(OrdersEndToEndTest, AnAgentThatSaysThatItHasItGetsNoPlaceByThat) {
  std::vector<Host> hosts = ConnectHosts(3);
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_canary_percent(10);
  LaunchThis(action);
  ASSERT_TRUE(Eventually([&] { return SentTo(action) == 1; }));
  const size_t canary = *Reached(action, hosts).begin();
  Host& liar = hosts[canary == 0 ? 1 : 0];
  liar.peer->SendRecord(RowsRecord(action.id(), 1, {"made up"}));
  EXPECT_EQ(liar.peer->ReadAcknowledgement().sequence(), 1u);
  ASSERT_EQ(SentTo(action), 2u) << "its pair runs by its own word";
  // When it connects again, and when it says how it went.
  liar.peer = Connect(liar.agent);
  v1::ResultRecord crashed = SummaryRecord(action.id(), 2, v1::OUTCOME_INCOMPLETE, 1);
  crashed.mutable_summary()->set_termination(v1::TERMINATION_CRASHED);
  liar.peer->SendRecord(crashed);
  EXPECT_EQ(liar.peer->ReadAcknowledgement().sequence(), 2u);
  const std::string next = LaunchNew();
  v1::Envelope got;
  ASSERT_TRUE(got.ParseFromString(liar.peer->ReadActionEnvelope()));
  EXPECT_NE(got.payload().find(next), std::string::npos) << "it was sent past the canary";
  ASSERT_FALSE(hosts[canary].peer->ReadActionEnvelope().empty());
  End(*hosts[canary].peer, action, v1::TERMINATION_COMPLETED);
  EXPECT_TRUE(EventuallyIn(action, v1::DISPATCH_PHASE_OPEN)) << "its failure is no canary's";
}

TEST_F(OrdersEndToEndTest, WhatExpiredCanOnlyBeCancelledAndOnlyWhileItRuns) {
  const Agent agent = Enrol("web1");
  const v1::Action running = NewAction();
  const v1::Action ended = NewAction();
  {
    const auto peer = Connect(agent);
    LaunchThis(running);
    ASSERT_FALSE(peer->ReadActionEnvelope().empty());
    LaunchThis(ended);
    ASSERT_FALSE(peer->ReadActionEnvelope().empty());
    End(*peer, ended, v1::TERMINATION_COMPLETED);
  }
  clock_.Advance(absl::Minutes(6));
  server_->Tick();
  const auto peer = Connect(agent);
  const auto valid_now = [&](v1::Order order) {
    *order.mutable_expires() = ToTimestamp(clock_.Now() + absl::Minutes(5));
    return SignOrder(order);
  };
  v1::SendOrderResponse response;
  const auto refusal = [&](const v1::Action& action, v1::Order::Kind kind) {
    const grpc::Status status = Send(valid_now(NewOrder(action, kind)), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    return status.error_message();
  };
  EXPECT_THAT(refusal(running, v1::Order::KIND_PAUSE), HasSubstr("can only be cancelled"));
  EXPECT_THAT(refusal(ended, v1::Order::KIND_CANCEL), HasSubstr("has ended"));
  const std::string cancel = valid_now(NewOrder(running, v1::Order::KIND_CANCEL));
  const grpc::Status sent = Send(cancel, &response);
  EXPECT_TRUE(sent.ok()) << sent.error_message();
  EXPECT_EQ(response.sent(), 1u);
  EXPECT_EQ(ReadOrder(*peer), cancel);
}

TEST_F(OrdersEndToEndTest, TheLimitHoldsForLateAgentsAndTheWatchEnds) {
  std::vector<Host> hosts = ConnectHosts(4);
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_agent_limit(2);
  LaunchThis(action);
  ASSERT_TRUE(Eventually([&] { return SentTo(action) == 2; }));
  const std::set<size_t> reached = Reached(action, hosts);
  for (const size_t i : reached) {
    ASSERT_FALSE(hosts[i].peer->ReadActionEnvelope().empty());
    End(*hosts[i].peer, action, v1::TERMINATION_COMPLETED);
  }
  const auto late = Connect(Enrol("late"));
  const v1::Progress progress = Watch(action.id(), /*until_expired=*/true).back().end().progress();
  EXPECT_EQ(progress.clean(), 2u);
  EXPECT_GE(progress.held_back(), 2u);
  EXPECT_EQ(progress.held_back(), progress.waiting());
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_ENDED);
}

TEST_F(OrdersEndToEndTest, ARateReachesAllInTheEnd) {
  std::vector<Host> hosts = ConnectHosts(5);
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_agents_per_second(20);
  LaunchThis(action);
  for (Host& host : hosts) EXPECT_FALSE(host.peer->ReadActionEnvelope().empty());
}

TEST_F(OrdersEndToEndTest, TheOthersFollowWhenTheCanariesEndedWell) {
  std::vector<Host> hosts = ConnectHosts(4);
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_canary_percent(25);
  LaunchThis(action);
  ASSERT_TRUE(Eventually([&] { return SentTo(action) == 1; }));
  const v1::ActionInfo info = Info(action);
  EXPECT_EQ(info.phase(), v1::DISPATCH_PHASE_CANARY);
  EXPECT_THAT(info.phase_reason(), HasSubstr("waits for 1 of 1 canaries: host"));
  EXPECT_EQ(info.progress().held_back(), 3u);
  const size_t canary = *Reached(action, hosts).begin();
  ASSERT_FALSE(hosts[canary].peer->ReadActionEnvelope().empty());
  End(*hosts[canary].peer, action, v1::TERMINATION_COMPLETED);
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (i == canary) continue;
    EXPECT_FALSE(hosts[i].peer->ReadActionEnvelope().empty());
  }
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(OrdersEndToEndTest, ACanaryThatFailsStopsItOverARestartUntilItIsResumed) {
  std::vector<Host> hosts = ConnectHosts(3);
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_canary_percent(10);
  LaunchThis(action);
  ASSERT_TRUE(Eventually([&] { return SentTo(action) == 1; }));
  const size_t canary = *Reached(action, hosts).begin();
  ASSERT_FALSE(hosts[canary].peer->ReadActionEnvelope().empty());
  End(*hosts[canary].peer, action, v1::TERMINATION_CRASHED);
  ASSERT_TRUE(EventuallyIn(action, v1::DISPATCH_PHASE_STOPPED));
  const std::string reason = StrCat("canary host", canary, " failed");
  EXPECT_EQ(Info(action).phase_reason(), reason);
  Stop();
  Start();
  EXPECT_EQ(Info(action).phase(), v1::DISPATCH_PHASE_STOPPED);
  EXPECT_EQ(Info(action).phase_reason(), reason);
  for (Host& host : hosts) host.peer = Connect(host.agent);
  EXPECT_TRUE(Eventually([&] { return Info(action).progress().held_back() == 2; }));
  Order(action, v1::Order::KIND_RESUME);
  for (size_t i = 0; i < hosts.size(); ++i) {
    if (i == canary) continue;
    EXPECT_FALSE(hosts[i].peer->ReadActionEnvelope().empty());
  }
}

TEST_F(OrdersEndToEndTest, TooManyFailuresStopItForThoseThatComeLater) {
  std::vector<Host> hosts = ConnectHosts(2);
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_stop_when_failed_percent(40);
  LaunchThis(action);
  for (Host& host : hosts) ASSERT_FALSE(host.peer->ReadActionEnvelope().empty());
  End(*hosts[0].peer, action, v1::TERMINATION_MEMORY_LIMIT);
  End(*hosts[1].peer, action, v1::TERMINATION_COMPLETED);
  ASSERT_TRUE(EventuallyIn(action, v1::DISPATCH_PHASE_STOPPED));
  EXPECT_EQ(Info(action).phase_reason(), "1 of 2 agents failed, more than 40 percent");
  const auto late = Connect(Enrol("late"));
  EXPECT_TRUE(Eventually([&] { return Info(action).progress().held_back() == 1; }));
}

}  // namespace
}  // namespace dragnet::scheduler
