// SQLite reads through a file system of ours that knows one file, already open:
// no path is resolved a second time, nothing can be written, and an image's
// database can't make SQLite open others.
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "core/file_io.h"
#include "core/strings.h"
#include "modules/pkg/rpm_database.h"

namespace dragnet::pkg {
namespace {

// Steps of SQLite's machine; a read of a million packages takes fewer.
constexpr int kStepsPerCall = 10000;
constexpr int kMaxCalls = 20000;

struct OpenFile {
  sqlite3_file base;
  int fd;
};

int Close(sqlite3_file*) { return SQLITE_OK; }
int Read(sqlite3_file* file, void* buffer, int amount, sqlite3_int64 offset) {
  const int fd = reinterpret_cast<OpenFile*>(file)->fd;
  char* bytes = static_cast<char*>(buffer);
  int done = 0;
  while (done < amount) {
    const ssize_t count =
        pread(fd, bytes + done, static_cast<size_t>(amount - done), offset + done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SQLITE_IOERR_READ;
    if (count == 0) {
      memset(bytes + done, 0, static_cast<size_t>(amount - done));
      return SQLITE_IOERR_SHORT_READ;
    }
    done += static_cast<int>(count);
  }
  return SQLITE_OK;
}
int Write(sqlite3_file*, const void*, int, sqlite3_int64) { return SQLITE_READONLY; }
int Truncate(sqlite3_file*, sqlite3_int64) { return SQLITE_READONLY; }
int Sync(sqlite3_file*, int) { return SQLITE_OK; }
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  struct stat status;
  if (fstat(reinterpret_cast<OpenFile*>(file)->fd, &status) != 0) return SQLITE_IOERR_FSTAT;
  *size = status.st_size;
  return SQLITE_OK;
}
int Lock(sqlite3_file*, int) { return SQLITE_OK; }
int CheckReservedLock(sqlite3_file*, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_IMMUTABLE; }

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 1,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Lock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = Characteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs* vfs, const char*, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
  auto* opened = reinterpret_cast<OpenFile*>(file);
  opened->fd = *static_cast<const int*>(vfs->pAppData);
  opened->base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READONLY;
  return SQLITE_OK;
}
int Delete(sqlite3_vfs*, const char*, int) { return SQLITE_READONLY; }
int Access(sqlite3_vfs*, const char*, int, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int FullPathname(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}
int Randomness(sqlite3_vfs*, int size, char* out) {
  memset(out, 0, static_cast<size_t>(size));
  return size;
}
int Sleep(sqlite3_vfs*, int) { return 0; }
int CurrentTime(sqlite3_vfs*, double* now) {
  *now = 0;
  return SQLITE_OK;
}
int GetLastError(sqlite3_vfs*, int, char*) { return 0; }

// A file system of one file, known to SQLite as long as this lives.
class OneFile {
 public:
  explicit OneFile(int fd) : fd_(fd) {
    static std::atomic<uint64_t> number{0};
    name_ = StrCat("dragnet-pkg-", number.fetch_add(1));
    vfs_.iVersion = 1;
    vfs_.szOsFile = sizeof(OpenFile);
    vfs_.mxPathname = 512;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = &fd_;
    vfs_.xOpen = pkg::Open;
    vfs_.xDelete = Delete;
    vfs_.xAccess = Access;
    vfs_.xFullPathname = FullPathname;
    vfs_.xRandomness = Randomness;
    vfs_.xSleep = Sleep;
    vfs_.xCurrentTime = CurrentTime;
    vfs_.xGetLastError = GetLastError;
    registered_ = sqlite3_vfs_register(&vfs_, 0) == SQLITE_OK;
  }
  ~OneFile() {
    if (registered_) sqlite3_vfs_unregister(&vfs_);
  }
  OneFile(const OneFile&) = delete;
  OneFile& operator=(const OneFile&) = delete;

  bool registered() const { return registered_; }
  const char* name() const { return name_.c_str(); }

 private:
  int fd_;
  std::string name_;
  sqlite3_vfs vfs_{};
  bool registered_ = false;
};

struct DatabaseCloser {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct StatementCloser {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, DatabaseCloser>;
using Statement = std::unique_ptr<sqlite3_stmt, StatementCloser>;

// A schema is code, too: views and triggers of an image's database would be
// run. Only reading a table is let through.
int AllowReading(void*, int action, const char*, const char*, const char*, const char*) {
  return action == SQLITE_SELECT || action == SQLITE_READ ? SQLITE_OK : SQLITE_DENY;
}

int CountCall(void* calls) { return ++*static_cast<int*>(calls) > kMaxCalls; }

absl::Status Error(sqlite3* database, std::string_view what) {
  return absl::DataLossError(StrCat(what, ": ", sqlite3_errmsg(database)));
}

Statement Prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, sql, -1, &statement, nullptr);
  return Statement(statement);
}

}  // namespace

absl::Status ReadRpmSqlite(int fd, const HeaderSink& sink, const PassedOver& passed_over) {
  OneFile file(fd);
  if (!file.registered()) return absl::InternalError("SQLite takes no file system");
  sqlite3* opened = nullptr;
  const int result = sqlite3_open_v2("/rpmdb.sqlite", &opened,
                                     SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, file.name());
  const Database database(opened);
  if (result != SQLITE_OK) return absl::DataLossError(StrCat("open: ", sqlite3_errstr(result)));

  int calls = 0;
  sqlite3_progress_handler(opened, kStepsPerCall, CountCall, &calls);
  sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, static_cast<int>(kMaxHeaderBytes));
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_exec(opened, "PRAGMA cell_size_check=ON; PRAGMA cache_size=-4096;", nullptr, nullptr,
               nullptr);
  sqlite3_set_authorizer(opened, AllowReading, nullptr);

  // By the row's number, so that one that is too large is passed over alone.
  const Statement next =
      Prepare(opened, "SELECT hnum FROM Packages WHERE hnum > ?1 ORDER BY hnum LIMIT 1");
  const Statement get = Prepare(opened, "SELECT blob FROM Packages WHERE hnum = ?1");
  if (!next || !get) return Error(opened, "table Packages");
  sqlite3_int64 number = INT64_MIN;
  while (true) {
    sqlite3_reset(next.get());
    sqlite3_bind_int64(next.get(), 1, number);
    const int found = sqlite3_step(next.get());
    if (found == SQLITE_DONE) return absl::OkStatus();
    if (found != SQLITE_ROW) return Error(opened, "read");
    const sqlite3_int64 found_number = sqlite3_column_int64(next.get(), 0);
    // A damaged tree may give any number: only a rising one ends.
    if (found_number <= number) return absl::DataLossError("packages out of order");
    number = found_number;
    sqlite3_reset(get.get());
    sqlite3_bind_int64(get.get(), 1, number);
    const int got = sqlite3_step(get.get());
    if (got == SQLITE_TOOBIG) {
      passed_over("package header over 24 MiB", static_cast<uint64_t>(number));
      continue;
    }
    if (got == SQLITE_DONE) continue;
    if (got != SQLITE_ROW) return Error(opened, "read");
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(get.get(), 0));
    const int size = sqlite3_column_bytes(get.get(), 0);
    if (bytes == nullptr || size == 0) {
      passed_over("package without a header", static_cast<uint64_t>(number));
      continue;
    }
    if (!sink({bytes, static_cast<size_t>(size)})) return absl::OkStatus();
  }
}

}  // namespace dragnet::pkg
