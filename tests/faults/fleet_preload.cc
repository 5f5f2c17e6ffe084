// LD_PRELOAD: a clock that jumps, a disk that is slow, and a kill -9 in the middle
// of a commit, for one program and without privileges (fleet_control.h).
//
// A program that waits for a time of the real-time clock must wake up when that
// clock jumps over it. So such waits are cut into short ones of the monotonic
// clock, and after each the (possibly wrong) clock is looked at again.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/fleet_control.h"

namespace {

using dragnet::testing::Control;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kLongestWait = kSecond / 20;

Control* MapControl() {
  const char* path = ::getenv(dragnet::testing::kControlVariable);
  if (path == nullptr) return nullptr;
  const int fd = ::open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) ::abort();
  void* mapped = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (mapped == MAP_FAILED) ::abort();
  return static_cast<Control*>(mapped);
}

// Null: nothing is to change.
Control* ControlPage() {
  static Control* const control = MapControl();
  return control;
}

template <typename Function>
Function Next(const char* name) {
  void* found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) ::abort();
  return reinterpret_cast<Function>(found);
}

// --- the clock

int RealClock(clockid_t clock, timespec* time) {
  static const auto next = Next<int (*)(clockid_t, timespec*)>("clock_gettime");
  return next(clock, time);
}

int64_t ToNanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

timespec FromNanoseconds(int64_t nanoseconds) {
  timespec time{nanoseconds / kSecond, nanoseconds % kSecond};
  if (time.tv_nsec < 0) time = {time.tv_sec - 1, time.tv_nsec + kSecond};
  return time;
}

int64_t Offset() {
  const Control* control = ControlPage();
  return control == nullptr ? 0 : control->clock_offset_ns.load(std::memory_order_relaxed);
}

int64_t WrongNow() {
  timespec now;
  RealClock(CLOCK_REALTIME, &now);
  return ToNanoseconds(now) + Offset();
}

// The monotonic time to wait for at most, now that `deadline` of the wrong clock
// is waited for.
timespec NextLook(int64_t deadline) {
  timespec now;
  RealClock(CLOCK_MONOTONIC, &now);
  int64_t wait = deadline - WrongNow();
  if (wait > kLongestWait) wait = kLongestWait;
  return FromNanoseconds(ToNanoseconds(now) + (wait > 0 ? wait : 0));
}

using Syscall = long (*)(long, ...);

long RealSyscall(long number, const long* a) {
  static const auto next = Next<Syscall>("syscall");
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long FutexWait(const long* arguments) {
  const auto* deadline = reinterpret_cast<const timespec*>(arguments[3]);
  long a[6] = {arguments[0], arguments[1] & ~FUTEX_CLOCK_REALTIME, arguments[2], 0, arguments[4],
               arguments[5]};
  const int64_t until = ToNanoseconds(*deadline);
  while (true) {
    timespec look = NextLook(until);
    a[3] = reinterpret_cast<long>(&look);
    // Between two of them the kernel compares the futex's value anew: no wake is lost.
    const long result = RealSyscall(SYS_futex, a);
    if (result == 0 || errno != ETIMEDOUT || WrongNow() >= until) return result;
  }
}

int ConditionWait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* deadline) {
  const int64_t until = ToNanoseconds(*deadline);
  const timespec look = NextLook(until);
  const int result = ::pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &look);
  // Woken for nothing, as conditions may be: who waits looks again.
  return result == ETIMEDOUT && WrongNow() < until ? 0 : result;
}

// --- the disk

void Delay(const std::atomic<int64_t>& microseconds) {
  const int64_t delay = microseconds.load(std::memory_order_relaxed);
  if (delay <= 0) return;
  const timespec time = FromNanoseconds(delay * 1000);
  ::nanosleep(&time, nullptr);
}

// Whether it is this call's turn to die.
bool CountDown(std::atomic<int64_t>& left) {
  int64_t now = left.load(std::memory_order_relaxed);
  while (now > 0)
    if (left.compare_exchange_weak(now, now - 1)) return now == 1;
  return false;
}

void BeforeSync() {
  Control* control = ControlPage();
  if (control == nullptr) return;
  ++control->syncs;
  if (CountDown(control->syncs_until_kill)) ::kill(::getpid(), SIGKILL);
  Delay(control->sync_delay_us);
}

using Pwrite = ssize_t (*)(int, const void*, size_t, off64_t);

ssize_t Write(Pwrite next, int fd, const void* data, size_t size, off64_t offset) {
  Control* control = ControlPage();
  if (control == nullptr) return next(fd, data, size, offset);
  ++control->writes;
  if (CountDown(control->writes_until_kill)) {
    next(fd, data, size / 2, offset);
    ::kill(::getpid(), SIGKILL);
  }
  Delay(control->write_delay_us);
  return next(fd, data, size, offset);
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = RealClock(clock, time);
  const bool real = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (result == 0 && real) *time = FromNanoseconds(ToNanoseconds(*time) + Offset());
  return result;
}

int gettimeofday(timeval* time, void*) noexcept {
  const timespec now = FromNanoseconds(WrongNow());
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  const time_t now = FromNanoseconds(WrongNow()).tv_sec;
  if (result != nullptr) *result = now;
  return now;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* deadline) {
  // Of which clock a condition is can't be asked; no machine is up for 30 years.
  if (deadline->tv_sec > 1'000'000'000) return ConditionWait(condition, mutex, deadline);
  return ::pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, deadline);
}

long syscall(long number, ...) noexcept {
  long a[6];
  va_list list;
  va_start(list, number);
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  const bool waits = number == SYS_futex && a[3] != 0 && (a[1] & FUTEX_CLOCK_REALTIME) != 0 &&
                     (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
  return waits && ControlPage() != nullptr ? FutexWait(a) : RealSyscall(number, a);
}

int fsync(int fd) {
  static const auto next = Next<int (*)(int)>("fsync");
  BeforeSync();
  return next(fd);
}

int fdatasync(int fd) {
  static const auto next = Next<int (*)(int)>("fdatasync");
  BeforeSync();
  return next(fd);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  static const auto next = Next<Pwrite>("pwrite");
  return Write(next, fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  static const auto next = Next<Pwrite>("pwrite64");
  return Write(next, fd, data, size, offset);
}

}  // extern "C"
