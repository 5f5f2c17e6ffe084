// Asks the scheduler for actions and verifies them. May block: for a thread in the
// background. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/tui/views/action_list.h"

namespace dragnet::console::tui {

struct ActionPage {
  std::vector<ActionRow> rows;
  // Of the page after it; empty: it is the last.
  std::string next_token;
};
// `policy` may be null, as in ActionRowOf.
absl::StatusOr<ActionPage> FetchActionPage(Client& client, const std::string& token,
                                           const TrustPolicy* policy, const ModuleCatalog& modules,
                                           absl::Time now);

struct ActionNews {
  // The first page, if it was asked for.
  bool with_page = false;
  ActionPage page;
  // Others that were asked for by id. One that is gone is left out.
  std::vector<ActionRow> rows;
};
absl::StatusOr<ActionNews> FetchActionNews(Client& client, const TrustPolicy* policy,
                                           const ModuleCatalog& modules, absl::Time now,
                                           bool with_page, const std::vector<std::string>& ids);

}  // namespace dragnet::console::tui
