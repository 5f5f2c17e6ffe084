// The link's parts that need no process: reasons and delays.
#include "absl/time/time.h"
#include "agent/link/attempt_delays.h"
#include "agent/link/reason.h"
#include "agent/link/retry_delay.h"
#include "core/strings.h"
#include "core/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using testing::HasSubstr;
using testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

std::string Reason(absl::Status status, Attempt attempt = Attempt::kSession) {
  return PlainReason(attempt, "s.example:7443", status, kNow);
}

TEST(ReasonTest, NetworkTroubleIsSaidInPlainWords) {
  EXPECT_EQ(Reason(absl::UnavailableError(
                "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: "
                "Failed to connect to remote host: Connection refused")),
            "scheduler s.example:7443: connection refused; is the scheduler running there?");
  EXPECT_THAT(Reason(absl::UnavailableError("DNS resolution failed for s.example:7443")),
              HasSubstr("does not resolve"));
}

TEST(ReasonTest, WhereTheClockCouldBeOffItIsTold) {
  EXPECT_THAT(Reason(absl::UnavailableError("Ssl handshake failed: SSL_ERROR_SSL: x")),
              HasSubstr("2023-11-14T22:13:20Z"));
}

TEST(ReasonTest, WhatTheSchedulerSaysIsQuotedAndDefused) {
  std::string reason =
      Reason(absl::PermissionDeniedError("revoked\n\x1b[2J\xff" + std::string(100'000, 'x')));
  EXPECT_THAT(reason, HasSubstr("this host's certificate was refused (revoked?): revoked\\n"));
  EXPECT_THAT(reason, Not(HasSubstr("\x1b")));
  EXPECT_LE(reason.size(), 500u);
  EXPECT_TRUE(IsValidUtf8(reason));
}

TEST(ReasonTest, ItsWordsCanNotPassForOurs) {
  EXPECT_THAT(Reason(absl::InternalError("Connection refused")),
              HasSubstr("the session ended: Connection refused"));
}

TEST(ReasonTest, EnrolmentSaysWhatToDo) {
  EXPECT_THAT(Reason(absl::UnauthenticatedError("no"), Attempt::kEnrolment),
              HasSubstr("get a new one"));
  EXPECT_THAT(Reason(absl::AlreadyExistsError("no"), Attempt::kEnrolment),
              HasSubstr("another key holds this agent id"));
}

TEST(ReasonTest, EnrolmentThatWaitsForAnOperatorSaysSo) {
  const absl::Status waits = absl::UnavailableError("an operator has yet to let this host in");
  EXPECT_EQ(Reason(waits, Attempt::kEnrolment),
            "scheduler s.example:7443: an operator has yet to let this host in");
  EXPECT_TRUE(WaitsForOperator(waits));
  EXPECT_FALSE(WaitsForOperator(absl::UnavailableError("Connection refused")));
  EXPECT_FALSE(WaitsForOperator(absl::InternalError(waits.message())));
  EXPECT_THAT(Reason(absl::PermissionDeniedError("an operator decided"), Attempt::kEnrolment),
              HasSubstr("this host is not let in; it asks again in an hour or so"));
}

TEST(AttemptDelaysTest, AHostThatIsNotLetInAsksAgainLate) {
  for (uint32_t seed = 1; seed < 200; ++seed) {
    AttemptDelays delays(seed);
    const absl::Duration denied =
        delays.After(Attempt::kEnrolment, absl::PermissionDeniedError("no"));
    EXPECT_GE(denied, absl::Minutes(30));
    EXPECT_LE(denied, absl::Minutes(90));
    // A session that is refused is another matter, as is a scheduler that isn't there.
    EXPECT_LE(delays.After(Attempt::kSession, absl::PermissionDeniedError("no")), absl::Minutes(1));
    EXPECT_LE(delays.After(Attempt::kEnrolment, absl::UnavailableError("x")), absl::Minutes(1));
  }
}

TEST(AttemptDelaysTest, HostsThatWaitForAnOperatorAskSoonThenOnceAMinute) {
  const absl::Status waits = absl::UnavailableError("an operator has yet to let this host in");
  absl::Duration sum;
  constexpr int kHosts = 1000;
  for (uint32_t seed = 1; seed <= kHosts; ++seed) {
    AttemptDelays delays(seed * 7919);
    EXPECT_LE(delays.After(Attempt::kEnrolment, waits), absl::Seconds(1));
    for (int i = 0; i < 10; ++i) delays.After(Attempt::kEnrolment, waits);
    sum += delays.After(Attempt::kEnrolment, waits);
  }
  EXPECT_GT(sum / kHosts, absl::Seconds(50));
  EXPECT_LT(sum / kHosts, absl::Seconds(70));
}

TEST(RetryDelayTest, FirstRetryComesWithinASecondAndNoneLaterThanAMinute) {
  for (uint32_t seed = 1; seed < 200; ++seed) {
    RetryDelay delay(absl::Seconds(1), absl::Seconds(60), seed);
    EXPECT_LE(delay.Next(), absl::Seconds(1));
    absl::Duration longest;
    for (int i = 0; i < 50; ++i) longest = std::max(longest, delay.Next());
    EXPECT_LE(longest, absl::Seconds(60));
    EXPECT_GT(longest, absl::Seconds(20));
    delay.Reset();
    EXPECT_LE(delay.Next(), absl::Seconds(1));
  }
}

TEST(RetryDelayTest, AFleetDoesNotComeBackAsOne) {
  absl::Duration earliest = absl::InfiniteDuration();
  absl::Duration latest;
  for (uint32_t seed = 1; seed < 200; ++seed) {
    RetryDelay delay(absl::Seconds(1), absl::Seconds(60), seed * 7919);
    delay.Next();
    absl::Duration second = delay.Next();
    earliest = std::min(earliest, second);
    latest = std::max(latest, second);
  }
  EXPECT_LT(earliest, absl::Milliseconds(200));
  EXPECT_GT(latest, absl::Milliseconds(1800));
}

}  // namespace
}  // namespace dragnet
