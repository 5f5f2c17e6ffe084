// The Sweeps screen: packs of checks on a schedule, and how the fleet stands.
#include <algorithm>
#include <memory>
#include <utility>

#include "console/form/recurrence.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/sweeps/score.h"
#include "console/sweeps/sweep.h"
#include "console/tui/views/action_list.h"
#include "console/tui/views/ages.h"
#include "console/tui/views/extra_run_flow.h"
#include "console/tui/views/order_flow.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/table_view.h"
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
constexpr int kWide = 110;
// Trends are asked for one by one: of the newest sweeps only.
constexpr int kMostTrends = 32;
constexpr uint32_t kTrendRuns = 20;

struct SweepRow {
  ActionRow action;
  std::string schedule;
  v1::VerdictCounts verdicts;
  v1::VerdictCounts agents;
  // And those that haven't taken it on.
  uint64_t silent = 0;
  absl::Time next = absl::InfinitePast();
  absl::Time last = absl::InfinitePast();
  // Oldest first.
  std::vector<std::optional<int>> trend;
};

absl::Time TimeOf(bool set, const google::protobuf::Timestamp& timestamp) {
  return set ? ToTime(timestamp).value_or(absl::InfinitePast()) : absl::InfinitePast();
}

SweepRow RowOf(const v1::SweepInfo& sweep, const TrustPolicy* policy, const ModuleCatalog& modules,
               absl::Time now) {
  SweepRow row;
  row.action = ActionRowOf(sweep.action(), policy, modules, now);
  if (const auto action = DecodeAction(sweep.action().envelope()); action.ok())
    row.schedule = ScheduleWords(action->recurrence());
  row.verdicts = sweep.verdicts();
  row.agents = sweep.agents();
  row.silent = sweep.agents_silent() + sweep.agents_without_it();
  row.next = TimeOf(sweep.has_next(), sweep.next());
  row.last = TimeOf(sweep.has_last(), sweep.last().occurrence());
  return row;
}

struct SweepRows {
  std::vector<SweepRow> rows;
  uint64_t left_out = 0;
};

absl::StatusOr<SweepRows> FetchRows(Client& client, const TrustPolicy* policy,
                                    const ModuleCatalog& modules, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::ListSweepsResponse response,
                           client.ListSweeps(v1::ListSweepsRequest()));
  SweepRows fetched = {.rows = {}, .left_out = response.left_out()};
  for (int i = 0; i < response.sweeps_size(); ++i) {
    SweepRow row = RowOf(response.sweeps(i), policy, modules, now);
    if (i < kMostTrends) {
      v1::GetSweepRequest request;
      request.set_action_id(response.sweeps(i).action().action_id());
      request.set_runs(kTrendRuns);
      // Without it the row is shown all the same.
      if (const auto sweep = client.GetSweep(request); sweep.ok())
        for (auto run = sweep->runs().rbegin(); run != sweep->runs().rend(); ++run)
          row.trend.push_back(ScoreOf(run->verdicts()));
    }
    fetched.rows.push_back(std::move(row));
  }
  return fetched;
}

class SweepsView : public View {
 public:
  explicit SweepsView(Shell& shell) : shell_(shell), ticker_(shell.loop(), [this] { Tick(); }) {
    table_.set_cells([this](size_t row, size_t column) { return CellAt(rows_[row], column); });
    table_.set_drawer([this](size_t row, size_t, const Canvas& cell) {
      DrawVerdictBar(cell, rows_[row].verdicts);
    });
    shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
      if (activity.all_actions() || activity.trust_policy() || activity.action_ids_size() > 0 ||
          activity.agents() || policy_ != shell_.backend().policy())
        stale_ = true;
      FetchIfStale();
    });
  }

  std::string Title() const override {
    return loaded_ ? StrCat("Sweeps: ", rows_.size()) : std::string("Sweeps");
  }
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::vector<KeyHint> Keys() const override {
    return {{"Enter", "Open"}, {"p", "Pause"},  {"r", "Resume"},
            {"R", "Run now"},  {"x", "Remove"}, {"y", "Id"}};
  }
  std::string Help() const override {
    return "Sweeps: packs of checks that agents run by themselves on a schedule. The bar shows the "
           "newest verdicts, the trend the score of the last runs:\n"
           "  █ pass   x fail   ! unknown   · not applicable\n"
           "The score is passed / (passed + failed + unknown): what is unknown counts as not "
           "passed. A host is silent that told of neither of the last two runs, or hasn't taken "
           "the "
           "sweep on.\n\n"
           "  Enter       opens the sweep: checks, hosts, changes, runs, the document\n"
           "  p r         pause, resume: asks for a reason, shows what will be signed\n"
           "  R           one more run, now: shows what will be signed\n"
           "  x           removes it from all hosts: a signed cancellation, for good\n"
           "  y           shows the sweep's id at the bottom, to be copied\n"
           "A new one is made with: dragnet sweep add\n";
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
  void FetchIfStale();
  void Take(absl::StatusOr<SweepRows> rows);
  void Tick() { shell_.Redraw(); }
  void ChooseColumns(int width);
  TableCell CellAt(const SweepRow& row, size_t column) const;
  const SweepRow* Current() const { return rows_.empty() ? nullptr : &rows_[table_.selected()]; }

  enum class SweepColumn {
    kName,
    kSchedule,
    kNext,
    kLast,
    kScore,
    kBar,
    kFailing,
    kSilent,
    kTrend,
    kPhase
  };

  Shell& shell_;
  TableView table_;
  std::vector<SweepColumn> columns_;
  std::vector<SweepRow> rows_;
  // By the scheduler.
  uint64_t left_out_ = 0;
  std::shared_ptr<const TrustPolicy> policy_;
  bool stale_ = true;
  bool fetching_ = false;
  bool waiting_ = false;
  bool shown_ = false;
  bool loaded_ = false;
  absl::Status problem_;
  absl::Time fetched_at_ = absl::InfinitePast();
  absl::Duration took_;
  Ticker ticker_;
  Lifetime lifetime_;
};

void SweepsView::FetchIfStale() {
  if (!shown_ || fetching_ || waiting_ || !stale_) return;
  const absl::Duration pause = std::clamp(took_ * kPauseFactor, kLeastPause, kMostPause);
  const absl::Duration wait = fetched_at_ + pause - SteadyNow();
  if (wait > absl::ZeroDuration()) {
    waiting_ = true;
    shell_.loop().After(wait, lifetime_.token(), [this] {
      waiting_ = false;
      FetchIfStale();
    });
    return;
  }
  fetching_ = true;
  stale_ = false;
  policy_ = shell_.backend().policy();
  fetched_at_ = SteadyNow();
  shell_.background().Run(
      lifetime_.token(),
      [client = shell_.backend().client(), policy = policy_, &modules = shell_.backend().modules(),
       now = shell_.backend().now()] { return FetchRows(*client, policy.get(), modules, now); },
      [this](absl::StatusOr<SweepRows> rows) { Take(std::move(rows)); });
}

void SweepsView::Take(absl::StatusOr<SweepRows> rows) {
  took_ = SteadyNow() - fetched_at_;
  fetched_at_ = SteadyNow();
  fetching_ = false;
  problem_ = rows.status();
  shell_.Redraw();
  // What was there stays while the scheduler is away; news of it asks again.
  if (rows.ok()) {
    loaded_ = true;
    const std::string selected = Current() == nullptr ? "" : Current()->action.id;
    rows_ = std::move(rows->rows);
    left_out_ = rows->left_out;
    table_.SetCount(rows_.size());
    for (size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].action.id == selected) table_.Select(i);
  }
  FetchIfStale();
}

bool SweepsView::OnKey(const Key& key) {
  const SweepRow* row = Current();
  if (row != nullptr) {
    const std::string& id = row->action.id;
    if (key.code == Key::Code::kEnter) return shell_.Push(NewSweepView(shell_, id)), true;
    if (key.Is(U'p')) return GiveOrder(shell_, v1::Order::KIND_PAUSE, id), true;
    if (key.Is(U'r')) return GiveOrder(shell_, v1::Order::KIND_RESUME, id), true;
    if (key.Is(U'x')) return GiveOrder(shell_, v1::Order::KIND_CANCEL, id), true;
    if (key.Is(U'R')) return RunSweepOnce(shell_, id), true;
    if (key.Is(U'y')) return shell_.Say(id), true;
  }
  return table_.OnKey(key);
}

void SweepsView::ChooseColumns(int width) {
  std::vector<TableColumn> specs;
  columns_.clear();
  const auto add = [&](SweepColumn column, TableColumn spec) {
    columns_.push_back(column);
    specs.push_back(std::move(spec));
  };
  const bool wide = width >= kWide;
  add(SweepColumn::kName, {"name", 16, 3});
  if (wide) add(SweepColumn::kSchedule, {"schedule", 26, 1});
  if (wide) add(SweepColumn::kLast, {"last", 12});
  add(SweepColumn::kNext, {"next", 8, 0, true});
  add(SweepColumn::kScore, {"score", 6, 0, true});
  add(SweepColumn::kBar, {.title = "verdicts", .width = wide ? 14 : 10, .drawn = true});
  add(SweepColumn::kFailing, {"failing", 7, 0, true});
  add(SweepColumn::kSilent, {"silent", 6, 0, true});
  add(SweepColumn::kTrend, {"trend", wide ? 20 : 8});
  if (wide) add(SweepColumn::kPhase, {"phase", 9});
  table_.SetColumns(std::move(specs));
}

TableCell SweepsView::CellAt(const SweepRow& row, size_t column) const {
  const absl::Time now = shell_.backend().now();
  switch (columns_[column]) {
    case SweepColumn::kName: {
      const std::string_view prefix = NamePrefix(row.action);
      return {StrCat(prefix, row.action.name), prefix.empty() ? kNormal : SignedStyle(row.action)};
    }
    case SweepColumn::kSchedule:
      return {row.schedule, kMuted};
    case SweepColumn::kNext:
      if (row.action.phase == v1::DISPATCH_PHASE_PAUSED) return {"paused", kWarning};
      if (row.next == absl::InfinitePast()) return {"none", kMuted};
      return {row.next <= now ? "now" : StrCat("in ", ShortDuration(row.next - now)), kMuted};
    case SweepColumn::kLast:
      return {row.last == absl::InfinitePast() ? "" : ShortTime(row.last, now), kMuted};
    case SweepColumn::kScore:
      return {ScoreText(row.verdicts), kBold};
    case SweepColumn::kFailing:
      return {StrCat(row.agents.failed()),
              row.agents.failed() > 0 ? Style{Role::kFound, true} : kMuted};
    case SweepColumn::kSilent:
      return {StrCat(row.silent), row.silent > 0 ? kWarning : kMuted};
    case SweepColumn::kTrend:
      return {Sparkline(row.trend, table_.columns()[column].width > 8 ? 20 : 8), kNormal};
    case SweepColumn::kPhase:
      return {PhaseWord(row.action.phase), PhaseStyle(row.action.phase)};
    case SweepColumn::kBar:
      break;
  }
  return {};
}

void SweepsView::Draw(const Canvas& canvas) {
  Canvas rest = canvas;
  if (!problem_.ok() && shell_.backend().connection().connected) {
    rest.Put(0, 0, ToStd(problem_.message()), kError);
    rest = rest.Below(1);
  }
  if (left_out_ > 0) {
    rest.Put(0, 0,
             StrCat(left_out_,
                    " more are not in this list: older ones, and those that the "
                    "scheduler can't read"),
             kWarning);
    rest = rest.Below(1);
  }
  ChooseColumns(rest.width());
  const SweepRow* row = Current();
  const bool details = rest.height() >= 12 && row != nullptr;
  table_.Draw(details ? rest.Above(4) : rest);
  if (details) {
    const Canvas below = rest.Bottom(4);
    below.Put(0, 0, row->schedule, kLabel);
    DrawVerdictLegend(below, 0, 1, row->agents);
    below.Put(0, 2, SignedWords(row->action), SignedStyle(row->action));
    below.Put(0, 3, StrCat("target ", row->action.target), kMuted);
  }
  if (row == nullptr) {
    rest.Put(0, 2,
             !loaded_ ? (problem_.ok() ? "Loading…" : "")
                      : "No sweeps yet. One is made with: dragnet sweep add PACK --every …",
             kMuted);
  }
}

}  // namespace

std::unique_ptr<View> NewSweepsView(Shell& shell) { return std::make_unique<SweepsView>(shell); }

}  // namespace dragnet::console::tui
