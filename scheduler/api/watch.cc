#include "scheduler/api/watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/envelope.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "scheduler/auth/rpc_roles.h"
#include "scheduler/dispatch/progress.h"

namespace dragnet::scheduler {
namespace {

// What one step reads, and so what a slow console costs.
constexpr size_t kBatchBytes = 256 * 1024;
// An agent may be about to answer what it got in the last moment.
constexpr absl::Duration kExpiryGrace = absl::Seconds(5);
// Counting the pairs of a large fleet takes at most this part of the time.
constexpr int kCountingShare = 10;
constexpr int kSecondsToReadTheReason = 2;
// Agents of which nothing is heard are named when nothing has happened for so long,
// so many at once.
constexpr absl::Duration kQuiet = absl::Seconds(1);
constexpr size_t kUnheardPerStep = 2000;
// After a step with more changes than this the next one waits, for each of them
// so long, at most that.
constexpr size_t kFewChanges = 64;
constexpr absl::Duration kGatherForEach = absl::Microseconds(40);
constexpr absl::Duration kGatherAtMost = absl::Milliseconds(200);

absl::Duration GatherFor(size_t changes) {
  if (changes <= kFewChanges) return absl::ZeroDuration();
  return std::min(static_cast<int64_t>(changes) * kGatherForEach, kGatherAtMost);
}

}  // namespace

WatchStream* WatchStream::Start(const ApiParts& parts, Identity identity, WatchOptions options,
                                grpc::CallbackServerContext* context) {
  std::shared_ptr<WatchStream> stream(
      new WatchStream(parts, std::move(identity), std::move(options), context));
  stream->self_ = stream;
  if (const absl::Status added = parts.streams.Add(stream->identity_, stream); !added.ok()) {
    stream->Close(added);
    return stream.get();
  }
  if (stream->options_.follow) parts.watchers.Add(stream->options_.action_id, stream);
  absl::MutexLock lock(&stream->mutex_);
  stream->StepSoonLocked();
  return stream.get();
}

void WatchStream::Notify() {
  absl::MutexLock lock(&mutex_);
  news_ = true;
  if (!stepping_ && !writing_ && events_.empty()) StepSoonLocked();
}

void WatchStream::StepSoonLocked() {
  if (finished_ || ending_) return;
  if (SteadyNow() < step_again_at_) return WakeLocked(step_again_at_, &step_);
  stepping_ = true;
  news_ = false;
  if (parts_.executor.Run([self = self_] { self->Step(); })) return;
  stepping_ = false;
  FinishLocked(absl::ResourceExhaustedError("the scheduler has too much to do: try again later"));
}

void WatchStream::Step() {
  std::vector<v1::WatchEvent> events;
  bool end = false;
  const absl::Status status = ReadNext(&events, &end);

  absl::MutexLock lock(&mutex_);
  stepping_ = false;
  if (finished_) return;
  if (!status.ok()) return FinishLocked(status);
  ending_ = end;
  for (v1::WatchEvent& event : events) events_.push_back(std::move(event));
  if (!events_.empty()) return WriteNextLocked();
  if (ending_) return FinishLocked(absl::OkStatus());
  if (news_) StepSoonLocked();
}

absl::Status WatchStream::LoadAction() {
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction action, parts_.store.FindAction(options_.action_id));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action.envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  for (const v1::Operation& operation : parsed.operations()) modules_.push_back(operation.module());
  expires_ = action.expires;
  return absl::OkStatus();
}

absl::Status WatchStream::ReadNext(std::vector<v1::WatchEvent>* events, bool* end) {
  // The trust policy may have changed since the call was let in.
  DRAGNET_RETURN_IF_ERROR(parts_.certificates.CheckStillGood(identity_));
  DRAGNET_RETURN_IF_ERROR(CheckAccess("/dragnet.v1.InvestigatorService/Watch", absl::OkStatus(),
                                      identity_,
                                      parts_.policies.current()->RolesOf(identity_.name)));
  if (modules_.empty()) DRAGNET_RETURN_IF_ERROR(LoadAction());
  DRAGNET_ASSIGN_OR_RETURN(std::vector<Change> changes,
                           parts_.store.ReadChanges(options_.action_id, position_, kBatchBytes));
  size_t bytes = 0;
  for (Change& change : changes) {
    position_ = change.position;
    if (change.rows.has_value()) bytes += change.rows->ByteSizeLong();
    // A launch makes as many of these as there are agents: what was found goes
    // first, and TellUnheard comes to what is still so when it is quiet.
    const bool unheard =
        !change.rows.has_value() && IsUnheard(change.pair.state) && change.pair.detail.empty();
    if (!unheard) events->push_back(EventOf(std::move(change)));
  }
  if (!changes.empty()) {
    last_change_ = SteadyNow();
    // There may be more; and progress follows everything that it counts.
    absl::MutexLock lock(&mutex_);
    news_ = true;
    // While it is behind with rows it reads on.
    if (options_.follow && bytes < kBatchBytes / 2)
      step_again_at_ = SteadyNow() + GatherFor(events->size());
    if (progress_sent_) return absl::OkStatus();
  }
  return ReadProgress(events, end);
}

absl::Status WatchStream::ReadProgress(std::vector<v1::WatchEvent>* events, bool* end) {
  const absl::Time begin = SteadyNow();
  if (progress_sent_ && begin < count_again_at_) {
    absl::MutexLock lock(&mutex_);
    WakeLocked(count_again_at_, &count_);
    return absl::OkStatus();
  }
  const absl::Time now = parts_.clock.Now();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs,
                           parts_.store.Pairs(options_.action_id));
  const auto presence = [&](const std::string& id) { return parts_.agents.PresenceOf(id, now); };
  const HeldBack held_back = parts_.dispatcher.HeldBackOf(options_.action_id);
  v1::Progress progress = CountPairs(pairs, presence, held_back);
  const bool more = options_.follow && MoreToCome(pairs, presence, options_.until_expired,
                                                  now > expires_ + kExpiryGrace, held_back);
  const absl::Time counted = SteadyNow();
  count_again_at_ = counted + kCountingShare * (counted - begin);

  if (!progress_sent_ || !google::protobuf::util::MessageDifferencer::Equals(progress, progress_)) {
    *events->emplace_back().mutable_progress() = progress;
    progress_ = std::move(progress);
    progress_sent_ = true;
  }
  const bool quiet = counted - last_change_ >= kQuiet;
  if ((quiet || !more) && TellUnheard(pairs, events)) {
    absl::MutexLock lock(&mutex_);
    news_ = true;
    count_again_at_ = absl::InfinitePast();
    return absl::OkStatus();
  }
  if (more) return absl::OkStatus();
  // What was counted may be newer than what was read before.
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<Change> rest,
                           parts_.store.ReadChanges(options_.action_id, position_, 1));
  if (!rest.empty()) {
    absl::MutexLock lock(&mutex_);
    news_ = true;
    count_again_at_ = absl::InfinitePast();
    return absl::OkStatus();
  }
  *events->emplace_back().mutable_end()->mutable_progress() = progress_;
  *end = true;
  return absl::OkStatus();
}

bool WatchStream::TellUnheard(const std::vector<PairState>& pairs,
                              std::vector<v1::WatchEvent>* events) {
  size_t told = 0;
  for (const PairState& pair : pairs) {
    if (!IsUnheard(pair.state)) continue;
    const auto known = unheard_.find(pair.agent_id);
    if (known != unheard_.end() && known->second == pair.state) continue;
    if (++told > kUnheardPerStep) return true;
    unheard_[pair.agent_id] = pair.state;
    v1::AgentState* state = events->emplace_back().mutable_agent_state();
    state->set_agent_id(pair.agent_id);
    state->set_agent_name(parts_.agents.NameOf(pair.agent_id));
    state->set_state(pair.state);
  }
  return false;
}

void WatchStream::WakeLocked(absl::Time at, Wake* wake) {
  if (wake->set || finished_) return;
  wake->set = true;
  wake->alarm = std::make_unique<grpc::Alarm>();
  // gRPC takes it for a duration from now on, too.
  wake->alarm->Set(absl::ToChronoTime(absl::Now() + (at - SteadyNow())),
                   [weak = std::weak_ptr<WatchStream>(self_), wake](bool) {
                     const std::shared_ptr<WatchStream> self = weak.lock();
                     if (self == nullptr) return;
                     {
                       absl::MutexLock lock(&self->mutex_);
                       wake->set = false;
                     }
                     self->Notify();
                   });
}

v1::WatchEvent WatchStream::EventOf(Change change) const {
  v1::WatchEvent event;
  if (change.rows.has_value()) {
    event.set_cursor(change.position);
    v1::AgentRows* rows = event.mutable_rows();
    rows->set_agent_id(change.agent_id);
    rows->set_agent_name(change.agent_name);
    rows->set_operation(change.operation);
    if (change.operation < modules_.size()) rows->set_module(modules_[change.operation]);
    rows->mutable_rows()->Swap(change.rows->mutable_rows());
    return event;
  }
  v1::AgentState* state = event.mutable_agent_state();
  state->set_agent_id(change.agent_id);
  state->set_agent_name(change.agent_name);
  state->set_state(change.pair.state);
  for (OperationProgress& operation : change.pair.operations)
    if (operation.summary.has_value()) *state->add_summaries() = *std::move(operation.summary);
  if (change.pair.refusal.has_value()) *state->mutable_refusal() = *std::move(change.pair.refusal);
  state->set_rows(change.pair.rows());
  state->set_detail(change.pair.detail);
  return event;
}

void WatchStream::WriteNextLocked() {
  writing_ = true;
  written_ = std::move(events_.front());
  events_.pop_front();
  // Those that others follow at once go to the network together with the last. Not
  // the first one: with it goes the head of the call, which must be sent before
  // gRPC says that the write is done.
  grpc::WriteOptions options;
  if (begun_ && !events_.empty()) options.set_buffer_hint();
  begun_ = true;
  StartWrite(&written_, options);
}

void WatchStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) return FinishLocked(absl::UnavailableError("the console is gone"));
  if (finished_) return;
  if (!events_.empty()) return WriteNextLocked();
  if (ending_) return FinishLocked(absl::OkStatus());
  if (news_) StepSoonLocked();
}

void WatchStream::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  FinishLocked(reason);
}

void WatchStream::FinishLocked(const absl::Status& reason) {
  if (finished_) return;
  finished_ = true;
  events_.clear();
  Finish(rpc::ToGrpc(reason));
}

// A peer that reads nothing would keep its stream open for as long as a message
// is on its way to it.
void WatchStream::CutOffIfClosed() {
  absl::MutexLock lock(&mutex_);
  if (!finished_ || context_ == nullptr) return;
  if (++closed_for_ >= kSecondsToReadTheReason) context_->TryCancel();
}

void WatchStream::OnDone() {
  // Outlives the lock; the last owner, unless a step runs.
  std::shared_ptr<WatchStream> self;
  absl::MutexLock lock(&mutex_);
  self.swap(self_);
  finished_ = true;
  context_ = nullptr;
}

}  // namespace dragnet::scheduler
