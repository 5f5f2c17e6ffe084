#include "scheduler/cluster/outbox_relay.h"

#include <vector>

#include "core/status_macros.h"

namespace dragnet::scheduler {
namespace {

constexpr int kAtOnce = 100;

}  // namespace

absl::Status RelayOutbox(Coordination& store, Bus& bus) {
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<v1::Notice> notices, store.Outbox(kAtOnce));
    if (notices.empty()) return absl::OkStatus();
    absl::Status published;
    std::vector<uint64_t> ids;
    for (const v1::Notice& notice : notices) {
      published = bus.PublishNotice(notice);
      // In order: none before the one that it comes after.
      if (!published.ok()) break;
      ids.push_back(notice.id());
    }
    if (!ids.empty()) DRAGNET_RETURN_IF_ERROR(store.ForgetOutbox(ids));
    DRAGNET_RETURN_IF_ERROR(published);
  }
}

}  // namespace dragnet::scheduler
