// Streams out: nothing that is stored is missing at the other end, whatever dies.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "scheduler/export/testing/syslog_server.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using scheduler::testing::MakeServerCertificate;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

std::vector<nlohmann::json> JsonLines(const std::string& text) {
  std::vector<nlohmann::json> values;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    nlohmann::json value = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    // The last line of a program that was killed may be half of one.
    if (!value.is_discarded()) values.push_back(std::move(value));
  }
  return values;
}

std::set<std::string> IdsOf(const std::string& text) {
  std::set<std::string> ids;
  for (const nlohmann::json& event : JsonLines(text)) ids.insert(event["event"]["id"]);
  return ids;
}

std::multiset<std::string> PathsIn(const std::string& text) {
  std::multiset<std::string> paths;
  for (const nlohmann::json& event : JsonLines(text))
    if (event.contains("file")) paths.insert(event["file"]["path"].get<std::string>());
  return paths;
}

std::string ReadIfThere(const std::string& path) {
  return ::access(path.c_str(), R_OK) == 0 ? Read(path) : std::string();
}

class TailTest : public ::testing::Test {
 protected:
  void Launch(const std::string& directory) {
    const Finished run =
        fleet_.Dragnet({"file", "--path", directory, "--yes", "--output", "jsonl"});
    ASSERT_EQ(run.status(), 0) << run.err;
  }

  Command TailCommand(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"dragnet", "--config", fleet_.console_config(), "tail"};
    for (std::string& argument : more) arguments.push_back(std::move(argument));
    Command command;
    command.arguments = std::move(arguments);
    return command;
  }

  std::string Everything() {
    const Finished all =
        fleet_.Dragnet({"tail", "--stored", "--from", "oldest", "--output", "ecs-jsonl"});
    EXPECT_EQ(all.status(), 0) << all.err;
    return all.out;
  }

  // The ids of everything that is there to stay: rows, and the last states.
  std::set<std::string> AllIds() { return IdsOf(Everything()); }

  TestFleet fleet_;
};

TEST_F(TailTest, StoredEventsAreEcsWithTheirActionAndWhoSignedIt) {
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent({.name = "web-1"});
  const std::string directory = fleet_.MakeFiles("files", 3);
  Launch(directory);
  const std::vector<nlohmann::json> events = JsonLines(Everything());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0]["event"]["action"], "action-launched");
  EXPECT_EQ(PathsIn(Everything()).size(), 3U);
  for (const nlohmann::json& event : events) {
    EXPECT_EQ(event["user"]["name"], TestFleet::kInvestigator) << event;
    EXPECT_TRUE(event["rule"].contains("name")) << event;
    if (!event.contains("file")) continue;
    EXPECT_EQ(event["host"]["name"], "web-1");
    EXPECT_EQ(event["host"]["os"]["type"], "linux");
    EXPECT_EQ(event["event"]["dataset"], "dragnet.file");
  }
  EXPECT_EQ(events.back()["event"]["action"], "agent-found");

  const Finished json = fleet_.Dragnet(
      {"tail", "--stored", "--from", "oldest", "--output", "jsonl", "--action", "last"});
  EXPECT_EQ(json.status(), 0) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"row\":{\"path\":\""));
  const Finished table =
      fleet_.Dragnet({"tail", "--stored", "--from", "oldest", "--output", "table"});
  EXPECT_THAT(table.out, HasSubstr(StrCat("path=", directory, "/file-0")));
}

TEST_F(TailTest, MistakesAreExplained) {
  fleet_.StartScheduler();
  const Finished wrong = fleet_.Dragnet({"tail", "--from", "yesterday"});
  EXPECT_EQ(wrong.status(), 2);
  EXPECT_THAT(wrong.err, HasSubstr("give now, oldest, or a cursor"));
  const Finished foreign = fleet_.Dragnet({"tail", "--from", "00000000000000ff.1.0"});
  EXPECT_EQ(foreign.status(), 4) << foreign.err;
  EXPECT_THAT(foreign.err, HasSubstr("another store"));
  const std::string file = fleet_.temporary() + "/cursor";
  Write(file, "garbage\n");
  const Finished garbage = fleet_.Dragnet({"tail", "--cursor-file", file});
  EXPECT_EQ(garbage.status(), 2);
  EXPECT_THAT(garbage.err, HasSubstr(file));
}

TEST_F(TailTest, TailAndSchedulerAreKilledUnderLoadAndNothingIsMissing) {
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent({.name = "web-1"});
  fleet_.AddOnlineAgent({.name = "web-2"});
  const std::string directory = fleet_.MakeFiles("files", 400);
  const std::string out = fleet_.temporary() + "/out.jsonl";
  const std::string cursor = fleet_.temporary() + "/cursor";
  Command command = TailCommand({"--output", "ecs-jsonl", "--cursor-file", cursor});
  // Lines are appended, as a shell's >> does.
  Write(out, "");
  const auto start = [&] {
    Command appended = command;
    appended.before_exec = [path = out] {
      const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND);
      ::dup2(fd, STDOUT_FILENO);
    };
    return std::make_unique<Process>(appended, fleet_.temporary() + "/tail.log");
  };
  std::unique_ptr<Process> tail = start();
  // It noted where now was.
  ASSERT_TRUE(Eventually([&] { return !ReadIfThere(cursor).empty(); })) << tail->Output();
  for (int round = 0; round < 3; ++round) {
    const v1::Action action = fleet_.forge().NewAction(directory);
    ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
    const size_t before = ReadIfThere(out).size();
    Eventually([&] { return ReadIfThere(out).size() > before; });
    tail->Kill();
    if (round == 1) {
      fleet_.KillScheduler();
      fleet_.StartScheduler();
    }
    tail = start();
    ASSERT_TRUE(Eventually([&] {
      const auto results = fleet_.api().Results(action.id());
      return results.ok() && results->progress.found() == 2;
    }));
  }
  const std::set<std::string> all = AllIds();
  EXPECT_GT(all.size(), 2000U);
  EXPECT_TRUE(Eventually([&] {
    const std::set<std::string> got = IdsOf(ReadIfThere(out));
    return std::includes(got.begin(), got.end(), all.begin(), all.end());
  })) << IdsOf(ReadIfThere(out)).size()
      << " of " << all.size() << "\n"
      << tail->Output();
  // Ctrl-C: it says how to go on.
  tail->Signal(SIGINT);
  const auto ended = tail->WaitForEnd();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status, 0);
  EXPECT_THAT(tail->Output(), HasSubstr("--cursor-file"));
}

TEST_F(TailTest, ALostSchedulerIsSaidAndFoundAgain) {
  fleet_.StartScheduler();
  const Agent& agent = fleet_.AddOnlineAgent({.name = "web-1"});
  Process tail(TailCommand({"--output", "ecs-jsonl", "--from", "oldest"}),
               fleet_.temporary() + "/tail.log");
  Launch(fleet_.MakeFiles("before", 1));
  ASSERT_TRUE(tail.WaitForOutput("before/file-0")) << tail.Output();
  fleet_.KillScheduler();
  ASSERT_TRUE(tail.WaitForOutput("trying again")) << tail.Output();
  fleet_.StartScheduler();
  ASSERT_TRUE(fleet_.WaitUntilOnline(agent));
  Launch(fleet_.MakeFiles("after", 1));
  EXPECT_TRUE(tail.WaitForOutput("after/file-0")) << tail.Output();
}

TEST_F(TailTest, AFullDiskIsSaidAndTheCursorStandsBehindWhatWasWritten) {
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent({.name = "web-1"});
  Launch(fleet_.MakeFiles("files", 3));
  const std::string cursor = fleet_.temporary() + "/cursor";
  Command command = TailCommand(
      {"--stored", "--from", "oldest", "--output", "ecs-jsonl", "--cursor-file", cursor});
  command.output_to = "/dev/full";
  const Finished full = RunToEnd(command);
  EXPECT_EQ(full.status(), 3) << full.err;
  EXPECT_THAT(full.err, HasSubstr("No space left on device"));
  EXPECT_THAT(full.err, HasSubstr("To go on"));
  // Nothing was written, so nothing is passed over.
  const Finished rest = fleet_.Dragnet(
      {"tail", "--stored", "--from", "oldest", "--output", "ecs-jsonl", "--cursor-file", cursor});
  EXPECT_EQ(IdsOf(rest.out), AllIds());
  // And then there is nothing more.
  EXPECT_EQ(fleet_.Dragnet({"tail", "--stored", "--cursor-file", cursor}).out, "");
}

TEST_F(TailTest, ARevokedReaderIsCutOff) {
  fleet_.StartScheduler();
  Process tail(TailCommand({"--output", "ecs-jsonl"}), fleet_.temporary() + "/tail.log");
  const std::string cursor = fleet_.temporary() + "/cursor";
  Process second(TailCommand({"--cursor-file", cursor}), fleet_.temporary() + "/second.log");
  ASSERT_TRUE(Eventually([&] { return !ReadIfThere(cursor).empty(); }));
  ASSERT_TRUE(fleet_.api().RevokeInvestigator(TestFleet::kInvestigator).ok());
  const auto ended = second.WaitForEnd();
  ASSERT_TRUE(ended.has_value()) << second.Output();
  EXPECT_EQ(ended->exit_status, 4) << second.Output();
}

TEST_F(TailTest, ACursorFromBeforeARestoreIsRefusedByName) {
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent({.name = "web-1"});
  Launch(fleet_.MakeFiles("files", 1));
  const std::string cursor = fleet_.temporary() + "/cursor";
  ASSERT_EQ(
      fleet_.Dragnet({"tail", "--stored", "--from", "oldest", "--cursor-file", cursor}).status(),
      0);
  const std::string backup = fleet_.temporary() + "/backup.db";
  ASSERT_EQ(RunToEnd({"dragnet-scheduler", "backup", "--config", fleet_.scheduler_config(), "--to",
                      backup})
                .status(),
            0);
  fleet_.StopScheduler();
  ASSERT_EQ(RunToEnd({"dragnet-scheduler", "restore", "--config", fleet_.scheduler_config(),
                      "--from", backup, "--replace"})
                .status(),
            0);
  fleet_.StartScheduler();
  const Finished refused = fleet_.Dragnet({"tail", "--stored", "--cursor-file", cursor});
  EXPECT_EQ(refused.status(), 4);
  EXPECT_THAT(refused.err, HasSubstr("another store"));
  EXPECT_THAT(refused.err, HasSubstr(cursor));
}

// ---- exports

class ExportTest : public TailTest {
 protected:
  void SetUp() override {
    MakeServerCertificate(fleet_.temporary(), "127.0.0.1");
    port_ = FreePort();
    Write(fleet_.scheduler_config(),
          StrCat(Read(fleet_.scheduler_config()),
                 "\n[[export]]\nname = \"siem\"\nkind = \"syslog\"\naddress = \"127.0.0.1:", port_,
                 "\"\nca = \"", fleet_.temporary(), "/server.pem\"\n"));
    Write(out_, "");
  }

  // A program of its own, so that it can be killed.
  std::unique_ptr<Process> StartReceiver() {
    Command command;
    command.arguments = {TestProgramPath("syslog-receiver"), fleet_.temporary(), StrCat(port_),
                         out_};
    return std::make_unique<Process>(command, fleet_.temporary() + "/receiver.log");
  }

  int port_ = 0;
  const std::string out_ = fleet_.temporary() + "/received.jsonl";
};

TEST_F(ExportTest, ReceiverAndSchedulerAreKilledUnderLoadAndNothingIsMissing) {
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent({.name = "web-1"});
  fleet_.AddOnlineAgent({.name = "web-2"});
  const std::string directory = fleet_.MakeFiles("files", 400);
  std::unique_ptr<Process> receiver = StartReceiver();
  for (int round = 0; round < 4; ++round) {
    const v1::Action action = fleet_.forge().NewAction(directory);
    ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
    const size_t before = ReadIfThere(out_).size();
    ASSERT_TRUE(Eventually([&] { return ReadIfThere(out_).size() > before; }))
        << fleet_.scheduler().Output();
    if (round % 2 == 0) {
      receiver->Kill();
    } else {
      fleet_.KillScheduler();
    }
    ASSERT_TRUE(round % 2 != 0 || Eventually([&] {
                  const auto results = fleet_.api().Results(action.id());
                  return results.ok() && results->progress.found() == 2;
                }));
    if (round % 2 == 0) {
      receiver = StartReceiver();
    } else {
      fleet_.StartScheduler();
    }
    ASSERT_TRUE(Eventually([&] {
      const auto results = fleet_.api().Results(action.id());
      return results.ok() && results->progress.found() == 2;
    }));
  }
  const std::set<std::string> all = AllIds();
  EXPECT_GT(all.size(), 3000U);
  EXPECT_TRUE(Eventually(
      [&] {
        const std::set<std::string> got = IdsOf(ReadIfThere(out_));
        return std::includes(got.begin(), got.end(), all.begin(), all.end());
      },
      absl::Seconds(90)))
      << IdsOf(ReadIfThere(out_)).size() << " of " << all.size() << "\n"
      << fleet_.scheduler().Output();
}

TEST_F(ExportTest, ADeadReceiverShowsInStatusAndHoldsUpNoOne) {
  fleet_.StartScheduler();
  fleet_.AddOnlineAgent({.name = "web-1"});
  Launch(fleet_.MakeFiles("files", 50));
  EXPECT_TRUE(Eventually(
      [&] {
        const Finished status = fleet_.Dragnet({"status"});
        return (status.out + status.err).find("export siem") != std::string::npos;
      },
      absl::Seconds(60)));
  // When it comes, it gets all.
  const std::set<std::string> all = AllIds();
  const std::unique_ptr<Process> receiver = StartReceiver();
  EXPECT_TRUE(Eventually(
      [&] {
        const std::set<std::string> got = IdsOf(ReadIfThere(out_));
        return std::includes(got.begin(), got.end(), all.begin(), all.end());
      },
      absl::Seconds(90)))
      << fleet_.scheduler().Output();
}

TEST_F(ExportTest, AnExportThatCanNotWorkKeepsTheSchedulerFromStarting) {
  const std::string config = Read(fleet_.scheduler_config());
  Write(fleet_.scheduler_config(), StrCat(config, "adress = \"x\"\n"));
  const Finished typo =
      RunToEnd({"dragnet-scheduler", "run", "--config", fleet_.scheduler_config()});
  EXPECT_EQ(typo.status(), 2);
  EXPECT_THAT(typo.err, HasSubstr("export[0].adress: unknown key"));
  Write(fleet_.scheduler_config(), config);
  ASSERT_EQ(::unlink((fleet_.temporary() + "/server.pem").c_str()), 0);
  const Finished missing =
      RunToEnd({"dragnet-scheduler", "run", "--config", fleet_.scheduler_config()});
  EXPECT_EQ(missing.status(), 2);
  EXPECT_THAT(missing.err, HasSubstr("export siem"));
}

}  // namespace
}  // namespace dragnet::testing
