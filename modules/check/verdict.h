// One check's verdict, computed where its rows are: in the worker, so that it is
// the same with and without a server.
//
// Takes the module's rows in place of their reader, asks the expectation of each,
// keeps the first of those that decide it as evidence, and forgets the rest. What
// could not be looked at makes the verdict unknown, never pass; but a failure that no
// further looking could undo (a row that must not be there is there) is a failure.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "modules/check/check.pb.h"
#include "modules/module.h"
#include "modules/rows/row_filter.h"

namespace dragnet {

// Thread-safe as RunContext asks. What is examined and what isn't is handed on to
// `outer`, rows are not.
class VerdictRun : public RunContext {
 public:
  static constexpr size_t kMaxEvidence = 10;
  static constexpr size_t kMaxEvidenceBytes = 2048;
  static constexpr size_t kMaxReasonBytes = 1024;

  // InvalidArgument as ValidateCheck, of the check's texts and expectation. `outer`
  // and `row_type` outlive the result.
  static absl::StatusOr<std::unique_ptr<VerdictRun>> Create(
      const check::v1::Check& check, const google::protobuf::Descriptor* row_type,
      RunContext& outer);

  // False once it is a failure and the evidence is full: more rows change nothing.
  bool EmitRow(const google::protobuf::Message& row) override;
  void AddExamined(uint64_t items, uint64_t bytes) override { outer_.AddExamined(items, bytes); }
  void NoteUnexamined(std::string_view reason, std::string_view example) override;
  void NoteLimitHit(std::string_view what) override;
  bool stopping() const override { return decided_ || outer_.stopping(); }

  // Once, after the module returned `status`.
  check::v1::Verdict Decide(const absl::Status& status);

 private:
  // Rows of one kind: how many, and the first of them.
  struct Kept {
    uint64_t count = 0;
    std::vector<std::string> first;
  };
  struct Unseen {
    uint64_t count = 0;
    std::string example;
  };

  VerdictRun(const check::v1::Check& check, std::unique_ptr<RowFilter> filter, RunContext& outer);

  static void Keep(const google::protobuf::Message& row, Kept* kept);
  // These hold mutex_.
  const Kept& Evidence() const;
  // Rows that are selected can only make it pass, and others change nothing.
  bool OnlyFinds() const;
  bool FailedForGood() const;
  bool MeetsExpectation() const;
  std::string Expected() const;
  std::string Found() const;
  // What was not looked at, in words; empty when everything was.
  std::string NotLookedAt(const absl::Status& status) const;

  const check::v1::Check check_;
  const std::unique_ptr<RowFilter> filter_;
  RunContext& outer_;
  const absl::Time started_;

  std::atomic<bool> decided_ = false;
  std::mutex mutex_;
  Kept selected_;
  Kept others_;
  // By reason, in the order of their names; bounded.
  std::map<std::string, Unseen, std::less<>> unseen_;
  uint64_t unseen_besides_ = 0;
  std::string limit_hit_;
  uint64_t unasked_rows_ = 0;
  std::string why_unasked_;
};

// The row as one JSON object of at most `max_bytes` (at least 128), without fields that
// are empty, 0 or false: evidence is for people. Fields that don't fit are left out,
// and named in "left_out" as far as there is room.
std::string BoundedRowJson(const google::protobuf::Message& row, size_t max_bytes);

}  // namespace dragnet
