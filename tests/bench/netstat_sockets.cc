// The module netstat against `ss -antp`: 50,000 TCP sockets on loopback, held by
// four processes, which stay within the usual limit of descriptors. In turn, five
// times; prints medians, the ratio, and the peak memory of the module's process.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/strings.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/netstat/run.h"
#include "modules/netstat/search.h"
#include "modules/netstat/test_sockets.h"

namespace dragnet::netstat {
namespace {

constexpr int kProcesses = 4;
constexpr int kConnections = 6250;
constexpr int kRuns = 5;

// Serialises each row, as the worker does, and keeps nothing.
class CountingContext : public RunContext {
 public:
  bool EmitRow(const google::protobuf::Message& row) override {
    bytes_ += row.SerializeAsString().size();
    ++rows_;
    return true;
  }
  void AddExamined(uint64_t, uint64_t) override {}
  void NoteUnexamined(std::string_view, std::string_view) override {}
  void NoteLimitHit(std::string_view) override {}
  bool stopping() const override { return false; }

  size_t rows() const { return rows_; }

 private:
  size_t rows_ = 0;
  size_t bytes_ = 0;
};

// Holds connections until its end of `until` is closed by the parent; writes a
// byte to `ready` once it has them.
[[noreturn]] void HoldConnections(int index, int ready, int until) {
  rlimit limit = {20'000, 20'000};
  Check(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  sockaddr_in address = LoopbackV4();
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 256u * static_cast<unsigned>(index + 1));
  const UniqueFd listener = Listener(address);
  address = NameOf<sockaddr_in>(listener.get());
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < kConnections; ++i) {
    sockets.push_back(ConnectedTo(SOCK_STREAM, address));
    sockets.emplace_back(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    Check(sockets.back().valid(), "accept");
  }
  Check(::write(ready, "x", 1) == 1, "write");
  char byte;
  while (::read(until, &byte, 1) > 0) {
  }
  ::_exit(0);
}

template <typename Function>
double Milliseconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Measure() {
  v1::NetstatParameters parameters;
  parameters.add_searches()->add_protocols("tcp");
  parameters.mutable_searches(0)->add_protocols("tcp6");
  const auto searches = CompileSearches(parameters);
  std::vector<double> ours, theirs, ratios;
  size_t rows = 0;
  for (int i = 0; i < kRuns; ++i) {
    ours.push_back(Milliseconds([&] {
      CountingContext context;
      Check(RunSearches(*searches, {.drop_privilege = false}, context).ok(), "run");
      rows = context.rows();
    }));
    theirs.push_back(
        Milliseconds([] { Check(std::system("ss -H -a -n -t -p >/dev/null") == 0, "ss"); }));
    ratios.push_back(ours.back() / theirs.back());
  }
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("%-34s %8.1f ms  against %8.1f ms  ratio %.3f  (%zu sockets, peak %ld MB)\n",
              "sockets and processes, by ss -antp", Median(ours), Median(theirs), Median(ratios),
              rows, usage.ru_maxrss / 1024);
}

int Main() {
  int ready[2], until[2];
  Check(::pipe2(ready, O_CLOEXEC) == 0 && ::pipe2(until, O_CLOEXEC) == 0, "pipe");
  const UniqueFd all_ready(ready[0]);
  const UniqueFd wait_end(until[0]);
  UniqueFd go_on(until[1]);
  UniqueFd say_ready(ready[1]);
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    Check(child >= 0, "fork");
    if (child == 0) {
      go_on.Reset();
      HoldConnections(i, say_ready.get(), wait_end.get());
    }
  }
  say_ready.Reset();
  int count = 0;
  char byte;
  while (count < kProcesses && ::read(all_ready.get(), &byte, 1) == 1) ++count;
  if (count == kProcesses) Measure();
  go_on.Reset();
  while (::wait(nullptr) > 0) {
  }
  return count == kProcesses ? 0 : 1;
}

}  // namespace
}  // namespace dragnet::netstat

int main() { return dragnet::netstat::Main(); }
