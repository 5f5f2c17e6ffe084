// What `dragnet-agent run` does before it is an agent, with the real program: which version
// it becomes, and with which status it ends.
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/monitor/upgrade/testing.h"
#include "core/testing.h"
#include "core/version.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

class AgentProgramTest : public testing::ReleasesTest {
 protected:
  struct End {
    int status = -1;
    std::string words;
  };
  End Run(const std::string& settings) const {
    testing::WriteTo(
        directory_ + "/agent.toml",
        StrCat("release_dir = \"releases\"\nfleet_id = \"fleet-1\"\n"
               "schedulers = [\"localhost:1\"]\nca_file = \"ca.pem\"\nroot_keys = [\"root.pub\"]\n",
               settings));
    testing::WriteTo(directory_ + "/ca.pem", "certificate");
    testing::WriteTo(directory_ + "/root.pub", testing::NewKey().public_key().ToPem());
    FILE* const program = ::popen(
        StrCat(DRAGNET_AGENT, " run --config ", directory_, "/agent.toml 2>&1").c_str(), "r");
    End end;
    char piece[4096];
    for (size_t size; (size = ::fread(piece, 1, sizeof piece, program)) > 0;) {
      end.words.append(piece, size);
    }
    const int status = ::pclose(program);
    if (WIFEXITED(status)) end.status = WEXITSTATUS(status);
    return end;
  }
  // `script` is what this version was replaced by.
  void Upgrade(const std::string& script, bool confirmed) const {
    ReleaseDirectory releases(path());
    InstalledRelease release = testing::ReleaseOf("99.0.0");
    ASSERT_TRUE(Stage(releases, release).ok());
    release.files[0] = {Sha256(script), script.size()};
    testing::WriteTo(releases.Program("99.0.0"), script);
    ReleaseState state =
        ReleaseState().OverBase(kVersion, DRAGNET_AGENT).Switched(release, Report("99.0.0"));
    if (confirmed) state = state.Confirmed();
    ASSERT_TRUE(releases.GrantStarts().ok());
    ASSERT_TRUE(releases.Save(state).ok());
  }
};

constexpr char kOfTomorrow[] = "state_dir = \"state\"\na_key_of_tomorrow = true\n";

TEST_F(AgentProgramTest, AConfigurationThatOnlyTheReleaseUnderstandsRunsTheRelease) {
  for (const bool confirmed : {true, false}) {
    Upgrade("#!/bin/sh\necho \"$0 $1\"\nexit 9\n", confirmed);
    const End end = Run(kOfTomorrow);
    EXPECT_EQ(end.status, 9) << end.words;
    EXPECT_THAT(end.words, HasSubstr("/releases/99.0.0/dragnet-agent run"));
  }
}

TEST_F(AgentProgramTest, WithoutAReleaseAWrongConfigurationIsFinal) {
  const End end = Run(kOfTomorrow);
  EXPECT_EQ(end.status, 2);
  EXPECT_THAT(end.words, HasSubstr("a_key_of_tomorrow: unknown key"));
}

TEST_F(AgentProgramTest, WhatIsntOfTheConfigurationIsTriedAgain) {
  testing::WriteTo(directory_ + "/file", "no directory");
  const End end = Run("state_dir = \"file/state\"\nallow_missing_walls = true\n");
  EXPECT_EQ(end.status, 1) << end.words;
}

}  // namespace
}  // namespace dragnet
