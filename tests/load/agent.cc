#include "tests/load/agent.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/action.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "tests/load/fleet_files.h"

namespace dragnet::load {
namespace {

// As agent/link has them.
constexpr absl::Duration kFirstRetry = absl::Seconds(1);
constexpr absl::Duration kLongestRetry = absl::Seconds(60);
constexpr absl::Duration kGoodSession = absl::Seconds(10);
constexpr absl::Duration kConnectTimeout = absl::Seconds(20);
constexpr absl::Duration kWelcomeTimeout = absl::Seconds(30);
constexpr absl::Duration kKeepalive = absl::Seconds(60);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(20);
// As agent/monitor has it.
constexpr size_t kMaxActions = 64;

constexpr uint64_t kEndlessRows = 1'000'000'000;
constexpr uint32_t kEmptyRows = 60'000;
constexpr size_t kOversizeRow = 70'000;
constexpr int kMadeUpRecords = 20;

void AppendVarint(uint64_t value, std::string* to) {
  for (; value >= 0x80; value >>= 7) to->push_back(static_cast<char>(value | 0x80));
  to->push_back(static_cast<char>(value));
}

const char* EndOf(v1::Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_FOUND:
      return "found";
    case v1::OUTCOME_CLEAN:
      return "clean";
    default:
      return "incomplete";
  }
}

v1::OperationSummary NotWhole(v1::Termination termination, std::string_view detail) {
  v1::OperationSummary summary;
  summary.set_outcome(v1::OUTCOME_INCOMPLETE);
  summary.set_termination(termination);
  summary.set_detail(std::string(detail));
  return summary;
}

}  // namespace

SimulatedAgent::SimulatedAgent(AgentWorld& world, uint32_t place, Identity identity,
                               std::string enrolment_request)
    : world_(world),
      place_(place),
      lie_(LieOf(world.misbehaviour, world.seed, identity.index())),
      slow_reader_(IsSlowReader(world.misbehaviour, world.seed, identity.index())),
      black_hole_(IsBlackHole(world.misbehaviour, world.seed, identity.index())),
      identity_(std::move(identity)),
      enrolment_request_(std::move(enrolment_request)),
      retry_delay_(kFirstRetry, kLongestRetry,
                   static_cast<uint32_t>(Chance(world.seed, "retry", identity_.index()))) {
  const auto* key = reinterpret_cast<const unsigned char*>(identity_.private_key().data());
  private_key_.reset(
      d2i_AutoPrivateKey(nullptr, &key, static_cast<long>(identity_.private_key().size())));
}

void SimulatedAgent::Start(absl::Time when) {
  deadline_ = when;
  ArmNext();
}

void SimulatedAgent::Stop() {
  world_.loop.Disarm(*this);
  call_.reset();
}

v1::Facts SimulatedAgent::Facts() const {
  return FactsOf(world_.seed, identity_.index(), world_.fleet_id, identity_.agent_id());
}

void SimulatedAgent::AddBytes(Statistics* statistics) const {
  if (call_ == nullptr) return;
  statistics->bytes_read += call_->bytes_read();
  statistics->bytes_written += call_->bytes_written();
}

// --- the connection

// The next one whenever a connection has ended.
const Transport& SimulatedAgent::Scheduler() const {
  return *world_.transports[(identity_.index() + ended_) % world_.transports.size()];
}

void SimulatedAgent::Connect() {
  const bool enrols = identity_.certificate().empty();
  stage_ = enrols ? Stage::kEnrolling : Stage::kConnecting;
  deadline_ = world_.loop.now() + (enrols ? kWelcomeTimeout : kConnectTimeout);
  said_hello_ = false;
  in_flight_ = 0;
  light_.clear();
  for (Spooled& record : spool_) record.sent = record.repeated = false;
  if (fetch_ != nullptr) fetch_->asked = false;
  ++world_.statistics.connecting;
  TlsIdentity identity;
  if (!enrols) identity = {private_key_.get(), identity_.certificate()};
  call_ = std::make_unique<GrpcCall>(
      world_.loop, Scheduler(), identity,
      enrols ? "/dragnet.v1.AgentGateway/Enroll" : "/dragnet.v1.AgentGateway/Session", tls_session_,
      /*one_message=*/enrols, *this);
}

void SimulatedAgent::OnTlsSession(std::string session) {
  if (world_.resume_tls && !identity_.certificate().empty()) tls_session_ = std::move(session);
}

void SimulatedAgent::OnEnd(const CallEnd& end) {
  world_.statistics.bytes_read += call_->bytes_read();
  world_.statistics.bytes_written += call_->bytes_written();
  const bool was_connected = stage_ == Stage::kConnected;
  if (was_connected) {
    --world_.statistics.connected;
    if (world_.loop.now() - connected_since_ >= kGoodSession) retry_delay_.Reset();
  } else {
    --world_.statistics.connecting;
  }
  const bool enrolled = stage_ == Stage::kEnrolling && !identity_.certificate().empty();
  if (!enrolled) ++world_.statistics.failures[end.what];
  ++ended_;
  // A session is one scheduler's.
  if (!was_connected || world_.transports.size() > 1) tls_session_.clear();
  call_.reset();
  stage_ = Stage::kWaiting;
  deadline_ = world_.loop.now() + (enrolled ? absl::ZeroDuration() : retry_delay_.Next());
  if (enrolled) retry_delay_.Reset();
  next_misbehaviour_ = absl::InfiniteFuture();
  misbehaving_ = false;
  ArmNext();
}

void SimulatedAgent::OnDue() {
  const absl::Time now = world_.loop.now();
  switch (stage_) {
    case Stage::kWaiting:
      if (now >= deadline_) Connect();
      break;
    case Stage::kEnrolling:
      if (now >= deadline_) call_->Fail("no answer to the enrolment in 30 s");
      break;
    case Stage::kConnecting:
    case Stage::kGreeting:
      if (now >= deadline_)
        call_->Fail(call_->established() ? "no welcome in 30 s" : "no connection in 20 s");
      break;
    case Stage::kConnected:
      if (now >= next_heartbeat_) {
        next_heartbeat_ = now + heartbeat_interval_;
        v1::AgentMessage message;
        *message.mutable_heartbeat()->mutable_now() = ToTimestamp(absl::Now());
        SendLight(message);
        ++world_.statistics.heartbeats;
      }
      if (now >= next_liveness_check_) KeepAlive();
      if (now >= next_misbehaviour_) Misbehave();
      break;
  }
  Produce();
  ArmNext();
}

void SimulatedAgent::ArmNext() {
  if (call_ != nullptr && call_->ended()) return;  // OnEnd does
  absl::Time next = deadline_;
  if (stage_ == Stage::kConnected)
    next = std::min({next_heartbeat_, next_liveness_check_, next_misbehaviour_});
  if (spool_.size() < world_.spool_records) {
    for (const uint32_t index : active_)
      if (runs_[index].ready_at > world_.loop.now()) next = std::min(next, runs_[index].ready_at);
  }
  world_.loop.Arm(*this, next);
}

// An idle connection is pinged, so that one which leads nowhere is noticed.
void SimulatedAgent::KeepAlive() {
  const absl::Time now = world_.loop.now();
  const bool heard = call_->bytes_read() != read_at_last_check_;
  if (!heard && pinged_ && !misbehaving_) return call_->Fail("keepalive: no answer in 20 s");
  read_at_last_check_ = call_->bytes_read();
  pinged_ = !heard;
  next_liveness_check_ = now + (pinged_ ? kKeepaliveTimeout : kKeepalive);
  if (!pinged_) return;
  call_->Ping();
  ++world_.statistics.pings;
}

void SimulatedAgent::Misbehave() {
  const absl::Time now = world_.loop.now();
  if (black_hole_) {
    if (misbehaving_) return call_->Fail("black hole: noticed");
    misbehaving_ = true;
    call_->SetFrozen(true);
    next_misbehaviour_ = now + world_.misbehaviour.black_hole_for;
    return;
  }
  misbehaving_ = !misbehaving_;
  call_->SetReading(!misbehaving_);
  next_misbehaviour_ = now + world_.misbehaviour.slow_for;
}

void SimulatedAgent::SendLight(const v1::AgentMessage& message) {
  light_.push_back(message.SerializeAsString());
  call_->SendMore();
}

bool SimulatedAgent::NextMessage(std::string* message) {
  if (!said_hello_) {
    said_hello_ = true;
    Hello(message);
    return true;
  }
  if (stage_ != Stage::kConnected) return false;
  if (!light_.empty()) {
    *message = std::move(light_.front());
    light_.erase(light_.begin());
    return true;
  }
  Spooled* record = NextToSend();
  if (record == nullptr) return false;
  Serialise(*record, message);
  ++world_.statistics.records_sent;
  return true;
}

void SimulatedAgent::Hello(std::string* message) {
  if (stage_ == Stage::kEnrolling) {
    v1::EnrollRequest request;
    request.set_token(world_.enrolment_token);
    request.set_agent_id(identity_.agent_id());
    request.set_csr(enrolment_request_);
    *request.mutable_facts() = Facts();
    *message = request.SerializeAsString();
    return;
  }
  stage_ = Stage::kGreeting;
  deadline_ = world_.loop.now() + kWelcomeTimeout;
  v1::AgentMessage hello;
  *hello.mutable_hello()->mutable_facts() = Facts();
  if (lie_ == Lie::kIdentity) hello.mutable_hello()->mutable_facts()->set_id(NewUuidV4());
  hello.mutable_hello()->set_trust_policy_version(policy_ == nullptr ? 0 : policy_->version());
  // As a UUID: each agent is a host of its own that boots once.
  hello.mutable_hello()->set_boot_id(
      absl::StrFormat("%08x-0000-4000-8000-%012x", identity_.index(),
                      Chance(world_.seed, "boot_id", identity_.index()) & 0xffffffffffff));
  *message = hello.SerializeAsString();
}

// --- what the scheduler says

void SimulatedAgent::OnMessage(std::string_view bytes) {
  if (stage_ == Stage::kEnrolling) return OnEnrolled(bytes);
  static v1::SchedulerMessage message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return call_->Fail("broken protocol: not a SchedulerMessage");
  if (message.has_welcome() != (stage_ == Stage::kGreeting))
    return call_->Fail("broken protocol: a welcome comes first, and once");
  switch (message.content_case()) {
    case v1::SchedulerMessage::kWelcome:
      OnWelcome(message.welcome());
      break;
    case v1::SchedulerMessage::kActionEnvelope:
      OnAction(message.action_envelope());
      break;
    case v1::SchedulerMessage::kTrustPolicyEnvelope:
      OnPolicy(message.trust_policy_envelope());
      break;
    case v1::SchedulerMessage::kAcknowledged:
      OnAcknowledged(message.acknowledged());
      break;
    case v1::SchedulerMessage::kBlobPart:
      OnBlobPart(message.blob_part());
      break;
    case v1::SchedulerMessage::kOrderEnvelope:
      OnOrder(message.order_envelope());
      break;
    // Its certificate lasts for as long as any swarm does.
    case v1::SchedulerMessage::kAlive:
    case v1::SchedulerMessage::kRenewCertificate:
    case v1::SchedulerMessage::CONTENT_NOT_SET:
      break;
  }
}

void SimulatedAgent::OnEnrolled(std::string_view bytes) {
  v1::EnrollResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const absl::StatusOr<std::string> der = CertificateDer(response.certificate_chain());
  if (!der.ok()) return;
  identity_.set_certificate(*der);
  std::string().swap(enrolment_request_);
  ++world_.statistics.enrolled;
  world_.on_enrolled(identity_);
}

void SimulatedAgent::OnWelcome(const v1::Welcome& welcome) {
  if (welcome.record_window() < 1 || welcome.record_window() > 1024)
    return call_->Fail("broken protocol: record window out of 1 to 1024");
  const absl::Time now = world_.loop.now();
  stage_ = Stage::kConnected;
  --world_.statistics.connecting;
  ++world_.statistics.connected;
  ++world_.statistics.connections;
  if (call_->resumed()) ++world_.statistics.resumed;
  window_ = welcome.record_window();
  heartbeat_interval_ =
      std::clamp(ToDuration(welcome.heartbeat_interval()), absl::Seconds(1), absl::Hours(1));
  connected_since_ = now;
  next_heartbeat_ = now + heartbeat_interval_;
  next_liveness_check_ = now + kKeepalive;
  read_at_last_check_ = 0;
  pinged_ = false;
  if (black_hole_) next_misbehaviour_ = now + world_.misbehaviour.black_hole_after;
  // Not all at the same time.
  if (slow_reader_ && !black_hole_)
    next_misbehaviour_ =
        now + world_.misbehaviour.slow_for * (static_cast<double>(identity_.index() % 100) / 100);
  if (lie_ == Lie::kGarbage) light_.push_back(RandomBytes(1000));
  if (lie_ == Lie::kUnsent) TellMadeUpRecords();
  AskForBlob();
  ArmNext();
  call_->SendMore();
}

void SimulatedAgent::TellMadeUpRecords() {
  const std::string id = NewUuidV7(absl::Now());
  for (int i = 1; i <= kMadeUpRecords; ++i) {
    v1::AgentMessage message;
    message.mutable_record()->set_action_id(id);
    message.mutable_record()->set_sequence(static_cast<uint64_t>(i));
    message.mutable_record()->mutable_rows()->add_rows("made up");
    light_.push_back(message.SerializeAsString());
  }
}

void SimulatedAgent::OnPolicy(const std::string& envelope) {
  const absl::StatusOr<Authority::Policy> taken = world_.authority.TakePolicy(policy_, envelope);
  if (!taken.ok())
    return Refuse(envelope,
                  {v1::Refusal::REASON_POLICY_REJECTED, std::string(taken.status().message()), ""});
  if (*taken == policy_) return;
  policy_ = *taken;
  v1::AgentMessage message;
  message.mutable_policy_taken()->set_version(policy_->version());
  SendLight(message);
}

void SimulatedAgent::OnAction(const std::string& envelope) {
  static const v1::Facts* const kNone = new v1::Facts;
  const Authority::Decision decision = world_.authority.Decide(
      envelope, policy_, place_, world_.authority.verifies_every() ? Facts() : *kNone);
  if (decision.action == nullptr) return Refuse(envelope, decision.refused);
  SharedAction* action = decision.action;
  if (HasTakenOn(*action))
    return Refuse(envelope, {v1::Refusal::REASON_REPLAYED, "the journal holds it", action->id});
  if (action->order == v1::Order::KIND_CANCEL)
    return Refuse(envelope, {v1::Refusal::REASON_CANCELLED, "cancelled by order", action->id});
  if (active_.size() >= kMaxActions)
    return Refuse(envelope,
                  {v1::Refusal::REASON_BUSY, "64 actions run or wait already", action->id});
  if (EndingOf(action->answer, identity_.index(), action->id) == Ending::kRefused)
    return Refuse(envelope, {v1::Refusal::REASON_UNSUPPORTED, "told to refuse", action->id});
  TakeOn(action);
}

bool SimulatedAgent::HasTakenOn(const SharedAction& action) const {
  return std::any_of(runs_.rbegin(), runs_.rend(),
                     [&](const Run& run) { return run.action == &action && !run.refused; });
}

void SimulatedAgent::TakeOn(SharedAction* action) {
  if (world_.spool_file.is_open()) {
    SpoolEntry entry;
    entry.set_agent(identity_.index());
    entry.mutable_taken_on()->set_action_id(action->id);
    entry.mutable_taken_on()->set_operations(
        static_cast<uint32_t>(action->action.operations_size()));
    entry.mutable_taken_on()->set_answer(action->answer.ToText());
    world_.spool_file.Append(entry);
  }
  v1::AgentMessage accepted;
  accepted.mutable_accepted()->set_action_id(action->id);
  SendLight(accepted);
  ++world_.statistics.actions_taken;
  Run& run = runs_.emplace_back();
  run.action = action;
  run.ending = EndingOf(action->answer, identity_.index(), action->id);
  active_.push_back(static_cast<uint32_t>(runs_.size() - 1));
  StartOperation(run);
  Produce();
  ArmNext();
}

void SimulatedAgent::Refuse(std::string_view envelope, const Refused& refused) {
  ++world_.statistics.refusals;
  if (refused.reason == v1::Refusal::REASON_UNSUPPORTED) {
    // Counted among what it answered.
    if (SharedAction* action = world_.authority.Find(refused.action_id); action != nullptr) {
      Run& run = runs_.emplace_back();
      run.action = action;
      run.finished = run.refused = true;
    }
  }
  v1::ResultRecord record;
  record.set_action_id(refused.action_id);
  record.mutable_refusal()->set_reason(refused.reason);
  record.mutable_refusal()->set_detail(Shorten(ToValidUtf8(refused.detail), 1024));
  record.mutable_refusal()->set_envelope_sha256(Sha256(envelope));
  *record.mutable_refusal()->mutable_refused_at() = ToTimestamp(absl::Now());
  Spooled spooled;
  spooled.record = record.SerializeAsString();
  Spool(std::move(spooled), false);
}

void SimulatedAgent::OnOrder(const std::string& envelope) {
  const Authority::Ordered& ordered = world_.authority.TakeOrder(envelope, policy_);
  if (ordered.refused.has_value()) return Refuse(envelope, *ordered.refused);
  ++world_.statistics.orders;
  for (const uint32_t index : std::vector<uint32_t>(active_)) {
    Run& run = runs_[index];
    if (run.action->id == ordered.action_id && run.action->order == v1::Order::KIND_CANCEL)
      CancelRun(run);
  }
  Produce();
  ArmNext();
}

void SimulatedAgent::OnAcknowledged(const v1::RecordKey& key) {
  const auto found = std::find_if(spool_.begin(), spool_.end(), [&](const Spooled& record) {
    if (!record.sent) return false;
    if (!key.envelope_sha256().empty() || key.sequence() == 0) {
      v1::ResultRecord refusal;
      return record.action == nullptr && refusal.ParseFromString(record.record) &&
             refusal.refusal().envelope_sha256() == key.envelope_sha256() &&
             refusal.action_id() == key.action_id();
    }
    return record.action != nullptr && record.sequence == key.sequence() &&
           record.operation == key.operation() && record.action->id == key.action_id();
  });
  // A repeated record is acknowledged twice; what was made up isn't in the spool.
  if (found == spool_.end()) return;
  ++world_.statistics.records_acknowledged;
  if (world_.spool_file.is_open()) {
    SpoolEntry entry;
    entry.set_agent(identity_.index());
    entry.mutable_forgotten()->set_action_id(key.action_id());
    entry.mutable_forgotten()->set_operation(key.operation());
    entry.mutable_forgotten()->set_sequence(key.sequence());
    entry.mutable_forgotten()->set_envelope_sha256(key.envelope_sha256());
    world_.spool_file.Append(entry);
  }
  spool_.erase(found);
  if (spool_.empty()) std::vector<Spooled>().swap(spool_);
  --in_flight_;
  Produce();
  if (!active_.empty()) ArmNext();
  call_->SendMore();
}

// --- blobs

void SimulatedAgent::OnBlobPart(const v1::BlobPart& part) {
  if (fetch_ == nullptr || part.sha256() != fetch_->sha256 || part.offset() != fetch_->offset)
    return;
  fetch_->asked = false;
  world_.statistics.blob_bytes += part.data().size();
  if (part.data().empty() || part.data().size() > kMaxBlobPartBytes ||
      !world_.blobs.Check(fetch_->sha256, fetch_->size, fetch_->offset, part.data())) {
    ++world_.statistics.blobs_wrong;
    const std::string sha256 = fetch_->sha256;
    fetch_.reset();
    for (const uint32_t index : std::vector<uint32_t>(active_)) {
      Run& run = runs_[index];
      if (run.has_blobs || run.finished) continue;
      EndOperation(run, NotWhole(v1::TERMINATION_NOT_STARTED, "a blob isn't what was signed"));
    }
    return;
  }
  fetch_->offset += part.data().size();
  if (fetch_->offset == fetch_->size) {
    blobs_held_.push_back(fetch_->sha256);
    ++world_.statistics.blobs_fetched;
    fetch_.reset();
    Produce();
    ArmNext();
  }
  AskForBlob();
}

// Whether the run's operation has what it needs; if not, it is being fetched.
bool SimulatedAgent::HasBlobs(Run& run) {
  if (run.has_blobs || static_cast<int>(run.operation) >= run.action->action.operations_size())
    return true;
  for (const v1::Blob& blob :
       run.action->action.operations(static_cast<int>(run.operation)).blobs()) {
    if (std::find(blobs_held_.begin(), blobs_held_.end(), blob.sha256()) != blobs_held_.end())
      continue;
    if (fetch_ == nullptr) {
      fetch_ = std::make_unique<BlobFetch>();
      fetch_->sha256 = blob.sha256();
      fetch_->size = blob.size();
      AskForBlob();
    }
    return false;
  }
  run.has_blobs = true;
  return true;
}

void SimulatedAgent::AskForBlob() {
  if (fetch_ == nullptr || fetch_->asked || stage_ != Stage::kConnected) return;
  fetch_->asked = true;
  v1::AgentMessage message;
  message.mutable_blob_request()->set_sha256(fetch_->sha256);
  message.mutable_blob_request()->set_offset(fetch_->offset);
  SendLight(message);
}

// --- operations

void SimulatedAgent::StartOperation(Run& run) {
  const AnswerKey key{identity_.index(), run.action->id, run.operation};
  run.next_sequence = 1;
  run.rows_done = 0;
  run.rows_total = run.ending == Ending::kClean ? 0 : RowsOf(run.action->answer, key);
  if (lie_ == Lie::kEndless) run.rows_total = kEndlessRows;
  run.has_blobs = false;
  run.ready_at = world_.loop.now() + DelayOf(run.action->answer, key);
  run.done.emplace_back();
}

// Fills the spool from what runs, oldest first.
void SimulatedAgent::Produce() {
  bool produced = false;
  for (size_t i = 0; i < active_.size() && spool_.size() < world_.spool_records;) {
    Run& run = runs_[active_[i]];
    const bool may_run = run.action->order != v1::Order::KIND_PAUSE &&
                         run.ready_at <= world_.loop.now() && HasBlobs(run);
    if (may_run && ProduceOne(run)) {
      produced = true;
    } else {
      ++i;
    }
    std::erase_if(active_, [&](uint32_t index) { return runs_[index].finished; });
  }
  if (produced && call_ != nullptr) call_->SendMore();
}

// One record. False when there is nothing more of this run for now.
bool SimulatedAgent::ProduceOne(Run& run) {
  if (run.finished) return false;
  if (run.rows_done >= run.rows_total) {
    EndOperation(run, SummaryOf(run));
    return run.ready_at <= world_.loop.now();
  }
  Spooled record;
  record.action = run.action;
  record.operation = run.operation;
  record.sequence = run.next_sequence++;
  record.first_row = run.rows_done;
  record.rows = static_cast<uint32_t>(std::min<uint64_t>(
      world_.rows.RowsPerRecord(run.action->answer), run.rows_total - run.rows_done));
  run.rows_done += record.rows;
  run.done.back().rows = run.rows_done;
  run.done.back().records = record.sequence;
  world_.statistics.rows_produced += record.rows;
  Spool(std::move(record), false);
  return true;
}

v1::OperationSummary SimulatedAgent::SummaryOf(const Run& run) const {
  v1::OperationSummary summary;
  switch (run.ending) {
    case Ending::kIncomplete: {
      summary = NotWhole(v1::TERMINATION_COMPLETED, "");
      v1::Unexamined* unexamined = summary.mutable_module()->add_unexamined();
      unexamined->set_reason("Permission denied");
      unexamined->set_count(3);
      unexamined->add_examples("/root/secret");
      break;
    }
    case Ending::kCrashed:
      summary = NotWhole(v1::TERMINATION_CRASHED, "signal 11 (Segmentation fault)");
      break;
    case Ending::kLimit:
      summary = NotWhole(v1::TERMINATION_CPU_TIME_LIMIT, "over its limit of CPU time");
      break;
    default:
      summary.set_outcome(run.rows_total > 0 ? v1::OUTCOME_FOUND : v1::OUTCOME_CLEAN);
      summary.set_termination(v1::TERMINATION_COMPLETED);
      break;
  }
  summary.mutable_module()->set_items_examined(1000 + run.rows_done);
  summary.mutable_module()->set_bytes_examined(1000 * 4096);
  return summary;
}

void SimulatedAgent::EndOperation(Run& run, v1::OperationSummary summary) {
  summary.set_rows(run.rows_done + (lie_ == Lie::kCounts ? 7 : 0));
  const absl::Time now = absl::Now();
  *summary.mutable_started() = ToTimestamp(now - absl::Milliseconds(20));
  *summary.mutable_wall_time() = ToProtoDuration(absl::Milliseconds(20));
  *summary.mutable_cpu_time() = ToProtoDuration(absl::Milliseconds(12));
  summary.set_peak_memory_bytes(21 << 20);
  v1::ResultRecord record;
  record.set_action_id(run.action->id);
  record.set_operation(run.operation);
  record.set_sequence(run.next_sequence);
  *record.mutable_summary() = summary;
  Spooled spooled;
  spooled.action = run.action;
  spooled.operation = run.operation;
  spooled.sequence = run.next_sequence;
  spooled.record = record.SerializeAsString();
  run.done.back().end = EndOf(summary.outcome());
  ++world_.statistics.operations_ended;
  ++run.operation;
  if (static_cast<int>(run.operation) < run.action->action.operations_size()) {
    StartOperation(run);
  } else {
    run.finished = true;
  }
  Spool(std::move(spooled), true);
}

// The worker is killed, and what waits never starts; each says so.
void SimulatedAgent::CancelRun(Run& run) {
  while (!run.finished)
    EndOperation(run, NotWhole(v1::TERMINATION_CANCELLED, "cancelled by order"));
  std::erase_if(active_, [&](uint32_t index) { return runs_[index].finished; });
}

// --- the spool

void SimulatedAgent::Spool(Spooled record, bool is_summary) {
  if (world_.spool_file.is_open()) {
    SpoolEntry entry;
    entry.set_agent(identity_.index());
    Produced& produced = *entry.mutable_produced();
    if (record.action != nullptr) produced.set_action_id(record.action->id);
    produced.set_operation(record.operation);
    produced.set_sequence(record.sequence);
    produced.set_first_row(record.first_row);
    produced.set_rows(record.rows);
    produced.set_record(record.record);
    produced.set_is_summary(is_summary);
    world_.spool_file.Append(entry);
  }
  spool_.push_back(std::move(record));
  if (call_ != nullptr) call_->SendMore();
}

SimulatedAgent::Spooled* SimulatedAgent::NextToSend() {
  if (lie_ == Lie::kRepeat) {
    for (Spooled& record : spool_) {
      if (!record.sent || record.repeated) continue;
      record.repeated = true;
      return &record;
    }
  }
  if (in_flight_ >= window_) return nullptr;
  const auto unsent = std::find_if(spool_.begin(), spool_.end(),
                                   [](const Spooled& record) { return !record.sent; });
  if (unsent == spool_.end()) return nullptr;
  auto chosen = unsent;
  if (lie_ == Lie::kReorder && unsent + 1 != spool_.end() && !(unsent + 1)->sent) ++chosen;
  chosen->sent = true;
  ++in_flight_;
  return &*chosen;
}

void SimulatedAgent::Serialise(const Spooled& record, std::string* message) const {
  static std::string body;
  body.clear();
  if (record.rows == 0) {
    body = record.record;
  } else {
    v1::ResultRecord key;
    key.set_action_id(record.action->id);
    key.set_operation(record.operation);
    key.set_sequence(record.sequence);
    if (lie_ == Lie::kOversize) key.mutable_rows()->add_rows(std::string(kOversizeRow, 'x'));
    if (lie_ == Lie::kEmpty)
      for (uint32_t i = 0; i < kEmptyRows; ++i) key.mutable_rows()->add_rows();
    body = key.SerializeAsString();
    if (!key.has_rows())
      world_.rows.AppendRecordRows(record.action->answer,
                                   {identity_.index(), record.action->id, record.operation},
                                   record.first_row, record.rows, &body);
  }
  message->push_back('\x12');  // AgentMessage.record
  AppendVarint(body.size(), message);
  message->append(body);
}

// --- across processes

void SimulatedAgent::Restore(const SpoolEntry& entry) {
  const auto run_of = [this](const std::string& action_id) -> Run* {
    for (Run& run : runs_)
      if (run.action->id == action_id) return &run;
    return nullptr;
  };
  if (entry.has_taken_on()) {
    Run& run = runs_.emplace_back();
    run.action = world_.authority.Remember(entry.taken_on().action_id(), entry.taken_on().answer());
    run.done.resize(entry.taken_on().operations());
    return;
  }
  if (entry.has_produced()) {
    const Produced& produced = entry.produced();
    Spooled record;
    Run* run = run_of(produced.action_id());
    record.action = run == nullptr ? nullptr : run->action;
    record.operation = produced.operation();
    record.sequence = produced.sequence();
    record.first_row = produced.first_row();
    record.rows = produced.rows();
    record.record = produced.record();
    spool_.push_back(std::move(record));
    if (run == nullptr || produced.operation() >= run->done.size()) return;
    Done& done = run->done[produced.operation()];
    if (produced.rows() > 0) {
      done.rows = produced.first_row() + produced.rows();
      done.records = produced.sequence();
    }
    v1::ResultRecord summary;
    if (produced.is_summary() && summary.ParseFromString(produced.record()))
      done.end = EndOf(summary.summary().outcome());
    return;
  }
  const Forgotten& forgotten = entry.forgotten();
  const auto found = std::find_if(spool_.begin(), spool_.end(), [&](const Spooled& record) {
    if (forgotten.sequence() == 0) {
      v1::ResultRecord refusal;
      return record.action == nullptr && refusal.ParseFromString(record.record) &&
             refusal.refusal().envelope_sha256() == forgotten.envelope_sha256();
    }
    return record.action != nullptr && record.action->id == forgotten.action_id() &&
           record.operation == forgotten.operation() && record.sequence == forgotten.sequence();
  });
  if (found != spool_.end()) spool_.erase(found);
}

// What an earlier process began and didn't end is not run again: it says so.
void SimulatedAgent::RestoreEnd() {
  for (Run& run : runs_) {
    for (uint32_t operation = 0; operation < run.done.size(); ++operation) {
      Done& done = run.done[operation];
      if (*done.end != '\0') continue;
      v1::OperationSummary summary = NotWhole(v1::TERMINATION_INTERRUPTED, "the swarm was killed");
      summary.set_rows(done.rows);
      v1::ResultRecord record;
      record.set_action_id(run.action->id);
      record.set_operation(operation);
      record.set_sequence(done.records + 1);
      *record.mutable_summary() = summary;
      Spooled spooled;
      spooled.action = run.action;
      spooled.operation = operation;
      spooled.sequence = done.records + 1;
      spooled.record = record.SerializeAsString();
      Spool(std::move(spooled), true);
      done.end = "incomplete";
    }
    run.finished = true;
  }
}

void SimulatedAgent::AddToLedger(Ledger* ledger) const {
  for (const Run& run : runs_) {
    ledger->answers.try_emplace(run.action->id, run.action->answer);
    LedgerEntry entry;
    entry.agent_id = identity_.agent_id();
    entry.agent_index = identity_.index();
    entry.action_id = run.action->id;
    entry.lie = NameOf(lie_);
    if (run.refused) {
      entry.end = "refused";
      ledger->entries.push_back(entry);
    }
    for (; entry.operation < run.done.size(); ++entry.operation) {
      const Done& done = run.done[entry.operation];
      entry.rows = done.rows;
      entry.records = done.records;
      entry.end = done.end;
      entry.pending.clear();
      for (const Spooled& record : spool_)
        if (record.action == run.action && record.operation == entry.operation)
          entry.pending.push_back(record.sequence);
      ledger->entries.push_back(entry);
    }
  }
}

}  // namespace dragnet::load
