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

TEST(SettingsTest, Exports) {
  const absl::StatusOr<Settings> settings = Load(
      "[[export]]\nname = \"siem\"\nkind = \"syslog\"\naddress = \"[2001:db8::1]:6514\"\n"
      "ca = \"siem-ca.pem\"\nfrom = \"oldest\"\n"
      "[[export]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"https://hook.example.org/x\"\n"
      "secret = \"hook.secret\"\nevents = \"changes\"\nformat = \"mig-compliance\"\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->exports.size(), 2U);
  EXPECT_FALSE(settings->exports[0].changes_only);
  EXPECT_EQ(settings->exports[0].format, ExportSettings::Format::kEcs);
  EXPECT_TRUE(settings->exports[1].changes_only);
  EXPECT_EQ(settings->exports[1].format, ExportSettings::Format::kMigCompliance);
  EXPECT_EQ(settings->exports[0].host, "2001:db8::1");
  EXPECT_EQ(settings->exports[0].port, "6514");
  EXPECT_TRUE(settings->exports[0].from_oldest);
  EXPECT_THAT(settings->exports[0].ca, HasSubstr("/siem-ca.pem"));
  EXPECT_EQ(settings->exports[1].url, "https://hook.example.org/x");
  EXPECT_FALSE(settings->exports[1].from_oldest);
}

TEST(SettingsTest, ExportsThatAreWrongAreNamedByLineAndKey) {
  const auto syslog = [](const std::string& lines) {
    return Load("[[export]]\nname = \"siem\"\nkind = \"syslog\"\n" + lines).status().ToString();
  };
  EXPECT_THAT(syslog("address = \"siem\"\n"), HasSubstr("scheduler.toml:11: export[0].address"));
  for (const char* address : {":6514", "siem:", "siem:0", "siem:65536", "a:b:1", "siem:x"})
    EXPECT_THAT(syslog(std::string("address = \"") + address + "\"\n"), HasSubstr("HOST:PORT"))
        << address;
  EXPECT_THAT(syslog(""), HasSubstr("scheduler.toml:8: export[0].address: missing"));
  EXPECT_THAT(syslog("address = \"a:1\"\nurl = \"https://x\"\n"),
              HasSubstr("export[0].url: unknown key"));
  EXPECT_THAT(syslog("address = \"a:1\"\nfrom = \"yesterday\"\n"), HasSubstr("export[0].from"));
  EXPECT_THAT(syslog("address = \"a:1\"\nevents = \"some\"\n"), HasSubstr("export[0].events"));
  EXPECT_THAT(syslog("address = \"a:1\"\nformat = \"xml\"\n"), HasSubstr("export[0].format"));
  EXPECT_THAT(syslog("address = \"a:1\"\nkey = \"k\"\n"), HasSubstr("go together"));
  EXPECT_THAT(syslog("address = \"a:1\"\n[[export]]\nname = \"siem\"\nkind = \"syslog\"\n"
                     "address = \"b:1\"\n"),
              HasSubstr("export[1].name: another export"));
  EXPECT_THAT(Load("[[export]]\nname = \"../x\"\nkind = \"syslog\"\naddress = \"a:1\"\n")
                  .status()
                  .ToString(),
              HasSubstr("export[0].name"));
  EXPECT_THAT(Load("[[export]]\nname = \"x\"\nkind = \"kafka\"\n").status().ToString(),
              HasSubstr("must be \"syslog\" or \"webhook\""));
}

TEST(SettingsTest, AWebhookIsHttpsOrLoopbackThatWasAllowed) {
  const auto ok = [](const std::string& url, bool allow = false) {
    return Load("[[export]]\nname = \"x\"\nkind = \"webhook\"\nsecret = \"s\"\nurl = \"" + url +
                "\"\n" + (allow ? "allow_plain_loopback = true\n" : ""))
        .ok();
  };
  EXPECT_TRUE(ok("https://hook.example.org"));
  EXPECT_TRUE(ok("https://hook.example.org:8443/a?b=c"));
  EXPECT_TRUE(ok("http://127.0.0.1:8080/x", true));
  EXPECT_TRUE(ok("http://[::1]/x", true));
  EXPECT_FALSE(ok("http://127.0.0.1:8080/x"));
  for (const char* url :
       {"http://hook.example.org", "http://127.0.0.1.example.org/", "http://127.0.0.1@example.org/",
        "http://127.0.0.1:80@example.org/", "https://", "https:///x", "https://user@host/",
        "https://host /", "ftp://host/", "file:///etc/passwd", "HTTPS://host/",
        "http://localhost/"})
    EXPECT_FALSE(ok(url, true)) << url;
}

}  // namespace
}  // namespace dragnet::scheduler
