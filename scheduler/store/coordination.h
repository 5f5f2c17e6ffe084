// What several schedulers on one store agree on by it: who holds which lease, who owns
// which agent's session, what all must be told, and how far each part of the bus was
// read. A store does this beside everything else; with SQLite there is one scheduler,
// and it all works the same.
//
// Thread-safe; all calls block. Time is the database's own clock, so that schedulers
// whose clocks differ agree.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/cluster.pb.h"

namespace dragnet::scheduler {

struct Lease {
  // Empty: no one's.
  std::string holder;
  // Rises whenever it changes hands.
  uint64_t epoch = 0;
  absl::Duration left;
};

struct SessionClaim {
  std::string agent_id;
  // random(4); empty for hosts that don't say.
  std::string boot_id;
};

// Who an agent is connected to. The claim that came last holds.
struct StoredSession {
  std::string agent_id;
  std::string scheduler;
  uint64_t epoch = 0;
  std::string boot_id;
  bool connected = false;
};

struct Claimed {
  uint64_t epoch = 0;
  // What it was before; agent_id empty: never connected.
  StoredSession before;
};

class Coordination {
 public:
  virtual ~Coordination() = default;

  // ---- leases
  // Takes it if no one holds it, keeps it if `holder` does. Gives what holds now.
  virtual absl::StatusOr<Lease> TakeLease(std::string_view name, std::string_view holder,
                                          absl::Duration lifetime) = 0;
  virtual absl::Status GiveUpLease(std::string_view name, std::string_view holder) = 0;
  // Those that are held whose names begin so.
  virtual absl::StatusOr<std::map<std::string, Lease>> Leases(std::string_view prefix) = 0;

  // ---- sessions
  // In one transaction; as many answers as claims. NotFound: an agent that isn't known.
  virtual absl::StatusOr<std::vector<Claimed>> ClaimSessions(
      std::string_view scheduler, const std::vector<SessionClaim>& claims) = 0;
  // Of those that still have this epoch.
  virtual absl::Status ReleaseSessions(const std::vector<StoredSession>& sessions) = 0;
  // Of these, the ones that someone else has claimed since.
  virtual absl::StatusOr<std::vector<std::string>> LostSessions(
      const std::vector<StoredSession>& sessions) = 0;
  // A scheduler has died, or starts anew.
  virtual absl::Status ReleaseAllSessions(std::string_view scheduler) = 0;
  // That are connected.
  virtual absl::StatusOr<std::vector<StoredSession>> Sessions() = 0;

  // ---- the outbox
  // Oldest first. What AddAction, AddOrder, AddTrustPolicy, RevokeIdentity, EnrolAgent and
  // the calls about proposals write into it in their own transaction; nothing unless the
  // store was opened for several schedulers.
  virtual absl::StatusOr<std::vector<v1::Notice>> Outbox(int limit) = 0;
  virtual absl::Status ForgetOutbox(const std::vector<uint64_t>& ids) = 0;

  // ---- revocations, whatever the bus does
  struct Revocation {
    uint64_t no = 0;
    std::string identity;
  };
  // After `no`, rising; at most 1000.
  virtual absl::StatusOr<std::vector<Revocation>> RevocationsAfter(uint64_t no) = 0;
  virtual absl::StatusOr<uint64_t> LastRevocation() = 0;

  // ---- the bus
  // 0: nothing was stored of it yet.
  virtual absl::StatusOr<uint64_t> BusPosition(uint32_t partition) = 0;
  // Returns when all that was read before is where no failure of one machine undoes it:
  // before anything is given up because of it. Where that always is so, at once.
  virtual absl::Status Settle() { return absl::OkStatus(); }
};

}  // namespace dragnet::scheduler
