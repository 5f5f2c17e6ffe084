// The part of InvestigatorApi about sweeps.
#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/api/investigator_api.h"
#include "scheduler/api/sweeps.h"

namespace dragnet::scheduler {
namespace {

constexpr int kMaxSweeps = 256;
constexpr uint32_t kDefaultRuns = 100;
constexpr uint32_t kMaxRuns = 1000;
constexpr size_t kMaxTrendRuns = 100;
// Of trends, however many checks there are: consoles take messages of 4 MiB.
constexpr size_t kMaxTrendCounts = 100'000;
constexpr size_t kMaxPageBytes = 2 * 1024 * 1024;
constexpr uint32_t kDefaultChanges = 1000;
constexpr uint32_t kMaxChanges = 10'000;

absl::StatusOr<absl::Time> Since(bool is_set, const google::protobuf::Timestamp& since) {
  return is_set ? ToTime(since) : absl::InfinitePast();
}

}  // namespace

absl::Status InvestigatorApi::DescribeSweep(const StoredAction& action, const SweepTerms& terms,
                                            v1::SweepInfo* info) {
  DRAGNET_RETURN_IF_ERROR(Describe(action, info->mutable_action()));
  const absl::Time now = clock_.Now();
  const v1::DispatchPhase phase = info->action().phase();
  const std::optional<absl::Time> next = terms.NextAfter(now);
  if (next.has_value() && phase == v1::DISPATCH_PHASE_OPEN)
    *info->mutable_next() = ToTimestamp(*next);
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredRun> last,
                           store_.Runs(action.id, absl::InfinitePast(), 1));
  if (!last.empty()) *info->mutable_last() = DescribeRun(last[0]);
  DRAGNET_ASSIGN_OR_RETURN(NewestCounts counts, store_.CountNewest(action.id));
  *info->mutable_agents() = std::move(counts.agents);
  *info->mutable_verdicts() = std::move(counts.verdicts);
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<absl::Time> silent_since,
                           SilentSince(store_, action, terms, phase, now));
  DRAGNET_ASSIGN_OR_RETURN(const SweepAgentCounts agents,
                           store_.CountSweepAgents(action.id, silent_since));
  info->set_agents_with_it(agents.with_it);
  // Beyond the limit of agents that was signed, they are to have none.
  const uint64_t left_out = dispatcher_.HeldBackOf(action.id) == HeldBack::kAll
                                ? info->action().progress().held_back()
                                : 0;
  info->set_agents_without_it(agents.without_it - std::min(agents.without_it, left_out));
  info->set_agents_silent(agents.silent);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::ListSweeps(const v1::ListSweepsRequest& request,
                                         v1::ListSweepsResponse* response) {
  const absl::Time now = clock_.Now();
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t count, store_.CountSweeps(request.with_ended(), now));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredAction> sweeps,
                           store_.ListSweeps(request.with_ended(), now, kMaxSweeps));
  size_t bytes = 0;
  for (const StoredAction& sweep : sweeps) {
    bytes += sweep.envelope.size();
    if (bytes > kMaxPageBytes && response->sweeps_size() > 0) break;
    const absl::StatusOr<SweepTerms> terms = SweepTerms::OfEnvelope(sweep.envelope);
    // One that this version can't read is no reason to show none.
    if (!terms.ok()) continue;
    DRAGNET_RETURN_IF_ERROR(DescribeSweep(sweep, *terms, response->add_sweeps()));
  }
  const auto shown = static_cast<uint64_t>(response->sweeps_size());
  // One may have been launched in between.
  response->set_left_out(count > shown ? count - shown : 0);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::GetSweep(const v1::GetSweepRequest& request,
                                       v1::GetSweepResponse* response) {
  if (request.runs() > kMaxRuns)
    return absl::InvalidArgumentError(StrCat("runs: at most ", kMaxRuns));
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time since, Since(request.has_since(), request.since()));
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction sweep, FindSweep(store_, request.action_id()));
  DRAGNET_ASSIGN_OR_RETURN(const SweepTerms terms, SweepTerms::OfEnvelope(sweep.envelope));
  DRAGNET_RETURN_IF_ERROR(DescribeSweep(sweep, terms, response->mutable_sweep()));

  const std::vector<SweepCheck>& checks = terms.checks();
  DRAGNET_ASSIGN_OR_RETURN(std::vector<v1::VerdictCounts> newest, store_.CountByCheck(sweep.id));
  newest.resize(checks.size());
  for (size_t i = 0; i < checks.size(); ++i) {
    v1::GetSweepResponse::CheckCounts* counts = response->add_checks();
    counts->set_check(checks[i].name);
    *counts->mutable_verdicts() = newest[i];
    response->add_trends()->set_check(checks[i].name);
  }
  const uint32_t limit = request.runs() == 0 ? kDefaultRuns : request.runs();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredRun> runs,
                           store_.Runs(sweep.id, since, static_cast<int>(limit)));
  size_t with_trend = std::min(runs.size(), kMaxTrendRuns);
  if (!checks.empty()) with_trend = std::min(with_trend, kMaxTrendCounts / checks.size());
  for (size_t run = 0; run < runs.size(); ++run) {
    *response->add_runs() = DescribeRun(runs[run]);
    if (run >= with_trend) continue;
    DRAGNET_ASSIGN_OR_RETURN(std::vector<v1::VerdictCounts> counts,
                             store_.CountByCheck(runs[run].action_id));
    counts.resize(checks.size());
    for (size_t i = 0; i < checks.size(); ++i)
      *response->mutable_trends(static_cast<int>(i))->add_verdicts() = counts[i];
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::SweepChanges(const v1::SweepChangesRequest& request,
                                           v1::SweepChangesResponse* response) {
  if (request.page_size() > kMaxChanges)
    return absl::InvalidArgumentError(StrCat("page_size: at most ", kMaxChanges));
  const size_t page_size = request.page_size() == 0 ? kDefaultChanges : request.page_size();
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time since, Since(request.has_since(), request.since()));
  uint64_t before = 0;
  if (!request.page_token().empty() &&
      (!absl::SimpleAtoi(request.page_token(), &before) || before == 0 || before > INT64_MAX))
    return absl::InvalidArgumentError("page_token: not one of a previous answer");
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction sweep, FindSweep(store_, request.action_id()));
  DRAGNET_ASSIGN_OR_RETURN(const SweepTerms terms, SweepTerms::OfEnvelope(sweep.envelope));
  // One more, to know whether there is one more.
  DRAGNET_ASSIGN_OR_RETURN(
      const std::vector<StoredSweepChange> changes,
      store_.SweepChanges(sweep.id, since, before, static_cast<int>(page_size) + 1));
  size_t bytes = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    if (i == page_size || bytes > kMaxPageBytes) {
      response->set_next_page_token(StrCat(changes[i - 1].position));
      break;
    }
    v1::SweepChange* change = response->add_changes();
    *change = DescribeChange(changes[i], sweep.id, terms.checks());
    bytes += change->ByteSizeLong();
  }
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
