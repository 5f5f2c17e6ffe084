#include "console/tui/views/fleet_view.h"

#include <algorithm>
#include <utility>

#include "console/tui/views/views.h"
#include "core/clock.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// However small the fleet is, and however fast it changes.
constexpr absl::Duration kLeastPause = absl::Seconds(2);
constexpr absl::Duration kMostPause = absl::Minutes(1);
// At most so much of the time is spent on asking.
constexpr int kPauseFactor = 20;

constexpr int kWide = 120;

constexpr v1::AgentInfo::State kStates[] = {
    v1::AgentInfo::STATE_ONLINE, v1::AgentInfo::STATE_IDLE, v1::AgentInfo::STATE_OFFLINE,
    v1::AgentInfo::STATE_DUPLICATE, v1::AgentInfo::STATE_REVOKED};

TableColumn SpecOf(FleetColumn column, bool wide) {
  switch (column) {
    case FleetColumn::kName:
      return {"name", 18, 4};
    case FleetColumn::kState:
      return {"state", 11};
    case FleetColumn::kSystem:
      return {"system", 13};
    case FleetColumn::kVersion:
      return {"agent", 7};
    case FleetColumn::kPolicy:
      return {"policy", wide ? 11 : 8};
    case FleetColumn::kTags:
      return {"tags", 9, 3};
    case FleetColumn::kArch:
      return {"arch", 8};
    case FleetColumn::kAddress:
      return {"address", 16, 1};
    case FleetColumn::kLastSeen:
      return {"seen", 6, 0, true};
  }
  return {};
}

}  // namespace

FleetView::FleetView(Shell& shell)
    : shell_(shell),
      pages_(shell.backend(), {.on_part =
                                   [this](const std::vector<FleetRow>& rows, uint64_t total) {
                                     problem_ = absl::OkStatus();
                                     OnRows(rows, total);
                                   },
                               .on_all =
                                   [this](std::vector<FleetRow> rows, uint64_t total) {
                                     problem_ = absl::OkStatus();
                                     loaded_ = true;
                                     fetched_at_ = SteadyNow();
                                     OnRows(std::move(rows), total);
                                     FetchIfStale();
                                   },
                               .on_error =
                                   [this](const absl::Status& status) {
                                     problem_ = status;
                                     fetched_at_ = SteadyNow();
                                     shell_.Redraw();
                                   }}),
      field_(shell.backend(),
             [this](const TypedTarget& target, const absl::StatusOr<Reach>& reach) {
               if (typing_ && reach.ok()) List(target.expression);
             }),
      ticker_(shell.loop(), [this] { shell_.Redraw(); }) {
  table_.set_cells([this](size_t row, size_t column) { return CellAt(row, column); });
  ChooseColumns(80);
  shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
    if (!activity.agents()) return;
    stale_ = true;
    FetchIfStale();
  });
}

// ---- what is listed

void FleetView::List(const std::string& expression) {
  if (expression == listed_ && (loaded_ || pages_.busy())) return;
  listed_ = expression;
  loaded_ = false;
  stale_ = false;
  problem_ = absl::OkStatus();
  table_.Select(0);
  pages_.Fetch(listed_, /*parts=*/true);
}

void FleetView::FetchIfStale() {
  if (!shown_ || !stale_ || waiting_ || pages_.busy()) return;
  const absl::Duration pause = std::clamp(pages_.took() * kPauseFactor, kLeastPause, kMostPause);
  const absl::Duration wait = fetched_at_ + pause - SteadyNow();
  if (wait > absl::ZeroDuration()) {
    waiting_ = true;
    shell_.loop().After(wait, lifetime_.token(), [this] {
      waiting_ = false;
      FetchIfStale();
    });
    return;
  }
  stale_ = false;
  pages_.Fetch(listed_, /*parts=*/!loaded_);
}

void FleetView::OnRows(std::vector<FleetRow> rows, uint64_t total) {
  const bool on_top = table_.selected() == 0;
  const std::string selected =
      on_top || table_.selected() >= model_.size() ? "" : model_.At(table_.selected()).id;
  model_.Replace(std::move(rows));
  total_ = total;
  if (listed_.empty()) fleet_total_ = total;
  table_.SetCount(model_.size());
  if (!selected.empty()) {
    const size_t position = model_.Find(selected);
    if (position < model_.size()) table_.Select(position);
  }
  field_.set_tag_keys(model_.tag_keys());
  shell_.Redraw();
}

void FleetView::Sort(FleetColumn column, bool descending) {
  const std::string selected =
      table_.selected() == 0 || model_.size() == 0 ? "" : model_.At(table_.selected()).id;
  model_.Sort(column, descending);
  if (!selected.empty()) table_.Select(model_.Find(selected));
}

bool FleetView::AnyoneBehind() const {
  const auto policy = shell_.backend().policy();
  return policy != nullptr &&
         std::any_of(model_.rows().begin(), model_.rows().end(), [&](const FleetRow& row) {
           return row.policy < policy->version() && row.state != v1::AgentInfo::STATE_REVOKED;
         });
}

void FleetView::OnShown() {
  shown_ = true;
  ticker_.Start();
  FetchIfStale();
}

void FleetView::OnHidden() {
  shown_ = false;
  ticker_.Stop();
  if (!pages_.busy()) return;
  pages_.Stop();
  stale_ = true;
}

// ---- the filter

void FleetView::StartTyping() {
  typing_ = true;
  field_.SetText(filter_);
}

void FleetView::StopTyping(bool take) {
  typing_ = false;
  Filter(take ? field_.text() : filter_);
}

void FleetView::Filter(const std::string& typed) {
  filter_ = typed;
  const std::string expression = TargetOf(typed).expression;
  if (expression.empty()) filter_.clear();
  field_.AddToHistory(filter_);
  List(expression);
}

bool FleetView::OnTypingKey(const Key& key) {
  if (key.code == Key::Code::kEscape || key.IsControl(U'c') || key.IsControl(U'g'))
    return StopTyping(false), true;
  if (key.code == Key::Code::kEnter) {
    const auto& reach = field_.reach();
    // What can't be evaluated is mended first.
    if (reach.has_value() && absl::IsInvalidArgument(reach->status())) return true;
    return StopTyping(true), true;
  }
  if (key.code == Key::Code::kPageUp || key.code == Key::Code::kPageDown ||
      key.code == Key::Code::kMouse)
    return table_.OnKey(key);
  return field_.OnKey(key);
}

// ---- keys

void FleetView::NextColumn() {
  const auto at = std::find(columns_.begin(), columns_.end(), model_.sorted_by());
  const bool last = at == columns_.end() || at + 1 == columns_.end();
  Sort(last ? columns_.front() : *(at + 1), false);
}

bool FleetView::OnKey(const Key& key) {
  if (typing_) return OnTypingKey(key);
  const bool double_click = key.mouse == Key::Mouse::kDoubleClick;
  if (double_click) table_.OnKey(key);
  if (key.code == Key::Code::kEnter || double_click) {
    if (model_.size() > 0) shell_.OpenAgent(model_.At(table_.selected()).id);
    return true;
  }
  if (key.code == Key::Code::kEscape && !filter_.empty()) return Filter(""), true;
  if (key.Is(U'/') || key.Is(U'f')) return StartTyping(), true;
  if (key.Is(U's')) return NextColumn(), true;
  if (key.Is(U'S')) return Sort(model_.sorted_by(), !model_.descending()), true;
  if (key.Is(U'n')) return shell_.OpenNew("", listed_), true;
  if (key.Is(U'y')) {
    shell_.Say(listed_.empty() ? "true" : listed_);
    return true;
  }
  return table_.OnKey(key);
}

std::vector<KeyHint> FleetView::Keys() const {
  if (typing_) {
    return {{"Enter", "Take"},
            {"Tab", "Complete"},
            {"↑↓", "Earlier"},
            {"PgDn", "Scroll"},
            {"Esc", filter_.empty() ? "All" : "As before"}};
  }
  std::vector<KeyHint> keys = {{"Enter", "Agent"}, {"/", "Filter"},  {"n", "New action"},
                               {"s", "Sort"},      {"S", "Reverse"}, {"y", "Target"}};
  if (!filter_.empty()) keys.insert(keys.begin() + 2, {"Esc", "All"});
  return keys;
}

std::string FleetView::Help() const {
  return "The agents that the scheduler knows, by state:\n"
         "  ● online      connected now\n"
         "  ○ idle        not connected, but it was less than an hour ago\n"
         "  · offline     not connected for longer\n"
         "  ! duplicate   two hosts use one identity at the same time; it gets no action\n"
         "  x revoked     its certificates are not valid any more\n"
         "\"policy\" shows the trust policy of an agent that doesn't have the newest one.\n\n"
         "  Enter       the agent's page\n"
         "  /           a filter, live: plain words choose by name; everything else is a target\n"
         "              expression as an action carries it, evaluated by the scheduler:\n"
         "                os='linux' and tags->>'env'='prod'\n"
         "                distribution='debian' and distribution_version < '12'\n"
         "              Tab completes columns and tags, arrows recall, Enter takes, Esc goes back\n"
         "  Esc         no filter\n"
         "  n           a new action with this filter as its target\n"
         "  y           shows the target expression at the bottom, to be copied\n"
         "  s, S        sorts by the next column; the other way round\n"
         "  h, l        scrolls sideways (also the arrows)\n";
}

std::optional<Point> FleetView::Cursor() const {
  if (!typing_) return std::nullopt;
  return field_.cursor();
}

std::string FleetView::Title() const {
  if (listed_.empty()) return "Fleet";
  return StrCat("Fleet: ", listed_);
}

// ---- drawing

void FleetView::Draw(const Canvas& canvas) {
  DrawCounts(canvas.Top(1));
  Canvas rest = canvas.Below(1);
  if (typing_) {
    field_.Draw(rest.Top(TargetField::kRows));
    rest = rest.Below(TargetField::kRows);
  }
  if (!problem_.ok() && shell_.backend().connection().connected) {
    rest.Put(0, 0, ToStd(problem_.message()), kError);
    rest = rest.Below(1);
  }
  DrawTable(rest);
}

void FleetView::DrawCounts(const Canvas& canvas) const {
  if (!loaded_ && model_.size() == 0) {
    canvas.Put(0, 0, problem_.ok() ? "Loading…" : "", kMuted);
    return;
  }
  std::string text = StrCat(total_, total_ == 1 ? " agent" : " agents");
  if (!listed_.empty() && fleet_total_ > 0) text = StrCat(total_, " of ", fleet_total_, " agents");
  if (!loaded_) StrAppend(&text, ", loading");
  int x = canvas.Put(0, 0, text, kBold) + 2;
  for (const v1::AgentInfo::State state : kStates) {
    const uint64_t count = model_.Count(state);
    if (count == 0) continue;
    // "● 12 online"
    const std::string_view sign_and_word = StateText(state);
    const size_t space = sign_and_word.find(' ');
    const std::string part =
        StrCat(sign_and_word.substr(0, space), " ", count, sign_and_word.substr(space));
    if (x + WidthOnScreen(part) > canvas.width()) return;
    x += canvas.Put(x, 0, part, StyleOf(state)) + 2;
  }
  if (loaded_ && total_ > model_.size()) {
    canvas.Put(x, 0, StrCat("only the first ", model_.size(), " are listed: filter"), kWarning);
  }
}

void FleetView::ChooseColumns(int width) {
  const bool wide = width >= kWide;
  columns_ = {FleetColumn::kName, FleetColumn::kState, FleetColumn::kSystem, FleetColumn::kVersion};
  if (wide) columns_.push_back(FleetColumn::kArch);
  if (wide || AnyoneBehind()) columns_.push_back(FleetColumn::kPolicy);
  columns_.push_back(FleetColumn::kTags);
  if (wide) columns_.push_back(FleetColumn::kAddress);
  columns_.push_back(FleetColumn::kLastSeen);
  std::vector<TableColumn> specs;
  int sorted = -1;
  for (size_t i = 0; i < columns_.size(); ++i) {
    specs.push_back(SpecOf(columns_[i], wide));
    if (columns_[i] == model_.sorted_by()) sorted = static_cast<int>(i);
  }
  table_.SetColumns(std::move(specs));
  table_.SetSorted(sorted, model_.descending());
}

void FleetView::DrawTable(const Canvas& canvas) {
  ChooseColumns(canvas.width());
  table_.Draw(canvas);
  if (model_.size() > 0 || !loaded_) return;
  if (listed_.empty()) {
    canvas.Put(0, 2, "No agent has enrolled yet. For a token: dragnet enroll", kMuted);
  } else {
    canvas.Put(0, 2, "No agent that the scheduler knows matches.", kMuted);
  }
}

TableCell FleetView::CellAt(size_t row, size_t column) const {
  const FleetRow& agent = model_.At(row);
  const bool gone = agent.state == v1::AgentInfo::STATE_REVOKED;
  switch (columns_[column]) {
    case FleetColumn::kName:
      return {agent.name, gone ? kMuted : kNormal};
    case FleetColumn::kState:
      return {std::string(StateText(agent.state)), StyleOf(agent.state)};
    case FleetColumn::kSystem:
      return {agent.system, kNormal};
    case FleetColumn::kVersion:
      return {agent.version, kNormal};
    case FleetColumn::kPolicy: {
      const auto policy = shell_.backend().policy();
      if (policy == nullptr) return {StrCat(agent.policy), kMuted};
      if (gone || agent.policy >= policy->version()) return {"", kNormal};
      return {agent.policy == 0 ? "none" : StrCat(agent.policy, " of ", policy->version()),
              kWarning};
    }
    case FleetColumn::kTags:
      return {agent.tags, kMuted};
    case FleetColumn::kArch:
      return {agent.arch, kMuted};
    case FleetColumn::kAddress:
      return {agent.address, kMuted};
    case FleetColumn::kLastSeen:
      return {agent.state == v1::AgentInfo::STATE_ONLINE
                  ? "now"
                  : Age(agent.last_seen, shell_.backend().now()),
              kMuted};
  }
  return {};
}

std::unique_ptr<View> NewFleetView(Shell& shell) { return std::make_unique<FleetView>(shell); }

}  // namespace dragnet::console::tui
