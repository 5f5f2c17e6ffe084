#include "scheduler/auth/open_streams.h"

#include <gtest/gtest.h>

#include "scheduler/auth/log_sampler.h"

namespace dragnet::scheduler {
namespace {

class Stream : public OpenStream {
 public:
  void Close(const absl::Status&) override { ++closed; }
  void CutOffIfClosed() override {}
  void CutOff(const absl::Status&) override { ++cut_off; }
  bool established() const override { return said_hello; }
  bool said_hello = false;
  int closed = 0;
  int cut_off = 0;
};

class OpenStreamsTest : public testing::Test {
 protected:
  static Identity IdentityOf(Identity::Kind kind, const std::string& name) {
    Identity identity;
    identity.kind = kind;
    identity.name = name;
    identity.uri = "spiffe://test/" + name;
    identity.not_after = absl::InfiniteFuture();
    return identity;
  }
  std::shared_ptr<Stream> Add(const Identity& identity) {
    streams_.push_back(std::make_shared<Stream>());
    EXPECT_TRUE(open_.Add(identity, streams_.back()).ok());
    return streams_.back();
  }

  const Identity agent_ = IdentityOf(Identity::Kind::kAgent, "agent");
  OpenStreams open_;
  std::vector<std::shared_ptr<Stream>> streams_;
};

TEST_F(OpenStreamsTest, OfAnAgentsStreamsWithoutHelloTheOldestGoesForTheNewest) {
  const auto true_host = Add(agent_);
  true_host->said_hello = true;
  for (int i = 0; i < 200; ++i) Add(agent_);
  EXPECT_EQ(true_host->cut_off, 0);
  int left = 0;
  for (const auto& stream : streams_) left += stream->cut_off == 0;
  EXPECT_EQ(left, 1 + static_cast<int>(OpenStreams::kMaxBeforeHello));
  EXPECT_EQ(streams_.back()->cut_off, 0);
  EXPECT_EQ(streams_[1]->cut_off, 1);
  // Those that were cut off are no longer counted.
  EXPECT_EQ(open_.CloseAllOf(agent_.uri, absl::OkStatus()), static_cast<uint32_t>(left));
}

TEST_F(OpenStreamsTest, AnAgentThatSaysHelloEverywhereIsBoundedAndNotTurnedAway) {
  for (int i = 0; i < 200; ++i) Add(agent_)->said_hello = true;
  EXPECT_EQ(open_.CloseAllOf(agent_.uri, absl::OkStatus()), OpenStreams::kMaxPerIdentity);
  EXPECT_EQ(streams_.back()->cut_off, 0);
}

TEST_F(OpenStreamsTest, OneAgentsStreamsAreNotAnothers) {
  const auto other = Add(IdentityOf(Identity::Kind::kAgent, "other"));
  for (int i = 0; i < 200; ++i) Add(agent_);
  EXPECT_EQ(other->cut_off, 0);
}

TEST_F(OpenStreamsTest, AnInvestigatorIsTurnedAwayAboveItsBound) {
  const Identity alice = IdentityOf(Identity::Kind::kInvestigator, "alice");
  for (size_t i = 0; i < OpenStreams::kMaxPerIdentity; ++i) Add(alice);
  const auto surplus = std::make_shared<Stream>();
  EXPECT_TRUE(absl::IsResourceExhausted(open_.Add(alice, surplus)));
  for (const auto& stream : streams_) EXPECT_EQ(stream->cut_off, 0);
}

TEST(LogSamplerTest, SoManyASecondAndThenHowManyWereLeftOut) {
  LogSampler sampler(/*per_second=*/10);
  const absl::Time now = absl::FromUnixSeconds(1000);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sampler.Take(now), 0u);
  for (int i = 0; i < 500; ++i) EXPECT_FALSE(sampler.Take(now).has_value());
  EXPECT_EQ(sampler.Take(now + absl::Milliseconds(150)), 500u);
  EXPECT_FALSE(sampler.Take(now + absl::Milliseconds(151)).has_value());
}

}  // namespace
}  // namespace dragnet::scheduler
