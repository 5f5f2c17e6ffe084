#include "scheduler/api/row_columns.h"

#include <gtest/gtest.h>

#include "dragnet/v1/results.pb.h"

namespace dragnet::scheduler {
namespace {

using Paths = std::vector<std::vector<uint32_t>>;

// A message with everything: an enum (1), a text (3), messages in it (5, 6).
v1::OperationSummary Sample() {
  v1::OperationSummary sample;
  sample.set_outcome(v1::OUTCOME_FOUND);
  sample.set_detail("words");
  sample.set_rows(300);
  sample.mutable_module()->set_items_examined(7);
  sample.mutable_module()->set_bytes_examined(8);
  sample.mutable_module()->add_limits_hit("one");
  sample.mutable_module()->add_limits_hit("two");
  sample.mutable_started()->set_seconds(9);
  return sample;
}

std::string Extract(const Paths& paths, const std::string& row) {
  auto columns = RowColumns::Create(paths);
  EXPECT_TRUE(columns.ok()) << columns.status();
  std::string out;
  EXPECT_TRUE(columns->Extract(row, &out));
  return out;
}

bool IsReadable(const std::string& row, const Paths& paths = {{5, 1}}) {
  std::string out;
  return RowColumns::Create(paths)->Extract(row, &out);
}

TEST(RowColumnsTest, OnlyTheColumnsAreLeft) {
  v1::OperationSummary expected;
  expected.set_detail("words");
  expected.set_rows(300);
  EXPECT_EQ(Extract({{4}, {3}}, Sample().SerializeAsString()), expected.SerializeAsString());
}

TEST(RowColumnsTest, ColumnsInsideOfMessagesAndRepeatedOnes) {
  v1::OperationSummary expected;
  expected.mutable_module()->set_bytes_examined(8);
  expected.mutable_module()->add_limits_hit("one");
  expected.mutable_module()->add_limits_hit("two");
  expected.mutable_started()->set_seconds(9);
  EXPECT_EQ(Extract({{5, 2}, {6}, {5, 4}}, Sample().SerializeAsString()),
            expected.SerializeAsString());
}

TEST(RowColumnsTest, WhatIsNotSetIsNotThere) {
  EXPECT_EQ(Extract({{2}, {5, 9}, {100}}, Sample().SerializeAsString()), "");
  EXPECT_EQ(Extract({{1}}, ""), "");
}

TEST(RowColumnsTest, TheSameNumberWrittenLongerIsTheSameValue) {
  // Field 1 = 2, in one byte and in three; and the tag in two.
  const std::string plain("\x08\x02", 2);
  EXPECT_EQ(Extract({{1}}, std::string("\x08\x82\x80\x00", 4)), plain);
  EXPECT_EQ(Extract({{1}}, std::string("\x88\x00\x02", 3)), plain);
}

TEST(RowColumnsTest, WhatIsNoMessageIsRefused) {
  EXPECT_TRUE(IsReadable(Sample().SerializeAsString()));
  const std::string sample = Sample().SerializeAsString();
  EXPECT_FALSE(IsReadable(sample.substr(0, sample.size() - 1)));
  EXPECT_FALSE(IsReadable(std::string("\x00\x01", 2)));  // field 0
  EXPECT_FALSE(IsReadable("\x0b\x0c"));                  // a group
  EXPECT_FALSE(IsReadable("\x0e"));                      // wire type 6
  EXPECT_FALSE(IsReadable("\x08"));                      // ends early
  EXPECT_FALSE(
      IsReadable("\x0a\x05"
                 "ab"));  // longer than the row
  EXPECT_FALSE(IsReadable("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  EXPECT_FALSE(IsReadable("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));  // 65 bits
  EXPECT_FALSE(
      IsReadable("\x09"
                 "1234567"));                // 7 of 8 bytes
  EXPECT_FALSE(IsReadable("\x28\x01"));      // the path goes through a number
  EXPECT_FALSE(IsReadable("\x2a\x01\x08"));  // and what is in 5 ends early
  EXPECT_FALSE(IsReadable("free text, not protobuf"));
}

TEST(RowColumnsTest, PathsThatMakeNoSenseAreRefused) {
  for (const Paths& paths :
       {Paths{}, Paths{{}}, Paths{{0}}, Paths{{1u << 29}}, Paths{{1}, {1}}, Paths{{1}, {1, 2}},
        Paths{{1, 2}, {1}}, Paths{{1, 2, 3, 4, 5, 6, 7, 8, 9}},
        Paths{{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}}})
    EXPECT_TRUE(absl::IsInvalidArgument(RowColumns::Create(paths).status()));
  EXPECT_TRUE(RowColumns::Create({{1, 2}, {1, 3}, {2}}).ok());
}

TEST(RowColumnsTest, RowsOfARecord) {
  v1::Rows rows;
  rows.add_rows("a");
  rows.add_rows("");
  std::vector<std::string> seen;
  const auto see = [&](std::string_view row) { seen.emplace_back(row); };
  EXPECT_TRUE(ForEachRow(rows.SerializeAsString(), see));
  EXPECT_EQ(seen, (std::vector<std::string>{"a", ""}));
  EXPECT_FALSE(
      ForEachRow("\x12\x01"
                 "a",
                 see));
  EXPECT_FALSE(
      ForEachRow("\x0a\x02"
                 "a",
                 see));
}

}  // namespace
}  // namespace dragnet::scheduler
