#include "scheduler/observe/metrics_text.h"

#include <gmock/gmock.h>

#include "absl/status/status.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTextTest, FamiliesSamplesAndLabels) {
  MetricsText text;
  text.BeginGauge("dragnet_agents", "Agents by state.");
  text.Add(9007199254740, {{"state", "on\"li\\ne\n"}});
  text.Add(0.25, {{"state", "idle"}, {"other", "x"}});
  text.Counter("dragnet_x_total", "X.", 3);
  EXPECT_EQ(text.Take(),
            "# HELP dragnet_agents Agents by state.\n"
            "# TYPE dragnet_agents gauge\n"
            "dragnet_agents{state=\"on\\\"li\\\\ne\\n\"} 9007199254740\n"
            "dragnet_agents{state=\"idle\",other=\"x\"} 0.25\n"
            "# HELP dragnet_x_total X.\n"
            "# TYPE dragnet_x_total counter\n"
            "dragnet_x_total 3\n");
}

TEST(MetricsTextTest, HistogramsAddUp) {
  DurationHistogram durations;
  for (const double seconds : {0.0001, 0.0005, 0.004, 99.0}) durations.Add(seconds);
  MetricsText text;
  text.AddHistogram("t_seconds", "T.", durations);
  const std::string page = text.Take();
  EXPECT_THAT(page, HasSubstr("t_seconds_bucket{le=\"0.0005\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("t_seconds_bucket{le=\"0.005\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("t_seconds_bucket{le=\"10\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("t_seconds_bucket{le=\"+Inf\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("t_seconds_sum 99.0046\n"));
  EXPECT_THAT(page, HasSubstr("t_seconds_count 4\n"));
}

TEST(MetricsTextTest, ReasonsAreNamedAndOnlyThoseThatHappened) {
  Metrics metrics;
  metrics.sessions_refused.Add(absl::StatusCode::kUnauthenticated);
  metrics.refusals.Add(9999);
  MetricsText text;
  WriteCounters(metrics, &text);
  const std::string page = text.Take();
  EXPECT_THAT(page, HasSubstr("dragnet_sessions_refused_total{reason=\"unauthenticated\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("dragnet_agent_refusals_total{reason=\"unspecified\"} 1\n"));
  EXPECT_THAT(page, Not(HasSubstr("permission_denied")));
}

}  // namespace
}  // namespace dragnet::scheduler
