// Golden outputs: console/check/golden/. DRAGNET_WRITE_GOLDEN=1 writes them anew.
#include "console/check/report.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "console/check/evidence.h"
#include "console/check/testing.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStarted =
    absl::FromCivil(absl::CivilSecond(2027, 1, 10, 8, 0, 0), absl::UTCTimeZone());

std::string Render(std::string_view format, const std::vector<CheckResult>& results,
                   ReportOptions options = {}, int exit_status = 1) {
  StringSink out;
  options.started = kStarted;
  const auto report = NewReport(format, options, &out);
  report->Begin(static_cast<int>(results.size()));
  Tally tally;
  const Pack* pack = nullptr;
  for (const CheckResult& result : results) {
    if (result.pack != pack) {
      if (pack != nullptr) report->EndPack();
      pack = result.pack;
      report->BeginPack(*pack);
    }
    tally.Add(result);
    report->Add(result);
  }
  report->EndPack();
  report->Finish(tally, absl::Milliseconds(800), exit_status);
  return out.text();
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = StrCat(GOLDEN, "/", name);
  if (std::getenv("DRAGNET_WRITE_GOLDEN") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(path, text, 0644).ok());
  }
  EXPECT_EQ(text, ReadFile(path).value_or("")) << path;
}

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    other_.parameters.set_pack("other");
    CheckResult accepted = testing::ResultOf(other_, 0, CheckStatus::kFail,
                                             "expected no row, found 1", {R"({"path":"/srv/x"})"});
    accepted.accepted = Acceptance{"Bastion (OPS-1)", "2027-03-31"};
    CheckResult below =
        testing::ResultOf(other_, 2, CheckStatus::kFail, "expected 1 to 2 rows, found 9",
                          {R"({"name":"nc","pid":"7"})"});
    below.below_fail_on = true;
    CheckResult failed = testing::ResultOf(
        pack_, 0, CheckStatus::kFail, "expected no row, found 5",
        {R"({"path":"/etc/ssh/sshd config","size":"3252","hidden":false,"lines":[{"number":"33","text":"PermitRootLogin yes"}]})",
         R"({"path":"/etc/ssh/two","line":7})", R"({"name":"no path"})", "no JSON at all"});
    failed.verdict.set_evidence_left_out(1);
    results_ = {
        failed,
        testing::ResultOf(pack_, 1, CheckStatus::kUnknown, "/etc/shadow: Permission denied"),
        testing::ResultOf(pack_, 2, CheckStatus::kPass, "1 row, as expected", {R"({"port":22})"}),
        accepted,
        testing::ResultOf(other_, 1, CheckStatus::kNotApplicable, "os='windows' isn't true"),
        below,
    };
  }

  const Pack pack_ = testing::DemoPack();
  Pack other_ = testing::DemoPack();
  std::vector<CheckResult> results_;
};

TEST_F(ReportTest, Text) {
  ExpectGolden("check.txt", Render("text", results_, {.fail_on = "medium"}));
}
TEST_F(ReportTest, TextQuiet) {
  ExpectGolden("check-quiet.txt", Render("text", results_, {.quiet = true, .fail_on = "medium"}));
}
TEST_F(ReportTest, TextVerboseInColor) {
  ExpectGolden("check-verbose.txt",
               Render("text", results_, {.color = true, .verbose = true, .fail_on = "medium"}));
}
TEST_F(ReportTest, Tap) {
  ExpectGolden("check.tap", Render("tap", results_, {.fail_on = "medium"}));
}
TEST_F(ReportTest, Junit) {
  ExpectGolden("check.xml", Render("junit", results_, {.root = "/srv/image", .fail_on = "medium"}));
}
TEST_F(ReportTest, Sarif) {
  ExpectGolden("check.sarif", Render("sarif", results_, {.fail_on = "medium"}));
}
TEST_F(ReportTest, Json) {
  ExpectGolden("check.json", Render("json", results_, {.root = "/srv/image", .fail_on = "medium"}));
}

// What a host could send to take over a terminal, a log or a parser.
constexpr std::string_view kHostile[] = {
    "\x1b[2J\x1b]0;title\x07",
    "line\nnot ok 99 - forged\nPASS  forged",
    "\r\xc2\x9b"
    "31m\x7f\x08",
    "]]></failure></testcase><testcase name=\"forged\"/>",
    "<!ENTITY x SYSTEM \"file:///etc/passwd\">&x;",
    "\xff\xfe\xc0\xaf",
    "\xe2\x80\xae\xe2\x80\xa8\xef\xbf\xbf\xef\xbf\xbe",
    "# SKIP\n  ...\n---\n",
    "\"},\"forged\":{\"",
    "\\\\x41\\u001b",
};

TEST_F(ReportTest, NothingThatAHostSaysIsObeyed) {
  std::vector<CheckResult> results;
  for (const std::string_view hostile : kHostile) {
    for (const CheckStatus status : {CheckStatus::kFail, CheckStatus::kUnknown, CheckStatus::kPass,
                                     CheckStatus::kNotApplicable}) {
      const std::string in_json =
          json{{"path", ToValidUtf8(hostile)}, {ToValidUtf8(hostile), ToValidUtf8(hostile)}}.dump();
      results.push_back(
          testing::ResultOf(pack_, 0, status, hostile, {std::string(hostile), in_json}));
    }
  }
  for (const std::string_view format : kCheckFormats) {
    for (const bool verbose : {false, true}) {
      const std::string text = Render(format, results, {.verbose = verbose});
      EXPECT_TRUE(IsValidUtf8(text)) << format;
      size_t at = 0;
      for (std::string_view rest = text; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        EXPECT_EQ(line, ForTerminal(line)) << format << " line " << ++at;
        EXPECT_FALSE(line.starts_with("PASS  forged")) << format;
        EXPECT_FALSE(line.starts_with("not ok 99")) << format;
        EXPECT_FALSE(format == "tap" && line.starts_with("---")) << format;
      }
    }
  }
  const std::string xml = Render("junit", results);
  EXPECT_THAT(xml, AllOf(Not(HasSubstr("<!ENTITY")), Not(HasSubstr("name=\"forged\"")),
                         Not(HasSubstr("\xef\xbf\xbf")), Not(HasSubstr("\xef\xbf\xbe"))));
  const auto count = [&](std::string_view what) {
    size_t found = 0;
    for (size_t at = xml.find(what); at != std::string::npos; at = xml.find(what, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("<testcase "), results.size());
  EXPECT_EQ(count("</testcase>"), results.size());
  EXPECT_EQ(json::parse(Render("json", results))["packs"][0]["checks"].size(), results.size());
  EXPECT_EQ(json::parse(Render("sarif", results))["runs"][0]["results"].size(), results.size() / 2);
}

TEST_F(ReportTest, SarifTextsHaveNoPlaceholdersAndNoLinks) {
  const std::vector<CheckResult> results = {testing::ResultOf(
      pack_, 0, CheckStatus::kFail, "{0} [x](https://evil) [y\\](1)", {R"({"a":[{"b":1}]})"})};
  const json document = json::parse(Render("sarif", results));
  const std::string text = document["runs"][0]["results"][0]["message"]["text"];
  EXPECT_THAT(text, AllOf(HasSubstr("{{0}} [x] (https://evil) [y\\] (1)"),
                          HasSubstr("a=[{{\"b\":1}}]"), Not(HasSubstr("]("))));
}

TEST(EvidenceTest, PlacesAreOfFiles) {
  EXPECT_EQ(PlaceOf(R"({"path":"/a","line":3})")->line, 3U);
  EXPECT_EQ(PlaceOf(R"({"path":"/a","line":"3"})")->line, 3U);
  EXPECT_EQ(PlaceOf(R"({"path":"/a","lines":[{"number":"9"}]})")->line, 9U);
  EXPECT_EQ(PlaceOf(R"({"path":"/a","line":-1})")->line, 0U);
  EXPECT_FALSE(PlaceOf(R"({"path":""})").has_value());
  EXPECT_FALSE(PlaceOf(R"({"path":["/a"]})").has_value());
  EXPECT_FALSE(PlaceOf("[]").has_value());
}

TEST(TallyTest, OneCheckIsOne) {
  const Pack pack = testing::DemoPack();
  Tally tally;
  tally.Add(testing::ResultOf(pack, 0, CheckStatus::kPass, ""));
  EXPECT_EQ(tally.Summary(absl::Milliseconds(50)), "1 check: 1 passed in 0.1 s");
}

}  // namespace
}  // namespace dragnet::console
