#include "scheduler/init/init.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/certificate.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/trust_policy.h"
#include "scheduler/settings.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class InitTest : public ::testing::Test {
 protected:
  InitTest() {
    options_.directory = parent_.path() + "/fleet";
    options_.name = "demo";
    options_.investigator = "alice";
  }
  std::string Path(const std::string& name) const { return options_.directory + "/" + name; }
  TrustPolicy PolicyOf(const InitResult& result) const {
    const auto store = SqliteStore::Open(Path("scheduler/dragnet.db"), StoreUse::kRun);
    return *TrustPolicy::FromOwnStorage((*store)->TrustPolicies()->at(0).envelope, result.fleet_id);
  }
  std::set<std::string> Entries() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(parent_.path()))
      names.insert(entry.path().filename());
    return names;
  }

  TemporaryDirectory parent_;
  InitOptions options_;
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

TEST_F(InitTest, MakesAFleetWhosePolicyItsRootKeysSigned) {
  options_.root_keys = 3;
  options_.root_threshold = 2;
  const auto result = InitializeFleet(options_, now_);
  ASSERT_TRUE(result.ok()) << result.status();
  const auto settings = LoadSettings(Path("scheduler.toml"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->fleet_id, result->fleet_id);
  ASSERT_EQ(settings->root_keys.size(), 3u);

  std::vector<PublicKey> roots;
  for (const std::string& path : settings->root_keys)
    roots.push_back(*PublicKey::FromPem(*ReadFile(path)));
  const auto store = SqliteStore::Open(settings->store, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto policies = (*store)->TrustPolicies();
  ASSERT_EQ(policies->size(), 1u);
  const auto policy = TrustPolicy::VerifyFirst(policies->at(0).envelope, *RootSet::Create(roots, 2),
                                               result->fleet_id);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->RolesOf("alice").size(), 3u);
  EXPECT_TRUE(policy->HasRuleFor("file"));
  EXPECT_TRUE(policy->CheckWeight("file", {"alice"}).ok());
  EXPECT_EQ(policy->expires(), now_ + absl::Hours(365 * 24));
}

TEST_F(InitTest, ReleaseKeysAreMadeOnDemandOnly) {
  ASSERT_TRUE(InitializeFleet(options_, now_).ok());
  EXPECT_FALSE(std::filesystem::exists(Path("root/release-1.key")));

  options_.directory = parent_.path() + "/other";
  options_.release_keys = 3;
  const auto result = InitializeFleet(options_, now_);
  ASSERT_TRUE(result.ok()) << result.status();
  const TrustPolicy policy = PolicyOf(*result);
  ASSERT_TRUE(policy.release_keys().has_value());
  EXPECT_EQ(policy.release_keys()->threshold(), 2u);
  std::set<std::string> ids;
  for (const PublicKey& key : policy.release_keys()->keys()) ids.insert(key.id());
  std::set<std::string> written;
  for (const char* name : {"root/release-1.key", "root/release-2.key", "root/release-3.key"})
    written.insert(PrivateKey::Load(Path(name))->public_key().id());
  EXPECT_EQ(ids, written);
}

TEST_F(InitTest, OneStolenReleaseKeyReleasesNothing) {
  const std::vector<std::pair<uint32_t, uint32_t>> keys_and_threshold = {
      {1, 1}, {2, 2}, {3, 2}, {4, 3}};
  for (const auto& [keys, threshold] : keys_and_threshold) {
    options_.directory = parent_.path() + "/fleet-" + std::to_string(keys);
    options_.release_keys = keys;
    const auto result = InitializeFleet(options_, now_);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(PolicyOf(*result).release_keys()->threshold(), threshold) << keys;
  }
}

// What it does can't be undone from afar: a fleet's only investigator loses a key, and
// the fleet with it.
TEST_F(InitTest, NobodyMayRetireHostsUnlessItIsAskedFor) {
  const auto result = InitializeFleet(options_, now_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(PolicyOf(*result).HasRuleFor("retire"));
  // Takes a release, too, that release keys or root keys have signed.
  EXPECT_TRUE(PolicyOf(*result).CheckWeight("upgrade", {"alice"}).ok());
  EXPECT_NE(NextSteps(options_, *result).find("Nobody may retire hosts yet"), std::string::npos);

  options_.directory = parent_.path() + "/other";
  options_.allow_retire = true;
  const auto other = InitializeFleet(options_, now_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE(PolicyOf(*other).CheckWeight("retire", {"alice"}).ok());
  EXPECT_EQ(NextSteps(options_, *other).find("retire"), std::string::npos);
}

TEST_F(InitTest, SecretsAreReadableByTheirOwnerOnly) {
  ASSERT_TRUE(InitializeFleet(options_, now_).ok());
  for (const char* name :
       {"scheduler/ca.key", "scheduler/server.key", "scheduler/dragnet.db", "root/root-1.key",
        "investigator/signing.key", "investigator/tls.key", "agent/enrolment.token"}) {
    struct stat info;
    ASSERT_EQ(::stat(Path(name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(InitTest, SchedulersPartHoldsNoKeyThatAnAgentWouldObey) {
  ASSERT_TRUE(InitializeFleet(options_, now_).ok());
  const std::string signing = PrivateKey::Load(Path("investigator/signing.key"))->public_key().id();
  const std::string root = PrivateKey::Load(Path("root/root-1.key"))->public_key().id();
  for (const auto& entry : std::filesystem::directory_iterator(Path("scheduler"))) {
    const auto key = PrivateKey::Load(entry.path());
    if (!key.ok()) continue;
    EXPECT_NE(key->public_key().id(), signing) << entry.path();
    EXPECT_NE(key->public_key().id(), root) << entry.path();
  }
}

TEST_F(InitTest, DirectoryThatIsNotEmptyIsLeftAlone) {
  std::filesystem::create_directory(options_.directory);
  std::ofstream(Path("mine")) << "mine";
  EXPECT_TRUE(absl::IsAlreadyExists(InitializeFleet(options_, now_).status()));
  EXPECT_EQ(*ReadFile(Path("mine")), "mine");
  EXPECT_EQ(Entries(), std::set<std::string>{"fleet"});
}

TEST_F(InitTest, EmptyDirectoryIsFilled) {
  std::filesystem::create_directory(options_.directory);
  EXPECT_TRUE(InitializeFleet(options_, now_).ok());
  EXPECT_TRUE(std::filesystem::exists(Path("scheduler.toml")));
}

TEST_F(InitTest, NothingIsLeftOfAnAttemptThatFails) {
  options_.hosts = {"not a host name"};
  EXPECT_TRUE(absl::IsInvalidArgument(InitializeFleet(options_, now_).status()));
  EXPECT_TRUE(Entries().empty());
}

TEST_F(InitTest, OptionsThatDoNotFitAreRefusedByName) {
  const auto refused = [&](auto change, std::string_view word) {
    InitOptions options = options_;
    change(&options);
    const absl::Status status = InitializeFleet(options, now_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_NE(status.ToString().find(word), std::string::npos) << status;
  };
  refused([](InitOptions* o) { o->investigator = "Not A Name"; }, "--investigator");
  refused([](InitOptions* o) { o->name = "../x"; }, "--name");
  refused([](InitOptions* o) { o->root_threshold = 2; }, "--root-threshold");
  refused([](InitOptions* o) { o->root_keys = 0; }, "--root-keys");
  refused([](InitOptions* o) { o->release_keys = 33; }, "--release-keys");
  refused([](InitOptions* o) { o->release_threshold = 1; }, "--release-threshold");
  refused(
      [](InitOptions* o) {
        o->release_keys = 2;
        o->release_threshold = 3;
      },
      "--release-threshold");
  refused([](InitOptions* o) { o->listen = "nowhere"; }, "--listen");
  refused([](InitOptions* o) { o->policy_lifetime = absl::Seconds(1); }, "--policy-lifetime");
  EXPECT_TRUE(Entries().empty());
}

TEST_F(InitTest, SettingsWithUnknownKeysAreRefused) {
  ASSERT_TRUE(InitializeFleet(options_, now_).ok());
  std::ofstream(Path("scheduler.toml"), std::ios::app) << "hartbeat_interval = \"30s\"\n";
  const absl::Status status = LoadSettings(Path("scheduler.toml")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.ToString().find("hartbeat_interval"), std::string::npos) << status;
}

}  // namespace
}  // namespace dragnet::scheduler
