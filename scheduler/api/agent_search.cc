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
  // One more, to know whether there is one more.
  DRAGNET_ASSIGN_OR_RETURN(AgentPage page,
                           agents.Search(request.target(), request.page_token(),
                                         request.count_only() ? 0 : page_size + 1, now));
  response->set_total(page.total);
  response->set_connected(page.connected);
  size_t bytes = 0;
  for (v1::AgentInfo& info : page.agents) {
    const size_t count = static_cast<size_t>(response->agents_size());
    const size_t size = info.ByteSizeLong();
    if (count == page_size || (count > 0 && bytes + size > kMaxPageBytes)) {
      response->set_next_page_token(response->agents(static_cast<int>(count) - 1).facts().id());
      break;
    }
    bytes += size;
    *response->add_agents() = std::move(info);
  }
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
