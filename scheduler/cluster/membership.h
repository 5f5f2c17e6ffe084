// Whether this scheduler is one of the cluster, whether it is the one that leads, and
// which parts of the bus it reads: by leases in the store, so that no two think that they
// do the same for long. What a lease allows ends here before it ends there: its time runs
// here from before it was asked for.
//
// Keep is called by one thread; the rest is thread-safe and doesn't block.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "scheduler/store/coordination.h"

namespace dragnet::scheduler {

class Membership {
 public:
  // Called with the partitions that are to be read from now on; must return at once.
  using Read = std::function<void(std::set<uint32_t>)>;

  // `store` outlives it.
  Membership(Coordination& store, std::string name, uint32_t partitions, absl::Duration lifetime,
             Read read);

  // Keeps its leases, and takes or gives up what its share has become. Without the bus it
  // reads nothing, and leads only if no one else has it either. Blocks. An error: the
  // store can't be reached; what it has it keeps until its time is over.
  // FailedPrecondition: another process of this name has it, or has died less than a
  // lease's time ago.
  absl::Status Keep(bool has_bus = true);
  // Everything, so that others needn't wait until its time is over. Blocks.
  void GiveUp();
  // Stops reading when its time is over. Often.
  void Tick();

  // Its time isn't over.
  bool is_member() const;
  // Whether it was over since this was asked last, even if it goes on again.
  bool TakeLapsed() { return lapsed_.exchange(false); }
  // 0: it doesn't lead.
  uint64_t lead_epoch() const;

  struct View {
    // By name; this one is among them.
    std::set<std::string> live;
    // Empty: none.
    std::string leader;
    uint64_t leader_epoch = 0;
    std::set<uint32_t> partitions;
    // Of those that read parts of the bus, some are others.
    bool others_have_bus = false;
  };
  // The names of the schedulers whose leases haven't run out in the store. Blocks.
  static absl::StatusOr<std::set<std::string>> LiveNow(Coordination& store);
  // As of the last Keep.
  View view() const;

 private:
  // Gives how many read parts of the bus.
  absl::StatusOr<size_t> KeepReading(bool has_bus);
  absl::Status KeepLead(bool may_lead);
  absl::Status KeepPartitions(size_t share, absl::Time until);

  Coordination& store_;
  const std::string name_;
  // This process: two that were given one name would else keep each other's lease.
  const std::string instance_;
  const uint32_t partitions_;
  const absl::Duration lifetime_;
  const Read read_;

  // In nanoseconds of SteadyNow.
  std::atomic<int64_t> member_until_ = 0;
  std::atomic<int64_t> leads_until_ = 0;
  std::atomic<int64_t> reads_until_ = 0;
  std::atomic<uint64_t> lead_epoch_ = 0;
  std::atomic<bool> lapsed_ = false;
  // Of Keep: what a former process of this name has left is given up.
  bool began_ = false;

  mutable absl::Mutex mutex_;
  View view_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
