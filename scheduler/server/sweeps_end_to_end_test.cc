// Sweeps over real TLS: what an agent that keeps a schedule tells, and what people
// see of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/order.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/server/server_fixture.h"
#include "scheduler/store/sweep_terms.h"
#include "scheduler/testing/sweep_documents.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;

class SweepsEndToEndTest : public ServerTest {
 protected:
  // Hourly; since two days, for a day more.
  v1::Action NewSweep() {
    return SweepDocument(NewUuidV7(clock_.Now()), "@hourly", clock_.Now() - absl::Hours(48),
                         clock_.Now() + absl::Hours(24), {"time", "disk"}, settings_.fleet_id);
  }
  // Some hours ago: agents tell of no run before.
  void LaunchLongAgo(const v1::Action& sweep, v1::LaunchResponse* launched) {
    const grpc::Status status = Launch(Sign(sweep), launched);
    clock_.Advance(absl::Hours(3));
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  int64_t Hour(int ago) const {
    return absl::ToUnixSeconds(clock_.Now()) / 3600 * 3600 - 3600 * int64_t{ago};
  }
  static void Accept(AgentPeer& peer, const std::string& action_id) {
    v1::AgentMessage message;
    message.mutable_accepted()->set_action_id(action_id);
    peer.Write(message);
  }
  static void Tell(AgentPeer& peer, const std::string& sweep, int64_t occurrence,
                   std::string_view time, std::string_view disk) {
    v1::ResultRecord rows =
        RowsRecord(sweep, 1, {VerdictRow("time", time), VerdictRow("disk", disk)});
    rows.set_occurrence(occurrence);
    v1::ResultRecord summary = SummaryRecord(sweep, 2, v1::OUTCOME_FOUND, 2);
    summary.set_occurrence(occurrence);
    for (const v1::ResultRecord& record : {rows, summary}) {
      peer.SendRecord(record);
      const v1::RecordKey key = peer.ReadAcknowledgement();
      // Under the agent's own key.
      EXPECT_EQ(key.action_id(), sweep);
      EXPECT_EQ(key.occurrence(), occurrence);
      EXPECT_EQ(key.sequence(), record.sequence());
    }
  }
  v1::GetSweepResponse GetSweep(const std::string& id) {
    v1::GetSweepRequest request;
    request.set_action_id(id);
    v1::GetSweepResponse response;
    const grpc::Status status = Api().GetSweep(Patience().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  std::vector<v1::SweepVerdict> Verdicts(const v1::SweepVerdictsRequest& request,
                                         grpc::StatusCode code = grpc::StatusCode::OK) {
    const auto context = Patience();
    const auto reader = Api().SweepVerdicts(context.get(), request);
    std::vector<v1::SweepVerdict> verdicts;
    v1::SweepVerdict verdict;
    while (reader->Read(&verdict)) verdicts.push_back(verdict);
    EXPECT_EQ(reader->Finish().error_code(), code);
    return verdicts;
  }
};

TEST_F(SweepsEndToEndTest, WhatAnAgentTellsOfItsRunsIsSeenInAllCalls) {
  const Agent agent = Enrol("web1");
  const Agent other = Enrol("web2");
  const auto peer = Connect(agent);
  const v1::Action sweep = NewSweep();
  v1::LaunchResponse launched;
  LaunchLongAgo(sweep, &launched);
  EXPECT_EQ(launched.targeted(), 2u);
  ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  Accept(*peer, sweep.id());
  Tell(*peer, sweep.id(), Hour(2), "pass", "pass");
  Tell(*peer, sweep.id(), Hour(1), "fail", "pass");

  v1::ListSweepsResponse list;
  ASSERT_TRUE(Api().ListSweeps(Patience().get(), {}, &list).ok());
  ASSERT_EQ(list.sweeps_size(), 1);
  const v1::SweepInfo& info = list.sweeps(0);
  EXPECT_EQ(info.action().action_id(), sweep.id());
  EXPECT_EQ(info.action().phase(), v1::DISPATCH_PHASE_OPEN);
  EXPECT_EQ(info.action().progress().running(), 1u);
  EXPECT_EQ(info.next().seconds(), Hour(-1));
  EXPECT_EQ(info.last().occurrence().seconds(), Hour(1));
  EXPECT_EQ(info.agents().failed(), 1u);
  EXPECT_EQ(info.verdicts().failed(), 1u);
  EXPECT_EQ(info.verdicts().passed(), 1u);
  EXPECT_EQ(info.agents_with_it(), 1u);
  EXPECT_EQ(info.agents_without_it(), 1u);
  EXPECT_EQ(info.agents_silent(), 0u);
  EXPECT_EQ(list.left_out(), 0u);

  const v1::GetSweepResponse got = GetSweep(sweep.id());
  ASSERT_EQ(got.runs_size(), 2);
  EXPECT_EQ(got.runs(0).action_id(), RunId(sweep.id(), Hour(1)));
  EXPECT_EQ(got.runs(1).agents().passed(), 1u);
  ASSERT_EQ(got.checks_size(), 2);
  EXPECT_EQ(got.checks(0).check(), "time");
  EXPECT_EQ(got.checks(0).verdicts().failed(), 1u);
  ASSERT_EQ(got.trends_size(), 2);
  ASSERT_EQ(got.trends(0).verdicts_size(), 2);
  EXPECT_EQ(got.trends(0).verdicts(0).failed(), 1u);
  EXPECT_EQ(got.trends(0).verdicts(1).passed(), 1u);

  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.id());
  const std::vector<v1::SweepVerdict> verdicts = Verdicts(request);
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(verdicts[0].agent_name(), "web1");
  EXPECT_EQ(verdicts[0].check(), "time");
  EXPECT_EQ(verdicts[0].status(), "fail");
  EXPECT_EQ(verdicts[0].since().seconds(), Hour(1));
  EXPECT_EQ(verdicts[1].since().seconds(), Hour(2));
  EXPECT_FALSE(verdicts[1].silent());
  // One that the sweep is for, and that hasn't got it, whatever is asked for.
  EXPECT_EQ(verdicts[2].agent_name(), "web2");
  EXPECT_EQ(verdicts[2].check(), "");
  EXPECT_EQ(verdicts[2].status(), "");
  EXPECT_TRUE(verdicts[2].silent());
  request.add_statuses("pass");
  EXPECT_EQ(Verdicts(request).size(), 2u);
  request.add_agent_ids(agent.id);
  EXPECT_EQ(Verdicts(request).size(), 1u);
  request.clear_agent_ids();
  request.add_agent_ids(other.id);
  EXPECT_EQ(Verdicts(request).size(), 1u);
  request.add_checks("none such");
  Verdicts(request, grpc::StatusCode::INVALID_ARGUMENT);

  v1::SweepChangesRequest asked;
  asked.set_action_id(sweep.id());
  v1::SweepChangesResponse changes;
  ASSERT_TRUE(Api().SweepChanges(Patience().get(), asked, &changes).ok());
  ASSERT_EQ(changes.changes_size(), 1);
  EXPECT_EQ(changes.changes(0).from(), "pass");
  EXPECT_EQ(changes.changes(0).to(), "fail");
  EXPECT_EQ(changes.changes(0).severity(), "high");
  EXPECT_EQ(changes.changes(0).title(), "title of time");
}

TEST_F(SweepsEndToEndTest, ARunIsReadAsAnActionAndIsNoneInLists) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action sweep = NewSweep();
  v1::LaunchResponse launched;
  LaunchLongAgo(sweep, &launched);
  peer->ReadActionEnvelope();
  Tell(*peer, sweep.id(), Hour(1), "pass", "unknown");
  const std::string run = RunId(sweep.id(), Hour(1));
  const std::vector<v1::WatchEvent> events = Watch(run);
  EXPECT_EQ(StateOf(events, agent.id).state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(ProgressOf(run).rows(), 2u);
  v1::GetActionRequest request;
  request.set_action_id(run);
  v1::GetActionResponse action;
  ASSERT_TRUE(Api().GetAction(Patience().get(), request, &action).ok());
  EXPECT_EQ(action.action().name(), "test sweep");
  request.set_action_id(sweep.id().substr(0, 13));
  ASSERT_TRUE(Api().GetAction(Patience().get(), request, &action).ok());
  EXPECT_EQ(action.action().action_id(), sweep.id());
  v1::ListActionsResponse list;
  ASSERT_TRUE(Api().ListActions(Patience().get(), {}, &list).ok());
  EXPECT_EQ(list.actions_size(), 1);
  v1::StackRequest stack;
  stack.set_action_id(run);
  stack.add_columns()->add_field_numbers(check::v1::Verdict::kStatusFieldNumber);
  v1::StackResponse stacked;
  ASSERT_TRUE(Api().Stack(Patience().get(), stack, &stacked).ok());
  EXPECT_EQ(stacked.different(), 2u);
}

TEST_F(SweepsEndToEndTest, ChangesComeInTheStreamOfEverything) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action sweep = NewSweep();
  v1::LaunchResponse launched;
  LaunchLongAgo(sweep, &launched);
  peer->ReadActionEnvelope();
  Tell(*peer, sweep.id(), Hour(1), "fail", "pass");
  v1::TailRequest request;
  request.set_after("0");
  request.set_stored_only(true);
  const auto context = Patience();
  const auto reader = Api().Tail(context.get(), request);
  v1::TailEvent event;
  std::vector<std::string> changes;
  bool told_of_sweep = false;
  while (reader->Read(&event)) {
    told_of_sweep =
        told_of_sweep || (event.has_action() && event.action().action_id() == sweep.id());
    if (!event.has_sweep_change()) continue;
    EXPECT_TRUE(told_of_sweep);
    EXPECT_EQ(event.sweep_change().agent_name(), "web1");
    changes.push_back(StrCat(event.sweep_change().check(), " ", event.sweep_change().to()));
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(changes, ElementsAre("time fail"));
}

TEST_F(SweepsEndToEndTest, WhoTellsNothingIsSilentAfterTwoRuns) {
  const Agent agent = Enrol("web1");
  auto peer = Connect(agent);
  const v1::Action sweep = NewSweep();
  v1::LaunchResponse launched;
  LaunchLongAgo(sweep, &launched);
  peer->ReadActionEnvelope();
  Tell(*peer, sweep.id(), Hour(1), "fail", "pass");
  EXPECT_EQ(GetSweep(sweep.id()).sweep().agents_silent(), 0u);
  peer.reset();
  // It took the sweep on by the system's clock, which isn't moved.
  clock_.Advance(absl::Hours(4));
  const v1::SweepInfo info = GetSweep(sweep.id()).sweep();
  EXPECT_EQ(info.agents_silent(), 1u);
  EXPECT_EQ(info.agents().failed(), 1u);
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.id());
  ASSERT_FALSE(Verdicts(request).empty());
  EXPECT_TRUE(Verdicts(request)[0].silent());
}

TEST_F(SweepsEndToEndTest, OrdersHoldForASweepAndWhatIsPausedHasNoNextRun) {
  const v1::Action sweep = NewSweep();
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(Sign(sweep), &launched).ok());
  int orders = 0;
  const auto order = [&](v1::Order::Kind kind) {
    const absl::Time issued = clock_.Now() + absl::Milliseconds(++orders);
    v1::Order order;
    order.set_id(NewUuidV7(issued));
    order.set_fleet_id(settings_.fleet_id);
    order.set_action_id(sweep.id());
    order.set_kind(kind);
    *order.mutable_issued() = ToTimestamp(issued);
    *order.mutable_expires() = sweep.expires();
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
    ASSERT_TRUE(AddSignature(*PrivateKey::Load(Path("investigator/signing.key")), &envelope).ok());
    v1::SendOrderRequest request;
    request.set_envelope(envelope.SerializeAsString());
    v1::SendOrderResponse response;
    const grpc::Status status = Api().SendOrder(Patience().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  };
  EXPECT_TRUE(GetSweep(sweep.id()).sweep().has_next());
  order(v1::Order::KIND_PAUSE);
  EXPECT_FALSE(GetSweep(sweep.id()).sweep().has_next());
  EXPECT_EQ(GetSweep(sweep.id()).sweep().action().phase(), v1::DISPATCH_PHASE_PAUSED);
  order(v1::Order::KIND_RESUME);
  EXPECT_TRUE(GetSweep(sweep.id()).sweep().has_next());
  order(v1::Order::KIND_CANCEL);
  EXPECT_FALSE(GetSweep(sweep.id()).sweep().has_next());
  v1::ListSweepsResponse list;
  ASSERT_TRUE(Api().ListSweeps(Patience().get(), {}, &list).ok());
  EXPECT_EQ(list.sweeps_size(), 0);
  v1::ListSweepsRequest with_ended;
  with_ended.set_with_ended(true);
  ASSERT_TRUE(Api().ListSweeps(Patience().get(), with_ended, &list).ok());
  EXPECT_EQ(list.sweeps_size(), 1);
}

TEST_F(SweepsEndToEndTest, WhoTookItOnAndNeverToldIsInTheVerdictsOnceItIsSilent) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action sweep = NewSweep();
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(Sign(sweep), &launched).ok());
  peer->ReadActionEnvelope();
  Accept(*peer, sweep.id());
  while (GetSweep(sweep.id()).sweep().agents_with_it() == 0) absl::SleepFor(absl::Milliseconds(5));
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.id());
  // It had no time yet to tell anything.
  EXPECT_TRUE(Verdicts(request).empty());
  clock_.Advance(absl::Hours(4));
  const std::vector<v1::SweepVerdict> verdicts = Verdicts(request);
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].agent_id(), agent.id);
  EXPECT_EQ(verdicts[0].check(), "");
  EXPECT_TRUE(verdicts[0].silent());
  EXPECT_NE(verdicts[0].reason(), "");
  EXPECT_EQ(GetSweep(sweep.id()).sweep().agents_silent(), 1u);
}

TEST_F(SweepsEndToEndTest, WhoIsBeyondTheLimitOfAgentsIsNotMissed) {
  const Agent first = Enrol("web1");
  const Agent second = Enrol("web2");
  const auto one = Connect(first);
  const auto other = Connect(second);
  v1::Action sweep = NewSweep();
  sweep.mutable_dispatch()->set_agent_limit(1);
  v1::LaunchResponse launched;
  LaunchLongAgo(sweep, &launched);
  ASSERT_EQ(launched.targeted(), 2u);
  // To one of them it was sent.
  EXPECT_EQ(GetSweep(sweep.id()).sweep().agents_without_it(), 1u);
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.id());
  EXPECT_EQ(Verdicts(request).size(), 1u);
}

TEST_F(SweepsEndToEndTest, SweepsThatDontFitInAnAnswerAreCounted) {
  for (int i = 0; i < 4; ++i) {
    v1::Action sweep = NewSweep();
    check::v1::CheckParameters pack;
    ASSERT_TRUE(pack.ParseFromString(sweep.operations(0).parameters()));
    for (int text = 0; text < 60; ++text)
      pack.mutable_checks(0)->set_remediation(
          StrCat(pack.checks(0).remediation(), std::string(7000, 'r')));
    sweep.mutable_operations(0)->set_parameters(pack.SerializeAsString());
    *sweep.add_operations() = sweep.operations(0);
    v1::LaunchResponse launched;
    LaunchLongAgo(sweep, &launched);
  }
  v1::ListSweepsResponse list;
  ASSERT_TRUE(Api().ListSweeps(Patience().get(), {}, &list).ok());
  EXPECT_EQ(list.sweeps_size(), 2);
  EXPECT_EQ(list.left_out(), 2u);
}

TEST_F(SweepsEndToEndTest, ReadersMayCallAndActionsThatRunOnceAreNoSweeps) {
  const std::string action = LaunchNew();
  v1::GetSweepRequest request;
  request.set_action_id(action);
  v1::GetSweepResponse response;
  EXPECT_FALSE(Api().GetSweep(Patience().get(), request, &response).ok());
  v1::SweepVerdictsRequest verdicts;
  verdicts.set_action_id("0123");
  Verdicts(verdicts, grpc::StatusCode::NOT_FOUND);
  v1::ListSweepsResponse list;
  EXPECT_TRUE(Api().ListSweeps(Patience().get(), {}, &list).ok());
  EXPECT_EQ(list.sweeps_size(), 0);
}

}  // namespace
}  // namespace dragnet::scheduler
