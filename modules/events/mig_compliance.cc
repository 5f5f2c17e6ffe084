// MIG's compliance items, as its runner sent them to MozDef: for who has built on them.
// Written from their documented fields; docs/streams.md has the table.
#include <utility>

#include "core/action.h"
#include "core/safe_json.h"
#include "core/strings.h"
#include "modules/events/ecs.h"
#include "modules/events/row_fields.h"

namespace dragnet::events {
namespace {

bool IsUrl(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

// The first that is a URL, or that is none.
std::string FirstReference(const check::v1::Check& check, bool url) {
  for (const std::string& reference : check.references())
    if (IsUrl(reference) == url) return reference;
  return "";
}

// Also what is empty: its readers take a missing name for a broken item.
void SetAlways(std::string_view name, std::string_view text, Document* document) {
  document->SetJson(name, SafeJsonString(text));
}

struct Judged {
  std::string agent_name;
  std::string check;
  std::string status;
  std::string before;
  std::string reason;
  absl::Time time;
};

std::string ItemOf(const Judged& judged, const std::string& action_id,
                   const check::v1::CheckParameters& pack, const check::v1::Check& check) {
  const std::string name = StrCat(pack.pack(), "/", check.id());
  const std::string reference = FirstReference(check, /*url=*/false);
  const std::string link = FirstReference(check, /*url=*/true);
  Document item;
  SetAlways("target", judged.agent_name, &item);
  item.SetTime("timestamp", judged.time);
  item.SetTime("utctimestamp", judged.time);
  SetAlways("type", "compliance", &item);
  SetAlways("id", action_id, &item);
  SetAlways("ref", reference.empty() ? name : reference, &item);
  // What is not known does not comply.
  item.SetJson("compliance", judged.status == "pass" ? "true" : "false");
  SetAlways("policy.name", pack.pack(), &item);
  SetAlways("policy.url", link, &item);
  SetAlways("policy.level", check.severity(), &item);
  SetAlways("check.ref", reference.empty() ? name : reference, &item);
  SetAlways("check.description", check.title(), &item);
  SetAlways("check.name", check.id(), &item);
  SetAlways("check.location", check.module(), &item);
  SetAlways("check.test.type", check.module(), &item);
  SetAlways("check.test.value", name, &item);
  SetAlways("link", link, &item);
  SetAlways("tags.verdict", judged.status, &item);
  item.SetText("tags.before", judged.before);
  item.SetText("tags.reason", judged.reason);
  return item.Take();
}

}  // namespace

absl::Status EcsMapper::MapCompliance(const v1::TailEvent& event, const Sink& sink) {
  if (event.has_action()) {
    Remember(event.action());
    return absl::OkStatus();
  }
  const ActionFacts* action = Find(event.action_id());
  const absl::Time stored_at = event.has_stored_at()
                                   ? ToTime(event.stored_at()).value_or(absl::UnixEpoch())
                               : action != nullptr ? action->launched_at
                                                   : absl::UnixEpoch();
  const auto tell = [&](const Judged& judged, const FoundCheck& found) -> absl::Status {
    // Of a check that doesn't apply, its readers have no word.
    if (found.check == nullptr || judged.status == "not_applicable") return absl::OkStatus();
    return sink(ItemOf(judged, event.action_id(), *found.pack, *found.check));
  };
  if (event.has_sweep_change()) {
    const v1::SweepChange& change = event.sweep_change();
    return tell({.agent_name = change.agent_name(),
                 .check = change.check(),
                 .status = change.to(),
                 .before = change.from(),
                 .reason = change.reason(),
                 .time = ToTime(change.occurrence()).value_or(stored_at)},
                FindCheck(action, change.check()));
  }
  const ModuleEvents* module = FindModuleEvents(event.rows().module());
  if (!event.has_rows() || module == nullptr || module->module != "check") return absl::OkStatus();
  for (const std::string& bytes : event.rows().rows()) {
    const absl::StatusOr<std::unique_ptr<google::protobuf::Message>> row = ParseRow(*module, bytes);
    if (!row.ok()) continue;
    const auto& verdict = static_cast<const check::v1::Verdict&>(**row);
    const absl::Status told =
        tell({.agent_name = event.rows().agent_name(),
              .check = verdict.check(),
              .status = verdict.status(),
              .before = "",
              .reason = verdict.reason(),
              .time = stored_at},
             FindCheckOfRow(action, event.rows().operation(), verdict.check()));
    if (!told.ok()) return told;
  }
  return absl::OkStatus();
}

}  // namespace dragnet::events
