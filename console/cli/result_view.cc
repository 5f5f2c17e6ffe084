#include "console/cli/result_view.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "console/cli/stored_results.h"
#include "console/investigation/summary.h"
#include "console/output/cell.h"
#include "console/output/text_width.h"
#include "core/strings.h"
#include "core/termination.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// Often enough for the eye, rarely enough for a slow ssh line.
constexpr absl::Duration kRedraw = absl::Milliseconds(150);

// A table's first rows wait so long for others, so that the widths of its
// columns come from more than one row.
constexpr absl::Duration kFirstBatch = absl::Milliseconds(80);

// All labels, because what an agent did not look at is put together here; the
// rest is in the JSON.
Layout HostLayout() {
  Layout layout;
  layout.labels = {{"", "action"},
                   {"agent", "agent"},
                   {"", "agentId"},
                   {"state", "state"},
                   {"rows", "rows", /*number=*/true},
                   {"not looked at", "notLookedAt"}};
  layout.json_key = "answer";
  return layout;
}

bool HasFailed(const v1::AgentState& state) {
  const bool ended = state.state() == v1::DISPATCH_STATE_FOUND ||
                     state.state() == v1::DISPATCH_STATE_CLEAN ||
                     state.state() == v1::DISPATCH_STATE_INCOMPLETE;
  return ended && std::any_of(state.summaries().begin(), state.summaries().end(),
                              [](const v1::OperationSummary& summary) {
                                return IsFailure(summary.termination());
                              });
}

bool HostsWanted(const std::string& wanted, const v1::AgentState& state) {
  const std::string word = StateWord(state.state());
  if (wanted == "all" || wanted == word) return true;
  if (wanted == "failed") return HasFailed(state);
  return wanted == "pending" &&
         (word == "waiting" || word == "sent" || word == "running" || word == "never-sent");
}

}  // namespace

ResultView::ResultView(const v1::Action& action, RowSelection rows, Io& io, Options options)
    : action_(action),
      io_(io),
      options_(std::move(options)),
      rows_(std::move(rows)),
      started_(io.clock->Now()) {
  std::vector<Layout> layouts = rows_.layouts();
  if (!options_.hosts.empty()) layouts = {HostLayout()};
  writer_ = RecordWriter::Create(options_.format, std::move(layouts), io.out,
                                 {.terminal = io.output_is_terminal, .color = io.color});
}

void ResultView::OnEvent(const v1::WatchEvent& event) {
  switch (event.content_case()) {
    case v1::WatchEvent::kRows:
      OnRows(event.rows());
      break;
    case v1::WatchEvent::kAgentState:
      OnAgentState(event.agent_state());
      break;
    case v1::WatchEvent::kProgress:
      progress_ = event.progress();
      progress_known_ = true;
      break;
    case v1::WatchEvent::kEnd:
      progress_ = event.end().progress();
      ended_ = true;
      break;
    case v1::WatchEvent::CONTENT_NOT_SET:
      break;
  }
  if (event.cursor() > cursor_) cursor_ = event.cursor();
  if (rows_wait_ && io_.clock->Now() - first_row_at_ >= kFirstBatch) PutNow();
  if (io_.clock->Now() - drawn_at_ >= kRedraw) DrawProgress();
}

void ResultView::OnRows(const v1::AgentRows& rows) {
  if (!options_.hosts.empty()) return;
  std::vector<std::string> labels;
  for (const std::string& bytes : rows.rows()) {
    const google::protobuf::Message* row = rows_.Read(rows, bytes);
    if (row == nullptr) continue;
    const SelectedOperation& operation = rows_.operations()[rows.operation()];
    if (labels.empty())
      labels = {action_.id(), rows.agent_name(), rows.agent_id(), StrCat(rows.operation()),
                std::string(operation.module->manifest().name)};
    writer_->Write(operation.layout, labels, *row);
    ++rows_printed_;
  }
  Put();
}

void ResultView::OnAgentState(const v1::AgentState& state) {
  if (state.state() == v1::DISPATCH_STATE_INCOMPLETE ||
      state.state() == v1::DISPATCH_STATE_REFUSED) {
    told_[state.agent_id()] = state;
  } else {
    told_.erase(state.agent_id());
  }
  if (options_.hosts.empty() || !HostsWanted(options_.hosts, state)) return;
  const std::vector<std::string> labels = {action_.id(),         state.agent_name(),
                                           state.agent_id(),     StateWord(state.state()),
                                           StrCat(state.rows()), NotLookedAt(action_, state)};
  writer_->Write(0, labels, state);
  ++rows_printed_;
  Put();
}

void ResultView::Put() {
  if (options_.format == Format::kTable) {
    if (first_row_at_ == absl::InfiniteFuture()) first_row_at_ = io_.clock->Now();
    rows_wait_ = io_.clock->Now() - first_row_at_ < kFirstBatch;
    if (rows_wait_) return;
  }
  PutNow();
}

void ResultView::PutNow() {
  rows_wait_ = false;
  EraseProgress();
  writer_->Flush();
  const absl::Status flushed = io_.out->Flush();
  if (output_status_.ok()) output_status_ = flushed;
}

void ResultView::Tick() {
  if (rows_wait_ && io_.clock->Now() - first_row_at_ >= kFirstBatch) PutNow();
  DrawProgress();
}

void ResultView::OnPhase(const v1::ActionInfo& info) {
  phase_ = info.phase();
  const std::string notice = PhaseNotice(info);
  if (notice == phase_notice_) return;
  // Gone on since it was last said.
  if (notice.empty()) Say("it goes on");
  if (!notice.empty()) Say(ForTerminal(notice));
  phase_notice_ = notice;
}

void ResultView::Say(std::string_view line) {
  EraseProgress();
  io_.Say(StrCat("dragnet: ", line));
}

void ResultView::Finish() {
  EraseProgress();
  writer_->Finish();
  const absl::Status flushed = io_.out->Flush();
  if (output_status_.ok()) output_status_ = flushed;
}

std::string ResultView::ProgressText(bool with_zeros) const {
  std::string text;
  // The word that explains why nothing moves comes first.
  if (!phase_notice_.empty()) text = StrCat(absl::AsciiStrToUpper(PhaseWord(phase_)), "  ");
  StrAppend(&text, "targeted ", progress_.targeted());
  const auto add = [&](std::string_view name, uint64_t count, bool always) {
    if (always || count > 0) StrAppend(&text, "  ", name, " ", count);
  };
  add("sent", progress_.sent(), with_zeros);
  add("running", progress_.running(), with_zeros);
  add("found", progress_.found(), with_zeros);
  add("clean", progress_.clean(), with_zeros);
  add("incomplete", progress_.incomplete(), with_zeros);
  add("refused", progress_.refused(), false);
  add("offline", progress_.offline(), false);
  add("held back", progress_.held_back(), false);
  add("never sent", progress_.never_sent(), false);
  add("rows", progress_.rows(), true);
  const absl::Duration elapsed = io_.clock->Now() - started_;
  return StrCat(text, "  ", absl::StrFormat("%.1fs", absl::ToDoubleSeconds(elapsed)));
}

void ResultView::DrawProgress() {
  if (!io_.error_is_terminal || !progress_known_) return;
  drawn_at_ = io_.clock->Now();
  // One column is left free: a full line would wrap on some terminals.
  const size_t room = io_.width > 1 ? io_.width - 1 : 1;
  std::string text = ProgressText(/*with_zeros=*/true);
  if (text.size() > room) text = ProgressText(/*with_zeros=*/false).substr(0, room);
  io_.err->Write(StrCat("\r\x1b[K", text));
  io_.err->Flush().IgnoreError();
  progress_visible_ = true;
}

void ResultView::EraseProgress() {
  if (!progress_visible_) return;
  io_.err->Write("\r\x1b[K");
  io_.err->Flush().IgnoreError();
  progress_visible_ = false;
}

void ResultView::PrintSummary() {
  EraseProgress();
  if (rows_printed_ == 0) io_.Say(options_.hosts.empty() ? "no rows" : "no such agents");
  std::vector<v1::AgentState> states;
  for (const auto& [id, state] : told_) states.push_back(state);
  io_.err->Write(SummaryText(action_, progress_, states,
                             options_.stored ? absl::ZeroDuration() : io_.clock->Now() - started_));
  if (options_.hosts.empty())
    for (const std::string& note : rows_.Notes()) io_.Say(ForTerminal(note));
  io_.err->Flush().IgnoreError();
}

}  // namespace dragnet::console
