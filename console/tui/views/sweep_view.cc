// The screen of one sweep: its checks, hosts, changes, runs, and its document.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "console/form/recurrence.h"
#include "console/investigation/summary.h"
#include "console/sweeps/score.h"
#include "console/tui/views/ages.h"
#include "console/tui/views/extra_run_flow.h"
#include "console/tui/views/order_flow.h"
#include "console/tui/views/sweep_data.h"
#include "console/tui/views/text_page.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/table_view.h"
#include "console/tui/widgets/text_view.h"
#include "console/tui/widgets/verdict_bar.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kLeastPause = absl::Milliseconds(500);
constexpr absl::Duration kMostPause = absl::Minutes(1);
constexpr int kPauseFactor = 5;
constexpr int kHeadRows = 4;

enum class Pane { kChecks, kHosts, kChanges, kRuns, kDocument };
constexpr std::array<std::string_view, 5> kPaneNames = {"Checks", "Hosts", "Changes", "Runs",
                                                        "Document"};

// A part that is fetched when it is looked at, and again after news.
template <class Value>
struct Fetched {
  std::optional<Value> value;
  absl::Status status;
  bool stale = true;
  bool fetching = false;
  absl::Time at = absl::InfinitePast();
  absl::Duration took;
};

class SweepView : public View {
 public:
  SweepView(Shell& shell, std::string sweep_id)
      : shell_(shell), sweep_id_(std::move(sweep_id)), ticker_(shell.loop(), [this] {
          FetchIfStale();
          shell_.Redraw();
        }) {
    document_.MarkContinued();
    for (size_t pane = 0; pane < tables_.size(); ++pane) {
      tables_[pane].set_cells([this, pane](size_t row, size_t column) {
        return CellAt(static_cast<Pane>(pane), row, column);
      });
      tables_[pane].set_drawer([this, pane](size_t row, size_t, const Canvas& cell) {
        DrawVerdictBar(cell, CountsAt(static_cast<Pane>(pane), row));
      });
    }
    shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
      // A run of it, an extra run, or the sweep itself: all tell something of it.
      if (activity.all_actions() || activity.trust_policy() || activity.action_ids_size() > 0 ||
          policy_ != shell_.backend().policy()) {
        overview_.stale = true;
        FetchIfStale();
      }
    });
    FetchIfStale();
  }

  std::string Title() const override {
    return overview_.value.has_value()
               ? StrCat(overview_.value->sweep.action.name(), "  ", sweep_id_)
               : StrCat("Sweep ", sweep_id_);
  }
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override {
    return "A sweep. Tab (or ] and [) turns the page:\n"
           "  Checks      counts over all hosts, the worst first; Enter: the check, what to do, "
           "and the evidence\n"
           "  Hosts       the worst first; Enter: the host\n"
           "  Changes     what is another than before the last run; Enter: the host\n"
           "  Runs        the newest first; Enter: the rows of a run\n"
           "  Document    as it was signed, with its signatures, checked here\n\n"
           "  p r         pause, resume: asks for a reason, shows what will be signed\n"
           "  R           one more run, now: shows what will be signed\n"
           "  x           removes it from all hosts: a signed cancellation, for good\n"
           "  Esc         back\n";
  }
  void OnShown() override {
    shown_ = true;
    ticker_.Start();
    FetchIfStale();
  }
  void OnHidden() override {
    shown_ = false;
    ticker_.Stop();
  }

 private:
  template <class Value, class Work, class Then>
  void Fetch(Fetched<Value> SweepView::* part, Work work, Then then);
  void FetchIfStale();
  void OnOverview();
  void Turn(size_t by);
  void Open();
  void OpenCheck(const std::string& check);

  void ChooseColumns(int width);
  size_t CountOf(Pane pane) const;
  TableCell CellAt(Pane pane, size_t row, size_t column) const;
  TableCell CheckCell(const SweepCheckRow& row, size_t column) const;
  TableCell HostCell(const SweepTally::Host& host, size_t column) const;
  TableCell ChangeCell(const DriftEntry& entry, size_t column) const;
  TableCell RunCell(const v1::SweepRun& run, size_t column) const;
  v1::VerdictCounts CountsAt(Pane pane, size_t row) const;
  const v1::SweepRun& RunAt(size_t row) const {
    return overview_.value->sweep.told.runs(static_cast<int>(row));
  }
  std::string TimeText(const google::protobuf::Timestamp& timestamp) const {
    const absl::StatusOr<absl::Time> time = ToTime(timestamp);
    return time.ok() ? ShortTime(*time, shell_.backend().now()) : "";
  }
  void DrawHead(const Canvas& canvas) const;
  void DrawPane(const Canvas& canvas);
  const absl::Status& StatusOf(Pane pane) const;
  TableView& table() { return tables_[static_cast<size_t>(pane_)]; }

  Shell& shell_;
  const std::string sweep_id_;
  Pane pane_ = Pane::kChecks;
  // By pane; the document has none.
  std::array<TableView, 4> tables_;
  TextView document_;
  std::shared_ptr<const TrustPolicy> policy_;
  Fetched<SweepOverview> overview_;
  Fetched<SweepHosts> hosts_;
  Fetched<SweepDrift> drift_;
  bool shown_ = true;
  Ticker ticker_;
  Lifetime lifetime_;
};

// ---- what the scheduler tells

// Long answers make for long pauses between them.
template <class Value, class Work, class Then>
void SweepView::Fetch(Fetched<Value> SweepView::* part, Work work, Then then) {
  Fetched<Value>& now = this->*part;
  const absl::Duration pause = std::clamp(now.took * kPauseFactor, kLeastPause, kMostPause);
  // The ticker comes back to it.
  if (!now.stale || now.fetching || SteadyNow() < now.at + pause) return;
  now.stale = false;
  now.fetching = true;
  now.at = SteadyNow();
  shell_.background().Run(lifetime_.token(), std::move(work),
                          [this, part, then](absl::StatusOr<Value> value) {
                            Fetched<Value>& there = this->*part;
                            there.fetching = false;
                            there.took = SteadyNow() - there.at;
                            there.at = SteadyNow();
                            there.status = value.status();
                            // What was there stays while the scheduler is away.
                            if (value.ok()) {
                              there.value = *std::move(value);
                              then();
                            }
                            shell_.Redraw();
                          });
}

void SweepView::FetchIfStale() {
  if (!shown_) return;
  Backend& backend = shell_.backend();
  if (overview_.stale) policy_ = backend.policy();
  Fetch(
      &SweepView::overview_,
      [id = sweep_id_, client = backend.client(), policy = policy_, &modules = backend.modules(),
       now = backend.now()] { return FetchOverview(id, *client, policy.get(), modules, now); },
      [this] { OnOverview(); });
  if (!overview_.value.has_value()) return;
  if (pane_ == Pane::kHosts) {
    Fetch(
        &SweepView::hosts_,
        [sweep = overview_.value->sweep, client = backend.client(),
         &background = shell_.background()] {
          return FetchHosts(sweep, *client, [&background] { return background.stopping(); });
        },
        [this] { tables_[1].SetCount(CountOf(Pane::kHosts)); });
  }
  if (pane_ == Pane::kChanges) {
    Fetch(
        &SweepView::drift_,
        [sweep = overview_.value->sweep, client = backend.client()] {
          return FetchDrift(sweep, *client);
        },
        [this] { tables_[2].SetCount(CountOf(Pane::kChanges)); });
  }
}

void SweepView::OnOverview() {
  hosts_.stale = true;
  drift_.stale = true;
  tables_[0].SetCount(CountOf(Pane::kChecks));
  tables_[3].SetCount(CountOf(Pane::kRuns));
  document_.SetText(overview_.value->document);
  FetchIfStale();
}

const absl::Status& SweepView::StatusOf(Pane pane) const {
  if (pane == Pane::kHosts && overview_.status.ok()) return hosts_.status;
  if (pane == Pane::kChanges && overview_.status.ok()) return drift_.status;
  return overview_.status;
}

// ---- keys

void SweepView::Turn(size_t by) {
  pane_ = static_cast<Pane>((static_cast<size_t>(pane_) + by) % kPaneNames.size());
  FetchIfStale();
  shell_.Redraw();
}

bool SweepView::OnKey(const Key& key) {
  if (key.code == Key::Code::kTab || key.Is(U']')) return Turn(1), true;
  if (key.code == Key::Code::kBackTab || key.Is(U'[')) return Turn(kPaneNames.size() - 1), true;
  if (key.Is(U'p')) return GiveOrder(shell_, v1::Order::KIND_PAUSE, sweep_id_), true;
  if (key.Is(U'r')) return GiveOrder(shell_, v1::Order::KIND_RESUME, sweep_id_), true;
  if (key.Is(U'x')) return GiveOrder(shell_, v1::Order::KIND_CANCEL, sweep_id_), true;
  if (key.Is(U'R')) return RunSweepOnce(shell_, sweep_id_), true;
  if (pane_ == Pane::kDocument) return document_.OnKey(key);
  if (key.code == Key::Code::kEnter) return Open(), true;
  return table().OnKey(key);
}

void SweepView::Open() {
  const size_t row = table().selected();
  if (row >= CountOf(pane_)) return;
  switch (pane_) {
    case Pane::kChecks:
      return OpenCheck(overview_.value->checks[row].check.id());
    case Pane::kHosts:
      return shell_.OpenAgent(hosts_.value->hosts[row].id);
    case Pane::kChanges:
      return shell_.OpenAgent(drift_.value->entries[row].agent_id);
    case Pane::kRuns:
      return shell_.OpenAction(RunAt(row).action_id());
    case Pane::kDocument:
      return;
  }
}

void SweepView::OpenCheck(const std::string& check) {
  shell_.background().Run(
      lifetime_.token(),
      [sweep = overview_.value->sweep, check, client = shell_.backend().client(),
       &background = shell_.background()] {
        return FetchCheckText(sweep, check, *client,
                              [&background] { return background.stopping(); });
      },
      [this, check](absl::StatusOr<std::string> text) {
        if (!text.ok()) return shell_.SayError(text.status());
        // Who turned away meanwhile isn't called back.
        if (shown_) shell_.Push(NewTextPage(shell_, StrCat("Check ", check), *std::move(text)));
      });
}

std::vector<KeyHint> SweepView::Keys() const {
  std::vector<KeyHint> keys = {{"Tab", "Turn"}};
  if (pane_ != Pane::kDocument) keys.push_back({"Enter", "Open"});
  for (const KeyHint& hint : std::initializer_list<KeyHint>{
           {"p", "Pause"}, {"r", "Resume"}, {"R", "Run now"}, {"x", "Remove"}, {"Esc", "Back"}})
    keys.push_back(hint);
  return keys;
}

// ---- drawing

size_t SweepView::CountOf(Pane pane) const {
  switch (pane) {
    case Pane::kChecks:
      return overview_.value.has_value() ? overview_.value->checks.size() : 0;
    case Pane::kHosts:
      return hosts_.value.has_value() ? hosts_.value->hosts.size() : 0;
    case Pane::kChanges:
      return drift_.value.has_value() ? drift_.value->entries.size() : 0;
    case Pane::kRuns:
      return overview_.value.has_value()
                 ? static_cast<size_t>(overview_.value->sweep.told.runs_size())
                 : 0;
    case Pane::kDocument:
      break;
  }
  return 0;
}

void SweepView::ChooseColumns(int width) {
  const bool wide = width >= 110;
  const TableColumn bar = {.title = "verdicts", .width = wide ? 16 : 8, .drawn = true};
  const TableColumn failed = {.title = "failed", .width = 6, .right_aligned = true};
  const TableColumn unknown = {.title = "unknown", .width = 7, .right_aligned = true};
  const TableColumn score = {.title = "score", .width = 6, .right_aligned = true};
  tables_[0].SetColumns({{.title = "check", .width = wide ? 24 : 12, .weight = 1},
                         {.title = "severity", .width = 8},
                         {.title = "title", .width = 16, .weight = 3},
                         failed,
                         unknown,
                         score,
                         bar,
                         {.title = "trend", .width = wide ? 20 : 8}});
  tables_[1].SetColumns({{.title = "host", .width = 16, .weight = 2},
                         failed,
                         unknown,
                         score,
                         bar,
                         {.title = "last run", .width = 12},
                         {.title = "", .width = 6}});
  tables_[2].SetColumns({{.title = "change", .width = 13},
                         {.title = "host", .width = 12, .weight = 1},
                         {.title = "check", .width = 14, .weight = 1},
                         {.title = "run", .width = 12},
                         {.title = "reason", .width = 16, .weight = 3}});
  tables_[3].SetColumns({{.title = "run", .width = 12},
                         score,
                         bar,
                         failed,
                         unknown,
                         {.title = "hosts", .width = 7, .right_aligned = true},
                         {.title = "silent", .width = 6, .right_aligned = true},
                         {.title = "", .width = 5, .weight = 1}});
}

v1::VerdictCounts SweepView::CountsAt(Pane pane, size_t row) const {
  switch (pane) {
    case Pane::kChecks:
      return overview_.value->checks[row].verdicts;
    case Pane::kHosts:
      return hosts_.value->hosts[row].verdicts;
    case Pane::kRuns:
      return RunAt(row).verdicts();
    case Pane::kChanges:
    case Pane::kDocument:
      break;
  }
  return {};
}

TableCell SweepView::CellAt(Pane pane, size_t row, size_t column) const {
  switch (pane) {
    case Pane::kChecks:
      return CheckCell(overview_.value->checks[row], column);
    case Pane::kHosts:
      return HostCell(hosts_.value->hosts[row], column);
    case Pane::kChanges:
      return ChangeCell(drift_.value->entries[row], column);
    case Pane::kRuns:
      return RunCell(RunAt(row), column);
    case Pane::kDocument:
      break;
  }
  return {};
}

TableCell SweepView::CheckCell(const SweepCheckRow& row, size_t column) const {
  switch (column) {
    case 0:
      return {row.check.id(), StyleOfStatus(WordOf(WorstOf(row.verdicts)))};
    case 1:
      return {row.check.severity(), SeverityOrder(row.check.severity()) >= 2 ? kBold : kMuted};
    case 2:
      return {row.check.title()};
    case 3:
      return {StrCat(row.verdicts.failed())};
    case 4:
      return {StrCat(row.verdicts.unknown())};
    case 5:
      return {ScoreText(row.verdicts), kBold};
    case 7:
      return {Sparkline(row.trend, static_cast<size_t>(tables_[0].columns()[7].width))};
    default:
      return {};
  }
}

TableCell SweepView::HostCell(const SweepTally::Host& host, size_t column) const {
  switch (column) {
    case 0:
      return {host.name,
              AllOf(host.verdicts) == 0 ? kMuted : StyleOfStatus(WordOf(WorstOf(host.verdicts)))};
    case 1:
      return {StrCat(host.verdicts.failed())};
    case 2:
      return {StrCat(host.verdicts.unknown())};
    case 3:
      return {ScoreText(host.verdicts), kBold};
    case 5:
      return {host.told == absl::InfinitePast() ? "" : ShortTime(host.told, shell_.backend().now()),
              kMuted};
    case 6:
      return {host.silent ? "silent" : "", kWarning};
    default:
      return {};
  }
}

TableCell SweepView::ChangeCell(const DriftEntry& entry, size_t column) const {
  switch (column) {
    case 0:
      return {std::string(WordsOf(entry.kind)), entry.kind == DriftKind::kSilentHost ? kWarning
                                                : entry.to.empty()                   ? kBold
                                                                   : StyleOfStatus(entry.to)};
    case 1:
      return {entry.agent_name};
    case 2:
      return {entry.check};
    case 3:
      return {entry.occurrence == absl::InfinitePast()
                  ? ""
                  : ShortTime(entry.occurrence, shell_.backend().now()),
              kMuted};
    default:
      return {entry.reason, kMuted};
  }
}

TableCell SweepView::RunCell(const v1::SweepRun& run, size_t column) const {
  switch (column) {
    case 0:
      return {TimeText(run.occurrence())};
    case 1:
      return {ScoreText(run.verdicts()), kBold};
    case 3:
      return {StrCat(run.verdicts().failed())};
    case 4:
      return {StrCat(run.verdicts().unknown())};
    case 5:
      return {StrCat(AllOf(run.agents()))};
    case 6:
      return {StrCat(run.silent()), run.silent() > 0 ? kWarning : kMuted};
    case 7:
      // Only runs of the schedule have the sweep's id.
      return {run.action_id().starts_with(sweep_id_) ? "" : "extra", kMuted};
    default:
      return {};
  }
}

void SweepView::DrawHead(const Canvas& canvas) const {
  const SweepOverview& overview = *overview_.value;
  const v1::SweepInfo& info = overview.sweep.info();
  int x = canvas.Put(0, 0, PhaseWord(info.action().phase()), PhaseStyle(info.action().phase())) + 1;
  if (!info.action().phase_reason().empty())
    x += 1 +
         canvas.Put(x, 0, info.action().phase_reason(), kNormal, std::max(canvas.width() / 3, 10));
  x += canvas.Put(x, 0, "· ", kMuted);
  canvas.Put(x, 0, SignedWords(overview.signature), SignedStyle(overview.signature));
  const std::string score = ScoreText(info.verdicts());
  canvas.Put(0, 1, score, kBold);
  DrawVerdictBar(canvas.Part({WidthOnScreen(score) + 1, 1, canvas.width(), 1}), info.verdicts());
  std::string words =
      StrCat(ScheduleWords(overview.sweep.action.recurrence()), " · next ",
             info.has_next() ? TimeText(info.next()) : "none", " · last ",
             info.has_last() ? TimeText(info.last().occurrence()) : "none",
             " · hosts: ", info.agents().passed(), " pass, ", info.agents().failed(), " fail, ",
             info.agents().unknown(), " unknown, ", info.agents_silent(), " silent, ",
             info.agents_without_it(), " without it");
  canvas.Put(0, 2, words, kMuted);
  x = 0;
  for (size_t i = 0; i < kPaneNames.size(); ++i) {
    const Style style = static_cast<size_t>(pane_) == i ? Selected(kHeader) : kHeader;
    x += canvas.Put(x, 3, StrCat(" ", kPaneNames[i], " "), style) + 1;
  }
}

void SweepView::DrawPane(const Canvas& canvas) {
  if (pane_ == Pane::kDocument) return document_.Draw(canvas);
  Canvas rest = canvas;
  const absl::Status& status = StatusOf(pane_);
  if (!status.ok()) {
    rest.Put(0, 0, ToStd(status.message()), kError);
    rest = rest.Below(1);
  } else if (pane_ == Pane::kHosts && hosts_.value.has_value() && hosts_.value->cut) {
    rest.Put(0, 0, StrCat("the first ", kMostVerdicts, " verdicts only: hosts are missing here"),
             kWarning);
    rest = rest.Below(1);
  } else if (pane_ == Pane::kChanges && drift_.value.has_value() && drift_.value->cut) {
    rest.Put(0, 0,
             StrCat("the newest ", kMostChanges, " changes only: older ones are missing here"),
             kWarning);
    rest = rest.Below(1);
  } else if (pane_ == Pane::kChanges && drift_.value.has_value()) {
    rest.Put(
        0, 0,
        drift_.value->since == absl::InfinitePast()
            ? "since the first run"
            : StrCat("since the run of ", ShortTime(drift_.value->since, shell_.backend().now()),
                     " (others: dragnet sweep drift --since)"),
        kMuted);
    rest = rest.Below(1);
  }
  ChooseColumns(rest.width());
  table().Draw(rest);
  if (CountOf(pane_) > 0 || !status.ok()) return;
  const bool loading = (pane_ == Pane::kHosts && !hosts_.value.has_value()) ||
                       (pane_ == Pane::kChanges && !drift_.value.has_value());
  rest.Put(0, 2,
           loading                   ? "Loading…"
           : pane_ == Pane::kChanges ? "Nothing changed."
           : pane_ == Pane::kChecks  ? "Its document has no checks that this version can read."
                                     : "No run yet.",
           kMuted);
}

void SweepView::Draw(const Canvas& canvas) {
  if (!overview_.value.has_value()) {
    canvas.Put(2, 1,
               overview_.status.ok() ? "asking the scheduler …"
                                     : std::string(ToStd(overview_.status.message())),
               overview_.status.ok() ? kMuted : kError);
    return;
  }
  DrawHead(canvas.Top(kHeadRows));
  DrawPane(canvas.Below(kHeadRows));
}

}  // namespace

std::unique_ptr<View> NewSweepView(Shell& shell, const std::string& sweep_id) {
  return std::make_unique<SweepView>(shell, sweep_id);
}

}  // namespace dragnet::console::tui
