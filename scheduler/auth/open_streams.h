// The streams that are open now, by who opened them, so that a revocation or
// the end of a certificate closes them. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "scheduler/auth/identity.h"
#include "scheduler/auth/log_sampler.h"

namespace dragnet::scheduler {

enum class Closing {
  kNow,
  // After what is on its way to the peer, or some seconds if it doesn't read that.
  kWhenSent,
};

// Something that can be closed from outside, any number of times.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  // The peer is told the reason, if it reads.
  virtual void Close(const absl::Status& reason) = 0;
  // Takes nothing more from the peer, and closes once all is written that is queued: the
  // peer gets that before the reason. At the latest after some seconds.
  virtual void CloseWhenSent(const absl::Status& reason) { Close(reason); }
  // Called every second: a closed stream whose peer has not read the reason by
  // now is cut off.
  virtual void CutOffIfClosed() = 0;
  // Called every second, on the clock's thread: what was held back for some time only
  // may go on. Must not take long.
  virtual void GoOn() {}
  // Closes it without waiting for the peer to read the reason.
  virtual void CutOff(const absl::Status& reason) { Close(reason); }
  // The peer has said who it is; only agents have to. Asked under a lock: must not
  // come back here.
  virtual bool established() const { return true; }
};

class OpenStreams {
 public:
  // Of one identity: an agent needs one, a person some watches.
  static constexpr size_t kMaxPerIdentity = 64;
  // Of one agent, before Hello.
  static constexpr size_t kMaxBeforeHello = 4;

  // Until `stream` is gone. Whoever calls this checks afterwards that the
  // identity still stands: a revocation may have passed just before.
  // ResourceExhausted, and not added, above kMaxPerIdentity of an investigator. An
  // agent that comes is never turned away: whoever has its certificate as well
  // could keep it out. The oldest that didn't say Hello is cut off for it, or the
  // oldest of all.
  absl::Status Add(const Identity& identity, const std::shared_ptr<OpenStream>& stream);

  // How many were closed.
  uint32_t CloseAllOf(const std::string& uri, const absl::Status& reason,
                      Closing closing = Closing::kNow);
  // Every second: closes those whose certificate has ended, cuts off those that
  // were closed and are still there, and lets the others go on.
  void Sweep(absl::Time now);
  void CloseAll(const absl::Status& reason);

 private:
  struct Entry {
    std::weak_ptr<OpenStream> stream;
    absl::Time not_after;
  };

  // The one to cut off before another one of this agent is added; null for none.
  std::shared_ptr<OpenStream> TakeSurplusLocked(const std::string& uri)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those that are still there, of all or of one peer.
  std::vector<std::shared_ptr<OpenStream>> Streams(const std::string* uri);

  LogSampler log_{/*per_second=*/1};
  absl::Mutex mutex_;
  std::multimap<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
