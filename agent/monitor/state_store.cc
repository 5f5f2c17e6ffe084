#include "agent/monitor/state_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "agent/monitor/state_store_statement.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

constexpr int kSchemaVersion = 3;
// Free pages (4 KiB each) that the file keeps to write to.
constexpr int64_t kKeptFreePages = 256;
// For each of them another one may have to be moved.
constexpr int64_t kPagesPerShrink = 256;

// What an older version must be able to take from here when it is back in place
// (StateStore::CarryOver): `value`, `journal`, `cancelled` and `unfinished` keep their columns
// and what these mean in every later version. One that must change that has to leave a
// journal_floor that is as high as all that it took.
constexpr char kSchema[] = R"sql(
CREATE TABLE value(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE journal(
  entry INTEGER PRIMARY KEY,
  action_id TEXT NOT NULL, occurrence INTEGER NOT NULL,
  taken_at INTEGER NOT NULL,
  UNIQUE(action_id, occurrence));
CREATE TABLE unfinished(
  action_id TEXT NOT NULL, occurrence INTEGER NOT NULL, operation INTEGER NOT NULL,
  next_sequence INTEGER NOT NULL DEFAULT 1, rows INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(action_id, occurrence, operation)) WITHOUT ROWID;
CREATE TABLE spool(
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  action_id TEXT NOT NULL, occurrence INTEGER NOT NULL, operation INTEGER NOT NULL,
  sequence INTEGER NOT NULL, envelope_sha256 BLOB NOT NULL,
  record BLOB NOT NULL,
  UNIQUE(action_id, occurrence, operation, sequence, envelope_sha256));
)sql";

// Since version 2. Before it, a cancelled action had two entries in the journal,
// of which the one of occurrence -1 said so.
constexpr char kCancelledTable[] = R"sql(
CREATE TABLE cancelled(entry INTEGER PRIMARY KEY, action_id TEXT NOT NULL UNIQUE);
INSERT INTO cancelled(action_id) SELECT action_id FROM journal WHERE occurrence=-1 ORDER BY entry;
DELETE FROM journal WHERE action_id IN (SELECT action_id FROM cancelled);
)sql";

// Since version 3.
constexpr char kStandingTable[] = R"sql(
CREATE TABLE standing(
  action_id TEXT PRIMARY KEY,
  envelope BLOB NOT NULL,
  taken_at INTEGER NOT NULL,
  last_occurrence INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  order_id TEXT NOT NULL, order_kind INTEGER NOT NULL, order_words TEXT NOT NULL,
  order_expires INTEGER NOT NULL, order_sha256 BLOB NOT NULL) WITHOUT ROWID;
)sql";

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> StateStore::Open(const std::string& path) {
  // Made here so that it never exists with a wider mode.
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  if (::fchmod(file.get(), 0600) != 0) return ErrnoStatus(StrCat("chmod ", path), errno);
  // Before SQLite opens it: closing any descriptor of a file drops all locks
  // that this process has on it (fcntl(2)), also those that keep another agent
  // off this state.
  file.Reset();

  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &database,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<StateStore> store(new StateStore(database));
  if (result != SQLITE_OK) return StoreError(database, StrCat("open ", path));
  DRAGNET_RETURN_IF_ERROR(Annotate(store->Initialize(), path));
  return store;
}

StateStore::~StateStore() {
  for (const auto& [sql, statement] : kept_) sqlite3_finalize(statement);
  sqlite3_close_v2(database_);
}

StateStore::Statement StateStore::Kept(const char* sql) {
  sqlite3_stmt*& statement = kept_[sql];
  if (statement == nullptr) {
    sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  }
  return Statement(database_, sql, statement);
}

absl::Status StateStore::Initialize() {
  // EXCLUSIVE before WAL: one process, and no shared memory file. auto_vacuum
  // before anything is written: Shrink() needs it.
  for (const char* pragma :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA auto_vacuum=INCREMENTAL",
        "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA cache_size=-256",
        "PRAGMA journal_size_limit=4194304", "PRAGMA trusted_schema=OFF"}) {
    DRAGNET_RETURN_IF_ERROR(Statement(database_, pragma).Run());
  }
  DRAGNET_ASSIGN_OR_RETURN(const int64_t version, Pragma("user_version"));
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(StrCat("agent state is of version ", version,
                                                ", this program knows up to ", kSchemaVersion,
                                                ": start the newer dragnet-agent"));
  }
  if (version < kSchemaVersion) {
    Transaction transaction(database_);
    DRAGNET_RETURN_IF_ERROR(transaction.begun());
    if (version == 0 && sqlite3_exec(database_, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return StoreError(database_, "create tables");
    }
    if (version < 2 &&
        sqlite3_exec(database_, kCancelledTable, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return StoreError(database_, "create the table of cancelled actions");
    }
    if (sqlite3_exec(database_, kStandingTable, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return StoreError(database_, "create the table of recurring actions");
    }
    DRAGNET_RETURN_IF_ERROR(
        Statement(database_, StrCat("PRAGMA user_version=", kSchemaVersion)).Run());
    DRAGNET_RETURN_IF_ERROR(transaction.Commit());
  }
  DRAGNET_ASSIGN_OR_RETURN(const int64_t auto_vacuum, Pragma("auto_vacuum"));
  // A file from before: rewritten once. Without room for that it stays as it
  // is, and as large as it once was.
  if (auto_vacuum == 0) Statement(database_, "VACUUM").Run().IgnoreError();
  DRAGNET_ASSIGN_OR_RETURN(spooled_bytes_, CountSpool());
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> StateStore::CountSpool() {
  Statement spooled(database_,
                    "SELECT ifnull(sum(length(record)) FILTER (WHERE sequence>0),0),"
                    " count(*) FILTER (WHERE sequence=0) FROM spool");
  DRAGNET_RETURN_IF_ERROR(spooled.Step().status());
  spooled_refusals_ = spooled.Integer(1);
  return static_cast<uint64_t>(spooled.Integer(0));
}

absl::StatusOr<std::optional<std::string>> StateStore::LoadValue(std::string_view key) {
  Statement statement(database_, "SELECT value FROM value WHERE key=?");
  DRAGNET_ASSIGN_OR_RETURN(const bool found, statement.Bind(key).Step());
  if (!found) return std::nullopt;
  return statement.Bytes(0);
}

absl::Status StateStore::SaveValue(std::string_view key, std::string_view value) {
  return Statement(database_, "INSERT OR REPLACE INTO value VALUES(?,?)")
      .Bind(key)
      .BindBlob(value)
      .Run();
}

absl::StatusOr<std::string> StateStore::AgentId() {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> stored, LoadValue("agent_id"));
  if (stored.has_value()) return *stored;
  const std::string id = NewUuidV4();
  DRAGNET_RETURN_IF_ERROR(SaveValue("agent_id", id));
  return id;
}

absl::StatusOr<std::string> StateStore::HostFingerprint() {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> stored, LoadValue("host_fingerprint"));
  return stored.value_or("");
}

absl::Status StateStore::SaveHostFingerprint(std::string_view fingerprint) {
  return SaveValue("host_fingerprint", fingerprint);
}

absl::StatusOr<std::optional<absl::Time>> StateStore::EnrolledWith() {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> stored, LoadValue("enrolled_with"));
  int64_t nanoseconds = 0;
  if (!stored.has_value() || !absl::SimpleAtoi(ToAbsl(*stored), &nanoseconds)) return std::nullopt;
  return absl::FromUnixNanos(nanoseconds);
}

absl::Status StateStore::SaveEnrolledWith(absl::Time token_written) {
  return SaveValue("enrolled_with", StrCat(absl::ToUnixNanos(token_written)));
}

absl::Status StateStore::ForgetIdentity() {
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  for (const char* sql : {"DELETE FROM value WHERE key IN ('agent_id', 'host_fingerprint',"
                          " 'enrolled_with')",
                          "DELETE FROM spool", "DELETE FROM unfinished"}) {
    DRAGNET_RETURN_IF_ERROR(Statement(database_, sql).Run());
  }
  DRAGNET_RETURN_IF_ERROR(transaction.Commit());
  spooled_bytes_ = 0;
  spooled_refusals_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TrustPolicy>> StateStore::LoadTrustPolicy(const RootSet& pinned,
                                                                       std::string_view fleet_id) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> envelope, LoadValue("trust_policy"));
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> pins, LoadValue("pinned_roots"));
  if (!envelope.has_value() || pins != pinned.ToProto().SerializeAsString()) return std::nullopt;
  DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy, TrustPolicy::FromOwnStorage(*envelope, fleet_id));
  return policy;
}

absl::Status StateStore::SaveTrustPolicy(const TrustPolicy& policy, const RootSet& pinned,
                                         std::string_view ca_certificates) {
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  DRAGNET_RETURN_IF_ERROR(SaveValue("trust_policy", policy.envelope_bytes()));
  DRAGNET_RETURN_IF_ERROR(SaveValue("pinned_roots", pinned.ToProto().SerializeAsString()));
  DRAGNET_RETURN_IF_ERROR(SaveValue("ca_file_sha256", Sha256(ca_certificates)));
  return transaction.Commit();
}

absl::StatusOr<bool> StateStore::TookPolicyWith(std::string_view ca_certificates) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> sha256, LoadValue("ca_file_sha256"));
  return !sha256.has_value() || *sha256 == Sha256(ca_certificates);
}

absl::StatusOr<bool> StateStore::JournalHolds(std::string_view action_id, int64_t occurrence) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> floor, LoadValue("journal_floor"));
  if (floor.has_value() && action_id <= *floor) return true;
  return Statement(database_,
                   "SELECT 1 FROM journal WHERE action_id=? AND occurrence=?"
                   " UNION ALL SELECT 1 FROM cancelled WHERE action_id=?")
      .Bind(action_id)
      .Bind(occurrence)
      .Bind(action_id)
      .Step();
}

absl::Status StateStore::InsertJournal(std::string_view action_id, int64_t occurrence,
                                       absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(
      Statement(database_, "INSERT INTO journal(action_id, occurrence, taken_at) VALUES(?,?,?)")
          .Bind(action_id)
          .Bind(occurrence)
          .Bind(absl::ToUnixSeconds(now))
          .Run());
  return PruneJournal(now);
}

absl::Status StateStore::InsertUnfinished(std::string_view action_id, int64_t occurrence,
                                          int operations) {
  for (int operation = 0; operation < operations; ++operation) {
    DRAGNET_RETURN_IF_ERROR(
        Statement(database_,
                  "INSERT INTO unfinished(action_id, occurrence, operation) VALUES(?,?,?)")
            .Bind(action_id)
            .Bind(occurrence)
            .Bind(operation)
            .Run());
  }
  return absl::OkStatus();
}

absl::Status StateStore::InsertCancelled(std::string_view action_id) {
  DRAGNET_RETURN_IF_ERROR(
      Statement(database_, "INSERT OR IGNORE INTO cancelled(action_id) VALUES(?)")
          .Bind(action_id)
          .Run());
  return Statement(database_,
                   "DELETE FROM cancelled WHERE entry <= (SELECT max(entry) FROM cancelled) - ?")
      .Bind(kMaxCancelled)
      .Run();
}

absl::Status StateStore::JournalTaken(std::string_view action_id, int64_t occurrence,
                                      int operations, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const bool there, JournalHolds(action_id, occurrence));
  if (there) return absl::AlreadyExistsError(StrCat("action ", action_id, " is in the journal"));
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  DRAGNET_RETURN_IF_ERROR(InsertJournal(action_id, occurrence, now));
  DRAGNET_RETURN_IF_ERROR(InsertUnfinished(action_id, occurrence, operations));
  return transaction.Commit();
}

absl::StatusOr<bool> StateStore::JournalCancelled(std::string_view action_id) {
  DRAGNET_ASSIGN_OR_RETURN(const bool there, JournalHolds(action_id, 0));
  if (there) return false;
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  DRAGNET_RETURN_IF_ERROR(InsertCancelled(action_id));
  DRAGNET_RETURN_IF_ERROR(transaction.Commit());
  return true;
}

absl::Status StateStore::TakeStanding(const StoredStanding& standing, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const bool there, JournalHolds(standing.action_id, 0));
  if (there) {
    return absl::AlreadyExistsError(StrCat("action ", standing.action_id, " is in the journal"));
  }
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  DRAGNET_RETURN_IF_ERROR(InsertJournal(standing.action_id, 0, now));
  DRAGNET_RETURN_IF_ERROR(
      Statement(database_, "INSERT INTO standing VALUES(?,?,?,?,?,'',0,'',0,x'')")
          .Bind(standing.action_id)
          .BindBlob(standing.envelope)
          .Bind(absl::ToUnixSeconds(standing.taken_at))
          .Bind(absl::ToUnixSeconds(standing.last_occurrence))
          .Bind(standing.refused)
          .Run());
  if (!standing.order.order_id.empty()) {
    DRAGNET_RETURN_IF_ERROR(SaveStandingOrder(standing.action_id, standing.order));
  }
  return transaction.Commit();
}

absl::StatusOr<std::vector<StoredStanding>> StateStore::Standing() {
  Statement statement(database_,
                      "SELECT action_id, envelope, taken_at, last_occurrence, refused, order_id,"
                      " order_kind, order_words, order_expires, order_sha256 FROM standing");
  std::vector<StoredStanding> all;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return all;
    StoredStanding& standing = all.emplace_back();
    standing.action_id = statement.Bytes(0);
    standing.envelope = statement.Bytes(1);
    standing.taken_at = absl::FromUnixSeconds(statement.Integer(2));
    standing.last_occurrence = absl::FromUnixSeconds(statement.Integer(3));
    standing.refused = static_cast<v1::Refusal::Reason>(statement.Integer(4));
    standing.order.order_id = statement.Bytes(5);
    standing.order.kind = static_cast<v1::Order::Kind>(statement.Integer(6));
    standing.order.words = statement.Bytes(7);
    standing.order.expires = absl::FromUnixSeconds(statement.Integer(8));
    standing.order.envelope_sha256 = statement.Bytes(9);
  }
}

absl::Status StateStore::Advance(std::string_view action_id, absl::Time occurrence,
                                 v1::Refusal::Reason refused) {
  const int64_t seconds = absl::ToUnixSeconds(occurrence);
  DRAGNET_RETURN_IF_ERROR(Statement(database_,
                                    "UPDATE standing SET last_occurrence=?, refused=? "
                                    "WHERE action_id=? AND last_occurrence<?")
                              .Bind(seconds)
                              .Bind(refused)
                              .Bind(action_id)
                              .Bind(seconds)
                              .Run());
  if (sqlite3_changes(database_) == 1) return absl::OkStatus();
  return absl::AlreadyExistsError(
      StrCat("occurrence ", seconds, " of action ", action_id, " is not behind the last one"));
}

absl::Status StateStore::BeginOccurrence(std::string_view action_id, absl::Time occurrence,
                                         int operations) {
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  DRAGNET_RETURN_IF_ERROR(Advance(action_id, occurrence, v1::Refusal::REASON_UNSPECIFIED));
  DRAGNET_RETURN_IF_ERROR(InsertUnfinished(action_id, absl::ToUnixSeconds(occurrence), operations));
  return transaction.Commit();
}

absl::Status StateStore::AdvanceStanding(std::string_view action_id, absl::Time occurrence,
                                         v1::Refusal::Reason refused) {
  return Advance(action_id, occurrence, refused);
}

absl::Status StateStore::SaveStandingOrder(std::string_view action_id,
                                           const OrderBook::InForce& order) {
  return Statement(database_,
                   "UPDATE standing SET order_id=?, order_kind=?, order_words=?, order_expires=?,"
                   " order_sha256=? WHERE action_id=?")
      .Bind(order.order_id)
      .Bind(order.kind)
      .Bind(order.words)
      .Bind(absl::ToUnixSeconds(order.expires))
      .BindBlob(order.envelope_sha256)
      .Bind(action_id)
      .Run();
}

absl::Status StateStore::RemoveStanding(std::string_view action_id) {
  return Statement(database_, "DELETE FROM standing WHERE action_id=?").Bind(action_id).Run();
}

absl::Status StateStore::CancelStanding(std::string_view action_id) {
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  DRAGNET_RETURN_IF_ERROR(RemoveStanding(action_id));
  DRAGNET_RETURN_IF_ERROR(InsertCancelled(action_id));
  return transaction.Commit();
}

absl::StatusOr<bool> StateStore::WasCancelled(std::string_view action_id) {
  return Statement(database_, "SELECT 1 FROM cancelled WHERE action_id=?").Bind(action_id).Step();
}

// What an id from the future left behind as the floor would refuse every action
// until then: such entries stay.
absl::Status StateStore::PruneJournal(absl::Time now) {
  const std::string newest = HighestIdUntil(now + kOrderClockSkew);
  Statement oldest(database_,
                   "DELETE FROM journal WHERE entry <= (SELECT max(entry) FROM journal) - ? "
                   "AND action_id < ? RETURNING action_id");
  oldest.Bind(kMaxJournalEntries).Bind(newest);
  std::string highest;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const bool row, oldest.Step());
    if (!row) break;
    highest = std::max(highest, oldest.Bytes(0));
  }
  return highest.empty() ? absl::OkStatus() : RaiseJournalFloor(highest);
}

absl::Status StateStore::RaiseJournalFloor(const std::string& action_id) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> floor, LoadValue("journal_floor"));
  if (floor.has_value() && *floor >= action_id) return absl::OkStatus();
  return SaveValue("journal_floor", action_id);
}

int64_t StateStore::OwnSchemaVersion() { return kSchemaVersion; }

absl::StatusOr<std::vector<InterruptedOperation>> StateStore::Interrupted() {
  Statement statement(
      database_, "SELECT action_id, occurrence, operation, next_sequence, rows FROM unfinished");
  std::vector<InterruptedOperation> operations;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return operations;
    operations.push_back(
        {statement.Bytes(0), statement.Integer(1), static_cast<uint32_t>(statement.Integer(2)),
         static_cast<uint64_t>(statement.Integer(3)), static_cast<uint64_t>(statement.Integer(4))});
  }
}

absl::Status StateStore::Insert(const v1::ResultRecord& record) {
  const std::string bytes = record.SerializeAsString();
  DRAGNET_RETURN_IF_ERROR(
      Kept("INSERT OR IGNORE INTO spool(action_id, occurrence, operation, sequence,"
           " envelope_sha256, record) VALUES(?,?,?,?,?,?)")
          .Bind(record.action_id())
          .Bind(record.occurrence())
          .Bind(record.operation())
          .Bind(static_cast<int64_t>(record.sequence()))
          .BindBlob(record.refusal().envelope_sha256())
          .BindBlob(bytes)
          .Run());
  if (sqlite3_changes(database_) == 0) return absl::OkStatus();
  if (record.sequence() == 0) {
    ++spooled_refusals_;
  } else {
    spooled_bytes_ += bytes.size();
  }
  return absl::OkStatus();
}

absl::Status StateStore::UpdateUnfinished(const v1::ResultRecord& record) {
  if (record.has_summary()) {
    return Kept("DELETE FROM unfinished WHERE action_id=? AND occurrence=? AND operation=?")
        .Bind(record.action_id())
        .Bind(record.occurrence())
        .Bind(record.operation())
        .Run();
  }
  return Kept(
             "UPDATE unfinished SET next_sequence=?, rows=rows+? "
             "WHERE action_id=? AND occurrence=? AND operation=?")
      .Bind(static_cast<int64_t>(record.sequence()) + 1)
      .Bind(record.rows().rows_size())
      .Bind(record.action_id())
      .Bind(record.occurrence())
      .Bind(record.operation())
      .Run();
}

absl::Status StateStore::Append(std::span<const v1::ResultRecord> records) {
  const uint64_t before = spooled_bytes_;
  const absl::Status status = [&]() -> absl::Status {
    Transaction transaction(database_);
    DRAGNET_RETURN_IF_ERROR(transaction.begun());
    for (const v1::ResultRecord& record : records) {
      DRAGNET_RETURN_IF_ERROR(Insert(record));
      DRAGNET_RETURN_IF_ERROR(UpdateUnfinished(record));
    }
    return transaction.Commit();
  }();
  if (!status.ok()) spooled_bytes_ = before;
  return status;
}

absl::StatusOr<bool> StateStore::AppendRefusal(const v1::ResultRecord& record) {
  if (spooled_refusals_ >= kMaxSpooledRefusals) return false;
  DRAGNET_RETURN_IF_ERROR(Insert(record));
  return true;
}

absl::StatusOr<std::optional<SpooledRecord>> StateStore::NextAfter(int64_t position) {
  Statement statement =
      Kept("SELECT position, record FROM spool WHERE position>? ORDER BY position LIMIT 1");
  DRAGNET_ASSIGN_OR_RETURN(const bool found, statement.Bind(position).Step());
  if (!found) return std::nullopt;
  return SpooledRecord{statement.Integer(0), statement.Bytes(1)};
}

absl::StatusOr<std::optional<SpoolPlace>> StateStore::NextOperation(
    const std::optional<SpoolPlace>& after) {
  Statement statement = Kept(
      "SELECT action_id, occurrence, operation FROM spool "
      "WHERE (action_id, occurrence, operation) > (?,?,?) "
      "ORDER BY action_id, occurrence, operation LIMIT 1");
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  statement.Bind(after.has_value() ? std::string_view(after->action_id) : "")
      .Bind(after.has_value() ? after->occurrence : kFirst)
      .Bind(after.has_value() ? after->operation : kFirst);
  DRAGNET_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return std::nullopt;
  SpoolPlace place;
  place.action_id = statement.Bytes(0);
  place.occurrence = statement.Integer(1);
  place.operation = statement.Integer(2);
  return place;
}

absl::StatusOr<std::optional<SpooledRecord>> StateStore::NextOf(SpoolPlace* place) {
  Statement statement = Kept(
      "SELECT position, record, sequence, envelope_sha256 FROM spool "
      "WHERE action_id=? AND occurrence=? AND operation=? AND (sequence, envelope_sha256) > (?,?) "
      "ORDER BY sequence, envelope_sha256 LIMIT 1");
  DRAGNET_ASSIGN_OR_RETURN(const bool found, statement.Bind(place->action_id)
                                                 .Bind(place->occurrence)
                                                 .Bind(place->operation)
                                                 .Bind(place->sequence)
                                                 .BindBlob(place->envelope_sha256)
                                                 .Step());
  if (!found) return std::nullopt;
  place->sequence = statement.Integer(2);
  place->envelope_sha256 = statement.Bytes(3);
  return SpooledRecord{statement.Integer(0), statement.Bytes(1)};
}

absl::StatusOr<bool> StateStore::HoldsRecordsOf(std::string_view action_id) {
  return Statement(database_, "SELECT 1 FROM spool WHERE action_id=? LIMIT 1")
      .Bind(action_id)
      .Step();
}

absl::StatusOr<std::vector<int64_t>> StateStore::Acknowledge(std::span<const v1::RecordKey> keys) {
  // No sync for this commit: see the header.
  DRAGNET_RETURN_IF_ERROR(Statement(database_, "PRAGMA synchronous=NORMAL").Run());
  const absl::Cleanup restore = [this] {
    Statement(database_, "PRAGMA synchronous=FULL").Run().IgnoreError();
  };
  std::vector<int64_t> positions;
  uint64_t bytes = 0;
  int64_t refusals = 0;
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  for (const v1::RecordKey& key : keys) {
    Statement statement = Kept(
        "DELETE FROM spool WHERE action_id=? AND occurrence=? AND operation=? AND "
        "sequence=? AND envelope_sha256=? RETURNING position, length(record)");
    DRAGNET_ASSIGN_OR_RETURN(const bool found, statement.Bind(key.action_id())
                                                   .Bind(key.occurrence())
                                                   .Bind(key.operation())
                                                   .Bind(static_cast<int64_t>(key.sequence()))
                                                   .BindBlob(key.envelope_sha256())
                                                   .Step());
    if (!found) continue;
    positions.push_back(statement.Integer(0));
    if (key.sequence() == 0) {
      ++refusals;
    } else {
      bytes += static_cast<uint64_t>(statement.Integer(1));
    }
    DRAGNET_RETURN_IF_ERROR(statement.Run());
  }
  DRAGNET_RETURN_IF_ERROR(transaction.Commit());
  spooled_bytes_ -= std::min(spooled_bytes_, bytes);
  spooled_refusals_ -= std::min(spooled_refusals_, refusals);
  return positions;
}

absl::StatusOr<std::optional<v1::ResultRecord>> StateStore::ReplaceUnreadable(int64_t position) {
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  v1::ResultRecord record;
  uint64_t bytes = 0;
  bool is_end = false;
  {
    Statement statement(
        database_,
        "SELECT action_id, occurrence, operation, sequence, length(record),"
        " sequence > 0"
        " AND NOT EXISTS (SELECT 1 FROM spool l WHERE l.action_id=s.action_id AND"
        "  l.occurrence=s.occurrence AND l.operation=s.operation AND l.sequence>s.sequence)"
        " AND NOT EXISTS (SELECT 1 FROM unfinished u WHERE u.action_id=s.action_id AND"
        "  u.occurrence=s.occurrence AND u.operation=s.operation)"
        " FROM spool s WHERE position=?");
    DRAGNET_ASSIGN_OR_RETURN(const bool found, statement.Bind(position).Step());
    if (!found) return std::nullopt;
    record.set_action_id(statement.Bytes(0));
    record.set_occurrence(statement.Integer(1));
    record.set_operation(static_cast<uint32_t>(statement.Integer(2)));
    record.set_sequence(static_cast<uint64_t>(statement.Integer(3)));
    bytes = static_cast<uint64_t>(statement.Integer(4));
    is_end = statement.Integer(5) != 0;
  }
  std::string replacement;
  if (is_end) {
    v1::OperationSummary* summary = record.mutable_summary();
    summary->set_outcome(v1::OUTCOME_INCOMPLETE);
    summary->set_termination(v1::TERMINATION_INTERRUPTED);
    summary->set_detail("the agent's spool was damaged, and with it how this ended");
    replacement = record.SerializeAsString();
    DRAGNET_RETURN_IF_ERROR(Statement(database_, "UPDATE spool SET record=? WHERE position=?")
                                .BindBlob(replacement)
                                .Bind(position)
                                .Run());
  } else {
    DRAGNET_RETURN_IF_ERROR(
        Statement(database_, "DELETE FROM spool WHERE position=?").Bind(position).Run());
  }
  DRAGNET_RETURN_IF_ERROR(transaction.Commit());
  if (record.sequence() == 0) {
    spooled_refusals_ -= std::min<int64_t>(spooled_refusals_, 1);
  } else {
    spooled_bytes_ -= std::min(spooled_bytes_, bytes);
    spooled_bytes_ += replacement.size();
  }
  if (!is_end) return std::nullopt;
  return record;
}

// Its own function, so that no statement is left open: a checkpoint and a VACUUM
// take none.
absl::StatusOr<int64_t> StateStore::Pragma(std::string_view name) {
  Statement statement(database_, StrCat("PRAGMA ", name));
  DRAGNET_RETURN_IF_ERROR(statement.Step().status());
  return statement.Integer(0);
}

absl::StatusOr<bool> StateStore::Shrink() {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t free, Pragma("freelist_count"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t all, Pragma("page_count"));
  // Earlier, what is still used would be moved over and over while it drains.
  if (free <= kKeptFreePages || free < all / 2) return false;
  DRAGNET_RETURN_IF_ERROR(Pragma("synchronous=NORMAL").status());
  const absl::Cleanup restore = [this] { Pragma("synchronous=FULL").IgnoreError(); };
  {
    // Each step gives one page back.
    const int64_t pages = std::min(kPagesPerShrink, free - kKeptFreePages);
    Statement vacuum(database_, StrCat("PRAGMA incremental_vacuum(", pages, ")"));
    while (true) {
      DRAGNET_ASSIGN_OR_RETURN(const bool more, vacuum.Step());
      if (!more) break;
    }
  }
  DRAGNET_ASSIGN_OR_RETURN(const int64_t left, Pragma("freelist_count"));
  if (left >= free) return false;  // a file that can't shrink
  if (left > kKeptFreePages) return true;
  // The file itself gets shorter when the log is written back.
  DRAGNET_RETURN_IF_ERROR(Pragma("wal_checkpoint(TRUNCATE)").status());
  return false;
}

}  // namespace dragnet
