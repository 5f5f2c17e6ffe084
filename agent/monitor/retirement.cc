#include "agent/monitor/retirement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "agent/monitor/log.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

using retire::v1::RetireRow;

constexpr char kRetiring[] = "/retiring";
constexpr char kRetired[] = "/retired";
constexpr size_t kMaxMarkBytes = 8192;
constexpr size_t kMaxWords = 1024;
constexpr char kFirstLine[] = "dragnet-retirement 1";

// core/release.h has the names, too; its signatures aren't this library's.
constexpr std::string_view kPrograms[] = {"dragnet-agent", "dragnet-link", "dragnet-worker"};

bool IsProgram(std::string_view name) {
  return std::any_of(std::begin(kPrograms), std::end(kPrograms), [&](std::string_view program) {
    // What was being written when the agent was killed has more behind it.
    return name == program || name.starts_with(StrCat(program, "."));
  });
}

// As upgrades name them: "0.2.0", "0.2.0-rc.1", and ".staging-0.2.0" before it is whole.
bool IsVersionDirectory(std::string_view name) {
  constexpr std::string_view kStaging = ".staging-";
  if (name.starts_with(kStaging)) name.remove_prefix(kStaging.size());
  if (name.empty() || name.size() > 64 || name[0] < '0' || name[0] > '9') return false;
  return name.find('.') != std::string_view::npos &&
         name.find_first_not_of(
             "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+") ==
             std::string_view::npos;
}

// The agent's state, its log and journal, and copies of it from before an upgrade.
bool IsState(std::string_view name) { return name.starts_with("agent.db"); }

bool IsBlob(std::string_view name) {
  return name == "partial" || (name.size() == 64 && name.find_first_not_of("0123456789abcdef") ==
                                                        std::string_view::npos);
}

// Copies of the agent's state in the release directory.
bool IsStateDirectory(std::string_view name) { return name == ".trial" || name == ".snapshot"; }

// What says in the release directory which version runs, whole or half written.
bool IsReleaseState(std::string_view name) {
  return name == "state" || name == "starts" || name.starts_with("state.new-") ||
         name.starts_with("starts.new-");
}

// Of directories that no one else puts anything in.
bool IsAnything(std::string_view) { return true; }

using IsOurs = bool (*)(std::string_view name);

// Nothing when it isn't there. A link in its place is an error: it leads elsewhere.
// `shown`: its whole path, for people.
absl::StatusOr<std::optional<UniqueFd>> OpenDirectory(int at, const std::string& path,
                                                      std::string_view shown) {
  UniqueFd directory(
      ::openat(at, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (directory.valid()) return std::optional<UniqueFd>(std::move(directory));
  if (errno == ENOENT) return std::nullopt;
  return ErrnoStatus(StrCat("open ", shown), errno);
}

absl::StatusOr<std::optional<UniqueFd>> OpenDirectory(const std::string& path) {
  return OpenDirectory(AT_FDCWD, path, path);
}

absl::StatusOr<std::vector<std::string>> NamesIn(int directory) {
  // Its own descriptor: closedir(3) closes it.
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return ErrnoStatus("open a directory", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
  if (stream == nullptr) {
    const int error = errno;
    ::close(copy);
    return ErrnoStatus("read a directory", error);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

// Unlinks the entries that are ours. A directory among them isn't: it stays. Counts what
// went in `destroyed`; the first error, after all that can go is gone.
absl::Status UnlinkEntries(int directory, const std::string& path, const IsOurs& is_ours,
                           int* destroyed) {
  absl::Status first;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(directory));
  for (const std::string& name : names) {
    if (!is_ours(name)) continue;
    // Never follows: of a symbolic link it takes the link (unlink(2)).
    if (::unlinkat(directory, name.c_str(), 0) == 0) {
      ++*destroyed;
    } else if (errno != ENOENT && first.ok()) {
      first = ErrnoStatus(StrCat("unlink ", path, "/", name), errno);
    }
  }
  ::fsync(directory);
  return first;
}

// Directories that the link's user has put into its own, with the files in them. No deeper:
// who made these could make them as deep as it liked.
void RemovePlanted(int directory, const std::string& path) {
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    struct stat info;
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISDIR(info.st_mode)) continue;
    const auto planted = OpenDirectory(directory, name, StrCat(path, "/", name));
    int destroyed = 0;
    if (planted.ok() && planted->has_value()) {
      const std::string shown = StrCat(path, "/", name);
      UnlinkEntries((*planted)->get(), shown, IsAnything, &destroyed).IgnoreError();
      const auto deeper = NamesIn((*planted)->get());
      for (const std::string& empty : deeper.ok() ? *deeper : std::vector<std::string>()) {
        ::unlinkat((*planted)->get(), empty.c_str(), AT_REMOVEDIR);
      }
    }
    ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
  }
}

// A directory of files of ours, and then itself if nothing else is in it.
absl::Status RemoveDirectory(const std::string& path, const IsOurs& is_ours, int* destroyed) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<UniqueFd> directory, OpenDirectory(path));
  if (!directory.has_value()) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(UnlinkEntries(directory->get(), path, is_ours, destroyed));
  if (::rmdir(path.c_str()) == 0) {
    ++*destroyed;
    return absl::OkStatus();
  }
  // A mount point, or with what others have put there.
  if (errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(StrCat("rmdir ", path), errno);
}

bool IsSameFile(int fd, const std::string& path) {
  struct stat one;
  struct stat other;
  return ::fstat(fd, &one) == 0 && ::stat(path.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Versions in the release directory, without the one at `kept`, which is counted in
// `left`; without such a one also what tells of them.
absl::Status RemoveReleases(const std::string& path, const std::string& kept, int* destroyed,
                            int* left) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<UniqueFd> directory, OpenDirectory(path));
  if (!directory.has_value()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(directory->get()));
  absl::Status first;
  for (const std::string& name : names) {
    // The snapshot goes with the version that runs: it belongs to it.
    const bool is_version = IsVersionDirectory(name);
    if (!is_version && !(kept.empty() && IsStateDirectory(name))) continue;
    const std::string its_path = StrCat(path, "/", name);
    auto version = OpenDirectory(directory->get(), name, its_path);
    absl::Status status = version.status();
    if (status.ok() && version->has_value()) {
      const int fd = (*version)->get();
      if (!kept.empty() && IsSameFile(fd, kept)) {
        ++*left;
        continue;
      }
      status = UnlinkEntries(fd, its_path, is_version ? IsProgram : IsAnything, destroyed);
      if (::unlinkat(directory->get(), name.c_str(), AT_REMOVEDIR) == 0) {
        ++*destroyed;
      } else if (status.ok() && errno != ENOENT) {
        status = ErrnoStatus(StrCat("rmdir ", its_path), errno);
      }
    }
    if (!status.ok() && first.ok()) first = status;
  }
  if (kept.empty()) {
    const absl::Status files = UnlinkEntries(directory->get(), path, IsReleaseState, destroyed);
    if (first.ok()) first = files;
  }
  ::fsync(directory->get());
  // With what others have put there it stays.
  if (kept.empty() && first.ok() && ::rmdir(path.c_str()) == 0) ++*destroyed;
  return first;
}

RetireRow Row(std::string_view what, const std::string& path, const absl::Status& status,
              int destroyed) {
  RetireRow row;
  row.set_what(std::string(what));
  row.set_path(ToValidUtf8(path));
  row.set_outcome(!status.ok() ? "failed" : destroyed > 0 ? "destroyed" : "absent");
  if (!status.ok()) row.set_detail(Shorten(ToValidUtf8(ToStd(status.message())), kMaxWords));
  return row;
}

RetireRow Follows(std::string_view what, const std::string& path, std::string_view detail) {
  RetireRow row = Row(what, path, absl::OkStatus(), 0);
  row.set_outcome("follows");
  row.set_detail(std::string(detail));
  return row;
}

RetireRow DestroyToken(const std::string& path) {
  int destroyed = 0;
  absl::Status status;
  if (!path.empty() && ::unlink(path.c_str()) == 0) {
    ++destroyed;
  } else if (!path.empty() && errno != ENOENT) {
    status = ErrnoStatus(StrCat("unlink ", path), errno);
  }
  return Row("enrolment_token", path, status, destroyed);
}

// One line, whatever was signed.
std::string OneLine(std::string_view text) { return Shorten(ForTerminal(text), kMaxWords); }

std::string Time(absl::Time at) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", at, absl::UTCTimeZone());
}

absl::StatusOr<std::optional<RetirementMark>> LoadMark(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxMarkBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  if (!text.ok()) return text.status();
  absl::StatusOr<RetirementMark> mark = RetirementMark::FromText(*text);
  if (!mark.ok()) return Annotate(mark.status(), path);
  return *std::move(mark);
}

absl::Status SyncDirectoryOf(const std::string& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return ErrnoStatus(StrCat("sync ", directory), errno);
  }
  return absl::OkStatus();
}

}  // namespace

std::string RetirementMark::ToText() const {
  return StrCat(kFirstLine, "\nat ", Time(at), "\nby ", OneLine(by), "\naction ", action_id,
                "\noperation ", operation, "\nreason ", OneLine(reason), "\n");
}

absl::StatusOr<RetirementMark> RetirementMark::FromText(std::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(ToAbsl(text), '\n');
  const auto value = [&](size_t line, std::string_view key) -> std::optional<std::string> {
    const std::string prefix = StrCat(key, " ");
    if (!std::string_view(lines[line]).starts_with(prefix)) return std::nullopt;
    return lines[line].substr(prefix.size());
  };
  RetirementMark mark;
  if (lines.size() == 7 && lines[0] == kFirstLine && lines[6].empty()) {
    const auto at = value(1, "at");
    const auto by = value(2, "by");
    const auto action = value(3, "action");
    const auto operation = value(4, "operation");
    const auto reason = value(5, "reason");
    if (at && by && action && operation && reason && IsUuidV7(*action) &&
        absl::SimpleAtoi(*operation, &mark.operation) &&
        absl::ParseTime(absl::RFC3339_full, *at, &mark.at, nullptr)) {
      mark.by = *by;
      mark.action_id = *action;
      mark.reason = *reason;
      return mark;
    }
  }
  return absl::InvalidArgumentError("not a mark that this agent wrote");
}

RetirementPlaces PlacesOf(const AgentConfig& config) {
  return {.state_directory = config.state_directory,
          .release_directory = config.release_directory,
          .enrolment_token_file = config.enrolment_token_file,
          .program_directory = config.program_directory};
}

absl::StatusOr<std::optional<RetirementMark>> LoadRetiring(const std::string& state_directory) {
  return LoadMark(state_directory + kRetiring);
}

absl::Status BeginRetirement(const std::string& state_directory, const RetirementMark& mark) {
  return WriteFileAtomically(state_directory + kRetiring, mark.ToText(), 0644);
}

absl::Status ForgetRetiring(const std::string& state_directory) {
  const std::string path = state_directory + kRetiring;
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(StrCat("unlink ", path), errno);
}

absl::Status CompleteRetirement(const std::string& state_directory) {
  const std::string retiring = state_directory + kRetiring;
  if (::rename(retiring.c_str(), (state_directory + kRetired).c_str()) != 0) {
    return ErrnoStatus(StrCat("rename ", retiring), errno);
  }
  return SyncDirectoryOf(state_directory);
}

std::vector<RetireRow> DestroyBelongings(const RetirementPlaces& places) {
  std::vector<RetireRow> rows;
  constexpr std::string_view kWhen = "when this answer has reached the scheduler";
  rows.push_back(Follows("identity", places.state_directory + "/link",
                         StrCat(kWhen, "; unlinked, not overwritten")));
  for (const std::string_view what : {"trust_policy", "recurring_actions"}) {
    rows.push_back(Follows(what, places.state_directory + "/agent.db", kWhen));
  }
  int blobs = 0;
  const std::string blob_directory = places.state_directory + "/blobs";
  const absl::Status blob_status = RemoveDirectory(blob_directory, IsBlob, &blobs);
  rows.push_back(Row("blobs", blob_directory, blob_status, blobs));
  int releases = 0;
  int left = 0;
  const absl::Status release_status =
      RemoveReleases(places.release_directory, /*kept=*/places.program_directory, &releases, &left);
  rows.push_back(Row("releases", places.release_directory, release_status, releases));
  if (left > 0 && release_status.ok()) {
    rows.back().set_outcome("follows");
    rows.back().set_detail(StrCat("the version that runs: ", kWhen));
  }
  rows.push_back(DestroyToken(places.enrolment_token_file));
  return rows;
}

absl::Status RemoveTlsIdentity(const std::string& state_directory) {
  int destroyed = 0;
  const std::string path = state_directory + "/link";
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<UniqueFd> directory, OpenDirectory(path));
  if (!directory.has_value()) return absl::OkStatus();
  RemovePlanted(directory->get(), path);
  const absl::Status status = UnlinkEntries(directory->get(), path, IsAnything, &destroyed);
  if (status.ok()) return status;
  LogWarning(StrCat("the link's directory: ", status.message()));
  // What matters is gone where these are no files.
  for (const char* name : {"tls.key", "tls.pem"}) {
    struct stat info;
    const bool is_there = ::fstatat(directory->get(), name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there && !S_ISDIR(info.st_mode)) return status;
  }
  return absl::OkStatus();
}

std::optional<std::string> FinishRetirement(const RetirementPlaces& places) {
  const std::string mark_path = places.state_directory + kRetired;
  if (::faccessat(AT_FDCWD, mark_path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    return std::nullopt;
  }
  // A mark that can't be read is one all the same.
  const auto mark = LoadMark(mark_path);
  std::string words = "this host was retired";
  if (mark.ok() && mark->has_value()) {
    StrAppend(&words, " on ", Time((*mark)->at), " by ", (*mark)->by);
    if (!(*mark)->reason.empty()) StrAppend(&words, " (", (*mark)->reason, ")");
  }
  StrAppend(&words, "; remove ", mark_path, " to let it enrol again");

  std::vector<absl::Status> failures;
  const auto note = [&](const absl::Status& status) {
    if (!status.ok()) failures.push_back(status);
  };
  int destroyed = 0;
  int left = 0;
  const std::string link_directory = places.state_directory + "/link";
  if (const auto link = OpenDirectory(link_directory); link.ok() && link->has_value()) {
    RemovePlanted((*link)->get(), link_directory);
  }
  note(RemoveDirectory(link_directory, IsAnything, &destroyed));
  if (const auto state = OpenDirectory(places.state_directory); !state.ok()) {
    note(state.status());
  } else if (state->has_value()) {
    note(UnlinkEntries((*state)->get(), places.state_directory, IsState, &destroyed));
  }
  note(RemoveDirectory(places.state_directory + "/blobs", IsBlob, &destroyed));
  note(RemoveReleases(places.release_directory, /*kept=*/"", &destroyed, &left));
  if (const RetireRow token = DestroyToken(places.enrolment_token_file);
      token.outcome() == "failed") {
    note(absl::InternalError(token.detail()));
  }
  for (const absl::Status& failure : failures) {
    StrAppend(&words, "\nnot destroyed: ", failure.message());
  }
  return words;
}

}  // namespace dragnet
