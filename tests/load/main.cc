// dragnet-swarm: simulated agents for load and fault tests of a scheduler on
// this machine. See --help, answer.h and behaviour.h.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "core/unique_fd.h"
#include "tests/load/check.h"
#include "tests/load/fleet_files.h"
#include "tests/load/ledger.h"
#include "tests/load/swarm.h"

namespace dragnet::load {
namespace {

// What CLI11 fills in as text.
struct TextOptions {
  std::string answer;
  std::vector<std::string> lies;
  std::string slow_readers = "0%";
  std::string slow_for = "20s";
  std::string black_holes = "0%";
  std::string black_hole_after = "10s";
  std::string black_hole_for = "80s";
  std::string spread = "0s";
  std::string duration = "10m";
  std::string verify = "once";
};

absl::Status ParseTime(const char* flag, const std::string& text, absl::Duration* duration) {
  if (absl::ParseDuration(text, duration) && *duration >= absl::ZeroDuration())
    return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(flag, " ", text, ": expected a time, as in 30s or 5m"));
}

absl::Status ParseTexts(const TextOptions& text, SwarmOptions* options) {
  Misbehaviour& misbehaviour = options->misbehaviour;
  DRAGNET_ASSIGN_OR_RETURN(options->answer, ParseAnswer(text.answer, Answer()));
  for (const std::string& lie : text.lies) {
    DRAGNET_ASSIGN_OR_RETURN(const auto parsed, ParseLie(lie));
    misbehaviour.lies.push_back(parsed);
  }
  DRAGNET_ASSIGN_OR_RETURN(misbehaviour.slow_readers, ParseShare(text.slow_readers));
  DRAGNET_ASSIGN_OR_RETURN(misbehaviour.black_holes, ParseShare(text.black_holes));
  DRAGNET_RETURN_IF_ERROR(ParseTime("--slow-for", text.slow_for, &misbehaviour.slow_for));
  DRAGNET_RETURN_IF_ERROR(
      ParseTime("--black-hole-after", text.black_hole_after, &misbehaviour.black_hole_after));
  DRAGNET_RETURN_IF_ERROR(
      ParseTime("--black-hole-for", text.black_hole_for, &misbehaviour.black_hole_for));
  DRAGNET_RETURN_IF_ERROR(ParseTime("--spread", text.spread, &options->spread));
  DRAGNET_RETURN_IF_ERROR(ParseTime("--for", text.duration, &options->duration));
  options->verify_every = text.verify == "every";
  return absl::OkStatus();
}

void AddFleetOptions(CLI::App& command, SwarmOptions& options) {
  command.add_option("--fleet", options.fleet, "Directory that dragnet-scheduler init made")
      ->required();
  command.add_option("--identities", options.identities,
                     "Keys and certificates of the agents; default FLEET/swarm.identities");
  command.add_option("--seed", options.seed, "Facts, lies and chances follow from it; default 1");
  command.add_option("--from", options.from, "Number of the first agent; default 0");
  command.add_option("--agents", options.count, "How many; default 100");
}

void AddRunOptions(CLI::App& command, SwarmOptions& options, TextOptions& text) {
  command
      .add_option("--scheduler", options.schedulers,
                  "host:port, loopback only; several: agents begin with one of them each, and go "
                  "to the next when a connection ends. Default: that of FLEET/agent/agent.toml")
      ->delimiter(',');
  command.add_flag("--enrol", options.enrol,
                   "Agents without an identity enrol with FLEET/agent/enrolment.token");
  command.add_option("--answer", text.answer,
                     "What agents answer, e.g. 'rows=1..10 row_bytes=1024 delay=50ms..2s "
                     "clean=10% incomplete=1% crashed=1% limit=1% refuse=1%'. A description "
                     "'swarm: …' of an action goes before it");
  command.add_option("--real-rows", options.real_rows,
                     "Rows of a real run: JSON Lines of `dragnet-agent module file`");
  command.add_option("--lie", text.lies,
                     "KIND=SHARE, e.g. counts=2%; counts, repeat, reorder, identity, unsent, "
                     "oversize, endless, empty, garbage");
  command.add_option("--slow-readers", text.slow_readers, "Share that stops reading at times");
  command.add_option("--slow-for", text.slow_for, "For how long; default 20s");
  command.add_option("--black-holes", text.black_holes,
                     "Share that neither reads nor writes any more and doesn't close");
  command.add_option("--black-hole-after", text.black_hole_after, "Default 10s");
  command.add_option("--black-hole-for", text.black_hole_for, "Default 80s");
  command.add_option("--spread", text.spread, "Connect evenly over this time; default 0s: at once");
  command.add_option("--for", text.duration, "End after this time; default 10m");
  command
      .add_option("--verify", text.verify,
                  "Envelopes are verified `once` for all agents of the process (default), or "
                  "by `every` agent")
      ->check(CLI::IsMember({"once", "every"}));
  command.add_flag("--resume", options.resume_tls, "Resume TLS sessions on reconnection");
  command
      .add_option("--spool-records", options.spool_records,
                  "Records that an agent keeps until they are acknowledged; default 64")
      ->check(CLI::Range(1, 100'000));
  command.add_option("--spool-file", options.spool_file,
                     "Keeps spools and journals across kills of this process");
  command.add_option("--ledger", options.ledger,
                     "Writes what was produced, at the end and at SIGUSR1");
}

int Report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "dragnet-swarm: %s\n", std::string(status.message()).c_str());
  return 2;
}

// Readable when this process is asked for its ledger, or to end.
UniqueFd Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

// What isn't of these actions is left out.
void KeepOnly(const std::vector<std::string>& actions, Ledger* ledger) {
  const std::set<std::string> kept(actions.begin(), actions.end());
  std::erase_if(ledger->answers, [&](const auto& answer) { return !kept.contains(answer.first); });
  std::erase_if(ledger->entries,
                [&](const LedgerEntry& entry) { return !kept.contains(entry.action_id); });
}

int Check(const std::vector<std::string>& ledgers, const std::string& database,
          const std::vector<std::string>& actions) {
  Ledger ledger;
  for (const std::string& path : ledgers)
    if (const absl::Status status = ReadLedger(path, &ledger); !status.ok()) return Report(status);
  if (!actions.empty()) KeepOnly(actions, &ledger);
  const absl::StatusOr<CheckResult> result = CheckLedger(ledger, database);
  if (!result.ok()) return Report(result.status());
  std::fputs(ToText(*result).c_str(), stdout);
  return result->good() ? 0 : 1;
}

int Prepare(const SwarmOptions& options) {
  const absl::StatusOr<FleetFiles> fleet = LoadFleet(options.fleet);
  if (!fleet.ok()) return Report(fleet.status());
  return Report(PrepareIdentities(
      *fleet, options.identities.empty() ? options.fleet + "/swarm.identities" : options.identities,
      options.seed, options.from, options.count));
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app("Simulated agents for load and fault tests of a scheduler on this machine.");
  app.require_subcommand(1);
  app.set_config("--profile", "", "TOML file with a table [run] of the options of run");
  app.fallthrough();
  SwarmOptions options;
  TextOptions text;
  CLI::App* run = app.add_subcommand(
      "run", "Plays agents; prints a line of JSON each second. SIGTERM ends it.");
  AddFleetOptions(*run, options);
  AddRunOptions(*run, options, text);
  CLI::App* prepare = app.add_subcommand(
      "prepare",
      "Enrols agents in the store of a scheduler that doesn't run: for large fleets, quickly.");
  AddFleetOptions(*prepare, options);
  CLI::App* check = app.add_subcommand(
      "check", "Compares ledgers with a scheduler's database. Exit status 1: they differ.");
  std::vector<std::string> ledgers;
  std::string database;
  check->add_option("--ledger", ledgers, "Of dragnet-swarm run; several of one fleet")->required();
  check->add_option("--database", database, "dragnet.db, or postgresql://…")->required();
  std::vector<std::string> actions;
  check->add_option("--action", actions, "Only this one, by its id; repeatable. Default: all");
  CLI11_PARSE(app, argc, argv);

  if (check->parsed()) return Check(ledgers, database, actions);
  if (prepare->parsed()) return Prepare(options);
  if (const absl::Status status = ParseTexts(text, &options); !status.ok()) return Report(status);
  const UniqueFd signals = Signals();
  ::signal(SIGPIPE, SIG_IGN);
  return Report(RunSwarm(options, signals.get()));
}

}  // namespace
}  // namespace dragnet::load

int main(int argc, char** argv) { return dragnet::load::Main(argc, argv); }
