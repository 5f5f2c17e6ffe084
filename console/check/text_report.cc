// As unit tests look: a line per check as it ends, more about what isn't as it
// should be, a summary.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "console/check/evidence.h"
#include "console/check/report.h"
#include "console/output/text_width.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kStatusWidth = 7;
constexpr size_t kMaxIdWidth = 40;
constexpr int kRowsShown = 3;
constexpr size_t kRowBytes = 200;
constexpr size_t kRowBytesVerbose = 4096;

struct Look {
  std::string_view word;
  // SGR parameters.
  std::string_view color;
};

Look LookOf(const CheckResult& result) {
  switch (result.status) {
    case CheckStatus::kPass:
      return {"PASS", "32"};
    case CheckStatus::kFail:
      return result.accepted.has_value() ? Look{"ACCEPT", "36"} : Look{"FAIL", "1;31"};
    case CheckStatus::kUnknown:
      return {"UNKNOWN", "1;33"};
    case CheckStatus::kNotApplicable:
      return {"SKIP", "2"};
  }
  return {"UNKNOWN", "1;33"};
}

class TextReport : public CheckReport {
 public:
  TextReport(const ReportOptions& options, Sink* out) : options_(options), out_(out) {}

  void Begin(int) override {}

  void BeginPack(const Pack& pack) override {
    id_width_ = 0;
    for (const auto& check : pack.parameters.checks())
      id_width_ = std::max(id_width_, std::min(check.id().size(), kMaxIdWidth));
  }

  void Add(const CheckResult& result) override {
    const bool good =
        result.status == CheckStatus::kPass || result.status == CheckStatus::kNotApplicable;
    if (options_.quiet && good) return;
    const Look look = LookOf(result);
    out_->Write(StrCat(Colored(PadRight(look.word, kStatusWidth), look.color), "  ",
                       PadRight(result.check().id(), id_width_), "  ",
                       ForTerminal(result.check().title()), Extra(result), "\n"));
    if (!good || options_.verbose) Explain(result);
    // Shown as they end.
    out_->Flush().IgnoreError();
  }

  void EndPack() override {}

  void Finish(const Tally& tally, absl::Duration elapsed, int) override {
    const bool bad = tally.any_fails() || tally.any_unknown_counts();
    std::string summary = tally.Summary(elapsed);
    if (tally.below_fail_on() > 0) {
      StrAppend(&summary, "; ", tally.below_fail_on(), " below ", options_.fail_on,
                tally.below_fail_on() == 1 ? " doesn't count" : " don't count");
    }
    out_->Write(StrCat(Colored(summary, bad ? "1;31" : "1;32"), "\n"));
  }

 private:
  std::string Colored(std::string_view text, std::string_view color) const {
    if (!options_.color) return std::string(text);
    return StrCat("\x1b[", color, "m", text, "\x1b[0m");
  }

  std::string Extra(const CheckResult& result) const {
    std::string extra;
    if (result.status == CheckStatus::kFail || result.status == CheckStatus::kUnknown) {
      StrAppend(&extra, "  [", result.check().severity(), "]");
    }
    if (options_.verbose) {
      absl::StrAppendFormat(&extra, "  (%.2f s)",
                            static_cast<double>(result.verdict.wall_time_ms()) / 1000);
    }
    return extra;
  }

  void Line(std::string_view title, std::string_view text) {
    // A pack's remediation may have several lines; a host's text never more than one.
    bool first = true;
    for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
      out_->Write(StrCat(std::string(kStatusWidth + 2, ' '),
                         first ? title : std::string_view("     "), ForTerminal(ToStd(line)),
                         "\n"));
      first = false;
    }
  }

  void Explain(const CheckResult& result) {
    if (result.accepted.has_value()) {
      Line("", StrCat("accepted ", ForTerminal(AcceptanceText(*result.accepted))));
    }
    if (!result.verdict.reason().empty()) Line("", ForTerminal(result.verdict.reason()));
    Rows(result.verdict);
    const auto& check = result.check();
    if (result.status != CheckStatus::kFail || result.accepted.has_value()) return;
    if (!check.remediation().empty()) Line("fix: ", check.remediation());
    if (!check.references().empty()) Line("see: ", absl::StrJoin(check.references(), ", "));
  }

  void Rows(const check::v1::Verdict& verdict) {
    const int shown =
        options_.verbose ? verdict.evidence_size() : std::min(verdict.evidence_size(), kRowsShown);
    for (int i = 0; i < shown; ++i) {
      Line("- ",
           EvidenceLine(verdict.evidence(i), options_.verbose ? kRowBytesVerbose : kRowBytes));
    }
    const uint64_t more =
        verdict.evidence_left_out() + static_cast<uint64_t>(verdict.evidence_size() - shown);
    if (more > 0) Line("- ", StrCat("and ", more, " more"));
  }

  const ReportOptions options_;
  Sink* const out_;
  size_t id_width_ = 0;
};

}  // namespace

std::unique_ptr<CheckReport> NewTextReport(const ReportOptions& options, Sink* out) {
  return std::make_unique<TextReport>(options, out);
}

}  // namespace dragnet::console
