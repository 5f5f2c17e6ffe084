#include "tests/faults/fleet_round.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_join.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "dragnet/v1/results.pb.h"
#include "tests/faults/expect.h"
#include "tests/harness/database.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

// What each simulated agent answers: records of about five rows, so that the
// answers of a fleet are many commits.
constexpr char kAnswer[] =
    "swarm: rows=50..200 row_bytes=300 record_bytes=1500 delay=0s..1500ms clean=10% "
    "incomplete=5% crashed=3% limit=2%";
constexpr double kRowsPerAgent = 125 * 0.9;
// A fleet of thousands on a busy machine.
constexpr absl::Duration kPatienceWithFleet = absl::Minutes(10);
// Longer than an agent waits at most before it tries again.
constexpr absl::Duration kLongestSilence = absl::Seconds(90);
constexpr size_t kMaxProblems = 20;

// Rows of one agent's answer to one action, in the order of their sequence.
std::vector<std::string> StoredRows(TestDatabase& database, const std::string& action_id,
                                    const std::string& agent_id) {
  std::vector<std::string> stored;
  for (const std::string& record : database.Texts(
           "SELECT records.rows FROM records JOIN actions ON actions.no = records.action"
           " JOIN agents ON agents.no = records.agent WHERE actions.id = ? AND agents.id = ?"
           " ORDER BY records.operation, records.sequence",
           {action_id, agent_id})) {
    v1::Rows rows;
    Need(rows.ParseFromString(record), "parse stored rows");
    stored.insert(stored.end(), rows.rows().begin(), rows.rows().end());
  }
  return stored;
}

uint64_t EndedOf(const v1::Progress& progress) {
  return progress.found() + progress.clean() + progress.incomplete() + progress.refused() +
         progress.never_sent();
}

}  // namespace

Round::Round(const RoundOptions& options) : options_(options), random_(options.seed) {}

Round::~Round() {
  swarms_.clear();
  fleet_.reset();
  if (control_ != nullptr) ::munmap(control_, sizeof(Control));
}

void Round::Problem(std::string text) {
  if (result_.problems.size() < kMaxProblems) result_.problems.push_back(std::move(text));
}

double Round::Between(double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(random_);
}

uint64_t Round::Pick(uint64_t from, uint64_t to) {
  return std::uniform_int_distribution<uint64_t>(from, to)(random_);
}

void Round::Wander(absl::Duration from, absl::Duration to) {
  const double seconds = Between(absl::ToDoubleSeconds(from), absl::ToDoubleSeconds(to));
  absl::SleepFor(absl::Seconds(seconds));
}

size_t Round::Said(const std::string& text) {
  const std::string output = fleet_->scheduler().Output();
  size_t count = 0;
  for (size_t at = output.find(text); at != std::string::npos; at = output.find(text, at + 1))
    ++count;
  return count;
}

void Round::KeepLogs(const std::string& fault) {
  const std::string to = StrCat(options_.logs, "/", fault, "-", options_.seed);
  MakeDirectory(to);
  for (const std::string& name : Names(fleet_->temporary()))
    if (name.ends_with(".log") || name.ends_with(".ledger"))
      CopyFile(StrCat(fleet_->temporary(), "/", name), StrCat(to, "/", name), 0644);
  for (const Agent* agent : real_agents_)
    CopyFile(StrCat(fleet_->temporary(), "/", agent->name(), "/agent.log"),
             StrCat(to, "/", agent->name(), ".log"), 0644);
  CopyFile(database_, to + "/dragnet.db", 0600);
}

// --- before

void Round::Make(Setup setup) {
  setup_ = std::move(setup);
  directory_ = std::make_unique<const TemporaryDirectory>();
  FleetOptions options;
  options.host = setup_.host;
  if (setup_.host != "127.0.0.1") options.more_arguments = {"--host", "127.0.0.1"};
  if (setup_.preload) {
    const std::string path = directory_->path() + "/control";
    Write(path, std::string(sizeof(Control), '\0'), 0600);
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    void* mapped =
        ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    Need(mapped != MAP_FAILED, "map", path);
    control_ = static_cast<Control*>(mapped);
    options.scheduler_environment = {StrCat(kControlVariable, "=", path),
                                     "LD_PRELOAD=" + TestProgramPath("libdragnet-faults.so")};
  }
  fleet_ = std::make_unique<TestFleet>(options);
  PrepareSwarm(*fleet_, options_.agents);
  std::string config = Read(fleet_->scheduler_config());
  if (setup_.impatient) config = WithTomlKey(config, "heartbeat_interval", "\"1s\"");
  database_ = fleet_->database_path();
  if (!setup_.store_directory.empty()) {
    database_ = setup_.store_directory + "/dragnet.db";
    CopyFile(fleet_->database_path(), database_, 0600);
    config = WithTomlKey(config, "store", StrCat("\"", database_, "\""));
  }
  Write(fleet_->scheduler_config(), config);
  if (setup_.parts.empty()) setup_.parts = {{.from = 0, .agents = options_.agents}};
}

void Round::Start() {
  fleet_->StartScheduler();
  for (const SwarmPart& part : setup_.parts) {
    swarms_.push_back(std::make_unique<SwarmProcess>(*fleet_, part));
    swarms_.back()->Start();
  }
  for (uint32_t i = 1; i <= setup_.real_agents; ++i) {
    AgentOptions agent = setup_.agent;
    agent.name = StrCat("agent-", i);
    agent.tags["real"] = "1";
    if (!agent.state_directory.empty()) agent.state_directory += StrCat("/", agent.name);
    real_agents_.push_back(&fleet_->AddOnlineAgent(agent));
  }
  for (const auto& swarm : swarms_)
    Need(Eventually([&] { return swarm->connected() == swarm->part().agents; }, kPatienceWithFleet),
         "all simulated agents connected", swarm->Output());
}

// --- while

void Round::LaunchAction(const v1::Action& action, bool to_real_agents,
                         const std::function<void()>& meanwhile) {
  Launched launched{action.id(), fleet_->forge().Sign(action), to_real_agents};
  absl::Status status;
  const bool done = Eventually(
      [&] {
        status = fleet_->api().Launch(launched.envelope).status();
        if (status.ok()) return true;
        if (meanwhile == nullptr) return HasStopped();
        meanwhile();
        return false;
      },
      kPatienceWithFleet);
  if (!done || !status.ok()) return Problem("an action isn't launched: " + status.ToString());
  launched_.push_back(std::move(launched));
}

// Not by this test: nothing waits for it to come back.
bool Round::HasStopped() {
  if (fleet_->scheduler().running()) return false;
  const auto ended = fleet_->scheduler().WaitForEnd();
  Problem(StrCat("the scheduler has ended by itself: exit status ", ended->exit_status, ", signal ",
                 ended->signal));
  return true;
}

v1::Action Round::NewAction() {
  v1::Action action = fleet_->forge().NewAction("/played");
  action.set_description(kAnswer);
  action.set_target(kSwarmTarget);
  *action.mutable_expires() = ToTimestamp(absl::Now() + absl::Hours(2));
  return action;
}

void Round::Launch(const std::function<void()>& meanwhile) {
  LaunchAction(NewAction(), /*to_real_agents=*/false, meanwhile);
}

bool Round::TryLaunch() {
  const v1::Action action = NewAction();
  Launched launched{action.id(), fleet_->forge().Sign(action), /*to_real_agents=*/false};
  if (!fleet_->api().Launch(launched.envelope).ok()) return false;
  launched_.push_back(std::move(launched));
  return true;
}

void Round::LaunchToRealAgents() {
  v1::Action action = fleet_->forge().NewAction(ManyFiles());
  action.set_target("tags->>'real'='1'");
  *action.mutable_expires() = ToTimestamp(absl::Now() + absl::Hours(2));
  LaunchAction(action, /*to_real_agents=*/true, nullptr);
}

std::optional<v1::Progress> Round::ProgressOf(const std::string& action_id) {
  const auto action = fleet_->api().GetAction(action_id);
  if (!action.ok()) return std::nullopt;
  return action->progress();
}

uint64_t Round::AgentsOf(const Launched& action) const {
  return action.to_real_agents ? real_agents_.size() : options_.agents;
}

bool Round::HasEnded(const Launched& action, const v1::Progress& progress) const {
  return progress.targeted() >= AgentsOf(action) && EndedOf(progress) == progress.targeted();
}

double Round::RowsExpectedOf(const Launched& action) const {
  const double each = action.to_real_agents ? kManyFiles : kRowsPerAgent;
  return each * static_cast<double>(AgentsOf(action));
}

void Round::WaitForRows(const std::vector<Launched>& actions, double share) {
  double expected = 0;
  for (const Launched& action : actions) expected += RowsExpectedOf(action);
  // They may have ended before: by chance they have fewer rows than was estimated.
  Eventually(
      [&] {
        double rows = 0;
        bool ended = true;
        for (const Launched& action : actions) {
          const auto progress = ProgressOf(action.id);
          if (!progress.has_value()) return HasStopped();
          rows += static_cast<double>(progress->rows());
          ended = ended && EndedOf(*progress) >= AgentsOf(action);
        }
        return ended || rows >= share * expected;
      },
      absl::Minutes(2));
}

void Round::WaitForShare(double share) { WaitForRows(launched_, share); }

void Round::WaitForRealAgents(double share) {
  const auto last = std::find_if(launched_.rbegin(), launched_.rend(),
                                 [](const Launched& action) { return action.to_real_agents; });
  Need(last != launched_.rend(), "an action of real agents");
  WaitForRows({*last}, share);
}

void Round::RestartScheduler() {
  fleet_->KillScheduler();
  fleet_->StartScheduler();
}

// --- afterwards

void Round::WaitForEnd() {
  std::string before;
  absl::Time changed = absl::Now();
  bool ended = false;
  Eventually(
      [&] {
        std::string now;
        ended = true;
        for (const Launched& action : launched_) {
          const auto progress = ProgressOf(action.id);
          StrAppend(&now, progress.has_value() ? progress->ShortDebugString() : "no answer", "\n");
          ended = ended && progress.has_value() && HasEnded(action, *progress);
        }
        if (now != before) changed = absl::Now();
        before = now;
        return ended || HasStopped() || absl::Now() - changed > kLongestSilence;
      },
      absl::Hours(1));
  if (ended) return;
  for (const Launched& action : launched_) {
    const auto progress = ProgressOf(action.id);
    if (progress.has_value() && HasEnded(action, *progress)) continue;
    Problem(StrCat("action ", action.id, " doesn't end: ",
                   progress.has_value() ? progress->ShortDebugString() : "no answer"));
  }
}

void Round::Drain() {
  const auto pending = [&] {
    for (const auto& swarm : swarms_) swarm->Stop();
    std::vector<std::string> ledgers;
    for (const auto& swarm : swarms_) ledgers.push_back(swarm->ledger());
    return CheckLedgers(ledgers, database_).pending;
  };
  // The swarm counts what it has ended only since it was started.
  Eventually(
      [&] {
        uint64_t ended = 0;
        for (const auto& swarm : swarms_) ended += swarm->operations_ended();
        return ended >= options_.agents * launched_.size();
      },
      kPatienceWithFleet);
  for (int i = 0; pending() > 0; ++i) {
    if (i == 20) return Problem("rows are still not acknowledged");
    for (const auto& swarm : swarms_) swarm->Start();
    // Back-off included, until it is connected and has sent what it has.
    absl::SleepFor(absl::Seconds(2 + i));
  }
}

// What the scheduler says of each action, before it is stopped.
void Round::CheckSums() {
  for (const Launched& action : launched_) {
    const auto progress = ProgressOf(action.id);
    if (!progress.has_value()) {
      Problem(StrCat("action ", action.id, ": the scheduler doesn't tell its progress"));
      continue;
    }
    progress_[action.id] = *progress;
    const uint64_t sum =
        EndedOf(*progress) + progress->waiting() + progress->sent() + progress->running();
    if (sum != progress->targeted() || sum != AgentsOf(action))
      Problem(StrCat("action ", action.id, ": states of ", AgentsOf(action),
                     " agents don't add up: ", progress->ShortDebugString()));
  }
}

void Round::StopAll() {
  for (const auto& swarm : swarms_) swarm->Stop();
  for (Agent* agent : real_agents_) agent->Stop();
  fleet_->StopScheduler();
}

// What is in the store, counted anew, against what the scheduler said.
void Round::CheckPairs() {
  TestDatabase database(database_);
  for (const auto& [id, progress] : progress_) {
    const auto count = [&](v1::DispatchState state) {
      return static_cast<uint64_t>(
          database.Number("SELECT count(*) FROM pairs JOIN actions ON actions.no = pairs.action"
                          " WHERE actions.id = ? AND pairs.state = ?",
                          {id, static_cast<int64_t>(state)}));
    };
    const auto rows = static_cast<uint64_t>(
        database.Number("SELECT coalesce(sum(pairs.rows), 0) FROM pairs JOIN actions"
                        " ON actions.no = pairs.action WHERE actions.id = ?",
                        {id}));
    if (count(v1::DISPATCH_STATE_FOUND) != progress.found() ||
        count(v1::DISPATCH_STATE_CLEAN) != progress.clean() ||
        count(v1::DISPATCH_STATE_INCOMPLETE) != progress.incomplete() ||
        count(v1::DISPATCH_STATE_REFUSED) != progress.refused() ||
        count(v1::DISPATCH_STATE_NEVER_SENT) != progress.never_sent() || rows != progress.rows())
      Problem(StrCat("action ", id, ": the store's pairs aren't what the scheduler counts: ",
                     progress.ShortDebugString()));
  }
}

Checked Round::CheckSwarms(const std::string& database) const {
  std::vector<std::string> ledgers;
  for (const auto& swarm : swarms_) ledgers.push_back(swarm->ledger());
  return CheckLedgers(ledgers, database);
}

void Round::CheckRealAgent(Agent& agent, const std::string& action_id) {
  TestDatabase database(database_);
  const std::string where = StrCat("action ", action_id, ", ", agent.name());
  const std::vector<std::string> paths = PathsOf(StoredRows(database, action_id, agent.Id()));
  const std::set<std::string> different(paths.begin(), paths.end());
  const std::vector<std::string> expected = ExpectedPaths(ManyFiles());
  const std::vector<TestDatabase::Value> key = {action_id, agent.Id()};
  const auto state = static_cast<v1::DispatchState>(database.Number(
      "SELECT coalesce(max(pairs.state), 0) FROM pairs JOIN actions ON actions.no = pairs.action"
      " JOIN agents ON agents.no = pairs.agent WHERE actions.id = ? AND agents.id = ?",
      key));
  v1::OperationSummary summary;
  for (const std::string& bytes : database.Texts(
           "SELECT summary FROM pair_operations JOIN actions ON actions.no = pair_operations.action"
           " JOIN agents ON agents.no = pair_operations.agent"
           " WHERE actions.id = ? AND agents.id = ? AND summary IS NOT NULL",
           key))
    Need(summary.ParseFromString(bytes), "parse a stored summary");
  result_.produced += summary.rows();
  result_.stored += paths.size();
  result_.twice += paths.size() - different.size();
  if (summary.rows() > different.size()) result_.lost += summary.rows() - different.size();
  if (paths.size() != different.size()) Problem(where + ": rows are stored twice");
  if (!std::includes(expected.begin(), expected.end(), different.begin(), different.end()))
    Problem(where + ": rows that are of no file");
  const bool whole = state == v1::DISPATCH_STATE_FOUND && different.size() == expected.size();
  const bool part =
      state == v1::DISPATCH_STATE_INCOMPLETE && summary.termination() != v1::TERMINATION_COMPLETED;
  if ((!whole && !part) || summary.rows() != different.size())
    Problem(StrCat(where, ": ", v1::DispatchState_Name(state), " with ", different.size(), " of ",
                   expected.size(), " rows: ", summary.ShortDebugString()));
}

void Round::CheckRealAgents() {
  std::vector<std::string> ids;
  for (const Launched& action : launched_)
    if (action.to_real_agents) ids.push_back(action.id);
  for (Agent* agent : real_agents_) {
    for (const std::string& id : ids) CheckRealAgent(*agent, id);
    if (agent->WorkersStarted() > ids.size())
      Problem(StrCat(agent->name(), ": ", agent->WorkersStarted(), " workers for ", ids.size(),
                     " actions: something ran twice"));
    if (const int64_t spooled = agent->Spooled(); spooled > 0)
      Note(StrCat(agent->name(), ": ", spooled, " records not known to be acknowledged"));
  }
}

void Round::Take(const Checked& checked) {
  result_.produced += checked.produced;
  result_.stored += checked.stored;
  result_.lost += checked.lost + checked.pending;
  result_.twice += checked.twice + checked.made_up;
}

void Round::Check() {
  result_.actions = launched_.size();
  CheckSums();
  StopAll();
  CheckPairs();
  const Checked checked = CheckSwarms(database_);
  Take(checked);
  if (checked.lost + checked.twice + checked.made_up + checked.pending + checked.wrong_states > 0 ||
      checked.stored != checked.produced)
    Problem("dragnet-swarm check: " + checked.text);
  CheckRealAgents();
}

void Round::CheckAgainst(const std::string& former_database) {
  result_.actions = launched_.size();
  CheckSums();
  StopAll();
  CheckPairs();
  const Checked restored = CheckSwarms(database_);
  // What the former store had besides, put into a copy.
  const std::string both = directory_->path() + "/both.db";
  CopyFile(database_, both, 0600);
  {
    TestDatabase database(both);
    database.Execute("ATTACH ? AS former", {former_database});
    database.Execute(
        "CREATE INDEX main.by_key ON records (action, agent, occurrence, operation, sequence)");
    database.Execute(
        "INSERT INTO main.records (action, agent, occurrence, operation, sequence, rows)"
        " SELECT action, agent, occurrence, operation, sequence, rows FROM former.records AS other"
        " WHERE NOT EXISTS (SELECT 1 FROM main.records AS mine WHERE mine.action = other.action"
        "  AND mine.agent = other.agent AND mine.occurrence = other.occurrence"
        "  AND mine.operation = other.operation AND mine.sequence = other.sequence)");
  }
  const Checked checked = CheckSwarms(both);
  Take(checked);
  result_.stored = restored.stored;
  if (checked.lost + checked.pending > 0)
    Problem("lost, and not with the store that was replaced: " + checked.text);
  if (restored.twice + restored.made_up > 0) Problem("dragnet-swarm check: " + restored.text);
  Note(StrCat(checked.stored - restored.stored, " rows went with the store that was replaced"));
  TestDatabase database(database_);
  database.Execute("CREATE INDEX by_pair ON records (action, agent)");
  database.Execute("ATTACH ? AS both", {both});
  const int64_t wrong = database.Number(
      "SELECT count(*) FROM pairs WHERE state IN (4, 5) AND"
      " (SELECT count(*) FROM main.records AS r WHERE r.action = pairs.action"
      "   AND r.agent = pairs.agent) <>"
      " (SELECT count(*) FROM both.records AS r WHERE r.action = pairs.action"
      "   AND r.agent = pairs.agent)");
  if (wrong > 0) Problem(StrCat(wrong, " pairs are found or clean though rows are missing"));
  CheckRealAgents();
}

}  // namespace dragnet::testing
