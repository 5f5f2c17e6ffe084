#include "console/tui/views/hosts_pane.h"

#include <algorithm>
#include <utility>

#include "console/tui/results/host_report.h"
#include "console/tui/results/stack_filter.h"
#include "console/tui/views/reading_view.h"
#include "console/tui/widgets/agent_bar.h"
#include "console/tui/widgets/search.h"
#include "core/clock.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kBuildPause = absl::Milliseconds(500);
constexpr absl::Duration kScanBudget = absl::Milliseconds(40);

struct StateFilter {
  std::string_view name;
  std::vector<v1::DispatchState> states;
};

const std::vector<StateFilter>& StateFilters() {
  static const auto* const filters = new std::vector<StateFilter>{
      {"all", {}},
      {"found", {v1::DISPATCH_STATE_FOUND}},
      {"clean", {v1::DISPATCH_STATE_CLEAN}},
      {"incomplete", {v1::DISPATCH_STATE_INCOMPLETE}},
      {"refused", {v1::DISPATCH_STATE_REFUSED}},
      {"pending",
       {v1::DISPATCH_STATE_UNSPECIFIED, v1::DISPATCH_STATE_WAITING, v1::DISPATCH_STATE_SENT,
        v1::DISPATCH_STATE_RUNNING}},
      {"never sent", {v1::DISPATCH_STATE_NEVER_SENT}},
  };
  return *filters;
}

// Rows come before the state that counts them.
std::string StateText(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_UNSPECIFIED ? "running" : WordOf(state);
}

int RankOf(v1::DispatchState state) {
  constexpr v1::DispatchState kOrder[] = {
      v1::DISPATCH_STATE_REFUSED, v1::DISPATCH_STATE_INCOMPLETE, v1::DISPATCH_STATE_FOUND,
      v1::DISPATCH_STATE_CLEAN,   v1::DISPATCH_STATE_RUNNING,    v1::DISPATCH_STATE_SENT,
      v1::DISPATCH_STATE_WAITING, v1::DISPATCH_STATE_NEVER_SENT};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), state) - kOrder);
}

}  // namespace

HostsPane::HostsPane(ActionContext& context) : context_(context) {
  table_.SetColumns(
      {{"agent", 16, 1}, {"state", 11}, {"rows", 9, 0, true}, {"not looked at, and why", 30, 3}});
  table_.SetSorted(0, false);
  table_.set_cells([this](size_t row, size_t column) { return CellAt(row, column); });
}

std::string HostsPane::Name() const {
  return StrCat("Hosts ", WithCommas(std::max<uint64_t>(
                              context_.progress.targeted(),
                              context_.results == nullptr ? 0 : context_.results->hosts.size())));
}

void HostsPane::ShowAll() {
  with_.clear();
  scan_ = nullptr;
  scanning_ = false;
  having_.clear();
  built_for_ = 0;
  if (visible_) Rebuild();
}

void HostsPane::ShowOnlyWith(const std::string& filter) {
  if (context_.module == nullptr) return;
  absl::StatusOr<std::unique_ptr<FilterScan>> scan =
      FilterScan::Create(context_.results, context_.operation, *context_.module, filter);
  if (!scan.ok()) return context_.shell.SayError(scan.status());
  ShowAll();
  state_ = 0;
  with_ = filter;
  scan_ = *std::move(scan);
  looked_at_ = 0;
  built_for_ = 0;
  ScanOn();
  if (visible_) Rebuild();
}

void HostsPane::ScanOn() {
  if (scan_ == nullptr || scanning_) return;
  const uint32_t total = context_.results->rows[context_.operation]->size();
  if (looked_at_ >= total) return;
  scanning_ = true;
  context_.shell.background().Run(
      lifetime_.token(),
      [scan = scan_, from = looked_at_, total] { return scan->Run(from, total, kScanBudget); },
      [this, scan = scan_](const absl::StatusOr<FilterScan::Step>& step) {
        if (scan != scan_) return;
        scanning_ = false;
        if (!step.ok()) return context_.shell.SayError(step.status());
        looked_at_ = step->next;
        having_.insert(step->agents.begin(), step->agents.end());
        built_for_ = 0;
        OnNews();
        ScanOn();
      });
}

void HostsPane::OnNews() {
  ScanOn();
  if (!visible_ || context_.results == nullptr) return;
  if (built_for_ == context_.results->hosts.version()) return;
  const absl::Time now = SteadyNow();
  if (now >= build_again_at_) return Rebuild();
  if (timer_) return;
  timer_ = true;
  context_.shell.loop().After(build_again_at_ - now, lifetime_.token(), [this] {
    timer_ = false;
    OnNews();
  });
}

bool HostsPane::Wanted(v1::DispatchState state) const {
  const std::vector<v1::DispatchState>& states = StateFilters()[state_].states;
  return states.empty() || std::find(states.begin(), states.end(), state) != states.end();
}

void HostsPane::Rebuild() {
  if (context_.results == nullptr) return;
  const HostTable& hosts = context_.results->hosts;
  built_for_ = hosts.version();
  lines_.clear();
  const auto count = static_cast<uint32_t>(hosts.size());
  for (uint32_t number = 0; number < count; ++number) {
    if (!with_.empty() && !having_.contains(number)) continue;
    Host host = hosts.At(number);
    if (!Wanted(host.state)) continue;
    lines_.push_back(
        {number, std::move(host.name), host.state, std::max(host.rows, host.rows_here)});
  }
  std::stable_sort(lines_.begin(), lines_.end(), [this](const Line& a, const Line& b) {
    if (sort_ == Sort::kRows && a.rows != b.rows) return a.rows > b.rows;
    // What needs to be looked at comes first.
    if (sort_ == Sort::kState && a.state != b.state) return RankOf(a.state) < RankOf(b.state);
    return a.name < b.name;
  });
  table_.SetCount(lines_.size());
  for (size_t i = 0; i < lines_.size() && selected_.has_value(); ++i)
    if (lines_[i].number == *selected_) table_.Select(i);
  build_again_at_ = SteadyNow() + kBuildPause;
  context_.shell.Redraw();
}

TableCell HostsPane::CellAt(size_t row, size_t column) {
  const Line& line = lines_[row];
  Style style = StyleOf(line.state);
  std::string text;
  switch (column) {
    case 0:
      text = line.name;
      style = kNormal;
      break;
    case 1:
      return {StateText(line.state), style};
    case 2:
      return {WithCommas(line.rows)};
    default:
      text = context_.results->hosts.At(line.number).not_looked_at;
  }
  if (!words_.empty() && ContainsIgnoringCase(text, words_)) style = {Role::kMatch};
  return {std::move(text), style};
}

// ---- drawing

void HostsPane::DrawStates(const Canvas& canvas) {
  const std::map<v1::DispatchState, uint64_t> states = context_.results->hosts.States();
  int x = 0;
  for (size_t i = 0; i < StateFilters().size(); ++i) {
    const StateFilter& filter = StateFilters()[i];
    uint64_t count = 0;
    for (const auto& [state, hosts] : states)
      if (filter.states.empty() ||
          std::find(filter.states.begin(), filter.states.end(), state) != filter.states.end())
        count += hosts;
    if (count == 0 && i != state_) continue;
    std::string text = StrCat(filter.name, " ", WithCommas(count));
    // Who of them is offline is known to the scheduler alone.
    if (filter.name == "pending" && context_.progress.offline() > 0)
      StrAppend(&text, " (", WithCommas(context_.progress.offline()), " offline)");
    // Without colours, too, it is seen which one is chosen.
    if (i == state_) text = StrCat("[", text, "]");
    x += canvas.Put(x, 0, text, i == state_ ? kBold : kMuted) + 2;
  }
}

void HostsPane::Draw(const Canvas& canvas) {
  if (context_.results == nullptr) return;
  DrawStates(canvas.Top(1));
  int top = 1;
  if (!with_.empty()) {
    const uint32_t total = context_.results->rows[context_.operation]->size();
    canvas.Put(0, top++,
               StrCat("only those with a row of: ", with_,
                      looked_at_ < total
                          ? StrCat("  (", uint64_t{looked_at_} * 100 / total, " % looked through)")
                          : std::string(),
                      "   Esc: all"),
               kLabel);
  }
  if (!says_.empty()) canvas.Put(0, top++, says_, kWarning);
  table_.Draw(canvas.Below(top).Above(typing_ ? 1 : 0));
  if (lines_.empty())
    canvas.Put(2, top + 1, context_.loading ? "no such agent so far" : "no such agent", kMuted);
  if (!typing_) return;
  const Canvas line = canvas.Bottom(1);
  line.Put(0, 0, "/", kKey);
  input_.Draw(line.Part({1, 0, line.width() - 1, 1}), {Role::kInput});
}

std::optional<Point> HostsPane::Cursor() const {
  if (!typing_) return std::nullopt;
  return input_.cursor();
}

std::vector<KeyHint> HostsPane::Keys() const {
  if (typing_) return {{"Enter", "Find"}, {"Esc", "Cancel"}};
  return {{"Enter", "Its answer"}, {"v", "Its rows"}, {"a", "Agent"},
          {"f", "State"},          {"/", "Search"},   {"s", "Sort"}};
}

std::string HostsPane::Help() const {
  return "Hosts: who found, who did not, who could not look and why\n"
         "  Enter       the host's whole answer: what it examined, what not and\n"
         "              why, with examples, its time, its limits\n"
         "  v           its rows\n"
         "  a           the agent's page\n"
         "  f, F        only one state: the next, the one before\n"
         "  s           sorted by name, by state (those that could not look\n"
         "              first), by rows\n"
         "  /           search in names and reasons; n and N go on\n";
}

// ---- keys

void HostsPane::Search(bool backwards) {
  says_.clear();
  if (words_.empty() || lines_.empty()) return;
  const size_t size = lines_.size();
  for (size_t step = 1; step <= size; ++step) {
    const size_t at = (table_.selected() + (backwards ? size - step : step)) % size;
    if (!ContainsIgnoringCase(lines_[at].name, words_) &&
        !ContainsIgnoringCase(context_.results->hosts.At(lines_[at].number).not_looked_at, words_))
      continue;
    table_.Select(at);
    selected_ = lines_[at].number;
    return;
  }
  says_ = StrCat("not found: ", words_);
}

void HostsPane::ShowHost(uint32_t number) {
  context_.shell.background().Run(
      lifetime_.token(),
      [results = context_.results, number]() -> absl::StatusOr<std::string> {
        const absl::StatusOr<v1::AgentState> state = results->hosts.StateOf(number);
        if (!state.ok()) return state.status();
        return HostReport(results->action, *state);
      },
      [this, number](absl::StatusOr<std::string> text) {
        if (!text.ok()) return context_.shell.SayError(text.status());
        const auto [name, id] = context_.results->hosts.NamesOf(number);
        context_.shell.Push(NewReadingView(
            context_.shell, StrCat("Answer of ", name), *std::move(text),
            // It may lie over another tab by now, and outlive this action there.
            {{U'v', "Its rows",
              [this, agent = id, alive = lifetime_.token()] {
                if (!alive.expired()) context_.show_rows(FilterForAgent(agent));
              }},
             {U'a', "Agent", [&shell = context_.shell, agent = id] { shell.OpenAgent(agent); }}}));
      });
}

bool HostsPane::OnKey(const Key& key) {
  if (context_.results == nullptr) return false;
  if (typing_) {
    if (key.code == Key::Code::kEnter || key.code == Key::Code::kEscape) {
      typing_ = false;
      words_ = key.code == Key::Code::kEnter ? input_.text() : "";
      Search(/*backwards=*/false);
      return true;
    }
    return input_.OnKey(key), true;
  }
  says_.clear();
  const bool any = table_.selected() < lines_.size();
  if (key.code == Key::Code::kEscape && !with_.empty()) return ShowAll(), true;
  if (key.code == Key::Code::kEnter) {
    if (any) ShowHost(lines_[table_.selected()].number);
    return true;
  }
  if (key.code == Key::Code::kCharacter) {
    switch (key.character) {
      case U'f':
      case U'F': {
        const size_t all = StateFilters().size();
        state_ = (state_ + (key.character == U'f' ? 1 : all - 1)) % all;
        selected_ = std::nullopt;
        return Rebuild(), true;
      }
      case U's':
        sort_ = sort_ == Sort::kName    ? Sort::kState
                : sort_ == Sort::kState ? Sort::kRows
                                        : Sort::kName;
        table_.SetSorted(sort_ == Sort::kName    ? 0
                         : sort_ == Sort::kState ? 1
                                                 : 2,
                         sort_ == Sort::kRows);
        return Rebuild(), true;
      case U'/':
        typing_ = true;
        input_.SetText("");
        return true;
      case U'n':
      case U'N':
        return Search(key.character == U'N'), true;
      case U'v':
        if (any)
          context_.show_rows(FilterForAgent(
              context_.results->hosts.NamesOf(lines_[table_.selected()].number).second));
        return true;
      case U'a':
        if (any)
          context_.shell.OpenAgent(
              context_.results->hosts.NamesOf(lines_[table_.selected()].number).second);
        return true;
      default:
        break;
    }
  }
  if (!table_.OnKey(key)) return false;
  if (table_.selected() < lines_.size()) selected_ = lines_[table_.selected()].number;
  return true;
}

}  // namespace dragnet::console::tui
