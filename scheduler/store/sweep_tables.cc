#include "scheduler/store/sweep_tables.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/stubs/logging.h"
#include "modules/check/check.pb.h"
#include "scheduler/store/all_changes.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxTerms = 32;
constexpr size_t kMaxReason = 1024;
constexpr size_t kMaxEvidence = 2048;
// A batch of the writer may add more than that; the next ones go on.
constexpr int kTrimmedAtOnce = 20'000;
constexpr int kMaxEvidenceRows = 100;  // of one verdict, before they are bounded
constexpr char kNotTold[] = "not told in this run: it ended without a verdict on this check";
// Status, occurrence, since, text_hash.
constexpr size_t kStateBytes = 1 + 3 * 8;

void PutNumber(uint64_t number, std::string* bytes) {
  for (int i = 0; i < 8; ++i) bytes->push_back(static_cast<char>(number >> (8 * i)));
}

uint64_t NumberAt(std::string_view bytes, size_t offset) {
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i)
    number |= uint64_t{static_cast<unsigned char>(bytes[offset + i])} << (8 * i);
  return number;
}

// The same in every version and on every machine: it is stored.
uint64_t HashOf(const SweepTables::Told& told) {
  if (told.reason.empty() && told.evidence.empty() && told.evidence_left_out == 0) return 0;
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    hash = (hash ^ 0xff) * 1099511628211u;
  };
  add(told.reason);
  add(told.evidence);
  add(StrCat(told.evidence_left_out));
  return hash == 0 ? 1 : hash;
}

// Only as much as a console shows of it; the rest is in the run's rows.
void TakeEvidence(const check::v1::Verdict& verdict, SweepTables::Told* told) {
  v1::SweepVerdict kept;
  size_t bytes = 0;
  told->evidence_left_out = verdict.evidence_left_out();
  for (const std::string& row : verdict.evidence()) {
    bytes += row.size();
    if (bytes <= kMaxEvidence) {
      kept.add_evidence(row);
    } else if (told->evidence_left_out != UINT64_MAX) {
      ++told->evidence_left_out;
    }
  }
  told->evidence = kept.SerializeAsString();
}

absl::StatusOr<SweepTables::Told> ReadVerdict(const SweepTerms& terms, uint32_t operation,
                                              const std::string& row) {
  check::v1::Verdict verdict;
  // It writes to standard error of each text that isn't UTF-8: a host could fill logs.
  const google::protobuf::LogSilencer silence;
  if (!verdict.ParseFromString(row)) return absl::InvalidArgumentError("a row that is no verdict");
  const std::optional<uint32_t> number = terms.FindCheck(operation, verdict.check());
  if (!number.has_value())
    return absl::InvalidArgumentError(StrCat("a verdict on \"",
                                             Shorten(ForTerminal(verdict.check()), 100),
                                             "\", which is no check of operation ", operation));
  SweepTables::Told told;
  told.check = *number;
  told.status = VerdictStatusOf(verdict.status());
  if (told.status == VerdictStatus::kNone)
    return absl::InvalidArgumentError(
        StrCat("a verdict \"", Shorten(ForTerminal(verdict.status()), 100), "\" on ",
               verdict.check(), ": pass, fail, unknown and not_applicable are known"));
  if (verdict.evidence_size() > kMaxEvidenceRows)
    return absl::InvalidArgumentError(StrCat("a verdict on ", verdict.check(), " with ",
                                             verdict.evidence_size(), " rows of evidence"));
  told.reason = Shorten(verdict.reason(), kMaxReason);
  if (told.status == VerdictStatus::kFail || told.status == VerdictStatus::kUnknown)
    TakeEvidence(verdict, &told);
  return told;
}

// In the statuses of a run, in place of one: the run ended without a word on the check.
// It counts as unknown, and what comes after all takes its place.
constexpr char kUntold = 5;

char ByteAt(std::string_view statuses, size_t check) {
  return check < statuses.size() ? statuses[check] : '\0';
}

bool WasTold(std::string_view statuses, size_t check) {
  return ByteAt(statuses, check) != '\0' && ByteAt(statuses, check) != kUntold;
}

VerdictStatus StatusAt(std::string_view statuses, size_t check) {
  const char byte = ByteAt(statuses, check);
  return byte == kUntold ? VerdictStatus::kUnknown : static_cast<VerdictStatus>(byte);
}

absl::Status WriteText(Database& database, int64_t sweep, int64_t agent,
                       const SweepTables::Told& told) {
  if (HashOf(told) == 0)
    return database.Run("DELETE FROM sweep_texts WHERE sweep = ? AND agent = ? AND check_no = ?",
                        sweep, agent, told.check);
  return database.Run(
      "INSERT INTO sweep_texts (sweep, agent, check_no, reason, evidence, left_out)"
      " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sweep, agent, check_no) DO UPDATE SET"
      " reason = excluded.reason, evidence = excluded.evidence, left_out = excluded.left_out",
      sweep, agent, told.check, told.reason, told.evidence, told.evidence_left_out);
}

}  // namespace

VerdictStatus VerdictStatusOf(std::string_view word) {
  for (const VerdictStatus status : {VerdictStatus::kNotApplicable, VerdictStatus::kPass,
                                     VerdictStatus::kUnknown, VerdictStatus::kFail})
    if (word == WordOf(status)) return status;
  return VerdictStatus::kNone;
}

std::string_view WordOf(VerdictStatus status) {
  switch (status) {
    case VerdictStatus::kNone:
      return "";
    case VerdictStatus::kNotApplicable:
      return "not_applicable";
    case VerdictStatus::kPass:
      return "pass";
    case VerdictStatus::kUnknown:
      return "unknown";
    case VerdictStatus::kFail:
      return "fail";
  }
  return "";
}

std::string PackStates(const std::vector<CheckState>& states) {
  std::string bytes;
  bytes.reserve(states.size() * kStateBytes);
  for (const CheckState& state : states) {
    bytes.push_back(static_cast<char>(state.status));
    PutNumber(static_cast<uint64_t>(state.occurrence), &bytes);
    PutNumber(static_cast<uint64_t>(state.since), &bytes);
    PutNumber(state.text_hash, &bytes);
  }
  return bytes;
}

absl::StatusOr<std::vector<CheckState>> UnpackStates(std::string_view bytes) {
  if (bytes.size() % kStateBytes != 0) return absl::DataLossError("stored verdicts don't parse");
  std::vector<CheckState> states(bytes.size() / kStateBytes);
  for (size_t i = 0; i < states.size(); ++i) {
    const size_t at = i * kStateBytes;
    states[i].status = static_cast<VerdictStatus>(bytes[at]);
    states[i].occurrence = static_cast<int64_t>(NumberAt(bytes, at + 1));
    states[i].since = static_cast<int64_t>(NumberAt(bytes, at + 9));
    states[i].text_hash = NumberAt(bytes, at + 17);
  }
  return states;
}

absl::StatusOr<bool> RemoveSweepChanges(Database& database, int64_t sweep, uint64_t last_position,
                                        int limit) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t end,
      database.IntegerOr(0,
                         "SELECT coalesce(max(position), 0) FROM (SELECT position FROM"
                         " sweep_changes WHERE sweep = ? AND position <= ? ORDER BY position"
                         " LIMIT ?) oldest",
                         sweep, last_position, limit));
  if (end == 0) return false;
  DRAGNET_RETURN_IF_ERROR(NoteRemovalOfChanges(database, sweep, static_cast<uint64_t>(end)));
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM sweep_changes WHERE sweep = ? AND position <= ?", sweep, end));
  const int64_t removed = database.changes();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE sweeps SET changes = changes - ? WHERE action = ?", removed, sweep));
  return removed == limit;
}

absl::StatusOr<SweepRole> SweepTables::RoleOf(Database& database, int64_t action) {
  SweepRole role;
  {
    Query run =
        database.Ask("SELECT sweep, occurrence, extra FROM sweep_runs WHERE run = ?", action);
    if (run.Next()) {
      role.sweep = run.Integer(0);
      role.occurrence = run.Integer(1);
      role.extra = run.Integer(2) != 0;
      return role;
    }
    DRAGNET_RETURN_IF_ERROR(run.status());
  }
  DRAGNET_ASSIGN_OR_RETURN(
      role.sweep, database.IntegerOr(0, "SELECT action FROM sweeps WHERE action = ?", action));
  role.is_sweep = role.sweep != 0;
  return role;
}

absl::StatusOr<std::shared_ptr<const SweepTerms>> SweepTables::TermsOf(Database& database,
                                                                       int64_t sweep) {
  if (const auto found = terms_.find(sweep); found != terms_.end()) return found->second;
  std::string envelope;
  {
    Query query = database.Ask("SELECT envelope FROM actions WHERE no = ?", sweep);
    if (query.Next()) envelope = query.Text(0);
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  absl::StatusOr<SweepTerms> terms = SweepTerms::OfEnvelope(envelope);
  // One of another version, perhaps, or tzdata is gone: no record of it can be believed.
  if (!terms.ok())
    return absl::InvalidArgumentError(
        StrCat("the sweep's document can't be read: ", terms.status().message()));
  if (terms_.size() >= kMaxTerms) terms_.clear();
  return terms_.emplace(sweep, std::make_shared<const SweepTerms>(*std::move(terms))).first->second;
}

absl::Status SweepTables::OnAction(Database& database, int64_t action, const StoredAction& stored) {
  if (stored.recurs_until.has_value())
    return database.Run("INSERT INTO sweeps (action, ends) VALUES (?, ?)", action,
                        *stored.recurs_until);
  if (stored.extra_run_of.empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t sweep,
      database.IntegerOr(0,
                         "SELECT s.action FROM actions a JOIN sweeps s ON s.action = a.no"
                         " WHERE a.id = ?",
                         stored.extra_run_of));
  if (sweep == 0) return absl::NotFoundError(StrCat("no sweep ", stored.extra_run_of));
  return database.Run("INSERT INTO sweep_runs (run, sweep, occurrence, extra) VALUES (?, ?, ?, 1)",
                      action, sweep, absl::ToUnixSeconds(stored.launched_at));
}

absl::Status SweepTables::CheckOccurrence(Database& database, int64_t sweep, int64_t agent,
                                          int64_t occurrence, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const std::shared_ptr<const SweepTerms> terms, TermsOf(database, sweep));
  DRAGNET_RETURN_IF_ERROR(terms->CheckOccurrence(occurrence, now));
  DRAGNET_RETURN_IF_ERROR(CheckWasForIt(database, sweep, agent, occurrence));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t removed,
      database.IntegerOr(0, "SELECT removed_up_to FROM sweeps WHERE action = ?", sweep));
  if (occurrence > removed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("occurrence ", occurrence,
             " is older than what retention has removed of this sweep's results"));
}

absl::Status SweepTables::CheckWasForIt(Database& database, int64_t sweep, int64_t agent,
                                        int64_t occurrence) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t added,
      database.IntegerOr(0, "SELECT added FROM sweep_agents WHERE sweep = ? AND agent = ?", sweep,
                         agent));
  // The agent's clock may be behind the scheduler's.
  if (occurrence >= added - absl::ToInt64Seconds(kMaxClockAhead)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("occurrence ", occurrence, " is of before this agent was to get the sweep"));
}

absl::Status SweepTables::AddRun(Database& database, int64_t sweep, std::string_view sweep_id,
                                 int64_t occurrence) {
  const absl::Time time = absl::FromUnixSeconds(occurrence);
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t run,
      database.IntegerOr(
          0,
          "INSERT INTO actions (id, envelope, launched_by, signed_by, launched_at, expires, run_of)"
          " SELECT ?1, '', launched_by, signed_by, ?2, ?3, no FROM actions WHERE no = ?4"
          " RETURNING no",
          RunId(sweep_id, occurrence), time, time + kRunIsOpen, sweep));
  DRAGNET_RETURN_IF_ERROR(
      database.Run("INSERT INTO sweep_runs (run, sweep, occurrence, extra) VALUES (?, ?, ?, 0)",
                   run, sweep, occurrence));
  return database.Run(
      "INSERT INTO action_bounds (action, operation, rows, bytes)"
      " SELECT ?, operation, rows, bytes FROM action_bounds WHERE action = ?",
      run, sweep);
}

absl::Status SweepTables::AddAgents(Database& database, int64_t sweep,
                                    const std::vector<int64_t>& agents, absl::Time now) {
  if (database.remote())
    return database.Run(
        "INSERT INTO sweep_agents (sweep, agent, added)"
        " SELECT ?1, v.agent, ?2 FROM unnest(?3) AS v(agent)"
        " ON CONFLICT (sweep, agent) DO NOTHING",
        sweep, absl::ToUnixSeconds(now), agents);
  for (const int64_t agent : agents)
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO sweep_agents (sweep, agent, added) VALUES (?, ?, ?)"
                     " ON CONFLICT (sweep, agent) DO NOTHING",
                     sweep, agent, absl::ToUnixSeconds(now)));
  return absl::OkStatus();
}

// When it took it on first stays: who refuses it and takes it on over and over is no
// newcomer each time.
absl::Status SweepTables::NoteTakesPart(Database& database, int64_t sweep, int64_t agent,
                                        bool takes_part, absl::Time now) {
  const int64_t seconds = absl::ToUnixSeconds(now);
  if (takes_part)
    return database.Run(
        "UPDATE sweep_agents SET accepted = CASE accepted WHEN 0 THEN ? ELSE accepted END, gone = 0"
        " WHERE sweep = ? AND agent = ?",
        seconds, sweep, agent);
  return database.Run(
      "UPDATE sweep_agents SET gone = ? WHERE sweep = ? AND agent = ? AND gone = 0"
      " AND accepted != 0",
      seconds, sweep, agent);
}

absl::Status SweepTables::ForgetAgent(Database& database, int64_t agent, absl::Time now) {
  std::vector<int64_t> sweeps;
  {
    Query query = database.Ask(
        "SELECT s.action FROM sweeps s JOIN sweep_agents a ON a.sweep = s.action AND a.agent = ?",
        agent);
    while (query.Next()) sweeps.push_back(query.Integer(0));
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  for (const int64_t sweep : sweeps) {
    Verdicts verdicts;
    DRAGNET_RETURN_IF_ERROR(ReadNewest(database, {.sweep = sweep}, agent, 0, &verdicts));
    for (size_t check = 0; check < verdicts.newest.size(); ++check) {
      const VerdictStatus status = verdicts.newest[check].status;
      if (status != VerdictStatus::kNone) Count(sweep, static_cast<int64_t>(check), status, -1);
    }
    if (verdicts.newest_worst != VerdictStatus::kNone) Count(sweep, -1, verdicts.newest_worst, -1);
    DRAGNET_RETURN_IF_ERROR(
        database.Run("DELETE FROM sweep_states WHERE sweep = ? AND agent = ?", sweep, agent));
    DRAGNET_RETURN_IF_ERROR(
        database.Run("DELETE FROM sweep_texts WHERE sweep = ? AND agent = ?", sweep, agent));
    DRAGNET_RETURN_IF_ERROR(NoteTakesPart(database, sweep, agent, /*takes_part=*/false, now));
  }
  return absl::OkStatus();
}

absl::StatusOr<SweepTables::Standing> SweepTables::StandingOf(Database& database,
                                                              const SweepRole& role,
                                                              int64_t agent) {
  Standing standing;
  Query query = database.Ask(
      "SELECT g.revoked, coalesce(w.accepted, 0), coalesce(w.gone, 0), coalesce(w.last_told, 0),"
      " a.cancelled, s.ends, r.removed_at FROM agents g JOIN sweeps s ON s.action = ?1"
      " JOIN actions a ON a.no = s.action"
      " LEFT JOIN sweep_agents w ON w.sweep = s.action AND w.agent = g.no"
      " LEFT JOIN retention r ON r.action = s.action WHERE g.no = ?2",
      role.sweep, agent);
  if (query.Next()) {
    const bool takes_part = query.Integer(1) != 0 && query.Integer(2) == 0;
    const bool in_force = query.Integer(4) == 0 && query.IsNull(6) &&
                          absl::FromUnixSeconds(role.occurrence) <= query.Time(5);
    standing.counts = query.Integer(0) == 0 && (!role.extra || (takes_part && in_force));
    standing.had_it = query.Integer(1) != 0 && query.Integer(1) <= role.occurrence &&
                      (query.Integer(2) == 0 || query.Integer(2) > role.occurrence);
    standing.last_told = query.Integer(3);
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return standing;
}

absl::StatusOr<SweepTables::ToldRow*> SweepTables::FindTold(Database& database, int64_t run,
                                                            int64_t agent) {
  const std::pair<int64_t, int64_t> key(run, agent);
  if (const auto found = told_rows_.find(key); found != told_rows_.end()) return &found->second;
  ToldRow row;
  Query told = database.Ask("SELECT statuses, worst FROM sweep_told WHERE run = ? AND agent = ?",
                            run, agent);
  if (told.Next()) {
    row.exists = true;
    row.statuses = told.Text(0);
    row.worst = static_cast<VerdictStatus>(told.Integer(1));
  }
  DRAGNET_RETURN_IF_ERROR(told.status());
  return &told_rows_.emplace(key, std::move(row)).first->second;
}

absl::Status SweepTables::NoteTold(Database& database, const SweepRole& role, int64_t run,
                                   int64_t agent, const std::optional<Standing>& known_standing,
                                   uint64_t* position) {
  DRAGNET_ASSIGN_OR_RETURN(ToldRow * row, FindTold(database, run, agent));
  if (row->exists) return absl::OkStatus();
  Standing standing;
  if (known_standing.has_value()) {
    standing = *known_standing;
  } else {
    DRAGNET_ASSIGN_OR_RETURN(standing, StandingOf(database, role, agent));
  }
  if (!standing.counts) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("INSERT INTO sweep_told (run, agent) VALUES (?, ?)", run, agent));
  row->exists = true;
  NewTold& told = told_[run];
  ++told.agents;
  if (standing.had_it) ++told.with_it;
  // Of extra runs, that it was asked says nothing of whether it keeps the schedule.
  if (role.extra) return absl::OkStatus();
  if (role.occurrence <= standing.last_told) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE sweep_agents SET last_told = ? WHERE sweep = ? AND agent = ?",
                   role.occurrence, role.sweep, agent));
  if (standing.last_told == 0) return absl::OkStatus();
  return EndRunBefore(database, role, agent, standing.last_told, position);
}

// An agent runs one at a time: one that it began, and goes on to the next without an end
// of, is not to leave what was known before it as the newest.
absl::Status SweepTables::EndRunBefore(Database& database, const SweepRole& role, int64_t agent,
                                       int64_t occurrence, uint64_t* position) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t run,
      database.IntegerOr(0,
                         "SELECT t.run FROM sweep_runs r JOIN sweep_told t ON t.run = r.run"
                         " WHERE r.sweep = ? AND r.occurrence = ? AND r.extra = 0 AND t.agent = ?"
                         " AND t.worst = 0",
                         role.sweep, occurrence, agent));
  if (run == 0) return absl::OkStatus();
  SweepRole before = role;
  before.occurrence = occurrence;
  return NoteWhole(database, before, run, agent, position);
}

absl::Status SweepTables::ReadNewest(Database& database, const SweepRole& role, int64_t agent,
                                     size_t checks, Verdicts* verdicts) {
  Query newest = database.Ask(
      "SELECT states, worst FROM sweep_states WHERE sweep = ? AND agent = ?", role.sweep, agent);
  if (newest.Next()) {
    DRAGNET_ASSIGN_OR_RETURN(verdicts->newest, UnpackStates(newest.View(0)));
    verdicts->newest_worst = static_cast<VerdictStatus>(newest.Integer(1));
  }
  DRAGNET_RETURN_IF_ERROR(newest.status());
  if (checks > 0) verdicts->newest.resize(checks);
  return absl::OkStatus();
}

absl::StatusOr<SweepTables::Verdicts> SweepTables::Read(Database& database, const SweepRole& role,
                                                        int64_t run, int64_t agent,
                                                        const v1::ResultRecord& record) {
  Verdicts verdicts;
  DRAGNET_ASSIGN_OR_RETURN(verdicts.standing, StandingOf(database, role, agent));
  DRAGNET_ASSIGN_OR_RETURN(const std::shared_ptr<const SweepTerms> terms,
                           TermsOf(database, role.sweep));
  if (!terms->HasChecks(record.operation()) || !verdicts.standing->counts) return verdicts;
  DRAGNET_ASSIGN_OR_RETURN(const ToldRow* row, FindTold(database, run, agent));
  verdicts.statuses_in_run = row->statuses;
  verdicts.statuses_in_run.resize(terms->checks().size(), '\0');
  std::string known = verdicts.statuses_in_run;
  for (const std::string& row : record.rows().rows()) {
    DRAGNET_ASSIGN_OR_RETURN(Told told, ReadVerdict(*terms, record.operation(), row));
    if (WasTold(known, told.check))
      return absl::InvalidArgumentError(
          StrCat("a second verdict on ", terms->checks()[told.check].id, " in one run"));
    known[told.check] = static_cast<char>(told.status);
    verdicts.told.push_back(std::move(told));
  }
  return verdicts;
}

absl::Status SweepTables::Store(Database& database, const SweepRole& role, int64_t run,
                                int64_t agent, Verdicts verdicts, uint64_t* position) {
  // It may bring changes of its own.
  DRAGNET_RETURN_IF_ERROR(NoteTold(database, role, run, agent, verdicts.standing, position));
  if (verdicts.told.empty()) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      ReadNewest(database, role, agent, verdicts.statuses_in_run.size(), &verdicts));
  for (const Told& told : verdicts.told) {
    char& in_run = verdicts.statuses_in_run[told.check];
    if (in_run == kUntold) Count(run, told.check, VerdictStatus::kUnknown, -1);
    in_run = static_cast<char>(told.status);
    Count(run, told.check, told.status, 1);
    DRAGNET_RETURN_IF_ERROR(StoreNewest(database, role, agent, told, &verdicts, position));
  }
  return WriteVerdicts(database, role, run, agent, verdicts);
}

absl::Status SweepTables::StoreNewest(Database& database, const SweepRole& role, int64_t agent,
                                      const Told& told, Verdicts* verdicts, uint64_t* position) {
  CheckState& state = verdicts->newest[told.check];
  // Of a host that was offline and tells of older runs after newer ones. A scheduled run
  // has the time that it was due, and may be run long after it, behind an extra one that
  // was launched later: among scheduled ones, it is no older than the last that was told.
  const bool is_older = role.occurrence < state.occurrence &&
                        (role.extra || role.occurrence < verdicts->standing->last_told);
  if (state.status != VerdictStatus::kNone && is_older) return absl::OkStatus();
  const VerdictStatus before = state.status;
  state.occurrence = role.occurrence;
  if (const uint64_t hash = HashOf(told); hash != state.text_hash) {
    DRAGNET_RETURN_IF_ERROR(WriteText(database, role.sweep, agent, told));
    state.text_hash = hash;
  }
  if (before == told.status) return absl::OkStatus();
  state.status = told.status;
  state.since = role.occurrence;
  if (before != VerdictStatus::kNone) Count(role.sweep, told.check, before, -1);
  Count(role.sweep, told.check, told.status, 1);
  const bool is_bad = told.status == VerdictStatus::kFail || told.status == VerdictStatus::kUnknown;
  if (before == VerdictStatus::kNone && !is_bad) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT INTO sweep_changes (position, sweep, agent, check_no, before, after, occurrence,"
      " reason, stored_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ++*position, role.sweep, agent, told.check, static_cast<int>(before),
      static_cast<int>(told.status), role.occurrence, told.reason, absl::Now()));
  ++changes_added_[role.sweep];
  return TrimChangesOf(database, role.sweep, agent);
}

absl::Status SweepTables::WriteVerdicts(Database& database, const SweepRole& role, int64_t run,
                                        int64_t agent, const Verdicts& verdicts) {
  VerdictStatus worst = VerdictStatus::kNone;
  for (const CheckState& state : verdicts.newest) worst = std::max(worst, state.status);
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE sweep_told SET statuses = ? WHERE run = ? AND agent = ?",
                   verdicts.statuses_in_run, run, agent));
  DRAGNET_ASSIGN_OR_RETURN(ToldRow * row, FindTold(database, run, agent));
  row->statuses = verdicts.statuses_in_run;
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT INTO sweep_states (sweep, agent, states, worst) VALUES (?, ?, ?, ?)"
      " ON CONFLICT (sweep, agent) DO UPDATE SET states = excluded.states, worst = excluded.worst",
      role.sweep, agent, PackStates(verdicts.newest), static_cast<int>(worst)));
  if (worst == verdicts.newest_worst) return absl::OkStatus();
  if (verdicts.newest_worst != VerdictStatus::kNone)
    Count(role.sweep, -1, verdicts.newest_worst, -1);
  Count(role.sweep, -1, worst, 1);
  return absl::OkStatus();
}

absl::Status SweepTables::NoteWhole(Database& database, const SweepRole& role, int64_t run,
                                    int64_t agent, uint64_t* position) {
  Verdicts verdicts;
  VerdictStatus before = VerdictStatus::kNone;
  {
    DRAGNET_ASSIGN_OR_RETURN(const ToldRow* row, FindTold(database, run, agent));
    // Nothing of it counts.
    if (!row->exists) return absl::OkStatus();
    verdicts.statuses_in_run = row->statuses;
    before = row->worst;
  }
  const absl::StatusOr<std::shared_ptr<const SweepTerms>> terms = TermsOf(database, role.sweep);
  if (Database::IsError(terms.status())) return terms.status();
  if (!terms.ok() || (*terms)->checks().empty()) return absl::OkStatus();
  const size_t checks = (*terms)->checks().size();
  verdicts.statuses_in_run.resize(checks, '\0');
  std::vector<uint32_t> untold;
  for (uint32_t check = 0; check < checks; ++check)
    if (StatusAt(verdicts.statuses_in_run, check) == VerdictStatus::kNone) untold.push_back(check);
  if (!untold.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(verdicts.standing, StandingOf(database, role, agent));
    if (!verdicts.standing->counts) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(ReadNewest(database, role, agent, checks, &verdicts));
    for (const uint32_t check : untold) {
      verdicts.statuses_in_run[check] = kUntold;
      Count(run, check, VerdictStatus::kUnknown, 1);
      const CheckState& state = verdicts.newest[check];
      if (state.status != VerdictStatus::kNone && state.occurrence >= role.occurrence) continue;
      Told told;
      told.check = check;
      told.status = VerdictStatus::kUnknown;
      told.reason = kNotTold;
      DRAGNET_RETURN_IF_ERROR(StoreNewest(database, role, agent, told, &verdicts, position));
    }
    DRAGNET_RETURN_IF_ERROR(WriteVerdicts(database, role, run, agent, verdicts));
  }
  VerdictStatus worst = VerdictStatus::kNone;
  for (uint32_t check = 0; check < checks; ++check)
    worst = std::max(worst, StatusAt(verdicts.statuses_in_run, check));
  if (worst == before) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE sweep_told SET worst = ? WHERE run = ? AND agent = ?",
                   static_cast<int>(worst), run, agent));
  DRAGNET_ASSIGN_OR_RETURN(ToldRow * row, FindTold(database, run, agent));
  row->worst = worst;
  if (before != VerdictStatus::kNone) Count(run, -1, before, -1);
  Count(run, -1, worst, 1);
  return absl::OkStatus();
}

absl::Status SweepTables::CloseRun(Database& database, int64_t action) {
  return database.Run(
      // At least 0: a scalar max() that both engines have.
      "UPDATE sweep_runs SET silent = (SELECT max(n) FROM (SELECT 0 AS n UNION ALL"
      " SELECT count(*) - sweep_runs.told_with_it FROM sweep_agents w"
      " WHERE w.sweep = sweep_runs.sweep AND w.accepted != 0"
      " AND w.accepted <= sweep_runs.occurrence"
      " AND (w.gone = 0 OR w.gone > sweep_runs.occurrence)) counted)"
      " WHERE run = ? AND extra = 0 AND silent IS NULL",
      action);
}

void SweepTables::Count(int64_t action, int64_t check, VerdictStatus status, int64_t difference) {
  counts_[CountKey(action, check, status)] += difference;
}

absl::Status SweepTables::Flush(Database& database) {
  // In the order of the table, so that neighbours are written together.
  std::vector<std::pair<CountKey, int64_t>> counts(counts_.begin(), counts_.end());
  std::sort(counts.begin(), counts.end());
  for (const auto& [key, difference] : counts) {
    if (difference == 0) continue;
    const auto& [action, check, status] = key;
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "INSERT INTO sweep_counts (action, check_no, status, agents) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (action, check_no, status) DO UPDATE SET"
        " agents = sweep_counts.agents + excluded.agents",
        action, check, static_cast<int>(status), difference));
  }
  // Of one that was closed, who is silent in it was counted.
  for (const auto& [run, told] : told_)
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE sweep_runs SET told = told + ?1, told_with_it = told_with_it + ?2,"
                     " silent = CASE WHEN silent <= ?2 THEN 0 ELSE silent - ?2 END WHERE run = ?3",
                     told.agents, told.with_it, run));
  for (auto& [sweep, added] : changes_added_) {
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE sweeps SET changes = changes + ? WHERE action = ?", added, sweep));
    DRAGNET_RETURN_IF_ERROR(TrimChanges(database, sweep));
  }
  counts_.clear();
  told_.clear();
  told_rows_.clear();
  changes_added_.clear();
  return absl::OkStatus();
}

absl::Status SweepTables::TrimChangesOf(Database& database, int64_t sweep, int64_t agent) {
  const auto position_of = [&](int64_t number) {
    return database.IntegerOr(0,
                              "SELECT position FROM sweep_changes WHERE sweep = ? AND agent = ?"
                              " ORDER BY position DESC LIMIT 1 OFFSET ?",
                              sweep, agent, number);
  };
  DRAGNET_ASSIGN_OR_RETURN(const int64_t too_many,
                           position_of(kChangesKeptPerAgent + kChangesKeptPerAgent / 10));
  if (too_many == 0) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t last, position_of(kChangesKeptPerAgent));
  DRAGNET_RETURN_IF_ERROR(NoteRemovalOfChanges(database, sweep, static_cast<uint64_t>(last)));
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM sweep_changes WHERE sweep = ? AND agent = ? AND position <= ?",
                   sweep, agent, last));
  changes_added_[sweep] -= database.changes();
  return absl::OkStatus();
}

absl::Status SweepTables::TrimChanges(Database& database, int64_t sweep) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t changes,
      database.IntegerOr(0, "SELECT changes FROM sweeps WHERE action = ?", sweep));
  if (changes <= kChangesKeptPerSweep + kChangesKeptPerSweep / 10) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t last,
                           database.IntegerOr(0,
                                              "SELECT position FROM sweep_changes WHERE sweep = ?"
                                              " ORDER BY position DESC LIMIT 1 OFFSET ?",
                                              sweep, kChangesKeptPerSweep));
  return RemoveSweepChanges(database, sweep, static_cast<uint64_t>(last), kTrimmedAtOnce).status();
}

void SweepTables::Forget() {
  terms_.clear();
  counts_.clear();
  told_.clear();
  told_rows_.clear();
  changes_added_.clear();
}

}  // namespace dragnet::scheduler
