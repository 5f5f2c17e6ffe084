#include "agent/monitor/orders.h"

#include <algorithm>

#include "core/action.h"
#include "core/keys.h"

namespace dragnet {

const OrderBook::InForce* OrderBook::Find(std::string_view action_id) const {
  const auto found = orders_.find(action_id);
  return found == orders_.end() ? nullptr : &found->second;
}

bool OrderBook::IsCancelled(std::string_view action_id) const {
  const InForce* order = Find(action_id);
  return order != nullptr && order->kind == v1::Order::KIND_CANCEL;
}

bool OrderBook::IsPaused(std::string_view action_id) const {
  const InForce* order = Find(action_id);
  return order != nullptr && order->kind == v1::Order::KIND_PAUSE;
}

bool OrderBook::HoldsEnvelope(std::string_view envelope_bytes) const {
  const std::string sha256 = Sha256(envelope_bytes);
  return std::any_of(orders_.begin(), orders_.end(),
                     [&](const auto& entry) { return entry.second.envelope_sha256 == sha256; });
}

void OrderBook::Put(const AuthorizedOrder& authorized, std::string_view envelope_bytes,
                    absl::Time now, const std::function<bool(std::string_view)>& is_here) {
  const v1::Order& order = authorized.order;
  if (!orders_.contains(order.action_id()) && orders_.size() >= kMaxOrders) MakeRoom(now, is_here);
  InForce& in_force = orders_[order.action_id()];
  in_force.order_id = order.id();
  in_force.kind = order.kind();
  in_force.words = OrderWords(order, authorized.signers);
  in_force.expires = *ToTime(order.expires());
  in_force.envelope_sha256 = Sha256(envelope_bytes);
}

void OrderBook::MakeRoom(absl::Time now, const std::function<bool(std::string_view)>& is_here) {
  std::erase_if(orders_, [&](const auto& entry) {
    return entry.second.expires < now && !is_here(entry.first);
  });
  if (orders_.size() < kMaxOrders) return;
  auto oldest = orders_.end();
  for (auto entry = orders_.begin(); entry != orders_.end(); ++entry) {
    if (is_here(entry->first)) continue;
    if (oldest == orders_.end() || entry->second.order_id < oldest->second.order_id) oldest = entry;
  }
  if (oldest != orders_.end()) orders_.erase(oldest);
}

}  // namespace dragnet
