#include "scheduler/api/sweeps.h"

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMinFragment = 4;
constexpr size_t kUuidBytes = 36;

// Why an agent that never told a verdict is silent.
constexpr std::string_view kToldNothing = "took the sweep on, and has told nothing of it";
constexpr std::string_view kWithoutIt =
    "is of the target, and hasn't taken the sweep on: it waits for the agent, was only sent,"
    " or was refused";

}  // namespace

absl::Status CheckActionFragment(std::string_view fragment) {
  // Runs of sweeps are found by their whole id only.
  if (SweepOfRunId(fragment).has_value()) return absl::OkStatus();
  if (fragment.size() < kMinFragment || fragment.size() > kUuidBytes ||
      fragment.find_first_not_of("0123456789abcdef-") != std::string_view::npos)
    return absl::InvalidArgumentError(
        "action_id: give the id, or at least 4 characters of its beginning or end");
  return absl::OkStatus();
}

absl::StatusOr<StoredAction> FindSweep(Store& store, const std::string& fragment) {
  DRAGNET_RETURN_IF_ERROR(CheckActionFragment(fragment));
  if (IsActionId(fragment)) return store.FindAction(fragment);
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> ids, store.MatchActions(fragment, 2));
  if (ids.size() > 1)
    return absl::InvalidArgumentError(
        StrCat("several actions have ", fragment, " in their id: give more of it"));
  if (ids.empty()) return absl::NotFoundError(StrCat("no action ", fragment));
  return store.FindAction(ids[0]);
}

absl::StatusOr<std::optional<absl::Time>> SilentSince(Store& store, const StoredAction& sweep,
                                                      const SweepTerms& terms,
                                                      v1::DispatchPhase phase, absl::Time now) {
  if (phase == v1::DISPATCH_PHASE_PAUSED) return std::nullopt;
  absl::Time after = absl::InfinitePast();
  absl::Time until = now;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store.Orders(sweep.id));
  for (const StoredOrder& stored : orders) {
    // One that can't be read here is none that was obeyed.
    const auto envelope = ParseEnvelope(stored.envelope, kOrderPayloadType);
    const auto order = envelope.ok() ? ParseOrder(envelope->payload()) : envelope.status();
    if (!order.ok()) continue;
    const absl::Time issued = std::min(ToTime(order->issued()).value_or(now), now);
    const bool resumes = order->kind() == v1::Order::KIND_RESUME;
    if (resumes) after = issued;
    until = resumes ? now : issued;
  }
  const std::vector<absl::Time> due = terms.Due(until, 2, after);
  if (due.size() < 2) return std::nullopt;
  return due[1];
}

bool IsSilent(const SweepAgent& agent, std::optional<absl::Time> silent_since) {
  return silent_since.has_value() && agent.has_it && agent.accepted_at <= *silent_since &&
         agent.last_told < *silent_since;
}

v1::SweepRun DescribeRun(const StoredRun& run) {
  v1::SweepRun described;
  *described.mutable_occurrence() = ToTimestamp(run.occurrence);
  described.set_action_id(run.action_id);
  *described.mutable_verdicts() = run.verdicts;
  *described.mutable_agents() = run.agents;
  described.set_silent(run.silent);
  return described;
}

v1::SweepChange DescribeChange(const StoredSweepChange& change, const std::string& sweep_id,
                               const std::vector<SweepCheck>& checks) {
  v1::SweepChange described;
  described.set_action_id(sweep_id);
  described.set_agent_id(change.agent_id);
  described.set_agent_name(change.agent_name);
  described.set_from(std::string(WordOf(change.from)));
  described.set_to(std::string(WordOf(change.to)));
  *described.mutable_occurrence() = ToTimestamp(change.occurrence);
  described.set_reason(change.reason);
  if (change.check >= checks.size()) return described;
  const SweepCheck& check = checks[change.check];
  described.set_check(check.name);
  described.set_severity(check.severity);
  described.set_title(check.title);
  return described;
}

absl::StatusOr<SweepVerdictReader> SweepVerdictReader::Open(
    Store& store, const Agents& agents, Dispatcher& dispatcher, const Clock& clock,
    const v1::SweepVerdictsRequest& request) {
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction sweep, FindSweep(store, request.action_id()));
  DRAGNET_ASSIGN_OR_RETURN(SweepTerms terms, SweepTerms::OfEnvelope(sweep.envelope));
  SweepVerdictReader reader(store, agents, std::move(terms));
  reader.sweep_id_ = sweep.id;
  const std::vector<SweepCheck>& checks = reader.terms_.checks();
  for (const std::string& name : request.checks()) {
    const auto found = std::find_if(checks.begin(), checks.end(),
                                    [&](const SweepCheck& check) { return check.name == name; });
    if (found == checks.end())
      return absl::InvalidArgumentError(
          StrCat("checks: the sweep has no \"", Shorten(ForTerminal(name), 100), "\""));
    reader.checks_.insert(static_cast<uint32_t>(found - checks.begin()));
  }
  for (const std::string& word : request.statuses()) {
    const VerdictStatus status = VerdictStatusOf(word);
    if (status == VerdictStatus::kNone)
      return absl::InvalidArgumentError("statuses: pass, fail, unknown and not_applicable");
    reader.statuses_.insert(status);
  }
  DRAGNET_ASSIGN_OR_RETURN(const Dispatcher::Phase phase, dispatcher.PhaseOf(sweep));
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<absl::Time> silent_since,
                           SilentSince(store, sweep, reader.terms_, phase.phase, clock.Now()));
  const absl::flat_hash_set<std::string> wanted(request.agent_ids().begin(),
                                                request.agent_ids().end());
  const auto is_wanted = [&](const std::string& id) {
    return wanted.empty() || wanted.contains(id);
  };
  DRAGNET_ASSIGN_OR_RETURN(std::vector<std::string> with_verdicts,
                           store.AgentsWithVerdicts(sweep.id));
  for (std::string& id : with_verdicts)
    if (is_wanted(id)) reader.agent_ids_.push_back(std::move(id));
  const absl::flat_hash_set<std::string> told(reader.agent_ids_.begin(), reader.agent_ids_.end());
  // Read after the verdicts: one that told its first meanwhile is no silent one.
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<SweepAgent> of_target, store.SweepAgents(sweep.id));
  absl::flat_hash_set<std::string> held_back;
  if (phase.held_back == HeldBack::kAll) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store.Pairs(sweep.id));
    for (const PairState& pair : pairs)
      if (pair.state == v1::DISPATCH_STATE_WAITING) held_back.insert(pair.agent_id);
  }
  for (const SweepAgent& agent : of_target) {
    const bool silent = IsSilent(agent, silent_since);
    if (!is_wanted(agent.id) || (agent.has_it && !silent) || held_back.contains(agent.id)) continue;
    reader.silent_.emplace(agent.id, agent.has_it ? kToldNothing : kWithoutIt);
    if (!told.contains(agent.id)) reader.agent_ids_.push_back(agent.id);
  }
  return reader;
}

bool SweepVerdictReader::IsWanted(const StoredVerdict& verdict) const {
  return (checks_.empty() || checks_.contains(verdict.check)) &&
         (statuses_.empty() || statuses_.contains(verdict.status)) &&
         verdict.check < terms_.checks().size();
}

absl::StatusOr<std::vector<v1::SweepVerdict>> SweepVerdictReader::Next(size_t max_bytes) {
  std::vector<v1::SweepVerdict> verdicts;
  size_t bytes = 0;
  while (next_agent_ < agent_ids_.size() && (verdicts.empty() || bytes < max_bytes)) {
    const std::string& agent = agent_ids_[next_agent_++];
    DRAGNET_ASSIGN_OR_RETURN(std::vector<StoredVerdict> stored,
                             store_->NewestVerdicts(sweep_id_, agent));
    const auto silent = silent_.find(agent);
    if (stored.empty() && silent != silent_.end()) {
      v1::SweepVerdict& none = verdicts.emplace_back();
      none.set_agent_id(agent);
      none.set_agent_name(agents_->NameOf(agent));
      none.set_reason(std::string(silent->second));
      none.set_silent(true);
      bytes += none.ByteSizeLong();
    }
    for (StoredVerdict& verdict : stored) {
      if (!IsWanted(verdict)) continue;
      v1::SweepVerdict& described = verdicts.emplace_back();
      described.set_agent_id(agent);
      described.set_agent_name(agents_->NameOf(agent));
      described.set_check(terms_.checks()[verdict.check].name);
      described.set_status(std::string(WordOf(verdict.status)));
      *described.mutable_occurrence() = ToTimestamp(verdict.occurrence);
      *described.mutable_since() = ToTimestamp(verdict.since);
      described.set_reason(std::move(verdict.reason));
      for (std::string& row : verdict.evidence) described.add_evidence(std::move(row));
      described.set_evidence_left_out(verdict.evidence_left_out);
      described.set_silent(silent != silent_.end());
      bytes += described.ByteSizeLong();
    }
  }
  return verdicts;
}

}  // namespace dragnet::scheduler
