#include "scheduler/migrate/postgres_tables.h"

#include <libpq-fe.h>

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/migrate/quoted.h"
#include "scheduler/store/postgres/postgres_database.h"

namespace dragnet::scheduler {
namespace {

// COPY's binary form begins with this, flags (none) and the length of an extension (none).
constexpr std::string_view kCopyBegin("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr size_t kSendBytes = size_t{256} << 10;

using Column = PostgresTables::Column;

void AppendNumber(uint64_t number, int bytes, std::string* text) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text->push_back(static_cast<char>(number >> shift));
}

int BytesOf(Column::Type type) {
  switch (type) {
    case Column::Type::kInt8:
      return 8;
    case Column::Type::kInt4:
      return 4;
    case Column::Type::kInt2:
      return 2;
    case Column::Type::kBytes:
      return 0;
  }
  return 0;
}

bool Fits(int64_t number, int bytes) {
  if (bytes == 8) return true;
  const int64_t bound = int64_t{1} << (8 * bytes - 1);
  return number >= -bound && number < bound;
}

std::vector<std::string> NamesOf(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

// Takes big-endian numbers and bytes from the front of a message of COPY.
class CopyReader {
 public:
  explicit CopyReader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  // A row of -1 fields.
  bool at_trailer() const { return rest_ == "\377\377"; }
  bool Skip(std::string_view begin) {
    if (!rest_.starts_with(begin)) return false;
    rest_.remove_prefix(begin.size());
    return true;
  }
  std::optional<int64_t> Number(int bytes) {
    if (rest_.size() < static_cast<size_t>(bytes)) return std::nullopt;
    // Of the first byte, for its sign.
    int64_t number = static_cast<signed char>(rest_[0]);
    for (int i = 1; i < bytes; ++i)
      number = static_cast<int64_t>(static_cast<uint64_t>(number) << 8 |
                                    static_cast<unsigned char>(rest_[static_cast<size_t>(i)]));
    rest_.remove_prefix(static_cast<size_t>(bytes));
    return number;
  }
  std::optional<std::string_view> Bytes(size_t count) {
    if (rest_.size() < count) return std::nullopt;
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

 private:
  std::string_view rest_;
};

// The row that a message of COPY holds; false at the end of all, and for what is no row.
bool ReadRow(CopyReader* message, const std::vector<Column>& columns, std::vector<Field>* row) {
  if (message->Number(2) != static_cast<int64_t>(columns.size())) return false;
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::optional<int64_t> length = message->Number(4);
    if (!length.has_value()) return false;
    Field& field = (*row)[i];
    field = {};
    if (*length == -1) continue;
    if (columns[i].type == Column::Type::kBytes) {
      const auto bytes = message->Bytes(static_cast<size_t>(*length));
      if (!bytes.has_value()) return false;
      field = {.kind = Field::Kind::kBytes, .bytes = *bytes};
      continue;
    }
    if (*length != BytesOf(columns[i].type)) return false;
    const auto number = message->Number(static_cast<int>(*length));
    if (!number.has_value()) return false;
    field = {.kind = Field::Kind::kInteger, .integer = *number};
  }
  return message->at_end();
}

}  // namespace

void PostgresTables::Finish::operator()(PGconn* connection) const { PQfinish(connection); }
void PostgresTables::Clear::operator()(PGresult* result) const { PQclear(result); }

absl::Status PostgresTables::Error(std::string_view what) const {
  const std::string words =
      StrCat("PostgreSQL: ", what, ": ",
             ToStd(absl::StripTrailingAsciiWhitespace(PQerrorMessage(connection_.get()))));
  return PQstatus(connection_.get()) == CONNECTION_OK ? absl::InternalError(words)
                                                      : absl::UnavailableError(words);
}

absl::StatusOr<PostgresTables> PostgresTables::Connect(const std::string& url) {
  DRAGNET_ASSIGN_OR_RETURN(auto parameters, PostgresParameters(url));
  parameters["application_name"] = "dragnet-scheduler migrate";
  std::vector<const char*> names, values;
  for (const auto& [name, value] : parameters) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  PostgresTables tables(std::unique_ptr<PGconn, Finish>(
      PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/0)));
  if (PQstatus(tables.connection_.get()) != CONNECTION_OK) return tables.Error("connect");
  // It takes as long as it takes; what bounds schedulers, by their role or the server's
  // settings, isn't meant for it.
  for (const char* statement : {"SET search_path = dragnet", "SET statement_timeout = 0",
                                "SET idle_in_transaction_session_timeout = 0",
                                "SET client_min_messages = warning", "BEGIN"})
    DRAGNET_RETURN_IF_ERROR(tables.Execute(statement));
  return tables;
}

absl::StatusOr<PostgresTables::Result> PostgresTables::Ask(const std::string& sql) {
  Result result(PQexecParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr,
                             /*resultFormat=*/0));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return Error(sql);
  return result;
}

absl::Status PostgresTables::Execute(const std::string& sql) { return Ask(sql).status(); }

absl::StatusOr<int64_t> PostgresTables::Integer(const std::string& sql) {
  DRAGNET_ASSIGN_OR_RETURN(const Result result, Ask(sql));
  int64_t number = 0;
  if (PQntuples(result.get()) != 1 || !absl::SimpleAtoi(PQgetvalue(result.get(), 0, 0), &number))
    return absl::InternalError(StrCat("PostgreSQL: ", sql, ": gave no number"));
  return number;
}

absl::StatusOr<std::vector<std::string>> PostgresTables::Names() {
  // Partitions are parts of theirs.
  DRAGNET_ASSIGN_OR_RETURN(
      const Result result,
      Ask("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
          "AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"));
  std::vector<std::string> names;
  for (int i = 0; i < PQntuples(result.get()); ++i)
    names.emplace_back(PQgetvalue(result.get(), i, 0));
  return names;
}

absl::StatusOr<std::vector<Column>> PostgresTables::ColumnsOf(std::string_view table) {
  DRAGNET_ASSIGN_OR_RETURN(
      const Result result,
      Ask(StrCat("SELECT attname, atttypid::regtype::text, attidentity <> '' FROM pg_attribute "
                 "WHERE attrelid = ",
                 QuotedText(QuotedName(table)),
                 "::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum")));
  std::vector<Column> columns;
  for (int i = 0; i < PQntuples(result.get()); ++i) {
    const std::string name = PQgetvalue(result.get(), i, 0);
    const std::string type = PQgetvalue(result.get(), i, 1);
    const bool is_identity = std::string_view(PQgetvalue(result.get(), i, 2)) == "t";
    if (type == "bigint") {
      columns.push_back({name, Column::Type::kInt8, is_identity});
    } else if (type == "integer") {
      columns.push_back({name, Column::Type::kInt4, is_identity});
    } else if (type == "smallint") {
      columns.push_back({name, Column::Type::kInt2, is_identity});
    } else if (type == "bytea" || type == "text") {
      columns.push_back({name, Column::Type::kBytes, false});
    } else {
      return absl::InvalidArgumentError(StrCat("PostgreSQL: ", table, ".", name, " is of the type ",
                                               type, ", which no table of a store has"));
    }
  }
  return columns;
}

absl::Status PostgresTables::BeginFilling(std::string_view table,
                                          const std::vector<Column>& columns) {
  table_ = std::string(table);
  columns_ = columns;
  const std::string sql = StrCat("COPY ", QuotedName(table), " (", QuotedNames(NamesOf(columns)),
                                 ") FROM STDIN (FORMAT binary)");
  const Result result(PQexec(connection_.get(), sql.c_str()));
  if (PQresultStatus(result.get()) != PGRES_COPY_IN) return Error(sql);
  filled_ = std::string(kCopyBegin);
  return absl::OkStatus();
}

absl::Status PostgresTables::Fill(Row row) {
  AppendNumber(columns_.size(), 2, &filled_);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Field& field = row[i];
    const int number_bytes = BytesOf(columns_[i].type);
    if (field.kind == Field::Kind::kNull) {
      AppendNumber(0xffffffff, 4, &filled_);
    } else if (field.kind == Field::Kind::kInteger && number_bytes > 0 &&
               Fits(field.integer, number_bytes)) {
      AppendNumber(static_cast<uint64_t>(number_bytes), 4, &filled_);
      AppendNumber(static_cast<uint64_t>(field.integer), number_bytes, &filled_);
    } else if (field.kind == Field::Kind::kBytes && number_bytes == 0 &&
               field.bytes.size() <= std::numeric_limits<int32_t>::max()) {
      AppendNumber(field.bytes.size(), 4, &filled_);
      filled_.append(field.bytes);
    } else {
      return absl::DataLossError(
          StrCat(table_, ".", columns_[i].name, ": a value that PostgreSQL's column can't hold"));
    }
  }
  return filled_.size() < kSendBytes ? absl::OkStatus() : SendFilled();
}

absl::Status PostgresTables::SendFilled() {
  if (PQputCopyData(connection_.get(), filled_.data(), static_cast<int>(filled_.size())) != 1)
    return EndOfCopy(StrCat("fill ", table_));
  filled_.clear();
  return absl::OkStatus();
}

absl::Status PostgresTables::EndFilling() {
  AppendNumber(0xffff, 2, &filled_);
  DRAGNET_RETURN_IF_ERROR(SendFilled());
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) return Error(StrCat("fill ", table_));
  return EndOfCopy(StrCat("fill ", table_));
}

absl::Status PostgresTables::EndOfCopy(std::string_view what) {
  absl::Status status;
  while (true) {
    const Result result(PQgetResult(connection_.get()));
    if (result == nullptr) return status;
    const ExecStatusType code = PQresultStatus(result.get());
    if (code == PGRES_COMMAND_OK) continue;
    if (status.ok()) status = Error(what);
    // It would be given again and again.
    if (code == PGRES_COPY_IN || code == PGRES_COPY_OUT) return status;
  }
}

absl::Status PostgresTables::ForEachRow(std::string_view table, const std::vector<Column>& columns,
                                        const RowReader& reader) {
  const std::string sql = StrCat("COPY (SELECT ", QuotedNames(NamesOf(columns)), " FROM ",
                                 QuotedName(table), ") TO STDOUT (FORMAT binary)");
  const Result result(PQexec(connection_.get(), sql.c_str()));
  if (PQresultStatus(result.get()) != PGRES_COPY_OUT) return Error(sql);
  std::vector<Field> row(columns.size());
  bool begun = false;
  bool ended = false;
  while (true) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection_.get(), &bytes, /*async=*/0);
    const std::unique_ptr<char, void (*)(void*)> owned(bytes, &PQfreemem);
    if (size == -2) return Error(StrCat("read ", table));
    if (size == -1) break;
    // A message is a row, the last one the trailer; the first one has the beginning in front.
    CopyReader message(std::string_view(bytes, static_cast<size_t>(size)));
    if (!begun && !message.Skip(kCopyBegin))
      return absl::InternalError(StrCat("PostgreSQL: read ", table, ": not COPY's binary form"));
    begun = true;
    ended = message.at_trailer();
    if (ended || message.at_end()) continue;
    if (!ReadRow(&message, columns, &row))
      return absl::InternalError(StrCat("PostgreSQL: read ", table, ": a row in an unknown form"));
    DRAGNET_RETURN_IF_ERROR(reader(row));
  }
  DRAGNET_RETURN_IF_ERROR(EndOfCopy(StrCat("read ", table)));
  if (!ended)
    return absl::InternalError(StrCat("PostgreSQL: read ", table, ": it ends in the middle"));
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
