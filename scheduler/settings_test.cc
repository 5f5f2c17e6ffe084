#include "scheduler/settings.h"

#include <gmock/gmock.h>

#include <fstream>

#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

constexpr char kNeeded[] =
    "fleet_id = \"fleet-0123456789ab\"\n"
    "ca_certificate = \"ca.pem\"\nca_key = \"ca.key\"\n"
    "server_certificate = \"s.pem\"\nserver_key = \"s.key\"\n"
    "store = \"dragnet.db\"\nroot_keys = [\"root.pub\"]\n";

absl::StatusOr<Settings> Load(const std::string& more) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/scheduler.toml";
  std::ofstream(path) << kNeeded << more;
  return LoadSettings(path);
}

TEST(SettingsTest, Defaults) {
  const absl::StatusOr<Settings> settings = Load("");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->metrics_listen, "127.0.0.1:7480");
  EXPECT_EQ(settings->log_format, LogFormat::kText);
  EXPECT_EQ(settings->retention.age, absl::Hours(365 * 24));
  EXPECT_EQ(settings->retention.bytes, 0u);
  EXPECT_EQ(settings->retention.clock_hold, absl::Hours(24));
}

TEST(SettingsTest, RetentionCanBeSwitchedOff) {
  EXPECT_EQ(Load("retention_age = \"0s\"\n")->retention.age, absl::InfiniteDuration());
  EXPECT_EQ(Load("retention_bytes = 1000000000000\n")->retention.bytes, 1'000'000'000'000u);
  EXPECT_FALSE(Load("retention_bytes = -1\n").ok());
}

TEST(SettingsTest, MetricsForOthersMustBeAskedFor) {
  const absl::Status refused = Load("metrics_listen = \"0.0.0.0:7480\"\n").status();
  EXPECT_THAT(refused.ToString(), HasSubstr("metrics_allow_remote = true"));
  EXPECT_TRUE(Load("metrics_listen = \"0.0.0.0:7480\"\nmetrics_allow_remote = true\n").ok());
  EXPECT_EQ(Load("metrics_listen = \"\"\n")->metrics_listen, "");
}

TEST(SettingsTest, WordsOfTheLog) {
  EXPECT_EQ(Load("log_format = \"json\"\n")->log_format, LogFormat::kJson);
  EXPECT_EQ(Load("log_level = \"debug\"\n")->log_level, spdlog::level::debug);
  EXPECT_THAT(Load("log_format = \"yaml\"\n").status().ToString(), HasSubstr("log_format"));
  EXPECT_THAT(Load("log_level = \"loud\"\n").status().ToString(), HasSubstr("log_level"));
}

}  // namespace
}  // namespace dragnet::scheduler
