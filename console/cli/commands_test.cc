// The other commands, against a fake scheduler.
#include <gmock/gmock.h>

#include "console/testing/console_fixture.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/order.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using ::testing::SizeIs;

class CommandsTest : public testing::ConsoleTest {};

// ---- agents

TEST_F(CommandsTest, AgentsAreListed) {
  scheduler_->agents = {Agent("web1", "id1"),
                        Agent("evil\x1b[2J", "id2", v1::AgentInfo::STATE_REVOKED)};
  const Outcome without = Dragnet({"agents"});
  EXPECT_THAT(without.out, Not(HasSubstr("revoked")));
  EXPECT_THAT(without.err, HasSubstr("1 more was retired or revoked (--all shows them)"));
  scheduler_->targets.clear();
  const Outcome outcome = Dragnet({"agents", "-t", "os='linux'", "--all"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("web1"));
  EXPECT_THAT(outcome.out, HasSubstr("online"));
  EXPECT_THAT(outcome.out, HasSubstr("revoked"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(scheduler_->targets, ElementsAre("os='linux'"));
  EXPECT_THAT(Dragnet({"agents", "--long"}).out, HasSubstr("MISSING WALLS"));
  EXPECT_TRUE(Dragnet({"agents", "-o", "jsonl"}).out.starts_with(R"({"facts":{"id":"id1")"));
  EXPECT_THAT(Dragnet({"agents", "-o", "csv"}).out,
              HasSubstr("name,id,os,version,state,last_seen"));
}

TEST_F(CommandsTest, NoAgentsIsSaid) {
  const Outcome outcome = Dragnet({"agents"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("no rows"));
}

TEST_F(CommandsTest, AgentByNameIsAskedForWithoutOpeningTheExpression) {
  scheduler_->agents = {Agent("a'b", "id1")};
  EXPECT_EQ(Dragnet({"refusals", "a'b"}).status, 0);
  EXPECT_THAT(scheduler_->targets, ElementsAre("id='a''b' or name='a''b'"));
}

TEST_F(CommandsTest, RetirementThatNobodyMayOrderSaysWhatAllowsIt) {
  scheduler_->agents = {Agent("web1", "3f1e4b0a-52c8-4c07-9d6e-1f0a2b3c4d5e")};
  const Outcome outcome = Dragnet({"agents", "retire", "web1", "--yes"});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("module retire has no rule in trust policy version"),
                    HasSubstr("dragnet trust draft next.json\n"),
                    HasSubstr("dragnet trust weight next.json retire --minimum 2 --of alice=1"),
                    HasSubstr("dragnet trust sign next.json --key root-1.key\n"),
                    HasSubstr("dragnet trust publish next.json\n")));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(CommandsTest, TwoAgentsOfOneNameAreNotGuessedBetween) {
  scheduler_->agents = {Agent("web", "id1"), Agent("web", "id2")};
  const Outcome outcome = Dragnet({"agents", "revoke", "web", "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("id1, id2"));
  EXPECT_THAT(scheduler_->revoked, IsEmpty());
}

TEST_F(CommandsTest, RevokeAsksFirst) {
  scheduler_->agents = {Agent("web", "id1")};
  EXPECT_EQ(Dragnet({"agents", "revoke", "web"}).status, 2);
  EXPECT_EQ(Dragnet({"agents", "revoke", "web"}, "n").status, 2);
  EXPECT_THAT(scheduler_->revoked, IsEmpty());
  EXPECT_EQ(Dragnet({"agents", "revoke", "web"}, "y").status, 0);
  EXPECT_THAT(scheduler_->revoked, ElementsAre("id1"));
}

TEST_F(CommandsTest, RefusalsOfAnAgent) {
  scheduler_->agents = {Agent("web", "id1")};
  v1::ListRefusalsResponse::Entry entry;
  entry.set_action_id("some-action");
  entry.mutable_refusal()->set_reason(v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  entry.mutable_refusal()->set_detail("0 of 1");
  scheduler_->refusals = {entry};
  for (const auto& args :
       {std::vector<std::string>{"refusals", "web"}, {"agents", "refusals", "web"}}) {
    const Outcome outcome = Dragnet(args);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("insufficient-weight"));
    EXPECT_THAT(outcome.out, HasSubstr("0 of 1"));
  }
}

// ---- actions, verify

TEST_F(CommandsTest, ShowSaysWhoSignedByItsOwnReckoning) {
  v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  scheduler_->actions = {info};
  const Outcome outcome = Dragnet({"actions", "show", info.action_id().substr(0, 8)});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("path: /etc"));
  EXPECT_THAT(outcome.out, HasSubstr("Signed by   alice (1 of 1 signatures valid"));
}

TEST_F(CommandsTest, SchedulerCannotMakeUpSigners) {
  const PrivateKey mallory = dragnet::testing::NewKey();
  v1::ActionInfo info = StoredAction(SampleAction(), {&mallory});
  info.add_signed_by("alice");
  scheduler_->actions = {info};
  const Outcome shown = Dragnet({"actions", "show", "last"});
  EXPECT_EQ(shown.status, 1);
  EXPECT_THAT(shown.out, HasSubstr("Signed by   no one in the trust policy (0 of 1"));
  EXPECT_THAT(shown.out, Not(HasSubstr("enough weight signed")));
  EXPECT_EQ(Dragnet({"verify", "last"}).status, 4);
}

TEST_F(CommandsTest, PolicyThatTheRootKeysDidNotSignIsNotBelieved) {
  v1::TrustPolicy forged = fleet_.PolicyProto(7);
  const PrivateKey mallory = dragnet::testing::NewKey();
  scheduler_->policy =
      dragnet::testing::Signed(kTrustPolicyPayloadType, forged, {&fleet_.roots[0], &mallory});
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  for (const auto& args : {std::vector<std::string>{"trust", "show"},
                           {"verify", "last"},
                           {"actions", "show", "last"}}) {
    const Outcome outcome = Dragnet(args);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("does not stand up to the root keys"));
  }
}

TEST_F(CommandsTest, OlderPolicyThanOneSeenBeforeIsRefused) {
  const auto policy = [&](uint64_t version) {
    v1::TrustPolicy proto = fleet_.PolicyProto(version);
    dragnet::testing::Fleet::AddModule("sample", 1, {{"alice", 1}}, &proto);
    return fleet_.SignedPolicy(proto);
  };
  const std::string kept = Path(StrCat("trust-version.", fleet_.id));
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  scheduler_->policy = policy(5);
  EXPECT_EQ(Dragnet({"verify", "last"}).status, 0);
  EXPECT_EQ(*ReadFile(kept), "5\n");
  EXPECT_EQ(std::filesystem::status(kept).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(Dragnet({"verify", "last"}).status, 0);
  scheduler_->policy = policy(4);
  for (const auto& args : {std::vector<std::string>{"trust", "show"},
                           {"verify", "last"},
                           {"actions", "show", "last"}}) {
    const Outcome outcome = Dragnet(args);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("version 4 is older than version 5"));
  }
  EXPECT_EQ(*ReadFile(kept), "5\n");
  scheduler_->policy = policy(6);
  EXPECT_EQ(Dragnet({"verify", "last"}).status, 0);
  EXPECT_EQ(*ReadFile(kept), "6\n");
}

TEST_F(CommandsTest, PolicyThatTheRootsDidNotSignIsNotKept) {
  scheduler_->policy =
      dragnet::testing::Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(9), {&fleet_.roots[0]});
  EXPECT_EQ(Dragnet({"trust", "show"}).status, 2);
  EXPECT_FALSE(std::filesystem::exists(Path(StrCat("trust-version.", fleet_.id))));
}

TEST_F(CommandsTest, UnreadableKeptVersionIsNotTakenForNone) {
  WriteFile(StrCat("trust-version.", fleet_.id), "x", 0600);
  const Outcome outcome = Dragnet({"trust", "show"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("not a version"));
}

TEST_F(CommandsTest, AlteredActionIsNotVerified) {
  v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  v1::Envelope envelope;
  envelope.ParseFromString(info.envelope());
  v1::Action altered = SampleAction();
  altered.set_id(info.action_id());
  altered.set_target("true");
  envelope.set_payload(altered.SerializeAsString());
  info.set_envelope(envelope.SerializeAsString());
  scheduler_->actions = {info};
  EXPECT_EQ(Dragnet({"verify", "last"}).status, 4);
}

TEST_F(CommandsTest, AnotherActionThanTheOneAskedForIsRefused) {
  const v1::ActionInfo asked = StoredAction(SampleAction(), {&fleet_.alice});
  const v1::ActionInfo other = StoredAction(SampleAction(), {&fleet_.alice});
  const std::vector<std::vector<std::string>> commands = {
      {"verify"}, {"actions", "show"}, {"results"}, {"cancel"}, {"pause"}};
  const auto expect_refused = [&](const std::string& word) {
    for (std::vector<std::string> args : commands) {
      args.push_back(word);
      const Outcome outcome = Dragnet(args, "y");
      EXPECT_EQ(outcome.status, 2) << args[0];
      EXPECT_EQ(outcome.out, "");
      EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
    }
  };
  // The id that was asked for on another's document.
  v1::ActionInfo mixed = other;
  mixed.set_action_id(asked.action_id());
  scheduler_->actions = {mixed};
  expect_refused(asked.action_id());
  expect_refused("last");
  // Another action, whole.
  scheduler_->any_action_id = true;
  scheduler_->actions = {other};
  expect_refused(asked.action_id());
  expect_refused(asked.action_id().substr(24));
  EXPECT_THAT(scheduler_->orders, IsEmpty());
  // Its own end is another matter.
  EXPECT_EQ(Dragnet({"verify", other.action_id().substr(24)}).status, 0);
}

TEST_F(CommandsTest, CancelAsksWithTheNameThatWasSigned) {
  v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  info.set_name("harmless");
  scheduler_->actions = {info};
  const Outcome outcome = Dragnet({"cancel", "last"}, "n");
  EXPECT_THAT(outcome.err, HasSubstr("Cancel test action ("));
  EXPECT_THAT(outcome.err, HasSubstr("Nothing was signed or sent."));
  EXPECT_THAT(outcome.err, Not(HasSubstr("harmless")));
  EXPECT_THAT(scheduler_->orders, IsEmpty());
}

TEST_F(CommandsTest, OrdersAreSignedShownAndSaidWhatBecameOfThem) {
  const v1::Action action = SampleAction();
  scheduler_->actions = {StoredAction(action, {&fleet_.alice})};
  scheduler_->ordered.set_sent(2);
  scheduler_->ordered.mutable_progress()->set_running(3);
  scheduler_->ordered.mutable_progress()->set_never_sent(1);
  scheduler_->ordered.mutable_progress()->set_waiting(4);
  const auto run = [&](const char* command) {
    const Outcome outcome = Dragnet({command, action.id(), "--reason", "wrong target", "--yes"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("Reason  wrong target"));
    EXPECT_THAT(outcome.err, HasSubstr("sent to 2 agents that have it; 1 agent more gets it when "
                                       "connected again; "));
    return outcome.err;
  };
  EXPECT_THAT(run("cancel"), HasSubstr("1 agent never gets the action."));
  EXPECT_THAT(run("pause"), HasSubstr("4 agents don't have the action yet."));
  EXPECT_THAT(run("resume"), HasSubstr("Resumed"));
  const v1::Order::Kind kinds[] = {v1::Order::KIND_CANCEL, v1::Order::KIND_PAUSE,
                                   v1::Order::KIND_RESUME};
  ASSERT_THAT(scheduler_->orders, SizeIs(3));
  const TrustPolicy policy =
      *TrustPolicy::VerifyFirst(scheduler_->policy, fleet_.Pinned(), fleet_.id);
  for (size_t i = 0; i < 3; ++i) {
    const v1::Envelope envelope = *ParseEnvelope(scheduler_->orders[i], kOrderPayloadType);
    EXPECT_THAT(policy.Signers(envelope), ElementsAre("alice"));
    const v1::Order order = *ParseOrder(envelope.payload());
    EXPECT_EQ(order.kind(), kinds[i]);
    EXPECT_EQ(order.action_id(), action.id());
    EXPECT_EQ(order.fleet_id(), fleet_.id);
    EXPECT_EQ(order.reason(), "wrong target");
    // A cancellation holds for 25 hours at least: workers may outlive the action.
    if (order.kind() == v1::Order::KIND_CANCEL) {
      EXPECT_EQ(*ToTime(order.expires()), *ToTime(order.issued()) + absl::Hours(25));
    } else {
      EXPECT_EQ(*ToTime(order.expires()), *ToTime(action.expires()));
    }
  }
}

TEST_F(CommandsTest, WhatExpiredCanOnlyBeCancelled) {
  v1::Action action = SampleAction();
  *action.mutable_not_before() = ToTimestamp(fleet_.now - absl::Hours(2));
  *action.mutable_expires() = ToTimestamp(fleet_.now - absl::Hours(1));
  scheduler_->actions = {StoredAction(action, {&fleet_.alice})};
  const Outcome pause = Dragnet({"pause", action.id(), "--yes"});
  EXPECT_NE(pause.status, 0);
  EXPECT_THAT(pause.err, HasSubstr("can only be cancelled"));
  EXPECT_EQ(Dragnet({"cancel", action.id(), "--yes"}).status, 0);
  EXPECT_THAT(scheduler_->orders, SizeIs(1));
}

TEST_F(CommandsTest, OrdersThatNobodyIsAskedAboutTakeTheWholeId) {
  const v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  scheduler_->actions = {info};
  for (const char* command : {"cancel", "pause", "resume"}) {
    for (const std::string& word : {std::string("last"), info.action_id().substr(0, 8)}) {
      const Outcome outcome = Dragnet({command, word, "--yes"});
      EXPECT_EQ(outcome.status, 2);
      EXPECT_THAT(outcome.err, HasSubstr("give the action's whole id"));
    }
  }
  EXPECT_THAT(scheduler_->orders, IsEmpty());
  EXPECT_EQ(Dragnet({"pause", info.action_id().substr(0, 8)}, "y").status, 0);
  EXPECT_THAT(scheduler_->orders, SizeIs(1));
}

TEST_F(CommandsTest, NoOrderIsSignedAboutAnActionThatTheSchedulerMadeUp) {
  const PrivateKey mallory = dragnet::testing::NewKey();
  const v1::ActionInfo info = StoredAction(SampleAction(), {&mallory});
  scheduler_->actions = {info};
  for (const auto& args : {std::vector<std::string>{"pause", info.action_id(), "--yes"},
                           {"resume", info.action_id(), "--yes"},
                           {"cancel", "last"}}) {
    const Outcome outcome = Dragnet(args, "y");
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("no one in the trust policy signed"));
  }
  EXPECT_THAT(scheduler_->orders, IsEmpty());
  // Its signer may have been taken out of the policy for what it does.
  const Outcome cancel = Dragnet({"cancel", info.action_id(), "--yes"});
  EXPECT_EQ(cancel.status, 0) << cancel.err;
  EXPECT_THAT(cancel.err, HasSubstr("warning: action"));
}

TEST_F(CommandsTest, VerifyListsOrdersWithTheirValidSigners) {
  const v1::Action action = SampleAction();
  v1::ActionInfo info = StoredAction(action, {&fleet_.alice});
  v1::Order order;
  order.set_id(NewUuidV7(fleet_.now));
  order.set_fleet_id(fleet_.id);
  order.set_action_id(action.id());
  order.set_kind(v1::Order::KIND_PAUSE);
  order.set_reason("lunch");
  *order.mutable_issued() = ToTimestamp(fleet_.now);
  *order.mutable_expires() = action.expires();
  const PrivateKey mallory = dragnet::testing::NewKey();
  using dragnet::testing::Signed;
  info.add_orders(Signed(kOrderPayloadType, order, {&fleet_.bob}));
  info.add_orders(Signed(kOrderPayloadType, order, {&mallory}));
  order.set_action_id(NewUuidV7(fleet_.now));
  info.add_orders(Signed(kOrderPayloadType, order, {&fleet_.bob}));
  scheduler_->actions = {info};
  const Outcome outcome = Dragnet({"verify", action.id()});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Order       paused by bob: lunch ("));
  EXPECT_THAT(outcome.out, HasSubstr("Order       not valid: no valid signature"));
  EXPECT_THAT(outcome.out, HasSubstr("Order       not valid: about another action"));
}

TEST_F(CommandsTest, PhaseAndItsReasonAreShown) {
  v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  info.set_phase(v1::DISPATCH_PHASE_STOPPED);
  info.set_phase_reason("canary web1\x1b[2J failed");
  scheduler_->actions = {info};
  EXPECT_THAT(Dragnet({"actions"}).out, HasSubstr("stopped"));
  EXPECT_THAT(Dragnet({"actions", "show", "last"}).out, HasSubstr("stopped: canary web1"));
  EXPECT_THAT(Dragnet({"actions", "show", "last"}).out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(Dragnet({"actions", "show", "last", "-o", "json"}).out,
              HasSubstr("\"phase\": \"stopped\""));
  // Whoever waits for results is told why none come.
  v1::Progress progress = Progress(1, 0, 0, 0, 3);
  progress.set_held_back(2);
  scheduler_->streams = {{EndEvent(progress)}};
  const Outcome results = Dragnet({"results", "last"});
  EXPECT_THAT(results.err, HasSubstr("stopped, it goes to no further agent: canary web1"));
  EXPECT_THAT(results.err, HasSubstr("dragnet resume"));
  EXPECT_THAT(results.err, HasSubstr("2 held back, 1 not reached yet"));
  EXPECT_THAT(results.err, Not(HasSubstr("\x1b")));
}

TEST_F(CommandsTest, PowersOfAnotherModuleNeedItsWeightToo) {
  v1::TrustPolicy policy = fleet_.PolicyProto();
  dragnet::testing::Fleet::AddModule("sample", 1, {{"carol", 1}}, &policy);
  scheduler_->policy = fleet_.SignedPolicy(policy);
  // carol may use `sample`, but has no weight for `file`, whose powers it uses.
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.carol})};
  const Outcome outcome = Dragnet({"verify", "last"});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.out, HasSubstr("file"));
}

TEST_F(CommandsTest, VerifyTakesAPolicyFileWithoutAScheduler) {
  WriteFile("policy.dsse", scheduler_->policy, 0644);
  WriteFile("action.dsse", fleet_.SignedAction(SampleAction(), {&fleet_.bob}), 0644);
  scheduler_.reset();
  const Outcome outcome = Dragnet({"verify", Path("action.dsse"), "--policy", Path("policy.dsse")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("bob"));
  EXPECT_EQ(Dragnet({"verify", Path("policy.dsse")}).status, 0);
}

TEST_F(CommandsTest, LastIsTheNewestOfOnesOwn) {
  v1::ActionInfo others = StoredAction(SampleAction(), {&fleet_.bob});
  others.set_launched_by("bob");
  v1::ActionInfo own = StoredAction(SampleAction(), {&fleet_.alice});
  scheduler_->actions = {others, own};
  EXPECT_EQ(Dragnet({"cancel", "last"}, "y").status, 0);
  ASSERT_THAT(scheduler_->orders, SizeIs(1));
  EXPECT_EQ(
      ParseOrder(ParseEnvelope(scheduler_->orders[0], kOrderPayloadType)->payload())->action_id(),
      own.action_id());
}

TEST_F(CommandsTest, UnknownActionIsTwo) {
  EXPECT_EQ(Dragnet({"results", "0000"}).status, 2);
  EXPECT_EQ(Dragnet({"results", "last"}).status, 2);
}

TEST_F(CommandsTest, ActionsAreListed) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  EXPECT_THAT(Dragnet({"actions"}).out, HasSubstr("test action"));
  EXPECT_EQ(Dragnet({"actions", "--limit", "0"}).status, 2);
}

// ---- results

TEST_F(CommandsTest, ResultsOfAStoredAction) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  scheduler_->streams = {{RowEvent(1, "web1", {Row("/etc/passwd")}), EndEvent(Progress(1))}};
  const Outcome outcome = Dragnet({"results", "last", "-o", "jsonl"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("/etc/passwd"));
  EXPECT_THAT(scheduler_->watched_until_expired, IsEmpty());
  Dragnet({"results", "last", "--follow"});
  EXPECT_THAT(scheduler_->watched_until_expired, ElementsAre(true));
}

TEST_F(CommandsTest, HostsByState) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  v1::WatchEvent clean;
  clean.mutable_agent_state()->set_agent_id("id1");
  clean.mutable_agent_state()->set_agent_name("web1");
  clean.mutable_agent_state()->set_state(v1::DISPATCH_STATE_CLEAN);
  v1::WatchEvent incomplete;
  incomplete.mutable_agent_state()->set_agent_id("id2");
  incomplete.mutable_agent_state()->set_agent_name("web2");
  incomplete.mutable_agent_state()->set_state(v1::DISPATCH_STATE_INCOMPLETE);
  incomplete.mutable_agent_state()->set_detail("record 3 is missing");
  scheduler_->streams = {{clean, incomplete, EndEvent(Progress(0, 1, 1))}};
  const Outcome all = Dragnet({"results", "last", "--hosts", "all"});
  EXPECT_THAT(all.out, HasSubstr("web1"));
  EXPECT_THAT(all.out, HasSubstr("record 3 is missing"));
  EXPECT_THAT(Dragnet({"results", "last", "--hosts", "incomplete"}).out, Not(HasSubstr("web1")));
}

TEST_F(CommandsTest, FailedHostsAreThoseThatStopAnAction) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  std::vector<v1::WatchEvent> events;
  for (const auto& [name, termination] : {std::pair{"crashed", v1::TERMINATION_CRASHED},
                                          {"slow", v1::TERMINATION_WALL_TIME_LIMIT},
                                          {"full", v1::TERMINATION_ROW_LIMIT},
                                          {"by-order", v1::TERMINATION_CANCELLED}}) {
    v1::AgentState* state = events.emplace_back().mutable_agent_state();
    state->set_agent_id(StrCat("id-", name));
    state->set_agent_name(name);
    state->set_state(v1::DISPATCH_STATE_INCOMPLETE);
    state->add_summaries()->set_termination(termination);
  }
  events.push_back(EndEvent(Progress(0, 0, 4)));
  scheduler_->streams = {events};
  const Outcome failed = Dragnet({"results", "last", "--hosts", "failed"});
  EXPECT_EQ(failed.status, 3);
  EXPECT_THAT(failed.out, AllOf(HasSubstr("crashed"), HasSubstr("slow"), Not(HasSubstr("full")),
                                Not(HasSubstr("by-order"))));
}

TEST_F(CommandsTest, RowsThatDoNotMatchAreCountedAndRowsThatCannotBeJudgedAreSaid) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  scheduler_->streams = {
      {RowEvent(1, "web1", {Row("{}"), Row("[1]"), Row("/x")}), EndEvent(Progress(1))}};
  const Outcome some = Dragnet({"results", "last", "--where", "path = '{}'", "--columns", "path"});
  EXPECT_EQ(some.status, 0) << some.err;
  EXPECT_EQ(some.out, "AGENT  PATH\nweb1   {}\n");
  EXPECT_THAT(some.err, HasSubstr("1 of 3 rows shown"));
  const Outcome failing =
      Dragnet({"results", "last", "--where", "json_array_length(path) = 1", "-o", "jsonl"});
  EXPECT_EQ(failing.status, 3);
  EXPECT_THAT(failing.err,
              AllOf(HasSubstr("--where can't tell"), HasSubstr("1 rows were not shown"),
                    HasSubstr("1 of 3 rows shown")));
}

TEST_F(CommandsTest, AStackOfSomeRowsIsCountedHere) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  *scheduler_->actions[0].mutable_progress() = Progress(2);
  scheduler_->streams = {{RowEvent(1, "web1", {Row("/a"), Row("/a"), Row("/b")}),
                          RowEvent(2, "web2", {Row("/a"), Row("/c")}), EndEvent(Progress(2))}};
  const Outcome outcome =
      Dragnet({"results", "last", "--stack", "path", "--where", "path != '/c'", "-o", "jsonl"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "{\"rows\":3,\"agents\":2,\"path\":\"/a\"}\n"
            "{\"rows\":1,\"agents\":1,\"path\":\"/b\"}\n");
  EXPECT_THAT(outcome.err, HasSubstr("4 of 5 rows counted"));
  EXPECT_THAT(scheduler_->stacked, IsEmpty());
}

TEST_F(CommandsTest, ALostConnectionDoesNotCountRowsTwice) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  scheduler_->streams = {{RowEvent(1, "web1", {Row("/a")})},
                         {RowEvent(2, "web1", {Row("/b")}), EndEvent(Progress(1))}};
  const Outcome outcome =
      Dragnet({"results", "last", "--sql", "SELECT count(*) AS n FROM sample", "-o", "jsonl"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "{\"n\":2}\n");
  EXPECT_THAT(scheduler_->watched_after, ElementsAre(0, 1));
}

TEST_F(CommandsTest, StackedByColumns) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  *scheduler_->actions[0].mutable_progress() = Progress(1);
  for (const char* path : {"/etc/passwd", "=cmd()"}) {
    v1::StackResponse::Entry* entry = scheduler_->stack.add_entries();
    entry->set_row(Row(path).SerializeAsString());
    entry->set_rows(7);
    entry->set_agents(3);
  }
  scheduler_->stack.set_rows(20);
  scheduler_->stack.set_different(5);
  const Outcome table = Dragnet({"results", "last", "--stack", "path,hash", "--limit", "2"});
  EXPECT_EQ(table.status, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("ROWS  AGENTS  PATH"));
  EXPECT_THAT(table.out, HasSubstr("7     3       /etc/passwd"));
  EXPECT_THAT(table.err, HasSubstr("5 different values in 20 rows"));
  EXPECT_THAT(table.err, HasSubstr("3 more that are rarer are not shown, in 6 rows"));
  ASSERT_THAT(scheduler_->stacked, SizeIs(1));
  EXPECT_EQ(scheduler_->stacked[0].columns_size(), 2);
  EXPECT_EQ(scheduler_->stacked[0].columns(0).field_numbers(0), 1u);
  EXPECT_EQ(scheduler_->stacked[0].limit(), 2u);
  EXPECT_TRUE(scheduler_->stacked[0].most_frequent_first());

  const Outcome json = Dragnet({"results", "last", "--stack", "path", "--rarest", "-o", "jsonl"});
  EXPECT_THAT(json.out, HasSubstr("{\"rows\":7,\"agents\":3,\"path\":\"/etc/passwd\"}\n"));
  EXPECT_FALSE(scheduler_->stacked[1].most_frequent_first());
  EXPECT_THAT(Dragnet({"results", "last", "--stack", "path", "-o", "csv"}).out,
              HasSubstr("rows,agents,path\n7,3,/etc/passwd\n7,3,\"'=cmd()\"\n"));
}

TEST_F(CommandsTest, AStackSaysWhatItCouldNotRead) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  *scheduler_->actions[0].mutable_progress() = Progress(1);
  scheduler_->stack.set_unreadable(4);
  const Outcome outcome = Dragnet({"results", "last", "--stack", "path"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr("4 rows could not be read"));
}

TEST_F(CommandsTest, StacksThatMakeNoSenseAreRefusedByName) {
  v1::Action two = SampleAction();
  *two.add_operations() = two.operations(0);
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  const Outcome unknown = Dragnet({"results", "last", "--stack", "paths"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("no column \"paths\" (path?)"));
  EXPECT_THAT(unknown.err, HasSubstr("hash"));
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"--stack", "path", "--follow"},
                                             {"--stack", "path", "--hosts", "all"},
                                             {"--stack", "path", "--limit", "0"},
                                             {"--stack", "path", "--limit", "10001"},
                                             {"--stack", "path", "--operation", "1"},
                                             {"--stack", ""},
                                             {"--rarest"},
                                             {"--limit", "3"}}) {
    std::vector<std::string> args = {"results", "last"};
    args.insert(args.end(), more.begin(), more.end());
    EXPECT_EQ(Dragnet(args).status, 2) << more.back();
  }
  EXPECT_THAT(scheduler_->stacked, IsEmpty());
  scheduler_->actions = {StoredAction(two, {&fleet_.alice})};
  EXPECT_THAT(Dragnet({"results", "last", "--stack", "path"}).err, HasSubstr("0 sample, 1 sample"));
  Dragnet({"results", "last", "--stack", "path", "--operation", "1"});
  ASSERT_THAT(scheduler_->stacked, SizeIs(1));
  EXPECT_EQ(scheduler_->stacked[0].operation(), 1u);
}

// ---- enroll, trust

TEST_F(CommandsTest, TokenAloneIsOnStandardOutput) {
  const Outcome outcome = Dragnet(
      {"enroll", "token", "create", "--uses", "5", "--lifetime", "24h", "--tag", "env=prod"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "00c0ffee\n");
  ASSERT_THAT(scheduler_->tokens, SizeIs(1));
  EXPECT_EQ(scheduler_->tokens[0].uses(), 5u);
  EXPECT_EQ(scheduler_->tokens[0].lifetime().seconds(), 86400);
  EXPECT_EQ(scheduler_->tokens[0].tags().at("env"), "prod");
  EXPECT_EQ(Dragnet({"enroll", "token", "create", "--uses", "0"}).status, 2);
  EXPECT_EQ(Dragnet({"enroll", "token", "create", "--tag", "x"}).status, 2);
  EXPECT_EQ(Dragnet({"enroll"}).status, 2);
}

TEST_F(CommandsTest, ATokenSaysWhereHostsMayComeFromAndWhomTheyReplace) {
  const std::string id = "11111111-2222-4333-8444-555555555555";
  const Outcome outcome =
      Dragnet({"enroll", "token", "create", "--network", "10.0.0.0/8", "--network", "2001:db8::/32",
               "--approval", "--note", "rack 7", "--replaces", id});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "00c0ffee\n");
  EXPECT_THAT(outcome.err, HasSubstr("Token 0123456789abcdef, good for 1 host from 10.0.0.0/8 or "
                                     "2001:db8::/32"));
  EXPECT_THAT(outcome.err, HasSubstr(StrCat("Agent ", id, " is revoked when it is used")));
  EXPECT_THAT(outcome.err, HasSubstr("waits for dragnet enroll approve"));
  ASSERT_THAT(scheduler_->tokens, SizeIs(1));
  const v1::CreateEnrolmentTokenRequest& request = scheduler_->tokens[0];
  EXPECT_THAT(request.networks(), ElementsAre("10.0.0.0/8", "2001:db8::/32"));
  EXPECT_TRUE(request.needs_approval());
  EXPECT_EQ(request.note(), "rack 7");
  EXPECT_EQ(request.replaces_agent_id(), id);
  EXPECT_EQ(Dragnet({"enroll", "token", "create", "--replaces", id, "--uses", "2"}).status, 2);
  EXPECT_EQ(Dragnet({"enroll", "token"}).status, 2);
  EXPECT_EQ(Dragnet({"enroll", "token", "--uses", "2"}).status, 2);
}

TEST_F(CommandsTest, TokensAreListedAndRevokedByTheBeginningOfTheirId) {
  for (const char* id : {"aa00000000000001", "aa00000000000002", "bb00000000000003"}) {
    v1::EnrolmentToken& token = scheduler_->enrolment_tokens.emplace_back();
    token.set_token_id(id);
    token.set_created_by("ida\x1b[2J");
    token.set_uses(5);
    token.set_uses_left(2);
    token.add_networks("10.0.0.0/8");
  }
  Outcome outcome = Dragnet({"enroll", "token", "list"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("bb00000000000003"));
  EXPECT_THAT(outcome.out, HasSubstr("10.0.0.0/8"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(Dragnet({"enroll", "token", "list", "--all", "-o", "csv"}).out, HasSubstr("revoked"));
  EXPECT_THAT(Dragnet({"enroll", "token", "list", "-o", "jsonl"}).out,
              HasSubstr("\"tokenId\":\"aa00000000000001\""));
  outcome = Dragnet({"enroll", "token", "revoke", "aa"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("aa00000000000001, aa00000000000002"));
  EXPECT_EQ(Dragnet({"enroll", "token", "revoke", "cc"}).status, 2);
  // The token itself, by mistake.
  EXPECT_EQ(Dragnet({"enroll", "token", "revoke", std::string(64, 'a')}).status, 2);
  EXPECT_THAT(scheduler_->revoked_tokens, IsEmpty());
  outcome = Dragnet({"enroll", "token", "revoke", "bb"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("3 hosts have joined with it"));
  EXPECT_THAT(scheduler_->revoked_tokens, ElementsAre("bb00000000000003"));
}

TEST_F(CommandsTest, HostsThatWaitAreDecidedAboutByTheKeyThatWasShown) {
  for (const char* id :
       {"aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"}) {
    v1::EnrolmentRequest& request = scheduler_->enrolment_requests.emplace_back();
    request.set_agent_id(id);
    request.mutable_facts()->set_name(StrCat("web\x1b[2J-", std::string(1, id[35])));
    request.set_address("10.0.0.1");
    request.set_key_sha256(std::string(64, id[35]));
  }
  Outcome outcome = Dragnet({"enroll", "requests"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(std::string(64, '2')));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  outcome = Dragnet({"enroll", "approve", "aaaaaaaa", "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("2 hosts that wait match it"));
  EXPECT_EQ(Dragnet({"enroll", "approve", "bbbb", "--yes"}).status, 2);
  EXPECT_EQ(Dragnet({"enroll", "approve", "", "--yes"}).status, 2);
  EXPECT_THAT(scheduler_->decisions, IsEmpty());
  EXPECT_EQ(Dragnet({"enroll", "approve", "0001", "--yes"}).status, 0);
  EXPECT_EQ(Dragnet({"enroll", "deny", "aaaaaaaa-0000-4000-8000-000000000002", "-y"}).status, 0);
  ASSERT_THAT(scheduler_->decisions, SizeIs(2));
  EXPECT_TRUE(scheduler_->decisions[0].approve());
  EXPECT_EQ(scheduler_->decisions[0].key_sha256(), std::string(64, '1'));
  EXPECT_FALSE(scheduler_->decisions[1].approve());
  EXPECT_EQ(scheduler_->decisions[1].agent_id(), "aaaaaaaa-0000-4000-8000-000000000002");
  EXPECT_EQ(scheduler_->decisions[1].key_sha256(), std::string(64, '2'));
}

TEST_F(CommandsTest, WhatIsNotATokenIsNotPrinted) {
  for (const std::string& token : {std::string(), std::string("\x1b[2J"), std::string("00\n; rm"),
                                   std::string("00FF"), std::string(257, 'a')}) {
    scheduler_->token = token;
    for (const char* format : {"table", "json"}) {
      const Outcome outcome = Dragnet({"enroll", "token", "create", "-o", format});
      EXPECT_EQ(outcome.status, 2);
      EXPECT_EQ(outcome.out, "");
      EXPECT_THAT(outcome.err, HasSubstr("not a token"));
      EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
    }
  }
  scheduler_->token = std::string(256, 'a');
  EXPECT_EQ(Dragnet({"enroll", "token", "create"}).status, 0);
}

TEST_F(CommandsTest, TrustIsShown) {
  const Outcome outcome = Dragnet({"trust", "show"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("2 of 2 must sign"));
  EXPECT_THAT(outcome.out, HasSubstr("alice (investigator)"));
  EXPECT_THAT(outcome.out, HasSubstr("memory: weight 2 needed; alice 1, bob 1"));
  EXPECT_TRUE(Dragnet({"trust", "show", "-o", "json"}).out.starts_with("{\n  \"fleetId\""));
}

TEST_F(CommandsTest, OnlyASoundPolicyIsPublished) {
  v1::TrustPolicy held = fleet_.PolicyProto();
  held.mutable_investigators(0)->add_roles(v1::ROLE_OPERATOR);
  scheduler_->policy = fleet_.SignedPolicy(held);
  WriteFile("good", fleet_.SignedPolicy(fleet_.PolicyProto(2)), 0644);
  WriteFile(
      "bad",
      dragnet::testing::Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(2), {&fleet_.roots[0]}),
      0644);
  EXPECT_EQ(Dragnet({"trust", "publish", Path("bad"), "--yes"}).status, 2);
  EXPECT_EQ(Dragnet({"trust", "publish", Path("good")}, "n").status, 2);
  EXPECT_THAT(scheduler_->published, IsEmpty());
  EXPECT_EQ(Dragnet({"trust", "publish", Path("good"), "--yes"}).status, 0);
  EXPECT_THAT(scheduler_->published, SizeIs(1));
}

// ---- run

TEST_F(CommandsTest, RunTakesAnActionFromJson) {
  scheduler_->streams = {{EndEvent(Progress(0, 1))}};
  const std::string json = R"({"name": "n", "target": "os='linux'", "threat": {"level": "low"},
    "dispatch": {"agentsPerSecond": 5, "canaryPercent": 10, "agentLimit": "7",
                 "stopWhenFailedPercent": 20},
    "operations": [{"module": "sample", "parameters": {"path": ["/etc"], "offset": "-5"},
                    "limits": {"wallTime": "60s"}}]})";
  const Outcome outcome = Dragnet({"run", "-", "--yes"}, std::nullopt, json);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  ASSERT_THAT(scheduler_->launched, SizeIs(1));
  const v1::Action action =
      *ParseAction(ParseEnvelope(scheduler_->launched[0], kActionPayloadType)->payload());
  EXPECT_EQ(action.name(), "n");
  EXPECT_EQ(action.fleet_id(), fleet_.id);
  EXPECT_EQ(action.operations(0).limits().wall_time().seconds(), 60);
  EXPECT_EQ(action.dispatch().agents_per_second(), 5u);
  EXPECT_EQ(action.dispatch().canary_percent(), 10u);
  EXPECT_EQ(action.dispatch().agent_limit(), 7u);
  EXPECT_EQ(action.dispatch().stop_when_failed_percent(), 20u);
  testing::SampleParameters parameters;
  parameters.ParseFromString(action.operations(0).parameters());
  EXPECT_EQ(parameters.offset(), -5);
}

// ---- large values

TEST_F(CommandsTest, ALargeFileTravelsAsABlobThatIsBroughtOnce) {
  scheduler_->streams = {{EndEvent(Progress(0, 1))}};
  std::string list;
  for (int i = 0; i < 100'000; ++i) list += StrCat(i, "\n");
  ASSERT_TRUE(WriteNewFile(Path("list.txt"), list, 0600).ok());
  for (int time = 0; time < 2; ++time) {
    const Outcome outcome =
        Dragnet({"sample", "--path", "/etc", "--list", Path("list.txt"), "--yes"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    // What is signed is shown by its digest.
    EXPECT_THAT(outcome.err, HasSubstr(HexEncode(Sha256(list))));
  }
  ASSERT_THAT(scheduler_->launched, SizeIs(2));
  EXPECT_LT(scheduler_->launched[0].size(), 2000u);
  const v1::Action action =
      *ParseAction(ParseEnvelope(scheduler_->launched[0], kActionPayloadType)->payload());
  ASSERT_EQ(action.operations(0).blobs_size(), 1);
  EXPECT_EQ(action.operations(0).blobs(0).field(), "list");
  EXPECT_EQ(action.operations(0).blobs(0).sha256(), Sha256(list));
  // A second time would have appended.
  EXPECT_EQ(scheduler_->blobs[Sha256(list)], list);
}

TEST_F(CommandsTest, AFileThatCanNotBeReadIsNamedWithItsFlag) {
  const Outcome missing = Dragnet({"sample", "--path", "/", "--list", Path("nowhere"), "--yes"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.err, HasSubstr("--list"));
  EXPECT_THAT(missing.err, HasSubstr("nowhere"));
  ASSERT_TRUE(WriteNewFile(Path("binary"), "\xff\xfe", 0600).ok());
  const Outcome binary = Dragnet({"sample", "--path", "/", "--list", Path("binary"), "--yes"});
  EXPECT_EQ(binary.status, 2);
  EXPECT_THAT(binary.err, HasSubstr("not valid UTF-8"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(CommandsTest, RunRefusesWhatIsNotAnAction) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"operations": [{"module": "sample"}]})", "target: missing"},
      {R"({"target": "true"})", "operations"},
      {R"({"target": "true", "target": "false", "operations": [{"module": "sample"}]})",
       "key \"target\" comes twice"},
      {R"({"target": "true", "colour": 1, "operations": [{"module": "sample"}]})", "colour"},
      {R"({"target": "true", "operations": [{"module": "sample", "parameters": {"pth": 1}}]})",
       "operations[0]: parameters"},
      {R"({"target": "true", "operations": [{"module": "sample", "parameters": "AA=="}]})",
       "must be a JSON object"},
      {R"({"target": "true", "operations": [{"module": "sample",
          "parameters": {"searches": [{"name": ["("]}]}}]})",
       "misses a closing )"},
      {R"({"target": "true", "operations": [{"module": "nope"}]})", "module \"nope\""},
      {R"({"target": "true", "fleetId": "other-0123456789ab",
          "operations": [{"module": "sample"}]})",
       "fleet"},
      {R"({"target": "os=", "operations": [{"module": "sample"}]})", "target"},
      {R"({"target": "true", "expires": "2020-01-01T00:00:00Z",
          "operations": [{"module": "sample"}]})",
       "expires"},
      {R"({"target": "true", "dispatch": {"rate": 5}, "operations": [{"module": "sample"}]})",
       "rate"},
      {R"({"target": "true", "dispatch": {"canaryPercent": 51},
          "operations": [{"module": "sample"}]})",
       "canary_percent"},
      {R"({"target": "true", "recurrence": {"cron": "* * * * *"},
          "operations": [{"module": "sample"}]})",
       "recurrence"},
      {"[]", "not a JSON object"},
      {"{", "parse error"},
      {"", "parse error"},
  };
  for (const auto& [json, message] : cases) {
    const Outcome outcome = Dragnet({"run", "-", "--yes"}, std::nullopt, json);
    EXPECT_EQ(outcome.status, 2) << json;
    EXPECT_THAT(outcome.err, HasSubstr(message)) << json;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(CommandsTest, ShownAsJsonAnActionCanBeRunAgain) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  const std::string shown = Dragnet({"actions", "show", "last", "-o", "jsonl"}).out;
  const size_t begin = shown.find("{\"action\":") + 10;
  const std::string action = shown.substr(begin, shown.find(",\"signers\"") - begin);
  scheduler_->streams = {{EndEvent(Progress(0, 1))}};
  const Outcome outcome = Dragnet({"run", "-", "--yes"}, std::nullopt, action);
  EXPECT_EQ(outcome.status, 0) << outcome.err << action;
}

TEST_F(CommandsTest, ACursorThatIsNoneReachesNeitherTerminalNorFileAndEndsTheStream) {
  scheduler_->tail.resize(2);
  scheduler_->tail[0].set_cursor("00000000000000ff.1.0");
  for (const char* cursor : {"", "0", "now; \x1b[2J$(id)"}) {
    scheduler_->tail[1].set_cursor(cursor);
    const Outcome outcome =
        Dragnet({"tail", "--from", "oldest", "--stored", "--cursor-file", Path("cursor")});
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
    EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
    EXPECT_THAT(ReadFile(Path("cursor")).value_or(""), Not(HasSubstr("$")));
  }
}

}  // namespace
}  // namespace dragnet::console
