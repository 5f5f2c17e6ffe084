// A host that is asked by a scheduler in an attacker's hands, and afterwards by
// the fleet's own: what it refused must show there, and nothing may have run.
// Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dragnet/v1/results.pb.h"
#include "tests/harness/fleet.h"
#include "tests/harness/rogue_scheduler.h"

namespace dragnet::testing {

class AttackedAgent {
 public:
  // An agent of `fleet`, enrolled and with its trust policy, that now talks to
  // a rogue scheduler instead. The fleet's scheduler runs on.
  // The rogue acknowledges nothing unless `acknowledge`: what an agent refused
  // then waits for the fleet's scheduler (an agent sends 32 such at once).
  AttackedAgent(TestFleet& fleet, AgentOptions options, bool acknowledge = false);

  RogueScheduler& rogue() { return *rogue_; }
  Agent& agent() { return *agent_; }
  // A directory with one file; an action over it that ran would find that file.
  const std::string& bait() const { return bait_; }

  // Sends it and waits for the refusal. REASON_UNSPECIFIED: it did not refuse.
  v1::Refusal SendAction(const std::string& envelope);
  v1::Refusal SendPolicy(const std::string& envelope);
  v1::Refusal SendOrder(const std::string& envelope);

  // Stops the agent and brings it back to the fleet's scheduler. What its
  // scheduler then shows, through `dragnet agents refusals`' RPC, of `envelope`.
  v1::Refusal RefusalInSchedulersView(const std::string& envelope);

  // Of all that was sent so far. Stops the agent.
  void ExpectNothingRan();

 private:
  v1::Refusal Answer(const std::string& envelope);

  TestFleet& fleet_;
  Agent* agent_;
  std::string bait_;
  int rogue_port_;
  std::unique_ptr<RogueScheduler> rogue_;
};

}  // namespace dragnet::testing
