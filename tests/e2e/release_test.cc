// A release of the real programs with the real console: made of a directory, of a .deb
// and of a .tar.gz, signed without network and configuration, and judged by the policy
// of a real scheduler.
#include "core/release.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

class ReleaseTest : public ::testing::Test {
 protected:
  ReleaseTest() : fleet_({.more_arguments = {"--release-keys", "3"}}) {
    fleet_.StartScheduler();
    work_ = fleet_.temporary() + "/work";
    std::filesystem::create_directories(work_ + "/tree/usr/bin");
    std::filesystem::create_directories(work_ + "/tree/DEBIAN");
    // As packages have them: with debugging symbols they are over a release's bounds.
    for (const std::string_view program : kAgentPrograms) {
      const std::string name(program);
      Shell(StrCat("strip -o tree/usr/bin/", name, " ", ProgramPath(name)));
    }
    Write(work_ + "/tree/DEBIAN/control",
          "Package: dragnet-agent\nVersion: 0.2.0\nArchitecture: amd64\nMaintainer: nobody "
          "<nobody@example.com>\nDescription: test\n");
  }

  void Shell(const std::string& script) const {
    Command command;
    command.arguments = {"/usr/bin/env", "-C", work_, "/bin/sh", "-ec", script};
    const Finished finished = RunToEnd(command, absl::Seconds(120));
    Need(finished.status() == 0, script, finished.err);
  }
  Finished Run(std::vector<std::string> arguments, const std::string& config = "") const {
    Command command;
    command.arguments = {"/usr/bin/env", "-C", work_, ProgramPath("dragnet")};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.environment = {
        StrCat("DRAGNET_CONFIG=", config.empty() ? fleet_.console_config() : config)};
    return RunToEnd(command, absl::Seconds(120));
  }
  std::string Key(int number) const {
    return StrCat(fleet_.directory(), "/root/release-", number, ".key");
  }

  TestFleet fleet_;
  std::string work_;
};

TEST_F(ReleaseTest, RealProgramsAreReleasedFromEveryKindOfPackage) {
  Shell("dpkg-deb --root-owner-group -Zxz -z1 --build tree agent.deb >/dev/null");
  // As `./dev package` makes it.
  Shell(
      "mkdir top && cp -r tree/usr top/ && tar -C top --transform "
      "s,^,dragnet-agent-0.1.0-linux-x86_64/, -czf agent.tar.gz usr");
  for (const char* from : {"tree/usr/bin", "agent.deb", "agent.tar.gz"}) {
    const std::string bundle = StrCat("of-", std::filesystem::path(from).filename().string());
    const Finished made =
        Run({"release", "new", "--version", "0.2.0", "--from", from, "--out", bundle}, "/none");
    ASSERT_EQ(made.status(), 0) << from << made.err;
    for (const std::string_view program : kAgentPrograms) {
      EXPECT_EQ(Read(StrCat(work_, "/", bundle, "/linux-x86_64/", program)),
                Read(StrCat(work_, "/tree/usr/bin/", program)))
          << from;
    }
  }
}

TEST_F(ReleaseTest, SignedOfflineByEnoughItIsGoodAndAlteredItIsNot) {
  ASSERT_EQ(
      Run({"release", "new", "--version", "0.2.0", "--from", "tree/usr/bin", "--out", "r"}, "/none")
          .status(),
      0);
  EXPECT_EQ(Run({"release", "show", "r"}).status(), 4);
  const Finished one = Run({"release", "sign", "r", "--key", Key(1), "--yes"}, "/none");
  ASSERT_EQ(one.status(), 0) << one.err;
  EXPECT_EQ(Run({"release", "show", "r"}).status(), 4);
  EXPECT_EQ(Run({"upgrade", "r", "--yes"}).status(), 4);
  ASSERT_EQ(Run({"release", "sign", "r", "--key", Key(2), "--yes"}, "/none").status(), 0);
  const Finished shown = Run({"release", "show", "r"});
  EXPECT_EQ(shown.status(), 0) << shown.out << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("2 of 3 signed, 2 must: enough"));
  EXPECT_EQ(Run({"verify", "r/release.dnr"}).status(), 0);
  // The scheduler is away: by a policy that was saved before.
  ASSERT_EQ(Run({"trust", "show", "--save", "policy"}).status(), 0);
  fleet_.StopScheduler();
  EXPECT_EQ(Run({"release", "show", "r", "--policy", "policy"}).status(), 0);

  Shell("printf x >>r/linux-x86_64/dragnet-link");
  const Finished altered = Run({"release", "show", "r", "--policy", "policy"});
  EXPECT_EQ(altered.status(), 4);
  EXPECT_THAT(altered.out, HasSubstr("NOT THOSE"));
}

}  // namespace
}  // namespace dragnet::testing
