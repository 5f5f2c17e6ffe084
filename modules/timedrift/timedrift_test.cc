#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <functional>
#include <thread>

#include "absl/time/clock.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"
#include "modules/timedrift/chrony.h"
#include "modules/timedrift/host_config.h"
#include "modules/timedrift/look.h"
#include "modules/timedrift/ntp.h"
#include "modules/timedrift/timedrift.pb.h"

namespace dragnet::timedrift {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Module& Timedrift() { return *FindModule("timedrift"); }

// Answers one packet on loopback with what `reply` makes of it.
class FakeServer {
 public:
  using Reply = std::function<std::vector<std::string>(const std::string& question)>;

  explicit FakeServer(Reply reply) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    endpoint_.length = sizeof(sockaddr_in);
    auto& address = reinterpret_cast<sockaddr_in&>(endpoint_.storage);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&endpoint_.storage);
    EXPECT_EQ(bind(fd_.get(), raw, endpoint_.length), 0);
    EXPECT_EQ(getsockname(fd_.get(), raw, &endpoint_.length), 0);
    thread_ = std::thread([this, reply = std::move(reply)] {
      char packet[1500];
      sockaddr_storage from;
      socklen_t length = sizeof from;
      const ssize_t size = recvfrom(fd_.get(), packet, sizeof packet, 0,
                                    reinterpret_cast<sockaddr*>(&from), &length);
      if (size <= 0) return;
      for (const std::string& answer : reply(std::string(packet, static_cast<size_t>(size))))
        sendto(fd_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from),
               length);
    });
  }
  ~FakeServer() { thread_.join(); }

  const ping::Endpoint& endpoint() const { return endpoint_; }
  std::string Name() const {
    const auto& address = reinterpret_cast<const sockaddr_in&>(endpoint_.storage);
    return StrCat("127.0.0.1:", ntohs(address.sin_port));
  }

 private:
  UniqueFd fd_;
  ping::Endpoint endpoint_;
  std::thread thread_;
};

void PutTime(std::string* packet, size_t at, uint64_t timestamp) {
  for (size_t i = 0; i < 8; ++i) (*packet)[at + i] = static_cast<char>(timestamp >> (56 - 8 * i));
}

// A good answer of a server whose clock is `ahead` of this one.
std::string GoodAnswer(const std::string& question, absl::Duration ahead) {
  std::string answer(48, '\0');
  answer[0] = 4 << 3 | 4;
  answer[1] = 2;
  answer[5] = 1;
  answer.replace(12, 4, "\x0a\x00\x00\x01", 4);
  answer.replace(24, 8, question.substr(40, 8));
  PutTime(&answer, 32, ToNtpTime(absl::Now() + ahead));
  PutTime(&answer, 40, ToNtpTime(absl::Now() + ahead));
  return answer;
}

v1::TimedriftRow AskOne(FakeServer::Reply reply) {
  const FakeServer server(std::move(reply));
  v1::TimedriftParameters parameters;
  parameters.add_servers(server.Name());
  parameters.set_no_daemons(true);
  parameters.set_timeout("10s");
  FakeRunContext context;
  EXPECT_TRUE(Timedrift().Run(parameters, context).ok());
  const auto rows = context.RowsAs<v1::TimedriftRow>();
  EXPECT_EQ(rows.size(), 1u);
  return rows.empty() ? v1::TimedriftRow() : rows.front();
}

TEST(TimedriftTest, AServerWithTheSameTimeIsWithin) {
  const auto row =
      AskOne([](const std::string& q) { return std::vector{GoodAnswer(q, absl::ZeroDuration())}; });
  EXPECT_EQ(row.status(), "ok") << row.error();
  EXPECT_EQ(row.verdict(), "within");
  EXPECT_EQ(row.stratum(), 2u);
  EXPECT_EQ(row.leap(), "none");
  EXPECT_EQ(row.reference_id(), "0a000001");
  EXPECT_TRUE(row.has_delay_ms());
}

TEST(TimedriftTest, AClockThatIsBehindHasAPositiveOffset) {
  const auto row =
      AskOne([](const std::string& q) { return std::vector{GoodAnswer(q, absl::Hours(1))}; });
  EXPECT_EQ(row.verdict(), "over");
  EXPECT_NEAR(row.offset_ms(), 3'600'000, 60'000);
}

TEST(TimedriftTest, AnAnswerToAnotherQuestionIsPassedOverForTheRealOne) {
  const auto row = AskOne([](const std::string& q) {
    std::string forged = GoodAnswer(q, absl::Hours(24));
    forged[24] = static_cast<char>(forged[24] ^ 1);
    return std::vector{forged, GoodAnswer(q, absl::ZeroDuration())};
  });
  EXPECT_EQ(row.verdict(), "within") << row.error();
}

TEST(TimedriftTest, AKissOfDeathIsNamed) {
  const auto row = AskOne([](const std::string& q) {
    std::string answer = GoodAnswer(q, absl::ZeroDuration());
    answer[1] = 0;
    answer.replace(12, 4, "RATE");
    return std::vector{answer};
  });
  EXPECT_EQ(row.status(), "kiss_of_death");
  EXPECT_EQ(row.error(), "RATE");
  EXPECT_EQ(row.verdict(), "unknown");
  EXPECT_FALSE(row.has_offset_ms());
}

TEST(TimedriftTest, AServerThatHasNoTimeItselfIsNotBelieved) {
  const auto row = AskOne([](const std::string& q) {
    std::string answer = GoodAnswer(q, absl::Hours(1));
    answer[0] = static_cast<char>(answer[0] | 0xc0);
    return std::vector{answer};
  });
  EXPECT_EQ(row.status(), "unsynchronized");
  EXPECT_EQ(row.leap(), "alarm");
  EXPECT_EQ(row.verdict(), "unknown");
}

TEST(TimedriftTest, NobodyThereIsRefused) {
  uint16_t port = 0;
  {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
  }
  v1::TimedriftParameters parameters;
  parameters.add_servers(StrCat("127.0.0.1:", port));
  parameters.set_no_daemons(true);
  FakeRunContext context;
  ASSERT_TRUE(Timedrift().Run(parameters, context).ok());
  ASSERT_EQ(context.rows.size(), 1u);
  EXPECT_EQ(context.RowsAs<v1::TimedriftRow>()[0].status(), "refused");
}

TEST(TimedriftTest, WithoutServersAndDaemonsThereIsTheLocalTime) {
  v1::TimedriftParameters parameters;
  parameters.set_no_daemons(true);
  FakeRunContext context;
  ASSERT_TRUE(Timedrift().Run(parameters, context).ok());
  ASSERT_EQ(context.rows.size(), 1u);
  EXPECT_EQ(context.RowsAs<v1::TimedriftRow>()[0].source(), "clock");
  EXPECT_TRUE(context.RowsAs<v1::TimedriftRow>()[0].has_local_time());
}

TEST(NtpTest, AnswersAreCheckedFieldByField) {
  const uint64_t nonce = 0x0102030405060708;
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  std::string good = GoodAnswer(MakeQuestion(nonce), absl::ZeroDuration());
  PutTime(&good, 32, ToNtpTime(now + absl::Milliseconds(30)));
  PutTime(&good, 40, ToNtpTime(now + absl::Milliseconds(40)));
  const auto read = [&](const std::string& packet) {
    return ReadAnswer(packet, nonce, now, absl::Milliseconds(50));
  };
  const NtpAnswer answer = read(good);
  ASSERT_EQ(answer.verdict, NtpAnswer::Verdict::kGood) << answer.reason;
  EXPECT_NEAR(absl::ToDoubleMilliseconds(answer.delay), 40, 0.001);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(answer.offset), 10, 0.001);
  const auto with = [&](size_t at, char value) {
    std::string packet = good;
    packet[at] = value;
    return read(packet).verdict;
  };
  EXPECT_EQ(read(good.substr(0, 47)).verdict, NtpAnswer::Verdict::kBad);
  EXPECT_EQ(read(MakeQuestion(nonce)).verdict, NtpAnswer::Verdict::kBad);
  EXPECT_EQ(with(0, 4 << 3 | 5), NtpAnswer::Verdict::kBad);
  EXPECT_EQ(with(0, 4), NtpAnswer::Verdict::kBad);
  EXPECT_EQ(with(31, 0), NtpAnswer::Verdict::kBad);
  EXPECT_EQ(with(1, 16), NtpAnswer::Verdict::kUnsynchronized);
  std::string backwards = good;
  PutTime(&backwards, 40, ToNtpTime(now));
  EXPECT_EQ(read(backwards).verdict, NtpAnswer::Verdict::kBad);
  std::string slower_than_the_exchange = good;
  PutTime(&slower_than_the_exchange, 40, ToNtpTime(now + absl::Seconds(2)));
  EXPECT_EQ(read(slower_than_the_exchange).verdict, NtpAnswer::Verdict::kBad);
  PutTime(&good, 40, 0);
  EXPECT_EQ(read(good).verdict, NtpAnswer::Verdict::kBad);
}

TEST(NtpTest, TimestampsGoOnAfter2036) {
  for (int64_t seconds :
       {0LL, 1'700'000'000LL, 2'085'978'495LL, 2'085'978'496LL, 4'000'000'000LL}) {
    const absl::Time time = absl::FromUnixSeconds(seconds) + absl::Milliseconds(500);
    for (absl::Duration off : {-absl::Hours(24 * 3650), absl::Hours(24 * 3650)})
      EXPECT_LT(absl::AbsDuration(FromNtpTime(ToNtpTime(time), time + off) - time),
                absl::Microseconds(1))
          << seconds;
  }
}

// As chronyd 4.3 answers: 0.0001 s behind, stratum 3, server 192.0.2.1.
std::string TrackingAnswer(const std::string& question) {
  std::string packet(kChronyTracking, '\0');
  packet[0] = 6;
  packet[1] = 2;
  packet[5] = 33;
  packet[7] = 5;
  packet.replace(16, 4, question.substr(8, 4));
  packet.replace(28, 4, "\xc0\x00\x02\x01", 4);
  packet.replace(32, 4, "\xc0\x00\x02\x01", 4);
  packet[49] = 1;
  packet[53] = 3;
  packet.replace(60, 4, "\x65\x53\xf1\x00", 4);
  // 2^-3: coefficient 2^22, exponent 0.
  packet.replace(68, 4, std::string("\x00\x40\x00\x00", 4));
  return packet;
}

TEST(ChronyTest, ItsTrackingReportIsARow) {
  const FakeServer server([](const std::string& q) { return std::vector{TrackingAnswer(q)}; });
  Plan plan;
  plan.max_drift = absl::Milliseconds(100);
  plan.timeout = absl::Seconds(10);
  const auto row = AskChrony(server.endpoint(), plan);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->status(), "ok") << row->error();
  EXPECT_EQ(row->server(), "192.0.2.1");
  EXPECT_EQ(row->stratum(), 3u);
  EXPECT_DOUBLE_EQ(row->offset_ms(), 125);
  EXPECT_EQ(row->verdict(), "over");
  EXPECT_EQ(row->last_sync().seconds(), 0x6553f100);
}

TEST(ChronyTest, OnlyTheAnswerToThisQuestionIsRead) {
  const std::string good = TrackingAnswer(MakeTrackingQuestion(7));
  EXPECT_TRUE(ReadTracking(good, 7));
  EXPECT_FALSE(ReadTracking(good, 8));
  EXPECT_FALSE(ReadTracking(good + " ", 7));
  for (size_t at : {0u, 1u, 5u, 7u, 9u, 55u, 57u}) {
    std::string bad = good;
    bad[at] = 9;
    EXPECT_FALSE(ReadTracking(bad, 7)) << at;
  }
}

TEST(TimesyncdTest, ItsMarksTellWhetherTheClockWasSynchronised) {
  std::string directory = testing::TempDir() + "/timedrift-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string run = directory + "/synchronized", state = directory + "/clock";
  EXPECT_FALSE(LookAtTimesyncd(run, state));
  const timespec times[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  UniqueFd(open(state.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)).Reset();
  ASSERT_EQ(utimensat(AT_FDCWD, state.c_str(), times, 0), 0);
  auto row = LookAtTimesyncd(run, state);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->status(), "unsynchronized");
  EXPECT_EQ(row->last_sync().seconds(), 1'700'000'000);
  UniqueFd(open(run.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644)).Reset();
  EXPECT_EQ(LookAtTimesyncd(run, state)->status(), "ok");
  unlink(run.c_str());
  unlink(state.c_str());
  rmdir(directory.c_str());
}

TEST(HostConfigTest, ServersAreReadFromTheFormsThatDaemonsHave) {
  EXPECT_THAT(
      ServersOfNtpConf("# server no\nserver a.example iburst\r\n  pool -4 b.example\nserver\n"
                       "driftfile /x\n"),
      ElementsAre("a.example", "b.example"));
  EXPECT_THAT(ServersOfTimesyncdConf("[Time]\n#NTP=no\nNTP = a b\nFallbackNTP=c\n"),
              ElementsAre("a", "b", "c"));
}

TEST(TimedriftParametersTest, WhatCannotRunIsRefusedByField) {
  const auto refusal = [](const v1::TimedriftParameters& parameters) {
    return std::string(Timedrift().Validate(parameters).message());
  };
  v1::TimedriftParameters parameters;
  EXPECT_EQ(refusal(parameters), "");
  parameters.set_max_drift("soon");
  EXPECT_THAT(refusal(parameters), HasSubstr("max_drift: 'soon'"));
  parameters.set_max_drift("0s");
  EXPECT_THAT(refusal(parameters), HasSubstr("max_drift"));
  parameters.set_max_drift("1s");
  parameters.set_timeout("-1s");
  EXPECT_THAT(refusal(parameters), HasSubstr("timeout"));
  parameters.set_timeout("1s");
  parameters.add_servers("a b");
  EXPECT_THAT(refusal(parameters), HasSubstr("servers[0] 'a b'"));
}

}  // namespace
}  // namespace dragnet::timedrift
