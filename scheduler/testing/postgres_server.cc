#include "scheduler/testing/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/clock.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/postgres/migrations.h"
#include "scheduler/store/postgres/postgres_database.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr char kTemplate[] = "store_template";

// The newest that is installed; empty: none.
std::string FindPrograms() {
  std::vector<std::string> found;
  std::error_code error;
  for (std::filesystem::directory_iterator each("/usr/lib/postgresql", error), end;
       !error && each != end; each.increment(error))
    if (::access((each->path() / "bin/initdb").c_str(), X_OK) == 0)
      found.push_back((each->path() / "bin").string());
  if (::access("/usr/bin/initdb", X_OK) == 0) found.push_back("/usr/bin");
  std::sort(found.begin(), found.end());
  return found.empty() ? "" : found.back();
}

// Runs `arguments` as this user, in `directory`, where its output goes to `log`.
pid_t Spawn(const std::vector<std::string>& arguments, uid_t user, gid_t group,
            const std::string& directory, const std::string& log) {
  std::vector<char*> texts;
  for (const std::string& argument : arguments)
    texts.push_back(const_cast<char*>(argument.c_str()));
  texts.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int output = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  if (user != static_cast<uid_t>(-1) &&
      (::setgroups(0, nullptr) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0))
    ::_exit(126);
  // With the test program, however that ends. After setuid(2), which forgets it.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::chdir(directory.c_str()) != 0) ::_exit(126);
  ::setenv("LC_ALL", "C", 1);
  ::execv(texts[0], texts.data());
  ::_exit(127);
}

}  // namespace

PostgresServer* PostgresServer::Shared() {
  static const std::unique_ptr<PostgresServer> server = [] {
    std::unique_ptr<PostgresServer> started(new PostgresServer());
    absl::Status status = started->Initialise();
    if (status.ok()) return started;
    std::fprintf(stderr, "no PostgreSQL for this test: %s\n", status.ToString().c_str());
    return std::unique_ptr<PostgresServer>();
  }();
  return server.get();
}

PostgresServer::~PostgresServer() {
  Stop(SIGINT);
  std::error_code error;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, error);
}

absl::Status PostgresServer::Initialise() {
  programs_ = FindPrograms();
  if (programs_.empty()) return absl::NotFoundError("postgresql-15 is not installed");
  std::string made = (std::filesystem::temp_directory_path() / "dragnet-postgres-XXXXXX").string();
  if (::mkdtemp(made.data()) == nullptr) return ErrnoStatus(StrCat("make ", made), errno);
  directory_ = made;
  if (::geteuid() == 0) {
    // The server refuses to run as root.
    const struct passwd* user = ::getpwnam("postgres");
    if (user == nullptr) return absl::NotFoundError("there is no user postgres");
    user_ = user->pw_uid;
    group_ = user->pw_gid;
    if (::chown(directory_.c_str(), user_, group_) != 0)
      return ErrnoStatus(StrCat("chown ", directory_), errno);
  }
  const pid_t initdb = Spawn({programs_ + "/initdb", "-D", directory_ + "/data", "-U", admin_, "-A",
                              "trust", "-E", "UTF8", "--locale=C", "--no-sync"},
                             user_, group_, directory_, directory_ + "/log");
  int status = 0;
  if (initdb < 0 || ::waitpid(initdb, &status, 0) != initdb || status != 0)
    return absl::InternalError(
        StrCat("initdb failed: ", ReadFile(directory_ + "/log").value_or("")));
  DRAGNET_RETURN_IF_ERROR(Start());
  DRAGNET_RETURN_IF_ERROR(Run(StrCat("CREATE ROLE ", kOwner, " LOGIN CREATEDB")));
  return Run(StrCat("CREATE ROLE ", kRuntime, " LOGIN"));
}

absl::Status PostgresServer::Start() {
  process_ =
      Spawn({programs_ + "/postgres", "-D", directory_ + "/data", "-c",
             "unix_socket_directories=" + directory_, "-c", "listen_addresses=", "-c", "fsync=off",
             "-c", "full_page_writes=off", "-c", "shared_buffers=64MB", "-c", "max_connections=60"},
            user_, group_, directory_, directory_ + "/log");
  if (process_ < 0) return ErrnoStatus("fork", errno);
  const absl::Time deadline = SteadyNow() + kPatience;
  while (PQping(AdminUrl("postgres").c_str()) != PQPING_OK) {
    if (SteadyNow() > deadline || ::waitpid(process_, nullptr, WNOHANG) == process_)
      return absl::InternalError(
          StrCat("postgres doesn't start: ", ReadFile(directory_ + "/log").value_or("")));
    ::poll(nullptr, 0, 20);
  }
  return absl::OkStatus();
}

void PostgresServer::Stop(int signal) {
  if (process_ <= 0) return;
  ::kill(process_, signal);
  const absl::Time deadline = SteadyNow() + kPatience;
  while (::waitpid(process_, nullptr, WNOHANG) == 0) {
    if (SteadyNow() > deadline) ::kill(process_, SIGKILL);
    ::poll(nullptr, 0, 10);
  }
  process_ = -1;
}

void PostgresServer::Kill() { Stop(SIGQUIT); }

std::string PostgresServer::Url(const std::string& role, const std::string& database) const {
  std::string host;
  for (const char c : directory_) host += c == '/' ? "%2F" : std::string(1, c);
  return StrCat("postgresql://", role, "@", host, "/", database, "?sslmode=disable");
}

absl::Status PostgresServer::Run(const std::string& sql, const std::string& database) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<PostgresDatabase> admin,
                           PostgresDatabase::Open(AdminUrl(database), {}));
  return admin->Execute(sql);
}

std::string PostgresServer::NewDatabase(bool with_tables) {
  const auto check = [](const absl::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "a database for the test: %s\n", status.ToString().c_str());
    std::abort();
  };
  if (with_tables && !has_template_) {
    // Made once: a copy of it is much cheaper.
    check(Run(StrCat("CREATE DATABASE ", kTemplate, " OWNER ", kOwner)));
    check(MigratePostgres(OwnerUrl(kTemplate), kRuntime));
    has_template_ = true;
  }
  const std::string name = StrCat("store_", ++databases_);
  check(Run(StrCat("CREATE DATABASE ", name, " OWNER ", kOwner, " TEMPLATE ",
                   with_tables ? kTemplate : "template1", " STRATEGY = FILE_COPY")));
  return name;
}

void PostgresServer::DropDatabase(const std::string& name) {
  Run(StrCat("DROP DATABASE IF EXISTS ", name, " WITH (FORCE)")).IgnoreError();
}

}  // namespace dragnet::scheduler
