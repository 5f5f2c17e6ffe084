#include "modules/process/run.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/hidden_processes.h"
#include "modules/memory/process.h"
#include "modules/netstat/proc_files.h"
#include "modules/partial_text.h"
#include "modules/process/facts.h"

namespace dragnet::process {
namespace {

constexpr int kMaxExpressions = 64;
constexpr size_t kMaxExpressionBytes = 4096;
constexpr int kMaxUsers = 256;
constexpr int kMaxPids = 1024;

constexpr size_t kMaxTextBytes = 4096;
constexpr size_t kMaxNameBytes = 256;
// Supplementary groups make it long: 65536 numbers.
constexpr size_t kMaxStatusBytes = 1024 * 1024;
constexpr size_t kMaxCgroupBytes = 64 * 1024;
constexpr size_t kMaxLabelBytes = 4096;

std::string RowText(std::string_view bytes, size_t max_bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, max_bytes + 16)), max_bytes);
}

std::string FileName(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// 0 when the kernel doesn't say.
int LastCapability() {
  const auto text = netstat::ReadProcFile(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", 16);
  int last = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), last);
  return last;
}

class Scan {
 public:
  Scan(const Search& search, RunContext& context)
      : search_(search),
        context_(context),
        users_(memory::Users::Read()),
        boot_time_(memory::BootTime()),
        ticks_per_second_(std::max(1L, ::sysconf(_SC_CLK_TCK))),
        last_capability_(LastCapability()) {}

  absl::Status Run() {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<pid_t> pids, memory::ListProcesses());
    if (ProcessesAreHidden()) context_.NoteUnexamined(kHiddenProcesses, "/proc");
    for (const pid_t pid : pids) {
      if (!search_.pids.empty() && !search_.pids.contains(static_cast<uint32_t>(pid))) continue;
      if (!One(pid)) break;
    }
    return absl::OkStatus();
  }

 private:
  // False when the run should end.
  bool One(pid_t pid) {
    errno = 0;
    const auto process = memory::Process::Open(pid);
    if (!process) {
      // It stays 0 where a file of it is empty, as of one that has ended.
      if (errno != 0 && !memory::IsGone(errno)) Note("processes", pid);
      return true;
    }
    v1::ProcessRow row;
    if (!ReadFacts(*process, &row)) return true;
    context_.AddExamined(1, 0);
    // What could not be read of it doesn't rule it out, and is noted.
    std::string command_line;
    if (!ReadProgram(*process, &row) || !ReadCommandLine(*process, &command_line)) return true;
    if (!Holds(row, command_line)) return true;
    ReadRest(*process, &row);
    // What is withheld is no empty text: a check that asks for it must not pass.
    row.set_command_line(search_.no_command_lines ? std::string(kWithheld)
                                                  : RowText(command_line, kMaxTextBytes));
    row.set_exe(RowText(row.exe(), kMaxTextBytes));
    // Read in pieces: it must be the same one to its end.
    if (!process->IsAlive()) return true;
    return context_.EmitRow(row);
  }

  bool Holds(const v1::ProcessRow& row, const std::string& command_line) const {
    if (search_.no_kernel && row.kernel_thread()) return false;
    if (search_.deleted_exe && !row.exe_deleted()) return false;
    if (!search_.names.Holds({row.name(), FileName(row.exe())})) return false;
    if (!search_.exes.Holds({row.exe()})) return false;
    if (!search_.command_lines.Holds({command_line})) return false;
    if (!search_.units.Holds({row.unit()})) return false;
    const auto is_in = [&](const std::set<std::string>& users) {
      return users.contains(row.user()) || users.contains(StrCat(row.uid()));
    };
    return (search_.users.empty() || is_in(search_.users)) && !is_in(search_.not_users);
  }

  bool ReadFacts(const memory::Process& process, v1::ProcessRow* row) {
    const auto text = netstat::ReadProcFile(process.directory(), "status", kMaxStatusBytes);
    const auto status = text ? ParseStatus(*text) : std::nullopt;
    if (!status) {
      if (!text && !memory::IsGone(errno)) Note("processes", process.pid());
      return false;
    }
    row->set_pid(static_cast<uint32_t>(process.pid()));
    row->set_parent(static_cast<uint32_t>(process.parent()));
    row->set_name(RowText(process.name(), kMaxNameBytes));
    row->set_uid(status->uid);
    row->set_real_uid(status->real_uid);
    row->set_gid(status->gid);
    const std::string_view user = users_.NameOf(status->uid);
    row->set_user(user.empty() ? StrCat(status->uid) : RowText(user, kMaxNameBytes));
    row->set_state(status->state);
    row->set_rss(status->rss_bytes);
    row->set_threads(status->threads);
    row->set_tracer(status->tracer);
    row->set_capabilities(CapabilityText(status->effective_capabilities, last_capability_));
    row->set_no_new_privs(status->no_new_privs);
    row->set_seccomp(status->seccomp);
    row->set_kernel_thread(IsKernelThread(
        netstat::ReadProcFile(process.directory(), "stat", kMaxStatusBytes).value_or("")));
    if (boot_time_ > 0) SetStarted(process.start_ticks(), row);
    const std::string cgroup =
        netstat::ReadProcFile(process.directory(), "cgroup", kMaxCgroupBytes).value_or("");
    const std::string path = CgroupPath(cgroup);
    row->set_cgroup(RowText(path, kMaxTextBytes));
    row->set_unit(RowText(UnitOfCgroup(path), kMaxNameBytes));
    row->set_container(netstat::ContainerOfCgroup(cgroup));
    return true;
  }

  void SetStarted(uint64_t ticks, v1::ProcessRow* row) const {
    const auto per_second = static_cast<uint64_t>(ticks_per_second_);
    const auto seconds = static_cast<int64_t>(std::min<uint64_t>(ticks / per_second, 1ULL << 40));
    row->mutable_started()->set_seconds(boot_time_ + seconds);
    row->mutable_started()->set_nanos(
        static_cast<int32_t>(ticks % per_second * 1'000'000'000 / per_second));
  }

  // False when the process has ended.
  bool ReadProgram(const memory::Process& process, v1::ProcessRow* row) {
    const auto link = process.ReadExe();
    if (!link) {
      if (memory::IsGone(errno)) return false;
      Note("programs of processes", process.pid());
      return true;
    }
    memory::ExePath exe = memory::SplitExe(*link);
    row->set_exe(ToValidUtf8(exe.path));
    row->set_exe_deleted(exe.deleted);
    return true;
  }

  bool ReadCommandLine(const memory::Process& process, std::string* command_line) {
    // Nobody asks for it: it may take the process's lock on its memory.
    if (search_.no_command_lines && search_.command_lines.empty()) return true;
    auto text = process.ReadCommandLine();
    if (!text) {
      if (memory::IsGone(errno)) return false;
      Note("command lines of processes", process.pid());
      return true;
    }
    *command_line = ToValidUtf8(*text);
    return true;
  }

  void ReadRest(const memory::Process& process, v1::ProcessRow* row) const {
    // EINVAL without a security module.
    std::string label =
        netstat::ReadProcFile(process.directory(), "attr/current", kMaxLabelBytes).value_or("");
    while (label.ends_with('\n') || label.ends_with('\0')) label.pop_back();
    row->set_label(RowText(label, kMaxNameBytes));
  }

  void Note(std::string_view what, pid_t pid) {
    context_.NoteUnexamined(StrCat(what, ": ", memory::ErrorWords(errno)), StrCat("process ", pid));
  }

  const Search& search_;
  RunContext& context_;
  const memory::Users users_;
  const int64_t boot_time_;
  const long ticks_per_second_;
  const int last_capability_;
};

absl::Status SetUsers(const google::protobuf::RepeatedPtrField<std::string>& users,
                      Search* search) {
  if (users.size() > kMaxUsers)
    return absl::InvalidArgumentError(StrCat("users: at most ", kMaxUsers));
  for (std::string_view user : users) {
    const bool negated = user.starts_with('!');
    if (negated) user.remove_prefix(1);
    if (user.empty()) return absl::InvalidArgumentError("users: one is empty");
    (negated ? search->not_users : search->users).emplace(user);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TextFilter> TextFilter::Compile(
    std::string_view field, const google::protobuf::RepeatedPtrField<std::string>& values,
    int* left) {
  TextFilter filter;
  for (std::string_view value : values) {
    if (--*left < 0) {
      return absl::InvalidArgumentError(
          StrCat(field, ": more than ", kMaxExpressions, " regular expressions in all"));
    }
    const bool negated = value.starts_with('!');
    if (negated) value.remove_prefix(1);
    if (value.size() > kMaxExpressionBytes)
      return absl::InvalidArgumentError(StrCat(field, ": an expression over 4 KiB"));
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(4 << 20);
    auto expression =
        std::make_shared<const RE2>(re2::StringPiece(value.data(), value.size()), options);
    if (!expression->ok()) {
      return absl::InvalidArgumentError(
          StrCat(field, ": '", value, "' is no regular expression: ", expression->error()));
    }
    (negated ? filter.none_of_ : filter.any_of_).push_back(std::move(expression));
  }
  return filter;
}

bool TextFilter::Holds(std::initializer_list<std::string_view> texts) const {
  const auto matches = [&](const std::shared_ptr<const RE2>& expression) {
    return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
      return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *expression);
    });
  };
  return (any_of_.empty() || std::any_of(any_of_.begin(), any_of_.end(), matches)) &&
         std::none_of(none_of_.begin(), none_of_.end(), matches);
}

absl::StatusOr<Search> CompileSearch(const v1::ProcessParameters& parameters) {
  Search search;
  int left = kMaxExpressions;
  DRAGNET_ASSIGN_OR_RETURN(search.names, TextFilter::Compile("names", parameters.names(), &left));
  DRAGNET_ASSIGN_OR_RETURN(search.exes, TextFilter::Compile("exes", parameters.exes(), &left));
  DRAGNET_ASSIGN_OR_RETURN(search.command_lines,
                           TextFilter::Compile("command_lines", parameters.command_lines(), &left));
  DRAGNET_ASSIGN_OR_RETURN(search.units, TextFilter::Compile("units", parameters.units(), &left));
  DRAGNET_RETURN_IF_ERROR(SetUsers(parameters.users(), &search));
  if (parameters.pids_size() > kMaxPids)
    return absl::InvalidArgumentError(StrCat("pids: at most ", kMaxPids));
  search.pids.insert(parameters.pids().begin(), parameters.pids().end());
  search.deleted_exe = parameters.deleted_exe();
  search.no_kernel = parameters.no_kernel();
  search.no_command_lines = parameters.no_command_lines();
  return search;
}

absl::Status RunSearch(const Search& search, RunContext& context) {
  return Scan(search, context).Run();
}

}  // namespace dragnet::process
