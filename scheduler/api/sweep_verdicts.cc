#include "scheduler/api/sweep_verdicts.h"

#include <utility>

#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "scheduler/auth/rpc_roles.h"

namespace dragnet::scheduler {
namespace {

// What one step reads, and so what a slow reader costs.
constexpr size_t kBatchBytes = 256 * 1024;
constexpr int kSecondsToReadTheReason = 2;

}  // namespace

SweepVerdictsStream* SweepVerdictsStream::Start(const ApiParts& parts, Identity identity,
                                                const v1::SweepVerdictsRequest& request,
                                                grpc::CallbackServerContext* context) {
  std::shared_ptr<SweepVerdictsStream> stream(
      new SweepVerdictsStream(parts, std::move(identity), request, context));
  stream->self_ = stream;
  if (const absl::Status added = parts.streams.Add(stream->identity_, stream); !added.ok()) {
    stream->Close(added);
    return stream.get();
  }
  absl::MutexLock lock(&stream->mutex_);
  stream->StepSoonLocked();
  return stream.get();
}

void SweepVerdictsStream::StepSoonLocked() {
  if (finished_) return;
  if (parts_.executor.Run([self = self_] { self->Step(); })) return;
  FinishLocked(absl::ResourceExhaustedError("the scheduler has too much to do: try again later"));
}

void SweepVerdictsStream::Step() {
  absl::StatusOr<std::vector<v1::SweepVerdict>> next = ReadNext();
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  if (!next.ok() || next->empty()) return FinishLocked(next.status());
  for (v1::SweepVerdict& verdict : *next) verdicts_.push_back(std::move(verdict));
  WriteNextLocked();
}

absl::StatusOr<std::vector<v1::SweepVerdict>> SweepVerdictsStream::ReadNext() {
  // The trust policy may have changed since the call was let in.
  DRAGNET_RETURN_IF_ERROR(parts_.certificates.CheckStillGood(identity_));
  DRAGNET_RETURN_IF_ERROR(CheckAccess("/dragnet.v1.InvestigatorService/SweepVerdicts",
                                      absl::OkStatus(), identity_,
                                      parts_.policies.current()->RolesOf(identity_.name)));
  if (!reader_.has_value()) {
    DRAGNET_ASSIGN_OR_RETURN(SweepVerdictReader reader,
                             SweepVerdictReader::Open(parts_.store, parts_.agents,
                                                      parts_.dispatcher, parts_.clock, request_));
    reader_ = std::move(reader);
  }
  return reader_->Next(kBatchBytes);
}

void SweepVerdictsStream::WriteNextLocked() {
  written_ = std::move(verdicts_.front());
  verdicts_.pop_front();
  grpc::WriteOptions options;
  // As WatchStream::WriteNextLocked.
  if (begun_ && !verdicts_.empty()) options.set_buffer_hint();
  begun_ = true;
  StartWrite(&written_, options);
}

void SweepVerdictsStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (!ok) return FinishLocked(absl::UnavailableError("the console is gone"));
  if (finished_) return;
  if (!verdicts_.empty()) return WriteNextLocked();
  StepSoonLocked();
}

void SweepVerdictsStream::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  FinishLocked(reason);
}

void SweepVerdictsStream::FinishLocked(const absl::Status& reason) {
  if (finished_) return;
  finished_ = true;
  verdicts_.clear();
  Finish(rpc::ToGrpc(reason));
}

// A peer that reads nothing would keep its stream open for as long as a message
// is on its way to it.
void SweepVerdictsStream::CutOffIfClosed() {
  absl::MutexLock lock(&mutex_);
  if (!finished_ || context_ == nullptr) return;
  if (++closed_for_ >= kSecondsToReadTheReason) context_->TryCancel();
}

void SweepVerdictsStream::OnDone() {
  // Outlives the lock; the last owner, unless a step runs.
  std::shared_ptr<SweepVerdictsStream> self;
  absl::MutexLock lock(&mutex_);
  self.swap(self_);
  finished_ = true;
  context_ = nullptr;
}

}  // namespace dragnet::scheduler
