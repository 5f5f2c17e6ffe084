#include "scheduler/api/agent_search.h"

#include <string>
#include <utility>
#include <vector>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

constexpr uint32_t kDefaultPage = 1000;
constexpr uint32_t kMaxPage = 10'000;
// Consoles take messages of 4 MiB; a page ends when it is full.
constexpr size_t kMaxPageBytes = 2 * 1024 * 1024;

}  // namespace

absl::Status SearchAgents(const Agents& agents, absl::Time now,
                          const v1::SearchAgentsRequest& request,
                          v1::SearchAgentsResponse* response) {
  if (request.page_size() > kMaxPage)
    return absl::InvalidArgumentError(StrCat("page_size: at most ", kMaxPage));
  const size_t page_size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  DRAGNET_ASSIGN_OR_RETURN(AgentPage page,
                           agents.Search(request.target(), request.page_token(),
                                         request.count_only() ? 0 : page_size, kMaxPageBytes, now));
  response->set_total(page.total);
  response->set_connected(page.connected);
  if (page.more) response->set_next_page_token(page.agents.back().facts().id());
  for (v1::AgentInfo& info : page.agents) *response->add_agents() = std::move(info);
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
