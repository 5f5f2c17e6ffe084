#include "console/output/json.h"

#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "core/action.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"

namespace dragnet::console {
namespace {

using testing::SampleRow;

SampleRow FullRow() {
  SampleRow row;
  row.set_path("a \"quoted\" \\ path\twith\nlines \x01 \xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80");
  row.set_size(18446744073709551615u);
  row.mutable_modified()->set_seconds(1'700'000'000);
  row.mutable_modified()->set_nanos(120'000'000);
  row.set_digest(std::string("\x00\x01\xff", 3));
  row.set_hash(testing::SAMPLE_HASH_MD5);
  row.mutable_owner()->set_name("root");
  row.add_notes("n1");
  row.add_notes("");
  (*row.mutable_extra())["k"] = "v";
  row.set_hidden(true);
  row.set_links(-3);
  row.set_entropy(0.1);
  row.add_owners()->set_uid(4294967295u);
  row.mutable_age()->set_seconds(-1);
  row.mutable_age()->set_nanos(-500'000'000);
  return row;
}

TEST(JsonTest, TheLeastDurationIsANumber) {
  SampleRow row;
  row.mutable_age()->set_seconds(INT64_MIN);
  row.mutable_age()->set_nanos(INT32_MIN);
  EXPECT_NE(MessageToJson(row).find("\"age\":\"-9223372036854775808.2147483648s\""),
            std::string::npos)
      << MessageToJson(row);
}

TEST(JsonTest, ProtobufReadsBackTheSameMessage) {
  for (const SampleRow& row : {SampleRow(), FullRow()}) {
    SampleRow read;
    const auto status = google::protobuf::util::JsonStringToMessage(MessageToJson(row), &read);
    ASSERT_TRUE(status.ok()) << MessageToJson(row) << status.ToString();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(row, read))
        << MessageToJson(row);
  }
}

TEST(JsonTest, IndentedFormIsTheSameValue) {
  SampleRow read;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(IndentJson(MessageToJson(FullRow())), &read)
          .ok());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(FullRow(), read));
  EXPECT_EQ(IndentJson(R"({"a":[],"b":{},"c":[1,"x,:{"]})"),
            "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    \"x,:{\"\n  ]\n}");
}

TEST(JsonTest, NothingThatATerminalObeysComesThroughRaw) {
  const std::string json = SafeJsonString(
      "\x1b[31m\x07\r\x7f\xc2\x9b"
      "31m\xe2\x80\xae"
      "fdp\xe2\x80\xa8\xd8\x9c\xe2\x81\xa6");
  for (const char c : json) {
    EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    EXPECT_LT(static_cast<unsigned char>(c), 0x7f);
  }
  EXPECT_EQ(json, R"("\u001b[31m\u0007\u000d\u007f\u009b31m\u202efdp\u2028\u061c\u2066")");
}

TEST(JsonTest, InvisibleCharactersAreEscapedAndReadBack) {
  const std::string name = "a\u00ad\u200b\ufeff\U000e0041";
  EXPECT_EQ(SafeJsonString(name), R"("a\u00ad\u200b\ufeff\udb40\udc41")");
  SampleRow row;
  row.set_path(name);
  SampleRow read;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(MessageToJson(row), &read).ok());
  EXPECT_EQ(read.path(), name);
}

TEST(JsonTest, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(SafeJsonString("a\xff\xc3"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonTest, ZeroIsWrittenAndUnsetIsNot) {
  const std::string json = MessageToJson(SampleRow());
  EXPECT_NE(json.find("\"size\":\"0\""), std::string::npos);
  EXPECT_NE(json.find("\"hidden\":false"), std::string::npos);
  EXPECT_EQ(json.find("links"), std::string::npos);
  EXPECT_EQ(json.find("owner\""), std::string::npos);
}

}  // namespace
}  // namespace dragnet::console
