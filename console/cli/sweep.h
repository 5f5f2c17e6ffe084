// The parts of `dragnet sweep`, by what they do. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/cli/launch.h"
#include "console/cli/session.h"
#include "console/investigation/verification.h"
#include "console/output/record_writer.h"
#include "console/sweeps/new_sweep.h"
#include "console/sweeps/sweep.h"

namespace dragnet::console {

// The flags of all of them, as given.
struct SweepFlags {
  std::string sweep;
  std::string output = "table";
  // add
  std::string pack;
  SweepPlan plan;
  std::vector<std::string> set;
  LaunchFlags launch;
  // list
  bool all = false;
  // show, report
  std::string by = "check";
  bool failed = false;
  std::vector<std::string> checks;
  // history
  std::string limit = "100";
  // drift
  std::string since;
  // report
  std::optional<std::string> html;
  std::string report_by = "distribution";
  std::string report_output = "table";
  bool force = false;
};

absl::StatusOr<int> AddSweep(const SweepFlags& flags, Session& session);
absl::StatusOr<int> RunSweepNow(const SweepFlags& flags, Session& session);
absl::StatusOr<int> ListSweeps(const SweepFlags& flags, Session& session);
absl::StatusOr<int> ShowSweep(const SweepFlags& flags, Session& session);
absl::StatusOr<int> ShowSweepHistory(const SweepFlags& flags, Session& session);
absl::StatusOr<int> ShowSweepDrift(const SweepFlags& flags, Session& session);
absl::StatusOr<int> ReportSweep(const SweepFlags& flags, Session& session);
// All verdicts, as `flags.report_output` says.
absl::StatusOr<int> ReportVerdicts(const SweepFlags& flags, Session& session);

// "last" (the newest that this investigator launched), a full id, or a unique
// beginning or end of one. Whoever signed it: what is said of it is then checked by
// others, or it is to be ended.
absl::StatusOr<Sweep> FindSweepByWord(const std::string& word, uint32_t runs, Session& session);

// A sweep whose document was checked against the trust policy, here.
struct SignedSweep {
  Sweep sweep;
  ActionVerification verification;
};

// As FindSweepByWord. FailedPrecondition (and IsFromScheduler) when no one in the trust
// policy signed what the scheduler shows; a warning is said when they are too few, or
// agents refuse it for another reason.
absl::StatusOr<SignedSweep> FindSignedSweep(const std::string& word, uint32_t runs,
                                            Session& session);

// 1: a check failed; 3: nothing failed, but something is unknown, a host is silent or
// hasn't taken the sweep on (`silent` ones were counted here), agents refuse the document,
// or nothing was told yet; 0: everything passes.
int SweepExitStatus(const SignedSweep& found, const v1::VerdictCounts& verdicts, uint64_t silent);

// Why agents refuse the document; empty when they take it. Fit for a terminal.
std::string WhyRefused(const ActionVerification& verification);

// Records without a message, in any of the formats. Cells are raw text.
class ValueTable {
 public:
  struct Column {
    std::string title;
    bool number = false;
    // Not in tables.
    bool detail = false;
  };
  ValueTable(const std::vector<Column>& columns, const std::string& output, Io& io);

  // Parallel to the columns; of numbers an empty one is null.
  void Row(const std::vector<std::string>& cells);
  // The last column is a list: in JSON an array.
  void Row(std::vector<std::string> cells, const std::vector<std::string>& list);
  // A line beneath the last row, in tables alone. Raw.
  void Note(std::string_view text);
  bool is_table() const { return is_table_; }
  // Local time in tables, else UTC; empty for a time that isn't set.
  std::string Time(const google::protobuf::Timestamp& timestamp) const;
  std::string Time(absl::Time time) const;
  // Says `none` when there were no rows.
  absl::Status Finish(std::string_view none);

 private:
  Io& io_;
  const bool is_table_;
  const std::vector<Column> columns_;
  std::unique_ptr<RecordWriter> writer_;
  size_t rows_ = 0;
};

}  // namespace dragnet::console
