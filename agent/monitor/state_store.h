// What the monitor must not forget: who it is, the trust policy it holds, which
// actions it took on (the replay journal) or never will (those cancelled), and
// results that no scheduler has acknowledged yet (the spool).
//
// One SQLite file, readable by root only: WAL, synchronous=FULL, locked by the
// one monitor that has it open. Each method is one transaction and is durable
// when it returns, except where it says otherwise, so a kill -9 at any moment
// leaves the state before or after a call. docs/store.md describes the tables.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/orders.h"
#include "core/trust_policy.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "dragnet/v1/results.pb.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dragnet {

// An operation that was begun by an earlier process and has no summary.
struct InterruptedOperation {
  std::string action_id;
  int64_t occurrence = 0;
  uint32_t operation = 0;
  uint64_t next_sequence = 1;
  uint64_t rows = 0;
};

// A recurring action that was taken on, until it expires or is cancelled.
struct StoredStanding {
  std::string action_id;
  // As received.
  std::string envelope;
  absl::Time taken_at;
  // The last one that was begun or passed over.
  absl::Time last_occurrence = absl::UnixEpoch();
  // Why that one was passed over; unspecified for one that wasn't refused.
  v1::Refusal::Reason refused = v1::Refusal::REASON_UNSPECIFIED;
  // A pause, or the resumption after it; without an id: there is none.
  OrderBook::InForce order = {};
};

// An operation in the spool, and a place among its records, which are in the
// order of (sequence, digest of a refusal).
struct SpoolPlace {
  std::string action_id;
  int64_t occurrence = 0;
  int64_t operation = 0;
  // -1: before all of them.
  int64_t sequence = -1;
  std::string envelope_sha256;
};

// What StateStore::CarryOver could take.
struct CarriedOver {
  // Who the host is. False: neither of the two says it.
  bool identity = false;
  // A newer trust policy, which holds.
  bool policy = false;
  // What was taken and cancelled. False: all that was made until then counts as held.
  bool journal = false;
};

struct SpooledRecord {
  int64_t position = 0;  // rises; the order of sending
  std::string bytes;     // serialised ResultRecord
};

class StateStore {
 public:
  // Unacknowledged refusals kept; further ones are dropped (and logged), so
  // that garbage from a scheduler can't fill the disk.
  static constexpr int64_t kMaxSpooledRefusals = 1000;
  // Entries of the journal kept. The oldest go by count, never by time: a clock
  // that jumps can't make the agent forget what it ran. Ids up to the highest
  // that went (UUIDv7: those made before it) count as held from then on.
  // Those whose id is of a time that hasn't come stay.
  static constexpr int64_t kMaxJournalEntries = 100'000;
  // Actions kept that were cancelled before they came; the oldest go.
  static constexpr int64_t kMaxCancelled = 4096;

  // Makes the file, mode 0600, if there is none. FailedPrecondition when
  // another process has it open, or it is of a newer version.
  static absl::StatusOr<std::unique_ptr<StateStore>> Open(const std::string& path);
  ~StateStore();
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  // --- copies, for upgrades (agent/monitor/upgrade)
  // Which schema a file has that no process has open, and which one this program makes.
  static absl::StatusOr<int64_t> SchemaVersionOf(const std::string& path);
  static int64_t OwnSchemaVersion();
  // Puts a copy of all that is committed at `path`, which must not be there; mode 0600,
  // synced, with its directory. ResourceExhausted, before it begins, when the disk has no
  // room for it.
  enum class Spool { kWith, kWithout };
  absl::Status CopyTo(const std::string& path, Spool spool = Spool::kWith);
  // For what takes the place of `newer`, a database of a later version that no process has
  // open: takes who the host is, what was taken, cancelled and not finished, and a newer
  // trust policy that holds, so that nothing runs again. Where the journal can't be read,
  // or has no room here, every action made until `made_until`, and a while after it, counts
  // as held. Recurring actions, which may have run or been cancelled since, are forgotten,
  // and what is spooled here of another agent's id.
  absl::StatusOr<CarriedOver> CarryOver(const std::string& newer, std::string_view fleet_id,
                                        absl::Time made_until);

  // Drawn on the first start.
  absl::StatusOr<std::string> AgentId();
  // As it was saved (agent/monitor/host_fingerprint.h); empty if it never was.
  absl::StatusOr<std::string> HostFingerprint();
  absl::Status SaveHostFingerprint(std::string_view fingerprint);
  // When the enrolment token was written that this identity has been connected with, or
  // since: that one isn't handed out any more. Nothing: it never was connected.
  absl::StatusOr<std::optional<absl::Time>> EnrolledWith();
  absl::Status SaveEnrolledWith(absl::Time token_written);
  // The next AgentId() draws another one. The fingerprint is forgotten with it, and what
  // the old one has yet to tell: results, and which operations had begun. Journal, trust
  // policy and recurring actions stay, so that nothing runs twice, and no older policy
  // is taken.
  absl::Status ForgetIdentity();

  // The stored policy. Nothing if none was stored, or if it was stored under
  // other pinned root keys than these: who changes the pins starts anew.
  absl::StatusOr<std::optional<TrustPolicy>> LoadTrustPolicy(const RootSet& pinned,
                                                             std::string_view fleet_id);
  // `ca_certificates` are those of the configuration at this time.
  absl::Status SaveTrustPolicy(const TrustPolicy& policy, const RootSet& pinned,
                               std::string_view ca_certificates);
  // Whether the configuration had these CA certificates when the policy was saved: if
  // not, someone has put others there since.
  absl::StatusOr<bool> TookPolicyWith(std::string_view ca_certificates);

  // --- replay journal
  absl::StatusOr<bool> JournalHolds(std::string_view action_id, int64_t occurrence);
  // Before anything of the action runs. AlreadyExists if it is there.
  absl::Status JournalTaken(std::string_view action_id, int64_t occurrence, int operations,
                            absl::Time now);
  // For an action that was cancelled before it came: it is never taken. Kept
  // beside the journal: who may cancel must not be able to make that forget. False
  // if the journal holds it already.
  absl::StatusOr<bool> JournalCancelled(std::string_view action_id);
  // Whether it was.
  absl::StatusOr<bool> WasCancelled(std::string_view action_id);
  // All that was taken by a process that is gone and didn't finish.
  absl::StatusOr<std::vector<InterruptedOperation>> Interrupted();

  // --- recurring actions. Times are whole seconds.
  // Puts it into the journal, too, as occurrence 0. AlreadyExists if that holds it.
  absl::Status TakeStanding(const StoredStanding& standing, absl::Time now);
  absl::StatusOr<std::vector<StoredStanding>> Standing();
  // Before anything of the occurrence runs: an end is owed to each of its operations
  // from now on. AlreadyExists unless it is behind the last one.
  absl::Status BeginOccurrence(std::string_view action_id, absl::Time occurrence, int operations);
  // As BeginOccurrence, but nothing of it will run.
  absl::Status AdvanceStanding(std::string_view action_id, absl::Time occurrence,
                               v1::Refusal::Reason refused);
  absl::Status SaveStandingOrder(std::string_view action_id, const OrderBook::InForce& order);
  // What was begun of it keeps its end. No error when it isn't there.
  absl::Status RemoveStanding(std::string_view action_id);
  // Removes it, and WasCancelled() says so from then on.
  absl::Status CancelStanding(std::string_view action_id);

  // --- result spool
  // All of them or none. A record whose key is already there changes nothing. A
  // summary ends its operation in the same transaction.
  absl::Status Append(std::span<const v1::ResultRecord> records);
  // False when kMaxSpooledRefusals are waiting: it was dropped.
  absl::StatusOr<bool> AppendRefusal(const v1::ResultRecord& record);
  // The first record behind `position`; nothing at the end.
  absl::StatusOr<std::optional<SpooledRecord>> NextAfter(int64_t position);
  // The first operation in the spool, or the one behind that of `after`, with the
  // place before its records; nothing at the end.
  absl::StatusOr<std::optional<SpoolPlace>> NextOperation(const std::optional<SpoolPlace>& after);
  // The operation's record behind `place`, which becomes that record's; nothing
  // at the end.
  absl::StatusOr<std::optional<SpooledRecord>> NextOf(SpoolPlace* place);
  // Forgets acknowledged records. Not durable at once: a record that comes back
  // after a crash is sent again and changes nothing. The positions of those that
  // were there.
  absl::StatusOr<std::vector<int64_t>> Acknowledge(std::span<const v1::RecordKey> keys);
  // For a record whose bytes are damaged: it is forgotten. If it was the end of its
  // operation, a summary that says so stands in its place, and is returned.
  absl::StatusOr<std::optional<v1::ResultRecord>> ReplaceUnreadable(int64_t position);
  // Whether a record of this action waits for a scheduler.
  absl::StatusOr<bool> HoldsRecordsOf(std::string_view action_id);
  // Serialised bytes of all records waiting; without refusals, which are bounded
  // by their number.
  uint64_t spooled_bytes() const { return spooled_bytes_; }
  // When more than half of the file is no longer used, gives a part of that back
  // to the disk: some milliseconds' work. True when there is more to give back.
  absl::StatusOr<bool> Shrink();

 private:
  class Statement;
  class Transaction;
  explicit StateStore(sqlite3* database) : database_(database) {}
  absl::Status Initialize();
  absl::StatusOr<std::optional<std::string>> LoadValue(std::string_view key);
  absl::Status SaveValue(std::string_view key, std::string_view value);
  absl::Status Insert(const v1::ResultRecord& record);
  absl::Status UpdateUnfinished(const v1::ResultRecord& record);
  absl::Status InsertJournal(std::string_view action_id, int64_t occurrence, absl::Time now);
  absl::Status InsertUnfinished(std::string_view action_id, int64_t occurrence, int operations);
  absl::Status InsertCancelled(std::string_view action_id);
  absl::Status Advance(std::string_view action_id, absl::Time occurrence,
                       v1::Refusal::Reason refused);
  absl::Status PruneJournal(absl::Time now);
  absl::Status RaiseJournalFloor(const std::string& action_id);
  // Of the database that is attached as `newer`.
  absl::StatusOr<std::map<std::string, std::string>> NewerValues();
  absl::StatusOr<CarriedOver> CarryAttached(std::string_view fleet_id, absl::Time made_until,
                                            bool with_tables);
  absl::Status CarryIdentity(const std::map<std::string, std::string>& newer);
  absl::StatusOr<bool> CarryPolicy(const std::map<std::string, std::string>& newer,
                                   std::string_view fleet_id);
  absl::Status CarryJournal(const std::map<std::string, std::string>& newer);
  absl::Status CarryUnfinished();
  absl::Status CopyWithoutSpool(const std::string& path);
  // Counts the refusals, too.
  absl::StatusOr<uint64_t> CountSpool();
  // The integer that it answers; 0 when it says nothing.
  absl::StatusOr<int64_t> Pragma(std::string_view name);

  // Compiled once: those that run for each record. `sql` must be a literal.
  Statement Kept(const char* sql);

  sqlite3* database_;
  std::map<const char*, sqlite3_stmt*> kept_;
  uint64_t spooled_bytes_ = 0;
  int64_t spooled_refusals_ = 0;
};

}  // namespace dragnet
