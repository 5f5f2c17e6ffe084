// What must work before an attack on it says anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<nlohmann::json> JsonLines(const std::string& text) {
  std::vector<nlohmann::json> values;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) values.push_back(nlohmann::json::parse(line));
  return values;
}

std::vector<std::string> Paths(const std::vector<nlohmann::json>& values) {
  std::vector<std::string> paths;
  for (const nlohmann::json& value : values) {
    if (value.contains("path")) paths.push_back(value["path"]);
    if (value.contains("row")) paths.push_back(value["row"]["path"]);
  }
  return paths;
}

TEST(InvestigationTest, AsksOnlyTheAgentsOfTheTarget) {
  TestFleet fleet;
  fleet.StartScheduler();
  fleet.AddOnlineAgent({.name = "web1", .tags = {{"role", "web"}}});
  fleet.AddOnlineAgent({.name = "web2", .tags = {{"role", "web"}}});
  Agent& db = fleet.AddOnlineAgent({.name = "db1", .tags = {{"role", "db"}}});
  const std::string directory = fleet.MakeFiles("files", 3);

  const Finished found = fleet.Dragnet({"file", "--path", directory, "--name", "^file-1$", "-t",
                                        "tags->>'role'='web'", "--output", "jsonl", "--yes"});
  EXPECT_EQ(found.status(), 0) << found.err;
  EXPECT_THAT(Paths(JsonLines(found.out)),
              ElementsAre(directory + "/file-1", directory + "/file-1"))
      << found.out;
  EXPECT_EQ(db.WorkersStarted(), 0U);
}

TEST(InvestigationTest, NothingFoundIsDoneAndSaysSo) {
  TestFleet fleet;
  fleet.StartScheduler();
  fleet.AddOnlineAgent();
  const std::string directory = fleet.MakeFiles("files", 3);
  const Finished clean =
      fleet.Dragnet({"file", "--path", directory, "--name", "^no-such$", "--yes"});
  EXPECT_EQ(clean.status(), 0) << clean.err;
  EXPECT_THAT(clean.err + clean.out, HasSubstr("clean"));
}

TEST(InvestigationTest, ALimitThatCutTheSearchShortIsIncomplete) {
  TestFleet fleet;
  fleet.StartScheduler();
  fleet.AddOnlineAgent();
  const std::string directory = fleet.MakeFiles("files", 3);
  const Finished incomplete = fleet.Dragnet(
      {"file", "--path", directory, "--match-limit", "1", "--yes", "--output", "jsonl"});
  EXPECT_EQ(incomplete.status(), 3) << incomplete.err;
  EXPECT_THAT(Paths(JsonLines(incomplete.out)), SizeIs(1)) << incomplete.out;
}

TEST(InvestigationTest, AgentThatComesLaterGetsAPendingAction) {
  TestFleet fleet;
  fleet.StartScheduler();
  Agent& agent = fleet.AddOnlineAgent();
  agent.Stop();
  ASSERT_TRUE(fleet.WaitUntilOffline(agent));
  const std::string directory = fleet.MakeFiles("files", 5);
  const v1::Action action = fleet.forge().NewAction(directory);
  const auto launched = fleet.api().Launch(fleet.forge().Sign(action));
  ASSERT_TRUE(launched.ok()) << launched.status();
  EXPECT_EQ(launched->targeted(), 1U);
  EXPECT_EQ(launched->connected(), 0U);

  agent.Start();
  ASSERT_TRUE(Eventually([&] {
    const auto results = fleet.api().Results(action.id());
    return results.ok() && results->progress.found() == 1;
  })) << agent.process().Output();
  EXPECT_THAT(PathsOf(fleet.api().Results(action.id())->rows[agent.name()]), SizeIs(5));
}

TEST(InvestigationTest, AgentOutsideOfTheTargetThatComesLaterGetsNothing) {
  TestFleet fleet;
  fleet.StartScheduler();
  Agent& agent = fleet.AddOnlineAgent({.name = "db1"});
  agent.Stop();
  v1::Action action = fleet.forge().NewAction("/etc");
  action.set_target("name='web1'");
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(action)).ok());
  agent.Start();
  ASSERT_TRUE(fleet.WaitUntilOnline(agent));
  Agent& web = fleet.AddOnlineAgent({.name = "web1"});
  // The order of events: db1 was there before web1, whose result is in.
  ASSERT_TRUE(Eventually([&] {
    const auto results = fleet.api().Results(action.id());
    return results.ok() && results->states.contains("web1") &&
           results->states.at("web1").summaries_size() == 1;
  }));
  EXPECT_EQ(web.WorkersStarted(), 1U);
  EXPECT_EQ(agent.WorkersStarted(), 0U);
  EXPECT_EQ(fleet.api().Results(action.id())->progress.targeted(), 1U);
}

TEST(InvestigationTest, CancelledActionReachesNoFurtherAgent) {
  TestFleet fleet;
  fleet.StartScheduler();
  Agent& agent = fleet.AddOnlineAgent();
  agent.Stop();
  ASSERT_TRUE(fleet.WaitUntilOffline(agent));
  const v1::Action cancelled = fleet.forge().NewAction("/etc");
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(cancelled)).ok());
  ASSERT_TRUE(fleet.api()
                  .SendOrder(fleet.forge().SignOrder(
                      fleet.forge().NewOrder(cancelled, v1::Order::KIND_CANCEL)))
                  .ok());
  const v1::Action later = fleet.forge().NewAction(fleet.MakeFiles("files", 1));
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(later)).ok());
  agent.Start();
  ASSERT_TRUE(Eventually([&] {
    const auto results = fleet.api().Results(later.id());
    return results.ok() && results->progress.found() == 1;
  }));
  agent.Stop();
  EXPECT_THAT(agent.Journal(), ElementsAre(later.id()));
  EXPECT_EQ(fleet.api().Results(cancelled.id())->progress.never_sent(), 1U);
}

// Names that would do something to a terminal, a line-based reader or a
// spreadsheet.
class HostileNamesTest : public ::testing::Test {
 protected:
  static constexpr std::string_view kNames[] = {"\x1b[31mred\x1b[0m",
                                                "\x1b]0;title\x07",
                                                "new\nline",
                                                "car\rriage",
                                                "tab\tname",
                                                "=cmd|' C calc'!A0",
                                                "@sum(1)",
                                                "\x9b"
                                                "31m",
                                                "quo\"te,comma",
                                                "\xe2\x80\xae"
                                                "gpj.exe"};

  HostileNamesTest() : directory_(fleet_.temporary() + "/hostile") {
    MakeDirectory(directory_);
    for (const std::string_view name : kNames) {
      Write(StrCat(directory_, "/", name), "");
    }
    fleet_.StartScheduler();
    fleet_.AddOnlineAgent();
  }

  std::string Find(const std::string& output) {
    const Finished found =
        fleet_.Dragnet({"file", "--path", directory_, "--output", output, "--yes"});
    EXPECT_EQ(found.status(), 0) << found.err;
    ExpectNoControls(found.err);
    return found.out;
  }

  static void ExpectNoControls(const std::string& text) {
    EXPECT_THAT(text, Not(Contains('\x1b')));
    EXPECT_THAT(text, Not(Contains('\x07')));
    EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae")));
  }

  TestFleet fleet_;
  std::string directory_;
};

TEST_F(HostileNamesTest, TableShowsThemOnOneLineEachWithoutControls) {
  const std::string table = Find("table");
  ExpectNoControls(table);
  EXPECT_THAT(table, Not(Contains('\r')));
  EXPECT_THAT(table, Not(HasSubstr("\nline")));
  EXPECT_THAT(table, HasSubstr("\\x1b[31mred"));
}

TEST_F(HostileNamesTest, CsvOnATerminalHasNoControls) {
  // script(1) gives it a terminal; its progress goes elsewhere.
  Command command;
  command.arguments = {"/usr/bin/script", "-qec",
                       StrCat(ProgramPath("dragnet"), " file --path ", directory_,
                              " --output csv --yes 2>/dev/null"),
                       "/dev/null"};
  command.environment = {"DRAGNET_CONFIG=" + fleet_.console_config()};
  const Finished found = RunToEnd(command);
  EXPECT_EQ(found.status(), 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("\\x1b[31mred")) << found.out;
  ExpectNoControls(found.out);
}

TEST_F(HostileNamesTest, CsvHasNoFormulas) {
  const std::string csv = Find("csv");
  // A cell that begins with one of these is a formula to a spreadsheet.
  for (const std::string start : {"\n=", ",=", ",\"=", "\n@", ",@", ",\"@"}) {
    EXPECT_THAT(csv, Not(HasSubstr(start)));
  }
}

TEST_F(HostileNamesTest, JsonGivesEveryNameBack) {
  for (const std::string output : {"json", "jsonl"}) {
    const std::string text = Find(output);
    EXPECT_THAT(text, Not(Contains('\x1b')));
    const std::vector<nlohmann::json> values =
        output == "jsonl" ? JsonLines(text)
                          : nlohmann::json::parse(text).get<std::vector<nlohmann::json>>();
    const std::vector<std::string> paths = Paths(values);
    EXPECT_THAT(paths, SizeIs(std::size(kNames))) << text;
    EXPECT_THAT(paths, Contains(StrCat(directory_, "/", kNames[0])));
    EXPECT_THAT(paths, Contains(StrCat(directory_, "/", "new\nline")));
    EXPECT_THAT(paths, Contains(StrCat(directory_, "/", "quo\"te,comma")));
  }
}

}  // namespace
}  // namespace dragnet::testing
