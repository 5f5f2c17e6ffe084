#include "scheduler/api/sweeps.h"

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMinFragment = 4;
constexpr size_t kUuidBytes = 36;

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
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> ids, store.MatchActions(fragment, 2));
  if (ids.size() > 1)
    return absl::InvalidArgumentError(
        StrCat("several actions have ", fragment, " in their id: give more of it"));
  if (ids.empty()) return absl::NotFoundError(StrCat("no action ", fragment));
  return store.FindAction(ids[0]);
}

absl::flat_hash_set<std::string> SilentAgents(const std::vector<SweepAgent>& agents,
                                              const SweepTerms& terms, absl::Time now,
                                              bool paused) {
  absl::flat_hash_set<std::string> silent;
  const std::vector<absl::Time> due = terms.Due(now, 2);
  if (due.size() < 2 || paused) return silent;
  for (const SweepAgent& agent : agents)
    if (agent.accepted_at <= due[1] && agent.last_told < due[1]) silent.insert(agent.id);
  return silent;
}

v1::SweepRun DescribeRun(const StoredRun& run, const std::vector<SweepAgent>& agents) {
  v1::SweepRun described;
  *described.mutable_occurrence() = ToTimestamp(run.occurrence);
  described.set_action_id(run.action_id);
  *described.mutable_verdicts() = run.verdicts;
  *described.mutable_agents() = run.agents;
  // Of a run that was launched by hand, its own pairs say who hasn't told.
  if (run.extra) return described;
  const auto had_it = static_cast<uint64_t>(
      std::count_if(agents.begin(), agents.end(),
                    [&](const SweepAgent& agent) { return agent.accepted_at <= run.occurrence; }));
  described.set_silent(had_it > run.told ? had_it - run.told : 0);
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
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<SweepAgent> with_it, store.SweepAgents(sweep.id));
  reader.silent_ =
      SilentAgents(with_it, reader.terms_, clock.Now(), phase.phase == v1::DISPATCH_PHASE_PAUSED);
  DRAGNET_ASSIGN_OR_RETURN(reader.agent_ids_, store.AgentsWithVerdicts(sweep.id));
  if (request.agent_ids().empty()) return reader;
  const absl::flat_hash_set<std::string> wanted(request.agent_ids().begin(),
                                                request.agent_ids().end());
  std::erase_if(reader.agent_ids_, [&](const std::string& id) { return !wanted.contains(id); });
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
      described.set_silent(silent_.contains(agent));
      bytes += described.ByteSizeLong();
    }
  }
  return verdicts;
}

}  // namespace dragnet::scheduler
