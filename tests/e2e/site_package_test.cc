// A site package from the command to the answer: made, installed by dpkg, started, enrolled.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/strings.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

// The agent's package with this build's programs, as packaging makes it, but small.
std::string MakeVendorDeb(const std::string& directory) {
  const std::string tree = directory + "/vendor";
  MakeDirectory(tree);
  for (const char* part : {"/DEBIAN", "/usr", "/usr/bin"}) MakeDirectory(tree + part);
  Write(tree + "/DEBIAN/control",
        "Package: dragnet-agent\nVersion: 0.1.0\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: answers questions\n");
  for (const char* program : {"dragnet-agent", "dragnet-link", "dragnet-worker"}) {
    const Finished stripped = RunToEnd(
        {"/usr/bin/strip", "-o", StrCat(tree, "/usr/bin/", program), ProgramPath(program)});
    EXPECT_EQ(stripped.status(), 0) << stripped.err;
  }
  const std::string deb = directory + "/dragnet-agent_0.1.0_all.deb";
  const Finished built =
      RunToEnd({"/usr/bin/dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb});
  EXPECT_EQ(built.status(), 0) << built.err;
  return deb;
}

// What dpkg would do on the host, below `root`.
void Install(const std::string& deb, const std::string& root) {
  MakeDirectory(root);
  for (const char* part :
       {"/var", "/var/lib", "/var/lib/dpkg", "/var/lib/dpkg/info", "/var/lib/dpkg/updates"})
    MakeDirectory(root + part);
  Write(root + "/var/lib/dpkg/status", "");
  std::vector<std::string> command = {
      "/usr/bin/dpkg", "--root=" + root, "--force-script-chrootless", "--log=/dev/null", "-i", deb};
  // It gives files to root.
  if (!IsRoot()) command.insert(command.begin(), {"/usr/bin/unshare", "--map-root-user"});
  Command install;
  install.arguments = command;
  const Finished installed = RunToEnd(install, absl::Minutes(3));
  ASSERT_EQ(installed.status(), 0) << installed.out << installed.err;
}

TEST(SitePackage, InstalledUnattendedTheHostEnrolsAndAnswers) {
  TestFleet fleet;
  fleet.StartScheduler();
  const std::string deb = fleet.temporary() + "/site.deb";
  Command package;
  package.arguments = {"dragnet",     "package",
                       "--target",    "deb",
                       "--agent",     MakeVendorDeb(fleet.temporary()),
                       "--scheduler", fleet.address(),
                       "--uses",      "1",
                       "--agent-tag", "env=site",
                       "--out",       deb};
  package.environment = {"DRAGNET_CONFIG=" + fleet.console_config()};
  const Finished made = RunToEnd(package, absl::Minutes(5));
  ASSERT_EQ(made.status(), 0) << made.err;
  EXPECT_EQ(made.out, deb + "\n");
  EXPECT_THAT(made.err, HasSubstr("good for 1 host"));

  const std::string root = fleet.temporary() + "/host";
  Install(deb, root);
  const std::string config = root + "/etc/dragnet/agent.toml";
  struct stat info = {};
  ASSERT_EQ(::stat((root + "/etc/dragnet/enrolment.token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  // As it was installed, but for where its state is: this is no host of its own.
  Write(config, WithTomlKey(Read(config), "state_dir", StrCat("\"", root, "/state\"")));

  Command run;
  run.arguments = {root + "/usr/bin/dragnet-agent", "run", "--config", config};
  Process agent(run, fleet.temporary() + "/agent.log");
  ASSERT_TRUE(Eventually([&] {
    return fleet.Dragnet({"agents"}).out.find(" online") != std::string::npos;
  })) << agent.Output();

  const std::string files = fleet.MakeFiles("looked-at", 3);
  const Finished answer = fleet.Dragnet({"file", "--path", files, "--name", "^file-", "--target",
                                         "tags->>'env'='site'", "--yes", "-o", "jsonl"});
  EXPECT_EQ(answer.status(), 0) << answer.err;
  for (const char* name : {"file-0", "file-1", "file-2"}) EXPECT_THAT(answer.out, HasSubstr(name));
}

}  // namespace
}  // namespace dragnet::testing
