// Runs `dragnet` in this process against a fake scheduler: a temporary
// directory with a configuration, keys and certificates of a test fleet.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "console/cli/app.h"
#include "console/client/client.h"
#include "console/testing/certificates.h"
#include "console/testing/fake_scheduler.h"
#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console::testing {

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

class FullDisk : public Sink {
 public:
  void Write(std::string_view) override {}
  absl::Status Flush() override {
    return absl::ResourceExhaustedError("write standard output: No space left on device");
  }
};

// A fleet in which alice may use `sample` (which needs the weight of
// `file`, too). Times are the real ones, because TLS looks at the real clock.
class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() {
    InitializeProcess();
    char name[] = "/tmp/dragnet-console-test-XXXXXX";
    directory_ = ::mkdtemp(name);
    fleet_.now = absl::Now();
    const Validity validity = ValidNow();
    WriteFile("ca.pem", ca_.pem(), 0644);
    WriteIdentity(ca_.IssueInvestigator(fleet_.id, "alice", validity));
    WriteFile("signing.key", fleet_.alice.ToPem(), 0600);
    WriteFile("root-1.pub", fleet_.roots[0].public_key().ToPem(), 0644);
    WriteFile("root-2.pub", fleet_.roots[1].public_key().ToPem(), 0644);
    StartScheduler(ca_.IssueServer(validity));
    v1::TrustPolicy policy = fleet_.PolicyProto();
    dragnet::testing::Fleet::AddModule("sample", 1, {{"alice", 1}, {"bob", 1}}, &policy);
    scheduler_->policy = fleet_.SignedPolicy(policy);
  }

  ~ConsoleTest() override {
    scheduler_.reset();
    std::filesystem::remove_all(directory_);
  }

  void StartScheduler(const IssuedCertificate& identity) {
    scheduler_ = std::make_unique<FakeScheduler>(ca_.pem(), identity);
    WriteConfig(scheduler_->port());
  }

  void WriteConfig(int port, const std::string& more = "") {
    WriteFile("console.toml",
              StrCat("fleet_id = \"", fleet_.id, "\"\nscheduler = \"localhost:", port,
                     "\"\nca_file = \"ca.pem\"\ntls_certificate = \"tls.pem\"\n"
                     "tls_key = \"tls.key\"\nsigning_key = \"signing.key\"\nname = \"alice\"\n"
                     "root_keys = [\"root-1.pub\", \"root-2.pub\"]\nroot_threshold = 2\n",
                     more),
              0644);
  }

  void WriteIdentity(const IssuedCertificate& identity) {
    WriteFile("tls.pem", identity.certificate, 0644);
    WriteFile("tls.key", identity.key, 0600);
  }

  std::string Path(std::string_view name) const { return StrCat(directory_, "/", name); }

  void WriteFile(std::string_view name, std::string_view content, mode_t mode) {
    ASSERT_TRUE(WriteFileAtomically(Path(name), content, mode).ok());
  }

  // `answer`: there is a terminal, and this is typed on it.
  Outcome Dragnet(std::vector<std::string> args, std::optional<std::string> answer = std::nullopt,
                  std::string input = "") {
    StringSink out;
    StringSink err;
    FullDisk full;
    Io io;
    io.out = &out;
    if (disk_full_) io.out = &full;
    io.err = &err;
    io.input_is_terminal = answer.has_value();
    io.read_line = [&] { return answer; };
    io.read_input = [&]() -> absl::StatusOr<std::string> { return input; };
    io.environment = [&](std::string_view name) -> std::optional<std::string> {
      if (name == "DRAGNET_CONFIG") return Path("console.toml");
      return std::nullopt;
    };
    if (read_passphrase_) io.read_passphrase = read_passphrase_;
    io.clock = &Clock::System();
    io.error_is_terminal = terminal_;
    const int status = RunDragnet(args, io, *modules_);
    return {status, out.text(), err.text()};
  }

  // ---- events of a watch

  static v1::WatchEvent RowEvent(uint64_t cursor, const std::string& agent,
                                 const std::vector<SampleRow>& rows) {
    v1::WatchEvent event;
    event.set_cursor(cursor);
    event.mutable_rows()->set_agent_id(StrCat("id-of-", agent));
    event.mutable_rows()->set_agent_name(agent);
    event.mutable_rows()->set_module("sample");
    for (const SampleRow& row : rows) event.mutable_rows()->add_rows(row.SerializeAsString());
    return event;
  }

  static SampleRow Row(const std::string& path) {
    SampleRow row;
    row.set_path(path);
    return row;
  }

  static v1::WatchEvent EndEvent(const v1::Progress& progress) {
    v1::WatchEvent event;
    *event.mutable_end()->mutable_progress() = progress;
    return event;
  }

  static v1::Progress Progress(uint64_t found, uint64_t clean = 0, uint64_t incomplete = 0,
                               uint64_t refused = 0, uint64_t waiting = 0) {
    v1::Progress progress;
    progress.set_targeted(found + clean + incomplete + refused + waiting);
    progress.set_found(found);
    progress.set_clean(clean);
    progress.set_incomplete(incomplete);
    progress.set_refused(refused);
    progress.set_waiting(waiting);
    progress.set_offline(waiting);
    return progress;
  }

  static v1::AgentInfo Agent(const std::string& name, const std::string& id,
                             v1::AgentInfo::State state = v1::AgentInfo::STATE_ONLINE) {
    v1::AgentInfo agent;
    agent.mutable_facts()->set_name(name);
    agent.mutable_facts()->set_id(id);
    agent.mutable_facts()->set_os("linux");
    agent.set_state(state);
    return agent;
  }

  v1::Action SampleAction() const {
    v1::Action action = fleet_.ActionProto("sample");
    SampleParameters parameters;
    parameters.add_path("/etc");
    action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
    return action;
  }

  v1::ActionInfo StoredAction(const v1::Action& action,
                              const std::vector<const PrivateKey*>& keys) const {
    v1::ActionInfo info;
    info.set_action_id(action.id());
    info.set_name(action.name());
    info.set_envelope(fleet_.SignedAction(action, keys));
    info.set_launched_by("alice");
    return info;
  }

  std::string directory_;
  dragnet::testing::Fleet fleet_;
  TestCa ca_;
  std::unique_ptr<FakeScheduler> scheduler_;
  // Standard error is a terminal.
  bool terminal_ = false;
  // Instead of there being no terminal to ask on.
  std::function<absl::StatusOr<std::string>(std::string_view)> read_passphrase_;
  const ModuleCatalog* modules_ = &SampleCatalog();
  // Standard output takes nothing.
  bool disk_full_ = false;
};

}  // namespace dragnet::console::testing
