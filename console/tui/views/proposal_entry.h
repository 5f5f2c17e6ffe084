// A proposal as one decides about it: found out here, from the signed bytes and the
// verified trust policy. What the scheduler alone says of it (who brought it, in
// which state it is) is for show, and nothing is offered to be signed on its word.
// Thread-safe: no state.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/form/describe.h"
#include "console/form/module_catalog.h"
#include "console/investigation/proposals.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

struct ProposalEntry {
  v1::Proposal proposal;
  // Of the signed document; empty where that can't be read.
  v1::Action action;
  // With a valid signature.
  std::set<std::string> signers;
  SignatureNeed need;
  // "memory 1/2", of what is missing.
  std::string missing;
  // Why agents would refuse it, whoever signs.
  std::vector<std::string> problems;
  // Why it is not to be signed by anyone; empty: nothing is wrong with it.
  std::string distrust;
  // Of a closed one: "refused by carol: …", checked; or that it doesn't hold.
  std::string fate;

  const std::string& id() const { return proposal.action_id(); }
  bool open() const { return proposal.state() == v1::Proposal::STATE_OPEN; }
  std::string name() const;
  std::string modules() const;
  // As signed; the past where it isn't readable.
  absl::Time expires() const;
};

// May ask the scheduler for a document that the list left out. `policy` may be null:
// then nothing is known to be signed.
ProposalEntry Examine(v1::Proposal proposal, const TrustPolicy* policy,
                      const ModuleCatalog& modules, absl::Time now, Client& client);

// Why `name` can't sign it now; empty: can. `launches`: with that signature it has
// enough.
std::string WhyNotSign(const ProposalEntry& entry, const std::string& name,
                       const TrustPolicy* policy, const ModuleCatalog& modules, absl::Time now,
                       bool* launches);
// Why `name` can't refuse it; empty: can.
std::string WhyNotRefuse(const ProposalEntry& entry, const std::string& name,
                         const TrustPolicy* policy, const ModuleCatalog& modules);

// The whole, to be read before deciding. `extra` as in DescribeAction.
std::string DescribeEntry(const ProposalEntry& entry, const std::string& reach,
                          const std::string& name, const ModuleCatalog& modules);

// "23 h", "5 min", "expired".
std::string TimeLeft(absl::Duration left);

}  // namespace dragnet::console::tui
