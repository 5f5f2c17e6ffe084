// Rows of a rule set. Stateless and thread-safe.
#pragma once

#include <string_view>

#include "modules/firewall/registers.h"
#include "modules/firewall/ruleset.h"
#include "modules/firewall/search.h"
#include "modules/module.h"

namespace dragnet::firewall {

// From text as /proc/net/dev, and (for their numbers) as /proc/net/igmp and dev_mcast. Those of
// `only`, if it isn't empty. At least one: of a host without interfaces, one that stands for any.
Interfaces ParseInterfaces(std::string_view dev, std::string_view igmp, std::string_view dev_mcast,
                           const std::set<std::string>& only);

void ReportRules(const Search& search, const Ruleset& ruleset, RunContext& context);

// What can be reached that isn't allowed; what can't be decided is noted.
void ReportReachable(const Search& search, const Ruleset& ruleset, const Interfaces& interfaces,
                     RunContext& context);

// As Module::Run, of the calling thread's network namespace, whose CAP_NET_ADMIN it gives up.
absl::Status RunSearch(const Search& search, RunContext& context);

}  // namespace dragnet::firewall
