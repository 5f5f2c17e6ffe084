#include "console/investigation/verification.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/weights.h"

namespace dragnet::console {
namespace {

std::string MissingFor(const v1::Operation& operation, const std::set<std::string>& signers,
                       const TrustPolicy& policy, const ModuleCatalog& modules) {
  const std::vector<std::string> needed = modules.WeightsNeededBy(operation);
  if (needed.empty()) {
    return "this version has no such module, so whose powers it uses is not known here";
  }
  for (const std::string& module : needed) {
    const absl::Status weight = policy.CheckWeight(module, signers);
    if (!weight.ok()) return std::string(weight.message());
  }
  return "";
}

// "cancelled by alice: wrong target (2026-11-28 18:00:00)"; else why not.
absl::StatusOr<std::string> OrderLine(const std::string& bytes, const v1::Action& action,
                                      const TrustPolicy& policy, const ModuleCatalog& catalog) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope, ParseEnvelope(bytes, kOrderPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Order order, ParseOrder(envelope.payload()));
  if (order.action_id() != action.id()) {
    return absl::DataLossError(StrCat("about another action, ", order.action_id()));
  }
  OrderContext context;
  context.policy = &policy;
  context.fleet_id = policy.fleet_id();
  // Whether it held when it was given.
  DRAGNET_ASSIGN_OR_RETURN(context.now, ToTime(order.issued()));
  context.modules_of = [&](std::string_view) {
    return std::optional<std::vector<std::string>>(ModulesRun(action));
  };
  context.weights_needed = [&](std::string_view module) { return catalog.WeightsNeeded(module); };
  context.order_in_force = [](std::string_view) { return std::string(); };
  const auto decision = AuthorizeOrder(bytes, context);
  if (const auto* refused = std::get_if<RefusedOrder>(&decision)) return refused->status;
  return StrCat(OrderWords(order, std::get<AuthorizedOrder>(decision).signers), " (",
                LocalTime(context.now), ")");
}

}  // namespace

bool ActionVerification::authorized() const {
  return problems.empty() && std::all_of(missing.begin(), missing.end(),
                                         [](const std::string& text) { return text.empty(); });
}

absl::StatusOr<ActionVerification> VerifyAction(std::string_view envelope_bytes,
                                                const TrustPolicy& policy,
                                                const ModuleCatalog& modules, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(envelope_bytes, kActionPayloadType));
  ActionVerification verification;
  verification.signatures = envelope.signatures_size();
  verification.signers = policy.Signers(envelope);
  DRAGNET_ASSIGN_OR_RETURN(verification.action, ParseAction(envelope.payload()));
  for (const v1::Operation& operation : verification.action.operations()) {
    verification.missing.push_back(MissingFor(operation, verification.signers, policy, modules));
  }
  if (policy.expired(now)) {
    verification.problems.push_back(
        StrCat("the trust policy expired on ", LocalTime(policy.expires())));
  }
  if (verification.action.fleet_id() != policy.fleet_id()) {
    verification.problems.push_back(StrCat("the action is for fleet ",
                                           verification.action.fleet_id(), ", not for ",
                                           policy.fleet_id()));
  }
  return verification;
}

std::string DescribeVerification(const ActionVerification& verification,
                                 const TrustPolicy& policy) {
  std::string text =
      StrCat("Signed by   ",
             verification.signers.empty() ? "no one in the trust policy"
                                          : absl::StrJoin(verification.signers, ", "),
             " (", verification.signers.size(), " of ", verification.signatures,
             " signatures valid; trust policy version ", policy.version(), ")\n");
  for (size_t i = 0; i < verification.missing.size(); ++i) {
    const std::string& missing = verification.missing[i];
    StrAppend(&text, "Operation ", i + 1, " ",
              ForTerminal(verification.action.operations(static_cast<int>(i)).module()), ": ",
              missing.empty() ? "enough weight signed" : ForTerminal(missing), "\n");
  }
  for (const std::string& problem : verification.problems) {
    StrAppend(&text, "Problem: ", ForTerminal(problem), "\n");
  }
  return text;
}

std::string DescribeOrders(const google::protobuf::RepeatedPtrField<std::string>& envelopes,
                           const v1::Action& action, const TrustPolicy& policy,
                           const ModuleCatalog& modules) {
  std::string text;
  for (const std::string& bytes : envelopes) {
    const absl::StatusOr<std::string> line = OrderLine(bytes, action, policy, modules);
    StrAppend(&text, "Order       ",
              line.ok() ? ForTerminal(*line)
                        : StrCat("not valid: ", ForTerminal(ToStd(line.status().message()))),
              "\n");
  }
  return text;
}

}  // namespace dragnet::console
