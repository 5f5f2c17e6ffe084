// What whoever runs a scheduler relies on, with the real programs: metrics,
// health, the log, status, backups, and stores that are damaged.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "tests/faults/expect.h"
#include "tests/harness/database.h"

namespace dragnet::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// What comes back for these bytes, to the end; empty if nobody answers.
std::string Ask(int port, const std::string& request) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return "";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  char buffer[8192];
  for (ssize_t n = 0; (n = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<size_t>(n));
  return answer;
}

std::string Get(int port, const std::string& path) {
  return Ask(port, StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

// A sample's value on a page of metrics; -1 if it isn't there.
double Sample(const std::string& page, const std::string& name) {
  for (const auto& line : absl::StrSplit(page, '\n'))
    if (absl::StartsWith(line, name + " ")) return std::stod(std::string(line).substr(name.size()));
  return -1;
}

class OperationsTest : public ::testing::Test {
 protected:
  void Set(const std::string& key, const std::string& value) {
    Write(fleet_.scheduler_config(), WithTomlKey(Read(fleet_.scheduler_config()), key, value));
  }
  Finished Scheduler(const std::string& command, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"dragnet-scheduler", command, "--config", fleet_.scheduler_config()});
    return RunToEnd(arguments);
  }
  std::string BackupPath() const { return fleet_.temporary() + "/backup.db"; }
  v1::Action LaunchOver(const std::string& files) {
    const v1::Action action = fleet_.forge().NewAction(files);
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    return action;
  }

  TestFleet fleet_;
};

// ---- looking at it

TEST_F(OperationsTest, MetricsAndHealthOnLoopback) {
  const int port = FreePort();
  Set("metrics_listen", StrCat("\"127.0.0.1:", port, "\""));
  fleet_.StartScheduler();
  Agent& agent = fleet_.AddOnlineAgent();
  const v1::Action action = LaunchOver(fleet_.MakeFiles("files", 3));
  ASSERT_TRUE(WaitForEnd(fleet_, action.id(), agent.name()).ok());

  EXPECT_THAT(Get(port, "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(port, "/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
              StartsWith("HTTP/1.1 405 "));
  const std::string page = Get(port, "/metrics");
  EXPECT_THAT(page, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_EQ(Sample(page, "dragnet_agents{state=\"online\"}"), 1);
  EXPECT_EQ(Sample(page, "dragnet_sessions_opened_total"), 1);
  EXPECT_EQ(Sample(page, "dragnet_enrolments_total"), 1);
  EXPECT_EQ(Sample(page, "dragnet_actions_launched_total"), 1);
  EXPECT_EQ(Sample(page, "dragnet_actions_sent_total"), 1);
  EXPECT_EQ(Sample(page, "dragnet_rows_committed_total"), 3);
  EXPECT_EQ(Sample(page, "dragnet_rows"), 3);
  EXPECT_EQ(Sample(page, "dragnet_actions{phase=\"open\"}"), 1);
  EXPECT_GT(Sample(page, "dragnet_store_commit_seconds_count"), 0);
  EXPECT_GT(Sample(page, "dragnet_store_database_bytes"), 0);
  EXPECT_GT(Sample(page, "process_resident_memory_bytes"), 1'000'000);
  EXPECT_GT(Sample(page, "process_open_fds"), 5);
  EXPECT_THAT(page, Not(HasSubstr(agent.name())));
  EXPECT_THAT(page, Not(HasSubstr(agent.Id())));
}

TEST_F(OperationsTest, StatusSaysThatAllIsWellAndThenThatItIsNot) {
  const int port = FreePort();
  Set("metrics_listen", StrCat("\"127.0.0.1:", port, "\""));
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent();
  const Finished json = fleet_.Dragnet({"status", "--output", "json"});
  EXPECT_EQ(json.status(), 0) << json.err;
  EXPECT_EQ(nlohmann::json::parse(json.out)["agentsOnline"], "1");
  fleet_.StopScheduler();

  // Someone else has the port: no reason to leave the fleet alone.
  const UniqueFd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(taken.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  fleet_.StartScheduler();
  const Finished checked = fleet_.Dragnet({"status", "--check"});
  EXPECT_EQ(checked.status(), 1) << checked.out;
  EXPECT_THAT(checked.out, HasSubstr("no metrics and no health endpoint: metrics_listen: listen"));
  fleet_.StopScheduler();
  EXPECT_EQ(fleet_.Dragnet({"status", "--check"}).status(), 4);
}

TEST_F(OperationsTest, MetricsForOtherMachinesMustBeAskedFor) {
  Set("metrics_listen", "\"0.0.0.0:0\"");
  const Finished refused = Scheduler("run", {});
  EXPECT_EQ(refused.status(), 2);
  EXPECT_THAT(refused.err, HasSubstr("metrics_allow_remote = true"));
}

TEST_F(OperationsTest, JsonLogIsOneObjectPerLineWithIds) {
  Set("log_format", "\"json\"");
  fleet_.StartScheduler();
  Agent& agent = fleet_.AddOnlineAgent();
  const v1::Action action = LaunchOver(fleet_.MakeFiles("files", 1));
  ASSERT_TRUE(WaitForEnd(fleet_, action.id(), agent.name()).ok());
  fleet_.StopScheduler();
  bool of_agent = false;
  bool of_both = false;
  const std::string log = fleet_.scheduler().Output();
  for (const auto& text : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const auto line = nlohmann::json::parse(std::string(text), nullptr, /*exceptions=*/false);
    ASSERT_TRUE(line.is_object()) << text;
    EXPECT_TRUE(line.contains("time") && line.contains("level") && line.contains("message"));
    if (line.value("agent", "") != agent.Id()) continue;
    of_agent = true;
    of_both = of_both || line.value("action", "") == action.id();
  }
  EXPECT_TRUE(of_agent);
  EXPECT_TRUE(of_both);
}

// ---- keeping

TEST_F(OperationsTest, KeepIsStoredAndShown) {
  fleet_.StartScheduler();
  const v1::Action action = LaunchOver(fleet_.MakeFiles("files", 1));
  const Finished kept = fleet_.Dragnet({"keep", action.id(), "--until", "2099-12-31"});
  EXPECT_EQ(kept.status(), 0) << kept.err;
  EXPECT_THAT(fleet_.Dragnet({"actions", "show", action.id()}).out,
              HasSubstr("kept until 2099-12-31"));
  EXPECT_EQ(fleet_.Dragnet({"keep", action.id(), "--default"}).status(), 0);
  EXPECT_FALSE(fleet_.api().GetAction(action.id())->has_keep_until());
}

// ---- backups

TEST_F(OperationsTest, BackupWhileAnAgentSendsAndBackAgainNothingTwiceNothingMadeUp) {
  fleet_.StartScheduler();
  Agent& agent = fleet_.AddOnlineAgent();
  const v1::Action action = LaunchOver(ManyFiles());
  ASSERT_TRUE(WaitForRows(fleet_, action.id(), 1));
  const Finished backup = Scheduler("backup", {"--to", BackupPath()});
  ASSERT_EQ(backup.status(), 0) << backup.err;
  struct stat info{};
  ASSERT_EQ(::stat(BackupPath().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  // The one that went on has everything.
  const auto whole = WaitForEnd(fleet_, action.id(), agent.name());
  ASSERT_TRUE(whole.ok()) << whole.status();
  ExpectRowsOnce(*whole, agent.name(), ExpectedPaths(ManyFiles()));

  EXPECT_EQ(Scheduler("restore", {"--from", BackupPath(), "--replace"}).status(), 4)
      << "while it runs";
  fleet_.StopScheduler();
  const Finished refused = Scheduler("restore", {"--from", BackupPath()});
  EXPECT_EQ(refused.status(), 2);
  EXPECT_THAT(refused.err, HasSubstr("--replace"));
  const Finished restored = Scheduler("restore", {"--from", BackupPath(), "--replace"});
  ASSERT_EQ(restored.status(), 0) << restored.err;
  EXPECT_THAT(restored.out, HasSubstr("The former store is "));

  fleet_.StartScheduler();
  ASSERT_TRUE(fleet_.WaitUntilOnline(agent));
  // A second action shows that what the agent had to say about the first is said.
  const v1::Action next = LaunchOver(fleet_.MakeFiles("files", 2));
  ASSERT_TRUE(WaitForEnd(fleet_, next.id(), agent.name()).ok());
  auto after = fleet_.api().Results(action.id());
  ASSERT_TRUE(after.ok()) << after.status();
  const std::vector<std::string> paths = PathsOf(after->rows[agent.name()]);
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), paths.size());
  // What was acknowledged after the backup is gone, and that shows: neither clean
  // nor found, unless all of it was in the backup.
  if (paths.size() < ExpectedPaths(ManyFiles()).size()) {
    EXPECT_THAT(after->states[agent.name()].state(),
                AnyOf(v1::DISPATCH_STATE_RUNNING, v1::DISPATCH_STATE_INCOMPLETE));
  }
  EXPECT_EQ(agent.WorkersStarted(), 2U) << "it ran again";
}

TEST_F(OperationsTest, ResultsOfAnActionThatTheBackupDoesntKnowAreNamed) {
  fleet_.StartScheduler();
  Agent& agent = fleet_.AddOnlineAgent();
  ASSERT_EQ(Scheduler("backup", {"--to", BackupPath()}).status(), 0);
  const v1::Action action = LaunchOver(ManyFiles());
  ASSERT_TRUE(WaitForRows(fleet_, action.id(), 1));
  fleet_.KillScheduler();
  ASSERT_EQ(Scheduler("restore", {"--from", BackupPath(), "--replace"}).status(), 0);
  fleet_.StartScheduler();
  ASSERT_TRUE(fleet_.WaitUntilOnline(agent));
  ASSERT_TRUE(Eventually([&] { return !fleet_.api().ListRefusals(agent.Id())->empty(); }))
      << fleet_.scheduler().Output() << agent.process().Output();
  const Finished refusals = fleet_.Dragnet({"refusals", agent.Id()});
  EXPECT_THAT(refusals.out, HasSubstr(action.id()));
  EXPECT_THAT(refusals.out, HasSubstr("an action that this scheduler doesn't know"));
  EXPECT_THAT(fleet_.Dragnet({"status"}).out, HasSubstr("was it restored from a backup?"));
  // Its spool isn't stuck: the next action's results come.
  const v1::Action next = LaunchOver(fleet_.MakeFiles("files", 2));
  EXPECT_TRUE(WaitForEnd(fleet_, next.id(), agent.name()).ok());
  // The lost one, launched again as it was signed, does not run again.
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  const v1::Action last = LaunchOver(fleet_.MakeFiles("more", 2));
  EXPECT_TRUE(WaitForEnd(fleet_, last.id(), agent.name()).ok());
  EXPECT_EQ(agent.WorkersStarted(), 3U);
}

// ---- damage

TEST_F(OperationsTest, DamagedPageIsRefusedAndNamedAndABackupMendsIt) {
  fleet_.StartScheduler();
  Agent& agent = fleet_.AddOnlineAgent();
  const v1::Action action = LaunchOver(ManyFiles());
  ASSERT_TRUE(WaitForEnd(fleet_, action.id(), agent.name()).ok());
  ASSERT_EQ(Scheduler("backup", {"--to", BackupPath()}).status(), 0);
  fleet_.StopScheduler();

  // The pages in the middle of the file, one after the other until one shows:
  // rows are bytes of which no check can know whether they are right.
  const std::string good = Read(fleet_.database_path());
  Finished run;
  for (size_t page = good.size() / 4096 / 2; page > 1 && run.status() != 2; --page) {
    std::string damaged = good;
    for (size_t i = 0; i < 64; ++i) damaged[page * 4096 + i] = static_cast<char>(0xff);
    Write(fleet_.database_path(), damaged, 0600);
    if (RunToEnd({"/usr/bin/sqlite3", fleet_.database_path(), "PRAGMA quick_check(1)"}).out ==
        "ok\n")
      continue;
    run = Scheduler("run", {});
    break;
  }
  EXPECT_EQ(run.status(), 2);
  EXPECT_THAT(run.err, HasSubstr(fleet_.database_path() + ": damaged ("));
  EXPECT_THAT(run.err, HasSubstr("dragnet-scheduler restore"));
  EXPECT_EQ(Scheduler("backup", {"--to", BackupPath() + "2"}).status(), 2);

  ASSERT_EQ(Scheduler("restore", {"--from", BackupPath(), "--replace"}).status(), 0);
  fleet_.StartScheduler();
  const auto results = fleet_.api().Results(action.id());
  ASSERT_TRUE(results.ok()) << results.status();
  ExpectRowsOnce(*results, agent.name(), ExpectedPaths(ManyFiles()));
}

}  // namespace
}  // namespace dragnet::testing
