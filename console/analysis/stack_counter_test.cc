#include "console/analysis/stack_counter.h"

#include "console/testing/sample.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using Row = console::testing::SampleRow;

std::vector<Column> Columns(const std::vector<std::string>& names) {
  std::vector<Column> columns;
  for (const std::string& name : names) columns.push_back(*ColumnAt(Row::descriptor(), name, name));
  return columns;
}

Row Of(const std::string& path, const std::string& owner, uint32_t uid) {
  Row row;
  row.set_path(path);
  row.set_size(uid);
  row.mutable_owner()->set_name(owner);
  row.mutable_owner()->set_uid(uid);
  return row;
}

TEST(StackCounterTest, CountsRowsAndAgentsByTheColumnsAlone) {
  StackCounter counter(Columns({"owner.name"}));
  for (const char* agent : {"a", "b", "a"})
    ASSERT_TRUE(counter.Add(agent, Of(agent, "root", 7)).ok());
  ASSERT_TRUE(counter.Add("c", Of("x", "eve", 1)).ok());
  const v1::StackResponse most = counter.Response(10, true);
  ASSERT_EQ(most.entries_size(), 2);
  EXPECT_EQ(most.rows(), 4u);
  EXPECT_EQ(most.different(), 2u);
  EXPECT_EQ(most.entries(0).rows(), 3u);
  EXPECT_EQ(most.entries(0).agents(), 2u);
  Row row;
  ASSERT_TRUE(row.ParseFromString(most.entries(0).row()));
  EXPECT_EQ(row.owner().name(), "root");
  // Neither the number beside it in the message nor other columns.
  EXPECT_EQ(row.owner().uid(), 0u);
  EXPECT_EQ(row.path(), "");
  const v1::StackResponse rarest = counter.Response(1, false);
  ASSERT_EQ(rarest.entries_size(), 1);
  EXPECT_EQ(rarest.entries(0).rows(), 1u);
  EXPECT_EQ(rarest.different(), 2u);
}

TEST(StackCounterTest, EqualMapsAreOneValueInWhateverOrder) {
  StackCounter counter(Columns({"extra"}));
  for (const bool forward : {true, false}) {
    Row row;
    for (int i = 0; i < 50; ++i) (*row.mutable_extra())[std::to_string(forward ? i : 49 - i)] = "v";
    ASSERT_TRUE(counter.Add("a", row).ok());
  }
  EXPECT_EQ(counter.Response(10, true).different(), 1u);
}

TEST(StackCounterTest, MoreValuesThanItMayHoldAreAnErrorThatSaysSo) {
  StackCounter counter(Columns({"path"}), /*max_values=*/3);
  absl::Status status;
  for (int i = 0; i < 5 && status.ok(); ++i)
    status = counter.Add("a", Of(std::to_string(i), "", 0));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  StackCounter bytes(Columns({"path"}), 1000, /*max_bytes=*/1000);
  status = bytes.Add("a", Of(std::string(2000, 'x'), "", 0));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace dragnet::console
