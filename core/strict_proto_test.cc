#include "core/strict_proto.h"

#include "dragnet/v1/action.pb.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

TEST(StrictProtoTest, KnownFieldsPass) {
  v1::Action action;
  action.set_name("x");
  action.add_operations()->set_module("file");
  v1::Action parsed;
  EXPECT_TRUE(ParseStrict(action.SerializeAsString(), 1000, &parsed).ok());
  EXPECT_TRUE(ParseStrict("", 1000, &parsed).ok());
}

TEST(StrictProtoTest, UnknownFieldsAreRefusedAtAnyDepth) {
  v1::Action parsed;
  // Field 15, varint 1, in the action and in its first operation.
  EXPECT_FALSE(ParseStrict("\x78\x01", 1000, &parsed).ok());
  EXPECT_FALSE(ParseStrict(std::string("\x4a\x02\x78\x01", 4), 1000, &parsed).ok());
}

TEST(StrictProtoTest, TooLongTruncatedAndTrailingBytesAreRefused) {
  v1::Action action;
  action.set_name("a name");
  const std::string bytes = action.SerializeAsString();
  v1::Action parsed;
  EXPECT_FALSE(ParseStrict(bytes, bytes.size() - 1, &parsed).ok());
  EXPECT_FALSE(ParseStrict(bytes.substr(0, 4), 1000, &parsed).ok());
  EXPECT_FALSE(ParseStrict(bytes + '\0', 1000, &parsed).ok());
  // An end-group tag without its group stops the parser early.
  EXPECT_FALSE(ParseStrict(bytes + "\x0c" + bytes, 1000, &parsed).ok());
}

TEST(StrictProtoTest, DeepNestingIsRefused) {
  const auto nested = [](int depth) {
    google::protobuf::Value value;
    google::protobuf::Value* inner = &value;
    for (int i = 0; i < depth; ++i) inner = inner->mutable_list_value()->add_values();
    inner->set_bool_value(true);
    return value.SerializeAsString();
  };
  google::protobuf::Value parsed;
  EXPECT_TRUE(ParseStrict(nested(5), 100000, &parsed).ok());
  EXPECT_FALSE(ParseStrict(nested(50), 100000, &parsed).ok());
}

TEST(StrictProtoTest, TextThatIsNotUtf8IsRefused) {
  v1::Action parsed;
  EXPECT_FALSE(ParseStrict("\x1a\x01\xff", 1000, &parsed).ok());
}

}  // namespace
}  // namespace dragnet
