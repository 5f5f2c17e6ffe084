#include "console/tui/views/agent_pages.h"

#include <iterator>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"

namespace dragnet::console::tui {
namespace {

constexpr uint32_t kPageSize = 1000;

}  // namespace

void AgentPages::Fetch(const std::string& target, bool parts) {
  fetching_ = std::make_shared<Fetching>();
  fetching_->target = target;
  fetching_->parts = parts;
  fetching_->began = SteadyNow();
  Next();
}

void AgentPages::Stop() { fetching_ = nullptr; }

absl::StatusOr<AgentPages::Page> AgentPages::FetchPage(Client& client, const std::string& target,
                                                       const std::string& token) {
  v1::SearchAgentsRequest request;
  request.set_target(target);
  request.set_page_size(kPageSize);
  request.set_page_token(token);
  DRAGNET_ASSIGN_OR_RETURN(const v1::SearchAgentsResponse response, client.SearchAgents(request));
  Page page;
  page.rows.reserve(static_cast<size_t>(response.agents_size()));
  for (const v1::AgentInfo& agent : response.agents()) page.rows.push_back(FleetRowOf(agent));
  // A page that brings nothing new would go on for ever.
  if (!page.rows.empty() && response.next_page_token() != token)
    page.next = response.next_page_token();
  page.total = response.total();
  return page;
}

void AgentPages::Next() {
  backend_.background().Run(
      std::weak_ptr<void>(fetching_),
      [client = backend_.client(), target = fetching_->target, token = fetching_->page_token] {
        return FetchPage(*client, target, token);
      },
      [this](absl::StatusOr<Page> page) { OnPage(std::move(page)); });
}

void AgentPages::OnPage(absl::StatusOr<Page> page) {
  if (!page.ok()) {
    fetching_ = nullptr;
    return hooks_.on_error(page.status());
  }
  Fetching& fetching = *fetching_;
  std::move(page->rows.begin(), page->rows.end(), std::back_inserter(fetching.rows));
  if (!page->next.empty() && fetching.rows.size() < FleetModel::kMostRows) {
    fetching.page_token = page->next;
    Next();
    // Each time that there are twice as many: showing them takes a copy.
    if (fetching.parts && fetching.rows.size() >= 2 * fetching.told) {
      fetching.told = fetching.rows.size();
      hooks_.on_part(fetching.rows, page->total);
    }
    return;
  }
  took_ = SteadyNow() - fetching.began;
  // It may fetch again in the hook.
  const std::shared_ptr<Fetching> done = std::exchange(fetching_, nullptr);
  hooks_.on_all(std::move(done->rows), page->total);
}

}  // namespace dragnet::console::tui
