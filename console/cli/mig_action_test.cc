// MIG's actions: what becomes of each file that MIG published, what is refused,
// and the way from a file to a launched action.
#include "console/cli/mig_action.h"

#include <gmock/gmock.h>

#include <map>

#include "console/investigation/action_builder.h"
#include "console/testing/console_fixture.h"
#include "core/file_io.h"
#include "modules/mig.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Outcome;
using ::testing::SizeIs;

ModuleCatalog RealModules() { return {AllModules(), ModuleDescriptorSet, AllMigModules()}; }

std::string Published(const std::string& name) {
  const absl::StatusOr<std::string> json = ReadFile(StrCat(MIG_ACTIONS, "/", name));
  EXPECT_TRUE(json.ok()) << json.status();
  return json.value_or("");
}

absl::StatusOr<MigAction> Translated(std::string_view json) {
  BlobContents blobs;
  return ActionFromMig(json, RealModules(), true, &blobs);
}

std::string Refusal(std::string_view json) {
  const auto action = Translated(json);
  EXPECT_FALSE(action.ok());
  return std::string(action.status().message());
}

// The modules that the operations of a published action need.
std::vector<std::string> ModulesOf(const std::string& name) {
  std::vector<std::string> modules;
  const MigJson action = MigJson::parse(Published(name));
  for (const MigJson& operation : action["operations"])
    modules.push_back(operation["module"].get<std::string>());
  return modules;
}

TEST(MigPublishedActionsTest, EachIsTranslatedOrRefusedByName) {
  const std::map<std::string, std::string> targets = {
      {"endpoints_with_high_uptime.json", "os='linux'"},
      {"glibc_ubuntu_cve-2015-0235.json", ""},
      {"integration_tests.json", "os='linux'"},
      {"linux-backdoor-kanada-team-short.json", "os='linux'"},
      {"linux-backdoor.json", "os='linux'"},
      {"linux-botcode.json", "os='linux'"},
      {"shellshock_iocs.json", "os in ('linux','darwin') and 'daemon'='daemon'"},
      {"sshd_backdoor.json", "os='linux'"},
  };
  for (const auto& [name, target] : targets) {
    SCOPED_TRACE(name);
    const ModuleCatalog modules = RealModules();
    BlobContents blobs;
    absl::StatusOr<MigAction> action = ActionFromMig(Published(name), modules, true, &blobs);
    std::string missing;
    for (const std::string& module : ModulesOf(name))
      if (missing.empty() && modules.FindMig(module) == nullptr) missing = module;
    if (!missing.empty()) {
      ASSERT_FALSE(action.ok());
      EXPECT_THAT(action.status().message(), HasSubstr(StrCat("module ", missing)));
      continue;
    }
    ASSERT_TRUE(action.ok()) << action.status();
    if (!target.empty()) {
      EXPECT_EQ(action->action.target(), target);
    }
    EXPECT_EQ(action->action.operations_size(), static_cast<int>(ModulesOf(name).size()));
    // What the worker refuses is refused here.
    const absl::Status complete = CompleteAction("fleet-0123456789ab", absl::Now(), std::nullopt,
                                                 modules, blobs, &action->action);
    EXPECT_TRUE(complete.ok()) << complete;
  }
}

TEST(MigPublishedActionsTest, WhatActsOnMigsAgentsIsRefused) {
  const std::string json = Published("example_v2.json");
  if (RealModules().FindMig("netstat") != nullptr) {
    EXPECT_THAT(Refusal(json), HasSubstr("operations[2]: module agentdestroy"));
  }
  EXPECT_THAT(Refusal(R"({"name": "x", "target": "true", "syntaxversion": 2,
                          "operations": [{"module": "agentdestroy", "parameters": {}}]})"),
              HasSubstr("only look"));
}

TEST(MigPublishedActionsTest, ScribeDocumentAloneIsNoAction) {
  EXPECT_THAT(Refusal(Published("glibc-CVE-2015-7547-noreboot-scribe.json")),
              HasSubstr("\"scribedoc\": DOCUMENT"));
}

// An action of one operation of module file, with more keys.
std::string WithKeys(std::string_view more) {
  return StrCat(R"({"name": "n", "target": "os='linux'", "syntaxversion": 2, "operations": [)"
                R"({"module": "file", "parameters": {"searches": {"s": {"paths": ["/etc"]}}}}])",
                more, "}");
}

TEST(MigActionTest, FieldsHaveTheirPlaces) {
  const auto action =
      Translated(WithKeys(R"(, "description": {"author": "J V", "email": "j@x", "url": "http://u",
                   "revision": 201402241100.0},
                   "threat": {"ref": "bug1", "level": "high", "family": "f", "type": "t"},
                   "validfrom": "2024-02-03T04:05:06Z", "expireafter": "0001-01-01T00:00:00Z",
                   "pgpsignatures": ["x"], "investigators": [], "counters": {}, "id": 0)"));
  ASSERT_TRUE(action.ok()) << action.status();
  EXPECT_EQ(action->action.description(), "By J V <j@x>, revision 201402241100, http://u");
  EXPECT_EQ(action->action.threat().reference(), "bug1");
  EXPECT_EQ(action->action.threat().level(), "high");
  EXPECT_EQ(action->action.not_before().seconds(), 1'706'933'106);
  EXPECT_FALSE(action->action.has_expires()) << "the zero time is none";
  EXPECT_EQ(action->action.operations(0).module(), "file");
  EXPECT_THAT(action->notes, ElementsAre(HasSubstr("MIG's signers: pgpsignatures")));
}

TEST(MigActionTest, CompressedParametersAreRead) {
  // gzip of {"searches":{"s":{"paths":["/etc"]}}}
  const std::string packed =
      "H4sIAAAAAAACA6tWKk5NLErOSC1WsqpWAhMFiSUZQEa0kn5qSbJSbG1tLQB/A7amJQAAAA==";
  const auto with = [](std::string_view parameters) {
    return Translated(StrCat(R"({"name": "n", "target": "true", "syntaxversion": 2, )"
                             R"("operations": [{"module": "file", "is_compressed": true, )"
                             R"("want_compressed": true, "parameters": )",
                             parameters, "}]}"))
        .status();
  };
  EXPECT_TRUE(with(StrCat("\"", packed, "\"")).ok()) << with(StrCat("\"", packed, "\""));
  EXPECT_THAT(with("{}").message(), HasSubstr("parameters: is_compressed, but no text"));
  EXPECT_THAT(with("\"!\"").message(), HasSubstr("not in base64"));
  EXPECT_THAT(with("\"aGVsbG8=\"").message(), HasSubstr("not whole in gzip"));
}

TEST(MigActionTest, WhatIsNotUnderstoodIsRefusedByName) {
  EXPECT_THAT(Refusal(WithKeys(", \"colour\": 1")), HasSubstr("colour: unknown"));
  EXPECT_THAT(Refusal(WithKeys(", \"threat\": {\"lvl\": \"x\"}")), HasSubstr("threat.lvl"));
  EXPECT_THAT(Refusal(WithKeys(", \"description\": {\"by\": \"x\"}")), HasSubstr("description.by"));
  EXPECT_THAT(Refusal(WithKeys(", \"validfrom\": \"soon\"")), HasSubstr("validfrom 'soon'"));
  EXPECT_THAT(Refusal(WithKeys(", \"name\": \"twice\"")), HasSubstr("\"name\" comes twice"));
  EXPECT_THAT(Refusal("{\"syntaxversion\": 1}"), HasSubstr("only 2 is read"));
  EXPECT_THAT(Refusal("{\"name\": \"x\"}"), HasSubstr("syntaxversion: missing"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal("{"), HasSubstr("parse error"));
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasSubstr("error"));
  EXPECT_THAT(Refusal(StrCat("{\"x\": ", std::string(100, '['), std::string(100, ']'), "}")),
              HasSubstr("nested deeper"));
  const auto operation = [](std::string_view json) {
    return Refusal(StrCat(R"({"syntaxversion": 2, "operations": [)", json, "]}"));
  };
  EXPECT_THAT(operation(R"({"module": "connected", "parameters": {}})"),
              HasSubstr("operations[0]: module connected: MIG's old name"));
  EXPECT_THAT(operation(R"({"module": "filechecker", "parameters": {}})"), HasSubstr("old name"));
  EXPECT_THAT(operation(R"({"module": "nope"})"), HasSubstr("module nope: has no counterpart"));
  EXPECT_THAT(operation(R"({"parameters": {}})"), HasSubstr("module: missing"));
  EXPECT_THAT(operation(R"({"module": "file", "params": {}})"), HasSubstr("params: unknown"));
  EXPECT_THAT(operation(R"({"module": "file"})"), HasSubstr("searches: missing"));
  EXPECT_THAT(operation(R"({"module": "file", "parameters": {"/etc": {}}})"),
              HasSubstr("operations[0]: module file: '/etc'"));
}

class RunMigTest : public testing::ConsoleTest {
 protected:
  RunMigTest() {
    scheduler_->agents = {Agent("web1", "id1")};
    scheduler_->streams = {{RowEvent(1, "web1", {Row("/etc/passwd")}), EndEvent(Progress(1))}};
  }
  static std::string Json(std::string_view more = "") {
    return StrCat(R"({"name": "old one", "target": "agents.queueloc like 'linux.%' and )"
                  R"(status='online'", "syntaxversion": 2, "pgpsignatures": ["p"], "operations": [)"
                  R"({"module": "oldsample", "parameters": {"paths": ["/etc"]}},)"
                  R"({"module": "oldsample", "parameters": {"paths": ["/usr"]}}])",
                  more, "}");
  }
};

TEST_F(RunMigTest, ActionIsShownSignedAndLaunchedLikeAnyOther) {
  const Outcome outcome = Dragnet({"run", "--mig", "-", "--yes"}, std::nullopt, Json());
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("MIG's signers: pgpsignatures"));
  EXPECT_THAT(outcome.err, HasSubstr("status is left out"));
  EXPECT_THAT(outcome.err, HasSubstr("path: /etc"));
  ASSERT_THAT(scheduler_->launched, SizeIs(1));
  const v1::Action action =
      *ParseAction(ParseEnvelope(scheduler_->launched[0], kActionPayloadType)->payload());
  EXPECT_EQ(action.name(), "old one");
  EXPECT_EQ(action.target(), "os='linux' and true");
  ASSERT_EQ(action.operations_size(), 2);
  EXPECT_EQ(action.operations(1).module(), "sample");
}

TEST_F(RunMigTest, TargetThatHasNoCounterpartCanBeGiven) {
  const std::string json = R"({"name": "n", "target": "version='1'", "syntaxversion": 2,
      "operations": [{"module": "oldsample", "parameters": {}}]})";
  const Outcome refused = Dragnet({"run", "--mig", "-", "--yes"}, std::nullopt, json);
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("-: target: version: MIG's own"));
  EXPECT_THAT(refused.err, HasSubstr("--target"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
  const Outcome given =
      Dragnet({"run", "--mig", "-", "-t", "os='linux'", "--yes"}, std::nullopt, json);
  EXPECT_EQ(given.status, 0) << given.err;
}

TEST_F(RunMigTest, WindowOfAnEarlierRunIsRefusedUnlessAnotherIsGiven) {
  const std::string json =
      Json(R"(, "validfrom": "2015-01-01T00:00:00Z", "expireafter": "2015-01-02T00:00:00Z")");
  const Outcome over = Dragnet({"run", "--mig", "-", "--yes"}, std::nullopt, json);
  EXPECT_EQ(over.status, 2);
  EXPECT_THAT(over.err, HasSubstr("in the past"));
  const Outcome again =
      Dragnet({"run", "--mig", "-", "--expires", "5m", "--yes"}, std::nullopt, json);
  EXPECT_EQ(again.status, 0) << again.err;
}

}  // namespace
}  // namespace dragnet::console
