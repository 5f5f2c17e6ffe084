// The scheduler's clock jumps, and its database is an older one.
#include <unistd.h>

#include "core/strings.h"
#include "tests/faults/fleet_faults.h"
#include "tests/faults/tcp_proxy.h"
#include "tests/harness/database.h"

namespace dragnet::testing {
namespace {

// A whole copy of the store of a running scheduler, as a backup makes one.
void Backup(const std::string& database, const std::string& to) {
  TestDatabase(database).Execute("VACUUM INTO ?", {to});
}

// The scheduler is killed and goes on with `backup`; where its database is now.
std::string ReplaceStore(Round& round, const std::string& backup) {
  round.fleet().KillScheduler();
  const std::string former = round.database() + ".former";
  // With what only its write-ahead log has.
  Backup(round.database(), former);
  for (const char* log : {"-wal", "-shm"}) ::unlink((round.database() + log).c_str());
  CopyFile(backup, round.database(), 0600);
  return former;
}

}  // namespace

void JumpClock(Round& round) {
  round.Make({.impatient = true, .preload = true});
  round.Start();
  round.Launch();
  for (int i = 0; i < 3; ++i) {
    round.WaitForChance(i * 0.2, i * 0.2 + 0.3);
    // Of seconds, minutes or hours, either way.
    constexpr int64_t kScales[] = {1, 60, 3600};
    const int64_t seconds = static_cast<int64_t>(round.Pick(1, 26)) * kScales[round.Pick(0, 2)];
    const bool back = round.Pick(0, 1) == 1;
    round.control().clock_offset_ns = (back ? -seconds : seconds) * 1'000'000'000;
    // absl::Now() follows after two seconds at the latest.
    round.Wander(absl::Milliseconds(10), absl::Seconds(4));
    // By the wrong clock it may not be valid yet, or any more.
    const bool taken = round.TryLaunch();
    round.Note(
        StrCat("clock ", back ? "-" : "+", seconds, " s, launch ", taken ? "taken" : "refused"));
    round.Wander(absl::Milliseconds(10), absl::Seconds(1));
    round.control().clock_offset_ns = 0;
  }
  round.Launch();
  round.WaitForEnd();
  round.Check();
}

void RestoreUnheard(Round& round) {
  const int port = FreePort();
  round.Make({.parts = {{.from = 0,
                         .agents = round.options().agents,
                         .scheduler = StrCat("127.0.0.1:", port),
                         .more_arguments = {"--spool-records", "1000"}}}});
  TcpProxy proxy(port, round.fleet().port());
  round.Start();
  for (int i = 0; i < 2; ++i) round.Launch();
  round.WaitForChance(0, 0.6);
  // From here on no agent hears that anything was stored.
  proxy.HoldAnswers(true);
  const std::string backup = round.database() + ".backup";
  Backup(round.database(), backup);
  round.Wander(absl::ZeroDuration(), absl::Seconds(2));
  ReplaceStore(round, backup);
  proxy.BreakConnections();
  proxy.HoldAnswers(false);
  round.fleet().StartScheduler();
  round.WaitForEnd();
  round.Check();
}

void RestoreAcknowledged(Round& round) {
  round.Make({.real_agents = 1});
  round.Start();
  for (int i = 0; i < 2; ++i) round.Launch();
  round.WaitForChance(0, 0.4);
  const std::string backup = round.database() + ".backup";
  Backup(round.database(), backup);
  round.WaitForChance(0.4, 1);
  const std::string former = ReplaceStore(round, backup);
  round.fleet().StartScheduler();
  round.Drain();
  round.CheckAgainst(former);
}

}  // namespace dragnet::testing
