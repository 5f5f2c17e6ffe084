// ./dev faults: what a fleet's results are worth after each fault. See --help.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <random>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/rpc/rpc.h"
#include "core/strings.h"
#include "tests/faults/fleet_faults.h"

namespace dragnet::testing {
namespace {

// ctest's SKIP_RETURN_CODE: nothing failed, and something wasn't run.
enum ExitStatus { kGood = 0, kFailed = 1, kBadUsage = 2, kNotRun = 77 };

struct Options {
  int rounds = 1;
  uint32_t agents = 200;
  uint64_t seed = 0;
  std::string logs;
  std::vector<std::string> faults;
};

// One line of the table.
struct Line {
  std::string fault;
  int rounds = 0;
  RoundResult sum;
  int bad_rounds = 0;
  std::string missing;
};

void Add(const RoundResult& round, Line* line) {
  ++line->rounds;
  line->sum.actions += round.actions;
  line->sum.produced += round.produced;
  line->sum.stored += round.stored;
  line->sum.lost += round.lost;
  line->sum.twice += round.twice;
  if (!round.problems.empty()) ++line->bad_rounds;
}

RoundResult RunRound(const Fault& fault, const RoundOptions& options) {
  const absl::Time begin = absl::Now();
  Round round(options);
  fault.run(round);
  RoundResult result = round.TakeResult();
  if (!result.problems.empty() && !options.logs.empty()) round.KeepLogs(fault.name);
  std::printf("%s, seed %llu: %s, %.1f s, %llu of %llu rows stored%s%s\n", fault.name.c_str(),
              static_cast<unsigned long long>(options.seed),
              result.problems.empty() ? "good" : "BAD", absl::ToDoubleSeconds(absl::Now() - begin),
              static_cast<unsigned long long>(result.stored),
              static_cast<unsigned long long>(result.produced), result.notes.empty() ? "" : "; ",
              absl::StrJoin(result.notes, ", ").c_str());
  for (const std::string& problem : result.problems) std::printf("  %s\n", problem.c_str());
  if (!result.problems.empty())
    std::printf("  again: ./dev faults --rounds 1 --agents %u --seed %llu %s\n", options.agents,
                static_cast<unsigned long long>(options.seed), fault.name.c_str());
  std::fflush(stdout);
  return result;
}

Line RunFault(const Fault& fault, const Options& options) {
  Line line;
  line.fault = fault.name;
  line.missing = fault.missing();
  if (!line.missing.empty()) {
    std::printf("%s: NOT RUN: %s\n", fault.name.c_str(), line.missing.c_str());
    return line;
  }
  for (int i = 0; i < options.rounds; ++i)
    Add(RunRound(fault, {.agents = options.agents,
                         .seed = options.seed + static_cast<uint64_t>(i),
                         .logs = options.logs}),
        &line);
  return line;
}

void Print(const std::vector<Line>& lines, uint32_t agents) {
  std::printf("\n%u simulated agents\n\n", agents);
  std::printf(
      "| fault | rounds | actions | rows produced | stored | lost | twice | bad rounds |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (const Line& line : lines) {
    if (!line.missing.empty()) {
      std::printf("| %s | not run: %s | | | | | | |\n", line.fault.c_str(), line.missing.c_str());
      continue;
    }
    std::printf("| %s | %d | %llu | %llu | %llu | %llu | %llu | %d |\n", line.fault.c_str(),
                line.rounds, static_cast<unsigned long long>(line.sum.actions),
                static_cast<unsigned long long>(line.sum.produced),
                static_cast<unsigned long long>(line.sum.stored),
                static_cast<unsigned long long>(line.sum.lost),
                static_cast<unsigned long long>(line.sum.twice), line.bad_rounds);
  }
}

std::string Names() {
  std::string text = "Which faults; default: all.\n";
  for (const Fault& fault : AllFaults())
    StrAppend(&text, "  ", fault.name, ": ", fault.description, "\n");
  return text;
}

int Main(int argc, char** argv) {
  rpc::InitializeProcess();
  ::signal(SIGPIPE, SIG_IGN);
  Options options;
  options.seed = std::random_device{}();
  CLI::App app(
      "Breaks a fleet of simulated and real agents while it answers, and compares what the\n"
      "agents produced with what the scheduler stored. Exit status 1: a row was lost or stored\n"
      "twice, something ran twice, or states don't add up; 77: a fault can't be run here.");
  app.add_option("--rounds", options.rounds, "Of each fault, with a new fleet each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--agents", options.agents, "Simulated agents")
      ->check(CLI::Range(2, 19'000))
      ->capture_default_str();
  app.add_option("--seed", options.seed,
                 "Of the first round; each further one's is one more. Default: by chance");
  app.add_option("--logs", options.logs,
                 "Directory for logs, ledgers and databases of rounds that were bad")
      ->check(CLI::ExistingDirectory);
  std::vector<std::string> names;
  for (const Fault& fault : AllFaults()) names.push_back(fault.name);
  app.add_option("faults", options.faults, Names())->check(CLI::IsMember(names));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kGood : kBadUsage;
  }
  std::vector<Line> lines;
  for (const Fault& fault : AllFaults()) {
    const bool asked = options.faults.empty() ||
                       std::count(options.faults.begin(), options.faults.end(), fault.name) > 0;
    if (asked) lines.push_back(RunFault(fault, options));
  }
  Print(lines, options.agents);
  const auto any = [&](auto condition) {
    return std::any_of(lines.begin(), lines.end(), condition);
  };
  if (any([](const Line& line) { return line.bad_rounds > 0; })) return kFailed;
  if (any([](const Line& line) { return !line.missing.empty(); })) return kNotRun;
  return kGood;
}

}  // namespace
}  // namespace dragnet::testing

int main(int argc, char** argv) { return dragnet::testing::Main(argc, argv); }
