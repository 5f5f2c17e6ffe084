#include "scheduler/store/record_tables.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/store/all_changes.h"
#include "scheduler/store/retention.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxRefusalDetail = 1024;
constexpr size_t kSha256Bytes = 32;
// How many actions' numbers are kept at hand.
constexpr size_t kMaxCachedActions = 1000;
// How much of pairs: some ten thousand that run.
constexpr size_t kMaxPairBytes = 32 * 1024 * 1024;
// About, of a record's row, with its places in indexes.
constexpr int64_t kBytesBesideRows = 200;
// In one question to a remote database.
constexpr size_t kAgentsAtOnce = 1000;

// A refusal as it is kept: from a host, so bounded before it is stored.
v1::Refusal BoundedRefusal(const v1::Refusal& refusal) {
  v1::Refusal bounded;
  bounded.set_reason(refusal.reason());
  bounded.set_detail(Shorten(refusal.detail(), kMaxRefusalDetail));
  if (refusal.envelope_sha256().size() == kSha256Bytes)
    bounded.set_envelope_sha256(refusal.envelope_sha256());
  *bounded.mutable_refused_at() = refusal.refused_at();
  return bounded;
}

size_t BytesOf(const Pair& pair) {
  size_t bytes = 512 + pair.drop_reason.size() + pair.detail.size();
  for (const OperationProgress& operation : pair.operations) {
    bytes += sizeof(operation) + operation.missing.size() * sizeof(uint64_t);
    if (operation.summary.has_value()) bytes += operation.summary->SpaceUsedLong();
  }
  return bytes;
}

// All operations of such a pair have ended.
bool HasEnded(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_FOUND || state == v1::DISPATCH_STATE_CLEAN ||
         state == v1::DISPATCH_STATE_INCOMPLETE;
}

}  // namespace

void AddPairsOf(std::string_view agent_id, const v1::ResultRecord& record,
                std::vector<PairName>* pairs) {
  pairs->push_back({record.action_id(), std::string(agent_id)});
  if (record.occurrence() != 0)
    pairs->push_back({RunId(record.action_id(), record.occurrence()), std::string(agent_id)});
}

void RecordTables::ForgetPairs() {
  absent_.clear();
  changed_.clear();
  pairs_.clear();
  pair_bytes_ = 0;
}

void RecordTables::Forget() {
  actions_.clear();
  agents_.clear();
  ForgetPairs();
  sweeps_.Forget();
}

absl::StatusOr<const RecordTables::Action*> RecordTables::FindAction(Database& database,
                                                                     std::string_view action_id) {
  if (auto found = actions_.find(ToAbsl(action_id)); found != actions_.end()) return &found->second;
  Action action;
  DRAGNET_ASSIGN_OR_RETURN(action.no,
                           database.IntegerOr(0, "SELECT no FROM actions WHERE id = ?", action_id));
  if (action.no == 0) return nullptr;
  Query query = database.Ask(
      "SELECT rows, bytes FROM action_bounds WHERE action = ? ORDER BY operation", action.no);
  while (query.Next())
    action.bounds.push_back({.rows = static_cast<uint64_t>(query.Integer(0)),
                             .bytes = static_cast<uint64_t>(query.Integer(1))});
  DRAGNET_RETURN_IF_ERROR(query.status());
  DRAGNET_ASSIGN_OR_RETURN(action.results_removed_at, RemovedAt(database, action.no));
  DRAGNET_ASSIGN_OR_RETURN(action.sweep, SweepTables::RoleOf(database, action.no));
  if (action.sweep.extra) {
    Query sweep = database.Ask("SELECT id FROM actions WHERE no = ?", action.sweep.sweep);
    if (sweep.Next()) action.sweep_id = sweep.Text(0);
    DRAGNET_RETURN_IF_ERROR(sweep.status());
  }
  if (actions_.size() >= kMaxCachedActions) actions_.clear();
  return &actions_.emplace(std::string(action_id), std::move(action)).first->second;
}

absl::StatusOr<int64_t> RecordTables::FindAgent(Database& database, std::string_view agent_id) {
  if (auto found = agents_.find(ToAbsl(agent_id)); found != agents_.end()) return found->second;
  DRAGNET_ASSIGN_OR_RETURN(const int64_t no,
                           database.IntegerOr(0, "SELECT no FROM agents WHERE id = ?", agent_id));
  if (no != 0) agents_.emplace(std::string(agent_id), no);
  return no;
}

absl::StatusOr<RecordTables::KnownPair*> RecordTables::FindPair(Database& database,
                                                                const Action& action,
                                                                int64_t agent) {
  const std::pair<int64_t, int64_t> key(action.no, agent);
  if (auto found = pairs_.find(key); found != pairs_.end()) return &found->second;
  if (absent_.contains(key)) return nullptr;
  if (pair_bytes_ > kMaxPairBytes) {
    DRAGNET_RETURN_IF_ERROR(Flush(database));
    ForgetPairs();
  }
  DRAGNET_ASSIGN_OR_RETURN(std::optional<Pair> pair,
                           ReadPair(database, action.no, agent, action.bounds.size()));
  if (!pair.has_value()) return nullptr;
  return Keep(action, agent, *std::move(pair));
}

RecordTables::KnownPair* RecordTables::Keep(const Action& action, int64_t agent, Pair pair) {
  absent_.erase(std::pair(action.no, agent));
  KnownPair& known = pairs_[std::pair(action.no, agent)];
  known.action = action.no;
  known.agent = agent;
  known.sweep = action.sweep.is_sweep ? SweepRole() : action.sweep;
  known.own_sweep = action.sweep.is_sweep ? action.no : 0;
  known.bytes = BytesOf(pair);
  known.pair = std::move(pair);
  pair_bytes_ += known.bytes;
  return &known;
}

absl::Status RecordTables::LookUpAgents(Database& database, const std::vector<std::string>& ids) {
  if (!database.remote()) return absl::OkStatus();
  std::vector<std::string> unknown;
  const auto look_up = [&]() -> absl::Status {
    if (unknown.empty()) return absl::OkStatus();
    Query query = database.Ask("SELECT id, no FROM agents WHERE id = ANY (?)", unknown);
    while (query.Next()) agents_.emplace(query.Text(0), query.Integer(1));
    unknown.clear();
    return query.status();
  };
  for (const std::string& id : ids) {
    if (!agents_.contains(id)) unknown.push_back(id);
    if (unknown.size() == kAgentsAtOnce) DRAGNET_RETURN_IF_ERROR(look_up());
  }
  return look_up();
}

absl::Status RecordTables::LookAhead(Database& database, const std::vector<PairName>& pairs) {
  std::map<std::string, std::set<std::string>> agents_of;
  std::vector<std::string> agents;
  for (const PairName& pair : pairs)
    if (agents_of[pair.action_id].insert(pair.agent_id).second) agents.push_back(pair.agent_id);
  DRAGNET_RETURN_IF_ERROR(LookUpAgents(database, agents));
  for (const auto& [action_id, ids] : agents_of) {
    // What is brought and forgotten again is of no use.
    if (pair_bytes_ > kMaxPairBytes / 2) return absl::OkStatus();
    DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
    if (action == nullptr) continue;
    std::vector<int64_t> unknown;
    for (const std::string& id : ids) {
      const auto agent = agents_.find(id);
      if (agent != agents_.end() && !pairs_.contains(std::pair(action->no, agent->second)))
        unknown.push_back(agent->second);
    }
    DRAGNET_RETURN_IF_ERROR(
        ReadPairs(database, action->no, unknown, action->bounds.size(),
                  [&](int64_t agent, Pair pair) { Keep(*action, agent, std::move(pair)); }));
    for (const int64_t agent : unknown) {
      const std::pair<int64_t, int64_t> key(action->no, agent);
      if (!pairs_.contains(key)) absent_.insert(key);
    }
  }
  return absl::OkStatus();
}

template <typename Update>
void RecordTables::Change(KnownPair* known, Update update) {
  Pair& pair = known->pair;
  const v1::DispatchState state = pair.state;
  const bool refused = pair.refusal.has_value();
  const std::string detail = pair.detail;
  const bool summary_added = update(&pair);
  if (!known->changed) changed_.push_back(known);
  known->changed = true;
  if (summary_added || state != pair.state || detail != pair.detail ||
      refused != pair.refusal.has_value())
    known->new_position = ++last_position_;
  pair_bytes_ -= known->bytes;
  known->bytes = BytesOf(pair);
  pair_bytes_ += known->bytes;
}

absl::StatusOr<Appended> RecordTables::Append(Database& database, std::string_view agent_id,
                                              const v1::ResultRecord& record, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  if (agent == 0) return absl::NotFoundError(StrCat("no agent ", agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, record.action_id()));
  // The id of a run is no agent's to name.
  if (action != nullptr && SweepOfRunId(record.action_id()).has_value()) action = nullptr;
  // What it refuses before it takes it on is about the sweep itself.
  if (action != nullptr && action->sweep.is_sweep &&
      (record.occurrence() != 0 || !record.has_refusal()))
    return AppendToRun(database, agent_id, record, now);
  KnownPair* known = nullptr;
  if (action != nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(known, FindPair(database, *action, agent));
  }
  const bool removed = action != nullptr && action->results_removed_at.has_value();
  // What is left of an action after retention says how it was; no agent changes that.
  if (record.has_refusal())
    return AppendRefusal(database, agent, record, removed ? nullptr : known);
  if (removed)
    return Drop(database, agent, record,
                absl::FailedPreconditionError("retention has removed this action's results"));
  if (action == nullptr) {
    // Made up; or launched after the backup that this store was restored from.
    TheMetrics().records_of_unknown_actions.Add();
    return Drop(
        database, agent, record,
        absl::PermissionDeniedError("a record of an action that this scheduler doesn't know"));
  }
  if (known == nullptr)
    return Drop(database, agent, record,
                absl::PermissionDeniedError("a record of an action that it was not sent"));
  return AppendToPair(database, *action, record, known);
}

absl::StatusOr<std::vector<Appended>> RecordTables::AppendAll(
    Database& database, const std::vector<AgentRecord>& records) {
  if (database.remote()) {
    std::vector<PairName> pairs;
    for (const AgentRecord& record : records) AddPairsOf(record.agent_id, record.record, &pairs);
    DRAGNET_RETURN_IF_ERROR(LookAhead(database, pairs));
  }
  std::vector<Appended> all;
  all.reserve(records.size());
  for (const AgentRecord& record : records) {
    absl::StatusOr<Appended> appended =
        Append(database, record.agent_id, record.record, record.received);
    if (Database::IsError(appended.status())) return appended.status();
    if (!appended.ok()) {
      // Others of the batch must not wait for ever for one that can't be stored.
      Appended dropped;
      dropped.dropped = appended.status();
      appended = std::move(dropped);
    }
    all.push_back(*std::move(appended));
  }
  return all;
}

absl::StatusOr<Appended> RecordTables::Drop(Database& database, int64_t agent,
                                            const v1::ResultRecord& record,
                                            const absl::Status& reason) {
  Appended appended;
  appended.dropped = reason;
  DRAGNET_RETURN_IF_ERROR(NoteDropped(database, agent, record, reason));
  return appended;
}

absl::StatusOr<Appended> RecordTables::AppendToRun(Database& database, std::string_view agent_id,
                                                   const v1::ResultRecord& record, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const Action* sweep, FindAction(database, record.action_id()));
  const int64_t sweep_no = sweep->no;
  const auto drop = [&](const absl::Status& reason) -> absl::StatusOr<Appended> {
    // What an agent refused is kept, whatever it is of.
    if (record.has_refusal()) return AppendRefusal(database, agent, record, nullptr);
    return Drop(database, agent, record, reason);
  };
  if (sweep->results_removed_at.has_value())
    return drop(absl::FailedPreconditionError("retention has removed this action's results"));
  DRAGNET_ASSIGN_OR_RETURN(KnownPair * own, FindPair(database, *sweep, agent));
  if (own == nullptr)
    return drop(absl::PermissionDeniedError("a record of an action that it was not sent"));
  if (record.occurrence() == 0)
    return drop(absl::InvalidArgumentError("a record of a sweep, without its occurrence"));
  const std::string run_id = RunId(record.action_id(), record.occurrence());
  DRAGNET_ASSIGN_OR_RETURN(const Action* run, FindAction(database, run_id));
  if (run == nullptr) {
    const absl::Status valid =
        sweeps_.CheckOccurrence(database, sweep_no, agent, record.occurrence(), now);
    if (Database::IsError(valid)) return valid;
    if (!valid.ok()) return drop(valid);
    DRAGNET_RETURN_IF_ERROR(
        sweeps_.AddRun(database, sweep_no, record.action_id(), record.occurrence()));
    DRAGNET_ASSIGN_OR_RETURN(run, FindAction(database, run_id));
  }
  if (run->results_removed_at.has_value())
    return drop(absl::FailedPreconditionError("retention has removed this run's results"));
  // That it has the sweep was lost on the way.
  if (own->pair.state == v1::DISPATCH_STATE_SENT)
    Change(own, [](Pair* pair) {
      OnAccepted(pair);
      return false;
    });
  DRAGNET_ASSIGN_OR_RETURN(KnownPair * known, FindPair(database, *run, agent));
  if (known == nullptr) {
    const absl::Status valid =
        sweeps_.CheckWasForIt(database, sweep_no, agent, record.occurrence());
    if (Database::IsError(valid)) return valid;
    if (!valid.ok()) return drop(valid);
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "INSERT INTO pairs (action, agent, state, position, stored_at) VALUES (?, ?, ?, ?, ?)",
        run->no, agent, static_cast<int>(v1::DISPATCH_STATE_RUNNING), ++last_position_,
        absl::Now()));
    Pair begun;
    begun.state = v1::DISPATCH_STATE_RUNNING;
    begun.operations.resize(run->bounds.size());
    known = Keep(*run, agent, std::move(begun));
  }
  absl::StatusOr<Appended> appended = record.has_refusal()
                                          ? AppendRefusal(database, agent, record, known)
                                          : AppendToPair(database, *run, record, known);
  if (appended.ok()) {
    appended->run_id = run_id;
    appended->sweep_id = record.action_id();
  }
  return appended;
}

// The pair changes last: whatever fails before leaves it as it was.
absl::StatusOr<Appended> RecordTables::AppendToPair(Database& database, const Action& action,
                                                    const v1::ResultRecord& record,
                                                    KnownPair* known) {
  Appended appended;
  // Extra runs are ordinary actions.
  const int64_t occurrence = action.sweep.extra ? 0 : action.sweep.occurrence;
  appended.duplicate = IsDuplicate(record, known->pair, occurrence);
  appended.sweep_id = action.sweep_id;
  appended.state = known->pair.state;
  if (appended.duplicate) return appended;

  appended.dropped =
      CheckRecord(record, record.ByteSizeLong(), known->pair, action.bounds, occurrence);
  SweepTables::Verdicts verdicts;
  if (appended.dropped.ok() && action.sweep.sweep != 0 && record.has_rows()) {
    absl::StatusOr<SweepTables::Verdicts> read =
        sweeps_.Read(database, action.sweep, action.no, known->agent, record);
    if (read.ok()) {
      verdicts = *std::move(read);
    } else if (absl::IsInvalidArgument(read.status())) {
      appended.dropped = read.status();
    } else {
      return read.status();
    }
  }
  if (appended.dropped.ok()) {
    if (record.has_rows())
      DRAGNET_RETURN_IF_ERROR(InsertRows(database, action.no, known->agent, record));
    if (action.sweep.sweep != 0)
      DRAGNET_RETURN_IF_ERROR(sweeps_.Store(database, action.sweep, action.no, known->agent,
                                            std::move(verdicts), &last_position_));
    known->changed_operations |= uint32_t{1} << record.operation();
    Change(known, [&](Pair* pair) {
      OnRecord(record, pair);
      return record.has_summary();
    });
  } else if (absl::IsOutOfRange(appended.dropped)) {
    appended.over_bounds = !known->pair.operations[record.operation()].summary.has_value();
    DRAGNET_RETURN_IF_ERROR(DropOverBounds(database, record, appended.dropped, known));
  } else {
    DRAGNET_RETURN_IF_ERROR(NoteDropped(database, known->agent, record, appended.dropped));
    Change(known, [&](Pair* pair) {
      OnDropped(appended.dropped, pair);
      return false;
    });
  }
  appended.state = known->pair.state;
  return appended;
}

// There may be very many: only the first is worth a row.
absl::Status RecordTables::DropOverBounds(Database& database, const v1::ResultRecord& record,
                                          const absl::Status& reason, KnownPair* known) {
  const uint32_t bit = uint32_t{1} << record.operation();
  if ((known->noted_over_bounds & bit) == 0)
    DRAGNET_RETURN_IF_ERROR(NoteDropped(database, known->agent, record, reason));
  known->noted_over_bounds |= bit;
  known->changed_operations |= bit;
  Change(known, [&](Pair* pair) {
    OnOverBounds(record, reason, pair);
    return false;
  });
  return absl::OkStatus();
}

absl::Status RecordTables::InsertRows(Database& database, int64_t action, int64_t agent,
                                      const v1::ResultRecord& record) {
  const std::string rows = record.rows().SerializeAsString();
  stored_bytes_ += kBytesBesideRows + static_cast<int64_t>(rows.size());
  return database.Append(
      "records (position, action, agent, occurrence, operation, sequence, rows, stored_at)",
      ++last_position_, action, agent, record.occurrence(), record.operation(), record.sequence(),
      rows, absl::Now());
}

void RecordTables::CountRemoved(int64_t records, int64_t bytes) {
  stored_bytes_ -= records * kBytesBesideRows + bytes;
}

absl::Status RecordTables::Flush(Database& database) {
  // What comes next may add pairs behind the back of what is known here.
  absent_.clear();
  // In the order of the table, so that neighbours are written while their page
  // is at hand.
  std::sort(changed_.begin(), changed_.end(), [](const KnownPair* a, const KnownPair* b) {
    return std::tie(a->action, a->agent) < std::tie(b->action, b->agent);
  });
  std::vector<PairRow> rows;
  rows.reserve(changed_.size());
  for (const KnownPair* known : changed_)
    rows.push_back({.action = known->action,
                    .agent = known->agent,
                    .pair = &known->pair,
                    .changed_operations = known->changed_operations,
                    .new_position = known->new_position});
  DRAGNET_RETURN_IF_ERROR(WritePairs(database, rows));
  for (const KnownPair* known : changed_) DRAGNET_RETURN_IF_ERROR(TellSweeps(database, *known));
  DRAGNET_RETURN_IF_ERROR(sweeps_.Flush(database));
  for (KnownPair* known : changed_) {
    known->changed = false;
    known->changed_operations = 0;
    known->new_position = 0;
    // Nothing more is to be expected of it.
    if (!IsFinal(known->pair.state)) continue;
    pair_bytes_ -= known->bytes;
    pairs_.erase(std::pair(known->action, known->agent));
  }
  changed_.clear();
  return absl::OkStatus();
}

absl::Status RecordTables::TellSweeps(Database& database, const KnownPair& known) {
  const v1::DispatchState state = known.pair.state;
  if (known.sweep.sweep != 0 && HasEnded(state))
    return sweeps_.NoteWhole(database, known.sweep, known.action, known.agent, &last_position_);
  if (known.own_sweep == 0) return absl::OkStatus();
  const bool runs = state == v1::DISPATCH_STATE_RUNNING;
  if (!runs && state != v1::DISPATCH_STATE_REFUSED) return absl::OkStatus();
  return sweeps_.NoteTakesPart(database, known.own_sweep, known.agent, runs, absl::Now());
}

absl::StatusOr<Appended> RecordTables::AppendRefusal(Database& database, int64_t agent,
                                                     const v1::ResultRecord& record,
                                                     KnownPair* known) {
  const v1::Refusal refusal = BoundedRefusal(record.refusal());
  DRAGNET_RETURN_IF_ERROR(KeepRefusal(database, agent, record.action_id(), refusal));
  Appended appended;
  if (known == nullptr) return appended;
  Change(known, [&](Pair* pair) {
    OnRefusal(refusal, pair);
    return false;
  });
  appended.state = known->pair.state;
  return appended;
}

absl::Status RecordTables::KeepRefusal(Database& database, int64_t agent,
                                       std::string_view action_id, const v1::Refusal& refusal) {
  const std::string bytes = refusal.SerializeAsString();
  // What is refused over and over is one row, the last time.
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT INTO refusals (position, agent, action_id, envelope_sha256, reason, refusal)"
      " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (agent, action_id, envelope_sha256, reason)"
      " DO UPDATE SET position = excluded.position, refusal = excluded.refusal",
      ++last_position_, agent, IsUuid(action_id) ? action_id : std::string_view(""),
      refusal.envelope_sha256(), static_cast<int>(refusal.reason()), bytes));
  return database.Run(
      "DELETE FROM refusals WHERE agent = ?1 AND position <="
      " (SELECT position FROM refusals WHERE agent = ?1 ORDER BY position DESC LIMIT 1 OFFSET ?2)",
      agent, kRefusalsKeptPerAgent);
}

absl::Status RecordTables::NoteDropped(Database& database, int64_t agent,
                                       const v1::ResultRecord& record, const absl::Status& reason) {
  v1::Refusal note;
  note.set_detail(Shorten(StrCat("the scheduler dropped a record (operation ", record.operation(),
                                 ", sequence ", record.sequence(), "): ", reason.message()),
                          kMaxRefusalDetail));
  return KeepRefusal(database, agent, record.action_id(), note);
}

absl::Status RecordTables::AddPair(Database& database, std::string_view action_id,
                                   std::string_view agent_id, absl::Time now) {
  return AddPairs(database, action_id, {std::string(agent_id)}, now);
}

absl::Status RecordTables::AddPairs(Database& database, std::string_view action_id,
                                    const std::vector<std::string>& agent_ids, absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(LookUpAgents(database, agent_ids));
  std::vector<int64_t> agents;
  agents.reserve(agent_ids.size());
  for (const std::string& agent_id : agent_ids) {
    DRAGNET_ASSIGN_OR_RETURN(agents.emplace_back(), FindAgent(database, agent_id));
    if (agents.back() == 0) return absl::NotFoundError(StrCat("no agent ", agent_id));
  }
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
  if (action == nullptr) return absl::NotFoundError(StrCat("no action ", action_id));
  // In the order of the table: each goes to its end.
  std::sort(agents.begin(), agents.end());
  DRAGNET_RETURN_IF_ERROR(InsertWaitingPairs(database, action->no, agents, &last_position_));
  if (!action->sweep.is_sweep) return absl::OkStatus();
  return sweeps_.AddAgents(database, action->no, agents, now);
}

absl::Status RecordTables::ForgetAgent(Database& database, int64_t agent) {
  // Of its pairs that have changed, sweeps learn before.
  DRAGNET_RETURN_IF_ERROR(Flush(database));
  return sweeps_.ForgetAgent(database, agent, absl::Now());
}

absl::Status RecordTables::MarkSent(Database& database, std::string_view action_id,
                                    const std::vector<std::string>& agent_ids) {
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
  if (action == nullptr) return absl::NotFoundError(StrCat("no action ", action_id));
  if (database.remote()) {
    std::vector<PairName> pairs;
    for (const std::string& agent_id : agent_ids)
      pairs.push_back({std::string(action_id), agent_id});
    DRAGNET_RETURN_IF_ERROR(LookAhead(database, pairs));
  }
  for (const std::string& agent_id : agent_ids) {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
    DRAGNET_ASSIGN_OR_RETURN(KnownPair * known, FindPair(database, *action, agent));
    if (known == nullptr || known->pair.state != v1::DISPATCH_STATE_WAITING) continue;
    Change(known, [](Pair* pair) {
      OnSent(pair);
      return false;
    });
  }
  return absl::OkStatus();
}

absl::Status RecordTables::MarkAccepted(Database& database, std::string_view action_id,
                                        std::string_view agent_id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
  KnownPair* known = nullptr;
  if (action != nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(known, FindPair(database, *action, agent));
  }
  if (known == nullptr)
    return absl::PermissionDeniedError("it accepted an action that it was not sent");
  // As in Append.
  if (action->results_removed_at.has_value()) return absl::OkStatus();
  Change(known, [](Pair* pair) {
    OnAccepted(pair);
    return false;
  });
  return absl::OkStatus();
}

absl::Status RecordTables::MarkDoubted(Database& database, std::string_view agent_id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  if (agent == 0) return absl::NotFoundError(StrCat("no agent ", agent_id));
  // Read to their end first: to find a pair may write others.
  std::vector<std::string> actions;
  {
    Query open = database.Ask("SELECT id FROM actions WHERE closed = 0");
    while (open.Next()) actions.push_back(open.Text(0));
    DRAGNET_RETURN_IF_ERROR(open.status());
  }
  for (const std::string& id : actions) {
    DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, id));
    if (action == nullptr) continue;
    DRAGNET_ASSIGN_OR_RETURN(KnownPair * known, FindPair(database, *action, agent));
    if (known == nullptr) continue;
    Change(known, [](Pair* pair) {
      OnDoubted(pair);
      return false;
    });
  }
  return absl::OkStatus();
}

absl::Status RecordTables::CloseWaiting(Database& database, int64_t action) {
  // Their states are about to change behind the back of what is known here.
  DRAGNET_RETURN_IF_ERROR(Flush(database));
  ForgetPairs();
  DRAGNET_RETURN_IF_ERROR(CloseWaitingPairs(database, action, &last_position_));
  DRAGNET_RETURN_IF_ERROR(SweepTables::CloseRun(database, action));
  return database.Run("UPDATE actions SET closed = 1 WHERE no = ?", action);
}

}  // namespace dragnet::scheduler
