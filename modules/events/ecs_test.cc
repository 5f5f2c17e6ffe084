#include "modules/events/ecs.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/action.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/check/check.pb.h"
#include "modules/events/cursor.h"
#include "modules/events/row_fields.h"
#include "modules/file/file.pb.h"
#include "modules/manifest.h"
#include "modules/memory/memory.pb.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/persistence/persistence.pb.h"
#include "modules/ping/ping.pb.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/scribe/scribe.pb.h"
#include "modules/sshkey/sshkey.pb.h"
#include "modules/timedrift/timedrift.pb.h"
#include "modules/tls/tls.pb.h"

namespace dragnet::events {
namespace {

using nlohmann::json;

enum Type { kKeyword, kLong, kDate, kIp, kTexts, kIps };

// The fields of ECS 8.11 that are used here, with the types that it gives them.
const std::map<std::string, Type>& EcsFields() {
  static const auto* const fields = new std::map<std::string, Type>{
      {"@timestamp", kDate},
      {"agent.id", kKeyword},
      {"agent.name", kKeyword},
      {"agent.type", kKeyword},
      {"agent.version", kKeyword},
      {"container.id", kKeyword},
      {"destination.address", kKeyword},
      {"destination.ip", kIp},
      {"destination.port", kLong},
      {"ecs.version", kKeyword},
      {"error.message", kKeyword},
      {"event.action", kKeyword},
      {"event.category", kTexts},
      {"event.created", kDate},
      {"event.dataset", kKeyword},
      {"event.id", kKeyword},
      {"event.ingested", kDate},
      {"event.kind", kKeyword},
      {"event.module", kKeyword},
      {"event.outcome", kKeyword},
      {"event.reason", kKeyword},
      {"event.start", kDate},
      {"event.type", kTexts},
      {"file.accessed", kDate},
      {"file.created", kDate},
      {"file.ctime", kDate},
      {"file.directory", kKeyword},
      {"file.extension", kKeyword},
      {"file.gid", kKeyword},
      {"file.group", kKeyword},
      {"file.hash.sha256", kKeyword},
      {"file.mode", kKeyword},
      {"file.mtime", kDate},
      {"file.name", kKeyword},
      {"file.owner", kKeyword},
      {"file.path", kKeyword},
      {"file.size", kLong},
      {"file.type", kKeyword},
      {"file.uid", kKeyword},
      {"host.architecture", kKeyword},
      {"host.hostname", kKeyword},
      {"host.id", kKeyword},
      {"host.ip", kIps},
      {"host.name", kKeyword},
      {"host.os.kernel", kKeyword},
      {"host.os.name", kKeyword},
      {"host.os.platform", kKeyword},
      {"host.os.type", kKeyword},
      {"host.os.version", kKeyword},
      {"message", kKeyword},
      {"network.transport", kKeyword},
      {"network.type", kKeyword},
      {"package.architecture", kKeyword},
      {"package.installed", kDate},
      {"package.name", kKeyword},
      {"package.path", kKeyword},
      {"package.size", kLong},
      {"package.type", kKeyword},
      {"package.version", kKeyword},
      {"process.command_line", kKeyword},
      {"process.executable", kKeyword},
      {"process.name", kKeyword},
      {"process.parent.pid", kLong},
      {"process.pid", kLong},
      {"process.start", kDate},
      {"process.user.id", kKeyword},
      {"process.user.name", kKeyword},
      {"related.hash", kTexts},
      {"related.hosts", kTexts},
      {"related.ip", kIps},
      {"related.user", kTexts},
      {"rule.category", kKeyword},
      {"rule.description", kKeyword},
      {"rule.id", kKeyword},
      {"rule.name", kKeyword},
      {"rule.reference", kKeyword},
      {"rule.ruleset", kKeyword},
      {"rule.version", kKeyword},
      {"source.ip", kIp},
      {"source.port", kLong},
      {"threat.software.name", kKeyword},
      {"tls.client.server_name", kKeyword},
      {"tls.server.issuer", kKeyword},
      {"tls.server.not_after", kDate},
      {"tls.server.not_before", kDate},
      {"tls.server.subject", kKeyword},
      {"tls.server.x509.public_key_algorithm", kKeyword},
      {"tls.server.x509.public_key_curve", kKeyword},
      {"tls.server.x509.public_key_size", kLong},
      {"tls.server.x509.signature_algorithm", kKeyword},
      {"user.name", kKeyword},
  };
  return *fields;
}

const std::map<std::string, std::set<std::string>>& AllowedWords() {
  static const auto* const words = new std::map<std::string, std::set<std::string>>{
      {"event.kind",
       {"alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"}},
      {"event.category",
       {"api",      "authentication", "configuration", "database",      "driver",
        "email",    "file",           "host",          "iam",           "intrusion_detection",
        "library",  "malware",        "network",       "package",       "process",
        "registry", "session",        "threat",        "vulnerability", "web"}},
      {"event.type",
       {"access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied",
        "end", "error", "group", "indicator", "info", "installation", "protocol", "start", "user"}},
      {"event.outcome", {"success", "failure", "unknown"}},
      {"host.os.type", {"linux", "macos", "unix", "windows", "ios", "android"}},
  };
  return *words;
}

bool Fits(const json& value, Type type) {
  switch (type) {
    case kKeyword:
      return value.is_string();
    case kLong:
      return value.is_number_integer();
    case kDate: {
      absl::Time time;
      std::string error;
      return value.is_string() &&
             absl::ParseTime(absl::RFC3339_full, value.get<std::string>(), &time, &error);
    }
    case kIp:
      return value.is_string() && value.get<std::string>().find('%') == std::string::npos;
    case kTexts:
    case kIps:
      if (!value.is_array() || value.empty()) return false;
      for (const json& item : value)
        if (!item.is_string()) return false;
      return true;
  }
  return false;
}

void CheckAgainstSchema(const json& object, const std::string& prefix) {
  for (const auto& [name, value] : object.items()) {
    const std::string field = prefix + name;
    if (field == "dragnet") continue;
    if (value.is_object()) {
      CheckAgainstSchema(value, field + ".");
      continue;
    }
    const auto known = EcsFields().find(field);
    ASSERT_NE(known, EcsFields().end()) << field << " is no field of ECS";
    EXPECT_TRUE(Fits(value, known->second)) << field << ": " << value;
    const auto words = AllowedWords().find(field);
    if (words == AllowedWords().end()) continue;
    for (const json& word : value.is_array() ? value : json::array({value}))
      EXPECT_TRUE(words->second.contains(word)) << field << ": " << word;
  }
}

// What every event must have, and every field with its type.
json Checked(const std::string& line) {
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(IsValidUtf8(line));
  const json event = json::parse(line);
  for (const char* field : {"kind", "module", "dataset", "action", "id"})
    EXPECT_TRUE(event["event"].contains(field)) << field << " in " << line;
  EXPECT_TRUE(event.contains("@timestamp"));
  EXPECT_EQ(event["ecs"]["version"], kEcsVersion);
  CheckAgainstSchema(event, "");
  return event;
}

class EcsTest : public ::testing::Test {
 protected:
  std::vector<json> Map(const v1::TailEvent& event) {
    std::vector<json> events;
    const absl::Status status = mapper_.Map(event, &facts_, [&](const std::string& line) {
      events.push_back(Checked(line));
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return events;
  }

  v1::TailEvent Event() const {
    v1::TailEvent event;
    event.set_cursor(FormatCursor({.store = 0xabc, .position = 41, .removal = 1}));
    event.set_action_id(kAction);
    *event.mutable_stored_at() = ToTimestamp(absl::FromUnixMillis(1'800'000'000'123));
    return event;
  }

  v1::TailEvent RowsOf(const std::string& module, const std::vector<std::string>& rows) const {
    v1::TailEvent event = Event();
    event.mutable_rows()->set_agent_id(kAgent);
    event.mutable_rows()->set_agent_name("web-1");
    event.mutable_rows()->set_module(module);
    for (const std::string& row : rows) event.mutable_rows()->add_rows(row);
    return event;
  }

  json MapRow(const std::string& module, const google::protobuf::Message& row) {
    const std::vector<json> events = Map(RowsOf(module, {row.SerializeAsString()}));
    EXPECT_EQ(events.size(), 1U);
    return events.empty() ? json() : events[0];
  }

  void SetUp() override {
    facts_.set_os("linux");
    facts_.set_distribution("debian");
    facts_.set_distribution_version("12");
    facts_.set_kernel("6.1.0");
    facts_.set_arch("x86_64");
    facts_.set_version("0.1.0");
    facts_.add_addresses("192.0.2.7");
    facts_.add_addresses("not an address");
  }

  static constexpr char kAction[] = "01890000-0000-7000-8000-000000000001";
  static constexpr char kAgent[] = "01890000-0000-7000-8000-0000000000aa";
  EcsMapper mapper_;
  v1::Facts facts_;
};

TEST_F(EcsTest, EveryModuleOfThisBuildHasItsFields) {
  for (const ModuleManifest* manifest : AllManifests())
    EXPECT_NE(FindModuleEvents(manifest->name), nullptr) << manifest->name;
}

TEST_F(EcsTest, EveryMappingIsFromAFieldThatIsThereToOneOfEcs) {
  for (const ModuleEvents& module : AllModuleEvents())
    for (const FieldMapping& mapping : module.fields) {
      EXPECT_NE(
          module.prototype()->GetDescriptor()->FindFieldByName(std::string(mapping.row_field)),
          nullptr)
          << module.module << " " << mapping.row_field;
      EXPECT_TRUE(EcsFields().contains(std::string(mapping.ecs_field))) << mapping.ecs_field;
    }
}

TEST_F(EcsTest, FileRow) {
  file::v1::FileRow row;
  row.set_path("/etc/cron.d/evil.sh");
  row.set_size(uint64_t{5} << 32);
  row.set_mode("-rwsr-xr-x");
  row.set_type("file");
  row.set_owner("root");
  row.set_uid(0);
  row.mutable_mtime()->set_seconds(1'700'000'000);
  row.set_sha256(std::string(64, 'a'));
  row.add_matched("name=evil");
  const json event = MapRow("file", row);
  EXPECT_EQ(event["event"]["id"], "0000000000000abc-41-0");
  EXPECT_EQ(event["event"]["dataset"], "dragnet.file");
  EXPECT_EQ(event["event"]["category"], json::array({"file"}));
  EXPECT_EQ(event["@timestamp"], "2027-01-15T08:00:00.123Z");
  EXPECT_EQ(event["file"]["path"], "/etc/cron.d/evil.sh");
  EXPECT_EQ(event["file"]["name"], "evil.sh");
  EXPECT_EQ(event["file"]["directory"], "/etc/cron.d");
  EXPECT_EQ(event["file"]["extension"], "sh");
  EXPECT_EQ(event["file"]["size"], uint64_t{5} << 32);
  EXPECT_EQ(event["file"]["mode"], "4755");
  EXPECT_EQ(event["file"]["uid"], "0");
  EXPECT_EQ(event["file"]["hash"]["sha256"], std::string(64, 'a'));
  EXPECT_EQ(event["related"]["hash"], json::array({std::string(64, 'a')}));
  EXPECT_EQ(event["dragnet"]["file"]["matched"], json::array({"name=evil"}));
  EXPECT_EQ(event["host"]["name"], "web-1");
  EXPECT_EQ(event["host"]["os"]["version"], "12");
  EXPECT_EQ(event["host"]["ip"], json::array({"192.0.2.7"}));
  EXPECT_EQ(event["agent"]["id"], kAgent);
  EXPECT_EQ(event["agent"]["type"], "dragnet");
}

TEST_F(EcsTest, MemoryRow) {
  memory::v1::MemoryRow row;
  row.set_pid(4242);
  row.set_name("nginx");
  row.set_exe("/usr/sbin/nginx");
  row.set_command_line("nginx -g 'daemon off;'");
  row.set_user("www-data");
  row.set_parent(1);
  const json event = MapRow("memory", row);
  EXPECT_EQ(event["process"]["pid"], 4242);
  EXPECT_EQ(event["process"]["executable"], "/usr/sbin/nginx");
  EXPECT_EQ(event["process"]["command_line"], "nginx -g 'daemon off;'");
  EXPECT_EQ(event["process"]["user"]["name"], "www-data");
  EXPECT_EQ(event["process"]["parent"]["pid"], 1);
}

TEST_F(EcsTest, NetstatRow) {
  netstat::v1::NetstatRow row;
  row.set_kind("socket");
  row.set_protocol("tcp6");
  row.set_local_address("fe80::1%eth0");
  row.set_local_port(443);
  row.set_remote_address("2001:db8::1");
  row.set_remote_port(55555);
  row.set_process("nc");
  row.set_pid(7);
  const json event = MapRow("netstat", row);
  EXPECT_EQ(event["source"]["ip"], "fe80::1");
  EXPECT_EQ(event["source"]["port"], 443);
  EXPECT_EQ(event["destination"]["ip"], "2001:db8::1");
  EXPECT_EQ(event["network"]["transport"], "tcp");
  EXPECT_EQ(event["process"]["name"], "nc");
  EXPECT_EQ(event["related"]["ip"], json::array({"fe80::1", "2001:db8::1"}));
}

TEST_F(EcsTest, PkgRow) {
  pkg::v1::PkgRow row;
  row.set_name("openssl");
  row.set_version("3.0.11-1");
  row.set_arch("amd64");
  row.set_type("dpkg");
  const json event = MapRow("pkg", row);
  EXPECT_EQ(event["package"]["name"], "openssl");
  EXPECT_EQ(event["package"]["version"], "3.0.11-1");
  EXPECT_EQ(event["package"]["architecture"], "amd64");
}

TEST_F(EcsTest, PersistenceRow) {
  persistence::v1::PersistenceRow row;
  row.set_path("/etc/cron.d/x");
  row.set_command("/tmp/x");
  row.set_user("root");
  row.set_sha256("ab");
  row.set_package("cron");
  const json event = MapRow("persistence", row);
  EXPECT_EQ(event["event"]["category"], json::array({"configuration"}));
  EXPECT_EQ(event["file"]["path"], "/etc/cron.d/x");
  EXPECT_EQ(event["file"]["hash"]["sha256"], "ab");
  EXPECT_EQ(event["process"]["command_line"], "/tmp/x");
  EXPECT_EQ(event["process"]["user"]["name"], "root");
  EXPECT_EQ(event["package"]["name"], "cron");
}

TEST_F(EcsTest, OtherModules) {
  sshkey::v1::SshkeyRow key;
  key.set_path("/root/.ssh/id_rsa");
  key.set_sha256("SHA256:abc");
  EXPECT_EQ(MapRow("sshkey", key)["file"]["path"], "/root/.ssh/id_rsa");
  EXPECT_FALSE(MapRow("sshkey", key)["file"].contains("hash"));
  ping::v1::PingRow ping;
  ping.set_destination("updates.example.com");
  ping.set_address("192.0.2.1");
  ping.set_port(443);
  ping.set_protocol("tcp");
  EXPECT_EQ(MapRow("ping", ping)["destination"]["ip"], "192.0.2.1");
  timedrift::v1::TimedriftRow drift;
  drift.set_server("ntp.example.com");
  EXPECT_EQ(MapRow("timedrift", drift)["destination"]["address"], "ntp.example.com");
  tls::v1::TlsRow tls;
  tls.set_address("192.0.2.1");
  tls.set_port(443);
  tls.set_key_bits(2048);
  const json service = MapRow("tls", tls);
  EXPECT_EQ(service["destination"]["port"], 443);
  EXPECT_EQ(service["tls"]["server"]["x509"]["public_key_size"], 2048);
  scribe::v1::ScribeRow scribe;
  scribe.set_test("t1");
  EXPECT_EQ(MapRow("scribe", scribe)["dragnet"]["scribe"]["test"], "t1");
}

TEST_F(EcsTest, ARowThatIsNoneIsAnEventAllTheSame) {
  const std::vector<json> events =
      Map(RowsOf("file", {"\x0a\xff not protobuf", std::string(70'000, 'x'), std::string()}));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0]["event"]["kind"], "pipeline_error");
  EXPECT_EQ(events[0]["event"]["id"], "0000000000000abc-41-0");
  EXPECT_TRUE(events[0]["dragnet"].contains("row_base64"));
  EXPECT_EQ(events[1]["event"]["kind"], "pipeline_error");
  EXPECT_EQ(events[2]["event"]["kind"], "event");
  EXPECT_EQ(events[2]["event"]["id"], "0000000000000abc-41-2");
}

TEST_F(EcsTest, RowsOfAModuleFromTheFutureAreEventsWithTheirBytes) {
  const std::vector<json> events = Map(RowsOf("quantum\x1b[2J", {"abc"}));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["event"]["kind"], "pipeline_error");
  EXPECT_EQ(events[0]["dragnet"]["row_base64"], "YWJj");
}

TEST_F(EcsTest, ARowThatGrowsTooLargeSaysSo) {
  // Two bytes on the wire become many in JSON.
  std::string bytes;
  for (int i = 0; i < 30'000; ++i) bytes.append("\x6a\x00", 2);  // empty MatchedLines
  const std::vector<json> events = Map(RowsOf("file", {bytes}));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_LE(events[0].dump().size(), kMaxEventBytes);
  EXPECT_EQ(events[0]["event"]["kind"], "pipeline_error");
}

TEST_F(EcsTest, NestingThatGoesOnForEverIsRefused) {
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes.push_back('\x73');  // group 14, never ended
  EXPECT_FALSE(ParseRow(*FindModuleEvents("file"), bytes).ok());
}

TEST_F(EcsTest, HostileTextForgesNeitherLineNorTerminal) {
  file::v1::FileRow row;
  row.set_path("/tmp/\"},\n{\"event\":\x1b[2J\x7f\xc2\x9b\xe2\x80\xae");
  const std::string name = "web\n\x1b]0;x";
  v1::TailEvent event = RowsOf("file", {row.SerializeAsString()});
  event.mutable_rows()->set_agent_name(name);
  std::vector<std::string> lines;
  ASSERT_TRUE(mapper_
                  .Map(event, nullptr,
                       [&](std::string line) {
                         lines.push_back(std::move(line));
                         return absl::OkStatus();
                       })
                  .ok());
  ASSERT_EQ(lines.size(), 1U);
  for (const unsigned char c : lines[0]) EXPECT_TRUE(c >= 0x20 && c != 0x7f) << int{c};
  for (const char* raw : {"\xc2\x9b", "\xe2\x80\xae"})
    EXPECT_EQ(lines[0].find(raw), std::string::npos);
  const json parsed = Checked(lines[0]);
  EXPECT_EQ(parsed["file"]["path"], row.path());
  EXPECT_EQ(parsed["host"]["name"], name);
}

TEST_F(EcsTest, InvalidUtf8OfAHostBecomesValidJson) {
  v1::TailEvent event = RowsOf("file", {std::string("\x0a\x02\xff\xfe", 4)});
  const std::vector<json> events = Map(event);
  ASSERT_EQ(events.size(), 1U);
}

TEST_F(EcsTest, StatesOfAgents) {
  v1::TailEvent event = Event();
  v1::AgentState* state = event.mutable_agent_state();
  state->set_agent_id(kAgent);
  state->set_agent_name("web-1");
  state->set_state(v1::DISPATCH_STATE_REFUSED);
  state->mutable_refusal()->set_detail("not for me");
  json refused = Map(event).at(0);
  EXPECT_EQ(refused["event"]["action"], "agent-refused");
  EXPECT_EQ(refused["event"]["outcome"], "failure");
  EXPECT_EQ(refused["error"]["message"], "not for me");
  state->clear_refusal();
  for (int number = v1::DispatchState_MIN; number <= v1::DispatchState_MAX; ++number) {
    state->set_state(static_cast<v1::DispatchState>(number));
    EXPECT_EQ(Map(event).size(), 1U);
  }
}

TEST_F(EcsTest, AnActionThatDoesNotParseIsStillToldOf) {
  v1::TailEvent event = Event();
  event.mutable_action()->set_action_id(kAction);
  event.mutable_action()->set_envelope("garbage");
  event.mutable_action()->add_signed_by("ida");
  *event.mutable_action()->mutable_launched_at() =
      ToTimestamp(absl::FromUnixSeconds(1'800'000'000));
  const json action = Map(event).at(0);
  EXPECT_EQ(action["event"]["action"], "action-launched");
  EXPECT_EQ(action["user"]["name"], "ida");
  EXPECT_EQ(action["event"]["id"], StrCat("0000000000000abc-action-", kAction));
  // Those that follow know who signed it.
  EXPECT_EQ(Map(RowsOf("file", {""})).at(0)["user"]["name"], "ida");
}

TEST_F(EcsTest, WhatWasStoredBeforeTimesWereKeptHasTheTimeOfItsAction) {
  v1::TailEvent action = Event();
  action.mutable_action()->set_action_id(kAction);
  *action.mutable_action()->mutable_launched_at() =
      ToTimestamp(absl::FromUnixSeconds(1'700'000'000));
  Map(action);
  v1::TailEvent event = RowsOf("file", {""});
  event.clear_stored_at();
  EXPECT_EQ(Map(event).at(0)["@timestamp"], "2023-11-14T22:13:20.000Z");
}

TEST_F(EcsTest, AGapIsAnEvent) {
  const json gap = Checked(EcsMapper::GapEvent(FormatCursor({.position = 3}), "it is gone",
                                               absl::FromUnixSeconds(1'800'000'000)));
  EXPECT_EQ(gap["event"]["kind"], "pipeline_error");
  EXPECT_EQ(gap["event"]["action"], "events-missing");
  EXPECT_EQ(gap["error"]["message"], "it is gone");
}

TEST_F(EcsTest, ASinkThatFailsEndsIt) {
  int lines = 0;
  const absl::Status status =
      mapper_.Map(RowsOf("file", {"", "", ""}), nullptr, [&](const std::string&) {
        ++lines;
        return absl::ResourceExhaustedError("full");
      });
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(lines, 1);
}

// ---- checks

class CheckEventsTest : public EcsTest {
 protected:
  // A sweep of one pack, known to the mapper.
  void SetUp() override {
    EcsTest::SetUp();
    check::v1::CheckParameters pack;
    pack.set_pack("cis-debian");
    pack.set_version("12.1");
    check::v1::Check* check = pack.add_checks();
    check->set_id("ssh-root");
    check->set_title("root may not log in by ssh");
    check->set_severity("high");
    check->add_references("CIS 5.2.10");
    check->add_references("https://example.org/5.2.10");
    check->set_remediation("set PermitRootLogin no");
    check->set_module("file");
    v1::Action action;
    action.set_id(kAction);
    action.set_fleet_id("test-0123456789ab");
    action.set_name("daily");
    action.set_target("true");
    *action.mutable_not_before() = ToTimestamp(absl::FromUnixSeconds(1'800'000'000));
    *action.mutable_expires() = ToTimestamp(absl::FromUnixSeconds(1'800'100'000));
    action.mutable_recurrence()->set_cron("@daily");
    action.mutable_recurrence()->set_time_zone("UTC");
    action.add_operations()->set_module("check");
    action.mutable_operations(0)->set_parameters(pack.SerializeAsString());
    launched_ = Event();
    launched_.mutable_action()->set_action_id(kAction);
    launched_.mutable_action()->set_envelope(
        NewEnvelope(kActionPayloadType, action.SerializeAsString()).SerializeAsString());
  }
  v1::TailEvent Changed(std::string_view to) const {
    v1::TailEvent event = Event();
    v1::SweepChange* change = event.mutable_sweep_change();
    change->set_action_id(kAction);
    change->set_agent_id(kAgent);
    change->set_agent_name("web-1");
    change->set_check("ssh-root");
    change->set_from("pass");
    change->set_to(std::string(to));
    change->set_reason("expected no row, found 1");
    *change->mutable_occurrence() = ToTimestamp(absl::FromUnixSeconds(1'800'003'600));
    return event;
  }
  static check::v1::Verdict VerdictOf(std::string_view status) {
    check::v1::Verdict verdict;
    verdict.set_check("ssh-root");
    verdict.set_status(std::string(status));
    verdict.set_title("what a host says\x1b[2J");
    verdict.set_reason("expected no row, found 1");
    return verdict;
  }
  std::vector<json> MapToMig(const v1::TailEvent& event) {
    std::vector<json> items;
    EXPECT_TRUE(mapper_
                    .MapCompliance(event,
                                   [&](const std::string& line) {
                                     EXPECT_EQ(line.find('\n'), std::string::npos);
                                     items.push_back(json::parse(line));
                                     return absl::OkStatus();
                                   })
                    .ok());
    return items;
  }

  v1::TailEvent launched_;
};

TEST_F(CheckEventsTest, AFailureIsAnAlertWhoseRuleIsTheCheck) {
  Map(launched_);
  const std::vector<json> events = Map(Changed("fail"));
  ASSERT_EQ(events.size(), 1u);
  const json& event = events[0];
  EXPECT_EQ(event["event"]["kind"], "alert");
  EXPECT_EQ(event["event"]["outcome"], "failure");
  EXPECT_EQ(event["event"]["reason"], "expected no row, found 1");
  EXPECT_EQ(event["rule"]["id"], "ssh-root");
  EXPECT_EQ(event["rule"]["name"], "root may not log in by ssh");
  EXPECT_EQ(event["rule"]["ruleset"], "cis-debian");
  EXPECT_EQ(event["rule"]["reference"], "CIS 5.2.10");
  EXPECT_EQ(event["host"]["name"], "web-1");
  EXPECT_EQ(event["dragnet"]["sweep_change"]["from"], "pass");
  EXPECT_EQ(event["dragnet"]["action"]["id"], kAction);
  EXPECT_EQ(Map(Changed("pass"))[0]["event"]["kind"], "event");
  EXPECT_EQ(Map(Changed("pass"))[0]["event"]["outcome"], "success");
  EXPECT_EQ(Map(Changed("unknown"))[0]["event"]["outcome"], "unknown");
}

TEST_F(CheckEventsTest, AVerdictIsARowWhoseRuleIsTheCheckAsItWasSigned) {
  Map(launched_);
  const json event = MapRow("check", VerdictOf("fail"));
  EXPECT_EQ(event["rule"]["name"], "root may not log in by ssh");
  EXPECT_EQ(event["rule"]["ruleset"], "cis-debian");
  EXPECT_EQ(event["event"]["outcome"], "failure");
  EXPECT_EQ(event["dragnet"]["check"]["status"], "fail");
  check::v1::Verdict unknown = VerdictOf("fail");
  unknown.set_check("made-up");
  EXPECT_EQ(MapRow("check", unknown)["rule"]["id"], "made-up");
}

// Two packs with a check of one id.
TEST_F(CheckEventsTest, ARowsCheckIsThatOfItsOperation) {
  v1::Action action;
  const auto envelope = ParseEnvelope(launched_.action().envelope(), kActionPayloadType);
  ASSERT_TRUE(envelope.ok() && action.ParseFromString(envelope->payload()));
  *action.add_operations() = action.operations(0);
  check::v1::CheckParameters pack;
  ASSERT_TRUE(pack.ParseFromString(action.operations(0).parameters()));
  pack.set_pack("other");
  pack.mutable_checks(0)->set_severity("low");
  action.mutable_operations(1)->set_parameters(pack.SerializeAsString());
  launched_.mutable_action()->set_envelope(
      NewEnvelope(kActionPayloadType, action.SerializeAsString()).SerializeAsString());
  Map(launched_);
  v1::TailEvent rows = RowsOf("check", {VerdictOf("fail").SerializeAsString()});
  EXPECT_EQ(Map(rows)[0]["rule"]["ruleset"], "cis-debian");
  rows.mutable_rows()->set_operation(1);
  EXPECT_EQ(Map(rows)[0]["rule"]["ruleset"], "other");
  EXPECT_EQ(Map(rows)[0]["dragnet"]["severity"], "low");
  EXPECT_EQ(MapToMig(rows)[0]["policy"]["name"], "other");
  rows.mutable_rows()->set_operation(2);
  EXPECT_FALSE(Map(rows)[0]["rule"].contains("ruleset"));
}

TEST_F(CheckEventsTest, RunsOfASweepShareItsDocumentAndAllHaveABound) {
  Map(launched_);
  const size_t one = mapper_.remembered_bytes();
  v1::TailEvent run = launched_;
  for (int i = 0; i < 5000; ++i) {
    run.mutable_action()->set_action_id(StrCat(kAction, "@", 1'800'000'000 + 60 * i));
    Map(run);
  }
  EXPECT_EQ(mapper_.remembered_bytes(), one);
  check::v1::CheckParameters pack;
  pack.set_pack("large");
  pack.add_checks()->set_remediation(std::string(500'000, 'r'));
  v1::Action action;
  const auto envelope = ParseEnvelope(launched_.action().envelope(), kActionPayloadType);
  ASSERT_TRUE(envelope.ok() && action.ParseFromString(envelope->payload()));
  action.mutable_operations(0)->set_parameters(pack.SerializeAsString());
  run.mutable_action()->set_envelope(
      NewEnvelope(kActionPayloadType, action.SerializeAsString()).SerializeAsString());
  for (int i = 0; i < 200; ++i) {
    run.mutable_action()->set_action_id(StrCat("0190a000-0000-7000-8000-", 100'000'000'000 + i));
    Map(run);
  }
  EXPECT_GT(mapper_.remembered_bytes(), size_t{32} << 20);
  EXPECT_LE(mapper_.remembered_bytes(), size_t{64} << 20);
}

TEST_F(CheckEventsTest, MigsReadersGetItsItems) {
  EXPECT_TRUE(MapToMig(launched_).empty());
  const std::vector<json> items = MapToMig(Changed("fail"));
  ASSERT_EQ(items.size(), 1u);
  const json& item = items[0];
  EXPECT_EQ(item["target"], "web-1");
  EXPECT_EQ(item["compliance"], false);
  EXPECT_EQ(item["timestamp"], "2027-01-15T09:00:00.000Z");
  EXPECT_EQ(item["utctimestamp"], item["timestamp"]);
  EXPECT_EQ(item["ref"], "CIS 5.2.10");
  EXPECT_EQ(item["policy"]["name"], "cis-debian");
  EXPECT_EQ(item["policy"]["level"], "high");
  EXPECT_EQ(item["check"]["name"], "ssh-root");
  EXPECT_EQ(item["check"]["description"], "root may not log in by ssh");
  EXPECT_EQ(item["check"]["test"]["type"], "file");
  EXPECT_EQ(item["check"]["test"]["value"], "cis-debian/ssh-root");
  EXPECT_EQ(item["link"], "https://example.org/5.2.10");
  EXPECT_EQ(item["tags"]["verdict"], "fail");
  EXPECT_EQ(MapToMig(Changed("pass"))[0]["compliance"], true);
  // Not known is not compliant; what doesn't apply is no item.
  EXPECT_EQ(MapToMig(Changed("unknown"))[0]["compliance"], false);
  EXPECT_TRUE(MapToMig(Changed("not_applicable")).empty());
  EXPECT_EQ(MapToMig(RowsOf("check", {VerdictOf("pass").SerializeAsString(), "\xff",
                                      VerdictOf("fail").SerializeAsString()}))
                .size(),
            2u);
  EXPECT_TRUE(MapToMig(RowsOf("file", {"x"})).empty());
}

}  // namespace
}  // namespace dragnet::events
