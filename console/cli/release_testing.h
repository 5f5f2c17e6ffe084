// For tests of `dragnet release` and `dragnet upgrade`: a fleet whose policy has two of
// three release keys, and programs to release. Tests only.
#pragma once

#include <string>
#include <vector>

#include "console/cli/envelope_file.h"
#include "console/release/testing.h"
#include "console/testing/console_fixture.h"
#include "core/release.h"

namespace dragnet::console::testing {

class ReleaseConsoleTest : public ConsoleTest {
 protected:
  ReleaseConsoleTest() {
    v1::TrustPolicy policy = PolicyProto();
    scheduler_->policy = fleet_.SignedPolicy(policy);
    for (size_t i = 0; i < fleet_.releasers.size(); ++i) {
      WriteFile(StrCat("release-", i + 1, ".key"), fleet_.releasers[i].ToPem(), 0600);
      WriteFile(StrCat("release-", i + 1, ".pub"), fleet_.releasers[i].public_key().ToPem(), 0644);
    }
    for (size_t i = 0; i < fleet_.roots.size(); ++i) {
      WriteFile(StrCat("root-", i + 1, ".key"), fleet_.roots[i].ToPem(), 0600);
    }
    WritePrograms("built", "0.2.0");
  }

  v1::TrustPolicy PolicyProto(uint64_t version = 1) const {
    v1::TrustPolicy policy = fleet_.PolicyProto(version);
    fleet_.AddReleaseKeys(&policy);
    dragnet::testing::Fleet::AddModule("upgrade", 1, {{"alice", 1}}, &policy);
    return policy;
  }

  void WritePrograms(const std::string& directory, std::string_view version,
                     uint16_t machine = EM_X86_64, size_t padding = 0) {
    std::filesystem::create_directories(Path(directory));
    for (const std::string_view program : kAgentPrograms) {
      WriteFile(StrCat(directory, "/", program),
                FakeProgram(version, machine) + std::string(program) + std::string(padding, 'x'),
                0755);
    }
  }

  // `dragnet release new` of `built`.
  Outcome New(const std::string& bundle, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"release", "new",   "--version",
                                      "0.2.0",   "--out", Path(bundle)};
    if (std::find(more.begin(), more.end(), "--from") == more.end()) {
      words.insert(words.end(), {"--from", Path("built")});
    }
    words.insert(words.end(), more.begin(), more.end());
    return Dragnet(words);
  }
  Outcome Sign(const std::string& bundle, const std::string& key,
               std::vector<std::string> more = {"--yes"}) {
    std::vector<std::string> words = {"release", "sign", Path(bundle), "--key", Path(key)};
    words.insert(words.end(), more.begin(), more.end());
    return Dragnet(words);
  }
  Outcome Show(const std::string& bundle) { return Dragnet({"release", "show", Path(bundle)}); }
  // Signed by two of the three.
  void MakeBundle(const std::string& bundle, std::vector<std::string> more = {}) {
    ASSERT_EQ(New(bundle, std::move(more)).status, 0);
    ASSERT_EQ(Sign(bundle, "release-1.key").status, 0);
    ASSERT_EQ(Sign(bundle, "release-2.key").status, 0);
  }
  std::string EnvelopeOf(const std::string& bundle) const {
    return *EnvelopeBytes(*ReadFile(Path(bundle + "/release.dnr")));
  }
};

}  // namespace dragnet::console::testing
