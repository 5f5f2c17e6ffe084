// Who owns which agent's session, among several schedulers: claims them in the store,
// many at a time, and tells the others of those that came and went. A thousand agents that
// come at once cost a few transactions.
//
// Thread-safe; nothing blocks but Stop. Callbacks run on one thread, without a lock held.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/mutex.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/observe/repeated_lines.h"
#include "scheduler/store/coordination.h"

namespace dragnet::scheduler {

class SessionClaims {
 public:
  using Done = std::function<void(const absl::StatusOr<Claimed>&)>;
  // Whether there is still someone who wants it.
  using Wanted = std::function<bool()>;
  using Tell = std::function<void(v1::SessionsChanged)>;

  // Sessions in one transaction and in one message.
  static constexpr size_t kMaxBatch = 1000;
  // Claims that wait; further ones are refused.
  static constexpr size_t kMaxWaiting = 100'000;
  // What comes together is claimed together: so long the first one waits.
  static constexpr absl::Duration kGather = absl::Milliseconds(3);

  // `store` outlives it. `scheduler`: the name of this one. `tell`: the others.
  SessionClaims(Coordination& store, std::string scheduler, Tell tell);
  ~SessionClaims() { Stop(); }

  // `done` with the epoch and who was connected before, if it was to another scheduler; or with
  // Unavailable when the store can't be reached or this scheduler has no sessions at the moment:
  // the agent tries another one. Cancelled: it wasn't `wanted` any more when its turn came.
  void Claim(SessionClaim claim, Done done, Wanted wanted = nullptr);
  // Of a claim that was answered, once. Goes on until the store has taken it.
  void Release(StoredSession session);
  // Tells the others of these once more.
  void Announce(std::vector<StoredSession> sessions);

  // Not OK: claims are refused with it.
  void SetAccepting(absl::Status accepting);
  absl::Status accepting() const;

  // Releases what it can, refuses what waits. Nothing comes after it.
  void Stop();

 private:
  struct Waiting {
    SessionClaim claim;
    Done done;
    Wanted wanted;
  };

  void Loop();
  // Takes those that go into one transaction: each agent once.
  std::vector<Waiting> TakeClaims();
  static void DropUnwanted(std::vector<Waiting>* claims);
  void ClaimAll(std::vector<Waiting> claims);
  // False: the store didn't take them.
  bool ReleaseSome();
  void TellSome();

  Coordination& store_;
  const std::string scheduler_;
  const Tell tell_;
  RepeatedLines lines_;

  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  absl::Status accepting_;
  bool stopping_ = false;
  std::deque<Waiting> claims_;
  std::deque<StoredSession> releases_;
  std::deque<v1::SessionsChanged::Session> told_;

  std::thread thread_;
};

}  // namespace dragnet::scheduler
