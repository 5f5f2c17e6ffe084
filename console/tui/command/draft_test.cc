#include "console/tui/command/draft.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "console/tui/command/templates.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

using console::testing::SampleCatalog;
using console::testing::SampleParameters;
using Words = std::vector<std::string>;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

BuildContext Context() {
  return {.fleet_id = "test-0123456789ab",
          .now = absl::Now(),
          .lifetime = absl::Minutes(5),
          .modules = &SampleCatalog()};
}

SampleParameters ParametersIn(const v1::Action& action, int operation = 0) {
  SampleParameters parameters;
  parameters.ParseFromString(action.operations(operation).parameters());
  return parameters;
}

std::string NewDirectory() {
  std::string path = ::testing::TempDir() + "/draft-XXXXXX";
  return ::mkdtemp(path.data());
}

TEST(DraftTest, WordsFillTheFormAndComeBackAsTheSameCommand) {
  const auto draft =
      DraftFromWords({"sample", "--path", "/etc", "--path=/a b", "-n", "^passwd$", "-nx", "--hash",
                      "md5", "--invert", "-t", "os='linux'", "--rate", "10/s", "--offset=-3"},
                     SampleCatalog());
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(CommandOf(*draft),
            "dragnet sample --path /etc --path '/a b' --name '^passwd$' --name x --hash md5 "
            "--invert --offset=-3 -t 'os='\\''linux'\\''' --rate 10/s");
  const auto built = BuildDraft(*draft, Context());
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_EQ(built->action.target(), "os='linux'");
  EXPECT_EQ(built->action.dispatch().agents_per_second(), 10u);
  const SampleParameters parameters = ParametersIn(built->action);
  EXPECT_EQ(parameters.path_size(), 2);
  EXPECT_EQ(parameters.searches(0).name_size(), 2);
  EXPECT_TRUE(parameters.searches(0).invert());
  EXPECT_EQ(parameters.offset(), -3);
}

TEST(DraftTest, AWordThatMeansNothingIsRefusedByName) {
  const auto error = [](const Words& words) {
    return Message(DraftFromWords(words, SampleCatalog()).status());
  };
  EXPECT_EQ(error({"sample", "--nosuch", "x"}),
            "sample: --nosuch: no such flag of sample; Tab shows which there are");
  EXPECT_EQ(error({"sample", "stray"}),
            "sample: stray: a value without a flag (quote what has spaces)");
  EXPECT_EQ(error({"sample", "--hash", "md5", "--hash", "md5"}),
            "sample: --hash: given twice, it takes one value");
  EXPECT_EQ(error({"sample", "--path"}), "sample: --path: needs a value");
  EXPECT_NE(error({"nosuch"}).find("this version has only: sample"), std::string::npos);
}

TEST(DraftTest, NoWordMakesTheConsoleLaunchWithoutAQuestion) {
  for (const std::string word : {"--yes", "-y"}) {
    const auto draft = DraftFromWords({"sample", word}, SampleCatalog());
    ASSERT_FALSE(draft.ok());
    EXPECT_NE(Message(draft.status()).find("always asks"), std::string::npos);
  }
}

TEST(DraftTest, WhatIsWrongIsSaidWithItsFlag) {
  const auto error = [](const Words& words) {
    return Message(BuildDraft(*DraftFromWords(words, SampleCatalog()), Context()).status());
  };
  EXPECT_EQ(error({"sample", "--max-depth", "deep"}),
            "--max-depth: \"deep\" is not a whole number of at least 0 that fits");
  EXPECT_EQ(error({"sample", "--name", "a("}), "--name 'a(' misses a closing )");
  EXPECT_NE(error({"sample", "-t", "nonsense="}).find("--target: "), std::string::npos);
  EXPECT_NE(error({"sample", "--left", "a", "--right", "b"}).find("--right: can't be given"),
            std::string::npos);
  EXPECT_NE(error({"sample", "--list", "/nonexistent"}).find("--list: open /nonexistent"),
            std::string::npos);
  EXPECT_NE(error({"sample", "--list", "/dev/zero"}).find("not a regular file"), std::string::npos);
  EXPECT_NE(error({"sample", "--expires", "2000d"}).find("--expires: "), std::string::npos);
}

TEST(DraftTest, ATemplateBringsBackEveryValueAsItWasTyped) {
  const auto draft = DraftFromWords({"sample",
                                     "--path",
                                     "/etc",
                                     "--name",
                                     "ü'\"",
                                     "--hash",
                                     "sha2-256",
                                     "--also-hash",
                                     "md5",
                                     "--patience",
                                     "90s",
                                     "--since",
                                     "2024-05-01T10:00:00Z",
                                     "--label",
                                     "a=b",
                                     "--magic",
                                     "00ff",
                                     "--ratio",
                                     "0.1",
                                     "--left",
                                     "l",
                                     "-t",
                                     "os='linux'",
                                     "--action-name",
                                     "mine",
                                     "--limit-rows",
                                     "7",
                                     "--canary",
                                     "5%"},
                                    SampleCatalog());
  ASSERT_TRUE(draft.ok()) << draft.status();
  const auto json = TemplateOf(*draft, absl::Now(), SampleCatalog());
  ASSERT_TRUE(json.ok()) << json.status();
  // Nothing of one run is in it, and nothing that only says a default.
  for (const std::string_view absent : {"\"id\"", "fleetId", "notBefore", "expires", "UNSPECIFIED"})
    EXPECT_EQ(json->find(absent), std::string::npos) << *json;
  Words notices;
  const auto again = DraftFromTemplate(*json, "f.json", SampleCatalog(), &notices);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(notices, Words());
  EXPECT_EQ(again->operations[0].NotShown(), "");
  EXPECT_EQ(CommandOf(*again),
            "dragnet sample --path /etc --name 'ü'\\''\"' --hash sha2-256 --also-hash md5 "
            "--patience 1m30s --since 2024-05-01T10:00:00+00:00 --label a=b --magic 00ff "
            "--ratio 0.10000000000000001 --left l -t 'os='\\''linux'\\''' --canary 5 "
            "--action-name mine --limit-rows 7");
  const auto first = BuildDraft(*draft, Context());
  const auto second = BuildDraft(*again, Context());
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(ParametersIn(first->action).DebugString(), ParametersIn(second->action).DebugString());
}

TEST(DraftTest, WhatTheFormCantShowIsKeptAndSaid) {
  Words notices;
  const auto draft = DraftFromTemplate(
      R"({"id": "x", "target": "true", "operations": [
           {"module": "sample", "parameters": {"path": ["/a"], "secretKnob": "k",
             "searches": [{"name": ["x"]}, {"name": ["y"]}]}},
           {"module": "sample", "parameters": {"path": ["/b"]}, "limits": {"rows": "5"}}]})",
      "two.json", SampleCatalog(), &notices);
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(notices.size(), 1u);
  ASSERT_EQ(draft->operations.size(), 2u);
  EXPECT_NE(draft->operations[0].NotShown().find("secret_knob: k"), std::string::npos);
  EXPECT_NE(draft->operations[0].NotShown().find("name: y"), std::string::npos);
  EXPECT_NE(draft->operations[1].NotShown().find("rows: 5"), std::string::npos);
  EXPECT_EQ(CommandOf(*draft), "dragnet run two.json");
  const auto built = BuildDraft(*draft, Context());
  ASSERT_TRUE(built.ok()) << built.status();
  const SampleParameters first = ParametersIn(built->action, 0);
  EXPECT_EQ(first.secret_knob(), "k");
  ASSERT_EQ(first.searches_size(), 2);
  EXPECT_EQ(first.searches(0).name(0), "x");
  EXPECT_EQ(first.searches(1).name(0), "y");
  EXPECT_EQ(built->action.operations(0).limits().rows(), 0u);
  EXPECT_EQ(built->action.operations(1).limits().rows(), 5u);
}

TEST(DraftTest, ATemplateIsReadStrictlyAndTheErrorSaysWhere) {
  Words notices;
  const auto error = [&](std::string_view json) {
    return Message(DraftFromTemplate(json, "f", SampleCatalog(), &notices).status());
  };
  EXPECT_NE(error("{\n  nonsense").find("line 2"), std::string::npos);
  EXPECT_NE(error(R"({"operations": [{"module": "sample"}], "extra": 1})").find("extra"),
            std::string::npos);
  EXPECT_NE(error(R"({"operations": [{"module": "sample", "parameters": {"pth": []}}]})")
                .find("operations[0]: parameters: "),
            std::string::npos);
  EXPECT_NE(error(R"({"operations": []})").find("operations: missing"), std::string::npos);
}

TEST(DraftTest, AFileIsPartOfTheTemplateByItsContent) {
  const std::string directory = NewDirectory();
  const std::string list = directory + "/list.txt";
  ASSERT_TRUE(WriteFileAtomically(list, std::string(20000, 'x'), 0600).ok());
  const auto draft = DraftFromWords({"sample", "--list", list}, SampleCatalog());
  ASSERT_TRUE(draft.ok());
  const std::string path = *TemplatePath(directory, "mine");
  ASSERT_TRUE(SaveTemplate(*draft, path, false, absl::Now(), SampleCatalog()).ok());
  // Not over what is there, unless asked.
  EXPECT_TRUE(
      absl::IsAlreadyExists(SaveTemplate(*draft, path, false, absl::Now(), SampleCatalog())));
  ASSERT_TRUE(WriteFileAtomically(list, "other", 0600).ok());
  const auto loaded = LoadTemplate(path, SampleCatalog());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto built = BuildDraft(loaded->draft, Context());
  ASSERT_TRUE(built.ok()) << built.status();
  ASSERT_EQ(built->blobs.size(), 1u);
  EXPECT_EQ(built->blobs.begin()->second, std::string(20000, 'x'));
  const auto entries = ListTemplates(directory, SampleCatalog());
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "mine");
  EXPECT_TRUE(entries[0].readable);
}

}  // namespace
}  // namespace dragnet::console::tui
