#include "console/sweeps/junit.h"

#include "absl/strings/str_replace.h"
#include "console/sweeps/score.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string Details(const v1::SweepVerdict& verdict, const check::v1::Check& check) {
  std::string text = XmlText(verdict.reason());
  for (const std::string& evidence : verdict.evidence()) StrAppend(&text, "\n", XmlText(evidence));
  if (verdict.evidence_left_out() > 0)
    StrAppend(&text, "\n… and ", verdict.evidence_left_out(), " more");
  if (!check.remediation().empty())
    StrAppend(&text, "\nWhat to do: ", XmlText(check.remediation()));
  return text;
}

std::string Case(const v1::SweepVerdict& verdict, const check::v1::Check& check) {
  std::string text = StrCat("    <testcase classname=\"", XmlText(verdict.check()), "\" name=\"",
                            XmlText(check.title()), "\"");
  const std::string inside = StrCat(" message=\"", XmlText(verdict.reason()), "\" type=\"",
                                    XmlText(check.severity()), "\">", Details(verdict, check));
  switch (VerdictStatusOf(verdict.status())) {
    case VerdictStatus::kPass:
      return StrCat(text, "/>\n");
    case VerdictStatus::kNotApplicable:
      return StrCat(text, "><skipped message=\"not applicable\"/></testcase>\n");
    case VerdictStatus::kFail:
      return StrCat(text, "><failure", inside, "</failure></testcase>\n");
    case VerdictStatus::kUnknown:
      break;
  }
  return StrCat(text, "><error", inside, "</error></testcase>\n");
}

// Readers of JUnit know errors; what they don't know they take for a pass.
std::string SilentCase(std::string_view why) {
  const std::string text = XmlText(why);
  return StrCat(
      "    <testcase classname=\"silent\" name=\"The host tells of the sweep\"><error message=\"",
      text, "\" type=\"silent\">", text, "</error></testcase>\n");
}

}  // namespace

std::string XmlText(std::string_view text) {
  // The two that are UTF-8, but no characters of XML 1.0.
  return absl::StrReplaceAll(ForTerminal(text), {{"&", "&amp;"},
                                                 {"<", "&lt;"},
                                                 {">", "&gt;"},
                                                 {"\"", "&quot;"},
                                                 {"'", "&#39;"},
                                                 {"\xEF\xBF\xBE", "\\ufffe"},
                                                 {"\xEF\xBF\xBF", "\\uffff"}});
}

JunitWriter::JunitWriter(const Sweep& sweep, Sink* sink) : sweep_(sweep), sink_(sink) {
  sink_->Write(StrCat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"",
                      XmlText(sweep_.action.name()), "\">\n"));
}

void JunitWriter::Add(const v1::SweepVerdict& verdict) {
  if (!NeverTold(verdict) && sweep_.Find(verdict.check()) == nullptr) return;
  if (!host_.empty() && host_.front().agent_id() != verdict.agent_id()) PutHost();
  host_.push_back(verdict);
}

void JunitWriter::Finish() {
  if (!host_.empty()) PutHost();
  sink_->Write("</testsuites>\n");
}

void JunitWriter::PutHost() {
  v1::VerdictCounts counts;
  absl::Time newest = absl::InfinitePast();
  std::string silent;
  for (const v1::SweepVerdict& verdict : host_) {
    if (NeverTold(verdict)) {
      silent = WhyNeverTold(verdict);
      continue;
    }
    if (verdict.silent()) silent = "it told of neither of the last two runs: its verdicts are old";
    Count(VerdictStatusOf(verdict.status()), &counts);
    newest = std::max(newest, ToTime(verdict.occurrence()).value_or(absl::InfinitePast()));
  }
  const uint64_t more = silent.empty() ? 0 : 1;
  const std::string name = XmlText(host_.front().agent_name());
  sink_->Write(
      StrCat("  <testsuite name=\"", name, "\" hostname=\"", name, "\" id=\"",
             XmlText(host_.front().agent_id()), "\" tests=\"", AllOf(counts) + more,
             "\" failures=\"", counts.failed(), "\" errors=\"", counts.unknown() + more,
             "\" skipped=\"", counts.not_applicable(),
             newest == absl::InfinitePast()
                 ? "\""
                 : StrCat("\" timestamp=\"",
                          absl::FormatTime("%Y-%m-%dT%H:%M:%S", newest, absl::UTCTimeZone()), "\""),
             ">\n"));
  if (!silent.empty()) sink_->Write(SilentCase(silent));
  for (const v1::SweepVerdict& verdict : host_)
    if (!NeverTold(verdict)) sink_->Write(Case(verdict, *sweep_.Find(verdict.check())));
  sink_->Write("  </testsuite>\n");
  host_.clear();
}

}  // namespace dragnet::console
