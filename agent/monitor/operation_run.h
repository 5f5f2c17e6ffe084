// One operation that runs, as the monitor's loop sees it: one worker
// (agent/monitor/worker_run.h), or the workers of many checks, one after the other
// (agent/monitor/check_run.h).
//
// PollFds() says what to wait for, Advance() does what can be done without blocking.
// Not thread-safe.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet {

class OperationRun {
 public:
  // Kills what still runs.
  virtual ~OperationRun() = default;

  virtual void AddPollFds(std::vector<pollfd>* fds) const = 0;
  // When Advance must be called although no descriptor is ready; on SteadyNow's scale.
  virtual absl::Time deadline() const = 0;

  // Reads at most one message of rows; checks limits. Bounded work, whatever
  // a worker writes: it is called again when deadline() has passed.
  virtual void Advance() = 0;

  // The message of rows that came, if one did.
  virtual std::optional<v1::Rows> TakeRows() = 0;

  // Set once it has ended and all its rows were taken.
  virtual const std::optional<v1::OperationSummary>& summary() const = 0;

  // Stops reading, so that a worker stands still when its pipe is full: the
  // spool has no room. Its wall time goes on.
  virtual void Pause(bool paused) = 0;

  // Stands still by order until released; the time doesn't count. It can be
  // stopped meanwhile. Asking again for what is already so changes nothing.
  virtual void Hold(bool held) = 0;
  virtual bool held() const = 0;

  // At most this share of one core from now on, and never more than its own limit.
  virtual void SetCpuShare(uint32_t percent) = 0;
  // Its own limit, in percent of one core; 0: none.
  virtual uint32_t cpu_share_limit() const = 0;

  // Kills it; its summary will say `termination`. Also one that stands still.
  virtual void Stop(v1::Termination termination, std::string_view detail) = 0;
};

// Of an operation that has no worker to tell of.
v1::OperationSummary NotRun(v1::Termination termination, std::string_view detail);

}  // namespace dragnet
