#include "scheduler/init/install.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/file_io.h"
#include "scheduler/init/init.h"
#include "scheduler/settings.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kUser = 65321;

class InstallTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0u) << "needs root: it gives files to another user";
    ASSERT_EQ(::chmod(parent_.path().c_str(), 0755), 0);
    places_.config = parent_.path() + "/etc/dragnet/scheduler.toml";
    places_.state = parent_.path() + "/state";
    ASSERT_EQ(::mkdir(places_.state.c_str(), 0700), 0);
    ASSERT_EQ(::chown(places_.state.c_str(), kUser, kUser), 0);
    options_.directory = parent_.path() + "/fleet";
    options_.investigator = "alice";
    ASSERT_TRUE(InitializeFleet(options_, absl::Now()).ok());
  }

  TemporaryDirectory parent_;
  InstalledPlaces places_;
  InitOptions options_;
};

TEST_F(InstallTest, TheServiceFindsAllThatIsItsOwn) {
  ASSERT_TRUE(CheckInstallable(places_).ok());
  const absl::Status status = InstallScheduler(options_.directory, places_);
  ASSERT_TRUE(status.ok()) << status;

  const auto settings = LoadSettings(places_.config);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->store, places_.state + "/dragnet.db");
  const auto store = SqliteStore::Open(settings->store, StoreUse::kCommand);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->TrustPolicies()->size(), 1u);

  struct stat info;
  for (const char* name : {"ca.key", "server.key", "dragnet.db"}) {
    ASSERT_EQ(::stat((places_.state + "/" + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_uid, kUser) << name;
    EXPECT_EQ(info.st_mode & 077, 0u) << name;
  }
  ASSERT_EQ(::stat(places_.config.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_EQ(info.st_gid, kUser);
}

TEST_F(InstallTest, NoKeyOfTheSchedulerStaysInTheFleetsDirectory) {
  ASSERT_TRUE(InstallScheduler(options_.directory, places_).ok());
  EXPECT_FALSE(std::filesystem::exists(options_.directory + "/scheduler"));
  EXPECT_FALSE(std::filesystem::exists(options_.directory + "/scheduler.toml"));
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/root/root-1.key"));
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/investigator/console.toml"));
}

TEST_F(InstallTest, ASchedulerThatIsThereIsNotTouched) {
  ASSERT_TRUE(InstallScheduler(options_.directory, places_).ok());
  EXPECT_THAT(CheckInstallable(places_).message(), HasSubstr("has a scheduler already"));
  ASSERT_EQ(::unlink(places_.config.c_str()), 0);
  EXPECT_THAT(CheckInstallable(places_).message(), HasSubstr("is not empty"));
}

TEST_F(InstallTest, SaysThatThePackageIsMissing) {
  ASSERT_EQ(::rmdir(places_.state.c_str()), 0);
  EXPECT_THAT(CheckInstallable(places_).message(),
              HasSubstr("install the package dragnet-scheduler"));
}

// The scheduler's user owns the directory: a link in it must not lead root elsewhere.
TEST_F(InstallTest, ALinkOfTheUserLeadsNowhere) {
  const std::string victim = parent_.path() + "/victim";
  ASSERT_EQ(::symlink(victim.c_str(), (places_.state + "/ca.key").c_str()), 0);
  EXPECT_FALSE(InstallScheduler(options_.directory, places_).ok());
  EXPECT_FALSE(std::filesystem::exists(victim));
  EXPECT_FALSE(std::filesystem::exists(places_.config));
  // And nothing is lost.
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/scheduler/ca.key"));
}

// Whoever owns the directory above the fleet's may put anything in place of its parts.
TEST_F(InstallTest, WhatOthersPutInPlaceIsNotRead) {
  const std::string key = options_.directory + "/scheduler/ca.key";
  const std::string secret = parent_.path() + "/secret";
  ASSERT_TRUE(WriteNewFile(secret, "of root alone", 0600).ok());
  const auto refused = [&](const std::string& path) {
    const absl::Status status = InstallScheduler(options_.directory, places_);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr(path));
    EXPECT_TRUE(std::filesystem::is_empty(places_.state));
    EXPECT_FALSE(std::filesystem::exists(places_.config));
  };
  const std::string kept = parent_.path() + "/kept";
  ASSERT_EQ(::rename(key.c_str(), kept.c_str()), 0);
  // Would be given to the scheduler's user.
  ASSERT_EQ(::symlink(secret.c_str(), key.c_str()), 0);
  refused(key);
  ASSERT_EQ(::unlink(key.c_str()), 0);
  ASSERT_EQ(::link(secret.c_str(), key.c_str()), 0);
  refused(key);
  ASSERT_EQ(::unlink(key.c_str()), 0);
  // Would be waited for, for ever.
  ASSERT_EQ(::mkfifo(key.c_str(), 0600), 0);
  refused(key);
  ASSERT_EQ(::unlink(key.c_str()), 0);
  // A CA whose key somebody else has.
  ASSERT_TRUE(WriteNewFile(key, *ReadFile(kept), 0600).ok());
  ASSERT_EQ(::chown(key.c_str(), kUser, kUser), 0);
  refused(key);
  ASSERT_EQ(::unlink(key.c_str()), 0);
  ASSERT_EQ(::rename(kept.c_str(), key.c_str()), 0);
  // The whole of it elsewhere.
  const std::string moved = parent_.path() + "/moved";
  ASSERT_EQ(::rename(options_.directory.c_str(), moved.c_str()), 0);
  ASSERT_EQ(::symlink(moved.c_str(), options_.directory.c_str()), 0);
  refused(options_.directory);
  options_.directory += "/";
  refused("fleet");
  EXPECT_TRUE(std::filesystem::exists(moved + "/scheduler/ca.key"));
}

TEST_F(InstallTest, WithoutItsConfigurationNothingIsInstalledAndASecondTryWorks) {
  // What should become its directory is a file.
  const std::string etc = parent_.path() + "/etc";
  ASSERT_TRUE(WriteNewFile(etc, "", 0644).ok());
  EXPECT_FALSE(InstallScheduler(options_.directory, places_).ok());
  EXPECT_TRUE(std::filesystem::is_empty(places_.state));
  EXPECT_TRUE(std::filesystem::exists(options_.directory + "/scheduler/ca.key"));
  ASSERT_EQ(::unlink(etc.c_str()), 0);
  ASSERT_TRUE(CheckInstallable(places_).ok());
  const absl::Status status = InstallScheduler(options_.directory, places_);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace dragnet::scheduler
