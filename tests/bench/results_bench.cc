// What the console makes of a million rows, without a scheduler: figures of
// docs/performance.md ("results"), one line each.
//
//   results_bench [ROWS] [WHAT…]     what: filter, stack, sql, diff; default all
//
// Rows are the module file's, of 1,000 hosts. Peak memory is the process's, so
// far: run one alone for its own.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "console/analysis/result_database.h"
#include "console/analysis/row_diff.h"
#include "console/analysis/stack_counter.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/file/file.pb.h"
#include "modules/rows/row_filter.h"

namespace dragnet::console {
namespace {

using Row = file::v1::FileRow;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "results_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T Get(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

long PeakMiB() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

double CpuSeconds() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Serialised, as they come from a scheduler.
std::vector<std::string> MakeRows(int count) {
  std::vector<std::string> rows;
  Row row;
  for (int i = 0; i < count; ++i) {
    row.set_path(StrCat("/usr/lib/python3/dist-packages/package-", i % 5000, "/file-", i));
    row.set_size(static_cast<uint64_t>(i) * 7 % 100000);
    row.set_mode("-rw-r--r--");
    row.mutable_mtime()->set_seconds(1700000000 + i);
    row.set_sha256(HexEncode(Sha256(StrCat(i % 50000))));
    row.set_search("s1");
    row.set_type("file");
    row.set_owner("root");
    rows.push_back(row.SerializeAsString());
  }
  return rows;
}

std::string AgentOf(int i) { return StrCat("host-", i % 1000); }

class Measure {
 public:
  Measure(std::string what, size_t rows)
      : what_(std::move(what)),
        rows_(rows),
        cpu_(CpuSeconds()),
        start_(std::chrono::steady_clock::now()) {}
  ~Measure() {
    const double wall =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double cpu = CpuSeconds() - cpu_;
    std::printf("%-60s %7.2f s wall %7.2f s cpu %10.0f rows/s of cpu, peak %ld MiB\n",
                what_.c_str(), wall, cpu, static_cast<double>(rows_) / cpu, PeakMiB());
    std::fflush(stdout);
  }

 private:
  const std::string what_;
  const size_t rows_;
  const double cpu_;
  const std::chrono::steady_clock::time_point start_;
};

void Filter(const std::vector<std::string>& rows) {
  Row row;
  {
    const Measure measure("parse alone", rows.size());
    for (const std::string& bytes : rows) row.ParseFromString(bytes);
  }
  for (const char* expression :
       {"size > 50000", "size > 50000 and path like '%package-77/%'", "mtime >= '2023-11-20'",
        "agent = 'host-7' or sha256 in ('a','b','c')"}) {
    const auto filter = Get(RowFilter::Create(Row::descriptor(), expression));
    uint64_t matched = 0;
    const Measure measure(StrCat("filter ", expression), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      row.ParseFromString(rows[i]);
      if (Get(filter->Matches("host-7", "0198-id", row))) ++matched;
    }
    if (matched > rows.size()) std::abort();
  }
}

void Stack(const std::vector<std::string>& rows) {
  StackCounter counter({Get(ColumnAt(Row::descriptor(), "sha256", "sha256"))});
  const Measure measure("stack by sha256, 50,000 values", rows.size());
  Row row;
  for (size_t i = 0; i < rows.size(); ++i) {
    row.ParseFromString(rows[i]);
    Check(counter.Add(AgentOf(static_cast<int>(i)), row));
  }
  counter.Response(1000, true);
}

void Sql(const std::vector<std::string>& rows) {
  for (const char* query :
       {"SELECT count(*) FROM file", "SELECT sha256, count(*) FROM file GROUP BY 1 ORDER BY 2 DESC",
        "SELECT agent, path, size FROM file WHERE size > 99000 ORDER BY size DESC",
        "SELECT * FROM file WHERE size > 99000"}) {
    const Measure measure(StrCat("sql ", query), rows.size());
    const auto database = Get(ResultDatabase::Create({{"file", Row::descriptor()}}, query, {}));
    Row row;
    for (size_t i = 0; i < rows.size(); ++i) {
      row.ParseFromString(rows[i]);
      const std::string agent = AgentOf(static_cast<int>(i));
      Check(database->AddRow("file", agent, agent, 0, row));
    }
    std::vector<Value> values;
    while (Get(database->Next(&values))) {
    }
  }
}

void Diff(const std::vector<std::string>& rows) {
  RowDiff::Operation operation;
  const Row prototype;
  operation.prototype = &prototype;
  for (const Column& column : ColumnsOf(Row::descriptor())) {
    if (column.key) {
      operation.key.push_back(column);
    } else if (!column.fleeting) {
      operation.compared.push_back(column);
    }
  }
  const Measure measure("diff of two runs (rows of both)", 2 * rows.size());
  const auto diff = Get(RowDiff::Create({operation}));
  Row row;
  for (const RowDiff::Run run : {RowDiff::kBefore, RowDiff::kAfter}) {
    for (size_t i = 0; i < rows.size(); ++i) {
      row.ParseFromString(rows[i]);
      if (run == RowDiff::kAfter && i % 1000 == 0) row.set_size(1);
      const std::string agent = AgentOf(static_cast<int>(i));
      Check(diff->AddRow(run, 0, agent, agent, row));
    }
    for (int i = 0; i < 1000; ++i) diff->AddHost(run, AgentOf(i), AgentOf(i), true);
  }
  uint64_t changes = 0;
  Check(diff->ForEach([&](const RowDiff::Change&) {
    ++changes;
    return absl::OkStatus();
  }));
  if (changes == 0) std::abort();
}

}  // namespace
}  // namespace dragnet::console

int main(int argc, char** argv) {
  namespace console = dragnet::console;
  const int count = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  const std::set<std::string> wanted(argv + std::min(argc, 2), argv + argc);
  const auto is_wanted = [&](const char* what) { return wanted.empty() || wanted.contains(what); };
  const std::vector<std::string> rows = console::MakeRows(count);
  std::printf("%d rows, %ld MiB to hold them here\n", count, console::PeakMiB());
  if (is_wanted("filter")) console::Filter(rows);
  if (is_wanted("stack")) console::Stack(rows);
  if (is_wanted("sql")) console::Sql(rows);
  if (is_wanted("diff")) console::Diff(rows);
  return 0;
}
