#include "scheduler/store/all_changes.h"

#include <gmock/gmock.h>

#include <set>

#include "scheduler/store/backup.h"
#include "scheduler/testing/stored_answers.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AllChangesTest : public ::testing::Test {
 protected:
  std::vector<ActionChange> ReadFrom(StreamPosition* position, size_t max_bytes = 1 << 20) {
    absl::StatusOr<AllChanges> all = answers_.store->ReadAllChanges(*position, max_bytes);
    EXPECT_TRUE(all.ok()) << all.status();
    if (!all.ok()) return {};
    *position = all->next;
    return std::move(all->changes);
  }

  StoredAnswers answers_;
};

TEST_F(AllChangesTest, WhatHappensToSeveralActionsComesInOneOrder) {
  const std::string first = answers_.AddAction();
  const std::string second = answers_.AddAction();
  answers_.AddRows(first, 0, 1, {"a"});
  answers_.AddRows(second, 1, 1, {"b", "c"});
  answers_.End(first, 0, 2, 1);
  StreamPosition position;
  const std::vector<ActionChange> changes = ReadFrom(&position);
  uint64_t last = 0;
  std::vector<std::string> rows;
  for (const ActionChange& change : changes) {
    EXPECT_GT(change.position, last);
    last = change.position;
    EXPECT_NE(change.stored_at, absl::InfinitePast());
    if (change.rows.has_value()) rows.push_back(change.action_id + change.rows->rows(0));
  }
  EXPECT_THAT(rows, ::testing::ElementsAre(first + "a", second + "b"));
  EXPECT_EQ(last, position.position);
  EXPECT_THAT(ReadFrom(&position), IsEmpty());
}

TEST_F(AllChangesTest, ASmallBatchEachTimeGivesTheSameAsOneLargeOne) {
  const std::string action = answers_.AddAction();
  for (uint64_t i = 1; i <= 20; ++i) answers_.AddRows(action, i % 2, (i + 1) / 2, {"row"});
  StreamPosition all_at_once;
  std::vector<uint64_t> expected;
  for (const ActionChange& change : ReadFrom(&all_at_once)) expected.push_back(change.position);
  StreamPosition position;
  std::vector<uint64_t> got;
  while (true) {
    const std::vector<ActionChange> changes = ReadFrom(&position, 1);
    if (changes.empty()) break;
    EXPECT_THAT(changes, SizeIs(1));
    got.push_back(changes[0].position);
  }
  EXPECT_EQ(got, expected);
}

TEST_F(AllChangesTest, AStateThatMovesOnIsSeenAgainAtItsNewPlace) {
  const std::string action = answers_.AddAction();
  StreamPosition position;
  ReadFrom(&position);
  answers_.AddRows(action, 0, 1, {"a"});
  answers_.End(action, 0, 2, 1);
  bool ended = false;
  for (const ActionChange& change : ReadFrom(&position))
    if (!change.rows.has_value()) ended = change.pair.state == v1::DISPATCH_STATE_FOUND;
  EXPECT_TRUE(ended);
}

TEST_F(AllChangesTest, NowIsAfterEverythingThatIsThere) {
  const std::string action = answers_.AddAction();
  answers_.AddRows(action, 0, 1, {"old"});
  StreamPosition position = *answers_.store->StreamEnd();
  EXPECT_THAT(ReadFrom(&position), IsEmpty());
  answers_.AddRows(action, 1, 1, {"new"});
  const std::vector<ActionChange> changes = ReadFrom(&position);
  ASSERT_FALSE(changes.empty());
  for (const ActionChange& change : changes)
    if (change.rows.has_value()) {
      EXPECT_EQ(change.rows->rows(0), "new");
    }
}

TEST_F(AllChangesTest, WhatRetentionRemovesUnreadIsAGapThatIsSaid) {
  const std::string action = answers_.AddAction();
  StreamPosition behind = *answers_.store->StreamEnd();
  answers_.AddRows(action, 0, 1, {"a"});
  StreamPosition has_it = *answers_.store->StreamEnd();
  answers_.Retain(answers_.now + absl::Hours(24 * 400));
  const absl::Status gap = answers_.store->ReadAllChanges(behind, 1 << 20).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(gap)) << gap;
  EXPECT_THAT(std::string(gap.message()), HasSubstr("retention has removed"));
  // From the oldest that is kept one can go on, and it isn't a gap again and again.
  StreamPosition oldest = *answers_.store->StreamBegin();
  EXPECT_FALSE(ReadFrom(&oldest, 1).empty());
  ReadFrom(&oldest);
  EXPECT_TRUE(answers_.store->ReadAllChanges(oldest, 1 << 20).ok());
  // Who had read it misses nothing.
  EXPECT_TRUE(answers_.store->ReadAllChanges(has_it, 1 << 20).ok());
}

TEST_F(AllChangesTest, ALaterRemovalIsAGapAlsoForWhoKnowsOfAnEarlierOne) {
  const std::string kept = answers_.AddAction();
  answers_.AddRows(kept, 0, 1, {"kept"});
  answers_.AddRows(kept, 0, 2, {"kept, and not read in time"});
  ASSERT_TRUE(answers_.store
                  ->Maintain(
                      [&](Database& database) {
                        return database.Run(
                            "INSERT INTO retention (action, keep_until) SELECT no, ? FROM actions",
                            answers_.now + absl::Hours(24 * 800));
                      },
                      true)
                  .ok());
  const std::string removed = answers_.AddAction();
  answers_.AddRows(removed, 0, 1, {"removed"});
  answers_.Retain(answers_.now + absl::Hours(24 * 400));
  StreamPosition reader = *answers_.store->StreamBegin();
  ASSERT_THAT(ReadFrom(&reader, 1), SizeIs(1));
  EXPECT_TRUE(answers_.store->ReadAllChanges(reader, 1).ok());
  answers_.Retain(answers_.now + absl::Hours(24 * 900));
  EXPECT_TRUE(absl::IsFailedPrecondition(answers_.store->ReadAllChanges(reader, 1 << 20).status()));
}

TEST_F(AllChangesTest, NoPositionIsGivenTwiceThoughTheNewestRowsWereRemovedAndItStartsAgain) {
  const std::string action = answers_.AddAction();
  answers_.AddRows(action, 0, 1, {"a"});
  for (uint64_t i = 2; i <= 50; ++i) answers_.AddRows(action, 0, i, {"a"});
  const StreamPosition before = *answers_.store->StreamEnd();
  answers_.Retain(answers_.now + absl::Hours(24 * 400));
  answers_.Reopen();
  const std::string next = answers_.AddAction();
  answers_.AddRows(next, 0, 1, {"b"});
  StreamPosition oldest = *answers_.store->StreamBegin();
  bool found = false;
  for (const ActionChange& change : ReadFrom(&oldest)) {
    if (change.action_id != next) continue;
    EXPECT_GT(change.position, before.position);
    found = true;
  }
  EXPECT_TRUE(found);
}

// A power cut may undo the last commits that were not synced.
TEST_F(AllChangesTest, PositionsThatAPowerCutUndidAreNotGivenToSomethingElse) {
  const std::string action = answers_.AddAction();
  const StreamPosition end = *answers_.store->StreamEnd();
  answers_.Reopen();
  answers_.AddRows(action, 0, 1, {"a"});
  StreamPosition position = *answers_.store->StreamBegin();
  for (const ActionChange& change : ReadFrom(&position))
    if (change.rows.has_value()) {
      EXPECT_GT(change.position, end.position + 100'000);
    }
}

TEST_F(AllChangesTest, ItsIdentityStaysUntilItIsRestored) {
  const uint64_t identity = *answers_.store->StreamIdentity();
  answers_.Reopen();
  EXPECT_EQ(*answers_.store->StreamIdentity(), identity);
  const std::string backup = answers_.directory.path() + "/backup.db";
  ASSERT_TRUE(BackUp(answers_.path, backup).ok());
  answers_.store.reset();
  const auto restored = Restore(backup, answers_.path, {.replace = true}, answers_.now);
  ASSERT_TRUE(restored.ok()) << restored.status();
  answers_.Open();
  EXPECT_NE(*answers_.store->StreamIdentity(), identity);
}

TEST_F(AllChangesTest, ACursorAheadOfTheStoreIsRefused) {
  answers_.AddAction();
  EXPECT_TRUE(absl::IsFailedPrecondition(
      answers_.store->ReadAllChanges({.position = uint64_t{1} << 40, .removal = 0}, 1).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
