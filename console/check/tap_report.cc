// Test Anything Protocol, version 14 (https://testanything.org/tap-version-14-specification.html).
#include "absl/strings/str_replace.h"
#include "console/check/report.h"
#include "console/output/json.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string Escaped(std::string_view text) {
  return absl::StrReplaceAll(ForTerminal(text), {{"\\", "\\\\"}, {"#", "\\#"}});
}

class TapReport : public CheckReport {
 public:
  TapReport(const ReportOptions& options, Sink* out) : options_(options), out_(out) {}

  void Begin(int checks) override { out_->Write(StrCat("TAP version 14\n1..", checks, "\n")); }
  void BeginPack(const Pack& pack) override {
    out_->Write(
        StrCat("# ", pack.parameters.pack(), ": ", ForTerminal(pack.parameters.title()), "\n"));
  }

  void Add(const CheckResult& result) override {
    const bool ok =
        result.status == CheckStatus::kPass || result.status == CheckStatus::kNotApplicable;
    out_->Write(StrCat(ok ? "ok " : "not ok ", ++number_, " - ", result.pack->parameters.pack(),
                       "/", result.check().id(), " ", Escaped(result.check().title()),
                       Directive(result), "\n"));
    if (!ok) Diagnostics(result);
    out_->Flush().IgnoreError();
  }

  void EndPack() override {}
  void Finish(const Tally& tally, absl::Duration elapsed, int) override {
    out_->Write(StrCat("# ", tally.Summary(elapsed), "\n"));
  }

 private:
  // Harnesses don't count what is "to do".
  std::string Directive(const CheckResult& result) const {
    if (result.status == CheckStatus::kNotApplicable) {
      return StrCat(" # SKIP ", result.verdict.reason().empty() ? "not applicable"
                                                                : Escaped(result.verdict.reason()));
    }
    if (result.accepted.has_value()) {
      return StrCat(" # TODO accepted ", Escaped(AcceptanceText(*result.accepted)));
    }
    return result.below_fail_on && result.status != CheckStatus::kPass
               ? StrCat(" # TODO below ", options_.fail_on)
               : "";
  }

  // A block of YAML; JSON's texts are YAML's.
  void Diagnostics(const CheckResult& result) {
    const auto& check = result.check();
    const auto& verdict = result.verdict;
    std::string text =
        StrCat("  ---\n  status: ", StatusWord(result.status), "\n  severity: ", check.severity(),
               "\n  message: ", SafeJsonString(verdict.reason()), "\n");
    List("references", check.references(), &text);
    if (!check.remediation().empty()) {
      StrAppend(&text, "  remediation: ", SafeJsonString(check.remediation()), "\n");
    }
    List("evidence", verdict.evidence(), &text);
    if (verdict.evidence_left_out() > 0) {
      StrAppend(&text, "  evidence_left_out: ", verdict.evidence_left_out(), "\n");
    }
    out_->Write(StrCat(text, "  ...\n"));
  }

  template <class Texts>
  static void List(std::string_view name, const Texts& texts, std::string* out) {
    if (texts.empty()) return;
    StrAppend(out, "  ", name, ":\n");
    for (const std::string& item : texts) StrAppend(out, "    - ", SafeJsonString(item), "\n");
  }

  const ReportOptions options_;
  Sink* const out_;
  int number_ = 0;
};

}  // namespace

std::unique_ptr<CheckReport> NewTapReport(const ReportOptions& options, Sink* out) {
  return std::make_unique<TapReport>(options, out);
}

}  // namespace dragnet::console
