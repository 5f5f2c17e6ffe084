#include "console/tui/views/actions_view.h"

#include <algorithm>
#include <utility>

#include "console/form/command_words.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/tui/views/action_details.h"
#include "console/tui/views/order_flow.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/agent_bar.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kLeastPause = absl::Milliseconds(500);
constexpr absl::Duration kMostPause = absl::Minutes(1);
constexpr int kPauseFactor = 5;
// Of so many the page is asked for in one call, in place of one call each.
constexpr size_t kMostSingly = 4;
// Of those that are on no page, in one go; the others later.
constexpr size_t kMostOthers = 32;
// So many rows before the end older ones are fetched.
constexpr size_t kAhead = 10;

constexpr int kNarrow = 60;
constexpr int kWide = 120;
constexpr int kLeastForDetails = 15;

struct AgainLine {
  std::string line;
  std::string target;
};

absl::StatusOr<AgainLine> LineFor(const std::string& action_id, Client& client,
                                  const ModuleCatalog& modules, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, FindActionById(action_id, client));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, DecodeAction(info.envelope()));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> words,
                           CommandWords(action, modules, now));
  return AgainLine{ShellLine(words), action.target()};
}

}  // namespace

ActionsView::ActionsView(Shell& shell)
    : shell_(shell), ticker_(shell.loop(), [this] { shell_.Redraw(); }) {
  table_.set_cells([this](size_t row, size_t column) { return CellAt(row, column); });
  table_.set_drawer([this](size_t row, size_t, const Canvas& cell) {
    DrawAgentBar(cell, 0, 0, cell.width(), list_.At(row).progress);
  });
  shell_.backend().OnActivity(lifetime_.token(),
                              [this](const v1::Activity& activity) { OnActivity(activity); });
}

// ---- what is listed

void ActionsView::OnActivity(const v1::Activity& activity) {
  // Another policy: everything is verified anew.
  const bool other_policy = shell_.backend().policy() != policy_;
  page_stale_ = page_stale_ || activity.all_actions() || other_policy;
  for (const std::string& id : activity.action_ids()) {
    if (list_.Has(id)) {
      stale_ids_.insert(id);
    } else {
      page_stale_ = true;
    }
  }
  FetchIfStale();
}

void ActionsView::FetchIfStale() {
  if (!shown_ || fetching_ || waiting_ || (!page_stale_ && stale_ids_.empty())) return;
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
  if (policy_ != shell_.backend().policy()) {
    policy_ = shell_.backend().policy();
    page_stale_ = true;
    verify_anew_ = true;
  }
  const bool with_page = page_stale_ || stale_ids_.size() > kMostSingly;
  std::vector<std::string> ids;
  while (!stale_ids_.empty() && ids.size() < kMostOthers)
    ids.push_back(std::move(stale_ids_.extract(stale_ids_.begin()).value()));
  page_stale_ = false;
  fetching_ = true;
  const absl::Time began = SteadyNow();
  shell_.background().Run(
      std::weak_ptr<void>(generation_),
      [client = shell_.backend().client(), policy = policy_, &modules = shell_.backend().modules(),
       now = shell_.backend().now(), with_page,
       ids] { return FetchActionNews(*client, policy.get(), modules, now, with_page, ids); },
      [this, began](absl::StatusOr<ActionNews> news) {
        took_ = SteadyNow() - began;
        OnNews(std::move(news));
      });
}

void ActionsView::OnNews(absl::StatusOr<ActionNews> news) {
  fetching_ = false;
  fetched_at_ = SteadyNow();
  problem_ = news.status();
  if (!news.ok()) {
    page_stale_ = true;
    shell_.Redraw();
    return;
  }
  const std::string selected = SelectedId();
  if (std::exchange(verify_anew_, false)) list_.Clear();
  const bool first = !loaded_ || list_.all() == 0;
  loaded_ = true;
  if (news->with_page) {
    const bool joins = list_.ReplaceFirstPage(std::move(news->page.rows), fetched_at_);
    // What older pages were fetched stays, and so does where they go on.
    if (first || !joins) {
      older_token_ = news->page.next_token;
      at_end_ = older_token_.empty();
      generation_ = std::make_shared<char>();
      fetching_older_ = false;
    }
  }
  list_.Add(std::move(news->rows), fetched_at_);
  table_.SetCount(list_.size());
  if (!selected.empty() && list_.Find(selected) < list_.size()) table_.Select(list_.Find(selected));
  Changed();
  FetchIfStale();
}

// The one that is looked at stays selected when others come, but for the newest:
// who stays on top sees what is new.
std::string ActionsView::SelectedId() const {
  return table_.selected() == 0 || table_.selected() >= list_.size()
             ? ""
             : list_.At(table_.selected()).id;
}

void ActionsView::FetchOlder() {
  if (!shown_ || fetching_older_ || at_end_ || !loaded_ || list_.all() >= ActionList::kMostRows)
    return;
  if (table_.selected() + kAhead < list_.size()) return;
  fetching_older_ = true;
  shell_.background().Run(
      std::weak_ptr<void>(generation_),
      [client = shell_.backend().client(), policy = policy_, &modules = shell_.backend().modules(),
       now = shell_.backend().now(), token = older_token_] {
        return FetchActionPage(*client, token, policy.get(), modules, now);
      },
      [this](absl::StatusOr<ActionPage> older) {
        fetching_older_ = false;
        if (!older.ok()) return shell_.SayError(older.status());
        // A page that brings nothing new would go on for ever.
        const size_t before = list_.all();
        const std::string selected = SelectedId();
        list_.Add(std::move(older->rows), SteadyNow());
        at_end_ = older->next_token.empty() || list_.all() == before;
        older_token_ = std::move(older->next_token);
        table_.SetCount(list_.size());
        if (!selected.empty()) table_.Select(list_.Find(selected));
        Changed();
      });
}

// A filter that few rows pass goes on through the older pages by itself.
void ActionsView::Changed() {
  shell_.Redraw();
  FetchOlder();
}

void ActionsView::OnShown() {
  shown_ = true;
  ticker_.Start();
  FetchIfStale();
}

void ActionsView::OnHidden() {
  shown_ = false;
  ticker_.Stop();
}

// ---- keys

bool ActionsView::OnTypingKey(const Key& key) {
  if (key.code == Key::Code::kEnter || key.code == Key::Code::kEscape || key.IsControl(U'c') ||
      key.IsControl(U'g')) {
    typing_ = false;
    if (key.code == Key::Code::kEnter) {
      filter_.AddToHistory(filter_.text());
      return true;
    }
    filter_.SetText("");
  } else if (key.code == Key::Code::kPageUp || key.code == Key::Code::kPageDown ||
             key.code == Key::Code::kMouse) {
    return table_.OnKey(key);
  } else if (!filter_.OnKey(key)) {
    return false;
  }
  list_.Filter(filter_.text());
  table_.SetCount(list_.size());
  Changed();
  return true;
}

void ActionsView::Order(v1::Order::Kind kind) {
  if (list_.size() == 0) return;
  GiveOrder(shell_, kind, list_.At(table_.selected()).id);
}

void ActionsView::Again() {
  if (list_.size() == 0) return shell_.OpenNew("", "");
  shell_.background().Run(
      lifetime_.token(),
      [id = list_.At(table_.selected()).id, client = shell_.backend().client(),
       &modules = shell_.backend().modules(),
       now = shell_.backend().now()] { return LineFor(id, *client, modules, now); },
      [this](const absl::StatusOr<AgainLine>& again) {
        if (!again.ok()) return shell_.SayError(StrCat("again: ", again.status().message()));
        shell_.OpenNew(again->line, again->target);
      });
}

bool ActionsView::OnKey(const Key& key) {
  if (typing_) return OnTypingKey(key);
  const bool double_click = key.mouse == Key::Mouse::kDoubleClick;
  if (double_click) table_.OnKey(key);
  if (key.code == Key::Code::kEnter || double_click) {
    if (list_.size() > 0) shell_.OpenAction(list_.At(table_.selected()).id);
    return true;
  }
  if (key.code == Key::Code::kEscape && !filter_.empty()) {
    filter_.SetText("");
    list_.Filter("");
    table_.SetCount(list_.size());
    return true;
  }
  if (key.Is(U'/')) return typing_ = true;
  if (key.Is(U'p')) return Order(v1::Order::KIND_PAUSE), true;
  if (key.Is(U'r')) return Order(v1::Order::KIND_RESUME), true;
  if (key.Is(U'c')) return Order(v1::Order::KIND_CANCEL), true;
  if (key.Is(U'n')) return Again(), true;
  if (key.Is(U'y')) {
    if (list_.size() > 0) shell_.Say(list_.At(table_.selected()).id);
    return true;
  }
  if (!table_.OnKey(key)) return false;
  FetchOlder();
  return true;
}

std::vector<KeyHint> ActionsView::Keys() const {
  if (typing_) return {{"Enter", "Take"}, {"PgDn", "Scroll"}, {"Esc", "All"}};
  std::vector<KeyHint> keys = {{"Enter", "Open"}, {"p", "Pause"},  {"r", "Resume"}, {"c", "Cancel"},
                               {"n", "Again"},    {"/", "Filter"}, {"y", "Id"}};
  if (!filter_.empty()) keys.push_back({"Esc", "All"});
  return keys;
}

std::string ActionsView::Help() const {
  return "Actions, the newest first. The bar shows how their agents stand:\n"
         "  █ found   ▓ clean   ! incomplete   x refused   > running   - sent   · waiting\n"
         "Below: the counts, who signed it (verified here), its target, when it expires. \"end\" "
         "is expected from the last seconds; \"12 offline\": only those are left.\n\n"
         "  Enter       opens the action: stacks, rows, hosts, the document\n"
         "  p r c       pause, resume, cancel: asks for a reason, shows what will be signed\n"
         "  n           a new action like this one: the form, filled in\n"
         "  /           a filter by name, module, signer, target, id or phase; Enter keeps it\n"
         "  Esc         no filter\n"
         "  y           shows the action's id at the bottom, to be copied\n"
         "\"✗ unsigned\" is one that no one in the fleet's trust policy signed: agents don't obey "
         "it, and no order about it is signed here, but for a cancellation by its typed id.\n";
}

std::optional<Point> ActionsView::Cursor() const {
  if (!typing_) return std::nullopt;
  return filter_.cursor();
}

std::string ActionsView::Title() const {
  if (!loaded_) return "Actions";
  const std::string all = StrCat(list_.all(), at_end_ ? "" : "+");
  if (!filter_.empty())
    return StrCat("Actions: ", list_.size(), " of ", all, " with ", filter_.text());
  if (list_.all() >= ActionList::kMostRows)
    return StrCat("Actions: the newest ", list_.all(), " (older ones: dragnet actions)");
  return StrCat("Actions: ", all);
}

// ---- drawing

void ActionsView::ChooseColumns(int width) {
  std::vector<TableColumn> specs;
  columns_.clear();
  const auto add = [&](ActionColumn column, TableColumn spec) {
    columns_.push_back(column);
    specs.push_back(std::move(spec));
  };
  const bool wide = width >= kWide;
  const bool narrow = width < kNarrow;
  // Only times of other days need more than "23:01:42".
  const bool today =
      list_.size() == 0 ||
      ShortTime(list_.At(list_.size() - 1).launched_at, shell_.backend().now()).size() <= 8;
  if (!narrow) add(ActionColumn::kTime, {"launched", today ? 8 : 12});
  if (wide) add(ActionColumn::kSigned, {"signed by", 18});
  if (wide) add(ActionColumn::kModules, {"modules", 12});
  add(ActionColumn::kName, {"name", 14, 3});
  add(ActionColumn::kPhase, {"phase", 9});
  if (!narrow)
    add(ActionColumn::kBar,
        {.title = "agents", .width = wide ? 12 : 10, .weight = wide ? 1 : 0, .drawn = true});
  add(ActionColumn::kPercent, {"done", 4, 0, true});
  add(ActionColumn::kRows, {"rows", wide ? 9 : 7, 0, true});
  if (wide) add(ActionColumn::kRate, {"rows/s", 7, 0, true});
  if (!narrow) add(ActionColumn::kEnd, {"end", 10, 0, true});
  table_.SetColumns(std::move(specs));
}

TableCell ActionsView::CellAt(size_t row, size_t column) const {
  const ActionRow& action = list_.At(row);
  const absl::Time now = shell_.backend().now();
  const ActionPace* pace = list_.PaceOf(action.id);
  switch (columns_[column]) {
    case ActionColumn::kTime:
      return {action.launched_at == absl::InfinitePast() ? "" : ShortTime(action.launched_at, now),
              kMuted};
    case ActionColumn::kSigned:
      return {SignedText(action), SignedStyle(action)};
    case ActionColumn::kModules:
      return {action.modules, kMuted};
    case ActionColumn::kName: {
      const std::string_view prefix = NamePrefix(action);
      return {StrCat(prefix, action.name), prefix.empty() ? kNormal : SignedStyle(action)};
    }
    case ActionColumn::kPhase:
      return {PhaseWord(action.phase), PhaseStyle(action.phase)};
    case ActionColumn::kBar:
      return {};
    case ActionColumn::kPercent:
      return {StrCat(PercentEnded(action.progress), "%"), kNormal};
    case ActionColumn::kRows:
      return {StrCat(action.progress.rows()), kNormal};
    case ActionColumn::kRate: {
      const double rate = pace == nullptr ? 0 : pace->RowsPerSecond(SteadyNow());
      return {rate > 0 ? RateText(rate) : "", kMuted};
    }
    case ActionColumn::kEnd:
      return {ExpectedEnd(action.phase, action.progress, pace, action.expires, now, SteadyNow()),
              kMuted};
  }
  return {};
}

void ActionsView::Draw(const Canvas& canvas) {
  Canvas rest = canvas;
  if (typing_) {
    rest.Put(0, 0, "/", kKey);
    filter_.Draw(rest.Part({2, 0, rest.width() - 2, 1}), {Role::kInput});
    rest = rest.Below(1);
  }
  if (!problem_.ok() && shell_.backend().connection().connected) {
    rest.Put(0, 0, ToStd(problem_.message()), kError);
    rest = rest.Below(1);
  }
  ChooseColumns(rest.width());
  const bool details = rest.height() >= kLeastForDetails && list_.size() > 0;
  table_.Draw(details ? rest.Above(kActionDetailRows) : rest);
  if (details) {
    const ActionRow& row = list_.At(table_.selected());
    DrawActionDetails(rest.Bottom(kActionDetailRows), row, list_.PaceOf(row.id),
                      shell_.backend().now(), SteadyNow());
  }
  if (list_.size() == 0) DrawState(rest.Below(2));
}

void ActionsView::DrawState(const Canvas& canvas) const {
  if (!loaded_) {
    canvas.Put(0, 0, problem_.ok() ? "Loading…" : "", kMuted);
  } else if (list_.all() == 0) {
    canvas.Put(0, 0, "No actions yet. 3 or a colon begins one: :file --path /etc", kMuted);
  } else {
    canvas.Put(0, 0, at_end_ ? "None of them has this." : "None of them has this so far…", kMuted);
  }
}

std::unique_ptr<View> NewActionsView(Shell& shell) { return std::make_unique<ActionsView>(shell); }

}  // namespace dragnet::console::tui
