// Actions that too few have signed: they wait here until enough have, and are sent
// to no one before. Signatures on the same payload are joined, as each comes from
// a person of its own; when they reach the weight, the action is launched, as if
// someone had brought it with all of them.
//
// What holds after any kill: an action is launched once, a refused one never. Both
// are one step in the store (Store::AddAction, Store::RefuseProposal). One that has
// enough signatures and wasn't launched is launched by the next call of Propose.
//
// A new trust policy launches nothing by itself: what is missing is computed anew
// whenever someone asks, and only a call of Propose launches.
//
// Thread-safe. All block.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/clock.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/envelope.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/news.h"
#include "scheduler/dispatch/policies.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class Proposals {
 public:
  struct Proposed {
    v1::Proposal proposal;
    // Set when this call launched it.
    std::optional<Dispatcher::Launched> launched;
  };

  // All must outlive this.
  Proposals(Store& store, Policies& policies, Dispatcher& dispatcher, News& news,
            const Clock& clock, std::string fleet_id, ProposalBounds bounds = {})
      : store_(store),
        policies_(policies),
        dispatcher_(dispatcher),
        news_(news),
        clock_(clock),
        fleet_id_(std::move(fleet_id)),
        bounds_(bounds) {}

  // Errors as Propose in investigator.proto. Whoever lost the answer that launched
  // it asks again with the same signatures, and is answered as the first time.
  absl::StatusOr<Proposed> Propose(const std::string& envelope_bytes, const std::string& caller);

  // Obeys a signed cancellation of an open proposal; gives its id. Nothing when the
  // order is about no proposal, or one that was launched: it is the dispatcher's.
  absl::StatusOr<std::optional<std::string>> Refuse(const std::string& order_bytes,
                                                    const std::string& sent_by);

  // As ListProposals in investigator.proto.
  absl::StatusOr<std::vector<v1::Proposal>> List(bool with_closed);
  v1::Proposal Describe(const StoredProposal& stored) const;

 private:
  absl::StatusOr<Proposed> Launch(const StoredProposal& stored, const std::string& caller);
  absl::StatusOr<Proposed> AnswerLaunched(const StoredProposal& stored, const v1::Envelope& brought,
                                          const std::string& caller);
  absl::StatusOr<StoredProposal> AddOrSign(const v1::Action& action, const v1::Envelope& brought,
                                           const TrustPolicy& policy, const std::string& caller)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(proposing_);

  Store& store_;
  Policies& policies_;
  Dispatcher& dispatcher_;
  News& news_;
  const Clock& clock_;
  const std::string fleet_id_;
  const ProposalBounds bounds_;
  // Held while signatures are joined over what is stored, and stored.
  absl::Mutex proposing_;
};

}  // namespace dragnet::scheduler
