// What lists of actions cost that consoles ask for again and again: figures of
// docs/performance.md ("lists"), one line each.
//
//   lists_bench DIRECTORY [AGENTS] [ACTIONS]
//
// A database is made in DIRECTORY and removed.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <string>
#include <vector>

#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/dispatch/action_progress.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/progress.h"
#include "scheduler/store/sqlite_store.h"

namespace dragnet::scheduler {
namespace {

constexpr int kListed = 50;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "lists_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T Get(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

double CpuSeconds() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return time.tv_sec + time.tv_usec / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long ResidentMiB() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * ::sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

void Measure(const std::string& name, const std::function<void()>& what) {
  const absl::Time begin = absl::Now();
  const double cpu = CpuSeconds();
  what();
  std::printf("%-64s %9.2f ms, %9.2f ms of CPU\n", name.c_str(),
              absl::ToDoubleMilliseconds(absl::Now() - begin), (CpuSeconds() - cpu) * 1000);
}

void Run(const std::string& directory, int agent_count, int action_count) {
  const std::string path = directory + "/lists_bench.db";
  Check(SqliteStore::Create(path));
  const auto store = Get(SqliteStore::Open(path, StoreUse::kRun));
  const absl::Time now = absl::Now();
  StoredToken token;
  token.sha256 = Sha256("token");
  token.expires = now + absl::Hours(1);
  token.uses_left = static_cast<uint32_t>(agent_count);
  Check(store->AddToken(token));
  std::vector<std::string> ids;
  for (int i = 0; i < agent_count; ++i) {
    Enrolment enrolment;
    enrolment.agent_id = NewUuidV4();
    enrolment.spki = "key";
    enrolment.token_sha256 = token.sha256;
    enrolment.facts.set_id(enrolment.agent_id);
    enrolment.certificate.fingerprint = enrolment.agent_id;
    enrolment.certificate.identity = "spiffe://fleet/agent/" + enrolment.agent_id;
    Check(store->EnrolAgent(enrolment, now));
    ids.push_back(enrolment.agent_id);
  }
  std::vector<std::string> actions;
  for (int i = 0; i < action_count; ++i) {
    StoredAction action;
    action.id = NewUuidV7(now + absl::Milliseconds(i));
    action.envelope = "x";
    action.launched_at = now;
    action.expires = now + absl::Hours(1);
    action.bounds.assign(1, {.rows = 1000, .bytes = 1 << 20});
    Check(store->AddAction(action, ids));
    actions.push_back(action.id);
  }
  const auto agents = Get(Agents::Load(*store, now));
  const std::vector<std::string> listed(actions.end() - std::min(kListed, action_count),
                                        actions.end());
  std::printf("%d agents, %d actions, %zu listed; every pair waits\n", agent_count, action_count,
              listed.size());
  Measure("a list, every pair read (as it was)", [&] {
    for (const std::string& id : listed)
      CountPairs(Get(store->Pairs(id)),
                 [&](const std::string& agent) { return agents->PresenceOf(agent, now); });
  });
  ActionProgress progress(*store, *agents);
  const auto list = [&] {
    for (const std::string& id : listed) Get(progress.Of(id, HeldBack::kNone));
  };
  const long before = ResidentMiB();
  Measure("a list, the first time", list);
  std::printf("%-64s %9ld MiB\n", "what is kept for it", ResidentMiB() - before);
  Measure("a list again, nothing changed", list);
  const auto append = [&](const std::string& id, int count, uint64_t sequence) {
    std::latch done(count);
    for (int i = 0; i < count; ++i) {
      v1::ResultRecord record;
      record.set_action_id(id);
      record.set_sequence(sequence);
      record.mutable_rows()->add_rows("row");
      store->AppendRecord(ids[static_cast<size_t>(i)], std::move(record), absl::Now(),
                          [&](absl::StatusOr<Appended> appended) {
                            Check(appended.status());
                            done.count_down();
                          });
    }
    done.wait();
  };
  append(listed.back(), std::min(1000, agent_count), 1);
  Measure("a list again, 1000 agents began one action", list);
  append(listed.back(), std::min(1000, agent_count), 2);
  Measure("a list again, 1000 agents brought further rows", list);
  for (const std::string& id : listed) append(id, std::min(100, agent_count), 3);
  Measure("a list again, 100 agents of each action changed", list);
  Measure("the 50 newest actions of one agent", [&] { Get(store->ActionsOf(ids[0], 50)); });
  Measure("all actions of one agent", [&] { Get(store->ActionsOf(ids[0], 1000)); });
}

}  // namespace
}  // namespace dragnet::scheduler

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: lists_bench DIRECTORY [AGENTS] [ACTIONS]\n");
    return 2;
  }
  const std::string directory = std::string(argv[1]) + "/lists_bench";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directory(directory);
  dragnet::scheduler::Run(directory, argc > 2 ? std::atoi(argv[2]) : 10'000,
                          argc > 3 ? std::atoi(argv[3]) : 200);
  std::filesystem::remove_all(directory);
}
