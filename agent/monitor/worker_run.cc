#include "agent/monitor/worker_run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "agent/sandbox/missing_walls.h"
#include "agent/worker/exit_status.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

// 256 KiB of rows, and the one that went over (ipc.proto).
constexpr size_t kMaxWorkerFrame = 352 * 1024;
constexpr size_t kMaxRowBytes = 64 * 1024;
// What a row takes beside its bytes, at most: its field's number and its length.
constexpr size_t kRowFraming = 6;
constexpr size_t kMaxDetailBytes = 1024;
constexpr size_t kMaxSummaryBytes = 128 * 1024;
// How often its CPU time and memory are looked at, at least; RLIMIT_CPU and
// RLIMIT_AS are the backstops.
constexpr absl::Duration kSampleInterval = absl::Milliseconds(500);
constexpr absl::Duration kMemoryInterval = absl::Milliseconds(100);
// After SIGKILL: a process in an uninterruptible wait (a dead NFS server) is
// given up, so that it holds neither its slot nor its summary.
constexpr absl::Duration kKillGrace = absl::Seconds(5);
constexpr int kMaxReadsPerAdvance = 8;
// Threads of all workers of the worker's user on this host (RLIMIT_NPROC): far
// above what modules start, far below what would keep the host from forking.
constexpr uint64_t kMaxWorkerThreads = 1024;

int Cores() { return static_cast<int>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L)); }

bool SetNonBlocking(int fd) { return ::fcntl(fd, F_SETFL, O_NONBLOCK) == 0; }

v1::Termination TerminationOf(ipc::Failed::Kind kind) {
  switch (kind) {
    case ipc::Failed::KIND_INVALID_PARAMETERS:
      return v1::TERMINATION_INVALID_PARAMETERS;
    case ipc::Failed::KIND_SANDBOX:
      return v1::TERMINATION_NOT_STARTED;
    case ipc::Failed::KIND_PRIVACY:
      return v1::TERMINATION_PRIVACY_MODE;
    default:
      return v1::TERMINATION_MODULE_ERROR;
  }
}

}  // namespace

v1::Outcome OutcomeOf(v1::Termination termination, const v1::ModuleSummary& module, uint64_t rows) {
  const bool looked_at_everything = termination == v1::TERMINATION_COMPLETED &&
                                    module.unexamined_size() == 0 && module.limits_hit_size() == 0;
  if (!looked_at_everything) return v1::OUTCOME_INCOMPLETE;
  return rows > 0 ? v1::OUTCOME_FOUND : v1::OUTCOME_CLEAN;
}

WorkerRun::WorkerRun(const ModuleManifest& manifest, ipc::Job job, const OperationLimits& limits,
                     const WorkerEnvironment& environment, const std::vector<UniqueFd>& inputs)
    : limits_(limits),
      started_(absl::Now()),
      steady_started_(SteadyNow()),
      decoder_(kMaxWorkerFrame),
      throttle_(limits.cpu_share_percent, Cores(), steady_started_),
      next_check_(steady_started_),
      accounted_(steady_started_) {
  job.set_privacy(environment.privacy);
  const absl::StatusOr<std::string> frame = EncodeFrame(job);
  if (!frame.ok()) {
    SetTermination(v1::TERMINATION_NOT_STARTED, ToStd(frame.status().message()));
    Finish(sandbox::ChildExit());
    return;
  }
  job_bytes_ = *frame;
  if (!Spawn(manifest, !job.root().empty(), environment, inputs)) Finish(sandbox::ChildExit());
}

WorkerRun::~WorkerRun() = default;

bool WorkerRun::Spawn(const ModuleManifest& manifest, bool in_root,
                      const WorkerEnvironment& environment, const std::vector<UniqueFd>& inputs) {
  absl::StatusOr<sandbox::Pipe> input = sandbox::NewPipe();
  absl::StatusOr<sandbox::Pipe> output = sandbox::NewPipe();
  if (!input.ok() || !output.ok()) {
    SetTermination(v1::TERMINATION_NOT_STARTED,
                   ToStd((input.ok() ? output.status() : input.status()).message()));
    return false;
  }
  sandbox::SpawnOptions options;
  options.program = environment.program;
  if (environment.allow_missing_walls) {
    options.arguments.push_back(sandbox::kAllowMissingWallsFlag);
  }
  options.fds = {{input->read_end.get(), STDIN_FILENO}, {output->write_end.get(), STDOUT_FILENO}};
  if (environment.stderr_fd >= 0) options.fds.push_back({environment.stderr_fd, STDERR_FILENO});
  // agent/ipc/ipc.proto, Job.inputs.
  for (size_t i = 0; i < inputs.size(); ++i) {
    options.fds.push_back({inputs[i].get(), STDERR_FILENO + 1 + static_cast<int>(i)});
  }
  options.user = environment.user;
  options.capabilities.assign(manifest.capabilities.begin(), manifest.capabilities.end());
  // It gives it up before it looks at its parameters (agent/sandbox/root_directory.h).
  if (in_root && ::geteuid() == 0) options.capabilities.push_back(CAP_SYS_CHROOT);
  if (manifest.network != NetworkAccess::kNone) {
    if (environment.host_network_fd >= 0) {
      options.network = sandbox::Network::kGiven;
      options.network_namespace_fd = environment.host_network_fd;
    }
  } else if (!environment.monitor_has_no_network) {
    options.network = sandbox::Network::kEmpty;
  }
  if (environment.limit_address_space) {
    options.limits.address_space_bytes = limits_.memory_bytes;
  }
  options.limits.cpu_seconds = static_cast<uint64_t>(absl::ToInt64Seconds(limits_.cpu_time)) + 5;
  options.limits.open_files = 1024;
  options.limits.file_size_bytes = 0;
  if (environment.user.has_value()) {
    options.limits.processes = kMaxWorkerThreads;
    options.private_mounts = true;
    if (!environment.hidden_directory.empty()) {
      options.hidden_directories.push_back(environment.hidden_directory);
    }
  }
  options.nice = 10;
  options.idle_io = environment.idle_io;
  options.allow_missing_walls = environment.allow_missing_walls;
  absl::StatusOr<sandbox::Child> child = sandbox::Spawn(options);
  if (!child.ok()) {
    SetTermination(v1::TERMINATION_NOT_STARTED, ToStd(child.status().message()));
    return false;
  }
  child_ = *std::move(child);
  job_pipe_ = std::move(input->write_end);
  output_pipe_ = std::move(output->read_end);
  SetNonBlocking(job_pipe_.get());
  SetNonBlocking(output_pipe_.get());
  WriteJob();
  return true;
}

void WorkerRun::AddPollFds(std::vector<pollfd>* fds) const {
  if (job_pipe_.valid()) fds->push_back({job_pipe_.get(), POLLOUT, 0});
  if (output_pipe_.valid() && !paused_ && !rows_.has_value()) {
    fds->push_back({output_pipe_.get(), POLLIN, 0});
  }
  // It may close its output and go on: then its end is what is waited for.
  if (child_.valid() && child_.pidfd() >= 0 && !output_pipe_.valid()) {
    fds->push_back({child_.pidfd(), POLLIN, 0});
  }
}

absl::Time WorkerRun::deadline() const {
  if (summary_.has_value()) return absl::InfiniteFuture();
  if (maybe_more_ && !paused_) return absl::InfinitePast();
  if (killed_ < absl::InfiniteFuture()) {
    // One that closed its output is waited for by its pidfd; some kernels have none.
    return std::min(SteadyNow() + kSampleInterval, killed_ + kKillGrace);
  }
  if (held_) return absl::InfiniteFuture();
  return std::min(steady_started_ + paused_by_order_ + limits_.wall_time, next_check_);
}

void WorkerRun::WriteJob() {
  while (!job_bytes_.empty()) {
    const ssize_t count = ::write(job_pipe_.get(), job_bytes_.data(), job_bytes_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) break;  // it is gone; its end is seen on the other pipe
    job_bytes_.erase(0, static_cast<size_t>(count));
  }
  job_bytes_.clear();
  job_pipe_.Reset();
}

void WorkerRun::Advance() {
  if (summary_.has_value()) return;
  Account();
  if (job_pipe_.valid()) WriteJob();
  if (!paused_) ReadOutput();
  CheckLimits();
  if (output_pipe_.valid() || rows_.has_value()) return;
  // It has no more to say. How it ends still counts: only a clean exit after a
  // summary is a completed run.
  absl::StatusOr<std::optional<sandbox::ChildExit>> exited = child_.TryReap();
  if (!exited.ok()) {
    SetTermination(v1::TERMINATION_CRASHED, ToStd(exited.status().message()));
    Finish(sandbox::ChildExit());
  } else if (exited->has_value()) {
    Finish(**exited);
  } else if (SteadyNow() >= killed_ + kKillGrace) {
    detail_ += "; it could not be ended and was given up";
    child_.Abandon();
    Finish(sandbox::ChildExit());
  }
}

void WorkerRun::ReadOutput() {
  TakeMessages();
  for (int reads = 0; reads < kMaxReadsPerAdvance; ++reads) {
    if (!output_pipe_.valid() || rows_.has_value()) return;
    char buffer[65536];
    const ssize_t count = ::read(output_pipe_.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
      if (!decoder_.empty()) {
        Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "output ended in the middle of a message");
      }
      output_pipe_.Reset();
      return;
    }
    decoder_.Append({buffer, static_cast<size_t>(count)});
    TakeMessages();
  }
}

void WorkerRun::TakeMessages() {
  while (output_pipe_.valid() && !rows_.has_value()) {
    const absl::StatusOr<std::optional<std::string>> frame = decoder_.Next();
    if (!frame.ok()) {
      Stop(v1::TERMINATION_PROTOCOL_VIOLATION, ToStd(frame.status().message()));
      return;
    }
    maybe_more_ = frame->has_value();
    if (!maybe_more_) return;
    ipc::WorkerToMonitor message;
    const absl::Status parsed = ParseStrict(**frame, kMaxWorkerFrame, &message);
    if (!parsed.ok()) {
      Stop(v1::TERMINATION_PROTOCOL_VIOLATION, ToStd(parsed.message()));
      return;
    }
    TakeMessage(message);
  }
}

void WorkerRun::TakeMessage(const ipc::WorkerToMonitor& message) {
  if (module_summary_.has_value() || termination_.has_value()) {
    Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "a message after the last one");
    return;
  }
  switch (message.content_case()) {
    case ipc::WorkerToMonitor::kRows:
      return TakeRowsMessage(message.rows());
    case ipc::WorkerToMonitor::kSummary:
      if (message.summary().ByteSizeLong() > kMaxSummaryBytes) {
        return Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "a summary over its size");
      }
      module_summary_ = message.summary();
      return;
    case ipc::WorkerToMonitor::kFailed:
      return Stop(TerminationOf(message.failed().kind()), message.failed().detail());
    default:
      return Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "an empty message");
  }
}

void WorkerRun::TakeRowsMessage(const v1::Rows& rows) {
  // Free to send, so without a limit: not a message that a worker has use for.
  if (rows.rows().empty()) return Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "a message of no rows");
  rows_.emplace();
  // When the first is over a limit, there are none.
  const absl::Cleanup drop_empty = [this] {
    if (rows_->rows_size() == 0) rows_.reset();
  };
  for (const std::string& row : rows.rows()) {
    if (row.size() > kMaxRowBytes) {
      return Stop(v1::TERMINATION_PROTOCOL_VIOLATION, "a row over its size");
    }
    if (row_count_ == limits_.rows) {
      return Stop(v1::TERMINATION_ROW_LIMIT, StrCat("more than ", limits_.rows, " rows"));
    }
    // As it is stored: a million rows of one byte take more than a megabyte.
    const size_t bytes = row.size() + kRowFraming;
    if (row_bytes_ + bytes > limits_.result_bytes) {
      return Stop(v1::TERMINATION_RESULT_SIZE_LIMIT,
                  StrCat("more than ", limits_.result_bytes, " bytes of rows"));
    }
    ++row_count_;
    row_bytes_ += bytes;
    rows_->add_rows(row);
  }
}

std::optional<v1::Rows> WorkerRun::TakeRows() { return std::exchange(rows_, std::nullopt); }

void WorkerRun::CheckLimits() {
  if (killed_ < absl::InfiniteFuture() || !child_.valid()) return;
  if (held_) return CheckHeld();
  if (WallTime() >= limits_.wall_time) {
    return Stop(v1::TERMINATION_WALL_TIME_LIMIT, WallTimeDetail());
  }
  const absl::Time now = SteadyNow();
  if (now >= next_check_) CheckUse(now);
}

// An error is of one that has just ended: its end is seen elsewhere.
void WorkerRun::CheckUse(absl::Time now) {
  next_check_ = now + kSampleInterval;
  const absl::StatusOr<absl::Duration> cpu = child_.CpuTime();
  if (cpu.ok() && *cpu >= limits_.cpu_time) {
    return Stop(v1::TERMINATION_CPU_TIME_LIMIT,
                StrCat("used ", absl::FormatDuration(limits_.cpu_time), " of CPU time"));
  }
  if (cpu.ok()) {
    throttle_.Sample(now, *cpu);
    next_check_ = std::min(next_check_, throttle_.next_sample());
    StandStillOrRun();
  }
  if (now < next_memory_check_) return;
  next_memory_check_ = now + kMemoryInterval;
  const absl::StatusOr<uint64_t> memory = child_.ResidentBytes();
  if (memory.ok() && *memory > limits_.memory_bytes) {
    Stop(v1::TERMINATION_MEMORY_LIMIT,
         StrCat("needed more than ", limits_.memory_bytes, " bytes of memory"));
  }
}

// Whoever has the worker's user, another worker for one, can continue it.
void WorkerRun::CheckHeld() {
  const absl::Time now = SteadyNow();
  if (now < next_check_) return;
  next_check_ = now + kSampleInterval;
  const absl::StatusOr<absl::Duration> cpu = child_.CpuTime();
  if (!cpu.ok()) return;
  if (*cpu >= limits_.cpu_time) {
    return Stop(v1::TERMINATION_CPU_TIME_LIMIT,
                StrCat("used ", absl::FormatDuration(limits_.cpu_time), " of CPU time"));
  }
  if (*cpu > held_at_cpu_) child_.Signal(SIGSTOP).IgnoreError();
  held_at_cpu_ = *cpu;
}

std::string WorkerRun::WallTimeDetail() const {
  std::string detail = StrCat("ran for ", absl::FormatDuration(limits_.wall_time));
  if (stood_still_for_spool_ > absl::ZeroDuration()) {
    StrAppend(&detail, "; for ",
              absl::FormatDuration(absl::Trunc(stood_still_for_spool_, absl::Milliseconds(1))),
              " of it the worker stood still, because the spool or the disk was full");
  }
  return detail;
}

absl::Duration WorkerRun::WallTime() const {
  const absl::Duration held =
      paused_by_order_ + (held_ ? SteadyNow() - accounted_ : absl::ZeroDuration());
  return SteadyNow() - steady_started_ - held;
}

// The time since the last call goes to what it was then kept by.
void WorkerRun::Account() {
  const absl::Time now = SteadyNow();
  const absl::Duration passed = now - accounted_;
  accounted_ = now;
  if (held_) {
    paused_by_order_ += passed;
  } else if (standing_still_) {
    held_for_cpu_share_ += passed;
  } else if (paused_ && pipe_was_full_) {
    stood_still_for_spool_ += passed;
  }
  pipe_was_full_ = paused_ && PipeIsFull();
}

// Messages are written whole, and those that fill a pipe may leave its pages
// half empty (pipe(7)).
bool WorkerRun::PipeIsFull() const {
  if (!output_pipe_.valid()) return false;
  int waiting = 0;
  const int capacity = ::fcntl(output_pipe_.get(), F_GETPIPE_SZ);
  return ::ioctl(output_pipe_.get(), FIONREAD, &waiting) == 0 && waiting >= capacity / 2;
}

void WorkerRun::Pause(bool paused) {
  if (paused == paused_) return;
  Account();
  paused_ = paused;
  pipe_was_full_ = paused_ && PipeIsFull();
}

void WorkerRun::Hold(bool held) {
  if (held == held_ || summary_.has_value()) return;
  Account();
  held_ = held;
  // What it used before counts on; what it didn't use meanwhile isn't saved up.
  next_check_ = SteadyNow();
  StandStillOrRun();
}

void WorkerRun::SetCpuShare(uint32_t percent) {
  if (limits_.cpu_share_percent != 0) percent = std::min(percent, limits_.cpu_share_percent);
  if (percent == throttle_.share_percent()) return;
  Account();
  // What it used so far was within the share that it had.
  if (const auto cpu = child_.CpuTime(); cpu.ok()) throttle_.Sample(accounted_, *cpu);
  throttle_.SetShare(percent);
  next_check_ = std::min(next_check_, throttle_.next_sample());
  StandStillOrRun();
}

// Stopped by order and stopped for its share are one stop to the kernel: it goes
// on when neither holds it.
void WorkerRun::StandStillOrRun() {
  const bool stand_still = held_ || throttle_.stopped();
  if (stand_still == standing_still_ || killed_ < absl::InfiniteFuture() || !child_.valid()) return;
  Account();
  standing_still_ = stand_still;
  child_.Signal(stand_still ? SIGSTOP : SIGCONT).IgnoreError();
}

void WorkerRun::Stop(v1::Termination termination, std::string_view detail) {
  Account();
  SetTermination(termination, detail);
  module_summary_.reset();
  output_pipe_.Reset();
  job_pipe_.Reset();
  maybe_more_ = false;
  killed_ = SteadyNow();
  standing_still_ = false;
  if (child_.valid()) child_.Signal(SIGKILL).IgnoreError();
}

void WorkerRun::SetTermination(v1::Termination termination, std::string_view detail) {
  if (termination_.has_value()) return;  // the first cause is the cause
  termination_ = termination;
  detail_ = Shorten(ToValidUtf8(detail), kMaxDetailBytes);
}

v1::Termination WorkerRun::Classify(const sandbox::ChildExit& exited) {
  if (exited.clean() && module_summary_.has_value()) return v1::TERMINATION_COMPLETED;
  if (exited.status == kWorkerOutOfMemory) {
    detail_ = StrCat("needed more than ", limits_.memory_bytes, " bytes of address space");
    return v1::TERMINATION_MEMORY_LIMIT;
  }
  detail_ = exited.clean() ? "exited without a summary" : exited.ToString();
  return exited.signal == SIGXCPU ? v1::TERMINATION_CPU_TIME_LIMIT : v1::TERMINATION_CRASHED;
}

void WorkerRun::Finish(const sandbox::ChildExit& exited) {
  if (!termination_.has_value()) termination_ = Classify(exited);
  summary_.emplace();
  summary_->set_termination(*termination_);
  summary_->set_detail(detail_);
  summary_->set_rows(row_count_);
  if (module_summary_.has_value()) *summary_->mutable_module() = *module_summary_;
  summary_->set_outcome(OutcomeOf(*termination_, summary_->module(), row_count_));
  *summary_->mutable_started() = ToTimestamp(started_);
  Account();
  *summary_->mutable_wall_time() = ToProtoDuration(WallTime());
  *summary_->mutable_cpu_time() = ToProtoDuration(exited.cpu_time);
  summary_->set_peak_memory_bytes(exited.peak_memory_bytes);
  *summary_->mutable_stood_still_for_spool() = ToProtoDuration(stood_still_for_spool_);
  *summary_->mutable_paused_by_order() = ToProtoDuration(paused_by_order_);
  *summary_->mutable_held_for_cpu_share() = ToProtoDuration(held_for_cpu_share_);
}

}  // namespace dragnet
