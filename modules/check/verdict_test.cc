#include "modules/check/verdict.h"

#include <thread>

#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/file/file.pb.h"
#include "modules/run_context_fake.h"
#include "nlohmann/json.hpp"

namespace dragnet {
namespace {

using check::v1::Check;
using check::v1::Expectation;
using check::v1::Verdict;
using file::v1::FileRow;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Check CheckOf(Expectation::Kind kind, std::string_view where = "") {
  Check check;
  check.set_id("shadow.mode");
  check.set_title("/etc/shadow is for root alone");
  check.set_severity("high");
  check.mutable_expectation()->set_kind(kind);
  check.mutable_expectation()->set_where(std::string(where));
  return check;
}

FileRow Row(std::string_view path, uint64_t size = 1) {
  FileRow row;
  row.set_path(std::string(path));
  row.set_size(size);
  return row;
}

class VerdictTest : public testing::Test {
 protected:
  std::unique_ptr<VerdictRun> Run(const Check& check) {
    auto run = VerdictRun::Create(check, FileRow::descriptor(), outer_);
    EXPECT_TRUE(run.ok()) << run.status();
    return *std::move(run);
  }
  // Of rows of these sizes.
  Verdict Of(const Check& check, const std::vector<uint64_t>& sizes) {
    const auto run = Run(check);
    for (const uint64_t size : sizes) run->EmitRow(Row("/f", size));
    return run->Decide(absl::OkStatus());
  }
  std::string StatusOf(const Check& check, const std::vector<uint64_t>& sizes) {
    return Of(check, sizes).status();
  }

  FakeRunContext outer_;
};

TEST_F(VerdictTest, AnExpectationDecidesOverTheRowsThatItSelects) {
  const Check found = CheckOf(Expectation::KIND_FOUND, "size > 5");
  EXPECT_EQ(StatusOf(found, {}), "fail");
  EXPECT_EQ(StatusOf(found, {1, 5}), "fail");
  EXPECT_EQ(StatusOf(found, {1, 6}), "pass");
  const Check not_found = CheckOf(Expectation::KIND_NOT_FOUND, "size > 5");
  EXPECT_EQ(StatusOf(not_found, {}), "pass");
  EXPECT_EQ(StatusOf(not_found, {5}), "pass");
  EXPECT_EQ(StatusOf(not_found, {5, 6}), "fail");
  Check count = CheckOf(Expectation::KIND_COUNT, "size > 5");
  count.mutable_expectation()->set_min(2);
  count.mutable_expectation()->set_max(3);
  EXPECT_EQ(StatusOf(count, {6, 1, 1}), "fail");
  EXPECT_EQ(StatusOf(count, {6, 6}), "pass");
  EXPECT_EQ(StatusOf(count, {6, 6, 6, 1}), "pass");
  EXPECT_EQ(StatusOf(count, {6, 6, 6, 6}), "fail");
  Check all = CheckOf(Expectation::KIND_ALL, "size > 5");
  EXPECT_EQ(StatusOf(all, {}), "pass");
  EXPECT_EQ(StatusOf(all, {6, 7}), "pass");
  EXPECT_EQ(StatusOf(all, {6, 1}), "fail");
  all.mutable_expectation()->set_min(2);
  EXPECT_EQ(StatusOf(all, {6}), "fail");
  EXPECT_EQ(StatusOf(CheckOf(Expectation::KIND_FOUND), {1}), "pass");
}

// What a row doesn't have is NULL, and neither more nor less than anything.
TEST_F(VerdictTest, AConditionThatCannotBeSaidIsNeitherYesNorNo) {
  const auto of_unset_time = [&](Expectation::Kind kind, std::string_view where) {
    Check check = CheckOf(kind, where);
    if (kind == Expectation::KIND_COUNT) check.mutable_expectation()->set_max(0);
    return Of(check, {1});
  };
  constexpr char kOld[] = "mtime < '2020'";
  for (const Expectation::Kind kind :
       {Expectation::KIND_NOT_FOUND, Expectation::KIND_ALL, Expectation::KIND_COUNT}) {
    const Verdict verdict = of_unset_time(kind, kOld);
    EXPECT_EQ(verdict.status(), "unknown") << kind;
    EXPECT_THAT(verdict.reason(), HasSubstr("NULL"));
  }
  EXPECT_EQ(of_unset_time(Expectation::KIND_FOUND, kOld).status(), "fail");
  EXPECT_EQ(of_unset_time(Expectation::KIND_NOT_FOUND, "mtime is null").status(), "fail");
  EXPECT_EQ(of_unset_time(Expectation::KIND_ALL, "mtime is null or mtime < '2020'").status(),
            "pass");
  // Not of rows that are out for another reason.
  EXPECT_EQ(of_unset_time(Expectation::KIND_NOT_FOUND, "size > 5 and mtime < '2020'").status(),
            "pass");
}

TEST_F(VerdictTest, ATextThatIsNotAllThereDecidesNothing) {
  using std::string_literals::operator""s;
  for (const std::string& path : {"/etc/cut…"s, "/etc/cut\0evil"s}) {
    for (const auto& [kind, where] : {std::pair(Expectation::KIND_NOT_FOUND, "path like '%evil%'"),
                                      std::pair(Expectation::KIND_FOUND, "path not like '%evil%'"),
                                      std::pair(Expectation::KIND_ALL, "path not like '%evil%'")}) {
      const auto run = Run(CheckOf(kind, where));
      run->EmitRow(Row(path));
      const Verdict verdict = run->Decide(absl::OkStatus());
      EXPECT_EQ(verdict.status(), "unknown") << path << " " << where;
      EXPECT_THAT(verdict.reason(), HasSubstr("path of a row"));
    }
    // What isn't read doesn't matter.
    const auto run = Run(CheckOf(Expectation::KIND_NOT_FOUND, "size > 5"));
    run->EmitRow(Row(path));
    EXPECT_EQ(run->Decide(absl::OkStatus()).status(), "pass");
  }
}

TEST_F(VerdictTest, WhatWasNotLookedAtMakesItUnknownNeverPass) {
  for (const Expectation::Kind kind :
       {Expectation::KIND_FOUND, Expectation::KIND_NOT_FOUND, Expectation::KIND_ALL}) {
    for (const uint64_t size : {1, 6}) {
      const auto run = Run(CheckOf(kind, "size > 5"));
      run->EmitRow(Row("/f", size));
      run->NoteUnexamined("Permission denied", "/etc/shadow");
      EXPECT_NE(run->Decide(absl::OkStatus()).status(), "pass");
      const auto limited = Run(CheckOf(kind, "size > 5"));
      limited->EmitRow(Row("/f", size));
      limited->NoteLimitHit("match_limit 10");
      EXPECT_NE(limited->Decide(absl::OkStatus()).status(), "pass");
      const auto failed = Run(CheckOf(kind, "size > 5"));
      failed->EmitRow(Row("/f", size));
      EXPECT_NE(failed->Decide(absl::InternalError("x")).status(), "pass");
    }
  }
  // Nor a failure that further looking could have undone.
  const auto run = Run(CheckOf(Expectation::KIND_FOUND));
  run->NoteUnexamined("Permission denied", "/etc/shadow");
  run->NoteUnexamined("Permission denied", "/etc/gshadow");
  const Verdict verdict = run->Decide(absl::OkStatus());
  EXPECT_EQ(verdict.status(), "unknown");
  EXPECT_EQ(verdict.reason(), "could not look at /etc/shadow: Permission denied (2)");
  // The operation's summary has it as well.
  EXPECT_THAT(outer_.unexamined["Permission denied"], testing::Contains("/etc/gshadow"));
}

TEST_F(VerdictTest, AFailureThatNoFurtherLookingCouldUndoIsOne) {
  Check count = CheckOf(Expectation::KIND_COUNT, "size > 5");
  count.mutable_expectation()->set_max(0);
  for (const Check& check : {CheckOf(Expectation::KIND_NOT_FOUND, "size > 5"), count,
                             CheckOf(Expectation::KIND_ALL, "size < 5")}) {
    const auto run = Run(check);
    run->NoteUnexamined("Permission denied", "/etc/shadow");
    run->EmitRow(Row("/bad", 6));
    const Verdict verdict = run->Decide(absl::InternalError("and it broke"));
    EXPECT_EQ(verdict.status(), "fail");
    EXPECT_THAT(verdict.reason(), HasSubstr("besides: the module failed: and it broke"));
    EXPECT_THAT(verdict.evidence(), SizeIs(1));
  }
}

TEST_F(VerdictTest, ARowThatTheConditionCanNotBeAskedOfMakesItUnknown) {
  const auto run = Run(CheckOf(Expectation::KIND_NOT_FOUND, "json_extract(path, '$.a') = 1"));
  EXPECT_TRUE(run->EmitRow(Row("not json")));
  const Verdict verdict = run->Decide(absl::OkStatus());
  EXPECT_EQ(verdict.status(), "unknown");
  EXPECT_THAT(verdict.reason(), HasSubstr("could not be asked of 1 row"));
  EXPECT_EQ(verdict.rows(), 1u);
}

TEST_F(VerdictTest, ItEndsTheRunOnceItFailedAndTheEvidenceIsFull) {
  const auto run = Run(CheckOf(Expectation::KIND_NOT_FOUND));
  for (size_t i = 1; i < VerdictRun::kMaxEvidence; ++i) EXPECT_TRUE(run->EmitRow(Row("/f")));
  EXPECT_FALSE(run->stopping());
  EXPECT_FALSE(run->EmitRow(Row("/f")));
  EXPECT_TRUE(run->stopping());
  EXPECT_FALSE(run->EmitRow(Row("/f")));
  const Verdict verdict = run->Decide(absl::OkStatus());
  EXPECT_THAT(verdict.evidence(), SizeIs(VerdictRun::kMaxEvidence));
  EXPECT_EQ(verdict.reason(), "expected no row: at least 10 found");
  // What has not failed for good goes on, and counts.
  const Verdict passed = Of(CheckOf(Expectation::KIND_FOUND), std::vector<uint64_t>(25, 1));
  EXPECT_EQ(passed.evidence_left_out(), 15u);
  EXPECT_EQ(passed.selected(), 25u);
}

TEST_F(VerdictTest, WordsSayWhatWasExpectedAndWhatThereWas) {
  EXPECT_EQ(Of(CheckOf(Expectation::KIND_NOT_FOUND, "mode like '%w%'"), {}).reason(),
            "expected no row where mode like '%w%': no row at all");
  EXPECT_EQ(Of(CheckOf(Expectation::KIND_FOUND, "size > 5"), {1, 2}).reason(),
            "expected a row where size > 5: none among 2 rows");
  EXPECT_EQ(Of(CheckOf(Expectation::KIND_ALL, "size > 5"), {1, 6, 7}).reason(),
            "expected only rows where size > 5: 1 of 3 rows is not so");
  // Where nothing was selected, the evidence is what there was in its place.
  EXPECT_THAT(Of(CheckOf(Expectation::KIND_FOUND, "size > 5"), {1, 2}).evidence(), SizeIs(2));
}

TEST_F(VerdictTest, EvidenceAndReasonAreBounded) {
  const auto run = Run(CheckOf(Expectation::KIND_NOT_FOUND));
  FileRow row = Row(std::string(5000, '\x01'), 7);
  row.set_mode("-rw-r--r--");
  for (int i = 0; i < 5000; ++i) row.add_matched(std::string(200, 'x'));
  run->EmitRow(row);
  for (int i = 0; i < 100; ++i) {
    run->NoteUnexamined(StrCat("reason ", i, std::string(5000, 'r')), std::string(5000, '\xff'));
  }
  const Verdict verdict = run->Decide(absl::OkStatus());
  EXPECT_LE(verdict.reason().size(), VerdictRun::kMaxReasonBytes);
  ASSERT_THAT(verdict.evidence(), SizeIs(1));
  EXPECT_LE(verdict.evidence(0).size(), VerdictRun::kMaxEvidenceBytes);
  const auto json = nlohmann::json::parse(verdict.evidence(0), nullptr, false);
  ASSERT_TRUE(json.is_object()) << verdict.evidence(0);
  EXPECT_EQ(json["mode"], "-rw-r--r--");
  EXPECT_EQ(json["left_out"], nlohmann::json::array({"path", "matched"}));
}

TEST_F(VerdictTest, WhatIsNotACheckIsRefused) {
  Check bad_id = CheckOf(Expectation::KIND_FOUND);
  bad_id.set_id("Bad Id");
  Check bad_severity = CheckOf(Expectation::KIND_FOUND);
  bad_severity.set_severity("terrible");
  for (const Check& check : {bad_id, bad_severity, CheckOf(Expectation::KIND_UNSPECIFIED),
                             CheckOf(Expectation::KIND_COUNT), CheckOf(Expectation::KIND_ALL),
                             CheckOf(Expectation::KIND_FOUND, "no_such_column = 1"),
                             CheckOf(Expectation::KIND_FOUND, "1); DROP TABLE x")}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(VerdictRun::Create(check, FileRow::descriptor(), outer_).status()));
  }
}

TEST_F(VerdictTest, RowsMayComeFromManyThreads) {
  const auto run = Run(CheckOf(Expectation::KIND_ALL, "size = 1"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) run->EmitRow(Row("/f"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Verdict verdict = run->Decide(absl::OkStatus());
  EXPECT_EQ(verdict.status(), "pass");
  EXPECT_EQ(verdict.rows(), 800u);
  EXPECT_THAT(verdict.evidence(), IsEmpty());
}

}  // namespace
}  // namespace dragnet
