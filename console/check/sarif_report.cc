// SARIF 2.1.0 (OASIS standard), as code scanning services take it: a run for each
// pack, a rule for each check, a result for each that didn't pass.
#include "console/check/evidence.h"
#include "console/check/report.h"
#include "console/check/sarif.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kRowBytes = 1024;

class SarifReport : public CheckReport {
 public:
  SarifReport(const ReportOptions& options, Sink* out) : options_(options), out_(out) {}

  void Begin(int) override {}

  void BeginPack(const Pack& pack) override {
    Json rules = Json::array();
    for (const auto& check : pack.parameters.checks()) rules.push_back(SarifRule(check));
    runs_.push_back({{"tool", SarifTool(std::move(rules))},
                     {"automationDetails", {{"id", StrCat(pack.parameters.pack(), "/")}}},
                     {"invocations", Json::array()},
                     {"results", Json::array()}});
  }

  void Add(const CheckResult& result) override {
    if (result.status == CheckStatus::kPass || result.status == CheckStatus::kNotApplicable) {
      return;
    }
    const auto& check = result.check();
    const bool failed = result.status == CheckStatus::kFail;
    Json entry = {{"ruleId", check.id()},
                  {"ruleIndex", result.index},
                  {"kind", failed ? "fail" : "open"},
                  {"level", failed ? std::string(SarifLevel(check.severity())) : "none"},
                  {"message", {{"text", SarifMessage(Message(result))}}},
                  {"locations", Locations(result)}};
    if (result.accepted.has_value()) {
      entry["suppressions"] = {{{"kind", "external"},
                                {"status", "accepted"},
                                {"justification", AcceptanceText(*result.accepted)}}};
    }
    runs_.back()["results"].push_back(std::move(entry));
  }

  void EndPack() override {}

  void Finish(const Tally&, absl::Duration elapsed, int exit_status) override {
    const auto utc = [](absl::Time time) {
      return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
    };
    for (Json& run : runs_) {
      run["invocations"].push_back({{"executionSuccessful", exit_status <= 1},
                                    {"exitCode", exit_status},
                                    {"startTimeUtc", utc(options_.started)},
                                    {"endTimeUtc", utc(options_.started + elapsed)}});
    }
    out_->Write(SarifDocument(runs_));
  }

 private:
  static std::string Message(const CheckResult& result) {
    std::string text = StrCat(
        result.check().title(), ": ",
        result.verdict.reason().empty() ? StatusWord(result.status) : result.verdict.reason());
    for (const std::string& row : result.verdict.evidence())
      StrAppend(&text, "\n- ", EvidenceLine(row, kRowBytes));
    if (result.verdict.evidence_left_out() > 0) {
      StrAppend(&text, "\n- and ", result.verdict.evidence_left_out(), " more");
    }
    return text;
  }

  // Where the evidence is, else where the check was written: services pass over results
  // that are nowhere.
  static Json Locations(const CheckResult& result) {
    Json locations = Json::array();
    for (const std::string& row : result.verdict.evidence()) {
      const std::optional<EvidencePlace> place = PlaceOf(row);
      if (place.has_value()) locations.push_back(SarifLocation(place->path, place->line));
    }
    if (!locations.empty()) return locations;
    const Place& written = result.pack->places[static_cast<size_t>(result.index)];
    locations.push_back(SarifLocation(written.file == nullptr ? result.pack->file : *written.file,
                                      static_cast<uint64_t>(written.line)));
    return locations;
  }

  const ReportOptions options_;
  Sink* const out_;
  Json runs_ = Json::array();
};

}  // namespace

std::unique_ptr<CheckReport> NewSarifReport(const ReportOptions& options, Sink* out) {
  return std::make_unique<SarifReport>(options, out);
}

}  // namespace dragnet::console
