#include "console/trust/policy_text.h"

#include <vector>

#include "absl/strings/str_join.h"
#include "console/form/describe.h"
#include "console/output/cell.h"
#include "console/trust/ca_certificate.h"
#include "console/trust/edit.h"
#include "console/trust/keys.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string Time(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? LocalTime(*time) : "not a time";
}

std::string ExpiryWords(const v1::TrustPolicy& policy, absl::Time now) {
  const absl::StatusOr<absl::Time> expires = ToTime(policy.expires());
  const bool expired = expires.ok() && *expires < now;
  return StrCat(Time(policy.expires()), expired ? " (EXPIRED: agents refuse everything)" : "");
}

}  // namespace

std::string DescribePolicy(const v1::TrustPolicy& policy, absl::Time now) {
  std::string text =
      DescribeLines({{"Fleet", policy.fleet_id()},
                     {"Version", StrCat(policy.version())},
                     {"Issued", Time(policy.issued())},
                     {"Expires", ExpiryWords(policy, now)},
                     {"Root keys", StrCat(policy.roots().threshold(), " of ",
                                          policy.roots().keys_size(), " must sign a new policy")}});
  for (const v1::PublicKey& key : policy.roots().keys())
    StrAppend(&text, "  ", KeyWords(key), "\n");
  if (policy.has_release_keys()) {
    StrAppend(&text, "Release keys  ", policy.release_keys().threshold(), " of ",
              policy.release_keys().keys_size(), " must sign a release of the agent\n");
    for (const v1::PublicKey& key : policy.release_keys().keys())
      StrAppend(&text, "  ", KeyWords(key), "\n");
  } else {
    text.append("Release keys  none: only the root keys make a release of the agent\n");
  }
  text.append("\nInvestigators\n");
  for (const v1::Investigator& person : policy.investigators()) {
    std::vector<std::string> roles;
    for (const int role : person.roles()) roles.push_back(RoleWord(role));
    StrAppend(&text, "  ", ForTerminal(person.name()), " (",
              roles.empty() ? "no role" : absl::StrJoin(roles, ", "), ")\n");
    for (const v1::PublicKey& key : person.keys()) StrAppend(&text, "    ", KeyWords(key), "\n");
  }
  text.append("\nModules\n");
  for (const v1::ModulePolicy& module : policy.modules()) {
    std::vector<std::string> weights;
    for (const v1::Weight& weight : module.weights()) {
      weights.push_back(StrCat(ForTerminal(weight.investigator()), " ", weight.weight()));
    }
    StrAppend(&text, "  ", ForTerminal(module.module()), ": weight ", module.minimum_weight(),
              " needed; ", weights.empty() ? "no one has weight" : absl::StrJoin(weights, ", "),
              "\n");
  }
  if (!policy.ca_certificates().empty()) text.append("\nCA certificates\n");
  for (const std::string& der : policy.ca_certificates())
    StrAppend(&text, "  ", CaWords(der), "\n");
  return text;
}

}  // namespace dragnet::console
