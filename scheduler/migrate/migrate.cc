#include "scheduler/migrate/migrate.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/migrate/local_files.h"
#include "scheduler/migrate/postgres_tables.h"
#include "scheduler/migrate/quoted.h"
#include "scheduler/migrate/sqlite_tables.h"
#include "scheduler/migrate/table_rows.h"
#include "scheduler/settings.h"
#include "scheduler/settings_cluster.h"
#include "scheduler/store/act_as_owner.h"
#include "scheduler/store/open_store.h"

namespace dragnet::scheduler {
namespace {

using Column = PostgresTables::Column;

// A table that both sides have, with the same columns in the same order.
struct Table {
  std::string name;
  std::vector<Column> columns;

  std::vector<std::string> column_names() const {
    std::vector<std::string> names;
    for (const Column& column : columns) names.push_back(column.name);
    return names;
  }
};

// Every table of the source: one that has no place in the target would be lost.
absl::StatusOr<std::vector<Table>> TablesToMove(SqliteTables& from, PostgresTables& to) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> names, from.Names());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> there, to.Names());
  std::vector<Table> tables;
  for (const std::string& name : names) {
    if (std::find(there.begin(), there.end(), name) == there.end())
      return absl::FailedPreconditionError(
          StrCat("PostgreSQL has no table ", name, ": dragnet-scheduler migrate --to … first"));
    Table table;
    table.name = name;
    DRAGNET_ASSIGN_OR_RETURN(std::vector<std::string> columns, from.ColumnsOf(name));
    DRAGNET_ASSIGN_OR_RETURN(table.columns, to.ColumnsOf(name));
    std::vector<std::string> target = table.column_names();
    std::sort(columns.begin(), columns.end());
    std::sort(target.begin(), target.end());
    if (columns != target)
      return absl::FailedPreconditionError(
          StrCat(name, ": has the columns ", absl::StrJoin(columns, ", "), " in the file and ",
                 absl::StrJoin(target, ", "), " in PostgreSQL: another version of the schema?"));
    tables.push_back(std::move(table));
  }
  return tables;
}

// What making the tables puts into them isn't data: its stream has never had a position.
// The source's own takes its place, so that cursors keep their meaning.
constexpr char kRemoveSeed[] = "DELETE FROM upkeep WHERE name = 'stream_identity'";

absl::Status CheckEmpty(PostgresTables& to, const std::vector<Table>& tables) {
  // Nor does a scheduler that runs on it: each of its transactions begins by locking this.
  DRAGNET_RETURN_IF_ERROR(to.Execute("LOCK TABLE stream_head IN EXCLUSIVE MODE"));
  DRAGNET_RETURN_IF_ERROR(to.Execute(kRemoveSeed));
  for (const Table& table : tables) {
    // No one writes into it from here on, until this is committed.
    DRAGNET_RETURN_IF_ERROR(
        to.Execute(StrCat("LOCK TABLE ", QuotedName(table.name), " IN EXCLUSIVE MODE")));
    DRAGNET_ASSIGN_OR_RETURN(const int64_t rows,
                             to.Integer(StrCat("SELECT count(*) FROM (SELECT 1 FROM ",
                                               QuotedName(table.name), " LIMIT 1) AS found")));
    if (rows != 0)
      return absl::AlreadyExistsError(
          StrCat("PostgreSQL's table ", table.name,
                 " holds data: a store is moved into an empty database. Nothing was changed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RowsDigest> Fill(SqliteTables& from, PostgresTables& to, const Table& table) {
  RowsDigest digest;
  DRAGNET_RETURN_IF_ERROR(to.BeginFilling(table.name, table.columns));
  DRAGNET_RETURN_IF_ERROR(
      from.ForEachRow(table.name, table.column_names(), [&](Row row) -> absl::Status {
        digest.Add(row);
        return to.Fill(row);
      }));
  DRAGNET_RETURN_IF_ERROR(to.EndFilling());
  return digest;
}

absl::StatusOr<RowsDigest> ReadBack(PostgresTables& to, const Table& table) {
  RowsDigest digest;
  DRAGNET_RETURN_IF_ERROR(to.ForEachRow(table.name, table.columns, [&](Row row) {
    digest.Add(row);
    return absl::OkStatus();
  }));
  return digest;
}

// Rows that come are numbered behind those that were.
absl::Status GoOnNumbering(SqliteTables& from, PostgresTables& to,
                           const std::vector<Table>& tables) {
  DRAGNET_ASSIGN_OR_RETURN(const auto given, from.NumbersGiven());
  for (const Table& table : tables) {
    for (const Column& column : table.columns) {
      if (!column.is_identity) continue;
      const auto found = given.find(table.name);
      DRAGNET_RETURN_IF_ERROR(
          to.Integer(StrCat("SELECT setval(pg_get_serial_sequence(",
                            QuotedText(QuotedName(table.name)), ", ", QuotedText(column.name),
                            "), 1 + greatest(", found == given.end() ? 0 : found->second,
                            ", coalesce(max(", QuotedName(column.name), "), 0)), false) FROM ",
                            QuotedName(table.name)))
              .status());
    }
  }
  return absl::OkStatus();
}

// Whether values of this column are positions in the order of everything that happened
// (docs/store.md).
bool IsPosition(const Table& table, const Column& column) {
  if (table.name == "bus_positions") return false;
  if (column.name == "position" || column.name == "last_position") return true;
  return column.name == "no" && (table.name == "outbox" || table.name == "revocations");
}

// What a record counts beside its rows: as record_tables.cc counts it.
constexpr int64_t kBytesBesideRows = 200;

// Positions go on behind the last one; `bytes` is what retention goes by. No one wrote last:
// who thinks so knows of other tables.
absl::Status SetStreamHead(PostgresTables& to, const std::vector<Table>& tables) {
  int64_t last = 0;
  for (const Table& table : tables) {
    for (const Column& column : table.columns) {
      if (!IsPosition(table, column)) continue;
      DRAGNET_ASSIGN_OR_RETURN(const int64_t newest,
                               to.Integer(StrCat("SELECT coalesce(max(", QuotedName(column.name),
                                                 "), 0) FROM ", QuotedName(table.name))));
      last = std::max(last, newest);
    }
  }
  return to.Execute(StrCat("UPDATE stream_head SET position = ", last,
                           ", writer = 0, bytes = (SELECT coalesce(sum(", kBytesBesideRows,
                           " + length(rows)), 0) FROM records)"));
}

}  // namespace

absl::StatusOr<Migration> ReadMigration(const MigrationWords& words) {
  constexpr std::string_view kFile = "sqlite:";
  std::string configured;
  if (!words.config.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(words.config));
    configured = settings.store;
  }
  Migration migration;
  if (words.from.starts_with(kFile)) {
    migration.file = words.from.substr(kFile.size());
  } else if (words.from == "sqlite") {
    if (configured.empty() || IsPostgresUrl(configured))
      return absl::InvalidArgumentError(
          "--from sqlite: which file? Give sqlite:FILE, or a --config whose store is one");
    migration.file = configured;
  } else if (!words.from.empty()) {
    return absl::InvalidArgumentError(
        StrCat("--from ", words.from, ": give sqlite:FILE; there is no way back from PostgreSQL"));
  }
  if (words.from.starts_with(kFile) && migration.file.empty())
    return absl::InvalidArgumentError("--from sqlite: which file?");
  if (IsPostgresUrl(words.to)) {
    migration.url = words.to;
  } else if (words.to == "postgresql") {
    migration.url = words.url.empty() ? configured : words.url;
  }
  if (!IsPostgresUrl(migration.url))
    return absl::InvalidArgumentError(
        "--to: give postgresql://…, or postgresql with --url, or with a --config whose store is "
        "it");
  // Also because others see the arguments of a process.
  DRAGNET_RETURN_IF_ERROR(Annotate(CheckPostgresUrl(migration.url), "--to"));
  if (!words.name.empty() && !IsSchedulerName(words.name))
    return absl::InvalidArgumentError(StrCat("--name ", words.name, ": a-z, 0-9 and '-'"));
  if (migration.file.empty() || !HasLocalFiles(migration.file)) return migration;
  if (words.name.empty())
    return absl::InvalidArgumentError(StrCat(
        "--name: beside ", migration.file,
        " are blobs, or cursors of exports: which scheduler_name are they for from now on?"));
  migration.local_files = std::filesystem::path(migration.file).replace_filename(words.name);
  return migration;
}

absl::StatusOr<std::vector<MovedTable>> MoveStore(const std::string& path, const std::string& url) {
  // First, as who was asked to: the key for it is root's. What follows is done on files of
  // the scheduler's user, as that one.
  DRAGNET_ASSIGN_OR_RETURN(PostgresTables to, PostgresTables::Connect(url));
  const std::string directory = std::filesystem::path(path).parent_path().string();
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<ActAsOwner> owner,
                           ActAsOwner::Of(directory.empty() ? "." : directory));
  DRAGNET_ASSIGN_OR_RETURN(SqliteTables from, SqliteTables::Open(path));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<Table> tables, TablesToMove(from, to));
  DRAGNET_RETURN_IF_ERROR(CheckEmpty(to, tables));
  std::vector<MovedTable> moved;
  std::vector<std::string> differences;
  for (const Table& table : tables) {
    DRAGNET_ASSIGN_OR_RETURN(const RowsDigest written, Fill(from, to, table));
    DRAGNET_ASSIGN_OR_RETURN(const RowsDigest there, ReadBack(to, table));
    if (written != there)
      differences.push_back(StrCat(table.name, ": ", written.rows(), " rows, ", written.Hex(),
                                   " in the file; ", there.rows(), " rows, ", there.Hex(),
                                   " in PostgreSQL"));
    moved.push_back({.name = table.name, .rows = written.rows(), .hash = written.Hex()});
  }
  if (!differences.empty())
    return absl::DataLossError(StrCat("what is in PostgreSQL is not what was in ", path, ":\n  ",
                                      absl::StrJoin(differences, "\n  "),
                                      "\nNothing was kept there."));
  DRAGNET_RETURN_IF_ERROR(GoOnNumbering(from, to, tables));
  DRAGNET_RETURN_IF_ERROR(SetStreamHead(to, tables));
  DRAGNET_RETURN_IF_ERROR(to.Commit());
  return moved;
}

absl::Status RenewStreamIdentity(const std::string& url) {
  DRAGNET_ASSIGN_OR_RETURN(PostgresTables tables, PostgresTables::Connect(url));
  DRAGNET_RETURN_IF_ERROR(tables.Execute(
      "UPDATE upkeep SET value = ('x' || substr(replace(gen_random_uuid()::text, '-', ''), 17, "
      "16))::bit(64)::bigint WHERE name = 'stream_identity'"));
  return tables.Commit();
}

std::string DescribeMoved(const std::vector<MovedTable>& tables) {
  std::string text =
      absl::StrFormat("%-24s %12s  %s\n", "table", "rows", "SHA-256, summed over rows");
  uint64_t rows = 0;
  for (const MovedTable& table : tables) {
    StrAppend(&text, absl::StrFormat("%-24s %12d  %s\n", table.name, table.rows, table.hash));
    rows += table.rows;
  }
  StrAppend(&text, absl::StrFormat("%-24s %12d  the same on both sides\n", "all", rows));
  return text;
}

}  // namespace dragnet::scheduler
