#include "console/tui/views/action_pages.h"

#include <set>
#include <string_view>

#include "core/status_macros.h"

namespace dragnet::console::tui {
namespace {

constexpr uint32_t kPageSize = 50;

}  // namespace

absl::StatusOr<ActionPage> FetchActionPage(Client& client, const std::string& token,
                                           const TrustPolicy* policy, const ModuleCatalog& modules,
                                           absl::Time now) {
  v1::ListActionsRequest request;
  request.set_page_size(kPageSize);
  request.set_page_token(token);
  DRAGNET_ASSIGN_OR_RETURN(const v1::ListActionsResponse response, client.ListActions(request));
  ActionPage page;
  for (const v1::ActionInfo& info : response.actions())
    page.rows.push_back(ActionRowOf(info, policy, modules, now));
  page.next_token = response.next_page_token();
  return page;
}

absl::StatusOr<ActionNews> FetchActionNews(Client& client, const TrustPolicy* policy,
                                           const ModuleCatalog& modules, absl::Time now,
                                           bool with_page, const std::vector<std::string>& ids) {
  ActionNews news;
  news.with_page = with_page;
  std::set<std::string_view> there;
  if (with_page) {
    DRAGNET_ASSIGN_OR_RETURN(news.page, FetchActionPage(client, "", policy, modules, now));
    for (const ActionRow& row : news.page.rows) there.insert(row.id);
  }
  for (const std::string& id : ids) {
    if (there.contains(id)) continue;
    v1::GetActionRequest request;
    request.set_action_id(id);
    const absl::StatusOr<v1::GetActionResponse> response = client.GetAction(request);
    // Removed meanwhile: the next whole page shows it.
    if (absl::IsNotFound(response.status())) continue;
    DRAGNET_RETURN_IF_ERROR(response.status());
    if (response->action().action_id() != id) continue;
    news.rows.push_back(ActionRowOf(response->action(), policy, modules, now));
  }
  return news;
}

}  // namespace dragnet::console::tui
