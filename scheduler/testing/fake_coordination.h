// What several schedulers agree on, kept in memory: with what tests must be able to
// cause and to see. Tests only.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "scheduler/store/coordination.h"

namespace dragnet::scheduler {

// Thread-safe.
class FakeCoordination final : public Coordination {
 public:
  absl::StatusOr<Lease> TakeLease(std::string_view name, std::string_view holder,
                                  absl::Duration lifetime) override {
    const std::lock_guard lock(mutex_);
    Held& held = leases_[std::string(name)];
    const absl::Time now = absl::Now();
    if (held.until <= now || held.holder == holder) {
      if (held.holder != holder || held.until <= now) ++held.epoch;
      held.holder = std::string(holder);
      held.until = now + lifetime;
    }
    return Lease{held.holder, held.epoch, held.until - now};
  }
  absl::Status GiveUpLease(std::string_view name, std::string_view holder) override {
    const std::lock_guard lock(mutex_);
    Held& held = leases_[std::string(name)];
    if (held.holder == holder) held.until = absl::InfinitePast();
    return absl::OkStatus();
  }
  absl::StatusOr<std::map<std::string, Lease>> Leases(std::string_view prefix) override {
    const std::lock_guard lock(mutex_);
    const absl::Time now = absl::Now();
    std::map<std::string, Lease> leases;
    for (const auto& [name, held] : leases_)
      if (name.starts_with(prefix) && held.until > now)
        leases[name] = {held.holder, held.epoch, held.until - now};
    return leases;
  }

  absl::StatusOr<std::vector<Claimed>> ClaimSessions(
      std::string_view scheduler, const std::vector<SessionClaim>& claims) override {
    const std::lock_guard lock(mutex_);
    ++claim_transactions_;
    std::vector<Claimed> claimed;
    for (const SessionClaim& claim : claims) {
      StoredSession& session = sessions_[claim.agent_id];
      const StoredSession before = session;
      session = {claim.agent_id, std::string(scheduler), before.epoch + 1, claim.boot_id, true};
      claimed.push_back({session.epoch, before});
    }
    return claimed;
  }
  absl::Status ReleaseSessions(const std::vector<StoredSession>& released) override {
    const std::lock_guard lock(mutex_);
    for (const StoredSession& one : released)
      if (StoredSession& session = sessions_[one.agent_id]; session.epoch == one.epoch)
        session.connected = false;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> LostSessions(
      const std::vector<StoredSession>& sessions) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lost;
    for (const StoredSession& one : sessions)
      if (sessions_[one.agent_id].epoch != one.epoch) lost.push_back(one.agent_id);
    return lost;
  }
  absl::Status ReleaseAllSessions(std::string_view scheduler) override {
    const std::lock_guard lock(mutex_);
    for (auto& [id, session] : sessions_)
      if (session.scheduler == scheduler) session.connected = false;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<StoredSession>> Sessions() override {
    const std::lock_guard lock(mutex_);
    std::vector<StoredSession> connected;
    for (const auto& [id, session] : sessions_)
      if (session.connected) connected.push_back(session);
    return connected;
  }

  // Nothing ever happens.
  absl::StatusOr<std::vector<v1::Notice>> Outbox(int) override { return std::vector<v1::Notice>(); }
  absl::Status ForgetOutbox(const std::vector<uint64_t>&) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<Revocation>> RevocationsAfter(uint64_t) override {
    return std::vector<Revocation>();
  }
  absl::StatusOr<uint64_t> LastRevocation() override { return 0; }
  absl::StatusOr<uint64_t> BusPosition(uint32_t) override { return 0; }

  // ---- for tests
  // As if it had died: no one waits for its leases.
  void EndLeasesOf(std::string_view holder) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, held] : leases_)
      if (held.holder == holder) held.until = absl::InfinitePast();
  }
  StoredSession SessionOf(const std::string& agent_id) {
    const std::lock_guard lock(mutex_);
    return sessions_[agent_id];
  }
  int claim_transactions() {
    const std::lock_guard lock(mutex_);
    return claim_transactions_;
  }

 private:
  struct Held {
    std::string holder;
    uint64_t epoch = 0;
    absl::Time until = absl::InfinitePast();
  };

  std::mutex mutex_;
  std::map<std::string, Held> leases_;
  std::map<std::string, StoredSession> sessions_;
  int claim_transactions_ = 0;
};

}  // namespace dragnet::scheduler
