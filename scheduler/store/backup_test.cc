#include "scheduler/store/backup.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/strings.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(SqliteStore::Create(path_).ok()); }

  static void AddPolicy(Store& store, uint64_t version, size_t bytes = 1) {
    ASSERT_TRUE(
        store.AddTrustPolicy({.version = version, .envelope = std::string(bytes, 'p')}).ok());
  }
  static size_t Policies(const std::string& path) {
    const auto store = SqliteStore::Open(path, StoreUse::kCommand);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? (*store)->TrustPolicies()->size() : 0;
  }
  static void Damage(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    for (int page = 2; page < 9; ++page) {
      file.seekp(page * 4096);
      file << std::string(4096, '\x5a');
    }
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/test.db";
  const std::string file_ = directory_.path() + "/copy.db";
};

TEST_F(BackupTest, IsOneMomentOfAStoreThatGoesOnChanging) {
  const auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok());
  // Large enough for several steps.
  for (uint64_t version = 1; version <= 12; ++version) AddPolicy(**store, version, 1'000'000);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> added = 12;
  std::thread writer([&] {
    while (!stop) {
      AddPolicy(**store, added + 1, 1000);
      ++added;
    }
  });
  const absl::StatusOr<BackupResult> result = BackUp(path_, file_);
  stop = true;
  writer.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->bytes, 12'000'000u);
  const size_t policies = Policies(file_);
  EXPECT_GE(policies, 12u);
  EXPECT_LE(policies, added);
  struct stat info;
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(BackupTest, LeavesNothingElseBehind) {
  ASSERT_TRUE(BackUp(path_, file_).ok());
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path()))
    EXPECT_THAT(entry.path().filename().string(),
                ::testing::AnyOf("copy.db", StartsWith("test.db")));
}

TEST_F(BackupTest, OverwritesNothing) {
  std::ofstream(file_) << "mine";
  EXPECT_TRUE(absl::IsAlreadyExists(BackUp(path_, file_).status()));
}

TEST_F(BackupTest, DamagedStoreGivesNoBackup) {
  Damage(path_);
  EXPECT_TRUE(absl::IsDataLoss(BackUp(path_, file_).status())) << BackUp(path_, file_).status();
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(BackupTest, BlobsComeAlong) {
  const std::string name(64, 'a');
  std::filesystem::create_directory(path_ + ".blobs");
  std::ofstream(path_ + ".blobs/" + name) << "rules";
  std::ofstream(path_ + ".blobs/" + name + ".part") << "half";
  const absl::StatusOr<BackupResult> result = BackUp(path_, file_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->blobs, 1u);
  std::filesystem::remove_all(path_ + ".blobs");
  std::filesystem::remove(path_);
  ASSERT_TRUE(Restore(file_, path_, {}, kNow).ok());
  std::string content;
  std::getline(std::ifstream(path_ + ".blobs/" + name), content);
  EXPECT_EQ(content, "rules");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".blobs/" + name + ".part"));
}

TEST_F(BackupTest, RestoreKeepsTheFormerStoreAside) {
  {
    const auto store = SqliteStore::Open(path_, StoreUse::kRun);
    AddPolicy(**store, 1);
    ASSERT_TRUE(BackUp(path_, file_).ok());
    AddPolicy(**store, 2);
    EXPECT_TRUE(absl::IsUnavailable(Restore(file_, path_, {.replace = true}, kNow).status()));
  }
  EXPECT_TRUE(absl::IsAlreadyExists(Restore(file_, path_, {}, kNow).status()));
  EXPECT_EQ(Policies(path_), 2u);
  const absl::StatusOr<RestoreResult> result = Restore(file_, path_, {.replace = true}, kNow);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Policies(path_), 1u);
  EXPECT_THAT(result->kept_aside, HasSubstr("test.db.replaced-20270115T"));
  EXPECT_EQ(Policies(result->kept_aside), 2u);
  EXPECT_EQ(Policies(file_), 1u);
}

// A log that no one closed must not be applied to another database.
TEST_F(BackupTest, LogOfTheFormerStoreGoesAsideWithIt) {
  ASSERT_TRUE(BackUp(path_, file_).ok());
  std::string log;
  {
    const auto store = SqliteStore::Open(path_, StoreUse::kRun);
    AddPolicy(**store, 1);
    std::filesystem::copy_file(path_ + "-wal", path_ + ".saved");
  }
  std::filesystem::rename(path_ + ".saved", path_ + "-wal");
  const absl::StatusOr<RestoreResult> result = Restore(file_, path_, {.replace = true}, kNow);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Policies(path_), 0u);
  EXPECT_TRUE(std::filesystem::exists(result->kept_aside + "-wal"));
}

TEST_F(BackupTest, OneThatCanNotKeepTheLogAsideLeavesTheStoreAsItWas) {
  ASSERT_TRUE(BackUp(path_, file_).ok());
  {
    const auto store = SqliteStore::Open(path_, StoreUse::kRun);
    AddPolicy(**store, 1);
    std::filesystem::copy_file(path_ + "-wal", path_ + ".saved");
  }
  std::filesystem::rename(path_ + ".saved", path_ + "-wal");
  // A directory that isn't empty, where the log would go.
  std::filesystem::create_directories(
      path_ + absl::FormatTime(".replaced-%Y%m%dT%H%M%SZ-wal/full", kNow, absl::UTCTimeZone()));
  EXPECT_FALSE(Restore(file_, path_, {.replace = true}, kNow).ok());
  EXPECT_EQ(Policies(path_), 1u);
}

// Root's commands in a directory of the scheduler's user, who is hostile.
class BackupByRootTest : public BackupTest {
 protected:
  static constexpr uid_t kUser = 64123;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0711), 0);
    for (const std::string& directory : {fleet_, backups_}) Make(directory, 0700, kUser);
    Make(roots_, 0700, 0);
    ASSERT_TRUE(SqliteStore::Create(store_).ok());
    Make(store_ + ".blobs", 0700, kUser);
    std::ofstream(blob_) << "rules";
    for (const std::string& path : {store_, blob_})
      ASSERT_EQ(::chown(path.c_str(), kUser, kUser), 0);
  }

  static void Make(const std::string& directory, mode_t mode, uid_t user) {
    ASSERT_EQ(::mkdir(directory.c_str(), mode), 0);
    ASSERT_EQ(::chown(directory.c_str(), user, user), 0);
  }
  static uid_t OwnerOf(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info.st_uid;
  }

  const std::string fleet_ = directory_.path() + "/fleet";
  const std::string backups_ = directory_.path() + "/backups";
  const std::string roots_ = directory_.path() + "/roots";
  const std::string store_ = fleet_ + "/dragnet.db";
  const std::string blob_ = store_ + ".blobs/" + std::string(64, 'a');
};

TEST_F(BackupByRootTest, EverythingStaysAndBecomesTheUsers) {
  const std::string file = backups_ + "/copy.db";
  const absl::StatusOr<BackupResult> backup = BackUp(store_, file);
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(::geteuid(), 0u);
  EXPECT_EQ(backup->blobs, 1u);
  EXPECT_EQ(OwnerOf(file), kUser);
  EXPECT_EQ(OwnerOf(blob_), kUser);
  // A backup that was kept elsewhere, and brought back by root.
  const std::string kept = file + ".blobs/" + std::string(64, 'a');
  std::filesystem::remove(kept);
  std::ofstream(kept) << "rules";
  std::filesystem::remove(blob_);
  ASSERT_EQ(OwnerOf(kept), 0u);
  const absl::StatusOr<RestoreResult> restored = Restore(file, store_, {.replace = true}, kNow);
  ASSERT_TRUE(restored.ok()) << restored.status();
  for (const std::string& path : {store_, store_ + ".lock", blob_, restored->kept_aside})
    EXPECT_EQ(OwnerOf(path), kUser) << path;
  EXPECT_EQ(OwnerOf(kept), 0u);
}

TEST_F(BackupByRootTest, LinksOfTheUserLeadNowhereThatItCouldNotGoItself) {
  const std::string victim = roots_ + "/victim";
  std::ofstream(victim) << "root's";
  const std::string file = backups_ + "/copy.db";
  ASSERT_TRUE(BackUp(store_, file).ok());
  for (const char* suffix : {".lock", ".restoring", "-wal", ".blobs/"}) {
    std::string link = store_ + suffix;
    if (link.back() == '/') link = blob_;
    std::filesystem::remove(link);
    std::filesystem::create_symlink(victim, link);
    Restore(file, store_, {.replace = true}, kNow).IgnoreError();
    BackUp(store_, backups_ + "/other.db").IgnoreError();
    std::string content;
    std::getline(std::ifstream(victim), content);
    EXPECT_EQ(content, "root's") << link;
    EXPECT_EQ(OwnerOf(victim), 0u) << link;
    std::filesystem::remove(link);
  }
  // Nor is what only root may read copied to where the user can read it.
  std::filesystem::create_symlink(victim, blob_);
  std::filesystem::remove_all(file + ".blobs");
  std::filesystem::remove(file);
  BackUp(store_, file).IgnoreError();
  EXPECT_FALSE(std::filesystem::exists(file + ".blobs/" + std::string(64, 'a')));
}

TEST_F(BackupByRootTest, WhereTheUserMayNotWriteItSaysAsWhomItTried) {
  const absl::Status status = BackUp(store_, roots_ + "/copy.db").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.ToString(), HasSubstr(StrCat("as user ", kUser)));
  EXPECT_TRUE(std::filesystem::is_empty(roots_));
}

TEST_F(BackupTest, WhatIsNoBackupIsRefusedAndChangesNothing) {
  const auto refused = [&](const std::string& file) {
    return Restore(file, path_, {.replace = true}, kNow).status();
  };
  EXPECT_TRUE(absl::IsNotFound(refused(directory_.path() + "/none")));
  std::ofstream(directory_.path() + "/text") << "not a database, but a text of some length";
  EXPECT_FALSE(refused(directory_.path() + "/text").ok());
  {
    auto other = SqliteDatabase::Open(directory_.path() + "/other.db",
                                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_TRUE((*other)->Execute("CREATE TABLE t (x)").ok());
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(refused(directory_.path() + "/other.db")));
  ASSERT_TRUE(BackUp(path_, file_).ok());
  Damage(file_);
  EXPECT_TRUE(absl::IsDataLoss(refused(file_))) << refused(file_);
  EXPECT_EQ(Policies(path_), 0u);
}

}  // namespace
}  // namespace dragnet::scheduler
