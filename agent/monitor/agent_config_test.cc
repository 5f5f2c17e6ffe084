#include "agent/monitor/agent_config.h"

#include <stdlib.h>
#include <sys/stat.h>
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
    std::filesystem::remove(directory_ + "/agent.toml");
    Write("agent.toml", StrCat("fleet_id = \"fleet-1\"\nschedulers = [\"host:7443\"]\n"
                               "ca_file = \"ca.pem\"\nroot_keys = [\"root.pub\"]\n",
                               settings, "\n[limits]\n", limits));
    if (::chmod((directory_ + "/agent.toml").c_str(), mode_) != 0) std::abort();
    return LoadAgentConfig(directory_ + "/agent.toml", directory_);
  }

  std::string directory_;
  mode_t mode_ = 0600;
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

TEST_F(AgentConfigTest, ANewVersionIsKeptAfterAMinuteUnlessItIsSaidOtherwise) {
  EXPECT_EQ(Load("")->confirm_time, absl::Minutes(1));
  EXPECT_EQ(Load("confirm_time = \"1s\"\n")->confirm_time, absl::Seconds(1));
  for (const char* wrong : {"0s", "2h", "soon"}) {
    const auto config = Load(StrCat("confirm_time = \"", wrong, "\"\n"));
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("confirm_time")) << wrong;
  }
}

// --- what the base reads before another version takes its place

TEST_F(AgentConfigTest, WhatTheBaseDoesntKnowDoesntKeepItFromStartingAnother) {
  const std::string path = directory_ + "/agent.toml";
  const std::string settings =
      "a_key_of_tomorrow = true\nworkers = \"many\"\nrelease_dir = \"releases\"\n"
      "trial_time = \"20s\"\nenrolment_token_file = \"token\"\n"
      "upgrade = \"package-manager\"\n";
  ASSERT_FALSE(Load(settings, "tomorrow = 1\n").ok());
  AgentConfig config = LoadLaunchConfig(path, directory_);
  EXPECT_EQ(config.state_directory, "/var/lib/dragnet");
  EXPECT_EQ(config.release_directory, directory_ + "/releases");
  EXPECT_EQ(config.enrolment_token_file, directory_ + "/token");
  EXPECT_EQ(config.program_directory, directory_);
  EXPECT_EQ(config.trial_time, absl::Seconds(20));
  EXPECT_EQ(config.upgrade, AgentConfig::Upgrade::kPackageManager);
  Write("agent.toml", "state_dir = \"/srv/agent\"\nupgrade = \"by-tomorrow\"\ntrial_time = 7\n");
  config = LoadLaunchConfig(path, directory_);
  EXPECT_EQ(config.state_directory, "/srv/agent");
  EXPECT_EQ(config.release_directory, "/srv/agent-releases");
  EXPECT_EQ(config.trial_time, absl::Minutes(5));
  EXPECT_EQ(config.upgrade, AgentConfig::Upgrade::kSelf);
  for (const char* broken : {"state_dir = ", "\xff\xff", ""}) {
    Write("agent.toml", broken);
    EXPECT_EQ(LoadLaunchConfig(path, directory_).release_directory, "/var/lib/dragnet-releases");
  }
  std::filesystem::remove(path);
  EXPECT_EQ(LoadLaunchConfig(path, directory_).release_directory, "/var/lib/dragnet-releases");
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

TEST_F(AgentConfigTest, ProxyIsLookedAtAndItsPasswordNotTold) {
  EXPECT_EQ(Load("proxy = \"http://u:p@proxy:3128\"\n")->proxy, "http://u:p@proxy:3128");
  const absl::Status wrong = Load("proxy = \"https://u:secret@proxy:3128\"\n").status();
  EXPECT_THAT(std::string(wrong.message()), ::testing::AllOf(HasSubstr("agent.toml: proxy: "),
                                                             ::testing::Not(HasSubstr("secret"))));
  EXPECT_FALSE(Load("proxy = \"http://u:p\\u000d\\u000aX: y@proxy:3128\"\n").ok());
}

// As root alone: whoever tries an agent out has no other users to keep it from.
TEST_F(AgentConfigTest, ThePasswordOfAProxyIsNoOtherUsers) {
  const std::string with_password = "proxy = \"http://u:secret@proxy:3128\"\n";
  for (const mode_t mode : {0644, 0640, 0604}) {
    mode_ = mode;
    const absl::Status status = Load(with_password).status();
    if (::geteuid() != 0) {
      EXPECT_TRUE(status.ok()) << status;
      continue;
    }
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                ::testing::AllOf(HasSubstr("chmod 600 " + directory_ + "/agent.toml"),
                                 ::testing::Not(HasSubstr("secret"))));
  }
  mode_ = 0600;
  EXPECT_TRUE(Load(with_password).ok());
  mode_ = 0644;
  EXPECT_TRUE(Load("proxy = \"http://proxy:3128\"\n").ok());
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
