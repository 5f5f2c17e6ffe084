#include "console/analysis/row_diff.h"

#include "absl/strings/str_join.h"
#include "console/testing/sample.pb.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Row = console::testing::SampleRow;

Row Of(const std::string& path, uint64_t size, const std::string& owner = "") {
  Row row;
  row.set_path(path);
  row.set_size(size);
  if (!owner.empty()) row.mutable_owner()->set_name(owner);
  return row;
}

class RowDiffTest : public ::testing::Test {
 protected:
  RowDiffTest() {
    RowDiff::Operation operation;
    operation.prototype = &prototype_;
    for (const Column& column : ColumnsOf(Row::descriptor())) {
      if (column.key) {
        operation.key.push_back(column);
      } else if (!column.fleeting) {
        operation.compared.push_back(column);
      }
    }
    diff_ = *RowDiff::Create({operation});
  }

  void Before(const std::string& agent, const Row& row) { Add(RowDiff::kBefore, agent, row); }
  void After(const std::string& agent, const Row& row) { Add(RowDiff::kAfter, agent, row); }
  void Add(RowDiff::Run run, const std::string& agent, const Row& row) {
    ASSERT_TRUE(diff_->AddRow(run, 0, StrCat("id-", agent), agent, row).ok());
  }
  void Host(const std::string& agent, bool whole_before, bool whole_after) {
    diff_->AddHost(RowDiff::kBefore, StrCat("id-", agent), agent, whole_before);
    diff_->AddHost(RowDiff::kAfter, StrCat("id-", agent), agent, whole_after);
  }

  std::vector<std::string> Changes() {
    std::vector<std::string> lines;
    const absl::Status status = diff_->ForEach([&](const RowDiff::Change& change) {
      const char* const words[] = {"new", "gone", "changed"};
      std::vector<std::string> columns;
      for (const Column* column : change.columns) columns.push_back(column->header);
      const auto* row =
          static_cast<const Row*>(change.after != nullptr ? change.after : change.before);
      lines.push_back(StrCat(words[static_cast<int>(change.kind)], " ", change.agent, " ",
                             row->path(), " ", row->size(), " ", absl::StrJoin(columns, ",")));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return lines;
  }

  Row prototype_;
  std::unique_ptr<RowDiff> diff_;
};

TEST_F(RowDiffTest, NewGoneAndChangedAreToldHostByHost) {
  Host("web", true, true);
  Host("db", true, true);
  Before("web", Of("/same", 1));
  After("web", Of("/same", 1));
  Before("web", Of("/gone", 1));
  After("web", Of("/new", 1));
  Before("web", Of("/size", 1, "root"));
  After("web", Of("/size", 2, "eve"));
  // Of another host: another thing.
  After("db", Of("/same", 1));
  EXPECT_THAT(Changes(), ElementsAre("new web /new 1 ", "gone web /gone 1 ",
                                     "changed web /size 2 size,owner.name", "new db /same 1 "));
  EXPECT_EQ(diff_->counts().same, 1u);
  EXPECT_EQ(diff_->counts().hosts_compared, 2u);
}

TEST_F(RowDiffTest, WhatChangesByItselfIsNoDifference) {
  Host("web", true, true);
  Row row = Of("/a", 1);
  row.set_entropy(1.5);
  Before("web", row);
  row.set_entropy(2.5);
  After("web", row);
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(RowDiffTest, AHostThatWasNotLookedAtWholeNeverSaysGone) {
  Host("half-after", true, false);
  Before("half-after", Of("/a", 1));
  Before("half-after", Of("/b", 1));
  After("half-after", Of("/b", 2));
  // Never answered the second time; the first time it alone was asked.
  diff_->AddHost(RowDiff::kBefore, "id-away", "away", true);
  Before("away", Of("/c", 1));
  EXPECT_THAT(Changes(), ElementsAre("changed half-after /b 2 size"));
  EXPECT_EQ(diff_->counts().gone, 0u);
  EXPECT_EQ(diff_->counts().not_shown_as_gone, 2u);
  EXPECT_EQ(diff_->counts().hosts_not_whole_after, 2u);
  EXPECT_THAT(diff_->HostsNotWhole(RowDiff::kAfter, 5), ElementsAre("half-after", "away"));
}

TEST_F(RowDiffTest, AHostThatWasNotLookedAtWholeBeforeNeverSaysNew) {
  Host("half-before", false, true);
  After("half-before", Of("/a", 1));
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_EQ(diff_->counts().not_shown_as_new, 1u);
  EXPECT_EQ(diff_->counts().hosts_not_whole_before, 1u);
}

TEST_F(RowDiffTest, RowsOfOneKeyAreMatchedByContentFirst) {
  Host("web", true, true);
  for (const uint64_t size : {1, 2, 3}) Before("web", Of("/a", size));
  for (const uint64_t size : {3, 4, 1, 5}) After("web", Of("/a", size));
  EXPECT_THAT(Changes(), ElementsAre("changed web /a 4 size", "new web /a 5 "));
  EXPECT_EQ(diff_->counts().same, 2u);
}

TEST_F(RowDiffTest, EqualRowsAreCountedAsOftenAsTheyAreThere) {
  Host("web", true, true);
  for (int i = 0; i < 3; ++i) Before("web", Of("/a", 1));
  After("web", Of("/a", 1));
  EXPECT_THAT(Changes(), ElementsAre("gone web /a 1 ", "gone web /a 1 "));
}

TEST_F(RowDiffTest, ManyRowsGoThroughTheDiskAndStayInOrder) {
  Host("web", true, true);
  for (int i = 0; i < 20000; ++i) {
    Row row = Of(StrCat("/", 100000 + i), 1);
    row.add_notes(std::string(200, 'x'));
    Before("web", row);
    if (i % 1000 == 0) row.set_size(2);
    After("web", row);
  }
  const std::vector<std::string> changes = Changes();
  ASSERT_EQ(changes.size(), 20u);
  EXPECT_EQ(changes.front(), "changed web /100000 2 size");
  EXPECT_EQ(changes.back(), "changed web /119000 2 size");
  EXPECT_EQ(diff_->counts().same, 19980u);
}

}  // namespace
}  // namespace dragnet::console
