#include "console/package/site_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/monitor/agent_config.h"
#include "console/package/testing/site.h"
#include "console/package/testing/vendor.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using testing::TestSite;

// As the agent would on a host that has these files in /etc/dragnet.
absl::StatusOr<AgentConfig> AsTheAgent(const SiteConfig& site) {
  const testing::TemporaryDirectory host;
  auto files = SiteFiles(site, 0);
  if (!files.ok()) return files.status();
  for (const PackageFile& file : *files) {
    if (file.type == PackageFile::Type::kDirectory) {
      EXPECT_TRUE(MakeDirectories(host / file.path, file.mode).ok());
    } else {
      EXPECT_TRUE(WriteNewFile(host / file.path, file.content, file.mode).ok());
    }
  }
  return LoadAgentConfig(host / "etc/dragnet/agent.toml", "/usr/bin");
}

std::string Refusal(const SiteConfig& site) { return std::string(CheckSite(site).message()); }

TEST(SiteConfig, AgentReadsWhatWasAskedFor) {
  SiteConfig site = TestSite();
  site.schedulers = {"one.example.org:7443", "[2001:db8::1]:443"};
  site.tags = {{"env", "prod"}, {"a \"b\" \\", "ü = [x]"}};
  site.proxy = "http://user:pa\"ss@proxy.example.org:3128";
  site.upgrade_by_package_manager = true;
  site.release_group = "canary";
  site.settings = {"privacy = true", "limits.rows = 10", "limits.wall_time = \"1m\""};
  const auto config = AsTheAgent(site);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->fleet_id, site.fleet_id);
  EXPECT_EQ(config->schedulers, site.schedulers);
  EXPECT_EQ(config->ca_certificates, site.ca_certificates);
  EXPECT_EQ(config->root_keys.ToProto().SerializeAsString(),
            site.root_keys.ToProto().SerializeAsString());
  EXPECT_EQ(config->enrolment_token, site.token);
  EXPECT_EQ(config->tags, site.tags);
  EXPECT_EQ(config->proxy, site.proxy);
  EXPECT_EQ(config->upgrade, AgentConfig::Upgrade::kPackageManager);
  EXPECT_EQ(config->release_group, "canary");
  EXPECT_TRUE(config->privacy);
  EXPECT_EQ(config->limits.rows, 10u);
  EXPECT_EQ(config->limits.wall_time, absl::Minutes(1));
  EXPECT_EQ(config->state_directory, "/var/lib/dragnet");
}

TEST(SiteConfig, WhatIsntSaidIsTheAgentsDefault) {
  const auto config = AsTheAgent(TestSite());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->upgrade, AgentConfig::Upgrade::kSelf);
  EXPECT_TRUE(config->proxy.empty());
  EXPECT_TRUE(config->tags.empty());
}

TEST(SiteConfig, SettingThatIsTakenIsOneThatTheAgentTakes) {
  for (const SettingRule& rule : SettingRules()) {
    std::vector<std::string> values;
    switch (rule.kind) {
      case SettingRule::Kind::kBool:
        values = {"true", "false"};
        break;
      case SettingRule::Kind::kInteger:
        values = {StrCat(rule.minimum), StrCat(rule.maximum)};
        break;
      case SettingRule::Kind::kDuration:
        values = {StrCat("\"", rule.minimum, "s\""), StrCat("\"", rule.maximum, "s\"")};
        break;
      case SettingRule::Kind::kText:
        values = {"\"1234:1234\""};
        break;
    }
    for (const std::string& value : values) {
      SiteConfig site = TestSite();
      site.settings = {StrCat(rule.key, " = ", value)};
      const auto config = AsTheAgent(site);
      EXPECT_TRUE(config.ok()) << site.settings[0] << ": " << config.status();
    }
    if (rule.kind != SettingRule::Kind::kInteger) continue;
    SiteConfig site = TestSite();
    site.settings = {StrCat(rule.key, " = ", rule.maximum + 1)};
    EXPECT_FALSE(CheckSite(site).ok()) << site.settings[0];
  }
}

TEST(SiteConfig, SettingCantBringInWhatAFlagOrThePackageDecides) {
  for (const char* setting :
       {"fleet_id = \"other\"", "root_threshold = 1", "state_dir = \"/tmp\"", "name = \"x\"",
        "program_dir = \"/tmp\"", "release_dir = \"/tmp\"", "upgrade = \"self\"", "no_such = 1",
        "privacy = \"yes\"", "privacy = true\nroot_threshold = 1", "[tags]", "# privacy = true", "",
        "privacy", "limits = { rows = 1, no_such = 2 }", "tags = { a = \"b\" }"}) {
    SiteConfig site = TestSite();
    site.settings = {setting};
    EXPECT_FALSE(CheckSite(site).ok()) << setting;
  }
  SiteConfig site = TestSite();
  site.settings = {"privacy = true", "privacy = false"};
  EXPECT_THAT(Refusal(site), HasSubstr("what would be written"));
}

TEST(SiteConfig, AddressesThatAreNoneAreRefused) {
  for (const char* address :
       {"host", "host:", ":7443", "host:0", "host:65536", "ho st:7443", "host:7443\"", "http://h:1",
        "2001:db8::1:7443", "-h:1", "h\n:1", "host:+1"}) {
    EXPECT_FALSE(CheckScheduler(address).ok()) << address;
  }
  for (const char* address : {"h:1", "10.0.0.1:7443", "a-b.example.org:65535", "[::1]:7443"})
    EXPECT_TRUE(CheckScheduler(address).ok()) << address;
  EXPECT_TRUE(IsLoopback("localhost:7443"));
  EXPECT_TRUE(IsLoopback("127.0.0.1:7443"));
  EXPECT_TRUE(IsLoopback("[::1]:7443"));
  EXPECT_FALSE(IsLoopback("localhost.example.org:7443"));
  SiteConfig site = TestSite();
  site.schedulers.clear();
  EXPECT_THAT(Refusal(site), HasSubstr("--scheduler"));
}

TEST(SiteConfig, ProxyIsCheckedAndItsPasswordIsInNoError) {
  for (const char* proxy :
       {"https://user:hunter2@proxy:1", "http://user:hunter2@proxy", "http://user:hunter2@:1",
        "http://user:hun ter2@proxy:1", "http://@proxy:1", "proxy:3128"}) {
    SiteConfig site = TestSite();
    site.proxy = proxy;
    EXPECT_THAT(Refusal(site), HasSubstr("--proxy")) << proxy;
    EXPECT_THAT(Refusal(site), ::testing::Not(HasSubstr("hun"))) << proxy;
  }
}

TEST(SiteConfig, SecretsAreForRootAlone) {
  SiteConfig site = TestSite();
  const auto mode = [&](std::string_view path) {
    const auto files = SiteFiles(site, 0);
    EXPECT_TRUE(files.ok()) << files.status();
    for (const PackageFile& file : *files)
      if (file.path == path) return file.mode;
    return mode_t{0};
  };
  EXPECT_EQ(mode(kTokenPath), 0600u);
  EXPECT_EQ(mode("etc/dragnet/agent.toml"), 0644u);
  EXPECT_EQ(mode("etc/dragnet/root-2.pub"), 0644u);
  site.proxy = "http://proxy:1";
  EXPECT_EQ(mode("etc/dragnet/agent.toml"), 0644u);
  site.proxy = "http://user:secret@proxy:1";
  EXPECT_EQ(mode("etc/dragnet/agent.toml"), 0600u);
}

TEST(SiteConfig, PrivateKeyBesideTheCaCertificateIsRefused) {
  SiteConfig site = TestSite();
  site.ca_certificates += "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n";
  EXPECT_THAT(Refusal(site), HasSubstr("private key"));
}

TEST(SiteConfig, TokenThatIsNoneIsRefusedAndNotShown) {
  for (const char* token : {"", "secret-word", "00FF", "00ff\n", "00ff 00ff"}) {
    SiteConfig site = TestSite();
    site.token = token;
    EXPECT_THAT(Refusal(site), HasSubstr("enrolment token")) << token;
    EXPECT_THAT(Refusal(site), ::testing::Not(HasSubstr("secret-word")));
  }
}

TEST(SiteConfig, TagsThatCantBeShownAreRefused) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"", "x"},
                                                        {"a\nb", "x"},
                                                        {"a", "x\x1b[2J"},
                                                        {"a", "\xff"},
                                                        {"a", std::string(300, 'x')}}) {
    SiteConfig site = TestSite();
    site.tags = {{key, value}};
    EXPECT_THAT(Refusal(site), HasSubstr("--agent-tag")) << key;
  }
}

TEST(SiteConfig, TomlStringHoldsAnyText) {
  EXPECT_EQ(TomlString("a\"b\\c\nd\x01"), "\"a\\\"b\\\\c\\u000Ad\\u0001\"");
}

}  // namespace
}  // namespace dragnet::console
