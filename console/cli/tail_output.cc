#include "console/cli/tail_output.h"

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/events/row_fields.h"

namespace dragnet::console {
namespace {

constexpr absl::Duration kLoadAgain = absl::Seconds(10);
constexpr uint32_t kAgentsPerPage = 1000;
constexpr size_t kMaxActionNames = 1000;
// Of one value in a table.
constexpr size_t kMaxShown = 200;

std::string AgentOf(const v1::TailEvent& event) {
  return event.has_rows() ? event.rows().agent_name() : event.agent_state().agent_name();
}

// "path=/etc/passwd size=1234": what has a column in tables and a value.
std::string Describe(const google::protobuf::Message& row) {
  std::string text;
  for (const Column& column : ColumnsOf(row.GetDescriptor())) {
    if (column.detail) continue;
    const Cell cell = CellOf(row, column, CellStyle::kTable);
    if (cell.text.empty() || cell.text == "0") continue;
    StrAppend(&text, text.empty() ? "" : " ", column.header, "=",
              Shorten(ForTerminal(cell.text), kMaxShown));
  }
  return text;
}

}  // namespace

const v1::Facts* TailHosts::Find(const std::string& agent_id) {
  if (agent_id.empty()) return nullptr;
  auto found = facts_.find(agent_id);
  if (found == facts_.end() && SteadyNow() >= load_again_at_) {
    Load();
    found = facts_.find(agent_id);
  }
  return found == facts_.end() ? nullptr : &found->second;
}

void TailHosts::Load() {
  v1::SearchAgentsRequest request;
  request.set_page_size(kAgentsPerPage);
  do {
    absl::StatusOr<v1::SearchAgentsResponse> page = client_.SearchAgents(request);
    // Without it events say less of their host; the next one asks again.
    if (!page.ok()) break;
    for (v1::AgentInfo& agent : *page->mutable_agents()) {
      agent.mutable_facts()->clear_environment();
      agent.mutable_facts()->clear_modules();
      const std::string id = agent.facts().id();
      facts_[id] = std::move(*agent.mutable_facts());
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  load_again_at_ = SteadyNow() + kLoadAgain;
}

void TailOutput::Line(std::string_view text) {
  sink_->Write(StrCat(text, "\n"));
  ++lines_;
}

void TailOutput::Write(const v1::TailEvent& event) {
  switch (format_) {
    case TailFormat::kEcs:
      return WriteEcs(event);
    case TailFormat::kJsonl:
      return WriteJson(event);
    case TailFormat::kTable:
      return WriteTable(event);
  }
}

void TailOutput::WriteEcs(const v1::TailEvent& event) {
  const std::string agent_id =
      event.has_rows() ? event.rows().agent_id() : event.agent_state().agent_id();
  mapper_
      .Map(event, hosts_.Find(agent_id),
           [this](const std::string& json) {
             Line(json);
             return absl::OkStatus();
           })
      .IgnoreError();
}

void TailOutput::WriteJson(const v1::TailEvent& event) {
  std::string begin = StrCat("{\"cursor\":", SafeJsonString(event.cursor()),
                             ",\"action\":", SafeJsonString(event.action_id()));
  if (event.has_stored_at()) StrAppend(&begin, ",\"storedAt\":", MessageToJson(event.stored_at()));
  if (event.has_agent_state())
    return Line(StrCat(begin, ",\"state\":", MessageToJson(event.agent_state()), "}"));
  if (event.has_action())
    return Line(StrCat(begin, ",\"info\":", MessageToJson(event.action()), "}"));
  const v1::AgentRows& rows = event.rows();
  StrAppend(&begin, ",\"agent\":", SafeJsonString(rows.agent_name()),
            ",\"agentId\":", SafeJsonString(rows.agent_id()), ",\"operation\":", rows.operation(),
            ",\"module\":", SafeJsonString(rows.module()));
  const events::ModuleEvents* module = events::FindModuleEvents(rows.module());
  for (int i = 0; i < rows.rows_size(); ++i) {
    std::string content = StrCat("\"rowBase64\":\"", absl::Base64Escape(rows.rows(i)), "\"");
    if (module != nullptr) {
      const auto row = events::ParseRow(*module, rows.rows(i));
      if (row.ok()) content = StrCat("\"row\":", MessageToJson(**row));
    }
    Line(StrCat(begin, ",\"index\":", i, ",", content, "}"));
  }
}

void TailOutput::WriteTable(const v1::TailEvent& event) {
  if (event.has_action()) {
    if (action_names_.size() >= kMaxActionNames) action_names_.clear();
    action_names_[event.action_id()] = Shorten(ForTerminal(event.action().name()), kMaxShown);
  }
  const absl::StatusOr<absl::Time> at =
      ToTime(event.has_action() ? event.action().launched_at() : event.stored_at());
  const std::string time =
      at.ok() && (event.has_action() || event.has_stored_at()) ? LocalTime(*at) : "-";
  const auto known = action_names_.find(event.action_id());
  const std::string begin =
      StrCat(time, "  ", known == action_names_.end() ? event.action_id() : known->second, "  ");
  if (event.has_action())
    return Line(StrCat(begin, "launched by ",
                       Shorten(ForTerminal(event.action().launched_by()), kMaxShown)));
  const std::string agent = StrCat(begin, Shorten(ForTerminal(AgentOf(event)), kMaxShown), "  ");
  if (event.has_agent_state()) {
    const v1::AgentState& state = event.agent_state();
    const auto* value = v1::DispatchState_descriptor()->FindValueByNumber(state.state());
    const std::string why = state.has_refusal() ? state.refusal().detail() : state.detail();
    return Line(StrCat(agent, value == nullptr ? "?" : EnumWord(value), ", ", state.rows(),
                       state.rows() == 1 ? " row" : " rows", why.empty() ? "" : ": ",
                       Shorten(ForTerminal(why), kMaxShown)));
  }
  const v1::AgentRows& rows = event.rows();
  const events::ModuleEvents* module = events::FindModuleEvents(rows.module());
  for (const std::string& bytes : rows.rows()) {
    std::string content = StrCat("(", bytes.size(), " bytes that aren't a row of it)");
    if (module != nullptr) {
      const auto row = events::ParseRow(*module, bytes);
      if (row.ok()) content = Describe(**row);
    }
    Line(StrCat(agent, Shorten(ForTerminal(rows.module()), kMaxShown), "  ", content));
  }
}

}  // namespace dragnet::console
