#include "tests/load/swarm.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/strings/strip.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "tests/load/agent.h"
#include "tests/load/authority.h"
#include "tests/load/event_loop.h"
#include "tests/load/fleet_files.h"
#include "tests/load/grpc_call.h"
#include "tests/load/ledger.h"
#include "tests/load/spool_file.h"
#include "tests/load/statistics.h"

namespace dragnet::load {
namespace {

// How often the loop looks whether it is to end.
constexpr absl::Duration kLongestTurn = absl::Milliseconds(100);

// A descriptor each and some for the rest.
absl::Status RaiseDescriptorLimit(uint32_t agents) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < agents + 64)
    return absl::ResourceExhaustedError(
        StrCat("a limit of ", limit.rlim_cur, " descriptors is too few for ", agents, " agents"));
  return absl::OkStatus();
}

class Swarm {
 public:
  explicit Swarm(const SwarmOptions& options) : options_(options) {}

  absl::Status Initialize() {
    DRAGNET_RETURN_IF_ERROR(RaiseDescriptorLimit(options_.count));
    DRAGNET_ASSIGN_OR_RETURN(fleet_, LoadFleet(options_.fleet));
    std::vector<std::string> addresses = options_.schedulers;
    if (addresses.empty()) addresses = {fleet_.scheduler};
    for (const std::string& address : addresses) {
      DRAGNET_ASSIGN_OR_RETURN(auto transport, Transport::Create(address, fleet_.ca_pem));
      transports_.push_back(std::move(transport));
    }
    DRAGNET_ASSIGN_OR_RETURN(authority_, Authority::Create(fleet_.fleet_id, fleet_.roots,
                                                           options_.answer, options_.verify_every));
    if (!options_.real_rows.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(rows_, RowMaker::FromJsonLines(options_.real_rows));
    }
    world_.reset(new AgentWorld{.loop = loop_,
                                .transports = transports_,
                                .authority = *authority_,
                                .rows = rows_,
                                .statistics = statistics_,
                                .spool_file = spool_file_,
                                .blobs = blobs_,
                                .fleet_id = fleet_.fleet_id});
    world_->seed = options_.seed;
    world_->misbehaviour = options_.misbehaviour;
    world_->resume_tls = options_.resume_tls;
    world_->spool_records = options_.spool_records;
    world_->on_enrolled = [this](const Identity& identity) { Keep(identity); };
    DRAGNET_RETURN_IF_ERROR(MakeAgents());
    if (options_.spool_file.empty()) return absl::OkStatus();
    return OpenSpoolFile();
  }

  absl::Status Run(int signals) {
    start_ = loop_.Now();
    statistics_.cpu_before = CpuSeconds();
    for (size_t i = 0; i < agents_.size(); ++i)
      agents_[i]->Start(start_ + options_.spread * (static_cast<double>(i) /
                                                    static_cast<double>(agents_.size())));
    loop_.BeforeWrites([this] { spool_file_.Flush(); });
    const absl::Time end = start_ + options_.duration;
    absl::Time next_line = start_ + absl::Seconds(1);
    while (loop_.now() < end) {
      loop_.Turn(kLongestTurn);
      signalfd_siginfo signal{};
      if (::read(signals, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo != SIGUSR1) break;
        DRAGNET_RETURN_IF_ERROR(SaveLedger());
      }
      DRAGNET_RETURN_IF_ERROR(failure_);
      if (statistics_.all_connected_after < 0 && statistics_.connected == agents_.size())
        statistics_.all_connected_after = absl::ToDoubleSeconds(loop_.now() - start_);
      if (loop_.now() < next_line) continue;
      Print();
      next_line = std::max(next_line + absl::Seconds(1), loop_.now());
    }
    Print();
    for (const auto& agent : agents_) agent->Stop();
    spool_file_.Flush();
    return SaveLedger();
  }

 private:
  absl::Status MakeAgents() {
    identities_path_ =
        options_.identities.empty() ? options_.fleet + "/swarm.identities" : options_.identities;
    DRAGNET_ASSIGN_OR_RETURN(auto identities, LoadIdentities(identities_path_));
    agents_.reserve(options_.count);
    for (uint32_t place = 0; place < options_.count; ++place) {
      const uint32_t index = options_.from + place;
      NewIdentity identity;
      if (const auto found = identities.find(index); found != identities.end()) {
        identity.identity = std::move(found->second);
      } else if (options_.enrol) {
        DRAGNET_ASSIGN_OR_RETURN(identity, DrawIdentity(index));
        if (world_->enrolment_token.empty()) {
          DRAGNET_RETURN_IF_ERROR(ReadToken());
        }
      } else {
        return absl::NotFoundError(
            StrCat(identities_path_, ": no identity of agent ", index,
                   ": make some with `dragnet-swarm prepare`, or add --enrol"));
      }
      agents_.push_back(std::make_unique<SimulatedAgent>(
          *world_, place, std::move(identity.identity), std::move(identity.signing_request)));
      DRAGNET_RETURN_IF_ERROR(authority_->AddAgent(place, agents_.back()->Facts()));
    }
    return absl::OkStatus();
  }

  absl::Status ReadToken() {
    DRAGNET_ASSIGN_OR_RETURN(std::string token,
                             ReadSecretFile(options_.fleet + "/agent/enrolment.token"));
    world_->enrolment_token = std::string(absl::StripAsciiWhitespace(token));
    return absl::OkStatus();
  }

  absl::Status OpenSpoolFile() {
    DRAGNET_ASSIGN_OR_RETURN(spool_file_,
                             SpoolFile::Open(options_.spool_file, [this](const SpoolEntry& entry) {
                               const uint32_t place = entry.agent() - options_.from;
                               if (place < agents_.size()) agents_[place]->Restore(entry);
                             }));
    for (const auto& agent : agents_) agent->RestoreEnd();
    return absl::OkStatus();
  }

  void Keep(const Identity& identity) {
    const absl::Status status = SaveIdentities(identities_path_, {identity});
    if (!status.ok()) failure_ = status;
  }

  void Print() const {
    Statistics statistics = statistics_;
    for (const auto& agent : agents_) agent->AddBytes(&statistics);
    const std::string line =
        ToJson(statistics, absl::ToDoubleSeconds(loop_.now() - start_),
               {{"verify", options_.verify_every ? "every agent" : "once per envelope"},
                {"verifications", StrCat(authority_->verifications())}});
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }

  absl::Status SaveLedger() const {
    if (options_.ledger.empty()) return absl::OkStatus();
    Ledger ledger;
    ledger.real_rows = options_.real_rows;
    for (const auto& agent : agents_) agent->AddToLedger(&ledger);
    return WriteLedger(options_.ledger, ledger);
  }

  const SwarmOptions options_;
  EventLoop loop_;
  absl::Time start_;
  FleetFiles fleet_;
  std::vector<std::unique_ptr<Transport>> transports_;
  std::unique_ptr<Authority> authority_;
  RowMaker rows_;
  Statistics statistics_;
  SpoolFile spool_file_;
  BlobContents blobs_;
  std::unique_ptr<AgentWorld> world_;
  std::string identities_path_;
  std::vector<std::unique_ptr<SimulatedAgent>> agents_;
  absl::Status failure_;
};

}  // namespace

absl::Status RunSwarm(const SwarmOptions& options, int signals) {
  if (options.count < 1 || options.count > kMaxAgents)
    return absl::InvalidArgumentError(StrCat("agents: 1 to ", kMaxAgents, " in a process"));
  Swarm swarm(options);
  DRAGNET_RETURN_IF_ERROR(swarm.Initialize());
  return swarm.Run(signals);
}

}  // namespace dragnet::load
