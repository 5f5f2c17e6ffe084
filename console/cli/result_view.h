// Events of one action on their way to a person: rows to standard output as
// they land, a progress line and a summary to standard error. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "console/cli/exit_status.h"
#include "console/cli/io.h"
#include "console/cli/row_selection.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// What `results --hosts` takes.
inline constexpr std::string_view kHostStates[] = {"all",    "found",   "clean",  "incomplete",
                                                   "failed", "refused", "pending"};

class ResultView {
 public:
  struct Options {
    Format format = Format::kTable;
    // Not empty: one line per agent in this state, in place of rows.
    std::string hosts{};
    // Looked up, not waited for: how long it took says nothing.
    bool stored = false;
  };

  // `action` is the document that was signed: which module an operation ran is
  // taken from it and not from what a scheduler says. `rows` is made from it.
  ResultView(const v1::Action& action, RowSelection rows, Io& io, Options options);

  void OnEvent(const v1::WatchEvent& event);
  // Redraws the progress line. Called while nothing comes.
  void Tick();
  // Where the action is on its way to the fleet. What a person must know of it is
  // said when it changes, and in the progress line.
  void OnPhase(const v1::ActionInfo& info);
  // A line to the person between rows.
  void Say(std::string_view line);
  // Ends the output. Nothing may follow but PrintSummary.
  void Finish();
  // Counts, and what was not looked at, by agent and reason.
  void PrintSummary();

  bool ended() const { return ended_; }
  // Of the last record seen; to go on from after a lost connection.
  uint64_t cursor() const { return cursor_; }
  const v1::Progress& progress() const { return progress_; }
  ExitStatus exit_status() const { return ExitStatusOf(progress_, rows_.lost() > 0); }
  // The first error of writing to standard output, e.g. a full disk.
  const absl::Status& output_status() const { return output_status_; }

 private:
  void OnRows(const v1::AgentRows& rows);
  void OnAgentState(const v1::AgentState& state);
  // Puts out what was written, unless a table's first rows wait for more.
  void Put();
  void PutNow();
  void DrawProgress();
  void EraseProgress();
  std::string ProgressText(bool with_zeros) const;

  const v1::Action action_;
  Io& io_;
  const Options options_;
  RowSelection rows_;
  std::unique_ptr<RecordWriter> writer_;
  absl::Status output_status_;

  absl::Time first_row_at_ = absl::InfiniteFuture();
  bool rows_wait_ = false;

  uint64_t cursor_ = 0;
  v1::Progress progress_;
  bool progress_known_ = false;
  v1::DispatchPhase phase_ = v1::DISPATCH_PHASE_UNSPECIFIED;
  std::string phase_notice_;
  bool ended_ = false;
  uint64_t rows_printed_ = 0;
  // Those of which the summary tells: incomplete and refused.
  std::map<std::string, v1::AgentState> told_;

  const absl::Time started_;
  absl::Time drawn_at_ = absl::InfinitePast();
  bool progress_visible_ = false;
};

}  // namespace dragnet::console
