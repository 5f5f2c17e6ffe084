#include "console/packs/pack_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "core/strings.h"
#include "modules/check/validate.h"

namespace dragnet::console {
namespace {

using check::v1::Check;
using check::v1::Expectation;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SampleParameters;
using ::testing::SizeIs;

using Files = std::map<std::string, std::string>;

constexpr std::string_view kHead = "id: demo\ntitle: Demo\n";

struct Outcome {
  std::optional<Pack> pack;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  std::map<std::string, bool> set_used;
};

Outcome Load(const Files& files, std::map<std::string, std::string> set = {}) {
  Outcome outcome;
  Problems problems;
  const PackFileSource source = [&](const std::string& path,
                                    size_t max_bytes) -> absl::StatusOr<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError(StrCat("open ", path, ": no such file"));
    if (found->second.size() > max_bytes) return absl::InvalidArgumentError("too large");
    return found->second;
  };
  const PackOptions options{
      .modules = testing::SampleCatalog(), .now = absl::UnixEpoch(), .set = std::move(set)};
  outcome.pack = LoadPackFrom(source, "", "p.yaml", options, &outcome.set_used, &problems);
  outcome.errors = problems.ErrorLines();
  outcome.warnings = problems.WarningLines();
  return outcome;
}

// A pack whose only check is these lines, from line 4, in column 5.
std::string WithCheck(std::string_view lines) {
  std::string text = StrCat(kHead, "checks:\n");
  bool first = true;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    StrAppend(&text, first ? "  - " : "    ", line, "\n");
    first = false;
  }
  return text;
}

constexpr std::string_view kTexts = "id: c\ntitle: C\nseverity: high\n";

// Texts take three lines; what is given begins in line 7.
Outcome LoadCheck(std::string_view lines) {
  return Load({{"p.yaml", WithCheck(StrCat(kTexts, lines))}});
}

Check CheckOf(const Outcome& outcome) {
  if (!outcome.pack.has_value()) {
    ADD_FAILURE() << ::testing::PrintToString(outcome.errors);
    return {};
  }
  return outcome.pack->parameters.checks(0);
}

SampleParameters ParametersIn(const Outcome& outcome) {
  SampleParameters parameters;
  EXPECT_TRUE(parameters.ParseFromString(CheckOf(outcome).parameters()));
  return parameters;
}

Expectation Expect(std::string_view expect) {
  return CheckOf(LoadCheck(StrCat("module: sample\nexpect: ", expect))).expectation();
}

TEST(PackLoaderTest, ReadsAWholePack) {
  const Outcome outcome = Load({{"p.yaml", R"(
id: ssh-demo
title: A demo
version: 1.2
checks:
  - id: one
    title: The first
    severity: critical
    reference: [CIS 5.1, "https://example.org/"]
    remediation: |
      Do this.
      And that.
    applies_when: os='linux'
    module: sample
    parameters:
      path: /etc
      searches:
        - name: [a, b]
          hash: sha2-256
          invert: true
          also: md5
      max_depth: 3
      offset: -4
      patience: 1h30m
      since: 2024-05-01T10:00:00Z
      label: {a: 1, b: x}
      magic: AAEC
      ratio: 0.5
      right: r
      unflattened: {name: n}
      list: {file: lists/l.txt}
    expect: {count: {where: size > 3, min: 1, max: 2}}
    limits: {wall_time: 30s, rows: 10}
  - {id: two.b, title: T, severity: low, command: "sample --path '/a b' -n x", expect: not found}
)"},
                                {"lists/l.txt", "listed"}});
  ASSERT_TRUE(outcome.pack.has_value()) << ::testing::PrintToString(outcome.errors);
  const auto& pack = outcome.pack->parameters;
  EXPECT_EQ(pack.pack(), "ssh-demo");
  EXPECT_EQ(pack.version(), "1.2");
  ASSERT_EQ(pack.checks_size(), 2);
  const Check& one = pack.checks(0);
  EXPECT_EQ(one.id(), "one");
  EXPECT_EQ(one.severity(), "critical");
  EXPECT_THAT(one.references(), ElementsAre("CIS 5.1", "https://example.org/"));
  EXPECT_EQ(one.remediation(), "Do this.\nAnd that.");
  EXPECT_EQ(one.applies_when(), "os='linux'");
  EXPECT_EQ(one.limits().wall_time().seconds(), 30);
  EXPECT_EQ(one.limits().rows(), 10U);
  EXPECT_EQ(one.expectation().kind(), Expectation::KIND_COUNT);
  EXPECT_EQ(one.expectation().where(), "size > 3");
  EXPECT_EQ(one.expectation().min(), 1U);
  EXPECT_EQ(one.expectation().max(), 2U);
  EXPECT_EQ(outcome.pack->places[0].ToString(), "p.yaml:6:5");

  const SampleParameters parameters = ParametersIn(outcome);
  EXPECT_THAT(parameters.path(), ElementsAre("/etc"));
  EXPECT_THAT(parameters.searches(0).name(), ElementsAre("a", "b"));
  EXPECT_EQ(parameters.searches(0).hash(), testing::SAMPLE_HASH_SHA2_256);
  EXPECT_TRUE(parameters.searches(0).invert());
  EXPECT_EQ(parameters.searches(0).also(0), testing::SAMPLE_HASH_MD5);
  EXPECT_EQ(parameters.max_depth(), 3U);
  EXPECT_EQ(parameters.offset(), -4);
  EXPECT_EQ(parameters.patience().seconds(), 5400);
  EXPECT_EQ(parameters.since().seconds(), 1714557600);
  EXPECT_EQ(parameters.label().at("a"), "1");
  EXPECT_EQ(parameters.magic(), std::string("\0\1\2", 3));
  EXPECT_EQ(parameters.ratio(), 0.5);
  EXPECT_EQ(parameters.right(), "r");
  EXPECT_THAT(parameters.unflattened().name(), ElementsAre("n"));
  EXPECT_EQ(parameters.list(), "listed");

  SampleParameters words;
  ASSERT_TRUE(words.ParseFromString(pack.checks(1).parameters()));
  EXPECT_THAT(words.path(), ElementsAre("/a b"));
  EXPECT_THAT(words.searches(0).name(), ElementsAre("x"));
}

TEST(PackLoaderTest, TheSamePackIsTheSameBytes) {
  const Files files = {
      {"p.yaml", WithCheck(StrCat(kTexts,
                                  "module: sample\nparameters: {label: {a: 1, b: 2, c: 3}}"
                                  "\nexpect: found"))}};
  EXPECT_EQ(Load(files).pack->parameters.SerializeAsString(),
            Load(files).pack->parameters.SerializeAsString());
}

TEST(PackLoaderTest, WhatIsExpected) {
  EXPECT_EQ(Expect("found").kind(), Expectation::KIND_FOUND);
  EXPECT_EQ(Expect("not found").kind(), Expectation::KIND_NOT_FOUND);
  EXPECT_EQ(Expect("{found: size > 1}").where(), "size > 1");
  EXPECT_EQ(Expect("{not_found: size > 1}").kind(), Expectation::KIND_NOT_FOUND);
  EXPECT_EQ(Expect("{all: size > 1}").kind(), Expectation::KIND_ALL);
  EXPECT_EQ(Expect("{all: size > 1}").min(), 1U);
  EXPECT_EQ(Expect("{all: size > 1, at_least: 0}").min(), 0U);
  EXPECT_EQ(Expect("{count: 0}").kind(), Expectation::KIND_COUNT);
  EXPECT_TRUE(Expect("{count: 0}").has_max());
  EXPECT_FALSE(Expect("{count: {min: 2}}").has_max());
  EXPECT_EQ(Expect("{count: {min: 2}}").min(), 2U);
}

struct Mistake {
  const char* lines;
  const char* error;
};

TEST(PackLoaderTest, MistakesInACheckAreReportedWhereTheyAre) {
  for (const Mistake& mistake : std::initializer_list<Mistake>{
           {"module: sample\nexpct: found",
            "p.yaml:8:5: checks[0].expct: unknown key; did you mean expect?"},
           {"module: sample\nexpect: found\nwhatever: 1",
            "p.yaml:9:5: checks[0].whatever: unknown key; allowed: id, title, severity"},
           {"module: sample", "p.yaml:4:5: checks[0]: the key expect is missing"},
           {"expect: found", "p.yaml:4:5: checks[0]: needs an operation"},
           {"module: sample\ncommand: sample\nexpect: found",
            "p.yaml:4:5: checks[0]: has a module and a command"},
           {"command: sample\nparameters: {}\nexpect: found",
            "p.yaml:8:17: checks[0].parameters: only with module"},
           {"module: sampel\nexpect: found",
            "p.yaml:7:13: checks[0].module: no such module: \"sampel\"; did you mean sample?"},
           {"module: check\nexpect: found", "p.yaml:7:13: checks[0].module: no such module"},
           {"module: [sample]\nexpect: found", "p.yaml:7:13: checks[0].module: no such module"},
           {"module: sample\nmodule: sample\nexpect: found",
            "p.yaml:8:5: module: this key comes twice"},
           {"module: sample\nexpect: fuond",
            "p.yaml:8:13: checks[0].expect: \"fuond\" is not found, not found,"},
           {"module: sample\nexpect: [found]", "p.yaml:8:13: checks[0].expect: must be found"},
           {"module: sample\nexpect: {}", "p.yaml:8:13: checks[0].expect: must be found"},
           {"module: sample\nexpect: {found: a, all: b}",
            "p.yaml:8:13: checks[0].expect: has found and all: one of them"},
           {"module: sample\nexpect: {found: size > 1, at_least: 2}",
            "p.yaml:8:41: checks[0].expect.at_least: only with all"},
           {"module: sample\nexpect: {found: sise > 1}", "p.yaml:8:21: checks[0].expect: "},
           {"module: sample\nexpect: {count: {where: sise > 1, min: 1}}",
            "p.yaml:8:29: checks[0].expect: "},
           {"module: sample\nexpect: {count: many}",
            "p.yaml:8:21: checks[0].expect.count: must be a whole number"},
           {"module: sample\nexpect: {count: {}}",
            "p.yaml:8:21: checks[0].expect.count: needs min, max"},
           {"module: sample\nexpect: {count: {min: 3, max: 2}}",
            "p.yaml:8:13: checks[0].expect.max: below min"},
           {"module: sample\nexpect: {count: {min: 0}}",
            "p.yaml:8:13: checks[0].expect: a count without"},
           {"module: sample\nexpect: found\napplies_when: oz = 'linux'",
            "p.yaml:9:19: checks[0].applies_when: "},
           {"module: sample\nexpect: found\nremediation: [a]",
            "p.yaml:9:18: checks[0].remediation: must be a single value, not a list"},
           {"module: sample\nexpect: found\nreference: {a: b}",
            "p.yaml:9:16: checks[0].reference: must be a single value or a list"},
           {"module: sample\nexpect: found\nlimits: {wall_time: 30}",
            "p.yaml:9:25: checks[0].limits.wall_time: \"30\" is not a duration"},
           {"module: sample\nexpect: found\nlimits: {wall_time: 25h}",
            "p.yaml:9:25: checks[0].limits.wall_time: must be from 1s to 24h"},
           {"module: sample\nexpect: found\nlimits: {cpu: 1}",
            "p.yaml:9:14: checks[0].limits.cpu: unknown key"},
           {"module: sample\nexpect: found\nparameters: [a]",
            "p.yaml:9:17: checks[0].parameters: must be a mapping of path, searches"},
           {"module: sample\nexpect: found\nparameters: {pth: /etc}",
            "p.yaml:9:18: checks[0].parameters.pth: unknown key; did you mean path?"},
           {"module: sample\nexpect: found\nparameters: {maxDepth: 1}",
            "p.yaml:9:18: checks[0].parameters.maxDepth: unknown key; did you mean max_depth?"},
           {"module: sample\nexpect: found\nparameters: {path: [/etc, [a]]}",
            "p.yaml:9:31: checks[0].parameters.path[1]: a list is not a text"},
           {"module: sample\nexpect: found\nparameters: {max_depth: -1}",
            "p.yaml:9:29: checks[0].parameters.max_depth: \"-1\" is not a whole number of at least "
            "0"},
           {"module: sample\nexpect: found\nparameters: {searches: [{invert: yes}]}",
            "p.yaml:9:38: checks[0].parameters.searches[0].invert: \"yes\" is not true or false"},
           {"module: sample\nexpect: found\nparameters: {searches: [{hash: md6}]}",
            "p.yaml:9:36: checks[0].parameters.searches[0].hash: \"md6\" is not one of: md5, "
            "sha2-256; did you mean md5?"},
           {"module: sample\nexpect: found\nparameters: {since: yesterday}",
            "p.yaml:9:25: checks[0].parameters.since: \"yesterday\" is not a time like"},
           {"module: sample\nexpect: found\nparameters: {magic: '***'}",
            "p.yaml:9:25: checks[0].parameters.magic: \"***\" is not base64"},
           {"module: sample\nexpect: found\nparameters: {ratio: .inf}",
            "p.yaml:9:25: checks[0].parameters.ratio: "},
           {"module: sample\nexpect: found\nparameters: {left: a, right: b}",
            "p.yaml:9:34: checks[0].parameters.right: can't be given together with left"},
           {"module: sample\nexpect: found\nparameters: {list: {file: nowhere}}",
            "p.yaml:9:31: checks[0].parameters.list.file: nowhere: open nowhere: no such file"},
           {"module: sample\nexpect: found\nparameters: {list: {file: ../x}}",
            "p.yaml:9:31: checks[0].parameters.list.file: ../x: not within the directory"},
           {"module: sample\nexpect: found\nparameters: {list: {file: /etc/shadow}}",
            "checks[0].parameters.list.file: /etc/shadow: not within the directory"},
           {"module: sample\nexpect: found\nparameters: {secret_knob: {file: p.yaml}}",
            "checks[0].parameters.secret_knob: a mapping is not a text"},
           {"module: sample\nexpect: found\nparameters: {searches: [{name: [a, 'b(']}]}",
            "checks[0].parameters: name[1] 'b(' misses a closing )"},
           {"command: \"sample --pth /etc\"\nexpect: found",
            "p.yaml:7:14: checks[0].command: --pth: no such flag of the module; did you mean "
            "--path?"},
           {"command: sample --path\nexpect: found",
            "p.yaml:7:14: checks[0].command: --path: needs a value"},
           {"command: sample --invert=1\nexpect: found",
            "checks[0].command: --invert: takes no value"},
           {"command: sample --max-depth 1 --max-depth 2\nexpect: found",
            "checks[0].command: --max-depth: given twice"},
           {"command: sample /etc\nexpect: found", "checks[0].command: unexpected word /etc"},
           {"command: \"sample --path 'x\"\nexpect: found", "p.yaml:7:14: checks[0].command: "},
           {"command: ''\nexpect: found", "p.yaml:7:14: checks[0].command: must be a module"},
           {"command: sampl\nexpect: found",
            "checks[0].command: no such module: \"sampl\"; did you mean sample?"},
           {"command: sample -n 'b('\nexpect: found",
            "p.yaml:7:14: checks[0].command: --name 'b(' misses a closing )"},
           {"command: sample --list nowhere\nexpect: found",
            "checks[0].command: --list: nowhere: open nowhere: no such file"},
       }) {
    const Outcome outcome = LoadCheck(mistake.lines);
    EXPECT_FALSE(outcome.pack.has_value()) << mistake.lines;
    EXPECT_THAT(outcome.errors, Contains(HasSubstr(mistake.error))) << mistake.lines;
  }
}

TEST(PackLoaderTest, MistakesInAPackAreReportedWhereTheyAre) {
  constexpr const char* kGood =
      "checks: [{id: c, title: C, severity: low, module: sample, expect: found}]\n";
  for (const auto& [text, error] : std::initializer_list<std::pair<std::string, const char*>>{
           {"[]", "p.yaml:1:1: must be a mapping of id, title"},
           {"just text", "p.yaml:1:1: must be a mapping of id, title"},
           {StrCat("title: x\n", kGood), "p.yaml:1:1: the key id is missing"},
           {StrCat("id: Bad_Id\ntitle: x\n", kGood), "p.yaml:1:5: id: 1 to 64 characters"},
           {StrCat("id: x\ntitle: \"a\\nb\"\n", kGood), "p.yaml:2:8: title: one line"},
           {StrCat("id: x\ntitle: x\nversion: {}\n", kGood), "p.yaml:3:10: version: must be"},
           {StrCat(kHead, "checkz: []\n"), "p.yaml:3:1: checkz: unknown key; did you mean checks?"},
           {std::string(kHead), "p.yaml: checks: none"},
           {StrCat(kHead, "checks: {}\n"), "p.yaml:3:9: checks: must be a list, not a mapping"},
           {StrCat(kHead, "checks: [x]\n"), "p.yaml:3:10: checks[0]: must be a mapping of id"},
           {StrCat(kHead, "variables: [x]\n", kGood), "p.yaml:3:12: variables: must be a mapping"},
           {StrCat(kHead, "variables: {a-b: 1}\n", kGood), "p.yaml:3:13: variables.a-b: a name is"},
           {StrCat(kHead, "variables: {a: {b: c}}\n", kGood),
            "p.yaml:3:16: variables.a: must be a"},
           {StrCat(kHead, "variables: {a: ~}\n", kGood),
            "p.yaml:3:13: variables.a: has no default and must be set: --set a="},
           {StrCat(kHead, "include: [{file: a, onyl: x}]\n"),
            "p.yaml:3:21: include[0].onyl: unknown key; did you mean only?"},
           {StrCat(kHead, "include: [/etc/passwd]\n"),
            "p.yaml:3:11: include[0]: /etc/passwd: only files within the directory"},
           {StrCat(kHead, "include: ../x.yaml\n"), "include[0]: ../x.yaml: only files within"},
           {StrCat(kHead, "include: p.yaml\n"), "include[0]: p.yaml: includes itself"},
           {StrCat(kHead, "include: nowhere.yaml\n"),
            "p.yaml:3:10: include[0]: open nowhere.yaml: no such file"},
       }) {
    const Outcome outcome = Load({{"p.yaml", text}});
    EXPECT_FALSE(outcome.pack.has_value()) << text;
    EXPECT_THAT(outcome.errors, Contains(HasSubstr(error))) << text;
  }
}

TEST(PackLoaderTest, TextsAndSeverityOfACheckAreBounded) {
  for (const auto& [texts, error] : std::initializer_list<std::pair<std::string, const char*>>{
           {"id: C\ntitle: C\nseverity: low", "p.yaml:4:9: checks[0].id: 1 to 64 characters"},
           {"id: c\ntitle: ''\nseverity: low", "p.yaml:5:12: checks[0].title: missing"},
           {StrCat("id: c\ntitle: ", std::string(201, 'x'), "\nseverity: low"),
            "p.yaml:5:12: checks[0].title: 201 bytes, at most 200"},
           {"id: c\ntitle: C\nseverity: hgih",
            "p.yaml:6:15: checks[0].severity: \"hgih\" is not one of: low, medium, high, critical; "
            "did you mean high?"},
           {StrCat("id: c\ntitle: C\nseverity: low\nreference: ", std::string(201, 'x')),
            "p.yaml:7:16: checks[0].reference: 201 bytes"},
           {StrCat("id: c\ntitle: C\nseverity: low\nremediation: ", std::string(2049, 'x')),
            "p.yaml:7:18: checks[0].remediation: 2049 bytes"}}) {
    const Outcome outcome =
        Load({{"p.yaml", WithCheck(StrCat(texts, "\nmodule: sample\nexpect: found"))}});
    EXPECT_THAT(outcome.errors, ElementsAre(HasSubstr(error))) << texts;
  }
}

TEST(PackLoaderTest, AllThatIsWrongIsReportedAtOnceUpToABound) {
  const Outcome several = Load({{"p.yaml", R"(id: demo
title: Demo
nonsense: 1
checks:
  - {id: a, title: A, severity: hi, module: sample, expect: found}
  - {id: b, title: '', severity: low, module: sample, expect: {found: nothing_such = 1}}
  - {id: b, title: B, severity: low, module: sample, parameters: {max_depth: x, ratio: y}, expect: found}
)"}});
  EXPECT_THAT(several.errors,
              ElementsAre(HasSubstr("nonsense"), HasSubstr(":5:33: checks[0].severity"),
                          HasSubstr(":6:20: checks[1].title: missing"),
                          HasSubstr(":6:71: checks[1].expect: "),
                          HasSubstr("checks[2].parameters.max_depth"),
                          HasSubstr("checks[2].parameters.ratio"),
                          HasSubstr("another check has this id: p.yaml:6:5")));
  std::string many = StrCat(kHead, "checks:\n");
  for (int i = 0; i < 30; ++i) many += "  - x\n";
  const Outcome bounded = Load({{"p.yaml", many}});
  ASSERT_EQ(bounded.errors.size(), kMaxProblems + 1);
  EXPECT_EQ(bounded.errors.back(), "and 10 more");
}

TEST(PackLoaderTest, VariablesKeepTheirTypeWhereTheyAreTheWholeValue) {
  const std::string text = StrCat(kHead, R"(variables:
  where: /etc
  depth: 3
  names: [a, "b"]
  deeper: ${where}/ssh
checks:
  - id: c
    title: Look in ${where}, for $5 or $$5, $${where}
    severity: low
    module: sample
    parameters: {path: ["${deeper}", "x${depth}y"], max_depth: "${depth}", searches: {name: "${names}"}}
    expect: {count: {max: "${depth}"}}
)");
  const Outcome outcome = Load({{"p.yaml", text}});
  const SampleParameters parameters = ParametersIn(outcome);
  EXPECT_THAT(parameters.path(), ElementsAre("/etc/ssh", "x3y"));
  EXPECT_EQ(parameters.max_depth(), 3U);
  EXPECT_THAT(parameters.searches(0).name(), ElementsAre("a", "b"));
  EXPECT_EQ(CheckOf(outcome).title(), "Look in /etc, for $5 or $5, ${where}");
  EXPECT_EQ(CheckOf(outcome).expectation().max(), 3U);

  const Outcome set = Load({{"p.yaml", text}}, {{"where", "/opt"}, {"names", "x,y,z"}});
  EXPECT_THAT(ParametersIn(set).path(0), "/opt/ssh");
  EXPECT_THAT(ParametersIn(set).searches(0).name(), ElementsAre("x", "y", "z"));
  EXPECT_TRUE(set.set_used.contains("where"));
  EXPECT_FALSE(Load({{"p.yaml", text}}, {{"nothing", "1"}}).set_used.contains("nothing"));
  EXPECT_THAT(Load({{"p.yaml", text}}, {{"depth", "deep"}}).errors,
              Contains(HasSubstr("checks[0].parameters.max_depth: \"deep\" is not")));
}

TEST(PackLoaderTest, AChecksNeedsMakeItInapplicableWhereTheyAreEmpty) {
  const std::string pack = StrCat(kHead, R"(variables: {list: "", paths: [], mode: x}
checks:
  - {id: a, title: A, severity: low, needs: list, applies_when: "os = 'linux'", module: sample, expect: found}
  - {id: b, title: B, severity: low, needs: [mode, paths], module: sample, expect: found}
  - {id: c, title: C, severity: low, needs: mode, applies_when: "os = 'linux'", module: sample, expect: found}
)");
  const auto applies = [&](std::map<std::string, std::string> set) {
    const Outcome outcome = Load({{"p.yaml", pack}}, std::move(set));
    EXPECT_THAT(outcome.errors, IsEmpty());
    std::vector<std::string> conditions;
    if (!outcome.pack.has_value()) return conditions;
    for (const Check& check : outcome.pack->parameters.checks())
      conditions.push_back(check.applies_when());
    return conditions;
  };
  EXPECT_THAT(applies({}),
              ElementsAre("'variable list' = 'set'", "'variable paths' = 'set'", "os = 'linux'"));
  EXPECT_THAT(applies({{"list", "x"}, {"paths", "a,b"}}),
              ElementsAre("os = 'linux'", "", "os = 'linux'"));
  EXPECT_THAT(Load({{"p.yaml", StrCat(kHead, R"(variables: {list: ""}
checks:
  - {id: a, title: A, severity: low, needs: lists, module: sample, expect: found}
)")}}).errors,
              Contains(AllOf(HasSubstr("p.yaml:5:"), HasSubstr("checks[0].needs"),
                             HasSubstr("did you mean list?"))));
}

TEST(PackLoaderTest, WhatIsNoVariableIsAnErrorWithItsPlace) {
  const Outcome outcome = Load({{"p.yaml", StrCat(kHead, R"(variables: {names: [a, b], used: 1}
checks:
  - {id: c, title: "${usd}", severity: low, module: sample, expect: found, remediation: "x ${names}"}
)")}});
  EXPECT_THAT(outcome.errors,
              ElementsAre(HasSubstr("p.yaml:5:20: checks[0].title: ${usd}: variables: has no such "
                                    "name; did you mean used?"),
                          HasSubstr("checks[0].remediation: ${names} is a list")));
}

TEST(PackLoaderTest, VariablesCantMakeAPackGrowWithoutBound) {
  std::string text = StrCat(kHead, "variables:\n  big: ", std::string(500'000, 'x'),
                            "\nchecks:\n  - id: c\n    title: C\n    severity: low\n    module: "
                            "sample\n    expect: found\n    parameters:\n      path: [");
  for (int i = 0; i < 1000; ++i) text += "\"${big}${big}\",";
  const Outcome outcome = Load({{"p.yaml", text + "x]\n"}});
  EXPECT_THAT(outcome.errors, Contains(HasSubstr("variables make the pack too large")));
}

constexpr std::string_view kIncluded = R"(id: inner
title: Inner
variables: {where: /inner, depth: 1}
checks:
  - {id: in-a, title: "A ${where}", severity: low, module: sample, parameters: {path: "${where}", max_depth: "${depth}"}, expect: found}
  - {id: in-b, title: B, severity: low, module: sample, expect: found}
)";

std::vector<std::string> Ids(const Outcome& outcome) {
  std::vector<std::string> ids;
  EXPECT_TRUE(outcome.pack.has_value()) << ::testing::PrintToString(outcome.errors);
  if (!outcome.pack.has_value()) return ids;
  for (const Check& check : outcome.pack->parameters.checks()) ids.push_back(check.id());
  return ids;
}

Outcome LoadWithInclude(std::string_view include, std::map<std::string, std::string> set = {}) {
  return Load(
      {{"p.yaml", StrCat(kHead, "variables: {base: /outer}\ninclude:\n", include,
                         "checks:\n  - {id: own, title: \"${base}\", severity: low, module: "
                         "sample, expect: found}\n")},
       {"sub/inner.yaml", std::string(kIncluded)}},
      std::move(set));
}

TEST(PackLoaderTest, IncludedChecksComeFirstAndCanBeChosen) {
  EXPECT_THAT(Ids(LoadWithInclude("  - sub/inner.yaml\n")), ElementsAre("in-a", "in-b", "own"));
  EXPECT_THAT(Ids(LoadWithInclude("  - {file: ./sub/../sub/inner.yaml, only: in-a}\n")),
              ElementsAre("in-a", "own"));
  EXPECT_THAT(
      Ids(LoadWithInclude("  - {file: sub/inner.yaml, only: [\"in-*\"], except: [in-a]}\n")),
      ElementsAre("in-b", "own"));
  const Outcome outcome =
      LoadWithInclude("  - {file: sub/inner.yaml, severity: {in-b: critical}}\n");
  EXPECT_EQ(outcome.pack->parameters.checks(1).severity(), "critical");
  EXPECT_EQ(outcome.pack->parameters.checks(0).severity(), "low");
  EXPECT_EQ(outcome.pack->places[0].ToString(), "sub/inner.yaml:5:5");
}

TEST(PackLoaderTest, VariablesOfAnIncludedFileComeFromOutside) {
  const auto title = [](const Outcome& outcome) { return CheckOf(outcome).title(); };
  EXPECT_EQ(title(LoadWithInclude("  - sub/inner.yaml\n")), "A /inner");
  const std::string passed =
      "  - {file: sub/inner.yaml, variables: {where: \"${base}/x\", depth: 7}}\n";
  EXPECT_EQ(title(LoadWithInclude(passed)), "A /outer/x");
  EXPECT_EQ(ParametersIn(LoadWithInclude(passed)).max_depth(), 7U);
  EXPECT_EQ(title(LoadWithInclude(passed, {{"where", "/set"}})), "A /set");
}

TEST(PackLoaderTest, MistakesInIncludesAreReported) {
  for (const auto& [include, error] : std::initializer_list<std::pair<const char*, const char*>>{
           {"  - {file: sub/inner.yaml, only: [in-x]}\n",
            "p.yaml:5:35: include[0].only: the included file has no check \"in-x\"; did you mean"},
           {"  - {file: sub/inner.yaml, except: [nothing]}\n", "include[0].except: the included"},
           {"  - {file: sub/inner.yaml, severity: {in-a: worst}}\n",
            "include[0].severity.in-a: \"worst\" is not one of"},
           {"  - {file: sub/inner.yaml, severity: {nothing: low}}\n", "include[0].severity: the"},
           {"  - {file: sub/inner.yaml, variables: {wher: 1}}\n",
            "p.yaml:5:40: variables.wher: the included file has no such variable; did you mean "
            "where?"},
           {"  - {file: sub/inner.yaml, variables: [a]}\n",
            "include[0].variables: must be a mapping"},
           {"  - sub/inner.yaml\n  - sub/inner.yaml\n",
            "sub/inner.yaml:5:5: in-a: another check has this id: sub/inner.yaml:5:5"}}) {
    EXPECT_THAT(LoadWithInclude(include).errors, Contains(HasSubstr(error))) << include;
  }
}

TEST(PackLoaderTest, IncludesAreBoundedInDepthAndNumber) {
  Files circle = {{"p.yaml", StrCat(kHead, "include: b/c.yaml\n")},
                  {"b/c.yaml", StrCat(kHead, "include: ../p.yaml\n")}};
  EXPECT_THAT(Load(circle).errors,
              ElementsAre(HasSubstr("b/c.yaml:3:10: include[0]: ../p.yaml: includes itself: p.yaml "
                                    "> b/c.yaml > p.yaml")));
  Files chain;
  for (int i = 0; i < 12; ++i) {
    chain[i == 0 ? "p.yaml" : StrCat(i, ".yaml")] = StrCat(kHead, "include: ", i + 1, ".yaml\n");
  }
  EXPECT_THAT(Load(chain).errors,
              ElementsAre("8.yaml:3:10: include[0]: includes more than 8 deep"));
  // Each file includes the next twice.
  Files doubling;
  for (int i = 0; i < 8; ++i) {
    doubling[i == 0 ? "p.yaml" : StrCat(i, ".yaml")] =
        StrCat(kHead, "include: [", i + 1, ".yaml, ", i + 1, ".yaml]\n");
  }
  doubling["8.yaml"] = std::string(kHead);
  EXPECT_THAT(Load(doubling).errors, ElementsAre(HasSubstr("more than 64 files")));
}

TEST(PackLoaderTest, WhatLooksForgottenIsAWarning) {
  const Outcome outcome = Load({{"p.yaml", StrCat(kHead, R"(variables: {unused: 1}
checks:
  - {id: c, title: C, severity: low, module: sample, expect: found}
)")}});
  EXPECT_TRUE(outcome.pack.has_value());
  EXPECT_THAT(outcome.warnings,
              ElementsAre("p.yaml:5:5: checks[0]: warning: has no reference",
                          "p.yaml:5:5: checks[0]: warning: has no remediation",
                          "p.yaml:3:13: variables.unused: warning: is used nowhere in this file"));
}

TEST(PackLoaderTest, ConditionsOverWhatMayBeMissingAreAWarning) {
  const auto warnings = [](std::string_view expect) {
    std::vector<std::string> columns;
    for (const std::string& line :
         LoadCheck(StrCat("reference: x\nremediation: x\nmodule: sample\nexpect: ", expect))
             .warnings)
      columns.push_back(line.substr(0, line.find(" is NULL")));
    return columns;
  };
  const auto about = [](std::string_view column, int place) {
    return StrCat("p.yaml:10:", place, ": checks[0].expect: warning: ", column);
  };
  EXPECT_THAT(warnings("{all: \"links > 3 and size > 1 and Owner_Name <> 'links'\"}"),
              ElementsAre(about("links", 19), about("owner.name", 19)));
  for (const char* condition : {"modified < '2027-01-01'", "age > 3.5", "\\\"owner.uid\\\" > 0",
                                "coalesce(size, 0) > 3 and links > 1"})
    EXPECT_THAT(warnings(StrCat("{not_found: \"", condition, "\"}")), SizeIs(1)) << condition;
  EXPECT_THAT(warnings("{count: {where: links > 3, max: 2}}"), SizeIs(1));
  // It says what then, or the value is always there, or to find one is all that is asked.
  for (const char* expect :
       {"{all: \"links is null or links > 3\"}", "{all: \"links IS NOT NULL and links > 3\"}",
        "{all: \"ifnull( links, 0) > 3\"}", "{all: \"links notnull and links > 3\"}",
        "{all: \"links not null and links > 3\"}", "{not_found: \"path = 'links' and size > 3\"}",
        "{not_found: \"notes like '%a%' or hidden or entropy > 3 or digest = 'aa'\"}",
        "{found: links > 3}", "{count: {where: links > 3, min: 2}}", "not found"})
    EXPECT_THAT(warnings(expect), IsEmpty()) << expect;
}

TEST(PackLoaderTest, ErrorsAreSafeToShow) {
  const Outcome outcome = LoadCheck("module: \"a\\e[31m\\u202e\"\nexpect: found");
  EXPECT_THAT(outcome.errors, ElementsAre(AllOf(HasSubstr("\\x1b[31m"), HasSubstr("\\u202e"))));
}

}  // namespace
}  // namespace dragnet::console
