#include "scheduler/settings.h"

#include <gmock/gmock.h>

#include <fstream>

#include "scheduler/settings_cluster.h"
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

// As a cluster's: with the lines that a single scheduler's has in kNeeded.
absl::StatusOr<Settings> LoadCluster(const std::string& store, const std::string& more) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/scheduler.toml";
  std::ofstream(path) << "fleet_id = \"fleet-0123456789ab\"\nca_certificate = \"ca.pem\"\n"
                         "server_certificate = \"s.pem\"\nserver_key = \"s.key\"\n"
                         "root_keys = [\"root.pub\"]\nstore = \""
                      << store << "\"\n"
                      << more;
  return LoadSettings(path);
}

constexpr char kDatabase[] =
    "postgresql://dragnet@db1.example.org,db2.example.org/dragnet?sslmode=verify-full"
    "&sslrootcert=/etc/dragnet/db-ca.pem&target_session_attrs=read-write";
constexpr char kBus[] =
    "bus = [\"nats://n1.example.org:4222\", \"nats://[2001:db8::1]:4222\"]\n"
    "bus_ca = \"bus-ca.pem\"\nbus_certificate = \"bus.pem\"\nbus_key = \"bus.key\"\n";

TEST(SettingsTest, AClusterNamesItsDatabaseAndItsBus) {
  const absl::StatusOr<Settings> settings =
      LoadCluster(kDatabase, std::string(kBus) +
                                 "scheduler_name = \"s2\"\nbus_replicas = 1\n"
                                 "bus_max_bytes = 1073741824\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_TRUE(settings->clustered());
  EXPECT_EQ(settings->store, kDatabase);
  EXPECT_EQ(settings->bus.size(), 2U);
  EXPECT_THAT(settings->bus_ca, HasSubstr("/bus-ca.pem"));
  EXPECT_EQ(settings->scheduler_name, "s2");
  EXPECT_EQ(settings->bus_replicas, 1);
  EXPECT_EQ(settings->bus_max_bytes, uint64_t{1} << 30);
  // Another one issues.
  EXPECT_EQ(settings->ca_key, "");
}

TEST(SettingsTest, ASchedulerAloneNeedsTheCaKeyAndHasANameAllTheSame) {
  EXPECT_THAT(LoadCluster("dragnet.db", "").status().ToString(), HasSubstr("ca_key: missing"));
  EXPECT_THAT(LoadCluster(kDatabase, "").status().ToString(), HasSubstr("ca_key: missing"));
  // On PostgreSQL, and alone.
  const absl::StatusOr<Settings> settings = LoadCluster(kDatabase, "ca_key = \"ca.key\"\n");
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_FALSE(settings->clustered());
  EXPECT_THAT(settings->scheduler_name, HasSubstr("-7443"));
  EXPECT_EQ(settings->bus_replicas, 3);
  EXPECT_EQ(settings->bus_max_bytes, uint64_t{4} << 30);
}

TEST(SettingsTest, ABusWithoutADatabaseForAllIsRefused) {
  const absl::Status refused =
      LoadCluster("dragnet.db", std::string(kBus) + "ca_key = \"ca.key\"\n").status();
  EXPECT_THAT(refused.ToString(), HasSubstr("scheduler.toml:7: bus: needs store"));
}

TEST(SettingsTest, APasswordInTheDatabasesUrlIsRefusedWhereverItStands) {
  for (const char* url : {
           "postgresql://dragnet:secret@db1/dragnet?sslmode=verify-full",
           "postgresql://db1/dragnet?sslmode=verify-full&password=secret",
           "postgresql://db1/dragnet?sslmode=verify-full&pass%77ord=secret",
           "postgres://dragnet:secret@%2Frun%2Fpostgresql/dragnet",
           "postgresql://db1/dragnet?sslmode=verify-full&sslpassword=secret",
       }) {
    const std::string words = LoadCluster(url, "").status().ToString();
    EXPECT_THAT(words, HasSubstr("scheduler.toml:6: store: has a ")) << url;
    EXPECT_THAT(words, HasSubstr("client certificate")) << url;
    EXPECT_THAT(words, ::testing::Not(HasSubstr("secret"))) << url;
  }
}

TEST(SettingsTest, ADatabaseIsASocketOrAServerThatIsVerified) {
  const auto words = [](const std::string& url) {
    return LoadCluster(url, "ca_key = \"ca.key\"\n").status().ToString();
  };
  for (const char* mode : {"", "?sslmode=require", "?sslmode=verify-ca", "?sslmode=disable"}) {
    EXPECT_THAT(words(std::string("postgresql://127.0.0.1/dragnet") + mode),
                HasSubstr("sslmode=verify-full"))
        << mode;
  }
  EXPECT_EQ(words("postgresql:///dragnet?host=/run/postgresql"), "OK");
  EXPECT_EQ(words("postgresql://%2Frun%2Fpostgresql/dragnet"), "OK");
  // One that is verified doesn't vouch for another.
  EXPECT_THAT(words("postgresql:///dragnet?host=/run/postgresql,db2&target_session_attrs=primary"),
              HasSubstr("sslmode=verify-full"));
  EXPECT_THAT(words("postgresql:///dragnet?sslmode=verify-full"), HasSubstr("name its hosts"));
  EXPECT_THAT(words("postgresql://db1,db2/dragnet?sslmode=verify-full"),
              HasSubstr("target_session_attrs=read-write"));
  EXPECT_THAT(words("postgresql://db1/dragnet?sslmode=verify-full&sslkey=db.key"),
              HasSubstr("sslkey: must be an absolute path"));
  EXPECT_THAT(words("postgresql://db1/dragnet?sslmode=verify-full&service=x"),
              HasSubstr("service"));
  // A socket that isn't one.
  EXPECT_THAT(words("postgresql://%2Frun%2Fpostgresql/dragnet?hostaddr=192.0.2.1"),
              HasSubstr("hostaddr"));
  EXPECT_THAT(words("postgresql://db1/dragnet?sslmode=verify-full&host%61ddr=192.0.2.1"),
              HasSubstr("hostaddr"));
  EXPECT_THAT(words("postgresql://db1/dragnet?sslmode=verify-full&gssencmode=prefer"),
              HasSubstr("gssencmode"));
  EXPECT_THAT(words("postgresql://db1:x:y/"), HasSubstr("scheduler.toml:6: store: "));
  EXPECT_THAT(words("mysql://db1/dragnet"), HasSubstr("begin with postgresql://"));
}

TEST(SettingsTest, ABusIsServersAndCertificates) {
  const auto words = [](const std::string& lines) {
    return LoadCluster(kDatabase, lines).status().ToString();
  };
  const std::string files =
      "bus_ca = \"ca.pem\"\nbus_certificate = \"b.pem\"\nbus_key = \"b.key\"\n";
  for (const char* server :
       {"n1:4222", "tls://n1:4222", "nats://n1", "nats://:4222", "nats://user:secret@n1:4222",
        "nats://n1:0", "nats://n1:65536", "nats://n1:4222/x", "nats://n1:x", "nats://n 1:4222"})
    EXPECT_THAT(words(std::string("bus = [\"") + server + "\"]\n" + files),
                HasSubstr("scheduler.toml:7: bus: must be a list of servers"))
        << server;
  EXPECT_THAT(words("bus = [\"nats://n1:4222\"]\nbus_ca = \"ca.pem\"\n"),
              HasSubstr("bus_certificate: missing"));
  EXPECT_THAT(words("ca_key = \"ca.key\"\nbus_ca = \"ca.pem\"\n"),
              HasSubstr("scheduler.toml:8: bus_ca: there is no bus"));
  EXPECT_THAT(words(std::string(kBus) + "bus_replicas = 2\n"), HasSubstr("must be 1 or 3"));
  EXPECT_THAT(words(std::string(kBus) + "bus_max_bytes = 1\n"), HasSubstr("bus_max_bytes"));
  for (const char* name : {"", "S1", "a b", "a_b", "s/1", "s2.example.org"})
    EXPECT_THAT(words(std::string(kBus) + "scheduler_name = \"" + name + "\"\n"),
                HasSubstr("scheduler_name: must be a-z"))
        << name;
}

TEST(SettingsTest, ANameIsMadeOfWhatTheMachineIsCalled) {
  EXPECT_EQ(DefaultSchedulerName("Web_1.Example.org", "0.0.0.0:7443"), "web-1-example-org-7443");
  EXPECT_EQ(DefaultSchedulerName(std::string(200, 'x'), "[::]:7443").size(), 63U);
}

}  // namespace
}  // namespace dragnet::scheduler
