#include "agent/monitor/agent_config.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/strings.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

class AgentConfigTest : public ::testing::Test {
 protected:
  AgentConfigTest() {
    char pattern[] = "/tmp/dragnet-config-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    Write("ca.pem", "certificate");
    Write("root.pub", testing::NewKey().public_key().ToPem());
  }
  ~AgentConfigTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_ + "/" + name) << content;
  }
  // With these lines besides those that it needs.
  absl::StatusOr<AgentConfig> Load(const std::string& settings, const std::string& limits = "") {
    Write("agent.toml", StrCat("fleet_id = \"fleet-1\"\nschedulers = [\"host:7443\"]\n"
                               "ca_file = \"ca.pem\"\nroot_keys = [\"root.pub\"]\n",
                               settings, "\n[limits]\n", limits));
    return LoadAgentConfig(directory_ + "/agent.toml", directory_);
  }

  std::string directory_;
};

TEST_F(AgentConfigTest, DefaultsAreGentle) {
  const auto config = Load("");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->limits.cpu_share_percent, 100u);
  EXPECT_GE(config->cpu_share_percent_total, 100u);
  EXPECT_LE(config->cpu_share_percent_total, std::max(100L, 50 * ::sysconf(_SC_NPROCESSORS_ONLN)));
  EXPECT_EQ(config->spool_bytes, uint64_t{256} << 20);
  EXPECT_FALSE(config->spool_min_free_bytes.has_value());
}

TEST_F(AgentConfigTest, WhatIsSetCountsAndOneOperationMayUseWhatItIsAllowed) {
  const auto config = Load("spool_bytes = 1048576\nspool_min_free_bytes = 0\n",
                           "cpu_share_percent = 6400\nmemory_bytes = 134217728\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->limits.cpu_share_percent, 6400u);
  EXPECT_GE(config->cpu_share_percent_total, 6400u);
  EXPECT_EQ(config->limits.memory_bytes, uint64_t{128} << 20);
  EXPECT_EQ(config->spool_bytes, uint64_t{1} << 20);
  EXPECT_EQ(config->spool_min_free_bytes, 0u);
  EXPECT_EQ(Load("", "cpu_share_percent_total = 30\n")->cpu_share_percent_total, 30u);
}

TEST_F(AgentConfigTest, ItsLimitsAreSaidInLinesForPeople) {
  const auto config = Load("privacy = true\n", "memory_bytes = 134217728\nworkers = 3\n");
  ASSERT_TRUE(config.ok()) << config.status();
  const std::vector<std::string> lines = LimitLines(*config);
  EXPECT_THAT(lines, ::testing::Contains(HasSubstr("privacy mode")));
  EXPECT_THAT(lines, ::testing::Contains("memory of one operation: 128 MiB"));
  EXPECT_THAT(lines, ::testing::Contains("operations at a time: 3"));
  EXPECT_LE(lines.size(), 32U);
  for (const std::string& line : lines) EXPECT_LE(line.size(), 200U) << line;
  EXPECT_THAT(LimitLines(*Load("")), ::testing::Not(::testing::Contains(HasSubstr("privacy"))));
}

TEST_F(AgentConfigTest, WhatIsOutOfRangeIsRefusedByName) {
  const std::pair<const char*, const char*> settings[] = {
      {"spool_bytes = 1048575\n", "spool_bytes"},
      {"spool_bytes = 1099511627777\n", "spool_bytes"},
      {"spool_min_free_bytes = -1\n", "spool_min_free_bytes"},
      {"spool_byte = 1048576\n", "spool_byte"}};
  for (const auto& [setting, key] : settings) {
    EXPECT_THAT(std::string(Load(setting).status().message()), HasSubstr(key)) << setting;
  }
  const std::pair<const char*, const char*> limits[] = {
      {"cpu_share_percent = 0\n", "limits.cpu_share_percent"},
      {"cpu_share_percent = 6401\n", "limits.cpu_share_percent"},
      {"cpu_share_percent_total = 0\n", "limits.cpu_share_percent_total"},
      {"workers = 17\n", "limits.workers"}};
  for (const auto& [limit, key] : limits) {
    EXPECT_THAT(std::string(Load("", limit).status().message()), HasSubstr(key)) << limit;
  }
}

}  // namespace
}  // namespace dragnet
