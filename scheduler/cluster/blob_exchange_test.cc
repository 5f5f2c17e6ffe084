#include "scheduler/cluster/blob_exchange.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "core/keys.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class BlobExchangeTest : public ::testing::Test {
 protected:
  struct Scheduler {
    TemporaryDirectory directory;
    std::unique_ptr<BlobFiles> files;
    std::unique_ptr<BlobExchange> exchange;
    // What it says instead of the truth.
    std::optional<v1::BlobPartReply> lie;
  };

  Scheduler& Add(const std::string& name) {
    auto scheduler = std::make_unique<Scheduler>();
    scheduler->files = *BlobFiles::Open(scheduler->directory.path() + "/blobs");
    scheduler->exchange = std::make_unique<BlobExchange>(
        *scheduler->files, Clock::System(),
        [this, name](const std::string& to, v1::PeerMessage message, absl::Duration) {
          return Answer(name, to, message);
        },
        [](const std::string&, v1::PeerMessage) {},
        [this, name] {
          std::vector<std::string> others;
          for (const auto& [other, ignored] : schedulers_)
            if (other != name) others.push_back(other);
          return others;
        });
    return *(schedulers_[name] = std::move(scheduler));
  }
  absl::StatusOr<v1::PeerMessage> Answer(const std::string& from, const std::string& to,
                                         const v1::PeerMessage& message) {
    const auto found = schedulers_.find(to);
    if (found == schedulers_.end()) return absl::UnavailableError("gone");
    ++asked_;
    v1::PeerMessage answer;
    if (message.has_blob_part_request()) {
      *answer.mutable_blob_part_reply() =
          found->second->lie.has_value()
              ? *found->second->lie
              : found->second->exchange->OnPartRequest(message.blob_part_request());
    }
    if (message.has_keep_blobs())
      *answer.mutable_keep_blobs_reply() =
          found->second->exchange->OnKeep(from, message.keep_blobs());
    return answer;
  }
  static void Put(BlobFiles& files, const std::string& content) {
    for (size_t offset = 0; offset < content.size(); offset += 256 * 1024) {
      v1::PutBlobPartRequest part;
      part.set_sha256(Sha256(content));
      part.set_size(content.size());
      part.set_offset(offset);
      part.set_data(content.substr(offset, 256 * 1024));
      ASSERT_TRUE(files.PutPart("alice", part).ok());
    }
  }

  std::map<std::string, std::unique_ptr<Scheduler>> schedulers_;
  int asked_ = 0;
};

TEST_F(BlobExchangeTest, IsFetchedInPartsFromTheOneThatHasIt) {
  Scheduler& a = Add("a");
  Add("b");
  Scheduler& c = Add("c");
  const std::string content(1'000'000, 'x');
  Put(*c.files, content);
  ASSERT_TRUE(a.exchange->Fetch(Sha256(content)).ok());
  EXPECT_TRUE(a.files->Has(Sha256(content)));
  EXPECT_EQ(*a.files->SizeOf(Sha256(content)), content.size());
  // Not again.
  asked_ = 0;
  EXPECT_TRUE(a.exchange->Fetch(Sha256(content)).ok());
  EXPECT_EQ(asked_, 0);
  EXPECT_TRUE(absl::IsNotFound(a.exchange->Fetch(Sha256("another"))));
}

TEST_F(BlobExchangeTest, ContentOfAnotherDigestGetsNoName) {
  Scheduler& a = Add("a");
  Scheduler& b = Add("b");
  b.lie.emplace();
  b.lie->set_size(3);
  b.lie->set_data("bad");
  EXPECT_FALSE(a.exchange->Fetch(Sha256("good")).ok());
  EXPECT_FALSE(a.files->Has(Sha256("good")));
  // Nor does one that never ends.
  b.lie->set_size(uint64_t{1} << 40);
  EXPECT_FALSE(a.exchange->Fetch(Sha256("good")).ok());
  b.lie->set_size(100);
  b.lie->set_data("");
  EXPECT_FALSE(a.exchange->Fetch(Sha256("good")).ok());
}

TEST_F(BlobExchangeTest, IsSafeWhenASecondOneHasIt) {
  Scheduler& a = Add("a");
  Put(*a.files, "content");
  // Alone, it needs no one.
  EXPECT_TRUE(a.exchange->MakeSafe({Sha256("content")}, absl::InfiniteFuture()).ok());
  Scheduler& b = Add("b");
  EXPECT_TRUE(a.exchange->MakeSafe({Sha256("content")}, absl::InfiniteFuture()).ok());
  EXPECT_TRUE(b.files->Has(Sha256("content")));
  // It can't have what is nowhere.
  const absl::Status status = a.exchange->MakeSafe({Sha256("other")}, absl::InfiniteFuture());
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(BlobExchangeTest, WhatIsWantedIsFetchedWhenSomeoneHasIt) {
  Scheduler& a = Add("a");
  Scheduler& b = Add("b");
  a.exchange->Want({Sha256("content")}, absl::Now() + absl::Hours(1));
  a.exchange->FetchWanted();
  EXPECT_FALSE(a.files->Has(Sha256("content")));
  Put(*b.files, "content");
  a.exchange->FetchWanted();
  EXPECT_TRUE(a.files->Has(Sha256("content")));
}

}  // namespace
}  // namespace dragnet::scheduler
