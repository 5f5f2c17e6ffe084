// What the scheduler's store can take, without network and agents: figures of
// docs/performance.md ("store"), one line each.
//
//   store_bench DIRECTORY|URL [AGENTS] [AGENTS_OF_THE_BULK]
//
// DIRECTORY must be on the disk that is to be measured; a database is made in it
// and removed. URL (postgresql://…) is of an empty store that was migrated. CPU is that of this
// whole process, the making of records included.
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/api/stack.h"
#include "scheduler/store/open_store.h"
#include "scheduler/testing/sweep_documents.h"

namespace dragnet::scheduler {
namespace {

// What the scheduler lets be under way at a time.
constexpr size_t kInFlightBytes = 64 * 1024 * 1024;
constexpr int kRowBytes = 200;
constexpr int kRowsPerRecord = 125;
constexpr int kRecordsPerAgent = 8;

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "store_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status);
}

template <typename T>
T Get(absl::StatusOr<T> result) {
  if (!result.ok()) Fail(result.status());
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

// Runs `what` and prints how long it took; with `count`, each and per second.
void Measure(const std::string& name, double count, const std::function<void()>& what) {
  const absl::Time begin = absl::Now();
  const double cpu = CpuSeconds();
  what();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  const double used = CpuSeconds() - cpu;
  std::printf("%-58s %8.1f ms  CPU %8.1f ms", name.c_str(), seconds * 1e3, used * 1e3);
  if (count > 0) std::printf("  %9.0f/s  CPU %7.2f us each", count / seconds, used * 1e6 / count);
  std::printf("  resident %ld MiB\n", ResidentMiB());
  std::fflush(stdout);
}

// Counts callbacks until all have come.
class Pending {
 public:
  void Add() {
    absl::MutexLock lock(&mutex_);
    ++waiting_;
  }
  void Done(const absl::Status& status) {
    Check(status);
    absl::MutexLock lock(&mutex_);
    --waiting_;
  }
  void Wait() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(+[](int* waiting) { return *waiting == 0; }, &waiting_));
  }

 private:
  absl::Mutex mutex_;
  int waiting_ = 0;
};

class Bench {
 public:
  Bench(const std::string& path, int agents) : path_(path) {
    if (!IsPostgresUrl(path_)) Check(SqliteStore::Create(path_));
    Open();
    for (int i = 0; i < agents; ++i) agents_.push_back(NewUuidV4());
  }

  void Open() {
    store_.reset();
    store_ = Get(OpenStore({.store = path_}));
  }

  // By many threads at a time: each waits for its commit.
  void Enrol() {
    StoredToken token;
    token.sha256 = Sha256("token");
    token.expires = absl::Now() + absl::Hours(10);
    token.uses_left = 1000000;
    Check(store_->AddToken(token));
    std::atomic<size_t> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 64; ++i)
      threads.emplace_back([&] {
        for (size_t agent = next++; agent < agents_.size(); agent = next++) EnrolOne(agent, token);
      });
    for (std::thread& thread : threads) thread.join();
  }

  std::string NewAction(size_t agents) {
    StoredAction action;
    action.id = NewUuidV7(absl::Now());
    action.envelope = std::string(1024, 'e');
    action.launched_by = "alice";
    action.signed_by = {"alice"};
    action.launched_at = absl::Now();
    action.expires = absl::Now() + absl::Hours(1);
    action.bounds.push_back({.rows = 1000000, .bytes = uint64_t{1} << 30});
    Check(store_->AddAction(action, {agents_.begin(), agents_.begin() + agents}));
    return action.id;
  }

  void MarkSent(const std::string& action, size_t agents) {
    for (size_t begin = 0; begin < agents; begin += 256) {
      pending_.Add();
      store_->MarkSent(action,
                       {agents_.begin() + begin, agents_.begin() + std::min(begin + 256, agents)},
                       [this](absl::Status status) { pending_.Done(status); });
    }
    pending_.Wait();
  }

  void MarkAccepted(const std::string& action, size_t agents) {
    for (size_t i = 0; i < agents; ++i) {
      pending_.Add();
      store_->MarkAccepted(action, agents_[i],
                           [this](absl::Status status) { pending_.Done(status); });
    }
    pending_.Wait();
  }

  // All agents' first records, then all their second ones, and so on.
  void Append(const std::string& action, size_t agents, int records, int rows, int row_bytes) {
    for (int sequence = 1; sequence <= records; ++sequence)
      for (size_t i = 0; i < agents; ++i)
        AppendOne(agents_[i], RowsRecord(action, sequence, rows, row_bytes));
    for (size_t i = 0; i < agents; ++i)
      AppendOne(agents_[i], SummaryRecord(action, records + 1, records * rows));
    pending_.Wait();
  }

  uint64_t ReadAll(const std::string& action) {
    uint64_t position = 0;
    uint64_t rows = 0;
    while (true) {
      const std::vector<Change> changes = Get(store_->ReadChanges(action, position, 256 * 1024));
      if (changes.empty()) return rows;
      position = changes.back().position;
      for (const Change& change : changes)
        if (change.rows.has_value()) rows += static_cast<uint64_t>(change.rows->rows_size());
    }
  }

  // By os (4), or by name (3), which is different in each row of an agent.
  v1::StackResponse Stack(const std::string& action, uint32_t field) {
    v1::StackRequest request;
    request.set_action_id(action);
    request.add_columns()->add_field_numbers(field);
    request.set_most_frequent_first(true);
    Stacking stacking = Get(Stacking::Create(*store_, request));
    while (!Get(stacking.Step())) {
    }
    v1::StackResponse response;
    stacking.Answer(&response);
    return response;
  }

  // A sweep of so many checks, daily since some days.
  std::string NewSweep(size_t agents, int checks, absl::Time begin) {
    std::vector<std::string> names;
    for (int i = 0; i < checks; ++i) names.push_back(StrCat("check-", i));
    const v1::Action document = SweepDocument(NewUuidV7(absl::Now()), "0 3 * * *", begin,
                                              begin + absl::Hours(24 * 300), names);
    StoredAction action;
    action.id = document.id();
    action.envelope =
        NewEnvelope(kActionPayloadType, document.SerializeAsString()).SerializeAsString();
    action.launched_by = "alice";
    action.signed_by = {"alice"};
    action.launched_at = begin;
    action.expires = begin + absl::Hours(24 * 300);
    action.recurs_until = action.expires;
    action.bounds.push_back({.rows = 1000000, .bytes = uint64_t{1} << 30});
    Check(store_->AddAction(action, {agents_.begin(), agents_.begin() + agents}));
    return action.id;
  }

  // One run, all checks of an agent in one record, of which one in `share` fails by
  // chance. Without an occurrence: the same records for an ordinary action.
  void Sweep(const std::string& action, size_t agents, int checks, int64_t occurrence,
             unsigned share) {
    for (size_t i = 0; i < agents; ++i) {
      v1::ResultRecord record;
      record.set_action_id(action);
      record.set_occurrence(occurrence);
      record.set_sequence(1);
      for (int check = 0; check < checks; ++check) {
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        const bool fails = share > 0 && (random_ >> 33) % share == 0;
        record.mutable_rows()->add_rows(
            VerdictRow(StrCat("check-", check), fails ? "fail" : "pass",
                       fails ? "expected no row, found 1" : "no row found, as expected"));
      }
      AppendOne(agents_[i], std::move(record));
      v1::ResultRecord summary = SummaryRecord(action, 2, static_cast<uint64_t>(checks));
      summary.set_occurrence(occurrence);
      AppendOne(agents_[i], std::move(summary));
    }
    pending_.Wait();
  }

  Store& store() { return *store_; }

 private:
  void EnrolOne(size_t agent, const StoredToken& token) {
    Enrolment enrolment;
    enrolment.agent_id = agents_[agent];
    enrolment.spki = agents_[agent];
    enrolment.token_sha256 = token.sha256;
    enrolment.facts.set_id(agents_[agent]);
    enrolment.facts.set_name(StrCat("host-", agent));
    enrolment.certificate.fingerprint = agents_[agent];
    enrolment.certificate.identity = StrCat("spiffe://fleet/agent/", agents_[agent]);
    Check(store_->EnrolAgent(enrolment, absl::Now()));
  }

  // Rows are Facts, as some module's might be: 50 values of `os`, `name` is another
  // one in each row of an agent.
  static v1::ResultRecord RowsRecord(const std::string& action, uint64_t sequence, int rows,
                                     int row_bytes) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(sequence);
    v1::Facts row;
    for (int i = 0; i < rows; ++i) {
      row.set_name(StrCat("/usr/lib/x86_64-linux-gnu/some-library-", sequence, "-", i));
      row.set_os(StrCat("value ", i % 50));
      row.set_kernel(std::string(static_cast<size_t>(row_bytes) - 70, 'r'));
      record.mutable_rows()->add_rows(row.SerializeAsString());
    }
    return record;
  }

  static v1::ResultRecord SummaryRecord(const std::string& action, uint64_t sequence,
                                        uint64_t rows) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(sequence);
    v1::OperationSummary* summary = record.mutable_summary();
    summary->set_outcome(v1::OUTCOME_FOUND);
    summary->set_termination(v1::TERMINATION_COMPLETED);
    summary->set_rows(rows);
    summary->set_peak_memory_bytes(1 << 24);
    summary->mutable_module()->set_items_examined(1000);
    return record;
  }

  void AppendOne(const std::string& agent, v1::ResultRecord record) {
    while (store_->PendingBytes() > kInFlightBytes) ::usleep(1000);
    pending_.Add();
    store_->AppendRecord(agent, std::move(record), absl::Now(),
                         [this](absl::StatusOr<Appended> appended) {
                           Check(appended.status());
                           Check(appended->dropped);
                           pending_.Done(absl::OkStatus());
                         });
  }

  const std::string path_;
  std::vector<std::string> agents_;
  uint64_t random_ = 1;
  Pending pending_;
  std::unique_ptr<SqlStore> store_;
};

void Run(const std::string& directory, size_t agents, size_t bulk_agents) {
  const bool is_file = !IsPostgresUrl(directory);
  const std::string path = is_file ? StrCat(directory, "/store_bench.db") : directory;
  if (is_file)
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path + suffix);
  {
    Bench bench(path, static_cast<int>(std::max(agents, bulk_agents)));
    Measure(StrCat("enrol ", std::max(agents, bulk_agents), " agents"),
            static_cast<double>(std::max(agents, bulk_agents)), [&] { bench.Enrol(); });
    const auto n = static_cast<double>(agents);
    std::string action;
    Measure(StrCat("add an action for ", agents, " agents"), n,
            [&] { action = bench.NewAction(agents); });
    Measure("mark all sent", n, [&] { bench.MarkSent(action, agents); });
    Measure("mark all accepted", n, [&] { bench.MarkAccepted(action, agents); });
    Measure("from each a record of one 1 KiB row, and a summary", n,
            [&] { bench.Append(action, agents, 1, 1, 1024); });
    Measure("read all that", n, [&] { bench.ReadAll(action); });
    Measure("read its first page", 0,
            [&] { Get(bench.store().ReadChanges(action, 0, 256 * 1024)); });
    Measure("read the states of all pairs", n, [&] { Get(bench.store().Pairs(action)); });

    const std::string bulk = bench.NewAction(bulk_agents);
    bench.MarkSent(bulk, bulk_agents);
    const double rows = static_cast<double>(bulk_agents) * kRecordsPerAgent * kRowsPerRecord;
    Measure(StrCat("from each of ", bulk_agents, ": ", kRecordsPerAgent, " records of ",
                   kRowsPerRecord, " rows of ", kRowBytes, " bytes (rows)"),
            rows,
            [&] { bench.Append(bulk, bulk_agents, kRecordsPerAgent, kRowsPerRecord, kRowBytes); });
    Measure("read its first page", 0, [&] { Get(bench.store().ReadChanges(bulk, 0, 256 * 1024)); });
    Measure("read all that (rows)", rows, [&] { bench.ReadAll(bulk); });
    for (const int field : {v1::Facts::kOsFieldNumber, v1::Facts::kNameFieldNumber}) {
      v1::StackResponse response;
      const auto stack = [&] { response = bench.Stack(bulk, static_cast<uint32_t>(field)); };
      Measure("stack all that by a column (rows)", rows, stack);
      std::printf("  %llu different values in %llu rows\n",
                  static_cast<unsigned long long>(response.different()),
                  static_cast<unsigned long long>(response.rows()));
    }
    constexpr int kChecks = 50;
    const absl::Time today =
        absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) / 86400 * 86400 - 86400 + 3 * 3600);
    const std::string sweep = bench.NewSweep(agents, kChecks, today - absl::Hours(24 * 5));
    bench.MarkSent(sweep, agents);
    const double verdicts = n * kChecks;
    const std::string plain = bench.NewAction(agents);
    bench.MarkSent(plain, agents);
    Measure(StrCat(kChecks, " rows from each, of an action (rows)"), verdicts,
            [&] { bench.Sweep(plain, agents, kChecks, 0, 50); });
    const auto run = [&](int day, unsigned share, const std::string& what) {
      Measure(StrCat(kChecks, " verdicts from each, ", what, " (rows)"), verdicts, [&] {
        bench.Sweep(sweep, agents, kChecks, absl::ToUnixSeconds(today) - 86400 * (4 - day), share);
      });
    };
    run(0, 50, "first run");
    run(1, 0, "second run, 2 % change");
    run(2, 0, "third run, as before");
    run(3, 2, "fourth run, half of them change");
    Measure("runs, counts", 0, [&] { Get(bench.store().Runs(sweep, absl::InfinitePast(), 100)); });
    Measure("newest verdicts of all", verdicts, [&] {
      for (const std::string& agent : Get(bench.store().AgentsWithVerdicts(sweep)))
        Get(bench.store().NewestVerdicts(sweep, agent));
    });
    Measure("open again", 0, [&] { bench.Open(); });
  }
  if (!is_file) return;
  std::printf("database: %.1f MiB\n",
              static_cast<double>(std::filesystem::file_size(path)) / (1024 * 1024));
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path + suffix);
}

}  // namespace
}  // namespace dragnet::scheduler

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: store_bench DIRECTORY|URL [AGENTS] [AGENTS_OF_THE_BULK]\n");
    return 2;
  }
  const size_t agents = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 10000;
  const size_t bulk_agents = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000;
  dragnet::scheduler::Run(argv[1], agents, bulk_agents);
  return 0;
}
