#include "tests/faults/fleet_swarm.h"

#include <signal.h>

#include <cstdlib>

#include "core/strings.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

constexpr absl::Duration kPatienceWithSwarm = absl::Minutes(10);

// The number behind `key` in the last whole line of JSON; 0 when there is none.
uint64_t LastNumber(const std::string& output, const std::string& key) {
  const size_t end = output.rfind('\n');
  if (end == std::string::npos) return 0;
  const size_t before = output.rfind('\n', end == 0 ? 0 : end - 1);
  const size_t begin = before == std::string::npos || before == end ? 0 : before + 1;
  const std::string line = output.substr(begin, end - begin);
  const std::string label = StrCat("\"", key, "\":");
  const size_t found = line.find(label);
  if (found == std::string::npos) return 0;
  return std::strtoull(line.c_str() + found + label.size(), nullptr, 10);
}

}  // namespace

void PrepareSwarm(const TestFleet& fleet, uint32_t agents) {
  Command command;
  command.arguments = {TestProgramPath("dragnet-swarm"),
                       "prepare",
                       "--fleet",
                       fleet.directory(),
                       "--agents",
                       StrCat(agents)};
  const Finished prepared = RunToEnd(command, kPatienceWithSwarm);
  Need(prepared.status() == 0, "dragnet-swarm prepare", prepared.err);
}

SwarmProcess::SwarmProcess(const TestFleet& fleet, SwarmPart part)
    : part_(std::move(part)),
      log_(StrCat(fleet.temporary(), "/swarm-", part_.from, ".log")),
      ledger_(StrCat(fleet.temporary(), "/swarm-", part_.from, ".ledger")) {
  const std::string scheduler = part_.scheduler.empty() ? fleet.address() : part_.scheduler;
  arguments_ = {TestProgramPath("dragnet-swarm"),
                "run",
                "--fleet",
                fleet.directory(),
                "--scheduler",
                scheduler,
                "--from",
                StrCat(part_.from),
                "--agents",
                StrCat(part_.agents),
                "--for",
                "2h",
                "--ledger",
                ledger_,
                "--spool-file",
                StrCat(fleet.temporary(), "/swarm-", part_.from, ".spool")};
  arguments_.insert(arguments_.end(), part_.more_arguments.begin(), part_.more_arguments.end());
}

void SwarmProcess::Start() {
  Command command;
  command.arguments = arguments_;
  command.before_exec = part_.before_exec;
  process_ = std::make_unique<Process>(command, log_);
}

void SwarmProcess::Stop() {
  if (!process_->running()) return;
  // From its first line on it writes its ledger when it is asked to end.
  Eventually([&] { return !process_->Output().empty() || !process_->running(); },
             kPatienceWithSwarm);
  process_->Signal(SIGTERM);
  const auto ended = process_->WaitForEnd(kPatienceWithSwarm);
  Need(ended.has_value() && ended->exit_status == 0, "stop dragnet-swarm", process_->Output());
}

uint64_t SwarmProcess::Says(const std::string& key) const {
  return LastNumber(process_->Output(), key);
}

Checked CheckLedgers(const std::vector<std::string>& ledgers, const std::string& database) {
  Command command;
  command.arguments = {TestProgramPath("dragnet-swarm"), "check", "--database", database};
  for (const std::string& ledger : ledgers) {
    command.arguments.push_back("--ledger");
    command.arguments.push_back(ledger);
  }
  const Finished finished = RunToEnd(command, kPatienceWithSwarm);
  Need(finished.status() == 0 || finished.status() == 1, "dragnet-swarm check",
       finished.out + finished.err);
  Checked checked;
  checked.text = finished.out;
  const std::string line = finished.out.substr(0, finished.out.find('\n'));
  const auto number = [&](const std::string& label) -> uint64_t {
    const size_t found = line.find(label + " ");
    Need(found != std::string::npos, "what dragnet-swarm check says", line);
    return std::strtoull(line.c_str() + found + label.size() + 1, nullptr, 10);
  };
  checked.actions = number("actions");
  checked.operations = number("operations");
  checked.produced = number("rows produced");
  checked.stored = number("stored");
  checked.lost = number("lost");
  checked.twice = number("twice");
  checked.made_up = number("made up");
  checked.pending = number("pending");
  checked.wrong_states = number("wrong states");
  const bool good = checked.lost + checked.twice + checked.made_up + checked.wrong_states == 0;
  Need(good == (finished.status() == 0), "dragnet-swarm check: text and status agree",
       finished.out);
  return checked;
}

}  // namespace dragnet::testing
