#include "scheduler/dispatch/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "core/action.h"
#include "core/authorization.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/target.h"
#include "core/text.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "modules/manifest.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {
namespace {

// So many agents are sent to in one go; more are shared between threads.
constexpr size_t kFanOutChunk = 256;
constexpr size_t kMaxLoggedText = 300;

std::vector<std::string> WeightsNeeded(std::string_view module) {
  const ModuleManifest* manifest = FindManifest(module);
  if (manifest == nullptr) return {};
  std::vector<std::string> modules = {std::string(module)};
  for (const std::string_view other : manifest->uses_powers_of) modules.emplace_back(other);
  return modules;
}

absl::Status ToStatus(const RefusedAction& refused) {
  switch (refused.reason) {
    case v1::Refusal::REASON_MALFORMED:
      return absl::InvalidArgumentError(refused.detail);
    case v1::Refusal::REASON_INSUFFICIENT_WEIGHT:
    case v1::Refusal::REASON_MODULE_NOT_ALLOWED:
      return absl::PermissionDeniedError(refused.detail);
    case v1::Refusal::REASON_UNSUPPORTED:
      return absl::UnimplementedError(refused.detail);
    default:
      return absl::FailedPreconditionError(refused.detail);
  }
}

OutgoingMessage ActionMessage(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_action_envelope(envelope);
  return std::make_shared<const std::string>(message.SerializeAsString());
}

OutgoingMessage PolicyMessage(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_trust_policy_envelope(envelope);
  return std::make_shared<const std::string>(message.SerializeAsString());
}

// DISPATCH_STATE_FOUND is "found".
std::string NameOf(v1::DispatchState state) {
  const std::string name = v1::DispatchState_Name(state);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "DISPATCH_STATE_"));
}

// What is counted of a record once it is committed.
struct RecordSize {
  explicit RecordSize(const v1::ResultRecord& record)
      : rows(static_cast<uint64_t>(record.rows().rows_size())),
        bytes(record.ByteSizeLong()),
        refusal(record.has_refusal() ? static_cast<int>(record.refusal().reason()) : -1) {}
  uint64_t rows;
  uint64_t bytes;
  int refusal;  // its reason; -1: none
};

void Count(const RecordSize& size, const Appended& appended) {
  Metrics& metrics = TheMetrics();
  if (appended.duplicate) return metrics.records_repeated.Add();
  if (!appended.dropped.ok()) return metrics.records_dropped.Add();
  metrics.records_committed.Add();
  metrics.rows_committed.Add(size.rows);
  metrics.record_bytes_committed.Add(size.bytes);
  if (size.refusal >= 0) metrics.refusals.Add(size.refusal);
}

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

}  // namespace

absl::Status Dispatcher::Start() {
  // Those that expired while no scheduler ran.
  DRAGNET_RETURN_IF_ERROR(store_.CloseExpired(clock_.Now()).status());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredAction> actions,
                           store_.ActiveActions(clock_.Now()));
  for (const StoredAction& action : actions) {
    // One that can't be read, by this version or by any, is no reason to leave
    // the fleet without a scheduler.
    if (const absl::Status status = Activate(action); !status.ok())
      spdlog::error("action {} of the store is not sent: {}", ForLog(action.id),
                    ForLog(ToStd(status.message())));
  }
  return absl::OkStatus();
}

absl::Status Dispatcher::Activate(const StoredAction& action) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action.envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  absl::MutexLock lock(&mutex_);
  active_[action.id] = {.id = action.id,
                        .target = parsed.target(),
                        .expires = action.expires,
                        .message = ActionMessage(action.envelope)};
  return absl::OkStatus();
}

std::vector<Dispatcher::ActiveAction> Dispatcher::ActiveActions() const {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mutex_);
  std::vector<ActiveAction> actions;
  for (const auto& [id, action] : active_)
    if (now <= action.expires) actions.push_back(action);
  return actions;
}

absl::StatusOr<Dispatcher::Launched> Dispatcher::Launch(const std::string& envelope_bytes,
                                                        const std::string& launched_by) {
  const std::shared_ptr<const TrustPolicy> policy = policies_.current();
  AuthorizationContext context;
  context.policy = policy.get();
  context.fleet_id = fleet_id_;
  context.now = clock_.Now();
  context.weights_needed = WeightsNeeded;
  std::variant<AuthorizedAction, RefusedAction> decision = AuthorizeAction(envelope_bytes, context);
  if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
    TheMetrics().actions_refused.Add(ToStatus(*refused).code());
    spdlog::warn("action {} of {} refused: {}", ForLog(refused->action_id), launched_by,
                 ForLog(refused->detail));
    return ToStatus(*refused);
  }
  const auto& authorized = std::get<AuthorizedAction>(decision);

  StoredAction action;
  action.id = authorized.action.id();
  action.envelope = envelope_bytes;
  action.launched_by = launched_by;
  action.signed_by.assign(authorized.signers.begin(), authorized.signers.end());
  action.launched_at = context.now;
  DRAGNET_ASSIGN_OR_RETURN(action.expires, ToTime(authorized.action.expires()));
  action.bounds = BoundsOf(authorized.action, ceiling_);

  // Who connects from here on may not be among those that the target selects.
  const uint64_t connections = agents_.connections();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> targeted,
                           agents_.Select(authorized.action.target()));
  absl::Status added = store_.AddAction(action, targeted);
  if (absl::IsAlreadyExists(added)) return AnswerAgain(action, envelope_bytes);
  DRAGNET_RETURN_IF_ERROR(added);
  TheMetrics().actions_launched.Add();
  DRAGNET_RETURN_IF_ERROR(Activate(action));

  std::vector<std::string> connected;
  for (const std::string& id : targeted)
    if (agents_.SessionOf(id) != nullptr) connected.push_back(id);
  spdlog::info("action {} launched by {}: \"{}\", {} targeted, {} connected", action.id,
               launched_by, ForLog(authorized.action.name()), targeted.size(), connected.size());
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction stored, store_.FindAction(action.id));
  ActiveAction active;
  {
    absl::MutexLock lock(&mutex_);
    if (stored.cancelled) active_.erase(action.id);
    const auto found = active_.find(action.id);
    if (found == active_.end()) return Launched{action.id, targeted.size(), 0};
    active = found->second;
  }
  SendTo(active, connected);
  for (const std::string& id : agents_.ConnectedSince(connections)) CatchUpSoon(id);
  return Launched{action.id, targeted.size(), connected.size()};
}

absl::StatusOr<Dispatcher::Launched> Dispatcher::AnswerAgain(const StoredAction& action,
                                                             const std::string& envelope_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction stored, store_.FindAction(action.id));
  if (stored.envelope != envelope_bytes)
    return absl::AlreadyExistsError(
        StrCat("another action has the id ", action.id, " already: make a new one"));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action.id));
  Launched launched{action.id, pairs.size(), 0};
  for (const PairState& pair : pairs)
    if (agents_.SessionOf(pair.agent_id) != nullptr) ++launched.connected;
  return launched;
}

void Dispatcher::SendTo(const ActiveAction& action, const std::vector<std::string>& agent_ids) {
  for (size_t begin = 0; begin < agent_ids.size(); begin += kFanOutChunk) {
    std::vector<std::string> chunk(
        agent_ids.begin() + static_cast<ptrdiff_t>(begin),
        agent_ids.begin() +
            static_cast<ptrdiff_t>(std::min(begin + kFanOutChunk, agent_ids.size())));
    auto send = [this, action, chunk = std::move(chunk)] {
      // First in the store's order, so that an answer finds the pair sent.
      store_.MarkSent(action.id, chunk,
                      [this, id = action.id](absl::Status) { watchers_.Notify(id); });
      for (const std::string& id : chunk)
        if (auto session = agents_.SessionOf(id))
          session->SendAction(action.id, action.message, /*again=*/false);
    };
    // A small action is sent by who launched it: no thread to wait for.
    if (agent_ids.size() <= kFanOutChunk || !background_.Run(send)) send();
  }
}

absl::Status Dispatcher::Cancel(const std::string& action_id) {
  // In this order, and Launch looks into the store after it has made an action
  // active: so one of the two sees the other.
  DRAGNET_RETURN_IF_ERROR(store_.CancelAction(action_id));
  {
    absl::MutexLock lock(&mutex_);
    active_.erase(action_id);
  }
  spdlog::info("action {} cancelled", action_id);
  watchers_.Notify(action_id);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Dispatcher::PublishPolicy(const std::string& envelope_bytes) {
  DRAGNET_RETURN_IF_ERROR(policies_.Publish(envelope_bytes, clock_.Now()));
  const uint64_t version = policies_.current()->version();
  spdlog::info("trust policy {} published", version);
  for (const auto& [id, session] : agents_.Sessions()) SendPolicies(id, *session);
  return version;
}

void Dispatcher::OnConnected(const std::string& agent_id, AgentSession& session) {
  SendPolicies(agent_id, session);
  CatchUpSoon(agent_id);
}

void Dispatcher::CatchUpSoon(const std::string& agent_id) {
  {
    absl::MutexLock lock(&mutex_);
    if (!catching_up_.insert(agent_id).second) return;
  }
  if (background_.Run([this, agent_id] { CatchUp(agent_id); })) return;
  absl::MutexLock lock(&mutex_);
  catching_up_.erase(agent_id);
  // It tries again by itself, later, as all of them do.
  if (auto session = agents_.SessionOf(agent_id))
    session->Close(absl::UnavailableError("too many agents connect at once: try again later"));
}

void Dispatcher::OnPolicyTaken(const std::string& agent_id, uint64_t version) {
  agents_.UpdatePolicyVersion(agent_id, version);
  // What it refused for want of a policy is worth another try.
  CatchUpSoon(agent_id);
}

void Dispatcher::SendPolicies(const std::string& agent_id, AgentSession& session) {
  for (const std::string& envelope : policies_.EnvelopesAfter(agents_.PolicyVersionOf(agent_id)))
    session.Send(PolicyMessage(envelope));
}

void Dispatcher::CatchUp(const std::string& agent_id) {
  {
    absl::MutexLock lock(&mutex_);
    catching_up_.erase(agent_id);
  }
  const std::shared_ptr<AgentSession> session = agents_.SessionOf(agent_id);
  if (session == nullptr) return;
  for (const ActiveAction& action : ActiveActions()) {
    const absl::Status status = CatchUpWith(action, agent_id, *session);
    if (!status.ok())
      spdlog::error("action {} agent {}: {}", action.id, agent_id, ForLog(ToStd(status.message())));
  }
}

absl::Status Dispatcher::CatchUpWith(const ActiveAction& action, const std::string& agent_id,
                                     AgentSession& session) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Pair> pair, store_.FindPair(action.id, agent_id));
  bool again = false;
  if (pair.has_value()) {
    if (!IsWorthSending(*pair)) return absl::OkStatus();
    again = pair->state == v1::DISPATCH_STATE_REFUSED;
  } else {
    DRAGNET_ASSIGN_OR_RETURN(const v1::Facts facts, agents_.FactsOf(agent_id));
    DRAGNET_ASSIGN_OR_RETURN(const bool matches, TargetMatches(action.target, facts));
    if (!matches) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(store_.AddPair(action.id, agent_id));
  }
  store_.MarkSent(action.id, {agent_id},
                  [this, id = action.id](absl::Status) { watchers_.Notify(id); });
  if (session.SendAction(action.id, action.message, again))
    spdlog::info("action {} agent {}: sent", action.id, agent_id);
  return absl::OkStatus();
}

void Dispatcher::OnAccepted(const std::string& agent_id, const std::string& action_id) {
  store_.MarkAccepted(action_id, agent_id, [this, agent_id, action_id](absl::Status status) {
    if (status.ok()) return watchers_.Notify(action_id);
    spdlog::warn("action {} agent {}: accepted: {}", ForLog(action_id), agent_id,
                 ForLog(ToStd(status.message())));
  });
}

void Dispatcher::OnRecord(const std::string& agent_id, v1::ResultRecord record,
                          std::function<void(absl::Status)> done) {
  std::string refusal;
  if (record.has_refusal())
    refusal = StrCat(v1::Refusal::Reason_Name(record.refusal().reason()), ": ",
                     ForLog(record.refusal().detail()));
  const std::string action_id = record.action_id();
  const RecordSize size(record);
  store_.AppendRecord(
      agent_id, std::move(record),
      [this, agent_id, action_id, refusal, size,
       done = std::move(done)](absl::StatusOr<Appended> appended) {
        if (!appended.ok()) return done(appended.status());
        Count(size, *appended);
        if (!refusal.empty())
          spdlog::info("action {} agent {}: refused: {}", ForLog(action_id), agent_id, refusal);
        if (!appended->dropped.ok())
          spdlog::warn("action {} agent {}: record dropped: {}", ForLog(action_id), agent_id,
                       ForLog(ToStd(appended->dropped.message())));
        if (IsFinal(appended->state) && !appended->duplicate &&
            appended->state != v1::DISPATCH_STATE_UNSPECIFIED)
          spdlog::info("action {} agent {}: {}", action_id, agent_id, NameOf(appended->state));
        done(absl::OkStatus());
        watchers_.Notify(action_id);
      });
}

Dispatcher::Activity Dispatcher::activity() const {
  Activity activity;
  activity.by_phase[v1::DISPATCH_PHASE_OPEN] = ActiveActions().size();
  return activity;
}

void Dispatcher::CloseExpired() {
  const absl::Time now = clock_.Now();
  std::vector<std::string> expired;
  {
    absl::MutexLock lock(&mutex_);
    for (auto entry = active_.begin(); entry != active_.end();) {
      if (entry->second.expires >= now) {
        ++entry;
        continue;
      }
      expired.push_back(entry->first);
      entry = active_.erase(entry);
    }
  }
  if (expired.empty()) return;
  absl::StatusOr<std::vector<std::string>> closed = store_.CloseExpired(now);
  if (!closed.ok())
    return spdlog::error("close expired actions: {}", ForLog(ToStd(closed.status().message())));
  for (const std::string& id : *closed) watchers_.Notify(id);
}

}  // namespace dragnet::scheduler
