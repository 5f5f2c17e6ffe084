// Fixtures of the monitor's tests: one that is attacked through the link's socket, as a
// compromised link or scheduler could. For tests only.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "agent/monitor/monitor.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {

using ::dragnet::testing::Fleet;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MonitorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // as main() does
    char pattern[] = "/tmp/dragnet-monitor-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    Restart();
  }
  void TearDown() override {
    monitor_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Restart() {
    monitor_.reset();
    Monitor::Environment environment;
    environment.config.fleet_id = fleet_.id;
    environment.config.root_keys = fleet_.Pinned();
    environment.config.state_directory = directory_;
    environment.config.limits.wall_time = absl::Seconds(60);
    environment.facts.set_os("linux");
    environment.facts.set_name("web1");
    environment.worker.program = DRAGNET_MISBEHAVING;
    environment.worker.allow_missing_walls = true;
    environment.link.program = "/nosuch/dragnet-link";
    environment.look_at_host = look_at_host_;
    environment.service = std::move(service_);
    environment.host_fingerprint = host_fingerprint_;
    if (configure_) configure_(environment.config);
    if (adjust_) adjust_(environment);
    auto store = StateStore::Open(directory_ + "/agent.db");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = store->get();
    auto monitor = Monitor::Create(std::move(environment), *std::move(store), clock_);
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
  }

  void DeliverPolicy(const std::string& envelope) {
    ipc::LinkToMonitor message;
    message.set_trust_policy_envelope(envelope);
    monitor_->HandleLinkMessage(message);
  }
  void DeliverAction(const std::string& envelope) {
    ipc::LinkToMonitor message;
    message.set_action_envelope(envelope);
    monitor_->HandleLinkMessage(message);
  }
  std::string SignedByAlice(const v1::Action& action) {
    return fleet_.SignedAction(action, {&fleet_.alice});
  }
  v1::Action ActionThat(std::string_view behaviour) {
    v1::Action action = fleet_.ActionProto();
    action.mutable_operations(0)->set_parameters(StrCat("misbehave:", behaviour));
    return action;
  }
  std::vector<v1::ResultRecord> Spool() {
    std::vector<v1::ResultRecord> records;
    int64_t position = 0;
    while (auto next = *store_->NextAfter(position)) {
      position = next->position;
      EXPECT_TRUE(records.emplace_back().ParseFromString(next->bytes));
    }
    return records;
  }
  std::vector<v1::ResultRecord> RecordsOf(const v1::Action& action) {
    std::vector<v1::ResultRecord> records = Spool();
    std::erase_if(records, [&](const auto& record) { return record.action_id() != action.id(); });
    return records;
  }
  v1::Refusal::Reason OnlyRefusal() {
    const auto records = Spool();
    EXPECT_THAT(records, SizeIs(1));
    if (records.empty()) return v1::Refusal::REASON_UNSPECIFIED;
    EXPECT_THAT(records.back().refusal().detail(), ::testing::Not(IsEmpty()));
    return records.back().refusal().reason();
  }
  // A scheduler commits all that is spooled, or so many records; the rows in them.
  int AcknowledgeAll(size_t count = 1000) {
    ipc::LinkToMonitor connected;
    connected.mutable_connected()->set_record_window(1024);
    monitor_->HandleLinkMessage(connected);
    int rows = 0;
    for (const v1::ResultRecord& record : Spool()) {
      if (count-- == 0) break;
      ipc::LinkToMonitor message;
      v1::RecordKey* key = message.mutable_acknowledged();
      key->set_action_id(record.action_id());
      key->set_operation(record.operation());
      key->set_sequence(record.sequence());
      key->set_envelope_sha256(record.refusal().envelope_sha256());
      monitor_->HandleLinkMessage(message);
      rows += record.rows().rows_size();
    }
    return rows;
  }
  std::optional<v1::OperationSummary> SummaryOf(const v1::Action& action) {
    const auto records = RecordsOf(action);
    if (records.empty() || !records.back().has_summary()) return std::nullopt;
    return records.back().summary();
  }
  // Lets the loop turn until `done`.
  template <typename Done>
  void RunUntil(Done done) {
    for (int turn = 0; turn < 1000 && !done(); ++turn) {
      ASSERT_TRUE(monitor_->Turn(/*stop_fd=*/-1, absl::Milliseconds(100)).ok());
    }
    EXPECT_TRUE(done());
  }

  Fleet fleet_;
  FakeClock clock_{fleet_.now};
  std::string directory_;
  StateStore* store_ = nullptr;
  std::unique_ptr<Monitor> monitor_;
  // What the next Restart changes in the configuration.
  std::function<void(AgentConfig&)> configure_;
  // And in all else.
  std::function<void(Monitor::Environment&)> adjust_;
  std::function<v1::Facts()> look_at_host_;
  // Of the next Restart() only.
  ServiceNotifier service_;
  std::string host_fingerprint_;
};

class MonitorOrderTest : public MonitorTest {
 protected:
  void SetUp() override {
    MonitorTest::SetUp();
    DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  }

  // Each newer than the one before.
  v1::Order OrderFor(const v1::Action& action, v1::Order::Kind kind) {
    const absl::Time issued = clock_.Now() + absl::Milliseconds(++orders_made_);
    v1::Order order;
    order.set_id(NewUuidV7(issued));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action.id());
    order.set_kind(kind);
    order.set_reason("wrong target");
    *order.mutable_issued() = ToTimestamp(issued);
    *order.mutable_expires() = action.expires();
    return order;
  }
  std::string Signed(const v1::Order& order) {
    return testing::Signed(kOrderPayloadType, order, {&fleet_.alice});
  }
  void DeliverOrder(const std::string& envelope) {
    ipc::LinkToMonitor message;
    message.set_order_envelope(envelope);
    monitor_->HandleLinkMessage(message);
  }
  void Deliver(const v1::Action& action, v1::Order::Kind kind) {
    DeliverOrder(Signed(OrderFor(action, kind)));
  }
  v1::Action TwoThatHang() {
    v1::Action action = ActionThat("hang");
    *action.add_operations() = ActionThat("not").operations(0);
    return action;
  }
  // Until its worker has said something.
  void RunUntilItRuns(const v1::Action& action) {
    RunUntil([&] { return !RecordsOf(action).empty(); });
  }
  size_t Summaries(const v1::Action& action) {
    size_t count = 0;
    for (const auto& record : RecordsOf(action)) count += record.has_summary();
    return count;
  }
  // Children of this process that stand still: proc(5), stat.
  static int StoppedWorkers() {
    int stopped = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "stat");
      std::string stat;
      if (!std::getline(file, stat)) continue;
      std::istringstream rest(stat.substr(stat.rfind(')') + 1));
      char state = 0;
      pid_t parent = 0;
      rest >> state >> parent;
      stopped += state == 'T' && parent == ::getpid();
    }
    return stopped;
  }
  void ExpectStillRuns(const v1::Action& action) {
    ASSERT_TRUE(monitor_->Turn(/*stop_fd=*/-1, absl::Milliseconds(100)).ok());
    EXPECT_EQ(Summaries(action), 0u);
  }
  void ExpectRejected(const std::string& envelope, std::string_view words) {
    const size_t before = Spool().size();
    DeliverOrder(envelope);
    const auto records = Spool();
    ASSERT_EQ(records.size(), before + 1);
    EXPECT_EQ(records.back().refusal().reason(), v1::Refusal::REASON_ORDER_REJECTED);
    EXPECT_THAT(records.back().refusal().detail(), HasSubstr(std::string(words)));
    EXPECT_EQ(records.back().refusal().envelope_sha256(), Sha256(envelope));
  }

  int orders_made_ = 0;
};

}  // namespace dragnet
