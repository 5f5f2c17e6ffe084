// What a new trust policy changes against an old one, in people's words, with
// what should make them stop. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "console/form/module_catalog.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {

struct Change {
  // Raw text: DescribeChanges makes it fit to be shown.
  std::string text;
  // Why someone should look twice before signing; empty for most changes.
  std::string danger = {};
};

// In a fixed order: the document itself, roots, CAs, people, modules, and what
// follows for who can do what. Both have passed ValidateTrustPolicy.
std::vector<Change> Differences(const v1::TrustPolicy& before, const v1::TrustPolicy& after,
                                const ModuleCatalog& catalog);

// A line each, dangerous ones with "!" in front and their reason below; one line
// that says so when nothing changes.
std::string DescribeChanges(const std::vector<Change>& changes);

}  // namespace dragnet::console
