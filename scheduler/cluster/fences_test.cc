// What two processes, two sessions or two fetches at once may not do to each other.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "core/keys.h"
#include "scheduler/cluster/blob_exchange.h"
#include "scheduler/cluster/membership.h"
#include "scheduler/cluster/session_claims.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class FencesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_.path() + "/store.db";
    ASSERT_TRUE(SqliteStore::Create(path).ok());
    store_ = *SqliteStore::Open(path, StoreUse::kRun);
  }
  std::unique_ptr<Membership> Process(const std::string& name) {
    return std::make_unique<Membership>(*store_, name, 2, absl::Hours(1),
                                        [](std::set<uint32_t>) {});
  }

  TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(FencesTest, NameIsOneProcesss) {
  const auto first = Process("a");
  const auto second = Process("a");
  ASSERT_TRUE(first->Keep().ok());
  const uint64_t epoch = first->lead_epoch();
  EXPECT_NE(epoch, 0u);
  EXPECT_TRUE(absl::IsFailedPrecondition(second->Keep()));
  EXPECT_FALSE(second->is_member());
  EXPECT_EQ(second->lead_epoch(), 0u);
  EXPECT_EQ(*Membership::LiveNow(*store_), std::set<std::string>{"a"});
  // Nothing of it is the other one's to give up.
  second->GiveUp();
  EXPECT_EQ(Membership::LiveNow(*store_)->size(), 1u);
  EXPECT_EQ(store_->Leases("lead")->size(), 1u);
  // It leads in a time of its own.
  first->GiveUp();
  ASSERT_TRUE(second->Keep().ok());
  EXPECT_GT(second->lead_epoch(), epoch);
  EXPECT_TRUE(absl::IsFailedPrecondition(first->Keep()));
}

TEST_F(FencesTest, ClaimThatNoOneWantsAnyMoreIsNotMade) {
  SessionClaims claims(*store_, "a", [](const v1::SessionsChanged&) {});
  absl::Notification answered;
  absl::Status status;
  claims.Claim(
      {"00010000-0000-4000-8000-000000000000", "boot"},
      [&](const absl::StatusOr<Claimed>& claimed) {
        status = claimed.status();
        answered.Notify();
      },
      [] { return false; });
  answered.WaitForNotification();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(FencesTest, BlobIsFetchedByOneAtATime) {
  const std::string content(600 * 1024, 'x');
  const auto files = *BlobFiles::Open(directory_.path() + "/blobs");
  std::atomic<int> parts = 0;
  BlobExchange exchange(
      *files, Clock::System(),
      [&](const std::string&, const v1::PeerMessage& message,
          absl::Duration) -> absl::StatusOr<v1::PeerMessage> {
        ++parts;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        v1::PeerMessage answer;
        answer.mutable_blob_part_reply()->set_size(content.size());
        answer.mutable_blob_part_reply()->set_data(
            content.substr(message.blob_part_request().offset(), 256 * 1024));
        return answer;
      },
      [](const std::string&, const v1::PeerMessage&) {},
      [] { return std::vector<std::string>{"b"}; });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { EXPECT_TRUE(exchange.Fetch(Sha256(content)).ok()); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(files->Has(Sha256(content)));
  EXPECT_EQ(parts, 3);
}

}  // namespace
}  // namespace dragnet::scheduler
