// The parts of `dragnet trust`: a file each, registered in trust_command.cc.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "console/cli/command_line.h"
#include "console/cli/session.h"

namespace dragnet::console {

// Not thread-safe: Define, then Run, each once.
class TrustPart {
 public:
  virtual ~TrustPart() = default;
  // Adds its subcommands to `trust`, bound to members of this object.
  virtual void Define(CommandLine& trust) = 0;
  virtual bool Has(const CommandLine* chosen) const = 0;
  // `chosen` is one of its subcommands. Gives the exit status.
  virtual absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) = 0;
};

std::unique_ptr<TrustPart> NewTrustShow();     // show, diff
std::unique_ptr<TrustPart> NewTrustEdit();     // draft, add, remove, key, role, weight, root, ca
std::unique_ptr<TrustPart> NewTrustSign();     // sign
std::unique_ptr<TrustPart> NewTrustPublish();  // publish
std::unique_ptr<TrustPart> NewTrustAgents();   // agents, revoke

}  // namespace dragnet::console
