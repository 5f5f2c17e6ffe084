// One check on this host: whether it applies, the worker of its module, and a
// verdict whatever becomes of that worker. What a worker says is taken strictly: a
// compromised one can lie about its own check, and about nothing else.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/monitor/limits.h"
#include "agent/monitor/worker_run.h"
#include "dragnet/v1/facts.pb.h"
#include "modules/check/check.pb.h"

namespace dragnet {

// The same for all checks of a pack.
struct CheckSurroundings {
  WorkerEnvironment worker;
  // What `applies_when` is asked of.
  v1::Facts facts;
  // Why some of them are not known; OK when all are.
  absl::Status facts_status = {};
  // Of each check's worker.
  OperationLimits ceiling = {};
  // For an action with a recurrence (EffectiveLimits).
  bool scheduled = false;
  // As Job.root: an unpacked image; empty for this host.
  std::string root = {};
};

// Not thread-safe.
class CheckWorker {
 public:
  // Where the check asks for none.
  static constexpr absl::Duration kDefaultTime = absl::Minutes(1);

  // Never fails: what can't run is a check that ends at once, unknown. `surroundings`
  // need not outlive the constructor.
  CheckWorker(const check::v1::Check& check, const CheckSurroundings& surroundings);

  // Null when there is none: it ended, or none was needed.
  WorkerRun* worker() { return worker_.get(); }
  const WorkerRun* worker() const { return worker_.get(); }

  // As OperationRun's.
  void Advance();

  // Set once it has ended.
  const std::optional<check::v1::Verdict>& verdict() const { return verdict_; }
  // Of its worker; empty when there was none. Once it has ended.
  const v1::OperationSummary& summary() const { return summary_; }

 private:
  void Start(const check::v1::Check& check, const CheckSurroundings& surroundings);
  void End(std::string_view status, std::string_view reason);
  void Judge();
  // Why the worker's row can't be taken for this check's verdict; empty: it can.
  std::string WhyNotTaken(const check::v1::Verdict& said) const;

  // Without its parameters, which the worker has.
  check::v1::Check check_;
  std::unique_ptr<WorkerRun> worker_;
  // What it wrote, of which there should be one.
  int row_count_ = 0;
  std::string row_;
  v1::OperationSummary summary_;
  std::optional<check::v1::Verdict> verdict_;
};

inline constexpr char kPass[] = "pass";
inline constexpr char kFail[] = "fail";
inline constexpr char kUnknown[] = "unknown";
inline constexpr char kNotApplicable[] = "not_applicable";

}  // namespace dragnet
