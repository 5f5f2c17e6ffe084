#include "agent/monitor/monitor.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/footprint/footprint.h"
#include "agent/monitor/check_run.h"
#include "agent/monitor/forget_identity.h"
#include "agent/monitor/host_fingerprint.h"
#include "agent/monitor/link_start.h"
#include "agent/monitor/log.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/weights.h"

namespace dragnet {
namespace {

constexpr size_t kMaxRefusalDetail = 1024;
// How often a full disk is tried again.
constexpr absl::Duration kRetryInterval = absl::Seconds(1);
// Free on the disk for all else, where the configuration doesn't say how much;
// on small disks a twentieth of it.
constexpr uint64_t kDefaultMinFreeBytes = uint64_t{64} << 20;
constexpr absl::Duration kBlobCheckInterval = absl::Seconds(1);
// A record's rows are gathered until they are this large, with the row that goes
// over it: a scheduler holds one record of each agent at least, so of ten thousand.
constexpr size_t kMaxRecordBytes = 16 * 1024;
// Rows of one worker per turn of the loop: what is written in one commit.
constexpr size_t kMaxTurnBytes = 128 * 1024;
// How often a paused action is looked at: it may expire meanwhile.
constexpr absl::Duration kPauseCheckInterval = absl::Seconds(1);
// Acknowledgements that are written in one transaction.
constexpr size_t kMaxAcknowledged = 2048;
// Messages of one worker per turn of the loop.
constexpr int kMaxMessagesPerTurn = 64;

}  // namespace

Monitor::Monitor(Environment environment, std::unique_ptr<StateStore> store, const Clock& clock)
    : environment_(std::move(environment)),
      store_(std::move(store)),
      clock_(clock),
      link_(environment_.link),
      releases_(environment_.config.release_directory),
      queue_(*store_) {}

absl::StatusOr<std::unique_ptr<Monitor>> Monitor::Create(Environment environment,
                                                         std::unique_ptr<StateStore> store,
                                                         const Clock& clock) {
  std::unique_ptr<Monitor> monitor(new Monitor(std::move(environment), std::move(store), clock));
  DRAGNET_RETURN_IF_ERROR(monitor->Initialize());
  return monitor;
}

absl::Status Monitor::Initialize() {
  const AgentConfig& config = environment_.config;
  DRAGNET_RETURN_IF_ERROR(LookForClone());
  DRAGNET_ASSIGN_OR_RETURN(const std::string id, store_->AgentId());
  SetLogAgent(id);
  AddOwnFacts(id, &environment_.facts);
  DRAGNET_ASSIGN_OR_RETURN(policy_, store_->LoadTrustPolicy(config.root_keys, config.fleet_id));
  DRAGNET_ASSIGN_OR_RETURN(const bool policy_is_newer,
                           store_->TookPolicyWith(config.ca_certificates));
  ChooseCaCertificates(policy_is_newer);
  DRAGNET_ASSIGN_OR_RETURN(blobs_, BlobCache::Open(config.state_directory + "/blobs"));
  DRAGNET_ASSIGN_OR_RETURN(standing_, StandingActions::Load(*store_, id, &orders_));
  DRAGNET_ASSIGN_OR_RETURN(retiring_, LoadRetiring(config.state_directory));
  PrepareUpgrades();
  return ReportInterrupted();
}

void Monitor::AddOwnFacts(const std::string& id, v1::Facts* facts) const {
  const AgentConfig& config = environment_.config;
  facts->set_id(id);
  facts->set_fleet_id(config.fleet_id);
  if (!config.name.empty()) facts->set_name(config.name);
  facts->mutable_tags()->insert(config.tags.begin(), config.tags.end());
  if (is_clone_) (*facts->mutable_environment())["cloned"] = "yes";
}

absl::Status Monitor::LookForClone() {
  const std::string& now = environment_.host_fingerprint;
  DRAGNET_ASSIGN_OR_RETURN(const std::string stored, store_->HostFingerprint());
  if (now.empty()) return absl::OkStatus();
  // There was none yet, or with less in it.
  if (!IsAnotherHost(stored, now)) {
    const bool tells_as_much = now.size() >= stored.size() && now != stored;
    return tells_as_much ? store_->SaveHostFingerprint(now) : absl::OkStatus();
  }
  if (environment_.config.enrolment_token.empty()) {
    is_clone_ = true;
    LogWarning(
        "this is another machine than the one that the agent's identity was drawn on, and "
        "there is no enrolment token: it goes on as it is. A copied disk: dragnet-agent "
        "forget-identity, and a new token. A new mainboard: dragnet-agent keep-identity");
    return absl::OkStatus();
  }
  LogWarning(
      "this is another machine than the one that the agent's identity was drawn on, as after "
      "its disk was copied: it enrols anew, and what waited to be told of the other is dropped");
  // The files first: a kill in between leaves the old id without a certificate, and the
  // next start comes here again.
  DRAGNET_RETURN_IF_ERROR(
      RemoveBelongingsOfIdentity(environment_.config.state_directory, &releases_));
  DRAGNET_RETURN_IF_ERROR(store_->ForgetIdentity());
  DRAGNET_RETURN_IF_ERROR(store_->AgentId().status());
  return store_->SaveHostFingerprint(now);
}

// Opens the inputs of the run's next operation. False when a blob isn't here
// yet: it is being fetched then.
bool Monitor::HasBlobs(ActionRun& run, std::vector<UniqueFd>* inputs) {
  for (const v1::Blob& blob : run.action.operations(run.next_operation).blobs()) {
    absl::StatusOr<UniqueFd> file = blobs_->Find(blob);
    if (!file.ok()) {
      blobs_->StartFetch(blob);
      return false;
    }
    inputs->push_back(*std::move(file));
  }
  for (const v1::Blob& blob : run.action.operations(run.next_operation).blobs()) {
    blobs_->NoteUse(blob);
  }
  return true;
}

void Monitor::HandleBlobPart(const v1::BlobPart& part) {
  // Only its answer: a second one of a part (a request may cross a reconnection)
  // would let two be asked for at once, which a scheduler ends the session for.
  if (asked_for_.has_value() && part.sha256() == asked_for_->sha256() &&
      part.offset() == asked_for_->offset()) {
    asked_for_.reset();
  }
  const v1::Blob fetched = blobs_->fetching();
  const absl::Status status = blobs_->AddPart(part);
  if (status.ok()) return;
  LogWarning(ToStd(status.message()));
  // Those that wait for it end, and say why. Not those that say another size of
  // it: one action with a wrong size would end those with the right one.
  for (auto& run : actions_) {
    if (run->worker == nullptr && Awaits(*run, fetched)) run->blob_error = status;
  }
}

bool Monitor::Awaits(const ActionRun& run, const v1::Blob& fetched) {
  if (run.next_operation >= run.action.operations_size()) return false;
  for (const v1::Blob& blob : run.action.operations(run.next_operation).blobs()) {
    if (blob.sha256() == fetched.sha256() && blob.size() == fetched.size()) return true;
  }
  return false;
}

// The run's next operation waits no longer. What it alone waited for is fetched
// no further, so that the next blob's turn comes; what others wait for goes on.
void Monitor::StopWaiting(ActionRun& run) {
  run.blob_error = absl::OkStatus();
  if (!blobs_->is_fetching() || !Awaits(run, blobs_->fetching())) return;
  for (const auto& other : actions_) {
    if (other.get() != &run && other->worker == nullptr && Awaits(*other, blobs_->fetching())) {
      return;
    }
  }
  blobs_->CancelFetch();
}

// One part at a time, so that records and other actions go on between them.
void Monitor::RequestBlobPart() {
  const std::optional<v1::BlobRequest> next = blobs_->NextRequest();
  if (!next.has_value() || asked_for_.has_value() || !connected_ || !link_.has_room()) return;
  v1::AgentMessage message;
  *message.mutable_blob_request() = *next;
  SendToScheduler(message);
  asked_for_ = next;
}

// What an earlier process began and didn't end is not run again: it says so.
absl::Status Monitor::ReportInterrupted() {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<InterruptedOperation> operations,
                           store_->Interrupted());
  for (const InterruptedOperation& operation : operations) {
    if (IsOwedUpgrade(operation)) {
      owed_upgrade_ = operation;
      continue;
    }
    auto run = std::make_unique<ActionRun>();
    run->action.set_id(operation.action_id);
    run->occurrence = operation.occurrence;
    if (retiring_.has_value() && operation.action_id == retiring_->action_id &&
        operation.operation == retiring_->operation) {
      // It was begun, and is gone on with.
      run->next_operation = static_cast<int>(operation.operation);
      run->next_sequence = operation.next_sequence;
      TellRetirement(*run);
      actions_.push_back(std::move(run));
      continue;
    }
    v1::ResultRecord& record = run->unwritten.emplace_back();
    record.set_action_id(operation.action_id);
    record.set_occurrence(operation.occurrence);
    record.set_operation(operation.operation);
    record.set_sequence(operation.next_sequence);
    *record.mutable_summary() =
        NotRun(v1::TERMINATION_INTERRUPTED,
               "the agent was stopped or killed while the operation ran or waited");
    record.mutable_summary()->set_rows(operation.rows);
    actions_.push_back(std::move(run));
  }
  AdvanceActions();
  return absl::OkStatus();
}

absl::Status Monitor::Run(int stop_fd) {
  environment_.service.SetReady();
  bool stop = false;
  while (!stop && !become_) {
    DRAGNET_ASSIGN_OR_RETURN(stop, Turn(stop_fd, absl::Hours(1)));
  }
  if (become_) {
    // Another program goes on as the same service, and has to start first.
    environment_.service.KeepAlive();
  } else {
    environment_.service.Stopping();
  }
  EndAllOperations();
  return absl::OkStatus();
}

absl::StatusOr<bool> Monitor::Turn(int stop_fd, absl::Duration longest) {
  if (!link_.running() && SteadyNow() >= link_.deadline()) {
    const ipc::LinkStart start = LinkStart();
    link_ca_certificates_ = start.ca_certificates();
    if (link_.EnsureRunning(start)) connected_ = false;
  }
  SendRecords();
  RequestBlobPart();
  // From here only: a loop that hangs is heard no more of, whatever else runs.
  environment_.service.Advance();
  std::vector<pollfd> fds = PollFds(stop_fd);
  const absl::Duration wait =
      std::clamp(NextDeadline() - SteadyNow(), absl::ZeroDuration(), longest);
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)));
  if (actions_.empty() && busy_) {
    busy_ = false;
    ReleaseUnusedMemory();
  }
  if (::poll(fds.data(), fds.size(), static_cast<int>(milliseconds)) < 0 && errno != EINTR) {
    return ErrnoStatus("poll", errno);
  }
  if ((fds[0].revents & POLLIN) != 0) return true;
  link_.Advance([this](const ipc::LinkToMonitor& message) { HandleLinkMessage(message); });
  // It knows the scheduler by what it was started with.
  if (link_.running() && ca_certificates_ != link_ca_certificates_)
    link_.Restart("the trust policy names other CA certificates");
  if (!link_.running() && connected_) {
    connected_ = false;
    environment_.service.SetStatus("not connected: dragnet-link ended");
  }
  AdvanceActions();
  AdvanceUpgrade();
  return retired_;
}

std::vector<pollfd> Monitor::PollFds(int stop_fd) const {
  std::vector<pollfd> fds = {{stop_fd, POLLIN, 0}};
  link_.AddPollFds(&fds);
  for (const auto& run : actions_) {
    if (run->worker != nullptr) run->worker->AddPollFds(&fds);
  }
  return fds;
}

absl::Time Monitor::NextDeadline() const {
  absl::Time deadline =
      std::min({link_.deadline(), environment_.service.deadline(), UpgradeDeadline()});
  for (const auto& run : actions_) {
    if (run->worker != nullptr) deadline = std::min(deadline, run->worker->deadline());
  }
  if (const absl::Duration look = standing_->UntilNextLook(clock_.Now());
      look < absl::InfiniteDuration()) {
    deadline = std::min(deadline, SteadyNow() + look);
  }
  // A blob that is waited for may not come before its action expires.
  if (blobs_->is_fetching()) deadline = std::min(deadline, SteadyNow() + kBlobCheckInterval);
  for (const auto& run : actions_) {
    if (!orders_.IsPaused(run->action.id())) continue;
    deadline = std::min(deadline, SteadyNow() + kPauseCheckInterval);
  }
  if (disk_full_ || spool_full_ || !unjournaled_.empty() || retirement_told_.has_value())
    deadline = std::min(deadline, SteadyNow() + kRetryInterval);
  if (may_shrink_ && !disk_full_) deadline = absl::InfinitePast();
  return deadline;
}

// --- what the link delivers

// The link's words: only for people.
void Monitor::SayConnected(std::string_view scheduler) {
  const std::string words =
      StrCat("connected to ", scheduler.empty() ? "a scheduler" : Shorten(scheduler, 256));
  LogInfo(words);
  environment_.service.SetStatus(words);
}

void Monitor::SayNotConnected(std::string_view reason) {
  const std::string words = StrCat("not connected: ", reason);
  LogWarning(words);
  environment_.service.SetStatus(words);
}

void Monitor::HandleLinkMessage(const ipc::LinkToMonitor& message) {
  switch (message.content_case()) {
    case ipc::LinkToMonitor::kConnected:
      SayConnected(message.connected().scheduler());
      connected_ = true;
      NoteEnrolled();
      connected_since_ = SteadyNow();
      refused_ = false;
      window_ = std::clamp<uint32_t>(message.connected().record_window(), 1, 1024);
      if (const absl::Status status = queue_.Restart(); !status.ok()) {
        LogWarning(StrCat("spool: ", status.message()));
      }
      asked_for_.reset();
      return;
    case ipc::LinkToMonitor::kDisconnected:
      SayNotConnected(Shorten(message.disconnected().reason(), 1024));
      connected_ = false;
      refused_ = message.disconnected().refused();
      return;
    case ipc::LinkToMonitor::kActionEnvelope:
      return HandleActionEnvelope(message.action_envelope());
    case ipc::LinkToMonitor::kTrustPolicyEnvelope:
      return HandleTrustPolicyEnvelope(message.trust_policy_envelope());
    case ipc::LinkToMonitor::kBlobPart:
      return HandleBlobPart(message.blob_part());
    case ipc::LinkToMonitor::kAcknowledged:
      return HandleAcknowledgement(message.acknowledged());
    case ipc::LinkToMonitor::kOrderEnvelope:
      return HandleOrderEnvelope(message.order_envelope());
    case ipc::LinkToMonitor::CONTENT_NOT_SET:
      return;
  }
}

AuthorizationContext Monitor::Authorization() const {
  AuthorizationContext context;
  context.policy = policy_.has_value() ? &*policy_ : nullptr;
  context.fleet_id = environment_.config.fleet_id;
  context.now = clock_.Now();
  context.weights_needed = WeightsNeededBy;
  context.facts = &environment_.facts;
  return context;
}

std::string Monitor::WhyNoLonger(const ActionRun& run) const {
  const auto decision = AuthorizeAction(run.envelope, Authorization());
  const auto* refused = std::get_if<RefusedAction>(&decision);
  return refused == nullptr ? "" : refused->detail;
}

// Sent again, because the scheduler can't know whether it came, and not true of this host
// any more: an upgrade changes the version, which its target asks for. To refuse it as
// "not targeted" would take the place of its result.
bool Monitor::TookOn(const RefusedAction& refused) {
  return refused.reason == v1::Refusal::REASON_NOT_TARGETED &&
         store_->JournalHolds(refused.action_id, 0).value_or(false);
}

void Monitor::HandleActionEnvelope(const std::string& bytes) {
  // A scheduler sends it again when it can't know whether it came. Nothing follows.
  if (const std::string id = standing_->IdOf(bytes); !id.empty()) return SayAccepted(id);
  absl::Status journal_error;
  AuthorizationContext context = Authorization();
  context.already_ran = [&](std::string_view action_id) {
    const absl::StatusOr<bool> holds = store_->JournalHolds(action_id, 0);
    journal_error = holds.status();
    // A journal that can't be read can't rule a replay out.
    return !holds.ok() || *holds;
  };
  std::variant<AuthorizedAction, RefusedAction> decision = AuthorizeAction(bytes, context);
  if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
    const std::string detail =
        journal_error.ok() ? refused->detail : std::string(journal_error.message());
    const bool replayed =
        journal_error.ok() && (refused->reason == v1::Refusal::REASON_REPLAYED || TookOn(*refused));
    if (replayed && store_->WasCancelled(refused->action_id).value_or(false)) {
      return Refuse(bytes, refused->action_id, v1::Refusal::REASON_CANCELLED,
                    CancellationWords(refused->action_id));
    }
    return Refuse(bytes, refused->action_id,
                  replayed ? v1::Refusal::REASON_REPLAYED : refused->reason, detail);
  }
  auto& authorized = std::get<AuthorizedAction>(decision);
  const std::string id = authorized.action.id();
  // The journal may have had no room for it.
  if (orders_.IsCancelled(id) ||
      std::find(unjournaled_.begin(), unjournaled_.end(), id) != unjournaled_.end()) {
    return Refuse(bytes, id, v1::Refusal::REASON_CANCELLED, CancellationWords(id));
  }
  if (retiring_.has_value()) {
    return Refuse(bytes, id, v1::Refusal::REASON_BUSY, "this host is being retired");
  }
  if (authorized.action.has_recurrence()) {
    const absl::Status taken = TakeOnStanding(std::move(authorized), bytes);
    if (!taken.ok()) Refuse(bytes, id, v1::Refusal::REASON_BUSY, ToStd(taken.message()));
    return;
  }
  if (orders_.IsPaused(id) &&
      std::count_if(actions_.begin(), actions_.end(), [this](const auto& run) {
        return WaitsPaused(*run);
      }) >= static_cast<ptrdiff_t>(kMaxPausedWithoutWorker)) {
    return Refuse(bytes, id, v1::Refusal::REASON_BUSY,
                  StrCat(kMaxPausedWithoutWorker, " paused actions wait already"));
  }
  if (actions_.size() >= kMaxActions) {
    return Refuse(bytes, id, v1::Refusal::REASON_BUSY,
                  StrCat(kMaxActions, " actions run or wait already"));
  }
  if (const absl::Status status = TakeOn(std::move(authorized.action), bytes); !status.ok()) {
    Refuse(bytes, id, v1::Refusal::REASON_BUSY, ToStd(status.message()));
  }
}

// The journal first: from there on this action never starts again.
absl::Status Monitor::TakeOn(v1::Action action, const std::string& envelope) {
  DRAGNET_RETURN_IF_ERROR(
      store_->JournalTaken(action.id(), 0, action.operations_size(), clock_.Now()));
  LogInfo(StrCat("action ", action.id(), " taken on: ", action.name()), action.id());
  SayAccepted(action.id());
  auto run = std::make_unique<ActionRun>();
  run->action = std::move(action);
  run->envelope = envelope;
  actions_.push_back(std::move(run));
  busy_ = true;
  AdvanceActions();
  return absl::OkStatus();
}

void Monitor::SayAccepted(const std::string& action_id) {
  v1::AgentMessage accepted;
  accepted.mutable_accepted()->set_action_id(action_id);
  SendToScheduler(accepted);
}

void Monitor::Refuse(const std::string& envelope, std::string_view action_id,
                     v1::Refusal::Reason reason, std::string_view detail, int64_t occurrence) {
  LogWarning(StrCat("refused ", action_id.empty() ? "an envelope" : "action ", action_id, ": ",
                    v1::Refusal::Reason_Name(reason), ": ", detail),
             action_id);
  v1::ResultRecord record;
  record.set_action_id(std::string(action_id));
  record.set_occurrence(occurrence);
  v1::Refusal* refusal = record.mutable_refusal();
  refusal->set_reason(reason);
  refusal->set_detail(Shorten(ToValidUtf8(detail), kMaxRefusalDetail));
  refusal->set_envelope_sha256(Sha256(envelope));
  *refusal->mutable_refused_at() = ToTimestamp(clock_.Now());
  const absl::StatusOr<bool> kept = store_->AppendRefusal(record);
  if (!kept.ok()) {
    // A full disk, say: then it is told once, without the spool's promise.
    LogWarning(StrCat("a refusal can't be spooled: ", kept.status().message()));
    v1::AgentMessage message;
    *message.mutable_record() = record;
    SendToScheduler(message);
  } else if (*kept) {
    queue_.Added(record);
  } else {
    LogWarning("a refusal can't be reported: too many wait to be sent");
  }
}

void Monitor::HandleTrustPolicyEnvelope(const std::string& bytes) {
  if (retiring_.has_value()) return;
  if (policy_.has_value() && policy_->envelope_bytes() == bytes) return;
  const absl::Time now = clock_.Now();
  absl::StatusOr<TrustPolicy> policy =
      policy_.has_value() ? policy_->VerifySuccessor(bytes, now)
                          : TrustPolicy::VerifyFirst(bytes, environment_.config.root_keys,
                                                     environment_.config.fleet_id);
  const bool first = !policy_.has_value();
  if (first && policy.ok() && policy->expired(now)) {
    policy = absl::FailedPreconditionError(
        StrCat("trust policy version ", policy->version(), " has expired by this host's clock"));
  }
  absl::Status status = policy.status();
  if (status.ok())
    status = store_->SaveTrustPolicy(*policy, environment_.config.root_keys,
                                     environment_.config.ca_certificates);
  if (!status.ok()) {
    return Refuse(bytes, "", v1::Refusal::REASON_POLICY_REJECTED, ToStd(status.message()));
  }
  policy_ = *std::move(policy);
  ChooseCaCertificates(/*policy_is_newer=*/true);
  LogInfo(StrCat("trust policy version ", policy_->version(), " taken"));
  v1::AgentMessage taken;
  taken.mutable_policy_taken()->set_version(policy_->version());
  SendToScheduler(taken);
  ipc::MonitorToLink hello;
  *hello.mutable_hello() = Hello();
  link_.Send(hello);
}

// --- acknowledgements

void Monitor::HandleAcknowledgement(const v1::RecordKey& key) {
  // Not by the window: what isn't in the spool (see Refuse) is acknowledged, too. One
  // that is passed over would hold its record's place until the next session.
  if (acknowledged_.size() >= kMaxAcknowledged) ForgetAcknowledged();
  // Nothing can be forgotten, and a link that makes keys up may go on.
  if (acknowledged_.size() >= kMaxAcknowledged) return;
  acknowledged_.push_back(key);
}

// Those of one turn together: a transaction for each would cost more than all else.
void Monitor::ForgetAcknowledged() {
  if (acknowledged_.empty()) return;
  const absl::StatusOr<std::vector<int64_t>> positions = store_->Acknowledge(acknowledged_);
  if (!positions.ok()) {
    LogWarning(StrCat("acknowledged records wait to be forgotten: ", positions.status().message()));
    disk_full_ = true;
    return;
  }
  acknowledged_.clear();
  may_shrink_ = true;
  for (const int64_t position : *positions) queue_.Forgotten(position);
}

// --- the spool's bounds

std::string Monitor::WhySpoolIsFull() const {
  const AgentConfig& config = environment_.config;
  // Once full, an eighth must be free again: or it would be told of each record
  // that goes.
  const auto slack = [this](uint64_t bytes) { return spool_full_ ? bytes / 8 : 0; };
  if (store_->spooled_bytes() >= config.spool_bytes - slack(config.spool_bytes)) {
    return StrCat("the spool is full: ", store_->spooled_bytes(), " bytes wait for a scheduler",
                  " (spool_bytes = ", config.spool_bytes, ")");
  }
  struct statvfs disk{};
  if (::statvfs(config.state_directory.c_str(), &disk) != 0 || disk.f_blocks == 0) return "";
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  const uint64_t size = uint64_t{disk.f_blocks} * disk.f_frsize;
  const uint64_t least =
      config.spool_min_free_bytes.value_or(std::min(size / 20, kDefaultMinFreeBytes));
  if (free >= least + slack(least)) return "";
  return StrCat("the disk of ", config.state_directory, " has only ", free, " bytes free",
                " (spool_min_free_bytes = ", least, ")");
}

void Monitor::CheckSpool() {
  const std::string why = actions_.empty() ? "" : WhySpoolIsFull();
  const bool full = !why.empty();
  if (full && !spool_full_) LogWarning(StrCat("results wait: ", why, "; workers stand still"));
  if (!full && spool_full_) LogInfo("the spool has room again; workers go on");
  spool_full_ = full;
}

void Monitor::GiveDiskBack() {
  if (!may_shrink_) return;
  const absl::StatusOr<bool> more = store_->Shrink();
  // Without room for the log, later: after the next acknowledgement.
  may_shrink_ = more.ok() && *more;
}

// --- operations

void Monitor::AdvanceActions() {
  disk_full_ = false;
  ForgetAcknowledged();
  GiveDiskBack();
  CheckSpool();
  JournalCancellations();
  if (!retiring_.has_value()) StartOccurrences();
  for (auto& run : actions_) {
    ObeyOrder(*run);
    if (run->worker != nullptr) AdvanceWorker(*run);
    // What waits for its turn ends with the worker that was killed.
    if (run->worker == nullptr) ObeyOrder(*run);
    WriteRecords(*run);
  }
  EndSurplusPaused();
  ReleaseHeld();
  for (const bool recurring : {false, true}) StartOperations(recurring);
  AdvanceRetirement();
  ShareCpu();
  std::erase_if(actions_, [](const std::unique_ptr<ActionRun>& run) {
    return run->worker == nullptr && run->unwritten.empty() &&
           run->next_operation >= run->action.operations_size();
  });
}

void Monitor::StartOperations(bool recurring) {
  for (auto& run : actions_) {
    // One that could only stand still would use up its time. During a trial none starts.
    if (spool_full_ || link_.held() || retiring_.has_value()) return;
    if (run->action.has_recurrence() != recurring || !HasPlace(*run)) continue;
    if (run->worker != nullptr || run->next_operation >= run->action.operations_size()) continue;
    if (orders_.IsPaused(run->action.id())) continue;
    if (run->unwritten.empty()) StartOperation(*run);
  }
}

bool Monitor::IsMonitors(const ActionRun& run) {
  if (run.next_operation >= run.action.operations_size()) return false;
  const ModuleManifest* module = FindManifest(run.action.operations(run.next_operation).module());
  return module != nullptr && module->run_by_monitor;
}

bool Monitor::HasPlace(const ActionRun& run) const {
  if (IsMonitors(run)) return true;
  int all = 0;
  int recurring = 0;
  for (const auto& other : actions_) {
    if (other->worker == nullptr || other->held || IsMonitors(*other)) continue;
    ++all;
    recurring += other->action.has_recurrence() ? 1 : 0;
  }
  const int workers = environment_.config.workers;
  if (all >= workers) return false;
  return !run.action.has_recurrence() || recurring < std::max(workers - 1, 1);
}

void Monitor::StartOperation(ActionRun& run) {
  const v1::Operation& operation = run.action.operations(run.next_operation);
  std::vector<UniqueFd> inputs;
  // Until it expires: then the check below ends it.
  const absl::StatusOr<absl::Time> expires = ToTime(run.action.expires());
  const bool may_wait = run.blob_error.ok() && expires.ok() && clock_.Now() <= *expires;
  const bool has_blobs = HasBlobs(run, &inputs);
  if (!has_blobs && may_wait) return;
  const absl::Status blob_error = run.blob_error;
  StopWaiting(run);
  run.next_sequence = 1;
  if (const std::string why = WhyNoLonger(run); !why.empty()) {
    LogWarning(StrCat("action ", run.action.id(), " no longer allowed: ", why), run.action.id());
    return EndOperation(run, NotRun(v1::TERMINATION_NOT_STARTED,
                                    StrCat("no longer allowed when its turn came: ", why)));
  }
  if (!has_blobs) {
    return EndOperation(run, NotRun(v1::TERMINATION_NOT_STARTED, ToStd(blob_error.message())));
  }
  if (Retires(run)) return Retire(run);
  run.worker = NewRun(run, operation, std::move(inputs));
  AdvanceWorker(run);
}

std::unique_ptr<OperationRun> Monitor::NewRun(const ActionRun& run, const v1::Operation& operation,
                                              std::vector<UniqueFd> inputs) {
  if (operation.module() == kUpgradeModule) {
    return NewUpgradeRun(run, operation, std::move(inputs));
  }
  const OperationLimits& ceiling = environment_.config.limits;
  const bool scheduled = run.action.has_recurrence();
  if (operation.module() == kCheckModule) {
    return std::make_unique<CheckRun>(operation,
                                      CheckSurroundings{.worker = environment_.worker,
                                                        .facts = environment_.facts,
                                                        .ceiling = ceiling,
                                                        .scheduled = scheduled},
                                      [this, &run] { return WhyNoLonger(run); });
  }
  ipc::Job job;
  for (const v1::Blob& blob : operation.blobs()) {
    ipc::Input* input = job.add_inputs();
    input->set_field(blob.field());
    input->set_sha256(blob.sha256());
    input->set_size(blob.size());
  }
  job.set_module(operation.module());
  job.set_parameters(operation.parameters());
  job.set_format(ipc::Job::FORMAT_PROTO);
  return std::make_unique<WorkerRun>(*FindManifest(operation.module()), job,
                                     EffectiveLimits(operation.limits(), ceiling, scheduled),
                                     environment_.worker, inputs);
}

// Among those that run; what stands still by order leaves its share to the others.
void Monitor::ShareCpu() {
  std::vector<OperationRun*> workers;
  std::vector<uint32_t> wanted;
  for (const auto& run : actions_) {
    if (run->worker == nullptr || run->worker->held()) continue;
    workers.push_back(run->worker.get());
    wanted.push_back(run->worker->cpu_share_limit());
  }
  const std::vector<uint32_t> shares =
      DivideCpuShare(wanted, environment_.config.cpu_share_percent_total);
  for (size_t i = 0; i < workers.size(); ++i) workers[i]->SetCpuShare(shares[i]);
}

void Monitor::AdvanceWorker(ActionRun& run) {
  run.worker->Pause(!run.unwritten.empty() || spool_full_);
  // What is there now is written at once: a commit each would be the slowest part.
  v1::Rows gathered;
  size_t record_bytes = 0;
  size_t turn_bytes = 0;
  const auto add_record = [&] {
    if (gathered.rows_size() == 0) return;
    AddRecord(run).mutable_rows()->Swap(&gathered);
    gathered.Clear();
    record_bytes = 0;
  };
  for (int messages = 0; messages < kMaxMessagesPerTurn && turn_bytes < kMaxTurnBytes; ++messages) {
    run.worker->Advance();
    std::optional<v1::Rows> rows = run.worker->TakeRows();
    if (!rows.has_value()) break;
    for (std::string& row : *rows->mutable_rows()) {
      record_bytes += row.size();
      turn_bytes += row.size();
      gathered.add_rows(std::move(row));
      if (record_bytes >= kMaxRecordBytes) add_record();
    }
  }
  add_record();
  if (run.worker->summary().has_value()) {
    const v1::OperationSummary summary = *run.worker->summary();
    run.worker.reset();
    run.held = false;
    run.killed_by_order = false;
    EndOperation(run, summary);
  } else {
    WriteRecords(run);
  }
}

void Monitor::EndOperation(ActionRun& run, const v1::OperationSummary& summary) {
  *AddRecord(run).mutable_summary() = summary;
  ++run.next_operation;
  WriteRecords(run);
}

v1::ResultRecord& Monitor::AddRecord(ActionRun& run) {
  v1::ResultRecord& record = run.unwritten.emplace_back();
  record.set_action_id(run.action.id());
  record.set_occurrence(run.occurrence);
  record.set_operation(static_cast<uint32_t>(run.next_operation));
  record.set_sequence(run.next_sequence++);
  return record;
}

// What the disk has no room for waits: at most the rows of a turn and one
// summary, because the worker is not read meanwhile.
void Monitor::WriteRecords(ActionRun& run) {
  if (run.unwritten.empty()) return;
  const absl::Status status = store_->Append(run.unwritten);
  if (status.ok()) {
    for (const v1::ResultRecord& record : run.unwritten) queue_.Added(record);
    run.unwritten.clear();
    disk_full_told_ = false;
    return;
  }
  if (!disk_full_told_) {
    LogWarning(StrCat("results of action ", run.action.id(), " wait: ", status.message()),
               run.action.id());
  }
  disk_full_ = true;
  disk_full_told_ = true;
}

void Monitor::EndAllOperations() {
  for (auto& run : actions_) {
    if (run->worker != nullptr) {
      run->worker->Stop(v1::TERMINATION_INTERRUPTED, "the agent was stopped");
      AdvanceWorker(*run);
    }
  }
  // Those that waited have no summary: the next start reports them.
}

// --- towards the scheduler

void Monitor::SendRecords() {
  while (connected_ && queue_.in_flight() < window_ && link_.has_room()) {
    const absl::StatusOr<std::optional<SpooledRecord>> next = queue_.Next();
    if (!next.ok()) {
      LogWarning(StrCat("spool: ", next.status().message()));
      return;
    }
    if (!next->has_value()) return;
    v1::AgentMessage message;
    if (!message.mutable_record()->ParseFromString((*next)->bytes)) {
      LogWarning(StrCat("spool: record ", (*next)->position, " can't be read, it is not sent"));
      if (!ReplaceUnreadable((*next)->position, &message)) continue;
    }
    SendToScheduler(message);
  }
}

// Rows that are gone leave a gap in the operation, which makes it incomplete; the
// end of an operation that is gone is told in other words.
bool Monitor::ReplaceUnreadable(int64_t position, v1::AgentMessage* message) {
  auto replacement = store_->ReplaceUnreadable(position);
  if (!replacement.ok()) LogWarning(StrCat("spool: ", replacement.status().message()));
  if (!replacement.ok() || !replacement->has_value()) {
    queue_.Forgotten(position);
    return false;
  }
  *message->mutable_record() = **std::move(replacement);
  return true;
}

// What isn't spooled is dropped when the link doesn't read: its queue is bounded.
void Monitor::SendToScheduler(const v1::AgentMessage& message) {
  if (!connected_ || !link_.has_room()) return;
  ipc::MonitorToLink to_link;
  *to_link.mutable_message() = message;
  link_.Send(to_link);
}

v1::Hello Monitor::Hello() const {
  v1::Hello hello =
      MakeHello(environment_.config, environment_.facts,
                policy_.has_value() ? policy_->version() : 0, environment_.missing_walls);
  if (is_clone_) {
    hello.add_limits("this machine is another than the one that its identity was drawn on");
  }
  for (const std::string& line : UpgradeLines()) hello.add_limits(line);
  return hello;
}

void Monitor::ChooseCaCertificates(bool policy_is_newer) {
  ca_certificates_ = CaCertificates(environment_.config,
                                    policy_.has_value() && policy_is_newer ? &*policy_ : nullptr);
}

ipc::LinkStart Monitor::LinkStart() const {
  // Where the state can't tell, it gets none.
  const absl::StatusOr<std::optional<absl::Time>> with = store_->EnrolledWith();
  ipc::LinkStart start =
      MakeLinkStart(environment_.config, ca_certificates_, Hello(),
                    with.ok() ? with->value_or(absl::InfinitePast()) : absl::InfiniteFuture());
  // Until it is confirmed or gone, whichever comes.
  if (!release_state().confirmed) {
    start.set_keep_certificate_seconds(
        static_cast<uint32_t>(absl::ToInt64Seconds(environment_.config.trial_time)));
  }
  return start;
}

// The time of the file, and not the clock's: they are compared with each other.
void Monitor::NoteEnrolled() {
  const AgentConfig& config = environment_.config;
  const auto with = store_->EnrolledWith();
  if (!with.ok()) return LogWarning(ToStd(with.status().message()));
  const absl::Time written =
      config.enrolment_token.empty() ? clock_.Now() : config.enrolment_token_written;
  if (with->has_value() && (config.enrolment_token.empty() || written <= **with)) return;
  if (const absl::Status saved = store_->SaveEnrolledWith(written); !saved.ok()) {
    LogWarning(StrCat("that this host is enrolled: ", saved.message()));
  }
}

}  // namespace dragnet
