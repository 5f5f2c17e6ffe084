// The signed orders that hold on this host: for each action the newest one.
//
// In memory only. Workers die with the monitor, what a cancelled action must never do
// again is in the journal (StateStore::JournalCancelled), and the order of a recurring
// action is stored with it (StandingActions), so a restart loses nothing but pauses of
// actions that haven't come yet.
// Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "core/order.h"

namespace dragnet {

class OrderBook {
 public:
  // Orders kept. Above it those go that expired, then the oldest, but never that
  // of an action which waits or runs here.
  static constexpr size_t kMaxOrders = 256;

  struct InForce {
    std::string order_id;
    v1::Order::Kind kind = v1::Order::KIND_UNSPECIFIED;
    // "cancelled by ida: wrong target", for summaries and refusals.
    std::string words;
    absl::Time expires;
    std::string envelope_sha256;
  };

  // Null when there is none.
  const InForce* Find(std::string_view action_id) const;
  bool IsCancelled(std::string_view action_id) const;
  bool IsPaused(std::string_view action_id) const;
  // Whether these very bytes hold for some action already: a scheduler sends an
  // order again whenever it can't know whether it came.
  bool HoldsEnvelope(std::string_view envelope_bytes) const;

  // Takes the place of the order that held for its action.
  void Put(const AuthorizedOrder& authorized, std::string_view envelope_bytes, absl::Time now,
           const std::function<bool(std::string_view action_id)>& is_here);

  // As it held when an earlier process of this agent stored it; nothing that came
  // since is overwritten.
  void Restore(const std::string& action_id, const InForce& order) {
    orders_.try_emplace(action_id, order);
  }

  size_t size() const { return orders_.size(); }

 private:
  void MakeRoom(absl::Time now, const std::function<bool(std::string_view)>& is_here);

  // By action.
  std::map<std::string, InForce, std::less<>> orders_;
};

}  // namespace dragnet
