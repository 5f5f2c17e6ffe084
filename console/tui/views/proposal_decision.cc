#include "console/tui/views/proposal_decision.h"

#include "console/investigation/orders.h"
#include "console/investigation/proposals.h"
#include "console/investigation/verification.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {

absl::StatusOr<SignResult> SignAndPropose(const ProposalEntry& entry, const Signer& signer,
                                          const std::string& name, const TrustPolicy& policy,
                                          const ModuleCatalog& modules, absl::Time now,
                                          Client& client) {
  if (!PeopleOf(signer.public_key(), policy).contains(name)) {
    return absl::FailedPreconditionError(StrCat("your key is not ", name,
                                                "'s in trust policy version ", policy.version(),
                                                ": nothing was signed"));
  }
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           SignSamePayload(entry.proposal.envelope(), signer));
  // E.g. a security key whose token was only touched, where its user must be verified.
  if (!policy.Signers(envelope).contains(name)) {
    return absl::FailedPreconditionError(
        StrCat("what your key signed doesn't count by trust policy version ", policy.version(),
               ": nothing was sent; how the key is listed there (dragnet trust show) must be how "
               "it signs"));
  }
  v1::ProposeRequest request;
  request.set_envelope(envelope.SerializeAsString());
  DRAGNET_ASSIGN_OR_RETURN(const v1::ProposeResponse response, client.Propose(request));
  SignResult result;
  result.launched = response.has_launched();
  if (result.launched) return result;
  const absl::StatusOr<ActionVerification> after =
      VerifyAction(response.proposal().envelope(), policy, modules, now);
  if (!after.ok() || after->action.id() != entry.id()) {
    result.words = "what the scheduler shows of it now can't be read";
    return result;
  }
  const SignatureNeed need = NeedOf(after->action, after->signers, policy, modules, "has");
  result.words = need.enough ? "it has enough, and was not launched: sign again to launch it"
                             : StrCat("it still ", need.words);
  return result;
}

absl::Status SignRefusal(const v1::Action& action, const Signer& signer, const std::string& fleet,
                         const std::string& reason, absl::Time now, Client& client) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Order order,
                           NewOrder(v1::Order::KIND_CANCEL, action, fleet, reason, now));
  v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(AddSignature(signer, &envelope));
  v1::SendOrderRequest request;
  request.set_envelope(envelope.SerializeAsString());
  return client.SendOrder(request).status();
}

}  // namespace dragnet::console::tui
