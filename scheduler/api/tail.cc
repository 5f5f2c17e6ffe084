#include "scheduler/api/tail.h"

#include <utility>

#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "scheduler/auth/rpc_roles.h"

namespace dragnet::scheduler {
namespace {

// What one step reads, and so what a slow reader costs.
constexpr size_t kBatchBytes = 256 * 1024;
// While little happens at a time, so that a row isn't a step each.
constexpr absl::Duration kGather = absl::Milliseconds(50);
constexpr int kSecondsToReadTheReason = 2;

}  // namespace

TailServerStream* TailServerStream::Start(const ApiParts& parts, Identity identity,
                                          const v1::TailRequest& request,
                                          grpc::CallbackServerContext* context) {
  std::shared_ptr<TailServerStream> stream(
      new TailServerStream(parts, std::move(identity), request, context));
  stream->self_ = stream;
  if (const absl::Status added = parts.streams.Add(stream->identity_, stream); !added.ok()) {
    stream->Close(added);
    return stream.get();
  }
  if (!request.stored_only()) parts.watchers.AddForAll(stream);
  absl::MutexLock lock(&stream->mutex_);
  // Someone may have told it already.
  if (!stream->stepping_) stream->StepSoonLocked();
  return stream.get();
}

void TailServerStream::Notify() {
  absl::MutexLock lock(&mutex_);
  news_ = true;
  if (!stepping_ && !writing_ && events_.empty()) StepSoonLocked();
}

void TailServerStream::StepSoonLocked() {
  if (finished_ || ending_) return;
  if (SteadyNow() < step_again_at_) return WakeLocked(step_again_at_);
  stepping_ = true;
  news_ = false;
  if (parts_.executor.Run([self = self_] { self->Step(); })) return;
  stepping_ = false;
  FinishLocked(absl::ResourceExhaustedError("the scheduler has too much to do: try again later"));
}

void TailServerStream::Step() {
  std::vector<v1::TailEvent> events;
  bool end = false;
  const absl::Status status = ReadNext(&events, &end);

  absl::MutexLock lock(&mutex_);
  stepping_ = false;
  if (finished_) return;
  if (!status.ok()) return FinishLocked(status);
  ending_ = end;
  for (v1::TailEvent& event : events) events_.push_back(std::move(event));
  if (!events_.empty()) return WriteNextLocked();
  if (ending_) return FinishLocked(absl::OkStatus());
  if (news_) StepSoonLocked();
}

absl::Status TailServerStream::ReadNext(std::vector<v1::TailEvent>* events, bool* end) {
  // The trust policy may have changed since the call was let in.
  DRAGNET_RETURN_IF_ERROR(parts_.certificates.CheckStillGood(identity_));
  DRAGNET_RETURN_IF_ERROR(CheckAccess("/dragnet.v1.InvestigatorService/Tail", absl::OkStatus(),
                                      identity_,
                                      parts_.policies.current()->RolesOf(identity_.name)));
  if (!reader_.has_value()) {
    DRAGNET_ASSIGN_OR_RETURN(TailReader reader,
                             TailReader::Open(parts_.store, parts_.retention, request_.after()));
    reader_ = std::move(reader);
    // Where "now" was, for who is cut off before anything has happened.
    events->emplace_back().set_cursor(reader_->cursor());
  }
  DRAGNET_ASSIGN_OR_RETURN(std::vector<v1::TailEvent> next, reader_->Next(kBatchBytes));
  size_t bytes = 0;
  for (v1::TailEvent& event : next) {
    bytes += event.ByteSizeLong();
    events->push_back(std::move(event));
  }
  *end = next.empty() && request_.stored_only();
  absl::MutexLock lock(&mutex_);
  // There may be more.
  if (!next.empty() || request_.stored_only()) news_ = true;
  if (!request_.stored_only() && !next.empty() && bytes < kBatchBytes / 2)
    step_again_at_ = SteadyNow() + kGather;
  return absl::OkStatus();
}

void TailServerStream::WakeLocked(absl::Time at) {
  if (alarm_set_ || finished_) return;
  alarm_set_ = true;
  alarm_ = std::make_unique<grpc::Alarm>();
  // gRPC takes it for a duration from now on, too.
  alarm_->Set(absl::ToChronoTime(absl::Now() + (at - SteadyNow())),
              [weak = std::weak_ptr<TailServerStream>(self_)](bool) {
                const std::shared_ptr<TailServerStream> self = weak.lock();
                if (self == nullptr) return;
                {
                  absl::MutexLock lock(&self->mutex_);
                  self->alarm_set_ = false;
                }
                self->Notify();
              });
}

void TailServerStream::WriteNextLocked() {
  writing_ = true;
  written_ = std::move(events_.front());
  events_.pop_front();
  grpc::WriteOptions options;
  // Those that others follow at once go to the network together with the last.
  if (!written_.action_id().empty() && !events_.empty()) options.set_buffer_hint();
  StartWrite(&written_, options);
}

void TailServerStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) return FinishLocked(absl::UnavailableError("the console is gone"));
  if (finished_) return;
  if (!events_.empty()) return WriteNextLocked();
  if (ending_) return FinishLocked(absl::OkStatus());
  if (news_) StepSoonLocked();
}

void TailServerStream::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  FinishLocked(reason);
}

void TailServerStream::FinishLocked(const absl::Status& reason) {
  if (finished_) return;
  finished_ = true;
  events_.clear();
  Finish(rpc::ToGrpc(reason));
}

// A peer that reads nothing would keep its stream open for as long as a message
// is on its way to it.
void TailServerStream::CutOffIfClosed() {
  absl::MutexLock lock(&mutex_);
  if (!finished_ || context_ == nullptr) return;
  if (++closed_for_ >= kSecondsToReadTheReason) context_->TryCancel();
}

void TailServerStream::OnDone() {
  // Outlives the lock; the last owner, unless a step runs.
  std::shared_ptr<TailServerStream> self;
  absl::MutexLock lock(&mutex_);
  self.swap(self_);
  finished_ = true;
  context_ = nullptr;
}

}  // namespace dragnet::scheduler
