// A child process with memory that a test knows, for tests. What it is given is
// made in the child, so that it isn't anywhere else in the child's memory.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

namespace dragnet::memory {

inline constexpr size_t kMarkerSize = 24;

// The `i`th letter of marker number `n`: no program contains it as a text.
inline char MarkerLetter(uint32_t n, size_t i) {
  uint64_t hash = (n + 1) * 0x9E3779B97F4A7C15u + i * 0xC2B2AE3D27D4EB4Fu;
  hash ^= hash >> 29;
  hash *= 0xBF58476D1CE4E5B9u;
  hash ^= hash >> 32;
  return static_cast<char>('a' + hash % 26);
}
inline std::string Marker(uint32_t n) {
  std::string marker;
  for (size_t i = 0; i < kMarkerSize; ++i) marker += MarkerLetter(n, i);
  return marker;
}
inline void PutMarker(uint32_t n, void* to) {
  for (size_t i = 0; i < kMarkerSize; ++i) static_cast<char*>(to)[i] = MarkerLetter(n, i);
}

inline char* MapAnonymous(size_t size, int protection = PROT_READ | PROT_WRITE) {
  void* memory = ::mmap(nullptr, size, protection,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return static_cast<char*>(memory);
}

class Child {
 public:
  // `prepare` runs in the child, which then waits to be killed; its result is
  // address().
  explicit Child(const std::function<char*()>& prepare) {
    int ready[2];
    if (::pipe(ready) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const auto address = reinterpret_cast<uint64_t>(prepare());
      if (::write(ready[1], &address, sizeof(address)) != sizeof(address)) ::_exit(1);
      while (true) ::pause();
    }
    ::close(ready[1]);
    if (pid_ < 0 || ::read(ready[0], &address_, sizeof(address_)) != sizeof(address_)) std::abort();
    ::close(ready[0]);
  }
  ~Child() { Kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  pid_t pid() const { return pid_; }
  uint64_t address() const { return address_; }

 private:
  pid_t pid_ = -1;
  uint64_t address_ = 0;
};

}  // namespace dragnet::memory
