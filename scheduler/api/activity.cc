#include "scheduler/api/activity.h"

#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "scheduler/auth/rpc_roles.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kBetweenEvents = absl::Milliseconds(250);
constexpr int kSecondsToReadTheReason = 2;

}  // namespace

ActivityStream* ActivityStream::Start(const ApiParts& parts, Identity identity,
                                      grpc::CallbackServerContext* context) {
  std::shared_ptr<ActivityStream> stream(new ActivityStream(parts, std::move(identity), context));
  stream->self_ = stream;
  if (const absl::Status added = parts.streams.Add(stream->identity_, stream); !added.ok()) {
    stream->Close(added);
    return stream.get();
  }
  absl::MutexLock lock(&stream->mutex_);
  stream->StepSoonLocked();
  return stream.get();
}

// The trust policy may have changed since the call was let in.
absl::Status ActivityStream::CheckStillAllowed() const {
  DRAGNET_RETURN_IF_ERROR(parts_.certificates.CheckStillGood(identity_));
  return CheckAccess("/dragnet.v1.InvestigatorService/WatchActivity", absl::OkStatus(), identity_,
                     parts_.policies.current()->RolesOf(identity_.name));
}

// Asked for once by Step, so that no two are under way.
void ActivityStream::OnNews() {
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  const absl::Time now = SteadyNow();
  if (now >= again_at_) return StepSoonLocked();
  alarm_ = std::make_unique<grpc::Alarm>();
  // gRPC takes it for a duration from now on, too.
  alarm_->Set(absl::ToChronoTime(absl::Now() + (again_at_ - now)),
              [weak = std::weak_ptr<ActivityStream>(self_)](bool) {
                const std::shared_ptr<ActivityStream> self = weak.lock();
                if (self == nullptr) return;
                absl::MutexLock lock(&self->mutex_);
                self->StepSoonLocked();
              });
}

void ActivityStream::StepSoonLocked() {
  if (finished_) return;
  if (parts_.executor.Run([self = self_] { self->Step(); })) return;
  FinishLocked(absl::ResourceExhaustedError("the scheduler has too much to do: try again later"));
}

void ActivityStream::Step() {
  const absl::Status allowed = CheckStillAllowed();
  absl::MutexLock lock(&mutex_);
  if (finished_ || writing_) return;
  if (!allowed.ok()) return FinishLocked(allowed);
  News& news = parts_.watchers.news();
  News::Since since = begun_ ? news.Read(position_) : news.ReadAll();
  begun_ = true;
  position_ = since.position;
  written_ = std::move(since.activity);
  writing_ = true;
  again_at_ = SteadyNow() + kBetweenEvents;
  StartWrite(&written_);
}

void ActivityStream::OnWriteDone(bool ok) {
  uint64_t position;
  std::shared_ptr<ActivityStream> self;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) return FinishLocked(absl::UnavailableError("the console is gone"));
    if (finished_) return;
    position = position_;
    self = self_;
  }
  // Comes back at once if there is something already, and takes the lock.
  parts_.watchers.news().Await(position, self);
}

void ActivityStream::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  FinishLocked(reason);
}

void ActivityStream::FinishLocked(const absl::Status& reason) {
  if (finished_) return;
  finished_ = true;
  Finish(rpc::ToGrpc(reason));
}

// A peer that reads nothing would keep its stream open for as long as a message
// is on its way to it.
void ActivityStream::CutOffIfClosed() {
  absl::MutexLock lock(&mutex_);
  if (!finished_ || context_ == nullptr) return;
  if (++closed_for_ >= kSecondsToReadTheReason) context_->TryCancel();
}

void ActivityStream::OnDone() {
  // Outlives the lock; the last owner, unless a step runs.
  std::shared_ptr<ActivityStream> self;
  absl::MutexLock lock(&mutex_);
  self.swap(self_);
  finished_ = true;
  context_ = nullptr;
}

}  // namespace dragnet::scheduler
