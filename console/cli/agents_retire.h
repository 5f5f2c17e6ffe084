// `dragnet agents retire AGENT…`: hosts leave the fleet for good. An action with the
// module `retire`, signed and launched like every other; or, for hosts that are gone,
// their certificates revoked. Not thread-safe: Define, then Run, each once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/command_line.h"
#include "console/cli/launch.h"
#include "console/cli/session.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

inline constexpr std::string_view kRetireModule = "retire";

class AgentsRetirement {
 public:
  void Define(CommandLine& line);
  // Gives the exit status.
  absl::StatusOr<int> Run(Session& session);

 private:
  absl::StatusOr<std::vector<v1::AgentInfo>> Find(Session& session) const;
  absl::StatusOr<int> Launch(const std::vector<v1::AgentInfo>& agents, Session& session);
  absl::StatusOr<int> Revoke(const std::vector<v1::AgentInfo>& agents, Session& session) const;

  std::vector<std::string> agents_;
  std::string reason_;
  bool lost_ = false;
  LaunchFlags launch_;
};

}  // namespace dragnet::console
