// A PostgreSQL server of a test program's own: made in a temporary directory, reached by a
// socket in it that no one else can open, without fsync, and gone when the program ends.
// With a role that owns the tables and one that schedulers run with.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::scheduler {

class PostgresServer {
 public:
  static constexpr char kOwner[] = "dragnet_owner";
  static constexpr char kRuntime[] = "dragnet_scheduler";

  // The one of this program, started when it is asked for first; null, with the reason in
  // the test's output, where there is no PostgreSQL.
  static PostgresServer* Shared();

  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A new database, with the tables of a store, or without.
  std::string NewDatabase(bool with_tables = true);
  void DropDatabase(const std::string& name);

  std::string OwnerUrl(const std::string& database) const { return Url(kOwner, database); }
  std::string RuntimeUrl(const std::string& database) const { return Url(kRuntime, database); }
  // Of a superuser, for what a test does to others.
  std::string AdminUrl(const std::string& database) const { return Url(admin_, database); }

  // As in a crash: at once, and what wasn't committed is gone.
  void Kill();
  absl::Status Start();

 private:
  PostgresServer() = default;
  absl::Status Initialise();
  std::string Url(const std::string& role, const std::string& database) const;
  absl::Status Run(const std::string& sql, const std::string& database = "postgres");
  void Stop(int signal);

  std::string programs_;
  std::string directory_;
  std::string admin_ = "postgres";
  // Whom it runs as; -1: as this program, which isn't root's then.
  uid_t user_ = static_cast<uid_t>(-1);
  gid_t group_ = static_cast<gid_t>(-1);
  pid_t process_ = -1;
  int databases_ = 0;
  bool has_template_ = false;
};

}  // namespace dragnet::scheduler
