// Advisories beside a pack, as the list that module pkg takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "console/packs/pack_loader.h"
#include "core/action.h"
#include "core/strings.h"
#include "modules/pkg/pkg.pb.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Pack(std::string_view vulnerable) {
  return StrCat("id: demo\ntitle: Demo\nchecks:\n  - id: a\n    title: A\n    severity: low\n",
                "    reference: x\n    remediation: x\n    module: pkg\n",
                "    parameters:\n      vulnerable: ", vulnerable, "\n    expect: not found\n");
}

std::string Advisory(std::string_view id, std::string_view ecosystem) {
  return StrCat(R"({"id":")", id, R"(","affected":[{"package":{"name":"p","ecosystem":")",
                ecosystem, R"("},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},)",
                R"({"fixed":"1.2"}]}]}]})");
}

struct Outcome {
  std::string list;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

Outcome Load(const std::map<std::string, std::string>& files) {
  static const ModuleCatalog modules{AllModules(), ModuleDescriptorSet};
  const PackFileSource source = [&](const std::string& path,
                                    size_t max_bytes) -> absl::StatusOr<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return absl::NotFoundError("no such file");
    if (found->second.size() > max_bytes) return absl::InvalidArgumentError("too large");
    return found->second;
  };
  Problems problems;
  std::map<std::string, bool> used;
  const auto pack = LoadPackFrom(source, "", "p.yaml",
                                 {.modules = modules, .now = absl::UnixEpoch()}, &used, &problems);
  Outcome outcome{.list = "", .errors = problems.ErrorLines(), .warnings = problems.WarningLines()};
  pkg::v1::PkgParameters parameters;
  if (pack.has_value() && parameters.ParseFromString(pack->parameters.checks(0).parameters()))
    outcome.list = parameters.vulnerable();
  return outcome;
}

TEST(PackAdvisoriesTest, OneFileOrSeveralBecomeAList) {
  const std::string a = Advisory("A-1", "Debian:12");
  const std::string b = Advisory("B-1", "npm");
  const Outcome one = Load({{"p.yaml", Pack("{advisories: a.json}")}, {"a.json", a}});
  EXPECT_THAT(one.errors, IsEmpty());
  EXPECT_THAT(one.warnings, IsEmpty());
  EXPECT_EQ(one.list, "A-1 dpkg-source@debian:12 p <1.2\n");
  const Outcome two = Load(
      {{"p.yaml", Pack("{advisories: [a.json, osv/b.json]}")}, {"a.json", a}, {"osv/b.json", b}});
  EXPECT_THAT(two.errors, IsEmpty());
  EXPECT_EQ(two.list, "A-1 dpkg-source@debian:12 p <1.2\nB-1 node p <1.2\n");
}

TEST(PackAdvisoriesTest, WhatTheListCantHoldIsAWarning) {
  const Outcome outcome = Load(
      {{"p.yaml", Pack("{advisories: a.json}")},
       {"a.json", StrCat("[", Advisory("A-1", "Debian:12"), ",", Advisory("A-2", "Maven"), "]")}});
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.warnings,
              ElementsAre(HasSubstr("p.yaml:11:32: checks[0].parameters.vulnerable.advisories: "
                                    "warning: left out: a.json: A-2: ")));
  EXPECT_EQ(outcome.list, "A-1 dpkg-source@debian:12 p <1.2\n");
}

TEST(PackAdvisoriesTest, MistakesAreReported) {
  EXPECT_THAT(Load({{"p.yaml", Pack("{advisories: a.json}")}}).errors,
              ElementsAre(HasSubstr("p.yaml:11:32: checks[0].parameters.vulnerable.advisories: "
                                    "a.json: no such file")));
  EXPECT_THAT(Load({{"p.yaml", Pack("{advisories: a.json}")}, {"a.json", "x"}}).errors,
              ElementsAre(HasSubstr("a.json: is neither OSV (JSON) nor OVAL (XML)")));
  EXPECT_THAT(Load({{"p.yaml", Pack("{advisories: ../a.json}")}}).errors,
              ElementsAre(HasSubstr("not within the directory of the pack")));
  EXPECT_THAT(Load({{"p.yaml", Pack("{advisories: a.json, file: b}")}}).errors,
              ElementsAre(HasSubstr("must be a text, {file: NAME}, or {advisories:")));
  EXPECT_THAT(Load({{"p.yaml", Pack("{advisories: []}")}}).errors,
              ElementsAre(HasSubstr("no advisory in the files")));
}

TEST(PackAdvisoriesTest, TheListMustFitIntoTheCheck) {
  std::string many = "[";
  for (int i = 0; i < 20'000; ++i)
    StrAppend(&many, i == 0 ? "" : ",", Advisory(StrCat("A-", i), "Debian:12"));
  many += "]";
  ASSERT_GT(many.size(), kMaxParameterBytes);
  EXPECT_THAT(Load({{"p.yaml", Pack("{advisories: a.json}")}, {"a.json", many}}).errors,
              ElementsAre(HasSubstr("at most 512")));
}

}  // namespace
}  // namespace dragnet::console
