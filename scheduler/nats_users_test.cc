// Schedulers with the rights that `bus users` prints, and no others.
#include "scheduler/nats_users.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "core/strings.h"
#include "scheduler/bus/bus_conformance.h"
#include "scheduler/bus/nats_bus.h"
#include "scheduler/testing/nats_server.h"

namespace dragnet::scheduler {
namespace {

constexpr char kFleet[] = "fleet-1";

// The users have passwords here, in the place of certificates.
std::string WithPasswords(std::string users) {
  absl::StrReplaceAll({{", permissions:", ", password: \"secret\", permissions:"}}, &users);
  return users;
}

class NatsUsersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<NatsServers>> servers =
        NatsServers::Start({.users = WithPasswords(NatsUsers(kFleet, {"s1", "s2"}, "owner"))});
    ASSERT_TRUE(servers.ok()) << servers.status();
    servers_ = *std::move(servers);
    const absl::Status prepared = PrepareNats(Options("s1", "owner"), 0);
    ASSERT_TRUE(prepared.ok()) << prepared;
  }

  NatsOptions Options(const std::string& scheduler, const std::string& user) const {
    NatsOptions options;
    options.url = absl::StrReplaceAll(servers_->url(), {{"//", StrCat("//", user, ":secret@")}});
    options.fleet_id = kFleet;
    options.scheduler = scheduler;
    options.max_record_bytes = 256 << 20;
    options.create_streams = false;
    return options;
  }
  std::unique_ptr<NatsBus> Connect(const std::string& scheduler) const {
    absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(Options(scheduler, scheduler));
    EXPECT_TRUE(bus.ok()) << bus.status();
    return bus.ok() ? *std::move(bus) : nullptr;
  }

  std::unique_ptr<NatsServers> servers_;
  MemoryWriter writer_;
};

TEST_F(NatsUsersTest, SchedulersCanDoAllTheirWork) {
  const std::unique_ptr<NatsBus> s1 = Connect("s1");
  const std::unique_ptr<NatsBus> s2 = Connect("s2");
  ASSERT_TRUE(s1 != nullptr && s2 != nullptr);
  s1->SetWriter(writer_);
  s2->SetWriter(writer_);
  s2->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});
  for (int agent = 0; agent < 20; ++agent)
    PublishUntilStored(*s1, TestRecord(AgentNumber(agent), 1));
  ASSERT_TRUE(writer_.WaitForRecords(20));
  // Some are stored and some are not: it has to ask for single messages.
  s2->ReadPartitions({});
  writer_.Hold(true);
  for (int agent = 0; agent < 20; ++agent)
    PublishUntilStored(*s1, TestRecord(AgentNumber(agent), 2));
  writer_.Hold(false);
  const absl::StatusOr<Bus::Backlog> backlog = s1->backlog();
  ASSERT_TRUE(backlog.ok()) << backlog.status();
  EXPECT_GT(backlog->messages, 0u);
  s2->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(writer_.WaitForRecords(40));
  const absl::Status forgotten = s1->ForgetRecords(writer_.Positions(s1->partitions()));
  EXPECT_TRUE(forgotten.ok()) << forgotten;
  EXPECT_TRUE(Eventually([&] { return s1->backlog()->messages == 0; }));

  std::atomic<int> heard = 0;
  s2->FollowNotices(
      0,
      [&](const v1::Notice&) {
        ++heard;
        return absl::OkStatus();
      },
      [] {});
  v1::Notice notice;
  notice.set_id(1);
  ASSERT_TRUE(s1->PublishNotice(notice).ok());
  EXPECT_TRUE(Eventually([&] { return heard == 1; }));
  EXPECT_EQ(*s1->LastNotice(), 1u);

  std::atomic<int> told = 0;
  s2->OnMessage([&](v1::PeerMessage message, Bus::Reply reply) {
    ++told;
    if (reply) reply(std::move(message));
  });
  v1::PeerMessage message;
  message.mutable_order_request()->set_sent_by("x");
  s1->Tell("", message);
  s1->Tell("s2", message);
  EXPECT_TRUE(Eventually([&] { return told == 2; }));
  const absl::StatusOr<v1::PeerMessage> answer = s1->Ask("s2", message, absl::Seconds(30));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->from(), "s2");
  EXPECT_EQ(writer_.Faults(), "");
}

// The library gives up then, and its subscriptions with it: what is left is to start anew.
TEST_F(NatsUsersTest, SchedulerThatTheBusTakesNoMoreIsTold) {
  std::atomic<int> closed = 0;
  NatsOptions options = Options("s1", "s1");
  options.on_closed = [&](const absl::Status& why) {
    EXPECT_TRUE(absl::IsUnavailable(why)) << why;
    ++closed;
  };
  const absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(options);
  ASSERT_TRUE(bus.ok()) << bus.status();
  ASSERT_TRUE(servers_->SetUsers(WithPasswords(NatsUsers(kFleet, {"s2"}, "owner"))).ok());
  ASSERT_TRUE(servers_->Restart(0).ok());
  EXPECT_TRUE(Eventually([&] { return closed == 1; }));
  EXPECT_FALSE((*bus)->state().ok());
}

TEST_F(NatsUsersTest, NoSchedulerHearsWhatIsAnsweredToAnother) {
  const std::unique_ptr<NatsBus> s1 = Connect("s1");
  const absl::StatusOr<std::unique_ptr<NatsConnection>> s2 =
      NatsConnection::Connect(Options("s2", "s2"));
  ASSERT_TRUE(s1 != nullptr && s2.ok()) << s2.status();
  std::atomic<int> overheard = 0;
  std::vector<std::unique_ptr<NatsSubscription>> spies;
  for (const char* subject : {">", "_INBOX.>", "_INBOX.fleet-1.s1.>", "_INBOX.fleet-1.*.>",
                              "dragnet.fleet-1.peer.s1", "dragnet.fleet-1.records.*"}) {
    auto spy = (*s2)->Subscribe(subject, [&](NatsMessage) { ++overheard; });
    if (spy.ok()) spies.push_back(*std::move(spy));
  }
  std::atomic<int> own = 0;
  auto subscribed = (*s2)->Subscribe((*s2)->NewInbox(), [&](NatsMessage) { ++own; });
  ASSERT_TRUE(subscribed.ok());
  ASSERT_TRUE((*s2)->Flush().ok());
  PublishUntilStored(*s1, TestRecord(AgentNumber(1), 1));
  ASSERT_TRUE(s1->LastNotice().ok());
  // What was sent to it before is there.
  ASSERT_TRUE((*s2)->Flush().ok());
  EXPECT_EQ(overheard, 0);
}

}  // namespace
}  // namespace dragnet::scheduler
