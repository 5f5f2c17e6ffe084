#include "scheduler/store/postgres/postgres_database.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

// pg_type.
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kByteaArray = 1001;
constexpr Oid kInt8Array = 1016;

// What may be sent before its answers are read: neither side is to wait for the other with
// both buffers full.
constexpr size_t kMaxSent = 400;
constexpr size_t kMaxSentBytes = size_t{4} << 20;
constexpr size_t kMaxCopyBytes = size_t{8} << 20;
constexpr size_t kCopyChunk = size_t{64} << 10;
// How much longer than the server's own bound an answer is waited for.
constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr char kCopyHeader[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
constexpr size_t kCopyHeaderBytes = 11 + 4 + 4;
constexpr char kApplication[] = "dragnet-scheduler";

void Put16(int value, std::string* bytes) {
  bytes->push_back(static_cast<char>(value >> 8));
  bytes->push_back(static_cast<char>(value));
}

void Put32(int64_t value, std::string* bytes) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes->push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
}

void Put64(int64_t value, std::string* bytes) {
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes->push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
}

// Sign and all.
int64_t NumberAt(const char* bytes, int size) {
  if (size < 1 || size > 8) return 0;
  uint64_t value = (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<int64_t>(value);
}

Oid TypeOf(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kInteger:
      return kInt8;
    case Value::Kind::kIntegers:
      return kInt8Array;
    case Value::Kind::kStrings:
      return kByteaArray;
    // NULL is only ever one of what may also be bytes.
    case Value::Kind::kNull:
    case Value::Kind::kBytes:
      return kBytea;
  }
  return kBytea;
}

void PutArrayHeader(Oid type, size_t size, std::string* bytes) {
  Put32(size == 0 ? 0 : 1, bytes);  // dimensions
  Put32(0, bytes);                  // none of them is NULL
  Put32(type, bytes);
  if (size == 0) return;
  Put32(static_cast<int64_t>(size), bytes);
  Put32(1, bytes);  // the first index
}

// Empty for what goes as it is.
std::string Encode(const Value& value) {
  std::string bytes;
  switch (value.kind()) {
    case Value::Kind::kInteger:
      Put64(value.integer(), &bytes);
      break;
    case Value::Kind::kIntegers:
      bytes.reserve(20 + 12 * value.integers().size());
      PutArrayHeader(kInt8, value.integers().size(), &bytes);
      for (const int64_t element : value.integers()) {
        Put32(8, &bytes);
        Put64(element, &bytes);
      }
      break;
    case Value::Kind::kStrings:
      PutArrayHeader(kBytea, value.strings().size(), &bytes);
      for (const std::string& element : value.strings()) {
        Put32(static_cast<int64_t>(element.size()), &bytes);
        bytes += element;
      }
      break;
    case Value::Kind::kNull:
    case Value::Kind::kBytes:
      break;
  }
  return bytes;
}

// ? and ?1 become $1; and CROSS JOIN, which is how SQLite is told an order of tables,
// JOIN, whose order this engine keeps to anyway (SetUp).
std::string Translate(std::string_view sql) {
  constexpr std::string_view kCrossJoin = "CROSS JOIN";
  std::string translated;
  int next = 0;
  bool quoted = false;
  for (size_t i = 0; i < sql.size(); ++i) {
    const char c = sql[i];
    if (c == '\'') quoted = !quoted;
    if (!quoted && sql.substr(i, kCrossJoin.size()) == kCrossJoin) {
      translated += "JOIN";
      i += kCrossJoin.size() - 1;
    } else if (c != '?' || quoted) {
      translated += c;
    } else if (i + 1 < sql.size() && sql[i + 1] >= '0' && sql[i + 1] <= '9') {
      translated += '$';
    } else {
      translated += StrCat("$", ++next);
    }
  }
  return translated;
}

// SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
struct Meaning {
  absl::StatusCode code = absl::StatusCode::kInternal;
  Database::Failure failure = Database::Failure::kOfStatement;
  // The connection is of no use any more, whatever libpq thinks.
  bool ends_connection = false;
};

Meaning MeaningOf(std::string_view state) {
  using absl::StatusCode;
  const std::string_view group = state.substr(0, 2);
  // Unique and other constraints.
  if (group == "23") return {StatusCode::kAlreadyExists};
  // The connection; a server that shuts down, starts, or follows another one since.
  if (group == "08" || state == "57P01" || state == "57P02" || state == "57P03" ||
      state == "25006" || state == "25P03")
    return {StatusCode::kUnavailable, Database::Failure::kLost, true};
  // A deadlock or a lock that was waited for too long: undone, and may be tried again.
  if (group == "40") return {StatusCode::kUnavailable, Database::Failure::kLost, false};
  if (state == "55P03") return {StatusCode::kUnavailable, Database::Failure::kBlocked, false};
  if (state == "57014") return {StatusCode::kUnavailable};  // statement_timeout
  if (state == "53100" || state == "53200") return {StatusCode::kResourceExhausted};
  if (group == "53") return {StatusCode::kUnavailable, Database::Failure::kLost, true};
  if (group == "58") return {StatusCode::kUnavailable};
  if (group == "28" || state == "42501") return {StatusCode::kPermissionDenied};
  if (group == "XX") return {StatusCode::kDataLoss};
  // Tables that aren't there (yet), or are others than this program knows.
  if (group == "42" || state == "3F000" || state == "3D000")
    return {StatusCode::kFailedPrecondition};
  return {};
}

}  // namespace

// The whole answer to a query.
class PostgresDatabase::Rows : public Cursor {
 public:
  explicit Rows(Result result) : result_(std::move(result)) {}

  bool Next(absl::Status* /*status*/) override { return ++row_ < PQntuples(result_.get()); }
  int64_t Integer(int column) const override {
    if (IsNull(column)) return 0;
    return NumberAt(PQgetvalue(result_.get(), row_, column),
                    PQgetlength(result_.get(), row_, column));
  }
  bool IsNull(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  std::string_view View(int column) const override {
    return {PQgetvalue(result_.get(), row_, column),
            static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }
  void Close() override { delete this; }

  // OK if all columns are of types that Integer and View understand.
  absl::Status Check() const {
    for (int column = 0; column < PQnfields(result_.get()); ++column) {
      const Oid type = PQftype(result_.get(), column);
      const std::array known = {kBool, kBytea, kInt8, kInt2, kInt4, kText};
      if (std::find(known.begin(), known.end(), type) == known.end())
        return absl::InternalError(StrCat("column ", column + 1, " of an answer has the type ",
                                          type, ": cast it to BIGINT"));
    }
    return absl::OkStatus();
  }

 private:
  const Result result_;
  int row_ = -1;
};

// ---- the connection

PostgresDatabase::PostgresDatabase(std::string url, std::string name, PostgresSession session)
    : url_(std::move(url)), name_(std::move(name)), session_(session) {}

PostgresDatabase::~PostgresDatabase() { Disconnect(); }

absl::StatusOr<std::unique_ptr<PostgresDatabase>> PostgresDatabase::Open(
    const std::string& url, const PostgresSession& session) {
  DRAGNET_ASSIGN_OR_RETURN(std::string name, NameOf(url));
  std::unique_ptr<PostgresDatabase> database(new PostgresDatabase(url, std::move(name), session));
  DRAGNET_RETURN_IF_ERROR(database->Connect());
  return database;
}

namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

absl::StatusOr<Options> ParseUrl(const std::string& url) {
  char* words = nullptr;
  Options options(PQconninfoParse(url.c_str(), &words));
  const absl::Cleanup free = [&] { PQfreemem(words); };
  if (options != nullptr) return options;
  // libpq's words may repeat the URL, and with it a password.
  return absl::InvalidArgumentError(
      "the URL of the store isn't one: postgresql://USER@HOST:PORT/DATABASE?sslmode=…");
}

std::string_view OptionOf(const Options& options, std::string_view keyword) {
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (keyword == option->keyword && option->val != nullptr) return option->val;
  return {};
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> PostgresParameters(const std::string& url) {
  // libpq takes an empty hostaddr for none, so what the environment says can't be overruled.
  for (const char* name : {"PGHOSTADDR", "PGSERVICE"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0')
      return absl::FailedPreconditionError(
          StrCat(name, " is set, and leads elsewhere than the URL of the store says: unset it"));
  }
  DRAGNET_ASSIGN_OR_RETURN(const Options options, ParseUrl(url));
  for (const char* option : {"hostaddr", "service"})
    if (!OptionOf(options, option).empty())
      return absl::InvalidArgumentError(
          StrCat("the URL of the store: ", option, " leads elsewhere than its host says"));
  // What the URL doesn't say: a host that is gone is noticed, and of several hosts the one
  // that may be written to is taken, wherever it is now.
  std::map<std::string, std::string> values = {
      {"application_name", kApplication},
      {"connect_timeout", "5"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "20000"},
      {"target_session_attrs", "read-write"},
  };
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) values[option->keyword] = option->val;
  // It would take the place of TLS, and of the certificate that sslmode asks for.
  values["gssencmode"] = "disable";
  return values;
}

absl::StatusOr<std::string> PostgresDatabase::NameOf(const std::string& url) {
  DRAGNET_ASSIGN_OR_RETURN(const Options options, ParseUrl(url));
  return StrCat("postgresql://", OptionOf(options, "host"), "/", OptionOf(options, "dbname"));
}

absl::Status PostgresDatabase::Connect() {
  Disconnect();
  DRAGNET_ASSIGN_OR_RETURN(const auto values, PostgresParameters(url_));
  std::vector<const char*> keywords;
  std::vector<const char*> texts;
  for (const auto& [keyword, text] : values) {
    keywords.push_back(keyword.c_str());
    texts.push_back(text.c_str());
  }
  keywords.push_back(nullptr);
  texts.push_back(nullptr);
  connection_ = PQconnectdbParams(keywords.data(), texts.data(), /*expand_dbname=*/0);
  if (connection_ == nullptr) return absl::ResourceExhaustedError("no memory for a connection");
  ++connections_;
  if (PQstatus(connection_) != CONNECTION_OK) return Lost(PQerrorMessage(connection_));
  PQsetNoticeReceiver(connection_, [](void*, const PGresult*) {}, nullptr);
  if (PQsetnonblocking(connection_, 1) != 0) return Lost(PQerrorMessage(connection_));
  return SetUp();
}

absl::Status PostgresDatabase::SetUp() {
  const auto milliseconds = [](absl::Duration bound) { return absl::ToInt64Milliseconds(bound); };
  // Joins in the order in which they are written, by their indexes, and planned once: what
  // is asked is written for that, and must not depend on statistics of a table that a
  // launch has just filled.
  DRAGNET_RETURN_IF_ERROR(Execute(StrCat(
      "SET search_path = dragnet; SET statement_timeout = ", milliseconds(session_.statement),
      "; SET lock_timeout = ", milliseconds(session_.lock),
      "; SET idle_in_transaction_session_timeout = ", milliseconds(session_.idle_in_transaction),
      "; SET plan_cache_mode = force_generic_plan; SET join_collapse_limit = 1"
      "; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off"
      "; SET default_transaction_read_only = ",
      session_.read_only ? "on" : "off")));
  // Rows are compressed. The server's own pglz takes a third of what storing them costs, LZ4
  // very little; a server may be built without it.
  return Execute(
      "SELECT set_config(name, 'lz4', false) FROM pg_settings"
      " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)");
}

absl::Status PostgresDatabase::Ready() {
  if (is_broken_)
    return Error(absl::StatusCode::kUnavailable, StrCat(name_, ": the connection was lost"),
                 Failure::kLost);
  if (connection_ != nullptr) return absl::OkStatus();
  return Connect();
}

void PostgresDatabase::Disconnect() {
  if (connection_ != nullptr) PQfinish(connection_);
  connection_ = nullptr;
  for (auto& [sql, statement] : statements_) statement.is_asked = statement.is_prepared = false;
  sent_.clear();
  sent_bytes_ = 0;
  first_error_ = absl::OkStatus();
  copy_.clear();
}

absl::Status PostgresDatabase::Lost(std::string_view what) {
  absl::Status status =
      Error(absl::StatusCode::kUnavailable,
            StrCat(name_, ": ", absl::StripAsciiWhitespace(ToAbsl(what))), Failure::kLost);
  Disconnect();
  is_broken_ = in_transaction_;
  return status;
}

absl::Status PostgresDatabase::ErrorOf(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (state == nullptr || PQstatus(connection_) == CONNECTION_BAD)
    return Lost(PQresultErrorMessage(result));
  const Meaning meaning = MeaningOf(state);
  const std::string message =
      StrCat(name_, ": ", words == nullptr ? "" : words, " (SQLSTATE ", state, ")");
  if (meaning.ends_connection) return Lost(words == nullptr ? state : words);
  return Error(meaning.code, message, meaning.failure);
}

absl::StatusOr<std::string> PostgresDatabase::Quoted(const std::string& name) {
  DRAGNET_RETURN_IF_ERROR(Ready());
  char* quoted = PQescapeIdentifier(connection_, name.data(), name.size());
  if (quoted == nullptr) return absl::InvalidArgumentError(StrCat("not a name: ", name));
  std::string text = quoted;
  PQfreemem(quoted);
  return text;
}

// ---- waiting

absl::Time PostgresDatabase::Deadline() const {
  return SteadyNow() + session_.statement + std::min(session_.statement, kGrace);
}

absl::Status PostgresDatabase::WaitForSocket(bool to_write, absl::Time deadline) {
  const absl::Duration left = deadline - SteadyNow();
  if (left <= absl::ZeroDuration()) return Lost("the server doesn't answer");
  struct pollfd ready = {.fd = PQsocket(connection_),
                         .events = static_cast<short>(POLLIN | (to_write ? POLLOUT : 0)),
                         .revents = 0};
  const int count = ::poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
  if (count < 0 && errno != EINTR) return Lost(std::strerror(errno));
  if (count > 0 && (ready.revents & ~POLLOUT) != 0 && PQconsumeInput(connection_) == 0)
    return Lost(PQerrorMessage(connection_));
  return absl::OkStatus();
}

absl::Status PostgresDatabase::SendOut() {
  const absl::Time deadline = Deadline();
  while (true) {
    const int left = PQflush(connection_);
    if (left == 0) return absl::OkStatus();
    if (left < 0) return Lost(PQerrorMessage(connection_));
    DRAGNET_RETURN_IF_ERROR(WaitForSocket(/*to_write=*/true, deadline));
  }
}

absl::StatusOr<PostgresDatabase::Result> PostgresDatabase::Receive() {
  const absl::Time deadline = Deadline();
  while (PQisBusy(connection_) != 0)
    DRAGNET_RETURN_IF_ERROR(WaitForSocket(/*to_write=*/false, deadline));
  Result result(PQgetResult(connection_));
  if (result == nullptr && PQstatus(connection_) == CONNECTION_BAD)
    return Lost(PQerrorMessage(connection_));
  return result;
}

absl::Status PostgresDatabase::TakeError() { return std::exchange(first_error_, absl::OkStatus()); }

absl::Status PostgresDatabase::Drain(Result* last) {
  if (sent_.empty()) return absl::OkStatus();
  if (PQpipelineSync(connection_) == 0) return Lost(PQerrorMessage(connection_));
  sent_.push_back({.kind = Sent::Kind::kSync});
  DRAGNET_RETURN_IF_ERROR(SendOut());
  sent_bytes_ = 0;
  while (!sent_.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(Result result, Receive());
    Sent& sent = sent_.front();
    if (result == nullptr) {
      // The end of one's results.
      sent_.pop_front();
      continue;
    }
    switch (PQresultStatus(result.get())) {
      case PGRES_PIPELINE_SYNC:
        sent_.pop_front();
        break;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK: {
        if (sent.kind == Sent::Kind::kPrepare) {
          sent.prepared->is_prepared = true;
          break;
        }
        changes_ = 0;
        if (!absl::SimpleAtoi(PQcmdTuples(result.get()), &changes_)) changes_ = 0;
        if (last != nullptr) *last = std::move(result);
        break;
      }
      default: {
        // Its own error, or that of one before it.
        if (sent.kind == Sent::Kind::kPrepare) sent.prepared->is_asked = false;
        if (last != nullptr) last->reset();
        changes_ = 0;
        if (PQresultStatus(result.get()) == PGRES_PIPELINE_ABORTED) break;
        absl::Status error = ErrorOf(result.get());
        if (connection_ == nullptr) return error;
        if (first_error_.ok()) first_error_ = std::move(error);
        break;
      }
    }
  }
  return absl::OkStatus();
}

// ---- statements

PostgresDatabase::Statement* PostgresDatabase::Find(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return &found->second;
  Statement statement;
  statement.name = StrCat("s", statements_.size());
  statement.sql = Translate(sql);
  return &statements_.emplace(std::string(sql), std::move(statement)).first->second;
}

absl::Status PostgresDatabase::Send(Statement* statement, std::span<const Value> values) {
  const size_t count = values.size();
  if (!statement->is_asked) {
    std::vector<Oid> types;
    for (const Value& value : values) types.push_back(TypeOf(value));
    if (PQsendPrepare(connection_, statement->name.c_str(), statement->sql.c_str(),
                      static_cast<int>(count), types.data()) == 0)
      return Lost(PQerrorMessage(connection_));
    statement->is_asked = true;
    sent_.push_back({.kind = Sent::Kind::kPrepare, .prepared = statement});
  }
  std::vector<std::string> encoded(count);
  std::vector<const char*> bytes(count);
  std::vector<int> sizes(count);
  const std::vector<int> formats(count, 1);
  for (size_t i = 0; i < count; ++i) {
    const Value& value = values[i];
    if (value.kind() == Value::Kind::kNull) continue;
    std::string_view text = value.bytes();
    if (value.kind() != Value::Kind::kBytes) text = encoded[i] = Encode(value);
    // A null pointer would be NULL.
    bytes[i] = text.data() == nullptr ? "" : text.data();
    sizes[i] = static_cast<int>(text.size());
    sent_bytes_ += text.size();
  }
  if (PQsendQueryPrepared(connection_, statement->name.c_str(), static_cast<int>(count),
                          bytes.data(), sizes.data(), formats.data(), /*resultFormat=*/1) == 0)
    return Lost(PQerrorMessage(connection_));
  sent_.push_back({.kind = Sent::Kind::kStatement});
  return absl::OkStatus();
}

absl::Status PostgresDatabase::SendPlain(const char* sql) {
  if (PQsendQueryParams(connection_, sql, 0, nullptr, nullptr, nullptr, nullptr, 1) == 0)
    return Lost(PQerrorMessage(connection_));
  sent_.push_back({.kind = Sent::Kind::kStatement});
  return absl::OkStatus();
}

Query PostgresDatabase::Start(std::string_view sql, std::span<const Value> values) {
  // Outside of a transaction nothing is changed, so that it may be asked again.
  const int attempts = in_transaction_ ? 1 : 2;
  for (int attempt = 1;; ++attempt) {
    const auto ask = [&]() -> absl::StatusOr<Result> {
      DRAGNET_RETURN_IF_ERROR(Ready());
      DRAGNET_RETURN_IF_ERROR(Send(Find(sql), values));
      Result result;
      DRAGNET_RETURN_IF_ERROR(Drain(&result));
      DRAGNET_RETURN_IF_ERROR(TakeError());
      if (result == nullptr)
        return Error(absl::StatusCode::kInternal, StrCat(name_, ": a statement had no result"));
      return result;
    };
    absl::StatusOr<Result> result = ask();
    if (result.ok()) {
      auto rows = std::make_unique<Rows>(*std::move(result));
      if (absl::Status known = rows->Check(); !known.ok()) return Query(known);
      return Query(rows.release());
    }
    if (attempt == attempts || connection_ != nullptr) return Query(result.status());
  }
}

absl::Status PostgresDatabase::Write(std::string_view sql, std::span<const Value> values) {
  DRAGNET_RETURN_IF_ERROR(Ready());
  DRAGNET_RETURN_IF_ERROR(Send(Find(sql), values));
  if (in_transaction_ && sent_.size() < kMaxSent && sent_bytes_ < kMaxSentBytes)
    return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(Drain());
  return TakeError();
}

absl::Status PostgresDatabase::Execute(const std::string& sql) {
  DRAGNET_RETURN_IF_ERROR(Ready());
  DRAGNET_RETURN_IF_ERROR(LeavePipeline());
  if (PQsendQuery(connection_, sql.c_str()) == 0) return Lost(PQerrorMessage(connection_));
  DRAGNET_RETURN_IF_ERROR(SendOut());
  absl::Status done = ReceiveAll();
  if (connection_ == nullptr) return done;
  DRAGNET_RETURN_IF_ERROR(EnterPipeline());
  return done;
}

absl::Status PostgresDatabase::ReceiveAll() {
  absl::Status first;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const Result result, Receive());
    if (result == nullptr) return first;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
      continue;
    absl::Status error = ErrorOf(result.get());
    if (connection_ == nullptr) return error;
    if (first.ok()) first = std::move(error);
  }
}

absl::Status PostgresDatabase::LeavePipeline() {
  if (PQpipelineStatus(connection_) == PQ_PIPELINE_OFF) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(Drain());
  DRAGNET_RETURN_IF_ERROR(TakeError());
  if (PQexitPipelineMode(connection_) == 0) return Lost(PQerrorMessage(connection_));
  return absl::OkStatus();
}

absl::Status PostgresDatabase::EnterPipeline() {
  if (PQenterPipelineMode(connection_) == 0) return Lost(PQerrorMessage(connection_));
  return absl::OkStatus();
}

int64_t PostgresDatabase::changes() {
  if (connection_ == nullptr) return 0;
  // Its error is kept for the next one that can tell it.
  if (!Drain().ok()) return 0;
  return changes_;
}

absl::Status PostgresDatabase::Settle() {
  DRAGNET_RETURN_IF_ERROR(Ready());
  DRAGNET_RETURN_IF_ERROR(FlushCopy());
  DRAGNET_RETURN_IF_ERROR(Drain());
  return TakeError();
}

// ---- COPY

absl::Status PostgresDatabase::AppendRow(std::string_view table, std::span<const Value> values) {
  DRAGNET_RETURN_IF_ERROR(Ready());
  if (table != copy_table_ || copy_.size() > kMaxCopyBytes) DRAGNET_RETURN_IF_ERROR(FlushCopy());
  if (copy_.empty()) {
    copy_table_ = std::string(table);
    copy_.assign(kCopyHeader, kCopyHeaderBytes);
  }
  Put16(static_cast<int>(values.size()), &copy_);
  for (const Value& value : values) {
    switch (value.kind()) {
      case Value::Kind::kNull:
        Put32(-1, &copy_);
        break;
      case Value::Kind::kInteger:
        Put32(8, &copy_);
        Put64(value.integer(), &copy_);
        break;
      case Value::Kind::kBytes:
        Put32(static_cast<int64_t>(value.bytes().size()), &copy_);
        copy_ += value.bytes();
        break;
      case Value::Kind::kIntegers:
      case Value::Kind::kStrings:
        return absl::InternalError("a row has no arrays");
    }
  }
  return absl::OkStatus();
}

absl::Status PostgresDatabase::FlushCopy() {
  if (copy_.empty()) return absl::OkStatus();
  Put16(-1, &copy_);
  const std::string bytes = std::exchange(copy_, std::string());
  DRAGNET_RETURN_IF_ERROR(LeavePipeline());
  absl::Status copied = Copy(copy_table_, bytes);
  if (connection_ == nullptr) return copied;
  DRAGNET_RETURN_IF_ERROR(EnterPipeline());
  // Its room is kept for the next ones.
  return copied;
}

absl::Status PostgresDatabase::Copy(std::string_view table, std::string_view bytes) {
  const std::string sql = StrCat("COPY ", table, " FROM STDIN (FORMAT binary)");
  if (PQsendQuery(connection_, sql.c_str()) == 0) return Lost(PQerrorMessage(connection_));
  DRAGNET_RETURN_IF_ERROR(SendOut());
  {
    DRAGNET_ASSIGN_OR_RETURN(const Result begun, Receive());
    if (begun == nullptr) return Lost("COPY had no answer");
    if (PQresultStatus(begun.get()) != PGRES_COPY_IN) {
      absl::Status error = ErrorOf(begun.get());
      if (connection_ != nullptr) DRAGNET_RETURN_IF_ERROR(ReceiveAll());
      return error;
    }
  }
  for (size_t at = 0; at < bytes.size();) {
    const std::string_view chunk = bytes.substr(at, kCopyChunk);
    const int queued = PQputCopyData(connection_, chunk.data(), static_cast<int>(chunk.size()));
    if (queued < 0) return Lost(PQerrorMessage(connection_));
    if (queued > 0) at += chunk.size();
    DRAGNET_RETURN_IF_ERROR(SendOut());
  }
  while (true) {
    const int queued = PQputCopyEnd(connection_, nullptr);
    if (queued < 0) return Lost(PQerrorMessage(connection_));
    DRAGNET_RETURN_IF_ERROR(SendOut());
    if (queued > 0) break;
  }
  return ReceiveAll();
}

// ---- transactions

absl::Status PostgresDatabase::BeginSnapshot() {
  is_broken_ = in_transaction_ = false;
  DRAGNET_RETURN_IF_ERROR(Ready());
  DRAGNET_RETURN_IF_ERROR(SendPlain("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  in_transaction_ = true;
  return absl::OkStatus();
}

absl::Status PostgresDatabase::Begin(bool synced) {
  is_broken_ = in_transaction_ = false;
  DRAGNET_RETURN_IF_ERROR(Ready());
  DRAGNET_RETURN_IF_ERROR(SendPlain("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
  in_transaction_ = true;
  if (!synced) DRAGNET_RETURN_IF_ERROR(SendPlain("SET LOCAL synchronous_commit = off"));
  if (session_.excluding == 0) return absl::OkStatus();
  return Run("SELECT pg_advisory_xact_lock(?)", session_.excluding);
}

absl::Status PostgresDatabase::Commit() {
  absl::Status settled = Settle();
  if (!settled.ok()) {
    Rollback();
    // Whoever commits has no other way to learn that it is undone.
    return settled;
  }
  DRAGNET_RETURN_IF_ERROR(SendPlain("COMMIT"));
  Result result;
  DRAGNET_RETURN_IF_ERROR(Drain(&result));
  in_transaction_ = false;
  DRAGNET_RETURN_IF_ERROR(TakeError());
  if (result == nullptr || std::strcmp(PQcmdStatus(result.get()), "COMMIT") != 0)
    return Error(absl::StatusCode::kInternal, StrCat(name_, ": the transaction was undone"));
  return absl::OkStatus();
}

void PostgresDatabase::Rollback() {
  const bool was_open = in_transaction_ && !is_broken_ && connection_ != nullptr;
  copy_.clear();
  if (was_open && Drain().ok()) {
    TakeError().IgnoreError();
    if (SendPlain("ROLLBACK").ok() && Drain().ok() && !TakeError().ok()) Disconnect();
  }
  is_broken_ = in_transaction_ = false;
}

absl::Status PostgresDatabase::Save() {
  DRAGNET_RETURN_IF_ERROR(Ready());
  // What others have appended isn't this one's to undo.
  DRAGNET_RETURN_IF_ERROR(FlushCopy());
  return SendPlain("SAVEPOINT change");
}

absl::Status PostgresDatabase::RollBackToSaved() {
  DRAGNET_RETURN_IF_ERROR(Ready());
  copy_.clear();
  DRAGNET_RETURN_IF_ERROR(Drain());
  // Of what is undone here, and whoever did it has seen it, unless it came too late for that
  // (changes()). After a deadlock, say, all of the transaction is made again.
  if (absl::Status failed = TakeError(); IsLost(failed)) return failed;
  DRAGNET_RETURN_IF_ERROR(SendPlain("ROLLBACK TO SAVEPOINT change"));
  DRAGNET_RETURN_IF_ERROR(Drain());
  return TakeError();
}

absl::Status PostgresDatabase::ForgetSaved() {
  DRAGNET_RETURN_IF_ERROR(Ready());
  return SendPlain("RELEASE SAVEPOINT change");
}

}  // namespace dragnet::scheduler
