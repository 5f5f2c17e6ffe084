// Hosts in groups by what they are, and verdicts counted by group, check and host.
// Not thread-safe.
//
// Bounds: a host takes about 200 bytes, a group as much as it has checks; of groups
// there are kMostGroups, hosts of further ones are counted as kOtherGroup.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/sweeps/score.h"
#include "console/sweeps/sweep.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

inline constexpr size_t kMostGroups = 64;
inline constexpr std::string_view kOtherGroup = "(others)";
// Of hosts that the scheduler tells nothing about, or that have no such tag.
inline constexpr std::string_view kNoGroup = "(none)";

// By what hosts are grouped: "os", "distribution", "tag:KEY" or "environment:KEY".
// InvalidArgument for anything else.
absl::Status ValidateGrouping(std::string_view by);

// The group of each agent, by its id. Agents that aren't there are in kNoGroup.
absl::StatusOr<std::map<std::string, std::string>> GroupsOf(std::string_view by, Client& client);

class SweepTally {
 public:
  // `groups` as GroupsOf gives them; empty: no groups. `sweep` outlives this.
  SweepTally(const Sweep& sweep, std::map<std::string, std::string> groups);

  struct Host {
    std::string id;
    // Hostile.
    std::string name;
    v1::VerdictCounts verdicts;
    bool silent = false;
    // The newest run that it told of; InfinitePast for none: then it has no verdicts.
    absl::Time told = absl::InfinitePast();
  };
  struct Group {
    std::string name;
    // Hosts by their worst verdict.
    v1::VerdictCounts hosts;
    v1::VerdictCounts verdicts;
    uint64_t silent = 0;
    // Parallel to the sweep's checks.
    std::vector<v1::VerdictCounts> checks;
  };

  // False for a verdict on a check that isn't in the signed document: not counted. A host
  // that never told (NeverTold) is silent, and in no count of verdicts or of hosts by them.
  bool Add(const v1::SweepVerdict& verdict);
  // Call after the last one.
  void Finish();

  // The worst first: by failed, then unknown; then by name.
  const std::vector<Host>& hosts() const { return hosts_; }
  // By name.
  const std::vector<Group>& groups() const { return groups_; }
  // Parallel to the sweep's checks.
  const std::vector<v1::VerdictCounts>& checks() const { return checks_; }
  const v1::VerdictCounts& verdicts() const { return verdicts_; }
  v1::VerdictCounts HostCounts() const;
  uint64_t silent() const;
  uint64_t strangers() const { return strangers_; }

 private:
  Host& HostOf(const v1::SweepVerdict& entry);
  Group& GroupOfAgent(const std::string& agent_id);

  const std::map<std::string, std::string> group_of_;
  std::map<std::string, size_t, std::less<>> check_positions_;
  std::map<std::string, Host> by_id_;
  std::map<std::string, Group> by_group_;
  std::vector<Host> hosts_;
  std::vector<Group> groups_;
  std::vector<v1::VerdictCounts> checks_;
  v1::VerdictCounts verdicts_;
  uint64_t strangers_ = 0;
};

// Reads the verdicts of a sweep to the end. `stop` is asked between them: true ends it
// with Cancelled.
absl::Status ReadVerdicts(const v1::SweepVerdictsRequest& request, Client& client,
                          const std::function<bool()>& stop,
                          const std::function<void(const v1::SweepVerdict&)>& verdict);

}  // namespace dragnet::console
