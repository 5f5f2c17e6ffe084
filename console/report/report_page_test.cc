#include "console/report/report_page.h"

#include "console/report/html.h"
#include "console/report/page_checker.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Report HostileReport() {
  Report report;
  std::string all;
  for (const std::string& text : testing::kHostile) {
    all.append(text).append("\n");
    report.facts.emplace_back(text, text);
    report.warnings.push_back(text);
    report.hosts.push_back({text, text, text});
    Report::Stack stack = {text, {text}, {{{text}, 2, 1}}, {{{text}, 1, 1}}, 3, 9};
    report.stacks.push_back(stack);
    report.rows.push_back({text, {text, text}, {{text, text}}, 7});
  }
  report.title = all;
  report.notice = all;
  report.hosts_in_all = 100;
  report.document = all;
  report.document_json = all;
  report.envelope_json = all;
  report.signatures = all;
  report.orders = all;
  report.results_command = all;
  report.made = all;
  report.progress.set_targeted(100);
  report.progress.set_found(1);
  return report;
}

TEST(ReportPageTest, NothingThatAHostSaysBecomesMarkup) {
  EXPECT_EQ(testing::PageFile(RenderReport(HostileReport())).Check(), 0);
}

// The checker would see it.
TEST(ReportPageTest, TheCheckerFindsWhatGotThrough) {
  const std::string page = RenderReport(HostileReport());
  for (const char* injected :
       {"<script>x</script>", "<p onclick=\"x\">y</p>", "<!-- x -->", "\xE2\x80\xAE",
        "<a href=\"https://example.net/\">x</a>", "<img src=\"x\">", "</section>"}) {
    std::string broken = page;
    broken.insert(broken.find("<footer>"), injected);
    EXPECT_NE(testing::PageFile(broken).Check(), 0) << injected;
  }
}

TEST(ReportPageTest, WhatIsNotInThePageIsSaid) {
  Report report = HostileReport();
  report.rows = {{"file", {"agent", "path"}, {{"web", "/a"}}, 4711}};
  report.stacks = {{"path", {"path"}, {{{"/a"}, 5, 2}}, {{{"/b"}, 1, 1}}, 100, 50}};
  const std::string page = RenderReport(report);
  EXPECT_THAT(page, AllOf(HasSubstr("4,710 more rows not in this page"),
                          HasSubstr("48 values in between"), HasSubstr("82 more hosts")));
}

TEST(ReportPageTest, HostsThatDidNotLookAreNeverPartOfTheClean) {
  Report report;
  report.progress.set_targeted(10);
  report.progress.set_clean(7);
  report.progress.set_incomplete(2);
  report.progress.set_never_sent(1);
  const std::string page = RenderReport(report);
  EXPECT_THAT(page, HasSubstr("7 of 10 hosts looked at everything: 0 found something, 7 did not. "
                              "Of the other 3 nothing can be ruled out."));
  EXPECT_THAT(page,
              HasSubstr("<rect x=\"0.000%\" width=\"70.000%\" height=\"100%\" class=\"clean\""));
  EXPECT_THAT(
      page,
      HasSubstr("<rect x=\"70.000%\" width=\"20.000%\" height=\"100%\" class=\"incomplete\""));
  EXPECT_THAT(page, HasSubstr("<b>1</b> not answered"));
}

TEST(ReportPageTest, TooFewSignaturesAreSaidAloud) {
  Report report;
  EXPECT_THAT(RenderReport(report), HasSubstr("not enough: agents would not obey"));
  report.authorized = true;
  EXPECT_THAT(RenderReport(report), Not(HasSubstr("not enough")));
}

TEST(HtmlTest, TextStaysReadable) {
  EXPECT_EQ(HtmlText("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
  EXPECT_EQ(HtmlText("größe 日本"), "größe 日本");
  EXPECT_EQ(HtmlText("a\nb"), "a\\nb");
  EXPECT_EQ(HtmlLines("a\n<b"), "a\n&lt;b");
}

}  // namespace
}  // namespace dragnet::console
