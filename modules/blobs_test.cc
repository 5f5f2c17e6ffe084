#include "modules/blobs.h"

#include "core/keys.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "modules/file/file.pb.h"

namespace dragnet {
namespace {

using testing::SizeIs;

// Any message with nested singular strings serves.
file::v1::FileParameters Parameters(const std::string& label) {
  file::v1::FileParameters parameters;
  parameters.add_searches()->add_paths("/etc");
  parameters.add_searches()->set_label(label);
  return parameters;
}

TEST(BlobsTest, ALargeValueLeavesItsDigestAndComesBack) {
  const std::string large(kMinBlobBytes + 1, 'x');
  const file::v1::FileParameters original = Parameters(large);
  file::v1::FileParameters parameters = original;
  v1::Operation operation;
  BlobContents contents;
  ASSERT_TRUE(ExtractBlobs(&parameters, &operation, &contents).ok());
  EXPECT_LT(parameters.ByteSizeLong(), 100u);
  ASSERT_EQ(operation.blobs_size(), 1);
  EXPECT_EQ(operation.blobs(0).field(), "searches[1].label");
  EXPECT_EQ(operation.blobs(0).sha256(), Sha256(large));
  EXPECT_EQ(operation.blobs(0).size(), large.size());
  ASSERT_TRUE(
      InsertBlob("searches[1].label", contents.at(operation.blobs(0).sha256()), &parameters).ok());
  EXPECT_EQ(parameters.SerializeAsString(), original.SerializeAsString());
}

TEST(BlobsTest, SmallValuesStay) {
  file::v1::FileParameters parameters = Parameters("small");
  v1::Operation operation;
  BlobContents contents;
  ASSERT_TRUE(ExtractBlobs(&parameters, &operation, &contents).ok());
  EXPECT_EQ(operation.blobs_size(), 0);
  EXPECT_EQ(parameters.searches(1).label(), "small");
}

TEST(BlobsTest, OverItsBoundAValueIsRefusedByField) {
  file::v1::FileParameters parameters = Parameters(std::string((32 << 20) + 1, 'x'));
  v1::Operation operation;
  BlobContents contents;
  const absl::Status status = ExtractBlobs(&parameters, &operation, &contents);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("searches[1].label"));
}

TEST(BlobsTest, ABlobForWhatIsNotAnUnsetStringFieldIsRefused) {
  file::v1::FileParameters parameters = Parameters("taken");
  for (const char* path :
       {"", ".", "nothing", "searches", "searches[0]", "searches[2].label", "searches[-1].label",
        "searches[0x0].label", "searches[].label", "searches[0.label", "searches.label",
        "searches[0].paths", "searches[0].paths[0]", "searches[0].max_depth", "searches[1].label",
        "searches[0].label.more", "searches[99999999999].label"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(InsertBlob(path, "x", &parameters))) << path;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(InsertBlob("searches[0].label", "\xff", &parameters)));
}

TEST(BlobsTest, ABlobDoesNotTakeTheOtherValueOfAOneofAway) {
  google::protobuf::Value message;
  message.set_bool_value(true);
  EXPECT_TRUE(absl::IsInvalidArgument(InsertBlob("string_value", "other", &message)));
  EXPECT_TRUE(message.bool_value());
}

}  // namespace
}  // namespace dragnet
