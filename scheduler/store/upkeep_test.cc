#include "scheduler/store/upkeep.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <unistd.h>

#include <string>

#include "core/strings.h"
#include "core/unique_fd.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

class UpkeepTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(SqliteStore::Create(path_).ok()); }

  void Open() {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path_, StoreUse::kRun);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    absl::StatusOr<std::unique_ptr<Upkeep>> upkeep = Upkeep::Start(*store_, Clock::System(), {});
    ASSERT_TRUE(upkeep.ok()) << upkeep.status();
    upkeep_ = *std::move(upkeep);
  }

  // Overwrites the first page of a table or index.
  void Damage(const std::string& name) {
    auto database = OpenForReading(path_);
    const int64_t page =
        *(*database)->IntegerOr(0, "SELECT rootpage FROM sqlite_schema WHERE name = ?", name);
    database->reset();
    const UniqueFd file(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    const std::string rubbish(4096, '\x5a');
    ASSERT_EQ(::pwrite(file.get(), rubbish.data(), rubbish.size(), (page - 1) * 4096), 4096);
  }

  // Too large to be checked at start; a hole, so it costs nothing.
  void MakeLarge() { ASSERT_EQ(::truncate(path_.c_str(), (off_t{1} << 30) + 4096), 0); }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/test.db";
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Upkeep> upkeep_;
};

TEST_F(UpkeepTest, SoundStoreIsWritableAndWhole) {
  Open();
  EXPECT_TRUE(upkeep_->CheckWritable(absl::Minutes(1)).ok());
  EXPECT_TRUE(upkeep_->damage().ok());
  EXPECT_EQ(*upkeep_->RowsStored(), 0u);
  const absl::StatusOr<StoreSizes> sizes = upkeep_->Sizes();
  ASSERT_TRUE(sizes.ok()) << sizes.status();
  EXPECT_GT(sizes->database_bytes, 0u);
  EXPECT_GT(sizes->disk_bytes, sizes->disk_free_bytes);
}

TEST_F(UpkeepTest, LargeStoreIsCheckedInTheBackground) {
  Damage("records_by_action");
  MakeLarge();
  Open();
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (upkeep_->damage().ok() && absl::Now() < deadline) ::poll(nullptr, 0, 10);
  const absl::Status damage = upkeep_->damage();
  EXPECT_TRUE(absl::IsDataLoss(damage)) << damage;
  EXPECT_THAT(damage.ToString(), HasSubstr("dragnet-scheduler restore"));
}

TEST_F(UpkeepTest, LargeStoreWhoseAgentsCantBeReadIsRefusedAtStart) {
  Damage("agents");
  MakeLarge();
  const absl::Status status = SqliteStore::Open(path_, StoreUse::kRun).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("dragnet-scheduler restore"));
}

// The writer's answer may be later than this object.
TEST_F(UpkeepTest, EndsWhileSomeoneStillWaitsForTheDisk) {
  Open();
  std::thread asks([&] { upkeep_->CheckWritable(absl::ZeroDuration()).IgnoreError(); });
  asks.join();
  upkeep_.reset();
  store_.reset();
}

}  // namespace
}  // namespace dragnet::scheduler
