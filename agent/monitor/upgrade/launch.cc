#include "agent/monitor/upgrade/launch.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/monitor/log.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/version.h"

namespace dragnet {
namespace {

// What the kernel says of a program whose file is another one by now.
constexpr std::string_view kDeleted = " (deleted)";

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat of_a;
  struct stat of_b;
  return ::stat(a.c_str(), &of_a) == 0 && ::stat(b.c_str(), &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

// What can't be written is decided the same at the next start.
void SaveOrSay(const ReleaseState& state, ReleaseDirectory* releases) {
  if (const absl::Status saved = releases->Save(state); !saved.ok()) {
    LogWarning(StrCat("upgrades: not written: ", saved.message()));
  }
}

// Beyond TimeToConfirm: it goes back by itself, if it can.
constexpr absl::Duration kAlarmSlack = absl::Minutes(1);

// Rather of this moment than of the files or of what they say: no memory, no descriptors,
// a disk that doesn't answer.
bool IsOfTheMoment(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ||
         absl::IsUnknown(status) || absl::IsAborted(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsInternal(status);
}

// execve(2): that this file can't be a program here. All else may be otherwise next time.
bool IsNoProgram(int error) {
  return error == ENOEXEC || error == ELIBBAD || error == EACCES || error == ENOENT ||
         error == ENOTDIR;
}

// `launch` as it is where nothing can be decided.
Launch Undecided(const OwnProgram& own, const ReleaseDirectory& releases, std::string_view why) {
  Launch launch;
  // Beside its own link and worker, whatever it is.
  launch.is_release = own.path.starts_with(releases.path() + "/");
  launch.state = ReleaseState().OverBase(own.version, own.path, own.sha256);
  launch.undecided = std::string(why);
  LogWarning(StrCat("upgrades: ", why, "; version ", own.version,
                    " runs, and takes no upgrade until its next start"));
  return launch;
}

// Why the current version can't be started; OK when its start was counted.
absl::Status ReadyToStart(const ReleaseState& state, ReleaseDirectory* releases) {
  if (absl::Status files = releases->CheckFiles(*state.current); !files.ok()) return files;
  return state.confirmed ? absl::OkStatus() : releases->TakeStart();
}

// Survives execve(2), if its signal isn't ignored or blocked by whoever started this one;
// no child inherits it.
void SetLaunchAlarm(const AgentConfig& config) {
  ::signal(SIGALRM, SIG_DFL);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  const absl::Duration time = TimeToConfirm(config.trial_time, config.confirm_time) + kAlarmSlack;
  ::alarm(static_cast<unsigned>(absl::ToInt64Seconds(time)));
}

}  // namespace

OwnProgram FindOwnProgram() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  std::string program(path, length > 0 ? static_cast<size_t>(length) : 0);
  if (program.ends_with(kDeleted)) program.resize(program.size() - kDeleted.size());
  const std::string directory = program.substr(0, program.rfind('/'));
  return {kVersion, program, DigestOfPrograms("/proc/self/exe", directory)};
}

void CancelLaunchAlarm() { ::alarm(0); }

Launch DecideLaunch(const OwnProgram& own, AgentConfig::Upgrade who, ReleaseDirectory* releases) {
  Launch launch;
  launch.state = ReleaseState().OverBase(own.version, own.path, own.sha256);
  absl::StatusOr<std::optional<ReleaseState>> loaded = releases->Load();
  // Damage, too: what another version wrote may be meant for a third one.
  if (!loaded.ok()) return Undecided(own, *releases, ToStd(loaded.status().message()));
  if (!loaded->has_value()) return launch;
  ReleaseState& state = **loaded;
  if (state.current.has_value() && IsSameFile(own.path, releases->Program(state.version()))) {
    launch.is_release = true;
    launch.state = std::move(state);
    return launch;
  }
  // Started by hand, and neither the base nor what is to run: it is no one's to decide by.
  if (own.path.starts_with(releases->path() + "/")) return launch;
  const bool by_package_manager = who == AgentConfig::Upgrade::kPackageManager;
  const bool is_over_this = state.IsOver(own.version, own.sha256);
  if (by_package_manager || !is_over_this) {
    const bool is_news = state.current.has_value() || !is_over_this;
    launch.state = state.OverBase(own.version, own.path, own.sha256);
    if (!is_news) return launch;
    LogWarning(StrCat("upgrades: version ", own.version, ", which the package manager installed, ",
                      "takes the place of ", state.version()));
    SaveOrSay(launch.state, releases);
    releases->RemoveOthers(launch.state);
    return launch;
  }
  while (state.current.has_value()) {
    const absl::Status ready = ReadyToStart(state, releases);
    if (ready.ok()) {
      launch.program = releases->Program(state.version());
      break;
    }
    if (IsOfTheMoment(ready)) {
      return Undecided(own, *releases, StrCat("version ", state.version(), ": ", ready.message()));
    }
    const std::string left = state.version();
    state = state.WentBack(StrCat("version ", left, ": ", ready.message()));
    LogWarning(
        StrCat("upgrades: back to version ", state.version(), ": ", left, ": ", ready.message()));
    SaveOrSay(state, releases);
  }
  launch.state = std::move(state);
  return launch;
}

Launch LaunchCurrent(const AgentConfig& config, char** arguments) {
  ReleaseDirectory releases(config.release_directory);
  const OwnProgram own = FindOwnProgram();
  Launch launch = DecideLaunch(own, config.upgrade, &releases);
  // That of the version before this one, unless it is this one's own.
  if (!launch.is_release || launch.state.confirmed) CancelLaunchAlarm();
  if (launch.program.empty()) return launch;
  if (!launch.state.confirmed) SetLaunchAlarm(config);
  ::execv(launch.program.c_str(), arguments);
  const int error = errno;
  CancelLaunchAlarm();
  const std::string why(ToStd(ErrnoStatus(StrCat("execute ", launch.program), error).message()));
  if (!IsNoProgram(error)) return Undecided(own, releases, why);
  LogWarning(StrCat("upgrades: ", why, "; the version that the package manager installed runs"));
  // Whatever ran before it: what can be executed is this program.
  launch.program.clear();
  launch.state.former.reset();
  launch.state = launch.state.WentBack(why);
  SaveOrSay(launch.state, &releases);
  return launch;
}

absl::Status Become(const std::string& program, char** arguments, int host_network_fd) {
  if (host_network_fd >= 0 && ::setns(host_network_fd, CLONE_NEWNET) != 0) {
    return ErrnoStatus("return to the host's network: setns", errno);
  }
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  // A stop that waits ends this process here: what is to run is written already.
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(program.c_str(), arguments);
  return ErrnoStatus(StrCat("execute ", program), errno);
}

}  // namespace dragnet
