// Extensions of iptables (xt_*), which iptables-nft puts into rules of nf_tables.
// Stateless.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "modules/firewall/registers.h"
#include "modules/firewall/ruleset.h"

namespace dragnet::firewall {

// The condition of a match (comment, conntrack, tcp, multiport …): several
// must all hold. Nothing when it can't be told.
std::optional<std::vector<Condition>> ConditionsOfMatch(const Expression& match,
                                                        const Space& space);

enum class TargetEffect { kContinue, kDrop, kTranslate, kQueue, kUnknown };
TargetEffect EffectOfTarget(std::string_view name);
// Whether it sets marks, or takes packets out of connection tracking.
bool SetsMarks(std::string_view target);
bool ChangesTracking(std::string_view target);

}  // namespace dragnet::firewall
