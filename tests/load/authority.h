// What simulated agents may be ordered: the fleet's trust policy and signed
// actions, checked by the code that real agents check them with. Each distinct
// envelope is verified once for all agents of the process (or for each agent,
// which is what a fleet of real hosts would spend, each on its own processor).
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/target.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/facts.pb.h"
#include "dragnet/v1/order.pb.h"
#include "dragnet/v1/results.pb.h"
#include "tests/load/answer.h"

namespace dragnet::load {

// An action as all agents of the process share it.
struct SharedAction {
  // Of this process, from 0.
  uint32_t number = 0;
  std::string id;
  v1::Action action;
  absl::Time expires;
  Answer answer;
  // The newest order about it.
  std::string order_id;
  v1::Order::Kind order = v1::Order::KIND_UNSPECIFIED;
};

struct Refused {
  v1::Refusal::Reason reason = v1::Refusal::REASON_UNSPECIFIED;
  std::string detail;
  std::string action_id;
};

class Authority {
 public:
  // `facts`: of all agents of the process, by their place. `verify_every`: for
  // each agent anew.
  static absl::StatusOr<std::unique_ptr<Authority>> Create(std::string fleet_id, RootSet roots,
                                                           const Answer& default_answer,
                                                           bool verify_every);

  // Before anything is decided about this agent.
  absl::Status AddAgent(uint32_t place, const v1::Facts& facts);

  using Policy = std::shared_ptr<const TrustPolicy>;
  // The policy that an agent which holds `held` (or none) has afterwards.
  absl::StatusOr<Policy> TakePolicy(const Policy& held, std::string_view envelope);

  struct Decision {
    // Null: refused.
    SharedAction* action = nullptr;
    Refused refused;
  };
  Decision Decide(std::string_view envelope, const Policy& policy, uint32_t place,
                  const v1::Facts& facts);

  // Takes an order in, once. The action that it is about, if it is known here
  // and the order was new; or why not.
  struct Ordered {
    std::string action_id;
    v1::Order::Kind kind = v1::Order::KIND_UNSPECIFIED;
    std::optional<Refused> refused;
  };
  const Ordered& TakeOrder(std::string_view envelope, const Policy& policy);

  // From a spool file: an action that an earlier process took on.
  SharedAction* Remember(const std::string& action_id, const std::string& answer);

  // Null when no action of this id was verified or ordered about.
  SharedAction* Find(std::string_view action_id) {
    const auto found = actions_.find(action_id);
    return found == actions_.end() ? nullptr : found->second.get();
  }

  bool verifies_every() const { return verify_every_; }
  uint64_t verifications() const { return verifications_; }

 private:
  struct Verdict {
    Decision decision;
    // By place: the target is true of it.
    std::vector<bool> targeted;
  };
  Authority() = default;
  Verdict Verify(std::string_view envelope, const Policy& policy, const v1::Facts* facts);
  Ordered VerifyOrder(std::string_view envelope, const Policy& policy);
  SharedAction* Share(v1::Action action);

  std::string fleet_id_;
  RootSet roots_;
  Answer default_answer_;
  bool verify_every_ = false;
  std::unique_ptr<TargetTable> targets_;
  std::map<std::string, uint32_t, std::less<>> places_;
  // By digest and by the policy held.
  std::map<std::pair<std::string, const TrustPolicy*>, absl::StatusOr<Policy>> policies_;
  std::map<std::pair<std::string, const TrustPolicy*>, Verdict> verdicts_;
  std::map<std::pair<std::string, const TrustPolicy*>, Ordered> orders_;
  std::map<std::string, std::unique_ptr<SharedAction>, std::less<>> actions_;
  uint64_t verifications_ = 0;
};

}  // namespace dragnet::load
