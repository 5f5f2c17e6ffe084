// Bytes that are no action, through the whole chain: scheduler, link, monitor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/time/clock.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "tests/harness/attacked_agent.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

class HostileBytesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  explicit HostileBytesTest(bool acknowledge = true)
      : host_(*fleet_, {.name = NextName()}, acknowledge),
        monitor_(host_.agent().process().pid()) {}

  static std::string NextName() {
    static int number = 0;
    return StrCat("host-", ++number);
  }

  std::string Valid() const {
    return fleet_->forge().Sign(fleet_->forge().NewAction(host_.bait()));
  }

  void ExpectMalformed(const std::string& envelope) {
    const v1::Refusal answer = host_.SendAction(envelope);
    EXPECT_EQ(answer.reason(), v1::Refusal::REASON_MALFORMED) << answer.detail();
  }

  // The link ended the session, said why, and came back; the monitor lives.
  void ExpectSessionEndsWith(const std::string& reason) {
    EXPECT_TRUE(host_.agent().process().WaitForOutput(reason)) << host_.agent().process().Output();
    EXPECT_TRUE(Eventually([&] { return host_.rogue().sessions() == 2; }));
  }

  // After all that, it does its work.
  void ExpectStillObeys() {
    EXPECT_TRUE(host_.agent().running());
    EXPECT_EQ(host_.agent().process().pid(), monitor_);
    const v1::Action action = fleet_->forge().NewAction(host_.bait());
    host_.rogue().SendAction(fleet_->forge().Sign(action));
    EXPECT_TRUE(host_.rogue()
                    .WaitFor([&](const v1::AgentMessage& message) {
                      return message.record().action_id() == action.id() &&
                             message.record().has_summary();
                    })
                    .has_value())
        << host_.agent().process().Output();
    EXPECT_EQ(host_.agent().WorkersStarted(), 1U);
  }

  static std::unique_ptr<TestFleet> fleet_;
  AttackedAgent host_;
  const pid_t monitor_;
};

std::unique_ptr<TestFleet> HostileBytesTest::fleet_;

// What was refused waits for the fleet's own scheduler.
class TruncatedBytesTest : public HostileBytesTest {
 protected:
  TruncatedBytesTest() : HostileBytesTest(/*acknowledge=*/false) {}
};

TEST_F(TruncatedBytesTest, TruncatedAnywhereIsMalformed) {
  const std::string whole = Valid();
  std::string last;
  for (size_t length = 1; length < whole.size(); length += 1 + whole.size() / 16) {
    last = whole.substr(0, length);
    const v1::Refusal answer = host_.SendAction(last);
    // A cut between two fields leaves an envelope without its signature.
    EXPECT_THAT(answer.reason(), ::testing::AnyOf(v1::Refusal::REASON_MALFORMED,
                                                  v1::Refusal::REASON_INSUFFICIENT_WEIGHT))
        << length;
  }
  host_.ExpectNothingRan();
  EXPECT_NE(host_.RefusalInSchedulersView(last).reason(), v1::Refusal::REASON_UNSPECIFIED);
}

TEST_F(HostileBytesTest, EmptyIsMalformed) {
  ExpectMalformed("");
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, RandomIsMalformed) {
  std::mt19937 random(20240203);
  for (int i = 0; i < 50; ++i) {
    std::string bytes(std::uniform_int_distribution<size_t>(1, 4000)(random), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    ExpectMalformed(bytes);
  }
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, DeeplyNestedIsMalformed) {
  // Start-group tags of field 15, thousands deep; then length-delimited ones.
  ExpectMalformed(std::string(500'000, '\x7b'));
  std::string nested;
  while (nested.size() < 3000) {
    std::string outer = "\x0a";
    size_t size = nested.size();
    for (; size >= 0x80; size >>= 7) outer.push_back(static_cast<char>(size | 0x80));
    outer.push_back(static_cast<char>(size));
    nested = outer + nested;
  }
  // As an action whose fields nest, validly signed: strictness must hold there, too.
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, nested);
  ASSERT_TRUE(AddSignature(fleet_->forge().investigator_key(), &envelope).ok());
  ExpectMalformed(envelope.SerializeAsString());
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, JustAtTheBoundIsReadAndRefused) {
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, std::string(1024 * 1024 - 200, 'x'));
  ASSERT_TRUE(AddSignature(fleet_->forge().investigator_key(), &envelope).ok());
  std::string bytes = envelope.SerializeAsString();
  ASSERT_LT(bytes.size(), kMaxEnvelopeBytes);
  bytes += std::string(kMaxEnvelopeBytes - bytes.size(), '\0');
  ExpectMalformed(bytes);
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, OversizedEndsTheSessionInTheLink) {
  host_.rogue().SendAction(std::string(kMaxEnvelopeBytes + 1, 'x'));
  ExpectSessionEndsWith("over 1 MiB");
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, FiveMegabytesEndTheSessionInGrpc) {
  host_.rogue().SendAction(std::string(5 << 20, 'x'));
  ExpectSessionEndsWith("not connected");
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, WhatIsNoMessageAtAllEndsTheSession) {
  host_.rogue().SendRaw("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff garbage");
  // The link reads no further; the session is over when its other end ends it.
  host_.rogue().EndSessions();
  ExpectSessionEndsWith("not connected");
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, SecondWelcomeEndsTheSession) {
  v1::SchedulerMessage message;
  message.mutable_welcome()->set_record_window(32);
  host_.rogue().Send(message);
  ExpectSessionEndsWith("not connected");
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, AcknowledgementsOfWhatWasNeverSentChangeNothing) {
  for (uint64_t i = 0; i < 100; ++i) {
    v1::SchedulerMessage message;
    message.mutable_acknowledged()->set_action_id(NewUuidV7(absl::Now()));
    message.mutable_acknowledged()->set_sequence(i);
    host_.rogue().Send(message);
  }
  v1::SchedulerMessage huge;
  huge.mutable_acknowledged()->set_sequence(~uint64_t{0});
  huge.mutable_acknowledged()->set_operation(~uint32_t{0});
  huge.mutable_acknowledged()->set_occurrence(-1);
  host_.rogue().Send(huge);
  ExpectStillObeys();
}

TEST_F(HostileBytesTest, FloodOfRefusedEnvelopesLeavesRoomForAnHonestOne) {
  for (int i = 0; i < 3000; ++i) host_.rogue().SendAction(StrCat("garbage ", i));
  ExpectStillObeys();
  host_.agent().Stop();
  // Bounded on disk, however many there were.
  EXPECT_LE(host_.agent().Spooled(), 1100);
}

// --- the other direction: what reaches the fleet's scheduler

class HostileLaunchTest : public HostileBytesTest {};

TEST_F(HostileLaunchTest, SchedulerRefusesWhatIsNoAction) {
  Api& api = fleet_->api();
  const std::string whole = Valid();
  EXPECT_EQ(api.Launch("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(api.Launch("garbage").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(api.Launch(whole.substr(0, whole.size() / 2)).ok());
  EXPECT_FALSE(api.Launch(std::string(kMaxEnvelopeBytes + 1, 'x')).ok());
  EXPECT_FALSE(api.Launch(std::string(5 << 20, 'x')).ok());
  EXPECT_EQ(api.Launch(std::string(500'000, '\x7b')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(api.Launch(whole).ok());
}

TEST_F(HostileLaunchTest, AgentsStreamOfGarbageEndsAndHurtsNoOneElse) {
  Agent& liar = fleet_->AddOnlineAgent({.name = "liar"});
  liar.Stop();
  const auto agent = fleet_->ApiAs(liar.Tls());
  std::mt19937 random(4711);
  for (int i = 0; i < 30; ++i) {
    std::string bytes(std::uniform_int_distribution<size_t>(1, 2000)(random), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_FALSE(agent->Call("/dragnet.v1.AgentGateway/Session", bytes).ok());
  }
  EXPECT_FALSE(agent->Call("/dragnet.v1.AgentGateway/Session", std::string(3 << 20, 'x')).ok());
  EXPECT_TRUE(fleet_->scheduler().running());
  EXPECT_TRUE(fleet_->api().SearchAgents("").ok());
}

}  // namespace
}  // namespace dragnet::testing
