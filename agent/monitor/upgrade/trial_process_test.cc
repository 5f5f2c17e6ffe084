#include "agent/monitor/upgrade/trial_process.h"

#include <poll.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>

#include "agent/monitor/upgrade/testing.h"
#include "core/clock.h"
#include "core/strings.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

constexpr char kNonce[] = "0123456789abcdef";

class TrialProcessTest : public testing::ReleasesTest {
 protected:
  // Of a shell script; $1 is the nonce.
  std::unique_ptr<Trial> Start(const std::string& script) {
    options_.program = directory_ + "/program";
    testing::WriteTo(options_.program, StrCat("#!/bin/sh\n", script, "\n"));
    EXPECT_EQ(::chmod(options_.program.c_str(), 0755), 0);
    absl::StatusOr<std::unique_ptr<Trial>> trial = TrialProcess::Start(options_);
    EXPECT_TRUE(trial.ok()) << trial.status();
    return *std::move(trial);
  }
  static absl::Status End(Trial& trial) {
    while (!trial.result().has_value()) {
      std::vector<pollfd> fds;
      trial.AddPollFds(&fds);
      const int64_t wait = absl::ToInt64Milliseconds(
          absl::Ceil(trial.deadline() - SteadyNow(), absl::Milliseconds(1)));
      ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<int64_t>(wait, 0, 10'000)));
      trial.Advance();
    }
    return *trial.result();
  }
  absl::Status Run(const std::string& script) { return End(*Start(script)); }

  TrialOptions options_ = {
      .program = {}, .arguments = {kNonce}, .nonce = kNonce, .time = absl::Minutes(5)};
};

TEST_F(TrialProcessTest, PassesByItsLastLine) {
  EXPECT_EQ(Run("echo words; echo it passed $1"), absl::OkStatus());
  EXPECT_EQ(Run("echo words >&2; printf %s $1"), absl::OkStatus());
}

TEST_F(TrialProcessTest, ThatItEndedWellIsNotEnough) {
  for (const char* script :
       {"exit 0", "echo it passed", "echo $1; echo and then it did something else", "echo 01234"}) {
    EXPECT_THAT(std::string(Run(script).message()), HasSubstr("without saying that it passed"))
        << script;
  }
}

TEST_F(TrialProcessTest, WhoeverSaysItMustEndWellToo) {
  EXPECT_THAT(std::string(Run("echo $1; exit 3").message()), HasSubstr("exit status 3"));
  EXPECT_THAT(std::string(Run("echo $1; kill -SEGV $$").message()), HasSubstr("SIGSEGV"));
}

TEST_F(TrialProcessTest, AfterItsTimeItIsKilled) {
  options_.time = absl::Milliseconds(10);
  EXPECT_THAT(std::string(Run("exec sleep 1000").message()), HasSubstr("did not pass within"));
}

TEST_F(TrialProcessTest, NoFileOfItsGrowsForEver) {
  options_.max_file_bytes = 8192;
  EXPECT_THAT(std::string(Run("exec head -c 9000 /dev/zero > \"$0.file\"").message()),
              HasSubstr("SIGXFSZ"));
  EXPECT_EQ(std::filesystem::file_size(options_.program + ".file"), 8192U);
}

TEST_F(TrialProcessTest, WhereMemoryIsShortItGoesFirst) {
  EXPECT_EQ(Run("test $(cat /proc/self/oom_score_adj) = 1000 && echo $1"), absl::OkStatus());
}

// As one whose disk doesn't answer: dead, but not to be had. Here a tracer keeps it.
TEST_F(TrialProcessTest, OneThatDoesntEndIsNotWaitedForForEver) {
  int said[2];
  int stay[2];
  ASSERT_EQ(::pipe(said), 0);
  ASSERT_EQ(::pipe(stay), 0);
  options_.time = absl::Milliseconds(500);
  options_.end_time = absl::Milliseconds(50);
  std::unique_ptr<Trial> trial =
      Start("echo $$ > \"$0.new\"; mv \"$0.new\" \"$0.pid\"; exec sleep 1000");
  while (!std::filesystem::exists(options_.program + ".pid")) ::poll(nullptr, 0, 1);
  const pid_t pid = std::stoi(testing::ReadFrom(options_.program + ".pid"));
  const pid_t tracer = ::fork();
  if (tracer == 0) {
    const char seized = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0 ? 'y' : 'n';
    if (::write(said[1], &seized, 1) != 1) ::_exit(1);
    char c;
    ::close(stay[1]);
    ::_exit(::read(stay[0], &c, 1) == 0 ? 0 : 1);
  }
  char seized = 0;
  ASSERT_EQ(::read(said[0], &seized, 1), 1);
  ASSERT_EQ(seized, 'y') << "only who may trace processes can run this test";
  EXPECT_THAT(std::string(End(*trial).message()), HasSubstr("does not end although it was killed"));
  trial.reset();
  for (const int fd : {said[0], said[1], stay[0], stay[1]}) ::close(fd);
  EXPECT_EQ(::waitpid(tracer, nullptr, 0), tracer);
}

}  // namespace
}  // namespace dragnet
