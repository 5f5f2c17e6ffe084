// What the agent's monitor itself costs.
//   agent_costs spool   rows through the spool: into it, out of it to a link, and forgotten
//   agent_costs share   its CPU time while it keeps a worker's CPU share, and what the worker got
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/monitor/spool_queue.h"
#include "agent/monitor/state_store.h"
#include "agent/monitor/worker_run.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/strings.h"

namespace dragnet {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double OwnCpu() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

v1::RecordKey KeyOf(const v1::ResultRecord& record) {
  v1::RecordKey key;
  key.set_action_id(record.action_id());
  key.set_sequence(record.sequence());
  return key;
}

// As the monitor does it: acknowledgements come 32 at a time, 512 records are
// under way.
void Drain(StateStore& store, int rows) {
  SpoolQueue queue(store);
  if (!queue.Restart().ok()) return;
  const double start = Now();
  const double cpu = OwnCpu();
  std::vector<v1::RecordKey> sent;
  uint64_t bytes = 0;
  while (true) {
    while (queue.in_flight() < 512) {
      const auto next = queue.Next();
      if (!next.ok() || !next->has_value()) break;
      v1::AgentMessage message;
      message.mutable_record()->ParseFromString((*next)->bytes);
      bytes += message.SerializeAsString().size();
      sent.push_back(KeyOf(message.record()));
    }
    if (sent.empty()) break;
    const size_t count = std::min<size_t>(sent.size(), 32);
    const auto positions = store.Acknowledge(std::span(sent).first(count));
    if (!positions.ok()) break;
    for (const int64_t position : *positions) queue.Forgotten(position);
    sent.erase(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(count));
  }
  std::printf("  out: %8.0f rows/s (%.2f s, %.2f s CPU, %.1f MB)\n", rows / (Now() - start),
              Now() - start, OwnCpu() - cpu, static_cast<double>(bytes) / 1e6);
}

void Spool(int rows, int rows_per_record) {
  char pattern[] = "/tmp/agent-costs-XXXXXX";
  const std::string directory = ::mkdtemp(pattern);
  const std::string path = directory + "/agent.db";
  auto store = StateStore::Open(path);
  if (!store.ok()) return;
  std::printf("%d rows of 200 bytes, %d in a record:\n", rows, rows_per_record);
  const double start = Now();
  for (int i = 0; i < rows / rows_per_record; ++i) {
    std::vector<v1::ResultRecord> record(1);
    record[0].set_action_id("01a3185c-5000-7e07-865b-13662008f74c");
    record[0].set_sequence(static_cast<uint64_t>(i) + 1);
    for (int row = 0; row < rows_per_record; ++row) {
      record[0].mutable_rows()->add_rows(std::string(200, 'r'));
    }
    // Small records by the thousand in one commit: filling isn't what is measured.
    static std::vector<v1::ResultRecord> waiting;
    waiting.push_back(std::move(record[0]));
    if (rows_per_record > 1 || waiting.size() >= 1000 || i + 1 == rows) {
      if (!(*store)->Append(waiting).ok()) return;
      waiting.clear();
    }
  }
  std::printf("  in:  %8.0f rows/s, each commit on the disk\n", rows / (Now() - start));
  Drain(**store, rows);
  const double before = static_cast<double>(std::filesystem::file_size(path));
  const double shrinking = Now();
  double longest = 0;
  for (absl::StatusOr<bool> more = true; more.ok() && *more;) {
    const double step = Now();
    more = (*store)->Shrink();
    longest = std::max(longest, Now() - step);
  }
  std::printf("  file: %.1f MB, then %.1f MB in %.0f ms, at most %.1f ms at once\n", before / 1e6,
              static_cast<double>(std::filesystem::file_size(path)) / 1e6,
              (Now() - shrinking) * 1e3, longest * 1e3);
  store->reset();
  std::filesystem::remove_all(directory);
}

void Share(uint32_t percent, const char* behaviour) {
  constexpr ModuleManifest kManifest = {
      .name = "test", .summary = "", .capabilities = {}, .uses_powers_of = {}};
  ipc::Job job;
  job.set_module("test");
  job.set_parameters(StrCat("misbehave:", behaviour));
  WorkerEnvironment environment;
  environment.program = DRAGNET_MISBEHAVING;
  environment.allow_missing_walls = true;
  OperationLimits limits;
  limits.cpu_share_percent = percent;
  limits.wall_time = absl::Seconds(10);
  const double cpu = OwnCpu();
  WorkerRun run(kManifest, job, limits, environment);
  int turns = 0;
  for (; !run.summary().has_value(); ++turns) {
    std::vector<pollfd> fds;
    run.AddPollFds(&fds);
    const auto wait =
        absl::ToInt64Milliseconds(absl::Ceil(run.deadline() - SteadyNow(), absl::Milliseconds(1)));
    ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<int64_t>(wait, 0, 1000)));
    run.Advance();
    run.TakeRows();
  }
  const v1::OperationSummary& summary = *run.summary();
  const double wall = absl::ToDoubleSeconds(ToDuration(summary.wall_time()));
  std::printf("%3u %% asked, %-20s worker %.2f %%, stopped for %4.1f %%, monitor %.3f %%, %.0f/s\n",
              percent, behaviour,
              100 * absl::ToDoubleSeconds(ToDuration(summary.cpu_time())) / wall,
              100 * absl::ToDoubleSeconds(ToDuration(summary.held_for_cpu_share())) / wall,
              100 * (OwnCpu() - cpu) / wall, turns / wall);
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  ::setlinebuf(stdout);
  ::signal(SIGPIPE, SIG_IGN);
  const char* what = argc > 1 ? argv[1] : "";
  if (std::strcmp(what, "spool") == 0) {
    dragnet::Spool(100'000, 500);
    dragnet::Spool(100'000, 1);
  } else if (std::strcmp(what, "share") == 0) {
    for (const uint32_t percent : {10u, 25u, 100u}) {
      dragnet::Share(percent, "burn-cpu");
      dragnet::Share(percent, "burn-cpu-in-threads");
    }
    dragnet::Share(0, "hang");
  } else {
    std::fprintf(stderr, "usage: agent_costs spool|share\n");
    return 2;
  }
  return 0;
}
