#include "console/report/sweep_page.h"

#include "console/report/page_checker.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::VerdictCounts Counts(uint64_t passed, uint64_t failed, uint64_t unknown) {
  v1::VerdictCounts counts;
  counts.set_passed(passed);
  counts.set_failed(failed);
  counts.set_unknown(unknown);
  return counts;
}

SweepReport HostileReport() {
  SweepReport report;
  std::string all;
  for (const std::string& text : testing::kHostile) {
    all.append(text).append("\n");
    report.facts.emplace_back(text, text);
    report.warnings.push_back(text);
    report.groups.push_back(text);
    SweepReport::Check check;
    check.id = check.title = check.severity = check.remediation = text;
    check.references = {text};
    check.verdicts = Counts(3, 2, 1);
    check.by_group.assign(std::size(testing::kHostile), Counts(1, 1, 0));
    check.findings = {{.host = text,
                       .status = text,
                       .since = text,
                       .reason = text,
                       .evidence = {text, text},
                       .evidence_left_out = 3}};
    report.checks.push_back(check);
    report.worst.push_back({text, Counts(1, 1, 1), text});
    report.silent.push_back({text, Counts(1, 1, 1), text});
  }
  report.title = report.grouped_by = report.show_command = report.made = all;
  report.document = {all, all, all, all, all, false};
  report.verdicts = report.hosts = Counts(3, 2, 1);
  report.not_passing = report.silent_in_all = 1000;
  for (int day = 0; day < 30; ++day)
    report.runs.push_back({absl::FromUnixSeconds(1'800'000'000 + day * 86400),
                           Counts(static_cast<uint64_t>(900 + day), 50, 50)});
  return report;
}

TEST(SweepPageTest, NothingThatAHostSaysBecomesMarkup) {
  EXPECT_EQ(testing::PageFile(RenderSweepReport(HostileReport())).Check(), 0);
}

TEST(SweepPageTest, TheCheckerFindsWhatGotThrough) {
  const std::string page = RenderSweepReport(HostileReport());
  for (const char* injected : {"<script>x</script>", "<svg onload=\"x\"></svg>",
                               "<circle r=\"4\" class=\"dot\" onclick=\"x\"></circle>"}) {
    std::string broken = page;
    broken.insert(broken.find("<footer>"), injected);
    EXPECT_NE(testing::PageFile(broken).Check(), 0) << injected;
  }
}

TEST(SweepPageTest, UnknownIsSaidToCountAsNotPassed) {
  SweepReport report;
  report.verdicts = Counts(6, 2, 2);
  const std::string page = RenderSweepReport(report);
  EXPECT_THAT(page, HasSubstr("60.0% – 6 of 10 verdicts passed."));
  EXPECT_THAT(page, HasSubstr("What is unknown counts as not passed"));
}

TEST(SweepPageTest, NothingToldIsNoHundredPercent) {
  const std::string page = RenderSweepReport(SweepReport());
  EXPECT_THAT(page, HasSubstr("No host has told anything yet."));
  EXPECT_THAT(page, Not(HasSubstr("100.0%")));
  EXPECT_THAT(page, Not(HasSubstr("every host that told passes")));
}

TEST(SweepPageTest, AScaleThatDoesntBeginAtZeroSaysSo) {
  SweepReport report;
  report.runs = {{absl::FromUnixSeconds(1'800'000'000), Counts(95, 5, 0)},
                 {absl::FromUnixSeconds(1'800'086'400), Counts(97, 3, 0)}};
  EXPECT_THAT(RenderSweepReport(report), HasSubstr("The scale begins at 90%."));
  report.runs[0].verdicts = Counts(10, 90, 0);
  EXPECT_THAT(RenderSweepReport(report), Not(HasSubstr("The scale begins")));
}

TEST(SweepPageTest, WhatIsNotInThePageIsSaid) {
  SweepReport report;
  report.not_passing = 30;
  report.worst = {{"a", Counts(0, 1, 0), ""}};
  report.show_command = "dragnet sweep show x";
  EXPECT_THAT(RenderSweepReport(report),
              HasSubstr("29 more hosts not in this page: <code>dragnet sweep show x --by host"));
}

}  // namespace
}  // namespace dragnet::console
