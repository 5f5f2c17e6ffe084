#include "console/output/cell.h"

#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "core/action.h"
#include "dragnet/v1/investigator.pb.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {
namespace {

using testing::SampleRow;

std::string Text(const SampleRow& row, std::string_view path, CellStyle style = CellStyle::kTable) {
  return CellOf(row, *ColumnAt(SampleRow::descriptor(), path, ""), style).text;
}

TEST(CellTest, SingularMessagesAreTakenApartAndRepeatedOnesAreNot) {
  std::vector<std::string> headers;
  for (const Column& column : ColumnsOf(SampleRow::descriptor())) headers.push_back(column.header);
  EXPECT_EQ(headers, (std::vector<std::string>{"path", "size", "modified", "digest", "hash",
                                               "owner.name", "owner.uid", "notes", "extra",
                                               "hidden", "links", "entropy", "owners", "age"}));
}

TEST(CellTest, DetailOptionMarksColumns) {
  for (const Column& column : ColumnsOf(SampleRow::descriptor())) {
    EXPECT_EQ(column.detail, column.header == "extra" || column.header == "owners")
        << column.header;
  }
}

TEST(CellTest, ValuesOfEveryKind) {
  SampleRow row;
  row.set_path("/etc/passwd");
  row.set_size(18446744073709551615u);
  row.set_digest("\x01\xff");
  row.set_hash(testing::SAMPLE_HASH_SHA2_256);
  row.mutable_owner()->set_name("root");
  row.add_notes("a");
  row.add_notes("b");
  (*row.mutable_extra())["z"] = "1";
  (*row.mutable_extra())["a"] = "2";
  row.set_hidden(true);
  *row.mutable_age() = ToProtoDuration(absl::Minutes(90));
  row.add_owners()->set_uid(7);
  *row.mutable_modified() = ToTimestamp(absl::FromUnixSeconds(1'700'000'000));

  EXPECT_EQ(Text(row, "path"), "/etc/passwd");
  EXPECT_EQ(Text(row, "size"), "18446744073709551615");
  EXPECT_EQ(Text(row, "digest"), "01ff");
  EXPECT_EQ(Text(row, "hash"), "sha2-256");
  EXPECT_EQ(Text(row, "owner.name"), "root");
  EXPECT_EQ(Text(row, "owner.uid"), "0");
  EXPECT_EQ(Text(row, "notes"), "a, b");
  EXPECT_EQ(Text(row, "extra"), "a=2, z=1");
  EXPECT_EQ(Text(row, "hidden"), "yes");
  EXPECT_EQ(Text(row, "age"), "1h30m");
  EXPECT_EQ(Text(row, "owners"), R"({"name":"","uid":7})");
  EXPECT_EQ(Text(row, "modified", CellStyle::kData), "2023-11-14T22:13:20Z");
}

TEST(CellTest, WhatIsNotSetIsEmptyAndNotZero) {
  SampleRow row;
  EXPECT_EQ(Text(row, "modified"), "");
  EXPECT_EQ(Text(row, "owner.name"), "");
  EXPECT_EQ(Text(row, "owner.uid"), "");
  EXPECT_EQ(Text(row, "links"), "");
  EXPECT_EQ(Text(row, "hash"), "");
  row.set_links(0);
  EXPECT_EQ(Text(row, "links"), "0");
}

TEST(CellTest, TimeOutOfRangeIsShownAndHarmless) {
  SampleRow row;
  row.mutable_modified()->set_seconds(INT64_MAX);
  EXPECT_NE(Text(row, "modified").find("out of range"), std::string::npos);
}

TEST(CellTest, OnlyTextAndJsonAreFree) {
  SampleRow row;
  row.set_path("=1");
  const auto free = [&](std::string_view path) {
    return CellOf(row, *ColumnAt(SampleRow::descriptor(), path, ""), CellStyle::kData).free_text;
  };
  EXPECT_TRUE(free("path"));
  EXPECT_FALSE(free("size"));
  EXPECT_FALSE(free("hidden"));
}

TEST(CellTest, EnumWordsLoseTheirPrefix) {
  const auto word = [](const google::protobuf::EnumDescriptor* type, int number) {
    return EnumWord(type->FindValueByNumber(number));
  };
  EXPECT_EQ(word(v1::DispatchState_descriptor(), v1::DISPATCH_STATE_NEVER_SENT), "never-sent");
  EXPECT_EQ(word(v1::Role_descriptor(), v1::ROLE_OPERATOR), "operator");
}

TEST(CellTest, UnknownFieldIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(ColumnAt(SampleRow::descriptor(), "owner.nope", "").status()));
}

}  // namespace
}  // namespace dragnet::console
