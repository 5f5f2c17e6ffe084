#include "scheduler/init/joining.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/ca_bundle.h"
#include "core/certificate.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "scheduler/init/init.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kCluster[] =
    "store = \"postgresql://dragnet@db1/dragnet?sslmode=verify-full\"\n"
    "bus = [\"nats://n1:4222\", \"nats://n2:4222\"]\nbus_ca = \"/etc/bus-ca.pem\"\n"
    "bus_certificate = \"/etc/bus.pem\"\nbus_key = \"/etc/bus.key\"\n"
    "scheduler_name = \"s1\"\nretention_bytes = 1234567\n";

class JoiningTest : public ::testing::Test {
 protected:
  void SetUp() override {
    InitOptions options;
    options.directory = parent_.path() + "/fleet";
    options.investigator = "alice";
    options.root_keys = 2;
    ASSERT_TRUE(InitializeFleet(options, absl::Now()).ok());
    config_ = options.directory + "/scheduler.toml";
    alone_ = *LoadSettings(config_);
    std::string text = *ReadFile(config_);
    for (const char* key : {"store = ", "retention_bytes = "}) text.insert(text.find(key), "# ");
    ASSERT_TRUE(WriteFileAtomically(config_, text + kCluster, 0644).ok());
    const absl::StatusOr<Settings> settings = LoadSettings(config_);
    ASSERT_TRUE(settings.ok()) << settings.status();
    settings_ = *settings;
    options_.name = "s2";
    options_.hosts = {"s2.example.org", "192.0.2.7"};
    directory_ = parent_.path() + "/s2";
  }

  TemporaryDirectory parent_;
  std::string config_;
  Settings alone_;
  Settings settings_;
  JoiningOptions options_;
  std::string directory_;
};

TEST_F(JoiningTest, TheOtherOneHasAllButTheCasKey) {
  const absl::StatusOr<JoiningKit> kit = MakeJoiningKit(settings_, options_, absl::Now());
  ASSERT_TRUE(kit.ok()) << kit.status();
  ASSERT_TRUE(WriteJoiningKit(*kit, directory_).ok());
  EXPECT_EQ(WriteJoiningKit(*kit, directory_).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(kit->names, ::testing::IsSupersetOf({"localhost", "s2.example.org", "192.0.2.7"}));

  const absl::StatusOr<Settings> other = LoadSettings(directory_ + "/scheduler.toml");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->scheduler_name, "s2");
  EXPECT_EQ(other->ca_key, "");
  EXPECT_EQ(other->fleet_id, settings_.fleet_id);
  EXPECT_EQ(other->store, settings_.store);
  EXPECT_EQ(other->bus, settings_.bus);
  EXPECT_EQ(other->bus_certificate, settings_.bus_certificate);
  EXPECT_EQ(other->retention.bytes, 1234567u);
  EXPECT_EQ(other->retention.age, settings_.retention.age);
  EXPECT_EQ(other->heartbeat_interval, settings_.heartbeat_interval);
  EXPECT_EQ(other->root_keys.size(), 2u);
  EXPECT_EQ(*ReadFile(other->root_keys[1]), *ReadFile(settings_.root_keys[1]));
  EXPECT_EQ(*ReadFile(other->ca_certificate), *ReadFile(settings_.ca_certificate));
  EXPECT_THAT(*ReadFile(other->server_certificate),
              Not(::testing::Eq(*ReadFile(settings_.server_certificate))));

  const std::string secret = *ReadFile(settings_.ca_key);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(*ReadFile(entry.path().string()), Not(HasSubstr(secret))) << entry.path();
  }
  struct stat info = {};
  ASSERT_EQ(::stat(other->server_key.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(JoiningTest, OnlyWhereTheCasKeyIsAndForAClusterWithANewName) {
  const auto words = [&](const Settings& settings, const JoiningOptions& options) {
    return MakeJoiningKit(settings, options, absl::Now()).status().ToString();
  };
  EXPECT_THAT(words(alone_, options_), HasSubstr("first give it a bus"));
  Settings without = settings_;
  without.ca_key = "";
  EXPECT_THAT(words(without, options_), HasSubstr("on the host that has the key"));
  JoiningOptions same = options_;
  same.name = "s1";
  EXPECT_THAT(words(settings_, same), HasSubstr("--name s1"));
  JoiningOptions nowhere = options_;
  nowhere.hosts.clear();
  EXPECT_THAT(words(settings_, nowhere), HasSubstr("--host"));
}

}  // namespace
}  // namespace dragnet::scheduler
