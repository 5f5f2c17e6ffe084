#include "scheduler/cluster/cluster.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/cluster/outbox_relay.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxLoggedText = 300;
// In one message between schedulers.
constexpr int kMaxInMessage = 4096;
// Tasks hold messages of up to a megabyte: few of them are kept. What is lost of news is
// looked up; what isn't offered, granted or asked for comes again.
constexpr size_t kMaxWaitingNews = 2048;
constexpr size_t kMaxWaiting = 256;
constexpr size_t kMaxWaitingBlobs = 256;
constexpr int kAskedThreads = 2;
constexpr absl::Duration kOrderTimeout = absl::Seconds(10);
constexpr absl::Duration kAgentNews = absl::Milliseconds(200);
constexpr absl::Duration kWatchRecords = absl::Seconds(1);
// Of the bus: full, and no longer, in percent.
constexpr uint64_t kFull = 80;
constexpr uint64_t kRoomAgain = 60;
constexpr absl::Duration kFetchBlobs = absl::Seconds(2);
// Of more agents all are read: one query.
constexpr size_t kFewAgents = 500;
constexpr size_t kMaxToRefresh = 20'000;
// Of all agents, whatever was lost.
constexpr absl::Duration kRefreshAll = absl::Minutes(5);
constexpr absl::Duration kTick = absl::Milliseconds(100);
// Longer than a lease, and how often it is tried.
constexpr absl::Duration kAwaitName = absl::Seconds(2);
constexpr absl::Duration kTryName = absl::Milliseconds(200);
// A notice that can't be taken up is left then, and everything is looked up instead.
constexpr int kNoticeTries = 5;

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

absl::Status Replaced() { return absl::AbortedError("replaced by a newer session of this agent"); }

template <typename Ids>
std::vector<std::string> UuidsOf(const Ids& ids) {
  std::vector<std::string> uuids;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(uuids), IsUuid);
  return uuids;
}

void CloseAll(const std::vector<std::shared_ptr<AgentSession>>& sessions,
              const absl::Status& reason) {
  for (const std::shared_ptr<AgentSession>& session : sessions) session->Close(reason);
}

}  // namespace

void Cluster::LogIfNot(const absl::Status& status, std::string_view what) {
  if (status.ok()) return;
  if (const auto said = lines_.Ask(what, SteadyNow()))
    spdlog::warn("cluster: {}: {}{}", what, ForLog(ToStd(status.message())),
                 RepeatedLines::Words(*said));
}

absl::StatusOr<Cluster::Position> Cluster::Begin(Store& store, Bus& bus) {
  Position position;
  DRAGNET_ASSIGN_OR_RETURN(position.notice, bus.LastNotice());
  DRAGNET_ASSIGN_OR_RETURN(position.revocation, store.LastRevocation());
  return position;
}

Cluster::Cluster(const Parts& parts, std::string name, const Position& position,
                 const ClusterTimes& times)
    : parts_(parts),
      name_(std::move(name)),
      position_(position),
      times_(times),
      bus_(&parts.bus),
      membership_(parts.store, name_, parts.bus.partitions(), times.lease,
                  [this](std::set<uint32_t> partitions) {
                    absl::ReaderMutexLock lock(&bus_mutex_);
                    if (bus_ != nullptr) bus_->ReadPartitions(std::move(partitions));
                  }),
      claims_(parts.store, name_,
              [this](v1::SessionsChanged changed) {
                v1::PeerMessage message;
                *message.mutable_sessions_changed() = std::move(changed);
                Tell("", std::move(message));
              }),
      exchange_(
          parts.blobs, parts.clock,
          [this](const std::string& to, v1::PeerMessage message, absl::Duration timeout) {
            return Ask(to, std::move(message), timeout);
          },
          [this](const std::string& to, v1::PeerMessage message) { Tell(to, std::move(message)); },
          [this] { return Others(); }),
      remote_desk_(
          parts.store, parts.clock,
          [this](const std::string& to, v1::PeerMessage message, absl::Duration timeout) {
            return Ask(to, std::move(message), timeout);
          },
          [this] { return Others(); }),
      refreshed_all_(SteadyNow()),
      last_revocation_(position.revocation),
      news_(std::make_unique<Executor>(1, kMaxWaitingNews)),
      dispatching_(std::make_unique<Executor>(1, kMaxWaiting)),
      asked_(std::make_unique<Executor>(kAskedThreads, kMaxWaiting)),
      blob_parts_(std::make_unique<Executor>(1, kMaxWaitingBlobs)),
      blob_keeping_(std::make_unique<Executor>(1, kMaxWaitingBlobs)),
      leading_changes_(std::make_unique<Executor>(1, kMaxWaiting)),
      ticking_(kTick, [this] { Tick(); }),
      keeping_(times.keep, [this] { KeepMembership(); }),
      relay_(times.relay,
             [this] { LogIfNot(RelayOutbox(parts_.store, parts_.bus), "outbox to the bus"); }),
      revocations_(times.revocations, [this] { WatchRevocations(); }),
      sessions_(times.lost_sessions, [this] { CheckSessions(); }),
      agent_news_(kAgentNews, [this] { TellOfAgents(); }),
      refreshing_(times.resync, [this] { RefreshAgents(); }),
      resync_(times.resync, [this] { Resync(); }),
      records_(kWatchRecords, [this] { WatchRecords(); }),
      blobs_(kFetchBlobs, [this] { exchange_.FetchWanted(); }) {
  claims_.SetAccepting(absl::UnavailableError("this scheduler starts: try another one"));
  parts_.agents.WhenChanged([this](const std::string& agent_id) {
    absl::MutexLock lock(&mutex_);
    changed_.insert(agent_id);
  });
}

absl::Status Cluster::AwaitMembership() {
  const absl::Time until = SteadyNow() + times_.lease + kAwaitName;
  while (true) {
    const absl::Status kept = membership_.Keep();
    if (!absl::IsFailedPrecondition(kept) || SteadyNow() > until)
      return Annotate(kept, StrCat("cluster: leases of ", name_));
    LogIfNot(kept, "waits for the name");
    absl::SleepFor(kTryName);
  }
}

absl::Status Cluster::Start(Dispatcher& dispatcher, RecordKeeper& keeper,
                            std::function<void(bool)> leading) {
  dispatcher_ = &dispatcher;
  keeper_ = &keeper;
  leading_ = std::move(leading);
  DRAGNET_RETURN_IF_ERROR(AwaitMembership());
  // Of a former process of this name: no other one has it now.
  DRAGNET_RETURN_IF_ERROR(parts_.store.ReleaseAllSessions(name_));
  DRAGNET_RETURN_IF_ERROR(SyncSessions());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredAction> actions,
                           parts_.store.ActiveActions(parts_.clock.Now()));
  for (const StoredAction& action : actions) WantBlobsOf(action);
  {
    absl::MutexLock lock(&mutex_);
    started_ = true;
  }
  parts_.bus.OnMessage([this](v1::PeerMessage message, Bus::Reply reply) {
    OnMessage(std::move(message), std::move(reply));
  });
  parts_.bus.OnReconnected([this] {
    {
      absl::MutexLock lock(&mutex_);
      missed_ = true;
    }
    resync_.Wake();
    relay_.Wake();
  });
  parts_.bus.FollowNotices(
      position_.notice, [this](const v1::Notice& notice) { return OnNotice(notice); },
      [this] {
        spdlog::warn(
            "cluster: notices were removed before this scheduler read them: everything "
            "is read anew");
        {
          absl::MutexLock lock(&mutex_);
          missed_ = true;
        }
        resync_.Wake();
      });
  for (Periodic* one : {&ticking_, &keeping_, &relay_, &revocations_, &sessions_, &agent_news_,
                        &refreshing_, &resync_, &records_, &blobs_})
    one->Start();
  claims_.SetAccepting(StateNow());
  return absl::OkStatus();
}

void Cluster::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  for (Periodic* one : {&ticking_, &keeping_, &relay_, &revocations_, &sessions_, &agent_news_,
                        &refreshing_, &resync_, &records_, &blobs_})
    one->Stop();
  claims_.Stop();
  if (dispatcher_ != nullptr) {
    // What was done here last.
    LogIfNot(RelayOutbox(parts_.store, parts_.bus), "outbox to the bus");
    // Not those of another process that has taken the name meanwhile.
    if (membership_.is_member())
      LogIfNot(parts_.store.ReleaseAllSessions(name_), "sessions not released");
    membership_.GiveUp();
  }
  // Each runs what waits.
  for (std::unique_ptr<Executor>* executor :
       {&news_, &dispatching_, &asked_, &blob_parts_, &blob_keeping_, &leading_changes_}) {
    std::unique_ptr<Executor> ended;
    {
      absl::MutexLock lock(&mutex_);
      ended.swap(*executor);
    }
  }
  absl::MutexLock lock(&bus_mutex_);
  bus_ = nullptr;
}

bool Cluster::Run(const std::unique_ptr<Executor>& executor, std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  return executor != nullptr && !stopped_ && executor->Run(std::move(task));
}

void Cluster::Tell(const std::string& to, v1::PeerMessage message) {
  message.set_from(name_);
  absl::ReaderMutexLock lock(&bus_mutex_);
  if (bus_ != nullptr) bus_->Tell(to, std::move(message));
}

absl::StatusOr<v1::PeerMessage> Cluster::Ask(const std::string& to, v1::PeerMessage message,
                                             absl::Duration timeout) {
  message.set_from(name_);
  absl::ReaderMutexLock lock(&bus_mutex_);
  if (bus_ == nullptr) return absl::UnavailableError("the scheduler stops");
  return bus_->Ask(to, std::move(message), timeout);
}

std::vector<std::string> Cluster::Others() const {
  const Membership::View view = membership_.view();
  std::vector<std::string> others;
  for (const std::string& name : view.live)
    if (name != name_) others.push_back(name);
  return others;
}

// ---- Peers

void Cluster::OfferAgents(const std::string& action_id, const std::vector<std::string>& agent_ids) {
  const std::string leader = membership_.view().leader;
  // Whoever leads next is offered them then.
  if (leader.empty() || leader == name_) return;
  for (size_t begin = 0; begin < agent_ids.size(); begin += kMaxInMessage) {
    v1::PeerMessage message;
    message.mutable_offer()->set_action_id(action_id);
    const size_t end = std::min(begin + kMaxInMessage, agent_ids.size());
    for (size_t i = begin; i < end; ++i) message.mutable_offer()->add_agent_ids(agent_ids[i]);
    Tell(leader, std::move(message));
  }
}

void Cluster::GrantAgents(const std::string& scheduler, const std::string& action_id,
                          const std::vector<std::string>& agent_ids) {
  v1::PeerMessage message;
  message.mutable_grant()->set_action_id(action_id);
  *message.mutable_grant()->mutable_agent_ids() = {agent_ids.begin(), agent_ids.end()};
  Tell(scheduler, std::move(message));
}

void Cluster::TellPhases(v1::Phases phases) {
  v1::PeerMessage message;
  *message.mutable_phases() = std::move(phases);
  Tell("", std::move(message));
}

void Cluster::TellWritten(v1::Written written) {
  v1::PeerMessage message;
  *message.mutable_written() = std::move(written);
  Tell("", std::move(message));
}

absl::StatusOr<v1::OrderReply> Cluster::SendOrder(const std::string& envelope,
                                                  const std::string& sent_by) {
  if (envelope.size() > kMaxOrderEnvelopeBytes)
    return absl::InvalidArgumentError(
        StrCat("an order of more than ", kMaxOrderEnvelopeBytes, " bytes"));
  const std::string leader = membership_.view().leader;
  absl::StatusOr<v1::PeerMessage> answer = absl::UnavailableError("");
  if (!leader.empty() && leader != name_) {
    v1::PeerMessage message;
    message.mutable_order_request()->set_envelope(envelope);
    message.mutable_order_request()->set_sent_by(sent_by);
    answer = Ask(leader, std::move(message), kOrderTimeout);
  }
  if (answer.ok() && answer->has_order_reply()) return std::move(*answer->mutable_order_reply());
  return absl::UnavailableError("no scheduler leads at the moment: try again");
}

// ---- what comes

void Cluster::OnMessage(v1::PeerMessage received, Bus::Reply reply) {
  if (received.from() == name_)
    return spdlog::error(
        "cluster: another scheduler has the name {} too: give each its own scheduler_name", name_);
  if (received.from().empty() || received.from().size() > kMaxNameBytes) return;
  const auto message = std::make_shared<v1::PeerMessage>(std::move(received));
  bool taken = true;
  switch (message->content_case()) {
    case v1::PeerMessage::kWritten:
      // Those who watch look by themselves before long.
      (void)Run(news_, [this, message] { keeper_->OnWritten(message->written()); });
      break;
    case v1::PeerMessage::kSessionsChanged:
      taken = Run(news_, [this, message] {
        OnSessionsChanged(message->from(), message->sessions_changed());
      });
      break;
    case v1::PeerMessage::kAgentsChanged:
      OnAgentsChanged(message->agents_changed());
      break;
    case v1::PeerMessage::kOffer:
      // What isn't granted comes again.
      (void)Run(dispatching_, [this, message] {
        const v1::Offer& offer = message->offer();
        if (offer.agent_ids_size() > kMaxInMessage || !IsUuid(offer.action_id())) return;
        dispatcher_->OnOffer(offer.action_id(), UuidsOf(offer.agent_ids()));
      });
      break;
    case v1::PeerMessage::kGrant:
      (void)Run(dispatching_, [this, message] {
        const v1::Grant& grant = message->grant();
        if (grant.agent_ids_size() > kMaxInMessage || !IsUuid(grant.action_id())) return;
        // Of one that led before, what it says is no longer so; of one that leads since a
        // moment ago it comes again.
        if (leads() || message->from() != membership_.view().leader) return;
        dispatcher_->OnGrant(grant.action_id(), UuidsOf(grant.agent_ids()));
      });
      break;
    case v1::PeerMessage::kPhases:
      (void)Run(dispatching_, [this, message] {
        if (message->from() == membership_.view().leader) dispatcher_->OnPhases(message->phases());
      });
      break;
    case v1::PeerMessage::kOrderRequest:
      if (reply == nullptr) break;
      (void)Run(asked_, [this, message, reply] {
        v1::PeerMessage answer;
        answer.set_from(name_);
        *answer.mutable_order_reply() = OnOrderRequest(message->order_request());
        reply(std::move(answer));
      });
      break;
    case v1::PeerMessage::kIssueRequest:
      if (reply == nullptr) break;
      (void)Run(asked_, [this, message, reply] {
        v1::PeerMessage answer;
        answer.set_from(name_);
        *answer.mutable_issue_reply() = AnswerIssueRequest(parts_.desk, message->issue_request());
        reply(std::move(answer));
      });
      break;
    case v1::PeerMessage::kBlobPartRequest:
      if (reply == nullptr) break;
      (void)Run(blob_parts_, [this, message, reply] {
        v1::PeerMessage answer;
        answer.set_from(name_);
        *answer.mutable_blob_part_reply() = exchange_.OnPartRequest(message->blob_part_request());
        reply(std::move(answer));
      });
      break;
    case v1::PeerMessage::kKeepBlobs:
      if (reply == nullptr) break;
      (void)Run(blob_keeping_, [this, message, reply] {
        v1::PeerMessage answer;
        answer.set_from(name_);
        *answer.mutable_keep_blobs_reply() =
            exchange_.OnKeep(message->from(), message->keep_blobs());
        reply(std::move(answer));
      });
      break;
    default:
      // Replies go to who asked; anything else is of a newer version.
      break;
  }
  if (taken) return;
  absl::MutexLock lock(&mutex_);
  missed_ = true;
}

void Cluster::OnSessionsChanged(const std::string& from, const v1::SessionsChanged& changed) {
  std::vector<StoredSession> sessions;
  for (const v1::SessionsChanged::Session& one : changed.sessions()) {
    if (sessions.size() == kMaxInMessage) break;
    if (!IsUuid(one.agent_id())) continue;
    sessions.push_back({one.agent_id(), from, one.epoch(), one.boot_id(), one.connected()});
  }
  CloseAll(parts_.agents.NoteElsewhere(sessions, parts_.clock.Now()), Replaced());
}

void Cluster::OnAgentsChanged(const v1::AgentsChanged& changed) {
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& id : changed.agent_ids()) {
      if (to_refresh_.size() >= kMaxToRefresh) {
        refresh_all_ = true;
        break;
      }
      if (!IsUuid(id)) continue;
      to_refresh_.insert(id);
    }
  }
  refreshing_.Wake();
}

v1::OrderReply Cluster::OnOrderRequest(const v1::OrderRequest& request) {
  v1::OrderReply reply;
  // Not asked any further: who asked asks whoever leads now.
  absl::StatusOr<Dispatcher::Ordered> ordered =
      absl::UnavailableError("another scheduler leads since this moment: try again");
  if (leads()) ordered = dispatcher_->SendOrder(request.envelope(), ForLog(request.sent_by()));
  reply.set_code(static_cast<int>(ordered.status().code()));
  reply.set_message(std::string(ToStd(ordered.status().message())));
  if (ordered.ok()) {
    reply.set_action_id(ordered->action_id);
    reply.set_sent(ordered->sent);
  }
  return reply;
}

void Cluster::WantBlobsOf(const StoredAction& action) {
  exchange_.Want(BlobsOf(action.envelope), action.expires);
}

absl::Status Cluster::OnNotice(const v1::Notice& notice) {
  const absl::Status status = TakeUp(notice);
  if (status.ok()) return status;
  LogIfNot(status, StrCat("notice ", notice.id(), " about ", ForLog(notice.name())));
  // The store comes back.
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) return status;
  if (failing_notice_ != notice.id()) notice_tries_ = 0;
  failing_notice_ = notice.id();
  if (++notice_tries_ < kNoticeTries) return status;
  // It holds up all that come after it.
  {
    absl::MutexLock lock(&mutex_);
    missed_ = true;
  }
  resync_.Wake();
  return absl::OkStatus();
}

absl::Status Cluster::TakeUp(const v1::Notice& notice) {
  switch (notice.kind()) {
    case v1::Notice::KIND_ACTION: {
      const absl::StatusOr<StoredAction> action = parts_.store.FindAction(notice.name());
      if (absl::IsNotFound(action.status())) return absl::OkStatus();
      DRAGNET_RETURN_IF_ERROR(action.status());
      WantBlobsOf(*action);
      blobs_.Wake();
      // A proposal may have become it.
      parts_.watchers.news().OnProposals();
      return dispatcher_->TakeUpAction(notice.name());
    }
    case v1::Notice::KIND_ORDER:
      return dispatcher_->TakeUpOrders(notice.name());
    case v1::Notice::KIND_TRUST_POLICY: {
      DRAGNET_ASSIGN_OR_RETURN(const bool any, parts_.policies.TakeUp());
      if (any) dispatcher_->OnPolicyPublished();
      return absl::OkStatus();
    }
    case v1::Notice::KIND_REVOKED:
      // Whoever owns the bus can make it up: the store's table decides.
      revocations_.Wake();
      return absl::OkStatus();
    case v1::Notice::KIND_AGENT: {
      absl::StatusOr<StoredAgent> agent = parts_.store.FindAgent(notice.name());
      if (absl::IsNotFound(agent.status())) return absl::OkStatus();
      DRAGNET_RETURN_IF_ERROR(agent.status());
      return parts_.agents.Refresh(*std::move(agent));
    }
    case v1::Notice::KIND_PROPOSAL:
      parts_.watchers.news().OnProposals();
      return absl::OkStatus();
    default:
      // Of a newer version.
      return absl::OkStatus();
  }
}

// ---- what is done again and again

void Cluster::KeepMembership() {
  bool has_bus = true;
  {
    absl::MutexLock lock(&mutex_);
    has_bus = SteadyNow() - bus_gone_ < 2 * times_.keep;
    // No notice comes: what is new is read from the store, as often as this runs.
    if (bus_gone_ != absl::InfiniteFuture()) missed_ = true;
    if (bus_gone_ != absl::InfiniteFuture()) resync_.Wake();
  }
  LogIfNot(membership_.Keep(has_bus), "leases");
  const Membership::View view = membership_.view();
  bool take_up = false;
  // What dies leaves its lease, and no word.
  for (const std::string& name : live_)
    if (!view.live.contains(name)) {
      spdlog::warn("cluster: scheduler {} is gone", ForLog(name));
      parts_.agents.ForgetElsewhere(name, parts_.clock.Now());
      resync_.Wake();
    }
  live_ = view.live;
  {
    absl::MutexLock lock(&mutex_);
    if (view.leader != leader_ || view.leader_epoch != leader_epoch_) {
      spdlog::info("cluster: {} leads", view.leader.empty() ? "no scheduler" : view.leader);
      leader_ = view.leader;
      leader_epoch_ = view.leader_epoch;
      lead_taken_up_ = false;
    }
    take_up = !lead_taken_up_;
    // Once: it says itself when it has to be done again.
    lead_taken_up_ = true;
  }
  if (take_up && !Run(dispatching_, [this] { TakeUpLead(); })) {
    absl::MutexLock lock(&mutex_);
    lead_taken_up_ = false;
  }
}

void Cluster::TakeUpLead() {
  if (dispatcher_->OnLeaderChanged().ok()) return;
  absl::MutexLock lock(&mutex_);
  lead_taken_up_ = false;
}

absl::Status Cluster::StateNow() const {
  if (!membership_.is_member())
    return absl::UnavailableError(
        "this scheduler can't reach its store, so it has no agents: try another scheduler");
  return absl::OkStatus();
}

void Cluster::Tick() {
  membership_.Tick();
  absl::Status state = StateNow();
  const bool lapsed = membership_.TakeLapsed();
  const bool bus_is_gone = !parts_.bus.state().ok();
  const absl::Time now = SteadyNow();
  const bool leads_now = leads();
  // Only then would they find a better one.
  const bool others_have_bus = membership_.view().others_have_bus;
  bool close = false;
  bool close_without_bus = false;
  bool say_leading = false;
  {
    absl::MutexLock lock(&mutex_);
    if (!started_ || stopped_) return;
    if (!bus_is_gone) bus_gone_ = absl::InfiniteFuture();
    if (bus_is_gone) bus_gone_ = std::min(bus_gone_, now);
    // It stores no result, so after a lease's time its agents go to one that does. If no
    // other one has the bus they stay: they keep their results, and actions and orders go
    // on to them from the store.
    if (!bus_is_gone) closed_without_bus_ = false;
    if (state.ok() && now - bus_gone_ > times_.lease) {
      state = absl::UnavailableError("this scheduler can't reach its bus: try another scheduler");
      if (others_have_bus) close_without_bus = !std::exchange(closed_without_bus_, true);
    }
    const bool is_member = membership_.is_member();
    close = lapsed || (was_member_ && !is_member);
    was_member_ = is_member;
    say_leading = said_leading_ != leads_now;
    said_leading_ = leads_now;
  }
  // Others have been allowed to take them over.
  if (close)
    CloseSessions(
        absl::UnavailableError("this scheduler could not reach its store: try another scheduler"));
  if (close_without_bus) CloseSessions(state);
  if (state.code() != claims_.accepting().code()) {
    if (state.ok()) {
      spdlog::info("cluster: this scheduler takes sessions");
    } else {
      spdlog::error("cluster: {}", ForLog(ToStd(state.message())));
    }
    claims_.SetAccepting(state);
  }
  if (say_leading) (void)Run(leading_changes_, [this, leads_now] { leading_(leads_now); });
}

void Cluster::CloseSessions(const absl::Status& reason) {
  for (const auto& [id, session] : parts_.agents.Sessions()) session->Close(reason);
}

void Cluster::WatchRevocations() {
  while (true) {
    const absl::StatusOr<std::vector<Coordination::Revocation>> revoked =
        parts_.store.RevocationsAfter(last_revocation_);
    if (!revoked.ok()) return LogIfNot(revoked.status(), "revocations");
    if (revoked->empty()) return;
    for (const Coordination::Revocation& one : *revoked) {
      const uint32_t streams = parts_.revocations.OnRevoked(one.identity);
      if (streams > 0)
        spdlog::warn("{}: revoked at another scheduler: {} streams closed here",
                     ForLog(one.identity), streams);
      last_revocation_ = std::max(last_revocation_, one.no);
    }
  }
}

void Cluster::CheckSessions() {
  claims_.Announce(parts_.agents.DuplicatesHere());
  std::vector<StoredSession> own = parts_.agents.OwnHere();
  for (StoredSession& session : own) session.scheduler = name_;
  if (own.empty()) return;
  const absl::StatusOr<std::vector<std::string>> lost = parts_.store.LostSessions(own);
  if (!lost.ok()) return LogIfNot(lost.status(), "sessions of other schedulers");
  if (lost->empty()) return;
  // To whom, and whether it is another host.
  LogIfNot(SyncSessions(), "sessions of other schedulers");
  const std::set<std::string> ids(lost->begin(), lost->end());
  std::erase_if(own, [&](const StoredSession& one) { return !ids.contains(one.agent_id); });
  CloseAll(parts_.agents.StillOwnHere(own), Replaced());
}

absl::Status Cluster::SyncSessions() {
  const absl::Time asked = parts_.clock.Now();
  DRAGNET_ASSIGN_OR_RETURN(std::vector<StoredSession> sessions, parts_.store.Sessions());
  // After them: each scheduler has its lease before it has sessions.
  DRAGNET_ASSIGN_OR_RETURN(std::set<std::string> live, Membership::LiveNow(parts_.store));
  live.insert(name_);
  std::vector<StoredSession> own;
  for (const StoredSession& one : sessions)
    if (one.scheduler == name_) own.push_back(one);
  std::set<std::string> dead;
  std::erase_if(sessions, [&](const StoredSession& one) {
    if (live.contains(one.scheduler)) return false;
    dead.insert(one.scheduler);
    return true;
  });
  CloseAll(parts_.agents.SetElsewhere(sessions, name_, asked, parts_.clock.Now()), Replaced());
  ReleaseUnattached(own);
  return ReleaseDead(dead);
}

// A lease's time after they were first seen to be dead, so that one that only couldn't keep
// its lease for a moment loses none.
absl::Status Cluster::ReleaseDead(const std::set<std::string>& dead) {
  const absl::Time now = SteadyNow();
  std::vector<std::string> long_dead;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(dead_since_, [&](const auto& entry) { return !dead.contains(entry.first); });
    for (const std::string& scheduler : dead) {
      const absl::Time since = dead_since_.try_emplace(scheduler, now).first->second;
      if (now - since >= times_.lease) long_dead.push_back(scheduler);
    }
  }
  if (!leads()) return absl::OkStatus();
  for (const std::string& scheduler : long_dead) {
    DRAGNET_ASSIGN_OR_RETURN(const std::set<std::string> live, Membership::LiveNow(parts_.store));
    if (live.contains(scheduler)) continue;
    spdlog::warn("cluster: scheduler {} is gone: its sessions are released", ForLog(scheduler));
    DRAGNET_RETURN_IF_ERROR(parts_.store.ReleaseAllSessions(scheduler));
  }
  return absl::OkStatus();
}

// Those whose claim was committed and never answered: by now each that was answered is
// here. A newer claim has another epoch, and stays.
void Cluster::ReleaseUnattached(const std::vector<StoredSession>& own) {
  std::set<std::pair<std::string, uint64_t>> here;
  for (const StoredSession& one : parts_.agents.OwnHere()) here.emplace(one.agent_id, one.epoch);
  const absl::Time now = SteadyNow();
  std::vector<StoredSession> unattached;
  {
    absl::MutexLock lock(&mutex_);
    std::map<std::pair<std::string, uint64_t>, absl::Time> since;
    for (const StoredSession& one : own) {
      const std::pair<std::string, uint64_t> key(one.agent_id, one.epoch);
      if (here.contains(key)) continue;
      const auto known = unattached_since_.find(key);
      const absl::Time first = known == unattached_since_.end() ? now : known->second;
      if (now - first < times_.lease) {
        since.emplace(key, first);
      } else {
        unattached.push_back(one);
      }
    }
    unattached_since_.swap(since);
  }
  for (StoredSession& one : unattached) claims_.Release(std::move(one));
}

absl::Status Cluster::SyncAgents() {
  DRAGNET_ASSIGN_OR_RETURN(std::vector<StoredAgent> agents, parts_.store.Agents());
  for (StoredAgent& agent : agents)
    DRAGNET_RETURN_IF_ERROR(parts_.agents.Refresh(std::move(agent)));
  return absl::OkStatus();
}

void Cluster::TellOfAgents() {
  std::set<std::string> changed;
  {
    absl::MutexLock lock(&mutex_);
    changed.swap(changed_);
  }
  v1::PeerMessage message;
  for (const std::string& id : changed) {
    message.mutable_agents_changed()->add_agent_ids(id);
    if (message.agents_changed().agent_ids_size() == kMaxInMessage)
      Tell("", std::exchange(message, {}));
  }
  if (message.has_agents_changed()) Tell("", std::move(message));
}

void Cluster::RefreshAgents() {
  std::set<std::string> ids;
  bool all = false;
  {
    absl::MutexLock lock(&mutex_);
    ids.swap(to_refresh_);
    all = std::exchange(refresh_all_, false) || ids.size() > kFewAgents;
  }
  if (SteadyNow() - refreshed_all_ > kRefreshAll) all = true;
  if (all) refreshed_all_ = SteadyNow();
  absl::Status status;
  if (all) status = SyncAgents();
  for (auto id = ids.begin(); !all && status.ok() && id != ids.end(); ++id) {
    absl::StatusOr<StoredAgent> agent = parts_.store.FindAgent(*id);
    if (absl::IsNotFound(agent.status())) continue;
    status = agent.ok() ? parts_.agents.Refresh(*std::move(agent)) : agent.status();
  }
  if (status.ok()) return;
  LogIfNot(status, "agents of other schedulers");
  absl::MutexLock lock(&mutex_);
  refresh_all_ = true;
}

void Cluster::Resync() {
  LogIfNot(SyncSessions(), "sessions of other schedulers");
  bool has_bus = true;
  {
    absl::MutexLock lock(&mutex_);
    if (!std::exchange(missed_, false)) return;
    has_bus = bus_gone_ == absl::InfiniteFuture();
  }
  // Without the bus again and again: only what agents wait for. All the rest when it is back.
  absl::Status status;
  if (has_bus) status = SyncAgents();
  const absl::StatusOr<bool> any = parts_.policies.TakeUp();
  status.Update(any.status());
  if (any.ok() && *any) dispatcher_->OnPolicyPublished();
  const absl::StatusOr<std::vector<StoredAction>> actions =
      parts_.store.ActiveActions(parts_.clock.Now());
  if (actions.ok())
    for (const StoredAction& action : *actions) WantBlobsOf(action);
  if (has_bus) {
    status.Update(dispatcher_->TakeUpAll());
    status.Update(dispatcher_->OnLeaderChanged());
  } else if (actions.ok()) {
    for (const StoredAction& action : *actions) {
      status.Update(dispatcher_->TakeUpAction(action.id));
      status.Update(dispatcher_->TakeUpOrders(action.id));
    }
  }
  parts_.watchers.news().OnProposals();
  parts_.watchers.NotifyAll();
  if (status.ok()) return;
  LogIfNot(status, "what other schedulers have done");
  // The store comes back; what can't be read at all was said.
  if (!absl::IsUnavailable(status)) return;
  absl::MutexLock lock(&mutex_);
  missed_ = true;
}

void Cluster::WatchRecords() {
  const absl::StatusOr<Bus::Backlog> backlog = parts_.bus.backlog();
  LogIfNot(backlog.status(), "records that wait on the bus");
  if (backlog.ok() && backlog->max_bytes > 0) {
    const uint64_t bound = backlog->max_bytes / 100 * (bus_is_full_ ? kRoomAgain : kFull);
    const bool full = backlog->bytes > bound;
    if (bus_is_full_.exchange(full) != full)
      spdlog::warn("cluster: {} of the bus's {} bytes wait to be stored ({} messages): agents {}",
                   backlog->bytes, backlog->max_bytes, backlog->messages,
                   full ? "are held up until they are stored" : "go on");
  }
  if (!leads()) return;
  std::vector<uint64_t> positions;
  for (uint32_t partition = 0; partition < parts_.bus.partitions(); ++partition) {
    const absl::StatusOr<uint64_t> position = parts_.store.BusPosition(partition);
    if (!position.ok()) return LogIfNot(position.status(), "how far the bus was read");
    positions.push_back(*position);
  }
  if (const absl::Status settled = parts_.store.Settle(); !settled.ok())
    return LogIfNot(settled, "how far the bus was read");
  LogIfNot(parts_.bus.ForgetRecords(positions), "records that are stored stay on the bus");
}

}  // namespace dragnet::scheduler
