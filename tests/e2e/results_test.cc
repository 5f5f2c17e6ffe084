// What an investigator makes of results: filters, comparisons, queries, the page.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

std::string LastId(TestFleet& fleet) {
  const Finished shown = fleet.Dragnet({"actions", "show", "last", "-o", "json"});
  Need(shown.status() == 0, "actions show last", shown.err);
  return nlohmann::json::parse(shown.out)["action"]["id"];
}

// "new /a", "changed /b" of `results --diff -o jsonl`.
std::vector<std::string> Changes(const std::string& jsonl) {
  std::vector<std::string> changes;
  for (const std::string& line : Lines(jsonl)) {
    const auto change = nlohmann::json::parse(line);
    const auto& row = change["after"].is_null() ? change["before"] : change["after"];
    const std::string path = row["path"];
    changes.push_back(
        StrCat(change["change"].get<std::string>(), " ", path.substr(path.rfind('/') + 1)));
  }
  return changes;
}

class ResultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet_.StartScheduler();
    agent_ = &fleet_.AddOnlineAgent({.name = "web1"});
    files_ = fleet_.MakeFiles("files", 4);
    Write("file-3", std::string(1000, 'x'));
  }

  void Write(const std::string& name, const std::string& content) {
    NeedOk(WriteFileAtomically(files_ + "/" + name, content, 0644), name);
  }

  // Its id.
  std::string Search(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"file", "--path", files_, "--yes", "-o", "jsonl"};
    words.insert(words.end(), more.begin(), more.end());
    fleet_.Dragnet(words);
    return LastId(fleet_);
  }

  Finished Results(std::vector<std::string> words) {
    words.insert(words.begin(), "results");
    return fleet_.Dragnet(words);
  }

  TestFleet fleet_;
  Agent* agent_ = nullptr;
  std::string files_;
};

TEST_F(ResultsTest, FiltersColumnsStacksAndQueriesAgree) {
  const std::string id = Search();

  const Finished some =
      Results({id, "--where", "size > 100 and agent = 'web1'", "--columns", "size,path"});
  EXPECT_EQ(some.status(), 0) << some.err;
  EXPECT_THAT(some.out, StartsWith("AGENT  SIZE  PATH\n"));
  EXPECT_THAT(Lines(some.out), SizeIs(2));
  EXPECT_THAT(some.err, HasSubstr("1 of 4 rows shown"));
  EXPECT_THAT(some.err, HasSubstr("1 found"));

  // A host whose rows are all left out was not clean.
  const Finished none = Results({id, "--where", "false"});
  EXPECT_EQ(none.out, "");
  EXPECT_THAT(none.err, AllOf(HasSubstr("0 of 4 rows shown"), HasSubstr("1 found")));

  EXPECT_EQ(Results({id, "--columns", "size,path", "-o", "csv", "--where", "size=1000"}).out,
            StrCat("action,agent,agentId,operation,module,size,path\n", id, ",web1,", agent_->Id(),
                   ",0,file,1000,", files_, "/file-3\n"));
  const auto row = nlohmann::json::parse(
      Results({id, "--columns", "path,elf.type", "-o", "jsonl", "--where", "size=1000"}).out);
  EXPECT_EQ(row["row"].dump(), StrCat("{\"elf.type\":null,\"path\":\"", files_, "/file-3\"}"));

  const Finished stack = Results({id, "--stack", "size", "--where", "size < 2000", "-o", "jsonl"});
  EXPECT_THAT(Lines(stack.out), ElementsAre(HasSubstr("\"rows\":3"), HasSubstr("\"rows\":1")));
  EXPECT_THAT(Lines(Results({id, "--stack", "size", "-o", "jsonl"}).out), SizeIs(2));

  const Finished sql = Results({id, "--sql",
                                "SELECT h.state, count(*) AS n, max(size) FROM file JOIN hosts h "
                                "USING (agent_id) GROUP BY 1",
                                "-o", "jsonl"});
  EXPECT_EQ(sql.status(), 0) << sql.err;
  EXPECT_EQ(sql.out, "{\"state\":\"found\",\"n\":4,\"max(size)\":1000}\n");
  EXPECT_THAT(sql.err, HasSubstr("1 agent: 1 found"));
  EXPECT_EQ(Results({id, "--sql", "SELECT count(*) FROM rows", "--where", "size>5"}).out,
            "COUNT(*)\n1\n");

  const Finished schema = Results({id, "--schema"});
  EXPECT_THAT(schema.out, AllOf(HasSubstr("elf_type"), HasSubstr("refusals\n"),
                                HasSubstr("rows\n  The same table")));
}

TEST_F(ResultsTest, MistakesAreSaidBeforeTheFleetIsAsked) {
  const std::string id = Search();
  for (const std::vector<std::string>& mistake :
       std::vector<std::vector<std::string>>{{"--where", "sise > 1"},
                                             {"--where", "path = \"linux\""},
                                             {"--where", "true; drop table x"},
                                             {"--columns", "path,nosuch"},
                                             {"--hosts", "broken"},
                                             {"--operation", "1"},
                                             {"--sql", "DELETE FROM file"},
                                             {"--sql", "SELECT 1; SELECT 2"},
                                             {"--sql", "ATTACH '/tmp/x' AS y"},
                                             {"--sql", "SELECT load_extension('x')"},
                                             {"--sql", "SELECT 1", "--stack", "path"},
                                             {"--sql", "@/nosuch/query.sql"},
                                             {"--diff", "0000000000"},
                                             {"--diff", id, "--key", "nosuch"},
                                             {"--key", "path"},
                                             {"--time-limit", "1s"},
                                             {"--hosts", "all", "--where", "true"}}) {
    std::vector<std::string> words = {id};
    words.insert(words.end(), mistake.begin(), mistake.end());
    const Finished refused = Results(words);
    EXPECT_EQ(refused.status(), 2) << mistake[0] << " " << refused.err;
    EXPECT_EQ(refused.out, "") << mistake[0];
  }
  EXPECT_THAT(Results({id, "--where", "sise > 1"}).err, HasSubstr("agent, agent_id, path"));
  EXPECT_THAT(Results({id, "--columns", "pth"}).err, HasSubstr("(path?)"));

  const Finished launch =
      fleet_.Dragnet({"file", "--path", files_, "--yes", "--where", "sise > 1"});
  EXPECT_EQ(launch.status(), 2) << launch.err;
  EXPECT_EQ(LastId(fleet_), id);
  const Finished filtered = fleet_.Dragnet({"file", "--path", files_, "--yes", "--where",
                                            "size = 1000", "--columns", "path", "-o", "csv"});
  EXPECT_EQ(filtered.status(), 0) << filtered.err;
  EXPECT_THAT(Lines(filtered.out), ElementsAre(HasSubstr("path"), HasSubstr("file-3")));
}

TEST_F(ResultsTest, TwoRunsAreComparedHostByHost) {
  const std::string before = Search();
  Write("file-3", "shorter");
  Write("new", "");
  NeedOk(::unlink((files_ + "/file-0").c_str()) == 0 ? absl::OkStatus()
                                                     : absl::InternalError("unlink"),
         "file-0");
  const std::string after = Search();

  const Finished diff = Results({before, "--diff", after, "-o", "jsonl"});
  EXPECT_EQ(diff.status(), 0) << diff.err;
  EXPECT_THAT(Changes(diff.out), UnorderedElementsAre("gone file-0", "changed file-3", "new new"));
  EXPECT_THAT(diff.err, HasSubstr("1 new, 1 gone, 1 changed, 2 the same, on 1 host"));
  EXPECT_THAT(diff.err, HasSubstr("atime"));

  const Finished table = Results({before, "--diff", after, "--columns", "size"});
  EXPECT_THAT(table.out, HasSubstr("1000 → 7"));
  const Finished filtered = Results({before, "--diff", after, "--where", "size > 10", "-o", "csv"});
  // What was large before is shown, though it no longer is.
  EXPECT_THAT(Lines(filtered.out),
              ElementsAre(StartsWith("change,agent,agentId,"), StartsWith("before,web1,"),
                          StartsWith("after,web1,")));
  EXPECT_THAT(filtered.err, HasSubstr("1 of 3 differences shown"));
  EXPECT_THAT(Changes(Results({after, "--diff", after, "-o", "jsonl"}).out), SizeIs(0));
}

TEST_F(ResultsTest, WhatWasNotLookedAtIsNeverShownAsGone) {
  // Not for the host that comes later: an action is for every host of its target
  // that comes before it expires.
  const std::string before = Search({"-t", "name='web1'"});
  const std::string cut_short = Search({"-t", "name='web1'", "--match-limit", "1"});
  fleet_.AddOnlineAgent({.name = "web2"});
  const std::string with_another = Search();

  const Finished gone = Results({before, "--diff", cut_short, "-o", "jsonl"});
  EXPECT_EQ(gone.status(), 3) << gone.err;
  EXPECT_THAT(gone.out, Not(HasSubstr("\"gone\"")));
  EXPECT_THAT(gone.err,
              HasSubstr("1 host not looked at whole in the second run (web1): 3 rows that "
                        "only the first has are not shown as gone"));
  EXPECT_THAT(gone.err, HasSubstr("parameters of file differ"));

  const Finished more = Results({before, "--diff", with_another, "-o", "jsonl"});
  EXPECT_EQ(more.status(), 3) << more.err;
  EXPECT_EQ(more.out, "");
  EXPECT_THAT(more.err, HasSubstr("1 host not looked at whole in the first run (web2): 4 rows that "
                                  "only the second has are not shown as new"));

  EXPECT_THAT(Results({cut_short, "--hosts", "incomplete"}).out, HasSubstr("web1"));
  EXPECT_EQ(Results({cut_short, "--hosts", "failed"}).out, "");
  const Finished sql = Results({cut_short, "--sql", "SELECT count(*) FROM file"});
  EXPECT_EQ(sql.status(), 3);
  EXPECT_THAT(sql.err, HasSubstr("1 incomplete"));
}

TEST_F(ResultsTest, AnEndlessQueryEndsAtItsTime) {
  const std::string id = Search();
  const Finished endless = Results(
      {id, "--time-limit", "1s", "--sql",
       "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c"});
  EXPECT_EQ(endless.status(), 2);
  EXPECT_THAT(endless.err, HasSubstr("--time-limit"));
}

TEST_F(ResultsTest, TheReportHoldsWhatWasFoundAndNothingThatRuns) {
  const std::string hostile = files_ +
                              "/<script>alert(1)<"
                              "\xE2\x80\xAE"
                              "\x1b[2J\xff\">";
  const int fd = ::open(hostile.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  Need(fd >= 0, "hostile file");
  ::close(fd);
  const std::string id = Search();
  const std::string page = fleet_.temporary() + "/report.html";

  const Finished written = fleet_.Dragnet({"report", id, "--html", page});
  EXPECT_EQ(written.status(), 0) << written.err;
  const std::string html = NeedValue(ReadFile(page), page);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("\xE2\x80\xAE")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(html, HasSubstr("1 of 1 host looked at everything: 1 found something"));
  EXPECT_THAT(html, HasSubstr("The signatures are enough"));
  EXPECT_THAT(html, HasSubstr("file-3"));

  // The envelope in the page is the one that was signed.
  const size_t start = html.find("<pre>{", html.find("The signed envelope")) + 5;
  std::string envelope = html.substr(start, html.find("</pre>", start) - start);
  for (const auto& [escaped, text] : {std::pair{"&quot;", "\""}, std::pair{"&#39;", "'"}})
    for (size_t at; (at = envelope.find(escaped)) != std::string::npos;)
      envelope.replace(at, std::string(escaped).size(), text);
  const std::string file = fleet_.temporary() + "/envelope.json";
  NeedOk(WriteFileAtomically(file, envelope, 0644), file);
  const Finished verified = fleet_.Dragnet({"verify", file});
  EXPECT_EQ(verified.status(), 0) << verified.err << verified.out;
  EXPECT_THAT(verified.out, HasSubstr(id));

  // Not replaced silently.
  const Finished again = fleet_.Dragnet({"report", id, "--html", page, "--rows", "1"});
  EXPECT_EQ(again.status(), 2);
  EXPECT_THAT(again.err, HasSubstr("--force"));
  EXPECT_EQ(NeedValue(ReadFile(page), page), html);
  EXPECT_EQ(fleet_.Dragnet({"report", id, "--html", page, "--rows", "1", "--force"}).status(), 0);
  EXPECT_THAT(NeedValue(ReadFile(page), page), HasSubstr("4 more rows not in this page"));
}

}  // namespace
}  // namespace dragnet::testing
