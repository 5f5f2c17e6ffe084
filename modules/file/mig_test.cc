// MIG's form of module file: what it is translated to, and how it answers.
#include "modules/mig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/file/file.pb.h"
#include "modules/file/mig_mode.h"
#include "modules/file/mig_search.h"
#include "re2/re2.h"

namespace dragnet {

std::span<const MigModule* const> FileMigModules();

namespace file {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const MigModule& Named(std::string_view name) {
  for (const MigModule* module : FileMigModules())
    if (module->name() == name) return *module;
  ADD_FAILURE() << "no module " << name;
  return *FileMigModules()[0];
}

v1::FileParameters Translate(const MigJson& parameters, std::string_view module = "file") {
  const auto translated = Named(module).TranslateParameters(parameters);
  EXPECT_TRUE(translated.ok()) << translated.status();
  if (!translated.ok()) return {};
  const absl::Status valid = Named(module).module().Validate(**translated);
  EXPECT_TRUE(valid.ok()) << valid;
  return dynamic_cast<const v1::FileParameters&>(**translated);
}

v1::FileParameters TranslateText(const char* parameters, std::string_view module = "file") {
  return Translate(MigJson::parse(parameters), module);
}

std::string Refusal(const char* parameters, std::string_view module = "file") {
  const auto translated = Named(module).TranslateParameters(MigJson::parse(parameters));
  EXPECT_FALSE(translated.ok());
  return std::string(translated.status().message());
}

TEST(MigFileTest, SearchBecomesASearch) {
  const v1::FileParameters parameters = TranslateText(R"({"searches": {"b/ls": {
      "description": "why", "paths": ["/bin/"], "names": ["^ls$", "!x"], "contents": ["a"],
      "sizes": ["<371m", ">10", "5k"], "modes": ["^-r-xr-x--"], "mtimes": ["<90d"],
      "sha2": ["ADBEE847C12C73605FF657E668C8096DF138F824EB542027A10C0B5C07619C8D"],
      "options": {"maxdepth": 3.0, "matchall": true, "matchlimit": 10, "maxerrors": 7,
                  "remotefs": false, "mismatch": null}}}})");
  ASSERT_EQ(parameters.searches_size(), 1);
  const v1::Search& search = parameters.searches(0);
  EXPECT_EQ(search.label(), "b/ls");
  EXPECT_THAT(search.paths(), ElementsAre("/bin/"));
  EXPECT_THAT(search.names(), ElementsAre("^ls$", "!x"));
  EXPECT_THAT(search.sizes(), ElementsAre("<=371m", ">=10", "5k")) << "MIG's bounds are included";
  EXPECT_THAT(search.mtimes(), ElementsAre("<90d"));
  EXPECT_FALSE(search.match_any());
  EXPECT_EQ(search.max_depth(), 3u);
  EXPECT_EQ(search.match_limit(), 10u);
  EXPECT_EQ(parameters.max_errors(), 7u);
}

TEST(MigFileTest, WithoutMatchallAnyFilterIsEnoughAndTheLimitIsMigs) {
  const v1::FileParameters parameters =
      TranslateText(R"({"searches": {"s": {"paths": ["/etc"], "names": ["a", "b"]}}})");
  EXPECT_TRUE(parameters.searches(0).match_any());
  EXPECT_EQ(parameters.searches(0).match_limit(), 1000u);
}

TEST(MigFileTest, RegexesAreContents) {
  const v1::FileParameters parameters =
      TranslateText(R"({"searches": {"s": {"paths": ["/proc/uptime"], "regexes": ["^[5-9]"]}}})");
  EXPECT_THAT(parameters.searches(0).contents(), ElementsAre("^[5-9]"));
}

TEST(MigFileTest, BytesAreAnExpression) {
  const v1::FileParameters parameters =
      TranslateText(R"({"searches": {"s": {"paths": ["/x"], "bytes": ["7f454C46"]}}})");
  EXPECT_THAT(parameters.searches(0).contents(), ElementsAre("\\x7f\\x45\\x4c\\x46"));
}

TEST(MigFileTest, WhatIsNotUnderstoodIsRefusedByName) {
  const auto refused = [](const char* search) {
    return Refusal((std::string(R"({"searches": {"s": )") + search + "}}").c_str());
  };
  EXPECT_THAT(refused(R"({"paths": ["/x"], "path": ["/y"]})"),
              HasSubstr("searches.s.path: unknown"));
  EXPECT_THAT(refused(R"({"names": ["x"]})"), HasSubstr("searches.s.paths: missing"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "sizes": ["<5q"]})"),
              HasSubstr("searches.s.sizes[0] '<5q' is no size"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "mtimes": ["5d"]})"), HasSubstr("is no age"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "modes": ["("]})"), HasSubstr("no regular expression"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "modes": ["!x"]})"), HasSubstr("\"mismatch\""));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "names": [""]})"), HasSubstr("names[0] '' is empty"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "options": {"maxdeph": 1}})"),
              HasSubstr("options.maxdeph: unknown"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "options": {"maxdepth": 1.5}})"),
              HasSubstr("options.maxdepth: must be a whole number"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "options": {"mismatch": ["nam"]}})"),
              HasSubstr("mismatch 'nam' is no filter"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "options": {"matchall": true, "matchany": true}})"),
              HasSubstr("both matchall and matchany"));
  EXPECT_THAT(Refusal(R"({"/etc": {"name": ["passwd"]}})"), HasSubstr("write {\"searches\""));
  EXPECT_THAT(Refusal(R"({"searches": {}})"), HasSubstr("one at least"));
  EXPECT_THAT(Refusal(R"([1])"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refused(R"({"paths": ["/x"], "bytes": ["000a"]})"), HasSubstr("ends a line"));
}

TEST(MigModeTest, ExpressionHoldsForTheSameFiles) {
  for (const char* regex : {"gt", "^-r-xr-x--", "-r(w|-)xr-x---", "^u", "^[ug]", "t", "x$", "^-rwx",
                            "s", "^.{10}$", "^.{11}", "^ug?rwx", "w.$"}) {
    SCOPED_TRACE(regex);
    const absl::StatusOr<std::string> translated = LsModeRegex(regex);
    ASSERT_TRUE(translated.ok()) << translated.status();
    const RE2 go(regex);
    const RE2 ls(*translated);
    ASSERT_TRUE(ls.ok());
    for (const char* mode :
         {"-rwxr-xr-x", "-rwsr-xr-x", "-rwSr-xr-x", "-rwxr-sr-t", "-r-xr-s--T", "-r-xr-x---",
          "----------", "-rw-rw-rw-", "-rwsr-sr-t", "-rwsr-x---"}) {
      EXPECT_EQ(RE2::PartialMatch(mode, ls), RE2::PartialMatch(GoMode(mode), go))
          << mode << " is " << GoMode(mode) << "; " << *translated;
    }
  }
  EXPECT_EQ(*LsModeRegex("^-r-xr-x---"), "^-r-xr-x---") << "what says the same stays";
  EXPECT_EQ(*LsModeRegex("gt"), "^-.....[Ss]..[Tt]");
}

TEST(MigModeTest, GoWritesSpecialBitsInFront) {
  EXPECT_EQ(GoMode("-rw-r--r--"), "-rw-r--r--");
  EXPECT_EQ(GoMode("-rwsr-xr-x"), "urwxr-xr-x");
  EXPECT_EQ(GoMode("-rwSr-sr-t"), "ugtrw-r-xr-x");
}

v1::FileRow Row(const char* search, const char* path, std::vector<const char*> matched = {}) {
  v1::FileRow row;
  row.set_search(search);
  row.set_path(path);
  row.set_size(25);
  row.set_mode("-rw-r--r--");
  row.mutable_mtime()->set_seconds(1'706'933'106);
  row.set_sha256("3c5dde7f");
  for (const char* filter : matched) row.add_matched(filter);
  return row;
}

TEST(MigFileTest, MatchallSearchListsAFileOnceWithTheWholeSearch) {
  const MigJson parameters = MigJson::parse(R"({"searches": {
      "s1": {"paths": ["/d"], "names": ["\\.txt$"], "contents": ["^hello"],
             "options": {"matchall": true, "returnsha256": true}},
      "none": {"paths": ["/d"], "names": ["zzz"], "options": {"matchall": true}}}})");
  const auto elements = Named("file").NewElements(parameters);
  elements->Add(Row("s1", "/d/a.txt"));
  EXPECT_EQ(elements->Elements().dump(),
            R"({"none":[{"file":"","search":{"paths":["/d"],"names":["zzz"],"options":{)"
            R"("maxdepth":0,"maxerrors":0,"matchall":true,"macroal":false,"mismatch":null,)"
            R"("matchlimit":0}},"fileinfo":{"size":0,"mode":"","lastmodified":""}}],)"
            R"("s1":[{"file":"/d/a.txt","search":{"paths":["/d"],"contents":["^hello"],)"
            R"("names":["\\.txt$"],"options":{"maxdepth":0,"maxerrors":0,"matchall":true,)"
            R"("macroal":false,"mismatch":null,"matchlimit":0,"returnsha256":true}},)"
            R"("fileinfo":{"size":25,"mode":"-rw-r--r--",)"
            R"("lastmodified":"2024-02-03 04:05:06 +0000 UTC","sha256":"3C5DDE7F"}}]})");
  MigStatistics statistics;
  statistics.items_examined = 4;
  statistics.seconds = 0.0052781;
  EXPECT_EQ(elements->Statistics(statistics).dump(),
            R"({"filescount":4,"openfailed":0,"totalhits":1,"exectime":"5.2781ms"})");
}

TEST(MigFileTest, MatchanySearchListsAFileForEachFilterThatMatched) {
  const std::string longest(300, 'x');
  MigJson parameters = MigJson::parse(R"({"searches": {"s2": {"paths": ["/d"],
      "names": ["^a"], "contents": ["root"], "sizes": ["<1k"]}}})");
  parameters["searches"]["s2"]["names"].push_back(longest);
  const auto elements = Named("file").NewElements(parameters);
  const std::string cut = "name=" + longest.substr(0, 197) + "…";
  elements->Add(Row("s2", "/d/sub/a.txt", {"name=^a", cut.c_str(), "size=<=1k"}));
  const MigJson list = elements->Elements()["s2"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0]["search"]["names"], MigJson({"^a"}));
  EXPECT_EQ(list[0]["search"]["paths"], MigJson({"/d/sub"}));
  EXPECT_EQ(list[1]["search"]["names"], MigJson({longest}));
  EXPECT_EQ(list[2]["search"]["sizes"], MigJson({"<1k"})) << "as MIG has it";
  EXPECT_FALSE(list[2]["search"].contains("names"));
}

TEST(MigYaraTest, FlagsAreTakenApartAsAShellWould) {
  const absl::StatusOr<MigSearch> search = ReadMigFlags(
      R"(-path "/srv/a b" -path='/x' --name \.conf$ -content 'it is' -content "say \"x\\y\"" )"
      R"(-matchlimit=5 -macroal -matchall=true)");
  ASSERT_TRUE(search.ok()) << search.status();
  EXPECT_THAT(search->paths, ElementsAre("/srv/a b", "/x"));
  ASSERT_EQ(search->filters.size(), 3u);
  EXPECT_EQ(search->filters[0].mig, "it is");
  EXPECT_EQ(search->filters[1].mig, "say \"x\\y\"");
  EXPECT_EQ(search->filters[2].mig, "\\.conf$") << "a backslash that escapes nothing stays";
  EXPECT_EQ(search->match_limit, 5u);
  EXPECT_EQ(search->max_depth, 1000u);
  EXPECT_TRUE(search->match_all && search->macroal);
}

TEST(MigYaraTest, BadFlagsAreRefusedByName) {
  const auto refused = [](std::string_view flags) {
    return std::string(ReadMigFlags(flags).status().message());
  };
  EXPECT_THAT(refused("-path /x -nme y"), HasSubstr("-nme: unknown"));
  EXPECT_THAT(refused("/x"), HasSubstr("a flag was expected"));
  EXPECT_THAT(refused("-path"), HasSubstr("missing"));
  EXPECT_THAT(refused("-path '/x"), HasSubstr("is not closed"));
  EXPECT_THAT(refused("-path /x -verbose"), HasSubstr("-verbose"));
  EXPECT_THAT(refused("-path /x -maxdepth x"), HasSubstr("-maxdepth 'x'"));
  EXPECT_THAT(refused("-name x"), HasSubstr("paths: missing"));
}

TEST(MigYaraTest, RulesHoldBesidesTheOtherFilters) {
  const char* const all =
      R"({"yara": "rule r { condition: true }", "filesearch": "-path /d -name a -size <1k"})";
  const auto translated = Named("yara").TranslateParameters(MigJson::parse(all));
  ASSERT_TRUE(translated.ok()) << translated.status();
  const auto& one = dynamic_cast<const v1::FileParameters&>(**translated);
  ASSERT_EQ(one.searches_size(), 1);
  EXPECT_EQ(one.searches(0).yara(), "rule r { condition: true }");
  EXPECT_FALSE(one.searches(0).match_any());
  EXPECT_EQ(one.searches(0).match_limit(), 1000u);

  const char* const any =
      R"({"yara": "rule r { condition: true }", "filesearch": "-path /d -name a -size <1k -matchany"})";
  const auto split = Named("yara").TranslateParameters(MigJson::parse(any));
  ASSERT_TRUE(split.ok()) << split.status();
  const auto& two = dynamic_cast<const v1::FileParameters&>(**split);
  ASSERT_EQ(two.searches_size(), 2) << "any of the filters, and the rules";
  EXPECT_THAT(two.searches(0).names(), ElementsAre("a"));
  EXPECT_THAT(two.searches(1).names(), IsEmpty());
  EXPECT_THAT(two.searches(1).sizes(), ElementsAre("<=1k"));
  EXPECT_FALSE(two.searches(0).match_any() || two.searches(1).match_any());
}

TEST(MigYaraTest, AnswersInMigsForm) {
  const auto elements = Named("yara").NewElements(MigJson::object());
  EXPECT_EQ(elements->Elements().dump(), R"({"Matches":null})");
  v1::FileRow row = Row("s1", "/usr/bin/x");
  row.add_rules("a");
  row.add_rules("b");
  elements->Add(row);
  row.set_search("s2");
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(),
            R"({"Matches":[{"Object":"/usr/bin/x","MatchedRules":["a","b"]}]})");
}

TEST(MigYaraTest, NothingToScanIsRefused) {
  EXPECT_THAT(Refusal(R"({"yara": "rule r { condition: true }"})", "yara"),
              HasSubstr("filesearch: missing"));
  EXPECT_THAT(Refusal(R"({"filesearch": "-path /x"})", "yara"), HasSubstr("yara: missing"));
  EXPECT_THAT(Refusal(R"({"rules": ""})", "yara"), HasSubstr("rules: unknown"));
}

}  // namespace
}  // namespace file
}  // namespace dragnet
