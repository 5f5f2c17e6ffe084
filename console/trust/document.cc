#include "console/trust/document.h"

#include "absl/strings/str_join.h"
#include "console/form/describe.h"
#include "console/output/cell.h"
#include "console/trust/reach.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string TimeWords(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? LocalTime(*time) : "not a time";
}

std::string RuleWords(const std::string& module, const TrustPolicy& policy,
                      const std::set<std::string>& signers) {
  const v1::ModulePolicy* rule = RuleOf(policy.proto(), module);
  if (rule == nullptr) return StrCat(ForTerminal(module), ": no rule: nobody may run it");
  uint64_t together = 0;
  std::vector<std::string> parts;
  for (const v1::Weight& entry : rule->weights()) {
    if (!signers.contains(entry.investigator())) continue;
    together += entry.weight();
    parts.push_back(StrCat(entry.investigator(), " ", entry.weight()));
  }
  return StrCat(ForTerminal(module), ": weight ", together, " of ", rule->minimum_weight(),
                " needed", parts.empty() ? "" : StrCat(" (", absl::StrJoin(parts, ", "), ")"),
                together >= rule->minimum_weight() ? "" : ": NOT ENOUGH");
}

}  // namespace

absl::StatusOr<SignedDocument> ReadDocument(std::string_view envelope_bytes) {
  v1::Envelope unparsed;
  if (!ParseStrict(envelope_bytes, kMaxEnvelopeBytes, &unparsed).ok() ||
      unparsed.payload_type().empty()) {
    return absl::InvalidArgumentError(
        "not a signed document: an envelope in the JSON form of DSSE or in protobuf's binary one "
        "is needed, as --no-launch and dragnet trust draft write it");
  }
  const std::string type = unparsed.payload_type();
  SignedDocument document;
  DRAGNET_ASSIGN_OR_RETURN(document.envelope, ParseEnvelope(envelope_bytes, type));
  const std::string& payload = document.envelope.payload();
  if (type == kActionPayloadType) {
    DRAGNET_ASSIGN_OR_RETURN(document.content, ParseAction(payload));
  } else if (type == kOrderPayloadType) {
    DRAGNET_ASSIGN_OR_RETURN(document.content, ParseOrder(payload));
  } else if (type == kTrustPolicyPayloadType) {
    v1::TrustPolicy policy;
    DRAGNET_RETURN_IF_ERROR(ParseStrict(payload, kMaxEnvelopeBytes, &policy));
    DRAGNET_RETURN_IF_ERROR(ValidateTrustPolicy(policy));
    document.content = std::move(policy);
  } else if (type == kReleasePayloadType) {
    if (envelope_bytes.size() > kMaxReleaseEnvelopeBytes) {
      return absl::InvalidArgumentError(StrCat("a release of ", envelope_bytes.size(),
                                               " bytes, at most ", kMaxReleaseEnvelopeBytes));
    }
    DRAGNET_ASSIGN_OR_RETURN(document.content, ParseRelease(payload));
  } else {
    return absl::InvalidArgumentError(StrCat(
        "a document of type \"", ForTerminal(Shorten(type, 100)),
        "\": this is neither an action, an order, a trust policy nor a release of Dragnet's"));
  }
  return document;
}

std::string_view SignedDocument::kind() const {
  if (action() != nullptr) return "an action";
  if (order() != nullptr) return "an order";
  return policy() != nullptr ? "a trust policy" : "a release";
}

absl::StatusOr<v1::Envelope> PolicyEnvelope(const v1::TrustPolicy& policy) {
  DRAGNET_RETURN_IF_ERROR(ValidateTrustPolicy(policy));
  v1::Envelope envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
  // As large as it may become once all have signed.
  const size_t most = envelope.ByteSizeLong() + kMaxSignatures * (kMaxSignatureBytes + 128);
  if (most > kMaxEnvelopeBytes) {
    return absl::InvalidArgumentError(StrCat("the trust policy has ", envelope.payload().size(),
                                             " bytes, which leaves no room ",
                                             "for signatures: remove investigators or modules"));
  }
  return envelope;
}

absl::Status CheckNotExpired(const SignedDocument& document, absl::Time now) {
  const auto& [what, expires] =
      document.action() != nullptr   ? std::pair("the action", document.action()->expires())
      : document.order() != nullptr  ? std::pair("the order", document.order()->expires())
      : document.policy() != nullptr ? std::pair("the trust policy", document.policy()->expires())
                                     : std::pair("the release", document.release()->expires());
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time until, ToTime(expires));
  if (until >= now) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat(what, " expired on ", LocalTime(until), ": no agent would obey it; make a new one"));
}

std::string DescribeOrder(const v1::Order& order) {
  return DescribeLines({{"Order", std::string(WordOf(order.kind()))},
                        {"Action", order.action_id()},
                        {"Id", order.id()},
                        {"Fleet", order.fleet_id()},
                        {"Reason", order.reason()},
                        {"Issued", TimeWords(order.issued())},
                        {"Valid", StrCat("until ", TimeWords(order.expires()))}});
}

std::string DescribeWeights(const v1::Action& action, const TrustPolicy& policy,
                            const std::set<std::string>& signers, const ModuleCatalog& catalog) {
  std::string text;
  for (int i = 0; i < action.operations_size(); ++i) {
    const std::string& module = action.operations(i).module();
    std::vector<std::string> needed = catalog.WeightsNeeded(module);
    if (needed.empty()) needed = {module};
    for (const std::string& name : needed) {
      StrAppend(&text, "  operation ", i + 1, ", ", RuleWords(name, policy, signers),
                name == module ? "" : StrCat(" (", ForTerminal(module), " uses its powers)"), "\n");
    }
  }
  return text;
}

absl::Status CheckOrder(std::string_view envelope_bytes, const v1::Action* action,
                        const TrustPolicy& policy, const ModuleCatalog& catalog, absl::Time now) {
  OrderContext context;
  context.policy = &policy;
  context.fleet_id = policy.fleet_id();
  context.now = now;
  context.modules_of = [&](std::string_view) -> std::optional<std::vector<std::string>> {
    if (action == nullptr) return std::nullopt;
    std::vector<std::string> modules;
    for (const v1::Operation& operation : action->operations())
      modules.push_back(operation.module());
    return modules;
  };
  context.weights_needed = [&](std::string_view module) { return catalog.WeightsNeeded(module); };
  context.order_in_force = [](std::string_view) { return std::string(); };
  const auto decision = AuthorizeOrder(envelope_bytes, context);
  if (const auto* refused = std::get_if<RefusedOrder>(&decision)) return refused->status;
  return absl::OkStatus();
}

}  // namespace dragnet::console
