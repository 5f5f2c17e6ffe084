// Copies of the agent's state, and what goes from a newer version's into an older one.
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "agent/monitor/state_store.h"
#include "agent/monitor/state_store_statement.h"
#include "core/file_io.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

// Left free beside a copy, for what its first opening writes.
constexpr uint64_t kBesideACopy = uint64_t{256} << 10;
// Of `value`: who this host is, and what is remembered of that.
constexpr const char* kIdentityKeys[] = {"agent_id", "host_fingerprint", "enrolled_with"};
constexpr const char* kPolicyKeys[] = {"trust_policy", "pinned_roots", "ca_file_sha256"};
constexpr char kFloorKey[] = "journal_floor";

absl::Status SyncPath(const std::string& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return ErrnoStatus(StrCat("sync ", path), errno);
  return absl::OkStatus();
}

std::string DirectoryOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// ResourceExhausted, by name, before a disk is filled that all else needs, too.
absl::Status CheckRoomFor(const std::string& path, uint64_t bytes) {
  struct statvfs info;
  if (::statvfs(DirectoryOf(path).c_str(), &info) != 0) {
    return ErrnoStatus(StrCat("statvfs ", DirectoryOf(path)), errno);
  }
  const uint64_t free = uint64_t{info.f_bavail} * info.f_frsize;
  if (free >= bytes + kBesideACopy) return absl::OkStatus();
  return absl::ResourceExhaustedError(StrCat("a copy of the agent's state takes ", bytes,
                                             " bytes at ", path, ", of which ", free, " are free"));
}

}  // namespace

absl::StatusOr<int64_t> StateStore::SchemaVersionOf(const std::string& path) {
  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &database,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  // Closed by it, which also takes a log that a kill left into the file.
  StateStore store(database);
  if (result != SQLITE_OK) return StoreError(database, StrCat("open ", path));
  DRAGNET_RETURN_IF_ERROR(Statement(database, "PRAGMA locking_mode=EXCLUSIVE").Run());
  return store.Pragma("user_version");
}

absl::Status StateStore::CopyTo(const std::string& path, Spool spool) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t pages, Pragma("page_count"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t free, Pragma("freelist_count"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t page, Pragma("page_size"));
  const auto used = static_cast<uint64_t>(std::max<int64_t>(pages - free, 0) * page);
  const uint64_t left_out = spool == Spool::kWithout ? std::min(used, spooled_bytes_) : 0;
  DRAGNET_RETURN_IF_ERROR(CheckRoomFor(path, used - left_out));
  // Made here so that it never exists with a wider mode; SQLite takes an empty file.
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  file.Reset();
  DRAGNET_RETURN_IF_ERROR(Annotate(spool == Spool::kWith
                                       ? Statement(database_, "VACUUM INTO ?").Bind(path).Run()
                                       : CopyWithoutSpool(path),
                                   StrCat("copy to ", path)));
  // SQLite leaves that to the system.
  DRAGNET_RETURN_IF_ERROR(SyncPath(path, 0));
  return SyncPath(DirectoryOf(path), O_DIRECTORY);
}

absl::Status StateStore::CopyWithoutSpool(const std::string& path) {
  DRAGNET_RETURN_IF_ERROR(Statement(database_, "ATTACH ? AS copy").Bind(path).Run());
  const absl::Cleanup detach = [this] { Statement(database_, "DETACH copy").Run().IgnoreError(); };
  DRAGNET_RETURN_IF_ERROR(Statement(database_, "PRAGMA copy.auto_vacuum=INCREMENTAL").Run());
  std::vector<std::pair<std::string, std::string>> tables;
  {
    Statement statement(database_,
                        "SELECT name, sql FROM main.sqlite_master"
                        " WHERE type='table' AND name NOT LIKE 'sqlite_%'");
    while (true) {
      DRAGNET_ASSIGN_OR_RETURN(const bool row, statement.Step());
      if (!row) break;
      tables.emplace_back(statement.Bytes(0), statement.Bytes(1));
    }
  }
  constexpr std::string_view kCreate = "CREATE TABLE ";
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  for (const auto& [name, sql] : tables) {
    // As SQLite keeps what kSchema says, whatever its spaces were.
    if (!sql.starts_with(kCreate)) return absl::InternalError(StrCat("table ", name, ": ", sql));
    const std::string create = StrCat(kCreate, "copy.", sql.substr(kCreate.size()));
    DRAGNET_RETURN_IF_ERROR(Statement(database_, create).Run());
    if (name == "spool") continue;
    const std::string fill = StrCat("INSERT INTO copy.", name, " SELECT * FROM main.", name);
    DRAGNET_RETURN_IF_ERROR(Statement(database_, fill).Run());
  }
  const std::string version = StrCat("PRAGMA copy.user_version=", OwnSchemaVersion());
  DRAGNET_RETURN_IF_ERROR(Statement(database_, version).Run());
  return transaction.Commit();
}

// What `newer.value` holds of what is known here; an error when it can't be read.
absl::StatusOr<std::map<std::string, std::string>> StateStore::NewerValues() {
  std::map<std::string, std::string> values;
  Statement statement(database_,
                      "SELECT key, value FROM newer.value WHERE key IN ('agent_id',"
                      " 'host_fingerprint', 'enrolled_with', 'trust_policy', 'pinned_roots',"
                      " 'ca_file_sha256', 'journal_floor')");
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) break;
    values[statement.Bytes(0)] = statement.Bytes(1);
  }
  const auto id = values.find("agent_id");
  if (id != values.end() && !IsUuid(id->second)) {
    return absl::DataLossError("agent state: agent_id is no id");
  }
  return values;
}

absl::Status StateStore::CarryIdentity(const std::map<std::string, std::string>& newer) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> own, LoadValue("agent_id"));
  const auto id = newer.find("agent_id");
  if (own.has_value() && (id == newer.end() || id->second != *own)) {
    // It is told under another name than it was gathered under.
    DRAGNET_RETURN_IF_ERROR(Statement(database_, "DELETE FROM main.spool").Run());
    DRAGNET_RETURN_IF_ERROR(Statement(database_, "DELETE FROM main.unfinished").Run());
  }
  for (const char* key : kIdentityKeys) {
    const auto value = newer.find(key);
    DRAGNET_RETURN_IF_ERROR(
        value != newer.end()
            ? SaveValue(key, value->second)
            : Statement(database_, "DELETE FROM main.value WHERE key=?").Bind(key).Run());
  }
  return absl::OkStatus();
}

// A scheduler may keep the newer policy back, and with it who has no say any more: so it
// is carried over. Not an older one, nor one that doesn't hold.
absl::StatusOr<bool> StateStore::CarryPolicy(const std::map<std::string, std::string>& newer,
                                             std::string_view fleet_id) {
  const auto envelope = newer.find("trust_policy");
  const auto pins = newer.find("pinned_roots");
  if (envelope == newer.end() || pins == newer.end()) return false;
  const auto policy = TrustPolicy::FromOwnStorage(envelope->second, fleet_id);
  if (!policy.ok()) return false;
  DRAGNET_ASSIGN_OR_RETURN(const auto own_envelope, LoadValue("trust_policy"));
  DRAGNET_ASSIGN_OR_RETURN(const auto own_pins, LoadValue("pinned_roots"));
  if (own_envelope.has_value() && own_pins == pins->second) {
    const auto own = TrustPolicy::FromOwnStorage(*own_envelope, fleet_id);
    if (own.ok() && own->version() >= policy->version()) return false;
  }
  for (const char* key : kPolicyKeys) {
    const auto value = newer.find(key);
    if (value != newer.end()) DRAGNET_RETURN_IF_ERROR(SaveValue(key, value->second));
  }
  return true;
}

absl::Status StateStore::CarryJournal(const std::map<std::string, std::string>& newer) {
  for (const char* sql :
       {"INSERT OR IGNORE INTO main.journal(action_id, occurrence, taken_at)"
        " SELECT action_id, occurrence, taken_at FROM newer.journal ORDER BY entry",
        "INSERT OR IGNORE INTO main.cancelled(action_id)"
        " SELECT action_id FROM newer.cancelled ORDER BY entry"}) {
    DRAGNET_RETURN_IF_ERROR(Statement(database_, sql).Run());
  }
  const auto floor = newer.find(kFloorKey);
  return floor == newer.end() ? absl::OkStatus() : RaiseJournalFloor(floor->second);
}

// What of it ended since is told; what began since was never here.
absl::Status StateStore::CarryUnfinished() {
  Statement probe(database_,
                  "SELECT action_id, occurrence, operation, next_sequence, rows"
                  " FROM newer.unfinished LIMIT 1");
  if (!probe.Step().ok()) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(Statement(database_, "DELETE FROM main.unfinished").Run());
  return Statement(database_,
                   "INSERT OR IGNORE INTO main.unfinished SELECT action_id, occurrence,"
                   " operation, next_sequence, rows FROM newer.unfinished")
      .Run();
}

absl::StatusOr<CarriedOver> StateStore::CarryOver(const std::string& newer,
                                                  std::string_view fleet_id,
                                                  absl::Time made_until) {
  // One that is damaged is as one without tables.
  const absl::Status attached = Statement(database_, "ATTACH ? AS newer").Bind(newer).Run();
  if (absl::IsFailedPrecondition(attached)) return attached;
  const absl::Cleanup detach = [this] { Statement(database_, "DETACH newer").Run().IgnoreError(); };
  absl::StatusOr<CarriedOver> carried = CarryAttached(fleet_id, made_until, /*with_tables=*/true);
  // As where the disk has no room for the journal: its place takes one line.
  if (!carried.ok()) carried = CarryAttached(fleet_id, made_until, /*with_tables=*/false);
  return carried;
}

absl::StatusOr<CarriedOver> StateStore::CarryAttached(std::string_view fleet_id,
                                                      absl::Time made_until, bool with_tables) {
  CarriedOver carried;
  const auto values = NewerValues();
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> own_id, LoadValue("agent_id"));
  carried.identity = values.ok() || own_id.has_value();
  Transaction transaction(database_);
  DRAGNET_RETURN_IF_ERROR(transaction.begun());
  if (values.ok()) {
    DRAGNET_RETURN_IF_ERROR(CarryIdentity(*values));
    DRAGNET_ASSIGN_OR_RETURN(carried.policy, CarryPolicy(*values, fleet_id));
  }
  if (values.ok() && with_tables) {
    const absl::Status journal = CarryJournal(*values);
    // It may have ended the transaction.
    if (absl::IsResourceExhausted(journal)) return journal;
    carried.journal = journal.ok();
    DRAGNET_RETURN_IF_ERROR(CarryUnfinished());
  }
  if (!carried.journal) {
    DRAGNET_RETURN_IF_ERROR(RaiseJournalFloor(HighestIdUntil(made_until + kOrderClockSkew)));
  }
  DRAGNET_RETURN_IF_ERROR(Statement(database_, "DELETE FROM main.standing").Run());
  DRAGNET_RETURN_IF_ERROR(transaction.Commit());
  DRAGNET_ASSIGN_OR_RETURN(spooled_bytes_, CountSpool());
  return carried;
}

}  // namespace dragnet
