#include "scheduler/gateway/session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/action.h"
#include "core/clock.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "scheduler/enrolment/enrolment.h"
#include "scheduler/gateway/message_cost.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {
namespace {

// Records of one agent that may wait for their commit.
constexpr size_t kRecordWindow = 32;
// What one record may grow to in memory. Agents' ordinary ones take a hundredth
// of it, the largest that is stored a fifth; one between is dropped by name, with
// its bytes counted as any other's.
constexpr size_t kMaxRecordCost = size_t{8} << 20;
// So many acknowledgements are left unread by an agent that has no window.
constexpr size_t kMaxUnreadAcknowledgements = 2 * kRecordWindow;
// How often the agent's table is told that something came.
constexpr absl::Duration kNoteHeardEvery = absl::Seconds(10);
// What it says when there is nothing to say costs as much as what the agent does: so many
// of the agent's heartbeats for one.
constexpr int kHeartbeatsPerAlive = 2;
constexpr absl::Duration kMaxAliveInterval = absl::Hours(1);
// Facts, and room for what later versions say.
constexpr size_t kMaxOtherBytes = 2 * kMaxFactsBytes;
// An agent that sends and doesn't read its acknowledgements.
constexpr size_t kMaxOutgoing = 8192;
constexpr int kSecondsToReadTheReason = 2;
constexpr int kSecondsToSayHello = 10;
constexpr int kSecondsToReadTheRest = 10;
// What an acknowledgement echoes: a UUID, and a SHA-256.
constexpr size_t kMaxActionIdBytes = 64;
constexpr size_t kMaxDigestBytes = 32;
// Messages that aren't records have no window: so many at once, so many per
// second. A well-behaved agent sends some a minute.
constexpr double kMaxLightMessages = 300;
constexpr double kLightMessagesPerSecond = 20;
// Those after which the agent's row is written and its actions are looked up.
constexpr double kFactsWeight = 20;
constexpr double kPolicyWeight = 4;
// A blob that has to be asked for at other schedulers: once for each, if there is one.
constexpr double kFetchWeight = 5;

// A slice that shares the message instead of copying it.
grpc::ByteBuffer ToByteBuffer(const OutgoingMessage& message) {
  auto keep = std::make_unique<OutgoingMessage>(message);
  void* bytes = const_cast<char*>(message->data());
  const grpc::Slice slice(
      bytes, message->size(),
      [](void* kept) { std::unique_ptr<OutgoingMessage>(static_cast<OutgoingMessage*>(kept)); },
      keep.release());
  return grpc::ByteBuffer(&slice, 1);
}

absl::Status Parse(const grpc::Slice& serialised, v1::AgentMessage* message) {
  if (!message->ParseFromArray(serialised.begin(), static_cast<int>(serialised.size())))
    return absl::InvalidArgumentError("not an AgentMessage");
  // Of a newer agent perhaps; nothing that this version doesn't know is kept.
  message->DiscardUnknownFields();
  return absl::OkStatus();
}

// Before anything is kept of it: the key is echoed in the acknowledgement.
absl::Status CheckKey(const v1::ResultRecord& record) {
  if (record.action_id().size() > kMaxActionIdBytes ||
      record.refusal().envelope_sha256().size() > kMaxDigestBytes)
    return absl::InvalidArgumentError("a record whose key is over its size");
  return absl::OkStatus();
}

v1::RecordKey KeyOf(const v1::ResultRecord& record) {
  v1::RecordKey key;
  key.set_action_id(record.action_id());
  key.set_occurrence(record.occurrence());
  key.set_operation(record.operation());
  key.set_sequence(record.sequence());
  if (record.has_refusal()) key.set_envelope_sha256(record.refusal().envelope_sha256());
  return key;
}

OutgoingMessage Serialised(const v1::SchedulerMessage& message) {
  return std::make_shared<const std::string>(message.SerializeAsString());
}

const OutgoingMessage& AliveMessage() {
  static const auto& message = *new OutgoingMessage([] {
    v1::SchedulerMessage alive;
    alive.mutable_alive();
    return Serialised(alive);
  }());
  return message;
}

absl::Duration AliveInterval(absl::Duration heartbeat_interval) {
  return std::min(kHeartbeatsPerAlive * heartbeat_interval, kMaxAliveInterval);
}

}  // namespace

Session* Session::Start(const GatewayParts& parts, Identity identity, std::string issuer_key_id,
                        grpc::CallbackServerContext* context) {
  std::shared_ptr<Session> session(
      new Session(parts, std::move(identity), std::move(issuer_key_id), context));
  session->self_ = session;
  absl::Status still_good = parts.streams.Add(session->identity_, session);
  if (still_good.ok()) still_good = parts.certificates.CheckStillGood(session->identity_);
  if (still_good.ok()) {
    session->ReadOn();
  } else {
    session->Close(still_good);
  }
  return session.get();
}

void Session::ReadOn() {
  {
    absl::MutexLock lock(&mutex_);
    if (finished_ || closing_.has_value()) return;
    const bool unread = acknowledgements_ > kMaxUnreadAcknowledgements;
    // It is the agent that stands still: its time runs.
    if (unread) silent_since_ = absl::ToUnixMicros(parts_.clock.Now());
    if (unread || records_under_way_ >= kRecordWindow || !drops_.MayReadOn(SteadyNow())) {
      paused_ = true;
      return;
    }
  }
  if (!said_hello_ || parts_.budget.Read(shared_from_this())) StartReading();
}

bool Session::TakeUpReadingLocked() {
  return acknowledgements_ <= kRecordWindow && records_under_way_ <= kRecordWindow / 2 &&
         drops_.MayReadOn(SteadyNow()) && std::exchange(paused_, false);
}

void Session::StartReading() {
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  silent_since_ = absl::ToUnixMicros(parts_.clock.Now());
  StartRead(&incoming_);
}

absl::Time Session::silent_since() const {
  const int64_t since = silent_since_;
  return since == kNotSilent ? absl::InfiniteFuture() : absl::FromUnixMicros(since);
}

void Session::OnReadDone(bool ok) {
  if (!ok) return Close(absl::OkStatus());
  silent_since_ = kNotSilent;
  // What was on its way when it was told to end: the agent isn't one of the fleet any more.
  if (closing()) return;
  if (const absl::Status status = HandleIncoming(); !status.ok()) EndWith(status);
}

absl::Status Session::HandleIncoming() {
  grpc::Slice serialised;
  const bool readable = incoming_.DumpToSingleSlice(&serialised).ok();
  incoming_.Clear();
  if (!readable) return absl::InvalidArgumentError("a message that can't be read");
  DRAGNET_ASSIGN_OR_RETURN(
      const MessageCost cost,
      CostOfAgentMessage({reinterpret_cast<const char*>(serialised.begin()), serialised.size()}));
  if (said_hello_) NoteHeard();
  if (cost.is_record) return Keep(std::move(serialised), cost.bytes);
  if (serialised.size() > kMaxOtherBytes)
    return absl::InvalidArgumentError("a message that isn't a record, over its size");
  parts_.budget.ReadNoRecord(*this);
  HandleAndReadOn(serialised, /*cost=*/0);
  return absl::OkStatus();
}

absl::Status Session::Keep(grpc::Slice serialised, size_t cost) {
  if (!said_hello_) return absl::InvalidArgumentError("a record before Hello");
  // Before it stands in the line: there it would hold up all others until there
  // is room for it.
  if (cost > kMaxRecordCost) return absl::InvalidArgumentError("a record over its size");
  const size_t bytes = serialised.size();
  kept_ = std::move(serialised);
  kept_cost_ = cost;
  switch (parts_.budget.Keep(shared_from_this(), cost, bytes)) {
    case RecordBudget::Answer::kGoOn:
      HandleKept();
      break;
    case RecordBudget::Answer::kWait:
      break;
    case RecordBudget::Answer::kNoRoom:
      kept_.reset();
      // Not acknowledged: the agent keeps it and tries again.
      return absl::ResourceExhaustedError("too many results come at once: try again later");
  }
  return absl::OkStatus();
}

void Session::NoteHeard() {
  const absl::Time now = parts_.clock.Now();
  if (absl::AbsDuration(now - noted_heard_) < kNoteHeardEvery) return;
  noted_heard_ = now;
  parts_.agents.NoteHeard(identity_.name, this, now);
}

void Session::Resume() {
  if (kept_.has_value()) return HandleKept();
  StartReading();
}

void Session::HandleKept() {
  const grpc::Slice serialised = *std::exchange(kept_, std::nullopt);
  const bool finished = [this] {
    absl::MutexLock lock(&mutex_);
    return finished_;
  }();
  if (finished) return parts_.budget.Return(shared_from_this(), kept_cost_);
  HandleAndReadOn(serialised, kept_cost_);
}

void Session::HandleAndReadOn(const grpc::Slice& serialised, size_t cost) {
  v1::AgentMessage message;
  const bool counted = cost > 0;
  absl::Status status = Parse(serialised, &message);
  // What waited may be handled when gRPC is done with this session already, and
  // only a record may then.
  if (status.ok() && counted != message.has_record())
    status = absl::InvalidArgumentError("a message that was taken for another one");
  // It reads on when the agent is its own: OnClaimed.
  const bool is_claimed = parts_.claims != nullptr && message.has_hello();
  if (status.ok()) status = Handle(std::move(message), &cost);
  if (cost > 0) parts_.budget.Return(shared_from_this(), cost);
  if (!status.ok()) return EndWith(status);
  if (!is_claimed) ReadOn();
}

void Session::EndWith(const absl::Status& reason) {
  TheMetrics().sessions_refused.Add(reason.code());
  spdlog::warn("agent {}: session ended: {}", identity_.name,
               Shorten(ForTerminal(ToStd(reason.message())), 300));
  Close(reason);
}

absl::Status Session::Handle(v1::AgentMessage message, size_t* cost) {
  if (message.has_hello() == said_hello_)
    return absl::InvalidArgumentError("Hello must be the first message, and only that");
  // A full part of a blob holds the next request back by itself: see HandleBlobRequest.
  if (!message.has_record() && !message.has_blob_request())
    DRAGNET_RETURN_IF_ERROR(TakeLightMessage());
  switch (message.content_case()) {
    case v1::AgentMessage::kHello:
      said_hello_ = true;
      return HandleHello(message.hello());
    case v1::AgentMessage::kRecord:
      return HandleRecord(std::move(*message.mutable_record()), cost);
    case v1::AgentMessage::kHeartbeat: {
      const absl::StatusOr<absl::Time> agent_now = ToTime(message.heartbeat().now());
      if (!agent_now.ok()) return agent_now.status();
      const absl::Time now = parts_.clock.Now();
      parts_.agents.NoteHeartbeat(identity_.name, this, *agent_now, now);
      return absl::OkStatus();
    }
    case v1::AgentMessage::kAccepted:
      // Of an earlier session, or made up: what was not sent here is not news.
      if (WasSent(message.accepted().action_id()))
        parts_.dispatcher.OnAccepted(identity_.name, message.accepted().action_id());
      return absl::OkStatus();
    case v1::AgentMessage::kFactsChanged: {
      DRAGNET_RETURN_IF_ERROR(TakeLightMessage(kFactsWeight));
      const v1::Facts& facts = message.facts_changed().facts();
      DRAGNET_RETURN_IF_ERROR(CheckFacts(facts, parts_.fleet_id, identity_.name));
      DRAGNET_ASSIGN_OR_RETURN(const bool changed,
                               parts_.agents.UpdateFacts(identity_.name, facts));
      if (changed) parts_.dispatcher.OnFactsChanged(identity_.name);
      return absl::OkStatus();
    }
    case v1::AgentMessage::kPolicyTaken: {
      DRAGNET_RETURN_IF_ERROR(TakeLightMessage(kPolicyWeight));
      const uint64_t version = message.policy_taken().version();
      if (version != parts_.agents.PolicyVersionOf(identity_.name))
        parts_.dispatcher.OnPolicyTaken(identity_.name, version);
      return absl::OkStatus();
    }
    case v1::AgentMessage::kBlobRequest:
      return HandleBlobRequest(message.blob_request());
    case v1::AgentMessage::CONTENT_NOT_SET:
      // Of a newer agent, about something that this version doesn't know.
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Session::TakeLightMessage(double weight) {
  const absl::Time now = SteadyNow();
  light_messages_ = std::max(
      0.0, light_messages_ - absl::ToDoubleSeconds(now - light_since_) * kLightMessagesPerSecond);
  light_since_ = now;
  light_messages_ += weight;
  if (light_messages_ > kMaxLightMessages)
    return absl::ResourceExhaustedError("too many messages that aren't results");
  return absl::OkStatus();
}

bool Session::WasSent(const std::string& action_id) {
  absl::MutexLock lock(&mutex_);
  return sent_actions_.contains(action_id);
}

// Only from OnReadDone, or before OnClaimed lets the stream end, and gRPC calls OnDone
// after that: what is connected here is disconnected there.
absl::Status Session::HandleHello(const v1::Hello& hello) {
  DRAGNET_RETURN_IF_ERROR(CheckFacts(hello.facts(), parts_.fleet_id, identity_.name));
  if (parts_.claims == nullptr) return Attach(hello, /*epoch=*/0);
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return absl::OkStatus();
    claiming_ = true;
  }
  parts_.claims->Claim(
      {identity_.name, BootIdOf(hello)},
      [self = shared_from_this(), hello](const absl::StatusOr<Claimed>& claimed) {
        self->OnClaimed(hello, claimed);
      },
      [weak = weak_from_this()] {
        const std::shared_ptr<Session> self = weak.lock();
        return self != nullptr && !self->finished();
      });
  return absl::OkStatus();
}

void Session::OnClaimed(const v1::Hello& hello, const absl::StatusOr<Claimed>& claimed) {
  absl::Status status = claimed.status();
  bool finished = false;
  {
    absl::MutexLock lock(&mutex_);
    finished = finished_;
    if (claimed.ok()) {
      claim_.agent_id = identity_.name;
      claim_.epoch = claimed->epoch;
      claim_.boot_id = BootIdOf(hello);
    }
  }
  if (!finished) {
    // Its scheduler tells of it, too, sooner or later.
    if (claimed.ok() && claimed->before.connected)
      for (const auto& replaced :
           parts_.agents.NoteElsewhere({claimed->before}, parts_.clock.Now()))
        replaced->Close(absl::AbortedError("replaced by a newer session of this agent"));
    if (status.ok()) status = Attach(hello, claimed->epoch);
    if (status.ok()) {
      ReadOn();
    } else {
      EndWith(status);
    }
  }
  absl::MutexLock lock(&mutex_);
  claiming_ = false;
  if (finished_) Finish(rpc::ToGrpc(finish_with_));
}

absl::Status Session::Attach(const v1::Hello& hello, uint64_t epoch) {
  const absl::Time now = parts_.clock.Now();
  auto replaced = parts_.agents.Connect(identity_.name, shared_from_this(), hello, now, epoch);
  if (absl::IsNotFound(replaced.status()) && epoch > 0) {
    // It has enrolled at another scheduler in this moment.
    DRAGNET_ASSIGN_OR_RETURN(StoredAgent agent, parts_.store.FindAgent(identity_.name));
    DRAGNET_RETURN_IF_ERROR(parts_.agents.Add(std::move(agent)));
    replaced = parts_.agents.Connect(identity_.name, shared_from_this(), hello, now, epoch);
  }
  DRAGNET_RETURN_IF_ERROR(replaced.status());
  SendWelcome(now);
  if (*replaced != nullptr)
    (*replaced)->Close(absl::AbortedError("replaced by a newer session of this agent"));
  TheMetrics().sessions_opened.Add();
  spdlog::info("agent {}: connected as \"{}\"", identity_.name,
               Shorten(ForTerminal(hello.facts().name()), 100));
  parts_.dispatcher.OnConnected(identity_.name, *this);
  return absl::OkStatus();
}

void Session::SendWelcome(absl::Time now) {
  v1::SchedulerMessage message;
  v1::Welcome* welcome = message.mutable_welcome();
  welcome->set_record_window(kRecordWindow);
  *welcome->mutable_heartbeat_interval() = ToProtoDuration(parts_.heartbeat_interval);
  *welcome->mutable_now() = ToTimestamp(now);
  *welcome->mutable_alive_interval() = ToProtoDuration(AliveInterval(parts_.heartbeat_interval));
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  // Before what the dispatcher may have queued since it can see this session.
  outgoing_.push_front({Serialised(message), /*acknowledgement=*/false});
  welcomed_ = true;
  WriteNextLocked();
}

absl::Status Session::HandleRecord(v1::ResultRecord record, size_t* cost) {
  DRAGNET_RETURN_IF_ERROR(CheckKey(record));
  DRAGNET_RETURN_IF_ERROR(drops_.Check(SteadyNow()));
  {
    absl::MutexLock lock(&mutex_);
    ++records_under_way_;
  }
  const v1::RecordKey key = KeyOf(record);
  parts_.bus.PublishRecord(
      {identity_.name, std::move(record), parts_.clock.Now()},
      [session = shared_from_this(), key, held = std::exchange(*cost, 0)](
          const absl::Status& status) { session->OnRecordDone(key, held, status); });
  return absl::OkStatus();
}

absl::Status Session::HandleBlobRequest(const v1::BlobRequest& request) {
  bool was_short = false;
  bool is_early = false;
  {
    absl::MutexLock lock(&mutex_);
    if (blob_request_.has_value())
      return absl::ResourceExhaustedError("a blob request before the last one was answered");
    blob_request_ = request;
    was_short = std::exchange(short_blob_part_, false);
    // It has the last part, and gRPC hasn't said so yet: OnWriteDone goes on.
    is_early = writes_blob_part_;
  }
  // A full part takes its time on the way; a short one ends a blob, and asked
  // for again and again it costs the asker nothing.
  if (was_short) DRAGNET_RETURN_IF_ERROR(TakeLightMessage());
  if (parts_.blob_source != nullptr && !parts_.blob_parts.Has(request))
    DRAGNET_RETURN_IF_ERROR(TakeLightMessage(kFetchWeight));
  if (!is_early && parts_.blob_turns.Take(shared_from_this())) AnswerBlobRequest();
  return absl::OkStatus();
}

void Session::TurnCame() { AnswerBlobRequest(); }

void Session::AnswerBlobRequest() {
  v1::BlobRequest request;
  {
    absl::MutexLock lock(&mutex_);
    if (!blob_request_.has_value()) return;
    request = *blob_request_;
  }
  if (parts_.blob_source == nullptr || parts_.blob_parts.Has(request))
    return AnswerWithPart(request);
  const bool taken = parts_.blob_fetching.Run(
      [self = shared_from_this(), request] { self->FetchAndAnswer(request); });
  if (!taken)
    Close(absl::UnavailableError("too many blobs are fetched at the moment: try again later"));
}

void Session::FetchAndAnswer(const v1::BlobRequest& request) {
  {
    absl::MutexLock lock(&mutex_);
    if (finished_) return;
  }
  const absl::Status fetched = parts_.blob_source->Fetch(request.sha256());
  if (fetched.ok() || absl::IsNotFound(fetched)) return AnswerWithPart(request);
  // Somebody may have it: the agent asks again, or another scheduler.
  spdlog::warn("agent {}: a blob is not here: {}", identity_.name,
               Shorten(ForTerminal(ToStd(fetched.message())), 300));
  Close(absl::UnavailableError("this scheduler can't fetch a blob: try another one"));
}

void Session::AnswerWithPart(const v1::BlobRequest& request) {
  // 256 KiB of a file that other agents ask for, too: from the page cache.
  OutgoingMessage answer = parts_.blob_parts.Answer(request);
  absl::MutexLock lock(&mutex_);
  if (finished_) return;
  short_blob_part_ = answer->size() < kMaxBlobPartBytes;
  blob_part_ = std::move(answer);
  // What the fleet is to do, and acknowledgements, go before it: see WriteNextLocked.
  if (welcomed_ && !writing_) WriteNextLocked();
}

void Session::NoteWorth(RecordWorth worth) {
  switch (worth) {
    case RecordWorth::kSomething:
      break;
    case RecordWorth::kOverBounds:
      drops_.NoteOverBounds(SteadyNow());
      break;
    case RecordWorth::kNothingNew:
      drops_.Note(SteadyNow());
      break;
  }
}

void Session::OnRecordDone(const v1::RecordKey& key, size_t cost, const absl::Status& status) {
  bool read_on = false;
  if (status.ok()) {
    v1::SchedulerMessage message;
    *message.mutable_acknowledged() = key;
    absl::MutexLock lock(&mutex_);
    --records_under_way_;
    QueueLocked(Serialised(message), /*acknowledgement=*/true);
    read_on = TakeUpReadingLocked();
  } else {
    // Not acknowledged: the agent keeps it and tries again.
    NotStored(status);
  }
  parts_.budget.Return(shared_from_this(), cost);
  if (read_on) ReadOn();
}

// Its certificate is of the CA that issued before this one.
void Session::AskToRenewIfOutdated() {
  {
    absl::MutexLock lock(&mutex_);
    if (!welcomed_ || asked_to_renew_ || !parts_.ca.TakeTurnToAsk(issuer_key_id_)) return;
    asked_to_renew_ = true;
  }
  v1::SchedulerMessage message;
  message.mutable_renew_certificate();
  Send(Serialised(message));
}

void Session::NotStored(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  // Said once: with the first record of a window all of it fails, and a full disk
  // shouldn't be filled again by the log.
  if (finished_) return;
  spdlog::error("agent {}: record not stored: {}", identity_.name,
                ForTerminal(ToStd(status.message())));
  FinishLocked(absl::UnavailableError("the scheduler could not store a result: try again"));
}

void Session::Send(OutgoingMessage message) {
  absl::MutexLock lock(&mutex_);
  QueueLocked(std::move(message));
}

bool Session::SendAction(const std::string& action_id, OutgoingMessage message, bool again) {
  absl::MutexLock lock(&mutex_);
  if (!sent_actions_.insert(action_id).second && !again) return false;
  TheMetrics().actions_sent.Add();
  QueueLocked(std::move(message));
  return true;
}

void Session::QueueLocked(OutgoingMessage message, bool acknowledgement) {
  if (finished_ || (closing_.has_value() && !acknowledgement)) return;
  if (outgoing_.size() >= kMaxOutgoing)
    return FinishLocked(absl::ResourceExhaustedError("the agent doesn't read what it is sent"));
  outgoing_.push_back({std::move(message), acknowledgement});
  if (acknowledgement) ++acknowledgements_;
  if (welcomed_ && !writing_) WriteNextLocked();
}

void Session::WriteNextLocked() {
  writing_ = true;
  wrote_ = SteadyNow();
  if (outgoing_.empty()) {
    written_ = ToByteBuffer(std::exchange(blob_part_, nullptr));
    writes_blob_part_ = true;
    blob_request_.reset();
  } else {
    written_ = ToByteBuffer(outgoing_.front().message);
    if (outgoing_.front().acknowledgement) --acknowledgements_;
    outgoing_.pop_front();
  }
  StartWrite(&written_);
}

void Session::OnWriteDone(bool ok) {
  bool wrote_blob_part = false;
  {
    absl::MutexLock lock(&mutex_);
    wrote_blob_part = writes_blob_part_;
  }
  // Before another request is answered, which takes a turn of its own.
  if (wrote_blob_part) parts_.blob_turns.GiveBack(*this);
  bool asked_again = false;
  bool read_on = false;
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    // A policy's bytes aren't kept until there is something else to say.
    written_.Clear();
    writes_blob_part_ = false;
    if (!ok) {
      FinishLocked(absl::UnavailableError("the connection is lost"));
    } else if (!finished_ && (!outgoing_.empty() || blob_part_ != nullptr)) {
      WriteNextLocked();
    }
    FinishIfSentLocked();
    asked_again = wrote_blob_part && blob_request_.has_value() && !finished_;
    read_on = TakeUpReadingLocked();
  }
  if (asked_again && parts_.blob_turns.Take(shared_from_this())) AnswerBlobRequest();
  if (read_on) ReadOn();
}

void Session::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  FinishLocked(reason);
}

void Session::CloseWhenSent(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  if (!closing_.has_value()) closing_ = reason;
  FinishIfSentLocked();
}

void Session::FinishIfSentLocked() {
  // An agent that retires is not revoked before it has its last acknowledgement, however
  // long the bus takes; CutOffIfClosed bounds that.
  if (closing_.has_value() && !writing_ && outgoing_.empty() && records_under_way_ == 0)
    FinishLocked(*closing_);
}

bool Session::finished() const {
  absl::MutexLock lock(&mutex_);
  return finished_;
}

bool Session::closing() const {
  absl::MutexLock lock(&mutex_);
  return closing_.has_value();
}

void Session::FinishLocked(const absl::Status& reason) {
  if (finished_) return;
  finished_ = true;
  outgoing_.clear();
  acknowledgements_ = 0;
  blob_part_ = nullptr;
  if (claiming_) {
    finish_with_ = reason;
  } else {
    Finish(rpc::ToGrpc(reason));
  }
}

// A peer that reads nothing would keep its stream open for as long as a message
// is on its way to it.
void Session::CutOffIfClosed() {
  absl::MutexLock lock(&mutex_);
  if (!finished_ && !welcomed_ && ++silent_for_ > kSecondsToSayHello)
    FinishLocked(absl::DeadlineExceededError("no Hello came"));
  if (!finished_ && closing_.has_value() && ++closing_for_ > kSecondsToReadTheRest)
    FinishLocked(*closing_);
  if (!finished_ || context_ == nullptr) return;
  if (++closed_for_ >= kSecondsToReadTheReason) context_->TryCancel();
}

// Time alone lets it read on after too much that was over its bounds.
void Session::GoOn() {
  bool read_on = false;
  {
    absl::MutexLock lock(&mutex_);
    read_on = TakeUpReadingLocked();
  }
  if (read_on) ReadOn();
  AskToRenewIfOutdated();
  SayAliveIfDue();
}

void Session::SayAliveIfDue() {
  absl::MutexLock lock(&mutex_);
  if (welcomed_ && !writing_ && outgoing_.empty() &&
      SteadyNow() - wrote_ >= AliveInterval(parts_.heartbeat_interval))
    QueueLocked(AliveMessage());
}

void Session::CutOff(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  FinishLocked(reason);
  if (context_ != nullptr) context_->TryCancel();
}

bool Session::established() const {
  absl::MutexLock lock(&mutex_);
  return welcomed_;
}

void Session::OnCancel() { Close(absl::CancelledError("the connection is lost")); }

void Session::OnDone() {
  StoredSession claim;
  {
    absl::MutexLock lock(&mutex_);
    finished_ = true;
    context_ = nullptr;
    claim = claim_;
  }
  parts_.budget.Leave(*this);
  parts_.blob_turns.GiveBack(*this);
  TheMetrics().sessions_closed.Add();
  if (parts_.agents.Disconnect(identity_.name, this, parts_.clock.Now()))
    spdlog::info("agent {}: disconnected", identity_.name);
  if (claim.epoch > 0) parts_.claims->Release(claim);
  // The last owner, unless a callback of the store still holds one.
  const std::shared_ptr<Session> self = std::move(self_);
}

}  // namespace dragnet::scheduler
