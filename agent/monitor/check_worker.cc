#include "agent/monitor/check_worker.h"

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/text.h"
#include "modules/manifest.h"
#include "modules/weights.h"

namespace dragnet {
namespace {

using check::v1::Check;
using check::v1::Verdict;

// check.proto's bounds of a verdict.
constexpr size_t kMaxReasonBytes = 1024;
constexpr int kMaxEvidence = 10;
constexpr size_t kMaxEvidenceBytes = 2048;
// All of it, with what frames the fields.
constexpr size_t kMaxVerdictBytes = 24 * 1024;

OperationLimits LimitsOf(const Check& check, const CheckSurroundings& surroundings) {
  v1::Limits asked = check.limits();
  for (google::protobuf::Duration* time : {asked.mutable_wall_time(), asked.mutable_cpu_time()}) {
    // Not below a second either: an action's own limits are held to that (core/action.h).
    if (ToDuration(*time) < absl::Seconds(1)) *time = ToProtoDuration(CheckWorker::kDefaultTime);
  }
  return EffectiveLimits(asked, surroundings.ceiling, surroundings.scheduled);
}

// How a worker ended that has no verdict.
std::string_view Words(v1::Termination termination) {
  switch (termination) {
    case v1::TERMINATION_CRASHED:
      return "its worker crashed";
    case v1::TERMINATION_WALL_TIME_LIMIT:
    case v1::TERMINATION_CPU_TIME_LIMIT:
    case v1::TERMINATION_MEMORY_LIMIT:
    case v1::TERMINATION_ROW_LIMIT:
    case v1::TERMINATION_RESULT_SIZE_LIMIT:
      return "its worker went over a limit";
    case v1::TERMINATION_PROTOCOL_VIOLATION:
      return "its worker broke the protocol";
    case v1::TERMINATION_NOT_STARTED:
      return "its worker could not be started";
    case v1::TERMINATION_INVALID_PARAMETERS:
      return "it can't be run";
    case v1::TERMINATION_MODULE_ERROR:
      return "the module failed";
    case v1::TERMINATION_PRIVACY_MODE:
      return "this host is in privacy mode";
    default:
      return "its worker ended";
  }
}

}  // namespace

CheckWorker::CheckWorker(const Check& check, const CheckSurroundings& surroundings)
    : check_(check) {
  check_.clear_parameters();
  Start(check, surroundings);
}

void CheckWorker::Start(const Check& check, const CheckSurroundings& surroundings) {
  const ModuleManifest* manifest = FindManifest(check.module());
  if (manifest == nullptr || check.module() == kCheckModule) {
    return End(kUnknown, StrCat("there is no module ", check.module(), " to run"));
  }
  if (!check.applies_when().empty()) {
    const absl::StatusOr<bool> applies = TargetMatches(check.applies_when(), surroundings.facts);
    if (!applies.ok()) {
      return End(kUnknown, StrCat("applies_when can't be evaluated: ", applies.status().message()));
    }
    if (!*applies && !surroundings.facts_status.ok()) {
      return End(kUnknown,
                 StrCat("whether it applies can't be told: ", surroundings.facts_status.message()));
    }
    if (!*applies) {
      return End(kNotApplicable, StrCat("not true of this host: ", check.applies_when()));
    }
  }
  if (!surroundings.root.empty() && manifest->needs_running_system) {
    return End(kNotApplicable, "an unpacked image has no running system");
  }
  ipc::Job job;
  job.set_module(check.module());
  job.set_parameters(check.parameters());
  job.set_format(ipc::Job::FORMAT_PROTO);
  job.set_root(surroundings.root);
  *job.mutable_check() = check_;
  job.mutable_check()->clear_module();
  job.mutable_check()->clear_limits();
  worker_ = std::make_unique<WorkerRun>(*manifest, std::move(job), LimitsOf(check, surroundings),
                                        surroundings.worker);
  Advance();
}

void CheckWorker::Advance() {
  if (worker_ == nullptr) return;
  worker_->Advance();
  if (const std::optional<v1::Rows> rows = worker_->TakeRows()) {
    row_count_ += rows->rows_size();
    row_ = rows->rows(0);
    // It will never be taken; a worker that floods its pipe is no use to wait for.
    if (row_count_ > 1) worker_->Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "more than one verdict");
  }
  if (!worker_->summary().has_value()) return;
  summary_ = *worker_->summary();
  worker_.reset();
  Judge();
}

std::string CheckWorker::WhyNotTaken(const Verdict& said) const {
  if (said.check() != check_.id()) return "of another check";
  if (said.status() != kPass && said.status() != kFail && said.status() != kUnknown) {
    return "neither pass, fail nor unknown";
  }
  if (said.reason().size() > kMaxReasonBytes) return "with too long a reason";
  if (said.evidence_size() > kMaxEvidence ||
      std::any_of(said.evidence().begin(), said.evidence().end(),
                  [](const std::string& row) { return row.size() > kMaxEvidenceBytes; })) {
    return "with too much evidence";
  }
  // The host's own rule, whatever a worker says.
  if (said.status() == kPass && summary_.outcome() == v1::OUTCOME_INCOMPLETE) {
    return "that passes although not everything was looked at";
  }
  return "";
}

void CheckWorker::Judge() {
  if (summary_.termination() != v1::TERMINATION_COMPLETED) {
    const std::string detail = summary_.detail();
    return End(kUnknown, StrCat(Words(summary_.termination()), detail.empty() ? "" : ": ", detail));
  }
  Verdict said;
  if (row_count_ == 0) return End(kUnknown, "its worker gave no verdict");
  if (!ParseStrict(row_, kMaxVerdictBytes, &said).ok()) {
    return End(kUnknown, "its worker gave a verdict that can't be read");
  }
  if (const std::string why = WhyNotTaken(said); !why.empty()) {
    return End(kUnknown, StrCat("its worker gave a verdict ", why));
  }
  End(said.status(), said.reason());
  verdict_->mutable_evidence()->Swap(said.mutable_evidence());
  verdict_->set_evidence_left_out(said.evidence_left_out());
  verdict_->set_rows(said.rows());
  verdict_->set_selected(said.selected());
}

// What was signed is said in the signed words, not in the worker's.
void CheckWorker::End(std::string_view status, std::string_view reason) {
  verdict_.emplace();
  verdict_->set_check(check_.id());
  verdict_->set_status(std::string(status));
  verdict_->set_severity(check_.severity());
  verdict_->set_title(check_.title());
  verdict_->set_reason(Shorten(ToValidUtf8(reason), kMaxReasonBytes));
  const int64_t milliseconds = absl::ToInt64Milliseconds(ToDuration(summary_.wall_time()));
  verdict_->set_wall_time_ms(static_cast<uint64_t>(std::max<int64_t>(milliseconds, 0)));
}

}  // namespace dragnet
