#include "modules/events/ecs.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/strip.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/safe_json.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/events/convert.h"
#include "modules/events/cursor.h"
#include "modules/events/row_fields.h"

namespace dragnet::events {
namespace {

// More than what the reader of a stream takes for told (scheduler/export/tail_reader.h).
constexpr size_t kMaxActions = 4096;
constexpr size_t kMaxParsedBytes = 64 * 1024 * 1024;
constexpr size_t kMaxNames = 32;
constexpr std::string_view kCheckModule = "check";

// ECS's words for a verdict: the check was carried out well, or not, or who knows.
std::string_view OutcomeOf(std::string_view status) {
  if (status == "fail") return "failure";
  return status == "pass" ? "success" : "unknown";
}

// DISPATCH_STATE_NEVER_SENT is "never-sent".
std::string WordOf(v1::DispatchState state) {
  std::string word =
      absl::AsciiStrToLower(absl::StripPrefix(v1::DispatchState_Name(state), "DISPATCH_STATE_"));
  std::replace(word.begin(), word.end(), '_', '-');
  return word.empty() ? StrCat(static_cast<int>(state)) : word;
}

void SetHost(const std::string& agent_id, const std::string& agent_name, const v1::Facts* facts,
             Document* document) {
  document->SetText("agent.id", agent_id);
  document->SetText("agent.name", agent_name);
  document->SetText("agent.type", "dragnet");
  document->SetText("host.id", agent_id);
  document->SetText("host.name", agent_name);
  document->SetText("host.hostname", agent_name);
  document->AddText("related.hosts", agent_name);
  if (facts == nullptr) return;
  document->SetText("agent.version", facts->version());
  document->SetText("host.architecture", facts->arch());
  document->SetText("host.os.type", facts->os() == "linux" ? "linux" : "");
  document->SetText("host.os.platform", facts->distribution());
  document->SetText("host.os.name", facts->distribution());
  document->SetText("host.os.version", facts->distribution_version());
  document->SetText("host.os.kernel", facts->kernel());
  for (int i = 0; i < facts->addresses_size() && i < static_cast<int>(kMaxNames); ++i)
    document->AddText("host.ip", IpOnly(facts->addresses(i)));
}

void SetError(std::string_view message, Document* document) {
  document->SetText("event.kind", "pipeline_error");
  document->SetText("error.message", message);
}

}  // namespace

const EcsMapper::ActionFacts* EcsMapper::Find(const std::string& action_id) const {
  const auto found = actions_.find(action_id);
  return found == actions_.end() ? nullptr : &found->second;
}

std::shared_ptr<const EcsMapper::Parsed> EcsMapper::Parse(const v1::ActionInfo& info) {
  const size_t hash = std::hash<std::string>()(info.envelope());
  const std::string of = info.action_id().substr(0, info.action_id().find('@'));
  std::weak_ptr<const Parsed>& known = parsed_[of];
  if (std::shared_ptr<const Parsed> same = known.lock();
      same != nullptr && same->envelope_bytes == info.envelope().size() &&
      same->envelope_hash == hash)
    return same;
  auto parsed = std::make_shared<Parsed>();
  parsed->envelope_bytes = info.envelope().size();
  parsed->envelope_hash = hash;
  // What a scheduler of another version launched may not parse here: then there
  // is no more than the id.
  const absl::StatusOr<v1::Envelope> envelope = ParseEnvelope(info.envelope(), kActionPayloadType);
  if (envelope.ok()) {
    absl::StatusOr<v1::Action> action = ParseAction(envelope->payload());
    if (action.ok()) parsed->action = *std::move(action);
  }
  for (int i = 0; i < parsed->action.operations_size(); ++i) {
    // Needed here only without what can be half a megabyte for each operation.
    v1::Operation& operation = *parsed->action.mutable_operations(i);
    if (operation.module() == kCheckModule) {
      check::v1::CheckParameters checks;
      if (!checks.ParseFromString(operation.parameters())) checks.Clear();
      for (check::v1::Check& check : *checks.mutable_checks()) {
        check.clear_parameters();
        check.clear_expectation();
      }
      // A copy has no room for what was cleared.
      parsed->packs.push_back({.operation = static_cast<uint32_t>(i), .checks = checks});
      parsed->bytes += parsed->packs.back().checks.SpaceUsedLong();
    }
    operation.clear_parameters();
  }
  parsed->action = v1::Action(parsed->action);
  parsed->bytes += sizeof(Parsed) + parsed->action.SpaceUsedLong();
  parsed_bytes_ += parsed->bytes;
  known = parsed;
  return parsed;
}

void EcsMapper::ForgetOldest() {
  const auto oldest = actions_.find(order_.front());
  order_.pop_front();
  if (oldest == actions_.end()) return;
  if (oldest->second.parsed.use_count() == 1) {
    parsed_bytes_ -= oldest->second.parsed->bytes;
    parsed_.erase(oldest->first.substr(0, oldest->first.find('@')));
  }
  actions_.erase(oldest);
}

const EcsMapper::ActionFacts* EcsMapper::Remember(const v1::ActionInfo& info) {
  ActionFacts facts;
  facts.id = info.action_id();
  facts.launched_by = info.launched_by();
  facts.signed_by.assign(info.signed_by().begin(), info.signed_by().end());
  if (facts.signed_by.empty()) facts.signed_by.push_back(info.launched_by());
  facts.launched_at = ToTime(info.launched_at()).value_or(absl::UnixEpoch());
  facts.parsed = Parse(info);
  const std::string id = facts.id;
  const auto known = actions_.find(id);
  if (known == actions_.end()) {
    order_.push_back(id);
  } else if (known->second.parsed != facts.parsed && known->second.parsed.use_count() == 1) {
    parsed_bytes_ -= known->second.parsed->bytes;
  }
  actions_[id] = std::move(facts);
  while (order_.size() > 1 && (order_.size() > kMaxActions || parsed_bytes_ > kMaxParsedBytes))
    ForgetOldest();
  return &actions_.at(id);
}

Document EcsMapper::Begin(const v1::TailEvent& event, const ActionFacts* action) const {
  Document document;
  document.SetText("ecs.version", kEcsVersion);
  document.SetText("event.kind", "event");
  document.SetText("event.module", "dragnet");
  document.AddText("event.type", "info");
  const absl::StatusOr<absl::Time> stored_at =
      event.has_stored_at() ? ToTime(event.stored_at()) : absl::NotFoundError("");
  // When the action was launched is the nearest that is known of what an older
  // version stored.
  const absl::Time launched_at = action == nullptr ? absl::UnixEpoch() : action->launched_at;
  document.SetTime("@timestamp", stored_at.value_or(launched_at));
  if (stored_at.ok()) {
    document.SetTime("event.created", *stored_at);
    document.SetTime("event.ingested", *stored_at);
  }
  document.SetText("rule.id", event.action_id());
  document.SetText("dragnet.action.id", event.action_id());
  if (action == nullptr) return document;
  document.SetText("rule.name", action->parsed->action.name());
  document.SetText("rule.description", action->parsed->action.description());
  document.SetText("dragnet.action.name", action->parsed->action.name());
  if (action->parsed->action.has_threat()) {
    const v1::Threat& threat = action->parsed->action.threat();
    document.SetText("rule.category", threat.type());
    document.SetText("rule.reference", threat.reference());
    document.SetText("threat.software.name", threat.family());
    document.SetText("dragnet.threat.level", threat.level());
  }
  if (!action->signed_by.empty()) document.SetText("user.name", action->signed_by.front());
  for (size_t i = 0; i < action->signed_by.size() && i < kMaxNames; ++i)
    document.AddText("related.user", action->signed_by[i]);
  document.AddText("related.user", action->launched_by);
  return document;
}

absl::Status EcsMapper::Map(const v1::TailEvent& event, const v1::Facts* facts, const Sink& sink) {
  switch (event.content_case()) {
    case v1::TailEvent::kRows:
      return MapRows(event, facts, sink);
    case v1::TailEvent::kAgentState:
      return MapState(event, facts, sink);
    case v1::TailEvent::kAction:
      return MapAction(event, sink);
    case v1::TailEvent::kSweepChange:
      return MapSweepChange(event, facts, sink);
    case v1::TailEvent::CONTENT_NOT_SET:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status EcsMapper::MapRows(const v1::TailEvent& event, const v1::Facts* facts,
                                const Sink& sink) {
  const v1::AgentRows& rows = event.rows();
  const ModuleEvents* module = FindModuleEvents(rows.module());
  Document common = Begin(event, Find(event.action_id()));
  SetHost(rows.agent_id(), rows.agent_name(), facts, &common);
  common.SetText("event.action", "row-found");
  common.SetText("event.outcome", "success");
  common.SetText("event.dataset", StrCat("dragnet.", module == nullptr ? "rows" : rows.module()));
  common.AddText("event.category", module == nullptr ? "host" : module->category);
  common.SetUnsigned("dragnet.operation", rows.operation());
  const std::string key = EventKey(event.cursor());
  for (int i = 0; i < rows.rows_size(); ++i) {
    Document document = common;
    document.SetText("event.id", StrCat(key, "-", i));
    absl::Status parsed = absl::UnimplementedError(
        StrCat("this version knows no module ", Shorten(ForTerminal(rows.module()), 100)));
    if (module != nullptr) {
      const absl::StatusOr<std::unique_ptr<google::protobuf::Message>> row =
          ParseRow(*module, rows.rows(i));
      parsed = row.status();
      if (row.ok()) {
        SetRowFields(*module, **row, &document);
        if (module->module == kCheckModule) {
          const auto& verdict = static_cast<const check::v1::Verdict&>(**row);
          SetRule(FindCheckOfRow(Find(event.action_id()), rows.operation(), verdict.check()),
                  verdict.check(), verdict.status(), &document);
        }
        document.SetJson(StrCat("dragnet.", module->module), MessageToJson(**row));
      }
    }
    if (!parsed.ok()) {
      SetError(ToStd(parsed.message()), &document);
      document.SetText("dragnet.row_base64", absl::Base64Escape(rows.rows(i)));
    }
    std::string json = document.Take();
    if (json.size() > kMaxEventBytes) {
      document = common;
      document.SetText("event.id", StrCat(key, "-", i));
      SetError(StrCat("this row would be an event of ", json.size(), " bytes, more than ",
                      kMaxEventBytes, ": see dragnet results ", event.action_id()),
               &document);
      json = document.Take();
    }
    DRAGNET_RETURN_IF_ERROR(sink(std::move(json)));
  }
  return absl::OkStatus();
}

absl::Status EcsMapper::MapState(const v1::TailEvent& event, const v1::Facts* facts,
                                 const Sink& sink) {
  const v1::AgentState& state = event.agent_state();
  Document document = Begin(event, Find(event.action_id()));
  SetHost(state.agent_id(), state.agent_name(), facts, &document);
  document.SetText("event.id", StrCat(EventKey(event.cursor()), "-0"));
  document.SetText("event.dataset", "dragnet.state");
  document.SetText("event.action", StrCat("agent-", WordOf(state.state())));
  document.AddText("event.category", "host");
  switch (state.state()) {
    case v1::DISPATCH_STATE_FOUND:
    case v1::DISPATCH_STATE_CLEAN:
      document.SetText("event.outcome", "success");
      document.AddText("event.type", "end");
      break;
    case v1::DISPATCH_STATE_INCOMPLETE:
    case v1::DISPATCH_STATE_REFUSED:
    case v1::DISPATCH_STATE_NEVER_SENT:
      document.SetText("event.outcome", "failure");
      document.AddText("event.type", "end");
      break;
    default:
      document.SetText("event.outcome", "unknown");
  }
  document.SetText("error.message",
                   state.has_refusal() ? state.refusal().detail() : state.detail());
  document.SetText("message", StrCat(WordOf(state.state()), ", ", state.rows(), " rows"));
  document.SetJson("dragnet.state", MessageToJson(state));
  std::string json = document.Take();
  if (json.size() > kMaxEventBytes) {
    SetError("what the agent said of this action is too large for an event", &document);
    document.SetJson("dragnet.state", "{}");
    json = document.Take();
  }
  return sink(std::move(json));
}

EcsMapper::FoundCheck EcsMapper::FindCheckOfRow(const ActionFacts* action, uint32_t operation,
                                                std::string_view id) {
  if (action == nullptr) return {};
  for (const Pack& pack : action->parsed->packs) {
    if (pack.operation != operation) continue;
    for (const check::v1::Check& check : pack.checks.checks())
      if (check.id() == id) return {.pack = &pack.checks, .check = &check};
  }
  return {};
}

EcsMapper::FoundCheck EcsMapper::FindCheck(const ActionFacts* action, std::string_view name) {
  if (action == nullptr) return {};
  const size_t slash = name.find('/');
  const std::string_view of = slash == std::string_view::npos ? "" : name.substr(0, slash);
  const std::string_view id = slash == std::string_view::npos ? name : name.substr(slash + 1);
  for (const Pack& pack : action->parsed->packs) {
    if (!of.empty() && of != pack.checks.pack() && of != StrCat(pack.operation)) continue;
    const FoundCheck found = FindCheckOfRow(action, pack.operation, id);
    if (found.check != nullptr) return found;
  }
  return {};
}

// The rule is the check, and not, as of other events, the action.
void EcsMapper::SetRule(const FoundCheck& found, std::string_view name, std::string_view status,
                        Document* document) {
  document->SetText("event.outcome", OutcomeOf(status));
  document->SetText("rule.id", name);
  document->SetText("rule.name", name);
  if (found.check == nullptr) return;
  document->SetText("rule.name", found.check->title());
  document->SetText("rule.ruleset", found.pack->pack());
  document->SetText("rule.version", found.pack->version());
  document->SetText("rule.description", found.check->remediation());
  if (found.check->references_size() > 0)
    document->SetText("rule.reference", found.check->references(0));
  document->SetText("dragnet.severity", found.check->severity());
}

absl::Status EcsMapper::MapSweepChange(const v1::TailEvent& event, const v1::Facts* facts,
                                       const Sink& sink) {
  const v1::SweepChange& change = event.sweep_change();
  const ActionFacts* action = Find(event.action_id());
  Document document = Begin(event, action);
  SetHost(change.agent_id(), change.agent_name(), facts, &document);
  SetRule(FindCheck(action, change.check()), change.check(), change.to(), &document);
  document.SetText("event.id", StrCat(EventKey(event.cursor()), "-0"));
  document.SetText("event.dataset", "dragnet.sweep_change");
  document.SetText("event.action", "verdict-changed");
  document.AddText("event.category", "configuration");
  document.AddText("event.type", "change");
  document.SetText("event.reason", change.reason());
  if (change.to() == "fail") document.SetText("event.kind", "alert");
  if (const auto occurrence = ToTime(change.occurrence()); occurrence.ok())
    document.SetTime("event.start", *occurrence);
  document.SetText("message", StrCat(change.check(), ": ", change.to(),
                                     change.from().empty() ? "" : ", before: ", change.from()));
  document.SetJson("dragnet.sweep_change", MessageToJson(change));
  return sink(document.Take());
}

absl::Status EcsMapper::MapAction(const v1::TailEvent& event, const Sink& sink) {
  const v1::ActionInfo& info = event.action();
  const ActionFacts* action = Remember(info);
  Document document = Begin(event, action);
  document.SetTime("@timestamp", action->launched_at);
  document.SetTime("event.created", action->launched_at);
  const std::string key = EventKey(event.cursor());
  document.SetText("event.id", StrCat(key.substr(0, key.find('-')), "-action-", info.action_id()));
  document.SetText("event.dataset", "dragnet.action");
  document.SetText("event.action", "action-launched");
  document.SetText("event.outcome", "success");
  document.AddText("event.category", "configuration");
  document.SetText("dragnet.action.target", action->parsed->action.target());
  document.SetText("dragnet.action.launched_by", info.launched_by());
  for (const v1::Operation& operation : action->parsed->action.operations())
    document.AddText("dragnet.action.modules", operation.module());
  if (const auto expires = ToTime(info.expires()); info.has_expires() && expires.ok())
    document.SetTime("dragnet.action.expires", *expires);
  if (const auto removed = ToTime(info.results_removed_at());
      info.has_results_removed_at() && removed.ok()) {
    document.SetTime("dragnet.action.results_removed_at", *removed);
    document.SetText("message", "retention has removed the rows of this action");
  }
  return sink(document.Take());
}

std::string EcsMapper::GapEvent(std::string_view cursor, std::string_view why, absl::Time now) {
  Document document;
  document.SetText("ecs.version", kEcsVersion);
  document.SetTime("@timestamp", now);
  document.SetText("event.id", StrCat(EventKey(cursor), "-gap"));
  document.SetText("event.module", "dragnet");
  document.SetText("event.dataset", "dragnet.gap");
  document.SetText("event.action", "events-missing");
  SetError(why, &document);
  return document.Take();
}

}  // namespace dragnet::events
