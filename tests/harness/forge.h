// Signs whatever a test wants with the keys of a fleet, as its investigator,
// its root key holders and its CA could, and as someone else would try to.
// Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "core/keys.h"
#include "core/testing.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/envelope.pb.h"
#include "dragnet/v1/order.pb.h"
#include "dragnet/v1/release.pb.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::testing {

// A certificate and its key, as PEM.
struct TlsPair {
  std::string certificate_chain;
  std::string private_key;
};

class Forge {
 public:
  // Reads the keys that `dragnet-scheduler init` left in `fleet_directory`.
  Forge(std::string fleet_directory, std::string investigator);

  const std::string& fleet_id() const { return fleet_id_; }
  const std::vector<PrivateKey>& roots() const { return roots_; }
  const PrivateKey& investigator_key() const { return investigator_key_; }
  const std::string& investigator() const { return investigator_; }
  const std::string& ca_pem() const { return ca_pem_; }
  TlsPair investigator_tls() const;

  // --- actions
  // Valid for five minutes, for every agent: finds the files in `directory`.
  v1::Action NewAction(const std::string& directory) const;
  // With the investigator's key.
  std::string Sign(const v1::Action& action) const;
  static std::string Sign(const v1::Action& action, const std::vector<const PrivateKey*>& keys);
  // `action` as an envelope without signatures, to put some on.
  static v1::Envelope Unsigned(const v1::Action& action);

  // --- orders
  // About `action`, valid as long as it is; each newer than the one before.
  v1::Order NewOrder(const v1::Action& action, v1::Order::Kind kind) const;
  // With the investigator's key.
  std::string SignOrder(const v1::Order& order) const;

  // --- trust policies
  // The first one, as init made it.
  const v1::TrustPolicy& first_policy() const { return first_policy_; }
  // A copy of the first one with the next version (or `version`).
  v1::TrustPolicy NextPolicy(uint64_t version = 2) const;
  // Its rule for a module that it has one for.
  static v1::ModulePolicy& RuleFor(std::string_view module, v1::TrustPolicy* policy);
  // With all root keys.
  std::string SignPolicy(const v1::TrustPolicy& policy) const;
  static std::string SignPolicy(const v1::TrustPolicy& policy,
                                const std::vector<const PrivateKey*>& keys);

  // --- releases
  // Those that `dragnet-scheduler init --release-keys` made.
  const std::vector<PrivateKey>& releasers() const { return releasers_; }
  // Of these programs, for one platform: valid for an hour, later than each before.
  struct Program {
    std::string name;
    std::string content;
  };
  static v1::Release NewRelease(std::string_view version, std::string_view os,
                                std::string_view arch, const std::vector<Program>& programs);
  // With all release keys.
  std::string SignRelease(const v1::Release& release) const;
  // With whichever.
  static std::string SignRelease(const v1::Release& release,
                                 const std::vector<const PrivateKey*>& keys);

  // --- certificates of the fleet's CA, and of one that only calls itself so
  struct Owner {
    std::string kind;  // "agent", "investigator", "scheduler"
    std::string name;
  };
  TlsPair Issue(const Owner& owner, absl::Time from, absl::Duration lifetime) const;
  TlsPair IssueByOtherCa(const Owner& owner) const;
  // For a request of an agent's: chain of PEM certificates.
  std::string IssueAgent(std::string_view signing_request, const std::string& agent_id) const;

 private:
  std::string directory_;
  std::string fleet_id_;
  std::string investigator_;
  std::string ca_pem_;
  std::string ca_key_;
  std::vector<PrivateKey> roots_;
  std::vector<PrivateKey> releasers_;
  PrivateKey investigator_key_;
  v1::TrustPolicy first_policy_;
};

}  // namespace dragnet::testing
