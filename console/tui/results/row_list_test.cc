// Filtering and sorting rows in the background, writing them, and the agents that
// they came from.
#include "console/tui/results/row_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "console/tui/results/row_cells.h"
#include "console/tui/results/row_export.h"
#include "console/tui/results/stack_filter.h"
#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

using console::testing::SampleModule;
using console::testing::SampleRow;
using ::testing::HasSubstr;

class RowListTest : public ::testing::Test {
 protected:
  RowListTest() : background_(loop_) {
    v1::Action action;
    action.set_id("01900000-0000-7000-8000-000000000001");
    action.add_operations()->set_module("sample");
    results_ = std::make_shared<ResultSet>(action, *NewScratchFile(::testing::TempDir()));
    list_ = std::make_unique<RowList>(loop_, background_, results_, 0, SampleModule(), [] {});
  }

  void Add(const std::string& agent, const std::vector<SampleRow>& rows) {
    const uint32_t number = *results_->hosts.AddRows(StrCat("id-", agent), agent, rows.size());
    google::protobuf::RepeatedPtrField<std::string> bytes;
    for (const SampleRow& row : rows) *bytes.Add() = row.SerializeAsString();
    ASSERT_TRUE(results_->rows[0]->Append(number, bytes).ok());
    list_->Update();
  }
  static SampleRow Row(const std::string& path, uint64_t size) {
    SampleRow row;
    row.set_path(path);
    row.set_size(size);
    return row;
  }
  bool Settled() {
    return loop_.WorkUntil([&] { return list_->Working().empty() && list_->problem().ok(); });
  }
  std::vector<uint32_t> Shown() const {
    std::vector<uint32_t> rows;
    for (size_t i = 0; i < list_->size(); ++i) rows.push_back(list_->At(i));
    return rows;
  }
  static std::optional<Column> ColumnNamed(const std::string& path) {
    return *ColumnAt(SampleRow::descriptor(), path, path);
  }

  EventLoop loop_;
  Background background_;
  std::shared_ptr<ResultSet> results_;
  std::unique_ptr<RowList> list_;
};

using Numbers = std::vector<uint32_t>;

TEST_F(RowListTest, AFilterTakesInRowsThatLandLater) {
  Add("web1", {Row("/etc/a", 1), Row("/tmp/b", 2)});
  ASSERT_TRUE(list_->SetFilter("path like '/etc/%'").ok());
  ASSERT_TRUE(Settled());
  EXPECT_EQ(Shown(), (Numbers{0}));
  Add("web2", {Row("/etc/c", 3)});
  ASSERT_TRUE(Settled());
  EXPECT_EQ(Shown(), (Numbers{0, 2}));
  ASSERT_TRUE(list_->SetFilter("").ok());
  EXPECT_EQ(Shown(), (Numbers{0, 1, 2}));
}

TEST_F(RowListTest, AWrongFilterIsRefusedAndTheOldOneStays) {
  Add("web1", {Row("/etc/a", 1), Row("/tmp/b", 2)});
  ASSERT_TRUE(list_->SetFilter("size = 2").ok());
  EXPECT_FALSE(list_->SetFilter("size = = 1").ok());
  EXPECT_EQ(list_->filter(), "size = 2");
  ASSERT_TRUE(Settled());
  EXPECT_EQ(Shown(), (Numbers{1}));
}

TEST_F(RowListTest, NumbersSortAsNumbersAndEqualRowsKeepTheirOrder) {
  Add("web1", {Row("c", 10), Row("a", 9), Row("b", 9), Row("d", 100), Row("e", 0)});
  list_->SetOrder(RowList::Order{ColumnNamed("size"), false});
  ASSERT_TRUE(Settled());
  EXPECT_EQ(Shown(), (Numbers{4, 1, 2, 0, 3}));
  list_->Reverse();
  EXPECT_EQ(Shown(), (Numbers{3, 0, 2, 1, 4}));
  list_->SetOrder(std::nullopt);
  EXPECT_EQ(Shown(), (Numbers{0, 1, 2, 3, 4}));
}

TEST_F(RowListTest, RowsThatLandLaterAreSortedIn) {
  Add("web1", {Row("b", 1), Row("d", 1)});
  list_->SetOrder(RowList::Order{ColumnNamed("path"), false});
  ASSERT_TRUE(Settled());
  EXPECT_EQ(Shown(), (Numbers{0, 1}));
  // Often enough that parts are merged into one.
  for (int i = 0; i < 20; ++i) {
    Add("web2", {Row(StrCat("c", i + 10), 1)});
    if (i % 4 == 0) {
      ASSERT_TRUE(Settled());
    }
  }
  ASSERT_TRUE(Settled());
  ASSERT_EQ(list_->size(), 22u);
  EXPECT_EQ(list_->At(0), 0u);
  EXPECT_EQ(list_->At(1), 2u);
  EXPECT_EQ(list_->At(20), 21u);
  EXPECT_EQ(list_->At(21), 1u);
  EXPECT_EQ(list_->IndexOf(1), 21u);
}

TEST_F(RowListTest, AnOrderIsOfWhatTheFilterLetsThrough) {
  std::vector<SampleRow> rows;
  for (uint64_t i = 0; i < 20'000; ++i) rows.push_back(Row(StrCat("/", i % 100), 20'000 - i));
  Add("web1", rows);
  ASSERT_TRUE(list_->SetFilter("path = '/7'").ok());
  list_->SetOrder(RowList::Order{ColumnNamed("size"), false});
  ASSERT_TRUE(Settled());
  ASSERT_EQ(list_->size(), 200u);
  EXPECT_EQ(list_->At(0), 19'907u);
  EXPECT_EQ(list_->At(199), 7u);
}

TEST_F(RowListTest, AThousandsOfLongKeysThatDifferAtTheirEndAreSorted) {
  std::vector<SampleRow> rows;
  const std::string prefix(900, 'p');
  for (uint64_t i = 0; i < 12'000; ++i) rows.push_back(Row(StrCat(prefix, 99'999 - i), 0));
  Add("web1", rows);
  // 11 MB of keys: more than one part.
  list_->SetOrder(RowList::Order{ColumnNamed("path"), false});
  ASSERT_TRUE(Settled());
  for (uint32_t i = 0; i < 12'000; ++i) ASSERT_EQ(list_->At(i), 11'999 - i);
}

TEST_F(RowListTest, TimesAndSignedNumbersSortByValue) {
  std::vector<SampleRow> rows(4);
  rows[0].mutable_modified()->set_seconds(5);
  rows[1].mutable_modified()->set_seconds(-5);
  rows[2].mutable_modified()->set_seconds(5);
  rows[2].mutable_modified()->set_nanos(1);
  rows[0].set_links(3);
  rows[1].set_links(-3);
  rows[2].set_links(0);
  Add("web1", rows);
  list_->SetOrder(RowList::Order{ColumnNamed("modified"), false});
  ASSERT_TRUE(Settled());
  // What isn't set comes first.
  EXPECT_EQ(Shown(), (Numbers{3, 1, 0, 2}));
  list_->SetOrder(RowList::Order{ColumnNamed("links"), false});
  ASSERT_TRUE(Settled());
  EXPECT_EQ(Shown(), (Numbers{3, 1, 2, 0}));
}

TEST_F(RowListTest, MarksStayThroughFiltersAndAreListed) {
  Add("web1", {Row("a", 1), Row("b", 2), Row("c", 3)});
  list_->ToggleMark(2);
  list_->ToggleMark(0);
  ASSERT_TRUE(list_->SetFilter("size = 2").ok());
  ASSERT_TRUE(Settled());
  list_->ShowOnlyMarked(true);
  EXPECT_EQ(Shown(), (Numbers{0, 2}));
  list_->ToggleMark(0);
  list_->ToggleMark(2);
  EXPECT_FALSE(list_->only_marked());
}

TEST_F(RowListTest, WhatIsNoRowIsShownAsSuchAndCounted) {
  const uint32_t agent = *results_->hosts.AddRows("id", "evil", 1);
  google::protobuf::RepeatedPtrField<std::string> bytes;
  *bytes.Add() = "\xff\xff\xff";
  ASSERT_TRUE(results_->rows[0]->Append(agent, bytes).ok());
  RowCells cells(results_, 0, SampleModule());
  EXPECT_EQ(cells.At(0).problem, "(not a row of this module)");
  ASSERT_TRUE(list_->SetFilter("size = 0").ok());
  ASSERT_TRUE(Settled());
  EXPECT_EQ(list_->size(), 0u);
  EXPECT_THAT(list_->Failures(), HasSubstr("1 row could not be asked"));
}

TEST_F(RowListTest, OfALargeValueACellHasOnlyTheBeginning) {
  Add("web1", {Row(std::string(1 << 20, 'x'), 1)});
  RowCells cells(results_, 0, SampleModule());
  EXPECT_LE(cells.At(0).cells[0].size(), RowCells::kMostCellBytes + 8);
}

// ---- expressions that find the rows of a stack again

class StackFilterTest : public RowListTest {
 protected:
  // Rows for which the filter of `entry`'s values is true.
  Numbers Matching(const SampleRow& entry, const std::vector<std::string>& columns) {
    std::vector<Column> chosen;
    for (const std::string& name : columns) chosen.push_back(*ColumnNamed(name));
    const auto filter = FilterForValues(entry, chosen);
    EXPECT_TRUE(filter.ok()) << filter.status();
    const absl::Status status = list_->SetFilter(*filter);
    EXPECT_TRUE(status.ok()) << *filter << ": " << status;
    EXPECT_TRUE(Settled());
    return Shown();
  }
};

TEST_F(StackFilterTest, HostileTextStaysText) {
  const std::string evil = "'; drop table host_row; -- \" \x1b[2J %_";
  Add("web1", {Row(evil, 1), Row("' or 1=1 --", 2), Row("x", 3)});
  EXPECT_EQ(Matching(Row(evil, 0), {"path"}), (Numbers{0}));
  EXPECT_EQ(Matching(Row("' or 1=1 --", 0), {"path"}), (Numbers{1}));
}

TEST_F(StackFilterTest, OfLongTextsBeginningAndLengthAreAskedFor) {
  const std::string lots(2000, 'x');
  Add("web1", {Row(lots, 1), Row(lots + "y", 2)});
  EXPECT_EQ(Matching(Row(lots, 0), {"path"}), (Numbers{0}));
}

TEST_F(StackFilterTest, WhatIsNotThereAndWhatIsEmptyInsideAreOne) {
  std::vector<SampleRow> rows(3);
  rows[1].mutable_owner();
  rows[2].mutable_owner()->set_name("root");
  Add("web1", rows);
  EXPECT_EQ(Matching(SampleRow(), {"owner.name"}), (Numbers{0, 1}));
  EXPECT_EQ(Matching(rows[2], {"owner.name", "owner.uid"}), (Numbers{2}));
}

TEST_F(StackFilterTest, EveryKindOfValueIsFoundAgain) {
  SampleRow row = Row("/a", 7);
  row.mutable_modified()->set_seconds(1'700'000'000);
  row.set_digest("\x01\xff");
  row.set_hash(console::testing::SAMPLE_HASH_SHA2_256);
  row.add_notes("one");
  row.add_notes("it's");
  (*row.mutable_extra())["k"] = "v";
  row.set_hidden(true);
  row.set_links(0);
  row.set_entropy(0.1);
  row.mutable_age()->set_seconds(3);
  Add("web1", {row, SampleRow()});
  for (const Column& column : ColumnsOf(SampleRow::descriptor()))
    EXPECT_EQ(Matching(row, {column.header}).size(),
              column.header == "owners" || column.header.starts_with("owner.") ? 2u : 1u)
        << column.header;
}

// ---- files

class RowExportTest : public RowListTest {
 protected:
  RowExportTest() : path_(StrCat(::testing::TempDir(), "/rows-", ::getpid(), ".csv")) {
    ::unlink(path_.c_str());
  }
  const std::string path_;
};

TEST_F(RowExportTest, AFormulaIsNoneInTheFile) {
  Add("=cmd()", {Row("=HYPERLINK(\"http://x\")", 1)});
  auto file = *RowExport::Create(results_, 0, SampleModule(), path_);
  ASSERT_TRUE(file->Write(std::vector<uint32_t>{0}).ok());
  ASSERT_TRUE(file->Finish().ok());
  file = nullptr;
  const std::string text = *ReadFile(path_);
  EXPECT_THAT(text, HasSubstr("'=HYPERLINK"));
  EXPECT_THAT(text, HasSubstr("'=cmd"));
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(RowExportTest, NothingIsOverwrittenNotEvenThroughALink) {
  ASSERT_TRUE(WriteNewFile(path_, "mine", 0600).ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(RowExport::Create(results_, 0, SampleModule(), path_).status()));
  EXPECT_EQ(*ReadFile(path_), "mine");
  const std::string link = path_ + ".csv";
  ::unlink(link.c_str());
  ASSERT_EQ(::symlink("/nowhere/at/all", link.c_str()), 0);
  EXPECT_TRUE(absl::IsAlreadyExists(RowExport::Create(results_, 0, SampleModule(), link).status()));
  ::unlink(link.c_str());
}

TEST_F(RowExportTest, AFileThatWasNotFinishedIsRemoved) {
  Add("web1", {Row("/a", 1)});
  {
    auto file = *RowExport::Create(results_, 0, SampleModule(), path_);
    ASSERT_TRUE(file->Write(std::vector<uint32_t>{0}).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(ReadFile(path_).status()));
}

TEST_F(RowExportTest, OnlyKnownEndingsAreWritten) {
  EXPECT_FALSE(FormatOfFile("rows.table").ok());
  EXPECT_FALSE(FormatOfFile("rows").ok());
  EXPECT_FALSE(FormatOfFile("dir.csv/rows").ok());
  EXPECT_EQ(*FormatOfFile("a/b.jsonl"), Format::kJsonl);
}

// ---- agents

TEST_F(RowListTest, AnAgentsLaterStateTakesTheEarlierOnesPlace) {
  v1::AgentState state;
  state.set_agent_id("id-web1");
  state.set_agent_name("web1");
  state.set_state(v1::DISPATCH_STATE_INCOMPLETE);
  v1::OperationSummary* summary = state.add_summaries();
  summary->set_outcome(v1::OUTCOME_INCOMPLETE);
  v1::Unexamined* unexamined = summary->mutable_module()->add_unexamined();
  unexamined->set_reason("Permission denied");
  unexamined->set_count(3);
  ASSERT_TRUE(results_->hosts.SetState(state).ok());
  EXPECT_EQ(results_->hosts.Reasons().front().first, "Permission denied");
  EXPECT_THAT(results_->hosts.At(0).not_looked_at, HasSubstr("3 not looked at"));
  EXPECT_EQ(results_->hosts.StateOf(0)->summaries_size(), 1);
  state.clear_summaries();
  state.set_state(v1::DISPATCH_STATE_CLEAN);
  ASSERT_TRUE(results_->hosts.SetState(state).ok());
  EXPECT_TRUE(results_->hosts.Reasons().empty());
  EXPECT_EQ(results_->hosts.size(), 1u);
  EXPECT_EQ(results_->hosts.States().at(v1::DISPATCH_STATE_CLEAN), 1u);
}

TEST_F(RowListTest, ReasonsThatHostsMakeUpDontFillTheMemory) {
  for (int i = 0; i < 2000; ++i) {
    v1::AgentState state;
    state.set_agent_id(StrCat("id-", i));
    state.set_agent_name(std::string(100'000, 'n'));
    state.set_state(v1::DISPATCH_STATE_INCOMPLETE);
    state.set_detail(StrCat("reason ", i, std::string(10'000, 'r')));
    ASSERT_TRUE(results_->hosts.SetState(state).ok());
  }
  EXPECT_LE(results_->hosts.Reasons().size(), HostTable::kMostReasons);
  EXPECT_EQ(results_->hosts.Reasons().front().first, "other reasons");
  EXPECT_LE(results_->hosts.NameOf(7).size(), HostTable::kMostNameBytes + 8);
  EXPECT_LE(results_->hosts.At(7).not_looked_at.size(), HostTable::kMostReasonBytes + 8);
}

}  // namespace
}  // namespace dragnet::console::tui
