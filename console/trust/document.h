// Any signed document of Dragnet's, read strictly out of its envelope.
// Thread-safe: no state.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/envelope.pb.h"
#include "dragnet/v1/order.pb.h"
#include "dragnet/v1/release.pb.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {

struct SignedDocument {
  v1::Envelope envelope;
  // Parsed from the very bytes that are, or will be, signed; within their bounds.
  std::variant<v1::Action, v1::Order, v1::TrustPolicy, v1::Release> content;

  const v1::Action* action() const { return std::get_if<v1::Action>(&content); }
  const v1::Order* order() const { return std::get_if<v1::Order>(&content); }
  const v1::TrustPolicy* policy() const { return std::get_if<v1::TrustPolicy>(&content); }
  const v1::Release* release() const { return std::get_if<v1::Release>(&content); }
  // "an action", "an order", "a trust policy", "a release".
  std::string_view kind() const;
};

// InvalidArgument for what is no envelope, for a type of document that isn't one
// of Dragnet's, by its name, and for content over its bounds.
absl::StatusOr<SignedDocument> ReadDocument(std::string_view envelope_bytes);

// An envelope of this policy without signatures. InvalidArgument as
// ValidateTrustPolicy.
absl::StatusOr<v1::Envelope> PolicyEnvelope(const v1::TrustPolicy& policy);

// FailedPrecondition when it was valid only until before `now`: to sign or send
// it would be for nothing.
absl::Status CheckNotExpired(const SignedDocument& document, absl::Time now);

std::string DescribeOrder(const v1::Order& order);

// By operation, each module whose weight it takes: who gives how much of what is
// needed. Two spaces in front.
std::string DescribeWeights(const v1::Action& action, const TrustPolicy& policy,
                            const std::set<std::string>& signers, const ModuleCatalog& catalog);

// Whether the order would be obeyed now. `action`: what it is about, null if
// that isn't known here. The status is AuthorizeOrder's.
absl::Status CheckOrder(std::string_view envelope_bytes, const v1::Action* action,
                        const TrustPolicy& policy, const ModuleCatalog& catalog, absl::Time now);

}  // namespace dragnet::console
