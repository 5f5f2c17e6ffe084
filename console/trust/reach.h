// What people can do together under a trust policy, by its numbers alone: for
// those who change one. Whether a signed action may run is TrustPolicy's and
// AuthorizeAction's to say. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "console/form/module_catalog.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {

// Null when no rule exists.
const v1::ModulePolicy* RuleOf(const v1::TrustPolicy& policy, std::string_view module);

// Whether these people's signatures are enough for `module`, and for those whose
// powers it uses.
bool Suffice(const v1::TrustPolicy& policy, std::string_view module,
             const std::set<std::string>& people, const ModuleCatalog& catalog);

// Those who need no one else.
std::set<std::string> AloneEnough(const v1::TrustPolicy& policy, std::string_view module,
                                  const ModuleCatalog& catalog);

// How many people the rule of `module` itself takes at the least; nothing when
// all together don't reach it.
std::optional<size_t> FewestPeople(const v1::TrustPolicy& policy, std::string_view module);

// Why `module` can't be run by anyone; empty if it can.
std::string WhyNobody(const v1::TrustPolicy& policy, std::string_view module,
                      const ModuleCatalog& catalog);

// What is wrong with a policy that is well-formed: modules that nobody can run
// or that this version doesn't know, nobody who could publish the next policy or
// launch. In raw words, a line each.
std::vector<std::string> Problems(const v1::TrustPolicy& policy, const ModuleCatalog& catalog);

}  // namespace dragnet::console
