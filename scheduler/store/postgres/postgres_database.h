// A connection to a PostgreSQL server, which comes back after it was lost.
//
// Every column of the store is BIGINT or BYTEA, and so is every parameter; all travel in
// binary. BYTEA, because hosts fill most of them and TEXT refuses bytes that a host may
// send: one such record would undo the transaction of all others. (In psql,
// SET bytea_output = 'escape' shows them as text.)
//
// Statements are prepared once per connection. Those whose result isn't asked for are put
// off: they travel together with the next one that is (libpq's pipeline). Rows of Append
// travel by COPY.
//
// What waits for the server waits for as long as the server lets a statement run, and a
// little longer; then the connection counts as lost.
#pragma once

#include <libpq-fe.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

struct PostgresSession {
  // Bounds for one statement, for a wait for a lock, and for a transaction in which nothing
  // happens: what a scheduler that hangs holds, others get after that.
  absl::Duration statement = absl::Seconds(60);
  absl::Duration lock = absl::Seconds(20);
  absl::Duration idle_in_transaction = absl::Seconds(15);
  // It is not let write.
  bool read_only = false;
  // Transactions of Begin exclude each other, over all schedulers. 0: they don't.
  int64_t excluding = 0;
};

// What libpq is told, of a URL as CheckPostgresUrl lets through: nothing but that says where
// the server is and how it is reached. FailedPrecondition, InvalidArgument for what would.
absl::StatusOr<std::map<std::string, std::string>> PostgresParameters(const std::string& url);

class PostgresDatabase : public Database {
 public:
  // `url` as libpq takes it (postgresql://…, with TLS and several hosts). Unavailable;
  // PermissionDenied; InvalidArgument for a URL that isn't one.
  static absl::StatusOr<std::unique_ptr<PostgresDatabase>> Open(const std::string& url,
                                                                const PostgresSession& session);
  ~PostgresDatabase() override;

  // Hosts and database of a URL, without its secrets.
  static absl::StatusOr<std::string> NameOf(const std::string& url);

  absl::Status Execute(const std::string& sql) override;
  int64_t changes() override;
  absl::Status Settle() override;

  absl::Status BeginSnapshot() override;
  absl::Status Begin(bool synced) override;
  absl::Status Commit() override;
  void Rollback() override;
  bool in_transaction() const override { return in_transaction_ && !is_broken_; }
  absl::Status Save() override;
  absl::Status RollBackToSaved() override;
  absl::Status ForgetSaved() override;

  bool remote() const override { return true; }
  int64_t connection() const override { return connections_; }
  std::string_view now() const override {
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
  }

  // A name as SQL has it.
  absl::StatusOr<std::string> Quoted(const std::string& name);

 protected:
  Query Start(std::string_view sql, std::span<const Value> values) override;
  absl::Status Write(std::string_view sql, std::span<const Value> values) override;
  absl::Status AppendRow(std::string_view table, std::span<const Value> values) override;

 private:
  struct Statement {
    std::string name;
    // With $1 for ?.
    std::string sql;
    // On this connection: asked for, and done.
    bool is_asked = false;
    bool is_prepared = false;
  };
  // What was sent and hasn't been answered.
  struct Sent {
    enum class Kind { kPrepare, kStatement, kSync } kind = Kind::kStatement;
    Statement* prepared = nullptr;
  };
  struct FreeResult {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, FreeResult>;
  class Rows;

  PostgresDatabase(std::string url, std::string name, PostgresSession session);

  absl::Status Connect();
  // Connects if there is no connection; an error while a transaction is broken.
  absl::Status Ready();
  absl::Status SetUp();
  void Disconnect();
  // The connection is gone: so is everything that wasn't committed.
  absl::Status Lost(std::string_view what);
  absl::Status ErrorOf(const PGresult* result);

  Statement* Find(std::string_view sql);
  // Queues it.
  absl::Status Send(Statement* statement, std::span<const Value> values);
  absl::Status SendPlain(const char* sql);
  // Waits for all that was sent. Keeps the first error for the next TakeError.
  absl::Status Drain(Result* last = nullptr);
  absl::Status TakeError();
  absl::Status SendOut();
  absl::StatusOr<Result> Receive();
  absl::Status WaitForSocket(bool to_write, absl::Time deadline);
  absl::Time Deadline() const;

  absl::Status FlushCopy();
  absl::Status Copy(std::string_view table, std::string_view bytes);
  // Outside of the pipeline. All results; the first error.
  absl::Status ReceiveAll();
  absl::Status LeavePipeline();
  absl::Status EnterPipeline();

  const std::string url_;
  const std::string name_;
  const PostgresSession session_;
  PGconn* connection_ = nullptr;
  int64_t connections_ = 0;
  bool in_transaction_ = false;
  // The connection was lost in a transaction that its user hasn't ended yet.
  bool is_broken_ = false;
  std::map<std::string, Statement, std::less<>> statements_;
  std::deque<Sent> sent_;
  size_t sent_bytes_ = 0;
  absl::Status first_error_;
  int64_t changes_ = 0;
  // Rows of Append that wait, as COPY takes them, and their table.
  std::string copy_;
  std::string copy_table_;
};

}  // namespace dragnet::scheduler
