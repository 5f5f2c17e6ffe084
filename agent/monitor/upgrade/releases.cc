#include "agent/monitor/upgrade/releases.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "agent/monitor/upgrade/restore.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet {
namespace {

constexpr size_t kCopyBytes = 64 * 1024;
// What it takes to open a snapshot, and to say in it what counts as held.
constexpr off_t kReserveBytes = 512 * 1024;
// A build with debug information and a sanitizer, too.
constexpr uint64_t kMaxBaseFileBytes = uint64_t{1} << 30;

// SHA-256 of what is read piece by piece: a program may be of 32 MiB, and this process
// is small.
class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    good_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  void Add(std::string_view bytes) {
    good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  // Empty if it could not be made: then it is that of nothing.
  std::string Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    good_ = good_ && EVP_DigestFinal_ex(context_.get(), digest, &size) == 1;
    return good_ ? std::string(reinterpret_cast<const char*>(digest), size) : "";
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
  bool good_ = false;
};

absl::StatusOr<size_t> ReadAt(int fd, uint64_t offset, char* buffer, size_t size) {
  while (true) {
    const ssize_t count = ::pread(fd, buffer, size, static_cast<off_t>(offset));
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return ErrnoStatus("read", errno);
  }
}

// Reads exactly the file that `expected` says; `take` gets each piece before the whole
// was checked.
absl::Status ReadChecked(int fd, const InstalledFile& expected,
                         const std::function<absl::Status(std::string_view)>& take) {
  Digest digest;
  std::vector<char> buffer(kCopyBytes);
  for (uint64_t done = 0; true;) {
    DRAGNET_ASSIGN_OR_RETURN(const size_t count, ReadAt(fd, done, buffer.data(), buffer.size()));
    if (count == 0 && done == expected.size) break;
    if (count == 0 || count > expected.size - done) {
      return absl::DataLossError(StrCat(count == 0 ? "shorter" : "longer", " than the ",
                                        expected.size, " bytes of the release"));
    }
    const std::string_view piece(buffer.data(), count);
    digest.Add(piece);
    DRAGNET_RETURN_IF_ERROR(take(piece));
    done += count;
  }
  if (digest.Finish() != expected.sha256) {
    return absl::DataLossError("its SHA-256 is not that of the release");
  }
  return absl::OkStatus();
}

absl::Status CheckOwner(const struct stat& info) {
  if (info.st_uid == ::geteuid() && (info.st_mode & 022) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError("others than this agent's user can change it");
}

absl::Status CheckDirectory(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (!S_ISDIR(info.st_mode)) return ErrnoStatus(path, ENOTDIR);
  return Annotate(CheckOwner(info), path);
}

// Of a plain file that is this user's alone to change.
absl::StatusOr<UniqueFd> OpenOwn(const std::string& path) {
  // A FIFO in its place must not hold us up.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::PermissionDeniedError(StrCat(path, ": not a regular file"));
  }
  DRAGNET_RETURN_IF_ERROR(Annotate(CheckOwner(info), path));
  return file;
}

// Names are ours, or were there before: no link is followed.
void RemoveAll(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

// Empty if it can't be read.
std::string DigestOfFile(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return "";
  Digest digest;
  std::vector<char> buffer(kCopyBytes);
  uint64_t done = 0;
  while (done <= kMaxBaseFileBytes) {
    const absl::StatusOr<size_t> count = ReadAt(file.get(), done, buffer.data(), buffer.size());
    if (!count.ok()) return "";
    if (*count == 0) return digest.Finish();
    digest.Add({buffer.data(), *count});
    done += *count;
  }
  return "";
}

}  // namespace

std::string DigestOfPrograms(const std::string& agent, const std::string& directory) {
  Digest all;
  for (size_t i = 0; i < std::size(kAgentPrograms); ++i) {
    const std::string path = i == 0 ? agent : StrCat(directory, "/", kAgentPrograms[i]);
    const bool is_missing = i > 0 && ::access(path.c_str(), F_OK) != 0 && errno == ENOENT;
    const std::string one = is_missing ? std::string(32, '\0') : DigestOfFile(path);
    if (one.empty()) return "";
    all.Add(one);
  }
  return all.Finish();
}

std::string ReleaseDirectory::ProgramDirectory(std::string_view version) const {
  return StrCat(path_, "/", version);
}

std::string ReleaseDirectory::Program(std::string_view version) const {
  return StrCat(ProgramDirectory(version), "/", kAgentPrograms[0]);
}

std::string ReleaseDirectory::StagingDirectory(std::string_view version) const {
  return StrCat(path_, "/.staging-", version);
}

absl::Status ReleaseDirectory::MakeDirectory(const std::string& path, mode_t mode) {
  Step(StrCat("make ", path));
  if (::mkdir(path.c_str(), mode) != 0) return ErrnoStatus(StrCat("mkdir ", path), errno);
  // Whatever the umask.
  if (::chmod(path.c_str(), mode) != 0) return ErrnoStatus(StrCat("chmod ", path), errno);
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::Sync(const std::string& directory) {
  Step(StrCat("sync ", directory));
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return ErrnoStatus(StrCat("sync ", directory), errno);
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::Prepare() {
  struct stat info;
  if (::lstat(path_.c_str(), &info) != 0) {
    const std::string parent = path_.substr(0, path_.rfind('/'));
    if (!parent.empty()) DRAGNET_RETURN_IF_ERROR(MakeDirectories(parent, 0755));
    DRAGNET_RETURN_IF_ERROR(MakeDirectory(path_, 0755));
    if (!parent.empty()) DRAGNET_RETURN_IF_ERROR(Sync(parent));
  }
  return CheckDirectory(path_);
}

absl::StatusOr<std::optional<ReleaseState>> ReleaseDirectory::Load() const {
  const std::string path = path_ + "/state";
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return std::nullopt;
  }
  DRAGNET_RETURN_IF_ERROR(CheckDirectory(path_));
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd file, OpenOwn(path));
  std::string text(kMaxReleaseStateBytes + 1, '\0');
  DRAGNET_ASSIGN_OR_RETURN(const size_t size, ReadAt(file.get(), 0, text.data(), text.size()));
  text.resize(size);
  absl::StatusOr<ReleaseState> state = ParseReleaseState(text);
  if (!state.ok()) return Annotate(state.status(), path);
  return *std::move(state);
}

absl::Status ReleaseDirectory::Save(const ReleaseState& state) {
  DRAGNET_RETURN_IF_ERROR(Prepare());
  Step("write state");
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(path_ + "/state", FormatReleaseState(state), 0600));
  Step("state is written");
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::StageFile(const InstalledRelease& release, size_t program, int fd) {
  const std::string directory = StagingDirectory(release.version);
  if (program == 0) {
    DRAGNET_RETURN_IF_ERROR(Prepare());
    RemoveAll(directory);
    DRAGNET_RETURN_IF_ERROR(MakeDirectory(directory, 0755));
  }
  const std::string path = StrCat(directory, "/", kAgentPrograms[program]);
  Step(StrCat("write ", path));
  const UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ReadChecked(fd, release.files[program],
                           [&](std::string_view piece) { return WriteAll(file.get(), piece); }),
               path));
  if (::fchmod(file.get(), 0755) != 0) return ErrnoStatus(StrCat("chmod ", path), errno);
  Step(StrCat("sync ", path));
  if (::fsync(file.get()) != 0) return ErrnoStatus(StrCat("sync ", path), errno);
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::FinishStaging(const InstalledRelease& release) {
  const std::string from = StagingDirectory(release.version);
  const std::string to = ProgramDirectory(release.version);
  DRAGNET_RETURN_IF_ERROR(Sync(from));
  // One of an earlier try: nothing runs from it, or this version would be refused.
  Step(StrCat("remove ", to));
  RemoveAll(to);
  Step(StrCat("rename ", to));
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus(StrCat("rename ", from, " to ", to), errno);
  }
  return Sync(path_);
}

absl::Status ReleaseDirectory::CheckFiles(const InstalledRelease& release) const {
  DRAGNET_RETURN_IF_ERROR(CheckDirectory(path_));
  DRAGNET_RETURN_IF_ERROR(CheckDirectory(ProgramDirectory(release.version)));
  for (size_t i = 0; i < release.files.size(); ++i) {
    const std::string path = StrCat(ProgramDirectory(release.version), "/", kAgentPrograms[i]);
    DRAGNET_ASSIGN_OR_RETURN(const UniqueFd file, OpenOwn(path));
    DRAGNET_RETURN_IF_ERROR(Annotate(ReadChecked(file.get(), release.files[i],
                                                 [](std::string_view) { return absl::OkStatus(); }),
                                     path));
  }
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::GrantStarts() {
  Step("grant starts");
  return WriteFileAtomically(path_ + "/starts", std::string(kStarts, '.'), 0600);
}

absl::Status ReleaseDirectory::TakeStart() {
  const std::string path = path_ + "/starts";
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  const bool is_there = file.valid() && ::fstat(file.get(), &info) == 0;
  if (!is_there && errno != ENOENT) return ErrnoStatus(StrCat("open ", path), errno);
  if (!is_there || info.st_size < 1 || info.st_size > kStarts) {
    return absl::FailedPreconditionError(
        StrCat("it was started ", kStarts, " times, and wasn't confirmed"));
  }
  Step("take a start");
  if (::ftruncate(file.get(), info.st_size - 1) != 0 || ::fsync(file.get()) != 0) {
    return ErrnoStatus(StrCat("count a start in ", path), errno);
  }
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::MakeTrialDirectory() {
  RemoveTrial();
  return MakeDirectory(TrialDirectory(), 0700);
}

std::string ReleaseDirectory::SnapshotDatabase(int64_t schema) const {
  return SnapshotPath(SnapshotDirectory(), schema);
}

absl::Status ReleaseDirectory::BeginSnapshot() {
  const std::string directory = SnapshotDirectory();
  struct stat info;
  if (::lstat(directory.c_str(), &info) != 0) {
    DRAGNET_RETURN_IF_ERROR(MakeDirectory(directory, 0700));
    DRAGNET_RETURN_IF_ERROR(Sync(path_));
  }
  DRAGNET_RETURN_IF_ERROR(CheckDirectory(directory));
  Step("remove what is left of a snapshot");
  RemoveAll(NewSnapshot());
  RemoveAll(NewSnapshot() + "-journal");
  return absl::OkStatus();
}

absl::Status ReleaseDirectory::FinishSnapshot(int64_t schema) {
  const std::string reserve = SnapshotDirectory() + "/reserve";
  Step("write reserve");
  const UniqueFd file(
      ::open(reserve.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", reserve), errno);
  if (const int error = ::posix_fallocate(file.get(), 0, kReserveBytes); error != 0) {
    return ErrnoStatus(StrCat("keep ", kReserveBytes, " bytes in ", reserve), error);
  }
  Step("rename the snapshot");
  const std::string to = SnapshotDatabase(schema);
  if (::rename(NewSnapshot().c_str(), to.c_str()) != 0) {
    return ErrnoStatus(StrCat("rename ", NewSnapshot(), " to ", to), errno);
  }
  return Sync(SnapshotDirectory());
}

void ReleaseDirectory::RemoveTrial() { RemoveAll(TrialDirectory()); }

void ReleaseDirectory::RemoveSnapshotsFrom(int64_t schema) {
  if (path_.empty()) return;
  std::error_code ignored;
  std::vector<std::string> gone;
  size_t kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SnapshotDirectory(), ignored)) {
    const std::string name = entry.path().filename();
    int64_t its = 0;
    const std::string_view number = name.starts_with("agent-") && name.ends_with(".db")
                                        ? std::string_view(name).substr(6, name.size() - 9)
                                        : std::string_view();
    if (!absl::SimpleAtoi(ToAbsl(number), &its) || its >= schema) {
      if (name != "reserve") gone.push_back(entry.path());
    } else {
      ++kept;
    }
  }
  for (const std::string& path : gone) RemoveAll(path);
  if (kept == 0) RemoveAll(SnapshotDirectory());
}

void ReleaseDirectory::RemoveStaged(std::string_view version, const ReleaseState& state) {
  RemoveAll(StagingDirectory(version));
  const bool is_named = (state.current.has_value() && version == state.current->version) ||
                        (state.former.has_value() && version == state.former->version);
  if (!is_named) RemoveAll(ProgramDirectory(version));
}

void ReleaseDirectory::RemoveOthers(const ReleaseState& state) {
  std::error_code ignored;
  std::vector<std::string> others;
  for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename();
    const bool is_named = (state.current.has_value() && name == state.current->version) ||
                          (state.former.has_value() && name == state.former->version);
    // What isn't of this class's making may be anybody's, where release_dir is wrong.
    const bool is_ours = Version::Parse(name).ok() || name.starts_with(".staging-") ||
                         name.starts_with("state.new-") || name.starts_with("starts.new-");
    if (is_ours && !is_named) others.push_back(entry.path());
  }
  for (const std::string& path : others) {
    Step(StrCat("remove ", path));
    RemoveAll(path);
  }
}

}  // namespace dragnet
