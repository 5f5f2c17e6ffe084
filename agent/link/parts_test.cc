// The link's parts that need no process: reasons and delays.
#include "absl/time/time.h"
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
