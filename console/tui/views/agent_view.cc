#include "console/tui/views/agent_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_replace.h"
#include "console/output/cell.h"
#include "console/tui/views/agent_facts.h"
#include "console/tui/views/fleet_model.h"
#include "console/tui/views/target_filter.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/agent_bar.h"
#include "console/tui/widgets/text_view.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kPause = absl::Seconds(2);
constexpr uint32_t kMostEntries = 200;
// From here on facts and lists stand side by side.
constexpr int kWide = 120;
constexpr int kDetailRows = 4;
constexpr size_t kShortId = 8;

std::string ReasonWord(v1::Refusal::Reason reason) {
  const auto* value = v1::Refusal::Reason_descriptor()->FindValueByNumber(reason);
  if (value == nullptr) return StrCat("reason ", static_cast<int>(reason));
  return absl::StrReplaceAll(EnumWord(value), {{"-", " "}});
}

// The end of an id: its beginning is a time, the same for all of a second.
std::string ShortId(std::string_view id) {
  return id.size() <= kShortId ? std::string(id) : StrCat("…", id.substr(id.size() - kShortId));
}

std::string TimeText(const google::protobuf::Timestamp& timestamp, absl::Time now) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? ShortTime(*time, now) : "";
}

}  // namespace

AgentView::AgentView(Shell& shell, std::string agent_id)
    : shell_(shell),
      agent_id_(std::move(agent_id)),
      actions_(v1::ListAgentActionsResponse()),
      refusals_(v1::ListRefusalsResponse()),
      ticker_(shell.loop(), [this] { shell_.Redraw(); }) {
  actions_table_.SetColumns(
      {{"launched", 12}, {"state", 11}, {"rows", 8, 0, true}, {"name", 20, 1}});
  actions_table_.set_cells([this](size_t row, size_t column) { return ActionCell(row, column); });
  refusals_table_.SetColumns({{"refused", 12}, {"action", 9}, {"reason", 20}, {"detail", 20, 1}});
  refusals_table_.set_cells([this](size_t row, size_t column) { return RefusalCell(row, column); });
  shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
    if (!activity.agents() && !activity.all_actions() && activity.action_ids().empty()) return;
    stale_ = true;
    FetchIfStale();
  });
}

// ---- what is shown

AgentView::Page AgentView::FetchPage(Client& client, const std::string& agent_id) {
  Page page;
  v1::SearchAgentsRequest search;
  search.set_target(StrCat("id=", QuotedText(agent_id)));
  search.set_page_size(1);
  absl::StatusOr<v1::SearchAgentsResponse> found = client.SearchAgents(search);
  if (!found.ok()) {
    page.agent = found.status();
  } else if (found->agents().empty() || found->agents(0).facts().id() != agent_id) {
    page.agent = absl::NotFoundError(
        StrCat("the scheduler knows no agent ", ForTerminal(agent_id), " any more"));
  } else {
    page.agent = std::move(*found->mutable_agents(0));
  }
  v1::ListAgentActionsRequest actions;
  actions.set_agent_id(agent_id);
  actions.set_page_size(kMostEntries);
  page.actions = client.ListAgentActions(actions);
  v1::ListRefusalsRequest refusals;
  refusals.set_agent_id(agent_id);
  refusals.set_page_size(kMostEntries);
  page.refusals = client.ListRefusals(refusals);
  return page;
}

void AgentView::FetchIfStale() {
  if (!shown_ || !stale_ || fetching_ || waiting_) return;
  const absl::Duration wait = fetched_at_ + kPause - SteadyNow();
  if (wait > absl::ZeroDuration()) {
    waiting_ = true;
    shell_.loop().After(wait, lifetime_.token(), [this] {
      waiting_ = false;
      FetchIfStale();
    });
    return;
  }
  stale_ = false;
  fetching_ = true;
  shell_.background().Run(
      lifetime_.token(),
      [client = shell_.backend().client(), id = agent_id_] { return FetchPage(*client, id); },
      [this](Page page) { OnPage(std::move(page)); });
}

void AgentView::OnPage(Page page) {
  fetching_ = false;
  fetched_at_ = SteadyNow();
  problem_ = page.agent.status();
  if (page.agent.ok()) agent_ = *std::move(page.agent);
  // While the scheduler is away what was there before stays.
  if (page.actions.ok() || !absl::IsUnavailable(page.actions.status()))
    actions_ = std::move(page.actions);
  if (page.refusals.ok() || !absl::IsUnavailable(page.refusals.status()))
    refusals_ = std::move(page.refusals);
  actions_table_.SetCount(actions_.ok() ? static_cast<size_t>(actions_->actions_size()) : 0);
  refusals_table_.SetCount(refusals_.ok() ? static_cast<size_t>(refusals_->refusals_size()) : 0);
  shell_.Redraw();
  FetchIfStale();
}

void AgentView::OnShown() {
  shown_ = true;
  ticker_.Start();
  FetchIfStale();
}

void AgentView::OnHidden() {
  shown_ = false;
  ticker_.Stop();
}

uint64_t AgentView::NewestPolicy() const {
  const auto policy = shell_.backend().policy();
  return policy == nullptr ? 0 : policy->version();
}

// ---- keys

void AgentView::Turn(int by) {
  section_ = static_cast<Section>((static_cast<int>(section_) + kSections + by) % kSections);
}

void AgentView::OpenSelected() {
  std::string id;
  if (section_ == Section::kActions && actions_table_.count() > 0)
    id = actions_->actions(static_cast<int>(actions_table_.selected())).action_id();
  if (section_ == Section::kRefusals && refusals_table_.count() > 0)
    id = refusals_->refusals(static_cast<int>(refusals_table_.selected())).action_id();
  if (!id.empty()) return shell_.OpenAction(id);
  if (section_ == Section::kRefusals && refusals_table_.count() > 0)
    shell_.Say("What was refused named no action that could be read.");
}

bool AgentView::OnKey(const Key& key) {
  if (key.code == Key::Code::kTab) return Turn(1), true;
  if (key.code == Key::Code::kBackTab) return Turn(-1), true;
  if (key.code == Key::Code::kEnter) return OpenSelected(), true;
  if (key.Is(U'n')) return shell_.OpenNew("", StrCat("id=", QuotedText(agent_id_))), true;
  if (key.Is(U'y')) {
    shell_.Say(StrCat("id=", QuotedText(agent_id_)));
    return true;
  }
  switch (section_) {
    case Section::kFacts:
      return facts_.OnKey(key);
    case Section::kActions:
      return actions_table_.OnKey(key);
    case Section::kRefusals:
      return refusals_table_.OnKey(key);
  }
  return false;
}

std::vector<KeyHint> AgentView::Keys() const {
  std::vector<KeyHint> keys = {{"Tab", "Facts, actions, refusals"},
                               {"n", "New action on it"},
                               {"y", "Target"},
                               {"Esc", "Back"}};
  if (section_ != Section::kFacts) keys.insert(keys.begin(), {"Enter", "Action"});
  return keys;
}

std::string AgentView::Help() const {
  return "What the scheduler knows of one agent. Facts are what the agent says of its host.\n\n"
         "  Tab         facts, recent actions, refusals, in turn\n"
         "  Enter       opens the selected action\n"
         "  n           a new action with this agent as its target\n"
         "  y           shows the target expression for it at the bottom, to be copied\n"
         "  ↑ ↓ PgDn    scroll\n"
         "  Esc         back\n";
}

std::string AgentView::Title() const {
  return StrCat("Agent ", agent_.has_value() ? agent_->facts().name() : agent_id_);
}

// ---- drawing

void AgentView::Draw(const Canvas& canvas) {
  DrawHead(canvas.Top(1));
  if (!agent_.has_value()) return;
  facts_.SetFacts(AgentFacts(*agent_, NewestPolicy(), shell_.backend().now()));
  DrawTabs(canvas.Below(1).Top(1));
  const Canvas body = canvas.Below(2);
  if (canvas.width() < kWide) return DrawSection(body, section_);
  const int left = canvas.width() * 2 / 5;
  DrawSection(body.Part({0, 0, left, body.height()}), Section::kFacts);
  const Canvas right = body.Part({left + 1, 0, body.width() - left - 1, body.height()});
  // One list beside the facts: the one that was looked at.
  DrawSection(right, section_ == Section::kRefusals ? Section::kRefusals : Section::kActions);
}

void AgentView::DrawHead(const Canvas& canvas) const {
  if (!agent_.has_value()) {
    canvas.Put(0, 0, problem_.ok() ? "Loading…" : ToStd(problem_.message()),
               problem_.ok() ? kMuted : kError);
    return;
  }
  int x = canvas.Put(0, 0, StateText(agent_->state()), StyleOf(agent_->state())) + 2;
  x += canvas.Put(x, 0, StateWords(*agent_, shell_.backend().now())) + 2;
  if (!problem_.ok() && shell_.backend().connection().connected) {
    canvas.Put(x, 0, ToStd(problem_.message()), kError);
    return;
  }
  const size_t warnings = AgentWarnings(*agent_, NewestPolicy()).size();
  if (warnings > 0) {
    x += canvas.Put(x, 0,
                    StrCat("! ", warnings, warnings == 1 ? " thing" : " things", " to look at"),
                    kWarning) +
         2;
  }
  canvas.Put(x, 0, StrCat(SystemOf(agent_->facts()), " ", agent_->facts().arch()), kMuted);
}

std::string AgentView::SectionName(Section section) const {
  switch (section) {
    case Section::kFacts:
      return "Facts";
    case Section::kActions:
      return StrCat("Actions ", actions_table_.count());
    case Section::kRefusals:
      return StrCat("Refusals ", refusals_table_.count());
  }
  return "";
}

void AgentView::DrawTabs(const Canvas& canvas) const {
  int x = 0;
  for (int i = 0; i < kSections; ++i) {
    const auto section = static_cast<Section>(i);
    const bool current = section == section_;
    // Told without colours, too.
    const std::string text =
        current ? StrCat("[", SectionName(section), "]") : StrCat(" ", SectionName(section), " ");
    x += canvas.Put(x, 0, text, current ? kTitle : kMuted) + 1;
  }
}

void AgentView::DrawSection(const Canvas& canvas, Section section) {
  switch (section) {
    case Section::kFacts:
      return facts_.Draw(canvas);
    case Section::kActions:
      return DrawTable(canvas, actions_table_, actions_.status(),
                       "No action was for this agent lately.");
    case Section::kRefusals: {
      const bool detail = canvas.height() > 3 * kDetailRows && refusals_table_.count() > 0;
      DrawTable(detail ? canvas.Above(kDetailRows) : canvas, refusals_table_, refusals_.status(),
                "This agent refused nothing.");
      if (detail) DrawDetail(canvas.Bottom(kDetailRows));
      return;
    }
  }
}

void AgentView::DrawTable(const Canvas& canvas, TableView& table, const absl::Status& status,
                          std::string_view none) {
  if (absl::IsUnimplemented(status)) {
    canvas.Put(1, 0, "The scheduler is of an older version and doesn't tell.", kMuted);
  } else if (!status.ok()) {
    canvas.Put(1, 0, ToStd(status.message()), kError);
  } else if (table.count() == 0) {
    canvas.Put(1, 0, none, kMuted);
  } else {
    table.Draw(canvas);
  }
}

void AgentView::DrawDetail(const Canvas& canvas) const {
  const auto& entry = refusals_->refusals(static_cast<int>(refusals_table_.selected()));
  canvas.Part({0, 0, canvas.width(), 1}).Fill(kMuted, U'─');
  std::vector<std::string> lines;
  BreakLine(ForTerminal(StrCat(ReasonWord(entry.refusal().reason()), ": ", entry.refusal().detail(),
                               "  (action ",
                               entry.action_id().empty() ? "unknown" : entry.action_id(), ")")),
            std::max(canvas.width(), 1), &lines);
  for (int y = 1; y < canvas.height() && static_cast<size_t>(y) <= lines.size(); ++y) {
    const bool cut = y + 1 == canvas.height() && static_cast<size_t>(y) < lines.size();
    canvas.Put(0, y,
               cut ? lines[static_cast<size_t>(y - 1)] + "…" : lines[static_cast<size_t>(y - 1)]);
  }
}

TableCell AgentView::ActionCell(size_t row, size_t column) const {
  const auto& entry = actions_->actions(static_cast<int>(row));
  switch (column) {
    case 0:
      return {TimeText(entry.launched_at(), shell_.backend().now()), kMuted};
    case 1:
      return {WordOf(entry.state()), StyleOf(entry.state())};
    case 2:
      return {entry.rows() == 0 ? "" : StrCat(entry.rows()), kNormal};
    default:
      return {entry.name(), kNormal};
  }
}

TableCell AgentView::RefusalCell(size_t row, size_t column) const {
  const auto& entry = refusals_->refusals(static_cast<int>(row));
  switch (column) {
    case 0:
      return {TimeText(entry.refusal().refused_at(), shell_.backend().now()), kMuted};
    case 1:
      return {ShortId(entry.action_id()), kMuted};
    case 2:
      return {ReasonWord(entry.refusal().reason()), {Role::kFailed}};
    default:
      return {entry.refusal().detail(), kNormal};
  }
}

std::unique_ptr<View> NewAgentView(Shell& shell, const std::string& agent_id) {
  return std::make_unique<AgentView>(shell, agent_id);
}

}  // namespace dragnet::console::tui
