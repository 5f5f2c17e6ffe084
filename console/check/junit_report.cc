// JUnit's XML, as Jenkins and GitLab read it: a suite for each pack, `failure` for what
// makes the run fail, `error` for what is unknown, `skipped` for the rest that didn't
// pass.
#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "console/check/evidence.h"
#include "console/check/report.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kRowBytes = 4096;

// One line, fit for XML 1.0 (sections 2.2 and 2.4) and for a terminal.
std::string Xml(std::string_view text) {
  std::string escaped;
  for (const char32_t c : ToUtf32(ForTerminal(text))) {
    switch (c) {
      case U'&':
        escaped.append("&amp;");
        break;
      case U'<':
        escaped.append("&lt;");
        break;
      case U'>':
        escaped.append("&gt;");
        break;
      case U'"':
        escaped.append("&quot;");
        break;
      case U'\'':
        escaped.append("&#39;");
        break;
      case 0xfffe:
      case 0xffff:
        // Characters that XML doesn't have.
        escaped.append("\xef\xbf\xbd");
        break;
      default:
        AppendUtf8(c, &escaped);
    }
  }
  return escaped;
}

// Of a pack: its lines stay lines.
std::string XmlLines(std::string_view text) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n'))
    lines.push_back(Xml(ToStd(line)));
  return absl::StrJoin(lines, "\n");
}

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.3f", absl::ToDoubleSeconds(duration));
}

class JunitReport : public CheckReport {
 public:
  JunitReport(const ReportOptions& options, Sink* out) : options_(options), out_(out) {}

  void Begin(int) override {
    out_->Write(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dragnet check\">\n");
  }

  void BeginPack(const Pack& pack) override {
    pack_ = &pack;
    cases_.clear();
    tests_ = failures_ = errors_ = skipped_ = 0;
    time_ = absl::ZeroDuration();
  }

  void Add(const CheckResult& result) override {
    const absl::Duration time = absl::Milliseconds(static_cast<int64_t>(
        std::min<uint64_t>(result.verdict.wall_time_ms(), uint64_t{24} * 3600 * 1000)));
    ++tests_;
    time_ += time;
    StrAppend(&cases_, "    <testcase classname=\"", Xml(pack_->parameters.pack()), "\" name=\"",
              Xml(result.check().id()), "\" time=\"", Seconds(time), "\">\n", Properties(result),
              Outcome(result), "    </testcase>\n");
  }

  void EndPack() override {
    const auto& pack = pack_->parameters;
    std::string suite =
        StrCat("  <testsuite name=\"", Xml(pack.pack()), "\" tests=\"", tests_, "\" failures=\"",
               failures_, "\" errors=\"", errors_, "\" skipped=\"", skipped_, "\" time=\"",
               Seconds(time_), "\" timestamp=\"",
               absl::FormatTime("%Y-%m-%dT%H:%M:%S", options_.started, absl::UTCTimeZone()),
               "\">\n    <properties>\n", Property("title", pack.title()),
               Property("version", pack.version()), Property("file", pack_->file),
               Property("root", options_.root), "    </properties>\n");
    out_->Write(StrCat(suite, cases_, "  </testsuite>\n"));
  }

  void Finish(const Tally&, absl::Duration, int) override { out_->Write("</testsuites>\n"); }

 private:
  static std::string Property(std::string_view name, std::string_view value) {
    if (value.empty()) return "";
    return StrCat("      <property name=\"", name, "\" value=\"", Xml(value), "\"/>\n");
  }

  static std::string Properties(const CheckResult& result) {
    const auto& check = result.check();
    std::string properties = StrCat("      <properties>\n  ", Property("title", check.title()),
                                    "  ", Property("severity", check.severity()));
    for (const std::string& reference : check.references())
      StrAppend(&properties, "  ", Property("reference", reference));
    return StrCat(properties, "      </properties>\n");
  }

  std::string Outcome(const CheckResult& result) {
    const auto& check = result.check();
    const std::string message = Xml(StrCat(check.title(), ": ", result.verdict.reason()));
    switch (result.status) {
      case CheckStatus::kPass:
        return "";
      case CheckStatus::kNotApplicable:
        return Skipped(StrCat("not applicable: ", result.verdict.reason()));
      case CheckStatus::kUnknown:
        if (result.below_fail_on) {
          return Skipped(
              StrCat("unknown, below ", options_.fail_on, ": ", result.verdict.reason()));
        }
        ++errors_;
        return Element("error", "unknown", message, result);
      case CheckStatus::kFail:
        break;
    }
    if (result.accepted.has_value()) {
      return Skipped(StrCat("failed, accepted ", AcceptanceText(*result.accepted)));
    }
    if (result.below_fail_on) {
      return Skipped(StrCat("failed, below ", options_.fail_on, ": ", result.verdict.reason()));
    }
    ++failures_;
    return Element("failure", check.severity(), message, result);
  }

  std::string Skipped(std::string_view message) {
    ++skipped_;
    return StrCat("      <skipped message=\"", Xml(message), "\"/>\n");
  }

  static std::string Element(std::string_view name, std::string_view type, std::string_view message,
                             const CheckResult& result) {
    const auto& check = result.check();
    const auto& verdict = result.verdict;
    std::string text = StrCat(Xml(verdict.reason()), "\n");
    for (const std::string& row : verdict.evidence())
      StrAppend(&text, "- ", Xml(EvidenceLine(row, kRowBytes)), "\n");
    if (verdict.evidence_left_out() > 0) {
      StrAppend(&text, "- and ", verdict.evidence_left_out(), " more\n");
    }
    if (!check.remediation().empty()) {
      StrAppend(&text, "fix: ", XmlLines(check.remediation()), "\n");
    }
    if (!check.references().empty()) {
      StrAppend(&text, "see: ", Xml(absl::StrJoin(check.references(), ", ")), "\n");
    }
    return StrCat("      <", name, " type=\"", type, "\" message=\"", message, "\">", text, "</",
                  name, ">\n");
  }

  const ReportOptions options_;
  Sink* const out_;
  const Pack* pack_ = nullptr;
  std::string cases_;
  int tests_ = 0;
  int failures_ = 0;
  int errors_ = 0;
  int skipped_ = 0;
  absl::Duration time_;
};

}  // namespace

std::unique_ptr<CheckReport> NewJunitReport(const ReportOptions& options, Sink* out) {
  return std::make_unique<JunitReport>(options, out);
}

}  // namespace dragnet::console
