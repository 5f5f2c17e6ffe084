// One JSON document: packs with their checks, and the summary.
#include "console/check/evidence.h"
#include "console/check/report.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using Json = nlohmann::ordered_json;

class JsonReport : public CheckReport {
 public:
  JsonReport(const ReportOptions& options, Sink* out) : options_(options), out_(out) {}

  void Begin(int) override {
    document_ = {
        {"started", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", options_.started, absl::UTCTimeZone())}};
    if (!options_.root.empty()) document_["root"] = options_.root;
    document_["packs"] = Json::array();
  }

  void BeginPack(const Pack& pack) override {
    document_["packs"].push_back({{"id", pack.parameters.pack()},
                                  {"title", pack.parameters.title()},
                                  {"version", pack.parameters.version()},
                                  {"file", pack.file},
                                  {"checks", Json::array()}});
  }

  void Add(const CheckResult& result) override {
    const auto& check = result.check();
    const auto& verdict = result.verdict;
    Json entry = {
        {"check", check.id()},
        {"status", std::string(StatusWord(result.status))},
        {"severity", check.severity()},
        {"title", check.title()},
        {"reason", verdict.reason()},
        {"references",
         Json(std::vector<std::string>(check.references().begin(), check.references().end()))},
        {"remediation", check.remediation()},
        {"evidence", Json::array()},
        {"evidence_left_out", verdict.evidence_left_out()},
        {"rows", verdict.rows()},
        {"selected", verdict.selected()},
        {"wall_time_ms", verdict.wall_time_ms()},
        // Whether it decides the exit status.
        {"counts",
         result.fails() || (result.status == CheckStatus::kUnknown && !result.below_fail_on)}};
    for (const std::string& row : verdict.evidence())
      entry["evidence"].push_back(EvidenceJson(row));
    if (result.accepted.has_value()) {
      entry["accepted"] = {{"reason", result.accepted->reason},
                           {"expires", result.accepted->expires}};
    }
    document_["packs"].back()["checks"].push_back(std::move(entry));
  }

  void EndPack() override {}

  void Finish(const Tally& tally, absl::Duration elapsed, int exit_status) override {
    document_["summary"] = {{"checks", tally.total()},
                            {"passed", tally.passed()},
                            {"failed", tally.failed()},
                            {"failed_by_severity",
                             {{"critical", tally.failed(3)},
                              {"high", tally.failed(2)},
                              {"medium", tally.failed(1)},
                              {"low", tally.failed(0)}}},
                            {"accepted", tally.accepted()},
                            {"unknown", tally.unknown()},
                            {"not_applicable", tally.not_applicable()},
                            {"wall_time_ms", absl::ToInt64Milliseconds(elapsed)},
                            {"exit_status", exit_status}};
    // ensure_ascii: whatever a terminal could obey is \u-escaped.
    out_->Write(StrCat(
        document_.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace), "\n"));
  }

 private:
  const ReportOptions options_;
  Sink* const out_;
  Json document_;
};

}  // namespace

std::unique_ptr<CheckReport> NewJsonReport(const ReportOptions& options, Sink* out) {
  return std::make_unique<JsonReport>(options, out);
}

}  // namespace dragnet::console
