// Proves each check of a shipped pack: on trees (or a running system) on which it must
// pass, and on ones on which it must not. `packs_test PACK…`; README.md says how cases are
// written.
#include <fnmatch.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "core/text.h"
#include "re2/re2.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"
#include "tests/harness/process.h"
#include "tests/packs/cases.h"

namespace dragnet::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kPacks = SHIPPED_PACKS;
const std::string kCases = PACK_CASES;

std::string PackFile(const std::string& pack) { return StrCat(kPacks, "/", pack, ".yaml"); }
std::string CasesFile(const std::string& pack) { return StrCat(kCases, "/", pack, ".yaml"); }

// Becomes process 1 of namespaces of its own, does what $1 says, and then becomes the rest of
// its arguments.
constexpr char kInNamespaces[] = "set -eu\nscript=$1\nshift\neval \"$script\"\nexec \"$@\"\n";
const std::vector<std::string>& Unshare() {
  static const auto& words = *new std::vector<std::string>{
      "/usr/bin/unshare", "--mount",      "--net",        "--uts",         "--ipc",  "--pid",
      "--fork",           "--mount-proc", "--kill-child", "--propagation", "private"};
  return words;
}

// Why there can be no namespaces; empty when there can.
const std::string& WhyNoNamespaces() {
  static const auto& why = *new std::string([] {
    std::vector<std::string> words = Unshare();
    words.push_back("/bin/true");
    const Finished finished = RunToEnd(words);
    return finished.status() == 0 ? "" : StrCat("this kernel gives no namespaces: ", finished.err);
  }());
  return why;
}

// The verdicts of a run, by check.
std::map<std::string, json> Verdicts(const Finished& finished) {
  std::map<std::string, json> verdicts;
  const json document = json::parse(finished.out, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded() || !document.contains("packs")) return verdicts;
  for (const json& pack : document["packs"])
    for (const json& check : pack["checks"]) verdicts[check["check"].get<std::string>()] = check;
  return verdicts;
}

Finished RunCase(const std::string& pack, const Case& one) {
  const TemporaryDirectory directory;
  const std::string tree = directory.path() + "/tree";
  MakeDirectory(tree);
  MakeTree(one.tree, tree);
  std::string pack_file = PackFile(pack);
  if (!one.pack_files.empty()) {
    const std::string packs = directory.path() + "/packs";
    CopyTree(kPacks, packs);
    for (const auto& [name, content] : one.pack_files) {
      MakeDirectory(fs::path(packs + "/" + name).parent_path());
      Write(packs + "/" + name, content);
    }
    pack_file = StrCat(packs, "/", pack, ".yaml");
  }

  Command command;
  if (one.setup.has_value()) {
    command.arguments = Unshare();
    for (const std::string& word : {std::string("/bin/sh"), std::string("-c"),
                                    std::string(kInNamespaces), std::string("setup"), *one.setup})
      command.arguments.push_back(word);
    command.environment.push_back("TREE=" + tree);
  }
  for (const std::string& word :
       {ProgramPath("dragnet"), std::string("check"), pack_file, std::string("--only"), one.check,
        std::string("--output"), std::string("json")})
    command.arguments.push_back(word);
  for (const std::string& variable : one.variables) {
    command.arguments.push_back("--set");
    command.arguments.push_back(variable);
  }
  if (!one.setup.has_value()) {
    command.arguments.push_back("--root");
    command.arguments.push_back(tree);
  }
  if (one.user.has_value()) {
    command.before_exec = [user = *one.user] {
      if (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0) ::_exit(127);
    };
  }
  return RunToEnd(command);
}

// What people need of a verdict: the whole has every column of ten rows.
std::string Told(const json& verdict) {
  std::string told =
      StrCat(verdict["status"].get<std::string>(), ": ", verdict["reason"].get<std::string>());
  if (!verdict["evidence"].empty()) {
    told += StrCat("\n", Shorten(verdict["evidence"][0].dump(), 2000));
  }
  return told;
}

bool Explains(const std::string& because, const json& verdict) {
  if (because.empty()) return true;
  const re2::RE2 pattern(because);
  EXPECT_TRUE(pattern.ok()) << because << ": " << pattern.error();
  if (re2::RE2::PartialMatch(verdict["reason"].get<std::string>(), pattern)) return true;
  return std::any_of(verdict["evidence"].begin(), verdict["evidence"].end(),
                     [&](const json& row) { return re2::RE2::PartialMatch(row.dump(), pattern); });
}

class CaseTest : public ::testing::Test {
 public:
  CaseTest(std::string pack, Case one) : pack_(std::move(pack)), case_(std::move(one)) {}

  void TestBody() override {
    if (!IsRoot()) GTEST_SKIP() << "needs root: trees have owners of their own";
    if (case_.setup.has_value() && !WhyNoNamespaces().empty()) GTEST_SKIP() << WhyNoNamespaces();
    const Finished finished = RunCase(pack_, case_);
    const std::map<std::string, json> verdicts = Verdicts(finished);
    const auto verdict = verdicts.find(case_.check);
    ASSERT_NE(verdict, verdicts.end()) << case_.place << ": no verdict\n"
                                       << finished.out << finished.err;
    EXPECT_EQ(verdict->second["status"], case_.verdict)
        << case_.place << ": " << Told(verdict->second) << "\n"
        << finished.err;
    EXPECT_TRUE(Explains(case_.because, verdict->second))
        << case_.place << ": not because of " << case_.because << ": " << Told(verdict->second);
  }

 private:
  const std::string pack_;
  const Case case_;
};

class CompleteTest : public ::testing::Test {
 public:
  CompleteTest(std::string pack, Cases cases) : pack_(std::move(pack)), cases_(std::move(cases)) {}

  void TestBody() override {
    const auto own = NeedValue(OwnChecks(Read(PackFile(pack_)), PackFile(pack_)), "read the pack");
    const std::set<std::string> checks(own.begin(), own.end());
    std::set<std::pair<std::string, std::string>> proved;
    for (const Case& one : cases_.cases) {
      proved.emplace(one.check, one.verdict);
      EXPECT_TRUE(checks.contains(one.check))
          << one.place << ": " << pack_ << " has no check " << one.check;
    }
    for (const std::string& check : checks) {
      for (const std::string verdict : {"pass", "fail"}) {
        EXPECT_TRUE(proved.contains({check, verdict}))
            << CasesFile(pack_) << ": there is no case in which " << check << " is " << verdict;
      }
    }
  }

 private:
  const std::string pack_;
  const Cases cases_;
};

// Where nothing is, nothing passes by accident.
class EmptyRootTest : public ::testing::Test {
 public:
  EmptyRootTest(std::string pack, std::vector<std::string> may_pass)
      : pack_(std::move(pack)), may_pass_(std::move(may_pass)) {}

  void TestBody() override {
    if (!IsRoot()) GTEST_SKIP() << "needs root, as the cases do";
    const TemporaryDirectory root;
    MakeTree({}, root.path());
    const Finished finished =
        RunToEnd({"dragnet", "check", PackFile(pack_), "--output", "json", "--root", root.path()});
    const std::map<std::string, json> verdicts = Verdicts(finished);
    ASSERT_FALSE(verdicts.empty()) << finished.out << finished.err;
    for (const std::string& id :
         NeedValue(OwnChecks(Read(PackFile(pack_)), PackFile(pack_)), "read the pack")) {
      const json& verdict = verdicts.at(id);
      const bool may_pass =
          std::any_of(may_pass_.begin(), may_pass_.end(), [&](const std::string& pattern) {
            return ::fnmatch(pattern.c_str(), id.c_str(), 0) == 0;
          });
      EXPECT_EQ(verdict["status"] == "pass", may_pass)
          << CasesFile(pack_) << ": pass_on_empty_root: " << id << ": " << Told(verdict);
    }
  }

 private:
  const std::string pack_;
  const std::vector<std::string> may_pass_;
};

// In --gtest_filter a - begins what is left out.
std::string TestName(std::string id) {
  std::replace(id.begin(), id.end(), '-', '_');
  return id;
}

void Register(const std::string& pack, const std::string& name,
              std::function<::testing::Test*()> make) {
  ::testing::RegisterTest(TestName(pack).c_str(), TestName(name).c_str(), nullptr, nullptr,
                          __FILE__, __LINE__, std::move(make));
}

void RegisterPack(const std::string& pack) {
  const std::string file = CasesFile(pack);
  const Cases cases = NeedValue(ParseCases(Read(file), file), "read the cases");
  Register(pack, "EveryCheckHasACaseThatPassesAndOneThatFails",
           [=] { return new CompleteTest(pack, cases); });
  Register(pack, "NothingPassesByAccident",
           [=] { return new EmptyRootTest(pack, cases.pass_on_empty_root); });
  for (const Case& one : cases.cases) {
    Register(pack, StrCat(one.check, "/", one.verdict, "/", one.number),
             [=] { return new CaseTest(pack, one); });
  }
}

}  // namespace
}  // namespace dragnet::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  // Trees have the modes that cases give them.
  ::umask(0022);
  for (int i = 1; i < argc; ++i) dragnet::testing::RegisterPack(argv[i]);
  return RUN_ALL_TESTS();
}
