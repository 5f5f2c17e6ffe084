// What an upgrade will meet in the fleet, before anything is signed, and what came of
// it afterwards. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/client/client.h"
#include "dragnet/v1/release.pb.h"

namespace dragnet::console {

struct VersionCount {
  uint64_t agents = 0;
  // Of these, connected now.
  uint64_t online = 0;
};
// By the version that agents told the scheduler last; revoked ones aren't counted.
using VersionCounts = std::map<std::string, VersionCount>;
absl::StatusOr<VersionCounts> CountVersions(const std::string& target, Client& client);

// A table, the highest version first; what is no version comes last.
std::string DescribeVersions(const VersionCounts& counts);

// `target` and the platform: "(name like 'web-%') and os='linux' and arch='x86_64'".
std::string TargetOfPlatform(const std::string& target, const v1::Platform& platform);
// And only who doesn't run the release yet: the canaries are to try something.
std::string TargetOfUpgrade(const std::string& target, const v1::Platform& platform,
                            const v1::Release& release);

// From which versions how many agents go, and which of them will refuse it.
std::string DescribePlan(const v1::Release& release, const VersionCounts& counts);

// Of an action that ran, as the rows of module `upgrade` say.
struct UpgradeOutcome {
  struct Reason {
    std::string outcome;
    std::string detail;
    uint64_t agents = 0;
  };
  std::map<std::string, uint64_t> agents_by_outcome;
  // Of all but "upgraded" and "current", the most frequent first.
  std::vector<Reason> reasons;
  // Whether there is an agent that didn't take it.
  bool some_failed() const { return !reasons.empty(); }
};
absl::StatusOr<UpgradeOutcome> OutcomeOf(const std::string& action_id, Client& client);
std::string DescribeOutcome(const UpgradeOutcome& outcome);

}  // namespace dragnet::console
