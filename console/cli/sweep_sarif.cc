#include "console/cli/sweep_sarif.h"

#include <utility>

#include "console/check/evidence.h"
#include "console/check/sarif.h"
#include "console/sweeps/score.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kRowBytes = 1024;
constexpr size_t kMostNotifications = 1000;

std::string Message(const v1::SweepVerdict& verdict, const check::v1::Check& check) {
  std::string text = StrCat(verdict.agent_name(), ": ", check.title(), ": ", verdict.reason());
  for (const std::string& row : verdict.evidence())
    StrAppend(&text, "\n- ", EvidenceLine(row, kRowBytes));
  if (verdict.evidence_left_out() > 0)
    StrAppend(&text, "\n- and ", verdict.evidence_left_out(), " more");
  return text;
}

// Where the evidence is on the host, and always which host: services pass over results
// that are nowhere.
Json Locations(const v1::SweepVerdict& verdict) {
  const Json host = {{{"name", verdict.agent_name()},
                      {"fullyQualifiedName", verdict.agent_id()},
                      {"kind", "resource"}}};
  Json locations = Json::array();
  for (const std::string& row : verdict.evidence()) {
    const std::optional<EvidencePlace> place = PlaceOf(row);
    if (!place.has_value()) continue;
    Json location = SarifLocation(place->path, place->line);
    location["logicalLocations"] = host;
    locations.push_back(std::move(location));
  }
  if (locations.empty()) locations.push_back({{"logicalLocations", host}});
  return locations;
}

}  // namespace

void SweepSarif::Notify(std::string_view host, std::string_view words) {
  if (notifications_.size() >= kMostNotifications) return;
  notifications_.push_back(
      {{"level", "warning"}, {"message", {{"text", SarifMessage(StrCat(host, ": ", words))}}}});
}

void SweepSarif::Add(const v1::SweepVerdict& verdict) {
  if (NeverTold(verdict)) {
    return Notify(verdict.agent_name(), StrCat("silent: ", WhyNeverTold(verdict)));
  }
  const check::v1::Check* check = sweep_.Find(verdict.check());
  if (check == nullptr) return;
  if (verdict.silent() && last_silent_ != verdict.agent_id()) {
    last_silent_ = verdict.agent_id();
    Notify(verdict.agent_name(),
           "silent: it told of neither of the last two runs: its verdicts are old");
  }
  const VerdictStatus status = VerdictStatusOf(verdict.status());
  if (status == VerdictStatus::kPass || status == VerdictStatus::kNotApplicable) return;
  if (results_.size() == kMostResults) {
    ++left_out_;
    return;
  }
  const bool failed = status == VerdictStatus::kFail;
  results_.push_back(
      {{"ruleId", check->id()},
       {"ruleIndex", check - sweep_.checks.data()},
       {"kind", failed ? "fail" : "open"},
       {"level", failed ? std::string(SarifLevel(check->severity())) : "none"},
       {"message", {{"text", SarifMessage(Message(verdict, *check))}}},
       {"locations", Locations(verdict)},
       // The same finding of the same host in the next run is the same to its reader.
       {"partialFingerprints",
        {{"hostAndCheck/v1", StrCat(verdict.agent_id(), "/", check->id())}}}});
}

void SweepSarif::Write(int exit_status, Sink* sink) {
  if (left_out_ > 0) Notify("results", StrCat(left_out_, " more are left out"));
  Json rules = Json::array();
  for (const check::v1::Check& check : sweep_.checks) rules.push_back(SarifRule(check));
  const Json run = {{"tool", SarifTool(std::move(rules))},
                    {"automationDetails", {{"id", StrCat("sweep/", sweep_.action.id(), "/")}}},
                    {"invocations",
                     {{{"executionSuccessful", exit_status <= 1},
                       {"exitCode", exit_status},
                       {"toolExecutionNotifications", std::move(notifications_)}}}},
                    {"results", std::move(results_)}};
  sink->Write(SarifDocument(Json::array({run})));
}

}  // namespace dragnet::console
