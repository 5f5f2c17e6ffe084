#include "scheduler/blobs/blob_parts.h"

#include "core/action.h"
#include "core/keys.h"
#include "gmock/gmock.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

TEST(BlobPartsTest, AFleetThatAsksForTheSameIsSentOneCopy) {
  TemporaryDirectory directory;
  const auto files = *BlobFiles::Open(directory.path() + "/blobs");
  BlobParts parts(*files);
  const std::string content(kMaxBlobPartBytes + 3, 'x');
  v1::BlobRequest request;
  request.set_sha256(Sha256(content));
  v1::SchedulerMessage message;
  ASSERT_TRUE(message.ParseFromString(*parts.Answer(request)));
  EXPECT_EQ(message.blob_part().data(), "");
  for (size_t offset = 0; offset < content.size(); offset += kMaxBlobPartBytes) {
    v1::PutBlobPartRequest part;
    part.set_sha256(request.sha256());
    part.set_size(content.size());
    part.set_offset(offset);
    part.set_data(content.substr(offset, kMaxBlobPartBytes));
    ASSERT_TRUE(files->PutPart("alice", part).ok());
  }
  // It wasn't there before; that it is now counts.
  std::weak_ptr<const std::string> kept;
  {
    const OutgoingMessage first = parts.Answer(request);
    kept = first;
    EXPECT_EQ(parts.Answer(request), first);
    request.set_offset(kMaxBlobPartBytes);
    const OutgoingMessage other = parts.Answer(request);
    ASSERT_TRUE(message.ParseFromString(*other));
    EXPECT_EQ(message.blob_part().data(), "xxx");
    EXPECT_EQ(message.blob_part().offset(), kMaxBlobPartBytes);
    EXPECT_EQ(message.blob_part().sha256(), Sha256(content));
  }
  EXPECT_TRUE(kept.expired()) << "what no one sends takes no memory";
}

}  // namespace
}  // namespace dragnet::scheduler
