// The part of SqlStore that reads what sweeps have told.
#include <algorithm>
#include <optional>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/action_rows.h"
#include "scheduler/store/sql_store.h"
#include "scheduler/store/sweep_tables.h"

namespace dragnet::scheduler {
namespace {

// Agents by their worst verdict, in sweep_counts.
constexpr int kAgents = -1;

absl::StatusOr<int64_t> SweepNumber(Database& database, std::string_view id) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t no,
      database.IntegerOr(
          0, "SELECT s.action FROM actions a JOIN sweeps s ON s.action = a.no WHERE a.id = ?", id));
  if (no == 0) return absl::NotFoundError(StrCat("no sweep ", id));
  return no;
}

void AddTo(VerdictStatus status, int64_t count, v1::VerdictCounts* counts) {
  const uint64_t added = count < 0 ? 0 : static_cast<uint64_t>(count);
  switch (status) {
    case VerdictStatus::kNone:
      return;
    case VerdictStatus::kNotApplicable:
      return counts->set_not_applicable(counts->not_applicable() + added);
    case VerdictStatus::kPass:
      return counts->set_passed(counts->passed() + added);
    case VerdictStatus::kUnknown:
      return counts->set_unknown(counts->unknown() + added);
    case VerdictStatus::kFail:
      return counts->set_failed(counts->failed() + added);
  }
}

// Of a run, or of the newest verdicts of a sweep.
absl::Status ReadCounts(Database& database, int64_t action, v1::VerdictCounts* verdicts,
                        v1::VerdictCounts* agents) {
  Query query =
      database.Ask("SELECT check_no, status, agents FROM sweep_counts WHERE action = ?", action);
  while (query.Next())
    AddTo(static_cast<VerdictStatus>(query.Integer(1)), query.Integer(2),
          query.Integer(0) == kAgents ? agents : verdicts);
  return query.status();
}

absl::Status ReadText(Database& database, int64_t sweep, int64_t agent, StoredVerdict* verdict) {
  Query query = database.Ask(
      "SELECT reason, evidence, left_out FROM sweep_texts"
      " WHERE sweep = ? AND agent = ? AND check_no = ?",
      sweep, agent, verdict->check);
  if (!query.Next()) return query.status();
  verdict->reason = query.Text(0);
  v1::SweepVerdict kept;
  if (!kept.ParseFromString(query.Text(1)))
    return absl::DataLossError("stored evidence doesn't parse");
  verdict->evidence.assign(kept.evidence().begin(), kept.evidence().end());
  verdict->evidence_left_out = static_cast<uint64_t>(query.Integer(2));
  return absl::OkStatus();
}

// When agents took a sweep on, and when they left it; rising. For many runs at once.
struct Members {
  std::vector<int64_t> accepted;
  std::vector<int64_t> gone;

  // An agent is gone after it came.
  int64_t CountAt(int64_t occurrence) const {
    const auto until = [&](const std::vector<int64_t>& times) {
      return std::upper_bound(times.begin(), times.end(), occurrence) - times.begin();
    };
    return until(accepted) - until(gone);
  }
};

absl::StatusOr<Members> ReadMembers(Database& database, int64_t sweep) {
  Members members;
  Query query = database.Ask(
      "SELECT accepted, gone FROM sweep_agents WHERE sweep = ? AND accepted != 0", sweep);
  while (query.Next()) {
    members.accepted.push_back(query.Integer(0));
    if (query.Integer(1) != 0) members.gone.push_back(query.Integer(1));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  std::sort(members.accepted.begin(), members.accepted.end());
  std::sort(members.gone.begin(), members.gone.end());
  return members;
}

}  // namespace

absl::StatusOr<std::vector<StoredAction>> SqlStore::ListSweeps(bool with_ended, absl::Time now,
                                                               int limit) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(DRAGNET_ACTION_COLUMNS
                              "WHERE no IN (SELECT action FROM sweeps WHERE ?1 != 0 OR ends >= ?2)"
                              " AND (?1 != 0 OR cancelled = 0) ORDER BY no DESC LIMIT ?3",
                              with_ended, now, limit);
  std::vector<StoredAction> sweeps;
  while (query.Next()) sweeps.push_back(ActionOf(query));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return sweeps;
}

absl::StatusOr<uint64_t> SqlStore::CountSweeps(bool with_ended, absl::Time now) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t count,
      database->IntegerOr(0,
                          "SELECT count(*) FROM sweeps s JOIN actions a ON a.no = s.action"
                          " WHERE ?1 != 0 OR (s.ends >= ?2 AND a.cancelled = 0)",
                          with_ended, now));
  return static_cast<uint64_t>(count);
}

absl::StatusOr<NewestCounts> SqlStore::CountNewest(std::string_view sweep_id) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  NewestCounts counts;
  DRAGNET_RETURN_IF_ERROR(ReadCounts(*database, sweep, &counts.verdicts, &counts.agents));
  return counts;
}

absl::StatusOr<std::vector<v1::VerdictCounts>> SqlStore::CountByCheck(std::string_view action_id) {
  ReadPool::Loan database = readers_->Take();
  std::vector<v1::VerdictCounts> counts;
  Query query = database->Ask(
      "SELECT check_no, status, agents FROM sweep_counts"
      " WHERE action = (SELECT no FROM actions WHERE id = ?) AND check_no >= 0",
      action_id);
  while (query.Next()) {
    const size_t check = static_cast<size_t>(query.Integer(0));
    if (check >= counts.size()) counts.resize(check + 1);
    AddTo(static_cast<VerdictStatus>(query.Integer(1)), query.Integer(2), &counts[check]);
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return counts;
}

absl::StatusOr<std::vector<StoredRun>> SqlStore::Runs(std::string_view sweep_id, absl::Time since,
                                                      int limit) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  const int64_t after = since == absl::InfinitePast() ? -1 : absl::ToUnixSeconds(since);
  std::vector<StoredRun> runs;
  std::vector<int64_t> numbers;
  std::optional<Members> members;
  {
    // An extra run that no one has told of is none yet; a scheduled one is from when an
    // agent said something of it, if only that it refuses it.
    Query query = database->Ask(
        "SELECT r.run, a.id, r.occurrence, r.extra, r.told, r.told_with_it, r.silent"
        " FROM sweep_runs r JOIN actions a ON a.no = r.run"
        " WHERE r.sweep = ? AND r.occurrence > ? AND (r.told > 0 OR r.extra = 0)"
        " ORDER BY r.occurrence DESC, r.run DESC LIMIT ?",
        sweep, after, limit);
    while (query.Next()) {
      numbers.push_back(query.Integer(0));
      StoredRun& run = runs.emplace_back();
      run.action_id = query.Text(1);
      run.occurrence = absl::FromUnixSeconds(query.Integer(2));
      run.extra = query.Integer(3) != 0;
      run.told = static_cast<uint64_t>(query.Integer(4));
      // Of a run that was launched by hand, its own pairs say who hasn't told.
      if (run.extra) continue;
      if (!query.IsNull(6)) {
        run.silent = static_cast<uint64_t>(query.Integer(6));
        continue;
      }
      if (!members.has_value()) {
        DRAGNET_ASSIGN_OR_RETURN(members, ReadMembers(*database, sweep));
      }
      run.silent = static_cast<uint64_t>(
          std::max<int64_t>(0, members->CountAt(query.Integer(2)) - query.Integer(5)));
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  for (size_t i = 0; i < runs.size(); ++i)
    DRAGNET_RETURN_IF_ERROR(ReadCounts(*database, numbers[i], &runs[i].verdicts, &runs[i].agents));
  return runs;
}

absl::StatusOr<std::vector<SweepAgent>> SqlStore::SweepAgents(std::string_view sweep_id) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  Query query = database->Ask(
      "SELECT g.id, w.accepted, w.gone, w.last_told FROM sweep_agents w"
      " JOIN agents g ON g.no = w.agent WHERE w.sweep = ? AND g.revoked = 0 ORDER BY g.name, g.id",
      sweep);
  std::vector<SweepAgent> agents;
  while (query.Next()) {
    SweepAgent& agent = agents.emplace_back();
    agent.id = query.Text(0);
    agent.has_it = query.Integer(1) != 0 && query.Integer(2) == 0;
    agent.accepted_at = absl::FromUnixSeconds(query.Integer(1));
    if (query.Integer(3) != 0) agent.last_told = absl::FromUnixSeconds(query.Integer(3));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return agents;
}

absl::StatusOr<SweepAgentCounts> SqlStore::CountSweepAgents(
    std::string_view sweep_id, std::optional<absl::Time> silent_since) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  SweepAgentCounts counts;
  // As IsSilent.
  Query query = database->Ask(
      "SELECT w.accepted != 0 AND w.gone = 0, w.accepted <= ?2 AND w.last_told < ?2, count(*)"
      " FROM sweep_agents w JOIN agents g ON g.no = w.agent"
      " WHERE w.sweep = ?1 AND g.revoked = 0 GROUP BY 1, 2",
      sweep, silent_since.has_value() ? absl::ToUnixSeconds(*silent_since) : int64_t{-1});
  while (query.Next()) {
    const auto agents = static_cast<uint64_t>(query.Integer(2));
    if (query.Integer(0) == 0) {
      counts.without_it += agents;
      continue;
    }
    counts.with_it += agents;
    if (query.Integer(1) != 0) counts.silent += agents;
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return counts;
}

absl::StatusOr<std::vector<std::string>> SqlStore::AgentsWithVerdicts(std::string_view sweep_id) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  Query query = database->Ask(
      "SELECT g.id FROM sweep_states s JOIN agents g ON g.no = s.agent"
      " WHERE s.sweep = ? AND s.worst > 0 ORDER BY g.name, g.id",
      sweep);
  std::vector<std::string> agents;
  while (query.Next()) agents.push_back(query.Text(0));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return agents;
}

absl::StatusOr<std::vector<StoredVerdict>> SqlStore::NewestVerdicts(std::string_view sweep_id,
                                                                    std::string_view agent_id) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent,
                           database->IntegerOr(0, "SELECT no FROM agents WHERE id = ?", agent_id));
  // States and texts of the same moment.
  return InSnapshot(*database, [&]() -> absl::StatusOr<std::vector<StoredVerdict>> {
    std::vector<CheckState> states;
    {
      Query query = database->Ask("SELECT states FROM sweep_states WHERE sweep = ? AND agent = ?",
                                  sweep, agent);
      if (query.Next()) {
        DRAGNET_ASSIGN_OR_RETURN(states, UnpackStates(query.View(0)));
      }
      DRAGNET_RETURN_IF_ERROR(query.status());
    }
    std::vector<StoredVerdict> verdicts;
    for (size_t check = 0; check < states.size(); ++check) {
      const CheckState& state = states[check];
      if (state.status == VerdictStatus::kNone) continue;
      StoredVerdict& verdict = verdicts.emplace_back();
      verdict.check = static_cast<uint32_t>(check);
      verdict.status = state.status;
      verdict.occurrence = absl::FromUnixSeconds(state.occurrence);
      verdict.since = absl::FromUnixSeconds(state.since);
      if (state.text_hash != 0)
        DRAGNET_RETURN_IF_ERROR(ReadText(*database, sweep, agent, &verdict));
    }
    return verdicts;
  });
}

absl::StatusOr<std::vector<StoredSweepChange>> SqlStore::SweepChanges(std::string_view sweep_id,
                                                                      absl::Time since,
                                                                      uint64_t before, int limit) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t sweep, SweepNumber(*database, sweep_id));
  const int64_t after = since == absl::InfinitePast() ? -1 : absl::ToUnixSeconds(since);
  Query query = database->Ask(
      "SELECT c.position, g.id, g.name, c.check_no, c.before, c.after, c.occurrence, c.reason"
      " FROM sweep_changes c JOIN agents g ON g.no = c.agent"
      " WHERE c.sweep = ?1 AND c.occurrence > ?2 AND (?3 = 0 OR c.position < ?3)"
      " ORDER BY c.position DESC LIMIT ?4",
      sweep, after, before, limit);
  std::vector<StoredSweepChange> changes;
  while (query.Next()) {
    StoredSweepChange& change = changes.emplace_back();
    change.position = static_cast<uint64_t>(query.Integer(0));
    change.agent_id = query.Text(1);
    change.agent_name = query.Text(2);
    change.check = static_cast<uint32_t>(query.Integer(3));
    change.from = static_cast<VerdictStatus>(query.Integer(4));
    change.to = static_cast<VerdictStatus>(query.Integer(5));
    change.occurrence = absl::FromUnixSeconds(query.Integer(6));
    change.reason = query.Text(7);
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return changes;
}

}  // namespace dragnet::scheduler
