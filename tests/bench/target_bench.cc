// How long it takes to find agents by target among those that a scheduler knows,
// and what they cost in memory.
//
//   target_bench [AGENTS]
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "core/strings.h"
#include "core/target.h"
#include "core/uuid.h"
#include "scheduler/api/agent_search.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

constexpr int kRounds = 7;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "target_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

double ResidentMiB() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

v1::Facts FactsOf(int number) {
  constexpr const char* kDistributions[] = {"debian", "ubuntu", "rhel", "alpine"};
  constexpr const char* kEnvironments[] = {"prod", "test", "staging"};
  v1::Facts facts;
  facts.set_id(NewUuidV4());
  facts.set_fleet_id("0190a000-0000-7000-8000-000000000000");
  facts.set_name(StrCat("web-", number * 7919 % 1000003, ".example.org"));
  facts.set_os("linux");
  facts.set_distribution(kDistributions[number % 4]);
  facts.set_distribution_version(StrCat(10 + number % 3));
  facts.set_kernel("6.1.0-18-amd64");
  facts.set_arch(number % 10 == 0 ? "aarch64" : "x86_64");
  facts.set_version("0.1.0");
  (*facts.mutable_tags())["env"] = kEnvironments[number % 3];
  (*facts.mutable_tags())["team"] = StrCat("team-", number % 50);
  (*facts.mutable_tags())["site"] = StrCat("site-", number % 20);
  (*facts.mutable_environment())["init"] = "systemd";
  (*facts.mutable_environment())["machine_id"] = NewUuidV4();
  (*facts.mutable_environment())["product"] = "Standard PC (Q35 + ICH9, 2009)";
  facts.add_addresses(StrCat("10.", number >> 16 & 255, ".", number >> 8 & 255, ".", number & 255));
  facts.add_addresses(StrCat("fe80::", number % 65536));
  for (const char* module : {"file", "memory", "netstat", "pkg", "process", "sshkey"})
    facts.add_modules(module);
  facts.mutable_boot_time()->set_seconds(1700000000 + number);
  return facts;
}

double CpuMilliseconds() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  const auto milliseconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
}

// The median of some rounds, by the clock, and the CPU time of one.
void Measure(const Agents& agents, const std::string& target, bool count_only) {
  v1::SearchAgentsRequest request;
  request.set_target(target);
  request.set_count_only(count_only);
  std::vector<double> milliseconds;
  v1::SearchAgentsResponse response;
  const double cpu = CpuMilliseconds();
  for (int i = 0; i < kRounds; ++i) {
    const absl::Time begin = absl::Now();
    response.Clear();
    Check(SearchAgents(agents, absl::Now(), request, &response));
    milliseconds.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("%-62s %-10s %7llu found  %7.1f ms (best %.1f, CPU %.1f)\n", target.c_str(),
              count_only ? "count" : "first page",
              static_cast<unsigned long long>(response.total()), milliseconds[kRounds / 2],
              milliseconds[0], (CpuMilliseconds() - cpu) / kRounds);
}

void Run(int count) {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/target_bench.db";
  Check(SqliteStore::Create(path));
  auto store = SqliteStore::Open(path, StoreUse::kRun);
  Check(store.status());
  auto agents = Agents::Load(**store, absl::Now());
  Check(agents.status());
  const double before = ResidentMiB();
  const absl::Time begin = absl::Now();
  for (int i = 0; i < count; ++i) {
    StoredAgent agent;
    agent.facts = FactsOf(i);
    agent.id = agent.facts.id();
    agent.spki = std::string(44, 'k');
    agent.enrolled_at = absl::Now();
    Check((*agents)->Add(std::move(agent)));
  }
  std::printf("%d agents known: %.1f ms, %.1f MiB, %.0f bytes each\n", count,
              absl::ToDoubleMilliseconds(absl::Now() - begin), ResidentMiB() - before,
              (ResidentMiB() - before) * 1024 * 1024 / count);
  for (const bool count_only : {true, false})
    for (const char* target :
         {"", "true", "os='linux'", "name like 'web-12%'", "arch='aarch64' and os='linux'",
          "tags->>'env'='prod'", "tags->>'env'='prod' and distribution='debian'",
          "addresses like '%\"10.1.%'",
          "environment->>'init'='systemd' and tags->>'team'='team-7'"})
      Measure(**agents, target, count_only);
}

}  // namespace
}  // namespace dragnet::scheduler

int main(int argc, char** argv) {
  dragnet::scheduler::Run(argc > 1 ? std::atoi(argv[1]) : 100000);
  return 0;
}
