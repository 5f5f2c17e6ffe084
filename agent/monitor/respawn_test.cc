#include "agent/monitor/respawn.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;

// The program that is started is a shell with a script, and this process the one that
// starts the parent under test.
class RespawnTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-respawn-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    words_.Reset(fds[0]);
    words_in_.Reset(fds[1]);
  }
  void TearDown() override {
    if (parent_ > 0) {
      ::kill(parent_, SIGKILL);
      ::waitpid(parent_, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }

  // `script` says a line with: echo … >&9. What the parent says comes on the same way.
  void Start(const std::string& script, absl::Duration wait = absl::Milliseconds(1)) {
    const RespawnOptions options = {.program = "/bin/sh",
                                    .arguments = {"sh", "-c", script, directory_},
                                    .first_wait = wait,
                                    .longest_wait = wait};
    parent_ = ::fork();
    if (parent_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(words_in_.get(), 9);
      ::dup2(words_in_.get(), STDERR_FILENO);
      ::_exit(Respawn(options));
    }
    words_in_.Reset();
  }

  // The next line that a script said; "" at the end.
  std::string Line() {
    std::string line;
    char c;
    while (::read(words_.get(), &c, 1) == 1 && c != '\n') line.push_back(c);
    return line;
  }

  // Exit status of the parent; -1 if a signal killed it.
  int End() {
    int status = 0;
    EXPECT_EQ(::waitpid(parent_, &status, 0), parent_);
    parent_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string directory_;
  UniqueFd words_;
  UniqueFd words_in_;
  pid_t parent_ = -1;
};

TEST_F(RespawnTest, WhatDiesIsStartedAgainHoweverItDied) {
  // $0 is the directory: one more file in it for each start.
  Start(R"(n=$(ls "$0" | wc -l); touch "$0/$n"; echo $n >&9
      case $n in 0) exit 1;; 1) kill -9 $$;; 2) exit 3;; 3) kill -SEGV $$;; esac
      exit 0)");
  EXPECT_EQ(End(), 0);
  std::vector<std::string> lines;
  for (std::string line; !(line = Line()).empty();)
    if (!line.starts_with("dragnet-agent: ")) lines.push_back(line);
  EXPECT_THAT(lines, ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(RespawnTest, AnEndThatIsMeantIsTheEnd) {
  for (const int status : {0, 2, 5}) {
    Start(StrCat("exit ", status));
    EXPECT_EQ(End(), status);
  }
}

TEST_F(RespawnTest, ASignalIsPassedOnAndTheStatusIsThePrograms) {
  for (const auto& [signal, name] : {std::pair(SIGTERM, "TERM"), std::pair(SIGINT, "INT")}) {
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    words_.Reset(fds[0]);
    words_in_.Reset(fds[1]);
    Start(StrCat("trap 'echo told >&9; exit 7' ", name,
                 "; mkfifo \"$0/f$$\"; echo up >&9; while :; do read x <> \"$0/f$$\"; done"));
    ASSERT_EQ(Line(), "up");
    ::kill(parent_, signal);
    EXPECT_EQ(Line(), "told");
    EXPECT_EQ(End(), 7);
  }
}

TEST_F(RespawnTest, ASignalWhileItWaitsEndsIt) {
  Start("echo $PPID >&9; exit 1", absl::Hours(1));
  EXPECT_EQ(Line(), StrCat(parent_));
  EXPECT_EQ(Line(), "dragnet-agent: ended with status 1; starts again in 3600 s");
  ::kill(parent_, SIGTERM);
  EXPECT_EQ(End(), 0);
}

TEST_F(RespawnTest, TheProgramEndsWithItsParent) {
  Start(
      "trap 'echo ends >&9; exit' TERM; mkfifo \"$0/f$$\"; echo up >&9; while :; do read x <> "
      "\"$0/f$$\"; done");
  ASSERT_EQ(Line(), "up");
  ::kill(parent_, SIGKILL);
  EXPECT_EQ(Line(), "ends");
  EXPECT_EQ(End(), -1);
}

// As process 1 gets those whose parents have ended.
TEST_F(RespawnTest, OrphansAreReaped) {
  const RespawnOptions options = {.program = "/bin/sh",
                                  // The orphan says its pid, and ends when the fifo is opened.
                                  .arguments = {"sh", "-c",
                                                R"(mkfifo "$0/gate" "$0/stay"
                    (sh -c 'echo $$ >&9; exec 9>&-; read x < "$0/gate"' "$0" &)
                    read x < "$0/stay"; exit 0)",
                                                directory_}};
  parent_ = ::fork();
  if (parent_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::dup2(words_in_.get(), 9);
    ::_exit(Respawn(options));
  }
  words_in_.Reset();
  const pid_t orphan = std::stoi(Line());
  std::ofstream(directory_ + "/gate") << "go\n";
  // A zombie would keep its pid.
  while (::kill(orphan, 0) == 0) ::sched_yield();
  EXPECT_EQ(errno, ESRCH);
  std::ofstream(directory_ + "/stay") << "go\n";
  EXPECT_EQ(End(), 0);
}

TEST_F(RespawnTest, AProgramThatIsntThereIsTriedAgainUntilStopped) {
  const RespawnOptions options = {.program = directory_ + "/nosuch",
                                  .arguments = {"nosuch"},
                                  .first_wait = absl::Milliseconds(1),
                                  .longest_wait = absl::Milliseconds(1)};
  parent_ = ::fork();
  if (parent_ == 0) {
    ::dup2(words_in_.get(), STDERR_FILENO);
    ::_exit(Respawn(options));
  }
  words_in_.Reset();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Line(),
              StrCat("dragnet-agent: execute ", directory_, "/nosuch: No such file or directory"));
    EXPECT_EQ(Line(), "dragnet-agent: ended with status 127; starts again in 0.001 s");
  }
  ::kill(parent_, SIGTERM);
  EXPECT_GE(End(), 0);
}

TEST(RespawnWaitTest, DoublesToAMinuteAndBeginsAnewAfterAGoodRun) {
  const RespawnOptions options;
  absl::Duration wait;
  std::vector<int64_t> seconds;
  for (int i = 0; i < 8; ++i) {
    wait = RespawnWait(options, wait, absl::Seconds(1));
    seconds.push_back(absl::ToInt64Seconds(wait));
  }
  EXPECT_THAT(seconds, ElementsAre(1, 2, 4, 8, 16, 32, 60, 60));
  EXPECT_EQ(RespawnWait(options, wait, absl::Seconds(60)), absl::Seconds(1));
}

TEST(TakeRespawnTest, OnlyOfTheCommandRun) {
  const auto take = [](std::vector<std::string> words, std::vector<std::string>* rest) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return TakeRespawn(static_cast<int>(argv.size()), argv.data(), rest);
  };
  std::vector<std::string> rest;
  EXPECT_TRUE(take({"dragnet-agent", "run", "--config", "f", "--respawn"}, &rest));
  EXPECT_THAT(rest, ElementsAre("dragnet-agent", "run", "--config", "f"));
  EXPECT_TRUE(take({"dragnet-agent", "run", "--respawn", "--config=f"}, &rest));
  EXPECT_FALSE(take({"dragnet-agent", "run", "--config", "f"}, &rest));
  EXPECT_FALSE(take({"dragnet-agent", "module", "--respawn"}, &rest));
  EXPECT_FALSE(take({"run", "--respawn"}, &rest));
}

}  // namespace
}  // namespace dragnet
