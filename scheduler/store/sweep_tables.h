// The writer's part of what sweeps add to the store: which action is a run of which
// sweep, what each agent told in it, the newest verdict of each agent and check,
// counts of them, and changes.
//
// Counts are kept in memory until Flush. Belongs to the writer's thread: all calls run
// inside its transaction. docs/store.md explains the tables.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/results.pb.h"
#include "scheduler/store/database.h"
#include "scheduler/store/store.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {

// Changes that are kept of one sweep: so many at least, and a tenth more at most.
inline constexpr int64_t kChangesKeptPerSweep = 100'000;
// Of one agent in it, likewise: no host pushes out what others changed.
inline constexpr int64_t kChangesKeptPerAgent = 1000;

// What is known of one check on one agent, in the blob of all.
struct CheckState {
  VerdictStatus status = VerdictStatus::kNone;
  // Seconds since 1970.
  int64_t occurrence = 0;
  int64_t since = 0;
  // Of reason and evidence; 0: there are none.
  uint64_t text_hash = 0;
};
std::string PackStates(const std::vector<CheckState>& states);
// DataLoss.
absl::StatusOr<std::vector<CheckState>> UnpackStates(std::string_view bytes);

// Removes the changes of this sweep up to this position. Inside a transaction of the
// writer; a small step when there are more than `limit`: true then.
absl::StatusOr<bool> RemoveSweepChanges(Database& database, int64_t sweep, uint64_t last_position,
                                        int limit);

// What an action is to a sweep.
struct SweepRole {
  // Numbers of actions; 0: none.
  int64_t sweep = 0;
  // It is the sweep itself.
  bool is_sweep = false;
  // Launched by hand, with pairs of its own.
  bool extra = false;
  // Seconds since 1970.
  int64_t occurrence = 0;
};

class SweepTables {
 public:
  // One verdict of a record that was found to be good.
  struct Told {
    uint32_t check = 0;
    VerdictStatus status = VerdictStatus::kNone;
    std::string reason;
    std::string evidence;
    uint64_t evidence_left_out = 0;
  };
  // Where an agent stands to a sweep.
  struct Standing {
    // What it tells in this run counts. Not of one that was revoked; of an extra run
    // only while the sweep is in force, and of who takes part in it.
    bool counts = false;
    // It had the sweep when the run was due.
    bool had_it = false;
    // The newest scheduled run that it told of. Seconds since 1970; 0: none yet.
    int64_t last_told = 0;
  };
  // What a record tells, and what was known before it.
  struct Verdicts {
    std::optional<Standing> standing;
    std::vector<Told> told;
    std::string statuses_in_run;
    std::vector<CheckState> newest;
    VerdictStatus newest_worst = VerdictStatus::kNone;
  };

  static absl::StatusOr<SweepRole> RoleOf(Database& database, int64_t action);
  // InvalidArgument: its document can't be read here.
  absl::StatusOr<std::shared_ptr<const SweepTerms>> TermsOf(Database& database, int64_t sweep);

  // Of an action that was just added. NotFound: no sweep `extra_run_of`.
  absl::Status OnAction(Database& database, int64_t action, const StoredAction& stored);
  // Whether an agent may tell of it. Else why not, in words for people.
  absl::Status CheckOccurrence(Database& database, int64_t sweep, int64_t agent, int64_t occurrence,
                               absl::Time now);
  // Whether it was there before this agent was to get the sweep.
  absl::Status CheckWasForIt(Database& database, int64_t sweep, int64_t agent, int64_t occurrence);
  // Makes the run's action: the sweep's envelope and bounds.
  absl::Status AddRun(Database& database, int64_t sweep, std::string_view sweep_id,
                      int64_t occurrence);
  // These are to get the sweep.
  absl::Status AddAgents(Database& database, int64_t sweep, const std::vector<int64_t>& agents,
                         absl::Time now);
  // The agent's own pair of the sweep is running, or refused.
  absl::Status NoteTakesPart(Database& database, int64_t sweep, int64_t agent, bool takes_part,
                             absl::Time now);
  // It counts no more: its newest verdicts go. Everything else of it was flushed.
  absl::Status ForgetAgent(Database& database, int64_t agent, absl::Time now);

  // Reads a record's rows; nothing is changed. InvalidArgument: not verdicts of this
  // sweep's checks, or not for the first time; it may not be stored.
  absl::StatusOr<Verdicts> Read(Database& database, const SweepRole& role, int64_t run,
                                int64_t agent, const v1::ResultRecord& record);
  // What Read gave: nothing of a record without verdicts, by which the agent tells of the
  // run all the same. `position` rises by one for each change.
  absl::Status Store(Database& database, const SweepRole& role, int64_t run, int64_t agent,
                     Verdicts verdicts, uint64_t* position);
  // The agent has told the whole run, or more of one that it had told. Checks of which
  // it told nothing are unknown from then on, until something of them comes after all.
  absl::Status NoteWhole(Database& database, const SweepRole& role, int64_t run, int64_t agent,
                         uint64_t* position);
  // Of a run that is closed: who is silent in it stays so.
  static absl::Status CloseRun(Database& database, int64_t action);

  // Writes what was counted.
  absl::Status Flush(Database& database);
  void Forget();

 private:
  // Action (of a run, or of a sweep for the newest), check (-1: agents by their
  // worst), status.
  using CountKey = std::tuple<int64_t, int64_t, VerdictStatus>;

  // A row of sweep_told, if there is one.
  struct ToldRow {
    bool exists = false;
    std::string statuses;
    VerdictStatus worst = VerdictStatus::kNone;
  };

  // Good until the next call of it.
  absl::StatusOr<ToldRow*> FindTold(Database& database, int64_t run, int64_t agent);
  // For the first time, or again. `standing`: where it is known already.
  absl::Status NoteTold(Database& database, const SweepRole& role, int64_t run, int64_t agent,
                        const std::optional<Standing>& known_standing, uint64_t* position);
  static absl::StatusOr<Standing> StandingOf(Database& database, const SweepRole& role,
                                             int64_t agent);
  static absl::Status ReadNewest(Database& database, const SweepRole& role, int64_t agent,
                                 size_t checks, Verdicts* verdicts);
  // Makes it the newest verdict of `verdicts`, unless it is of an older run.
  absl::Status StoreNewest(Database& database, const SweepRole& role, int64_t agent,
                           const Told& told, Verdicts* verdicts, uint64_t* position);
  absl::Status WriteVerdicts(Database& database, const SweepRole& role, int64_t run, int64_t agent,
                             const Verdicts& verdicts);
  absl::Status EndRunBefore(Database& database, const SweepRole& role, int64_t agent,
                            int64_t occurrence, uint64_t* position);
  void Count(int64_t action, int64_t check, VerdictStatus status, int64_t difference);
  absl::Status TrimChangesOf(Database& database, int64_t sweep, int64_t agent);
  absl::Status TrimChanges(Database& database, int64_t sweep);

  absl::flat_hash_map<int64_t, std::shared_ptr<const SweepTerms>> terms_;
  absl::flat_hash_map<CountKey, int64_t> counts_;
  // Agents that told of a run for the first time; of these, those that had the sweep.
  struct NewTold {
    int64_t agents = 0;
    int64_t with_it = 0;
  };
  absl::flat_hash_map<int64_t, NewTold> told_;
  // By run and agent: those that were looked at since the last Flush, as they are. Each
  // record of a run asks for its own, and so does its end.
  absl::flat_hash_map<std::pair<int64_t, int64_t>, ToldRow> told_rows_;
  // Changes since they were trimmed last, by sweep.
  absl::flat_hash_map<int64_t, int64_t> changes_added_;
};

}  // namespace dragnet::scheduler
