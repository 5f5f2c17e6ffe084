// How one action is spread over the fleet: to which agents it goes now, and to
// which not yet, by its signed options (action.proto, Dispatch) and by the
// orders about it (order.proto). Decides only; who asks it sends.
//
// An action without options goes to everyone at once, and this costs it nothing.
// Not thread-safe; the clock is given.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::scheduler {

// What of it doesn't follow from the pairs and the orders, so that it is kept.
struct KeptDispatch {
  // How many canaries there are; 0 until they were counted.
  uint64_t canaries = 0;
  bool canaries_passed = false;
  bool stopped = false;
  // Why it stopped by itself.
  std::string reason;
  // Agents that had ended, and failed, when it was last resumed: they no longer
  // count for stopping.
  uint64_t ended_before = 0;
  uint64_t failed_before = 0;

  friend bool operator==(const KeptDispatch&, const KeptDispatch&) = default;
};

// Waiting agents that it isn't sent to on purpose.
enum class HeldBack {
  kNone,
  // Those that are connected: the others wait for themselves.
  kConnected,
  // All, for good: so many agents as it may go to have it.
  kAll,
};

// How an agent ended an action.
enum class Ending {
  kWell,
  kFailed,
  // It never started: nothing is known of how it goes there.
  kRefused,
};

// At most so many in any second, spread over it. Exact: nothing is saved up.
class RateLimiter {
 public:
  // 0: no limit.
  explicit RateLimiter(uint32_t per_second) : per_second_(per_second) {}
  size_t Allowed(absl::Time now);
  void Took(absl::Time now, size_t count);

 private:
  uint32_t per_second_;
  // Of the last second: when, and how many.
  std::deque<std::pair<absl::Time, size_t>> taken_;
};

class Dispatch {
 public:
  using IsConnected = std::function<bool(const std::string& agent_id)>;

  Dispatch(std::string action_id, const v1::Dispatch& options, KeptDispatch kept = {});

  // ---- what is in the store already; before anything else
  // A pair that is no longer waiting; if it has ended, how.
  void Restore(const std::string& agent_id, std::optional<Ending> ending);
  // That was all.
  void FinishRestoring();

  // So many agents of the target more.
  void AddTargeted(uint64_t count) { targeted_ += count; }
  // Counts the canaries, once: by the agents that are connected when it starts.
  void CountCanaries(uint64_t connected);

  // ---- sending
  // These are connected and haven't got it. Gives those of all that were offered
  // to which it goes now; the others wait for Take.
  std::vector<std::string> Offer(const std::vector<std::string>& agent_ids, absl::Time now,
                                 const IsConnected& is_connected);
  // Of those that were offered, the ones to which it goes now. Those that aren't
  // connected any more are forgotten: they are offered when they come back.
  std::vector<std::string> Take(absl::Time now, const IsConnected& is_connected);
  bool has_waiting() const { return !ready_.empty(); }
  // These were not sent it after all, because it was paused or stopped meanwhile:
  // they wait for Take again.
  void TakeBack(const std::vector<std::string>& agent_ids);
  // Whether this agent has its place among those that may have the action: it was
  // sent it. What it says itself gives it none.
  bool HasPlace(const std::string& agent_id) const;

  // ---- what becomes of it
  // Without options: nothing is kept of it in memory or in the store.
  bool plain() const;
  // Whether OnEnded has to be told.
  bool watches_failures() const;
  // An agent has ended it (again, if it ended otherwise after all). `name` is for
  // people. Nothing if it was never sent to it.
  void OnEnded(const std::string& agent_id, std::string_view name, Ending ending);

  // ---- orders; `words` say who and why
  void Pause(std::string_view words);
  // Leaves a pause, and nothing else: what stopped by itself besides stays stopped.
  // If it isn't paused, it goes on after it stopped by itself, or without waiting
  // for its canaries; what failed so far counts no more.
  void Resume();
  // kept() as it would be after Resume().
  KeptDispatch KeptAfterResume() const;
  void Cancel(std::string_view words);

  // OPEN, CANARY, PAUSED, STOPPED or CANCELLED.
  v1::DispatchPhase phase() const;
  // Why, for people, when it is paused, stopped or cancelled.
  std::string reason() const;
  HeldBack held_back() const;
  // Canaries that were sent it and haven't ended. They are waited for until they
  // have, it is resumed, or it expires. One that refuses it is replaced by another.
  uint64_t unfinished_canaries() const;
  // At most so many of them, for people.
  std::vector<std::string> SomeUnfinishedCanaries(size_t most) const;
  // Of those that there must be, how many weren't found yet.
  uint64_t missing_canaries() const;
  const KeptDispatch& kept() const { return kept_; }

 private:
  bool in_canary_phase() const { return options_.canary_percent() > 0 && !kept_.canaries_passed; }
  size_t Budget(absl::Time now);
  // Random, and the same after a restart.
  uint64_t OrderOf(const std::string& agent_id) const;
  void NoteSent(const std::string& agent_id);
  void Stop(std::string reason);
  void NoteEnded(const std::string& agent_id, Ending ending);
  void CheckCanaries();
  void CheckFailures();

  std::string action_id_;
  v1::Dispatch options_;
  RateLimiter rate_;
  KeptDispatch kept_;
  uint64_t targeted_ = 0;
  bool paused_ = false;
  bool cancelled_ = false;
  std::string order_words_;

  // Offered and not sent, in their random order.
  std::set<std::pair<uint64_t, std::string>> ready_;
  // The rest only for an action that has options.
  std::set<std::string> sent_;
  std::set<std::string> canaries_;
  std::map<std::string, Ending> ended_;
  uint64_t failed_ = 0;
  // Of the canaries, so many are in ended_.
  uint64_t canaries_ended_ = 0;
};

}  // namespace dragnet::scheduler
