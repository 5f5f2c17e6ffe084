#include "agent/monitor/upgrade/trial.h"

#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "agent/monitor/link_start.h"
#include "agent/monitor/log.h"
#include "agent/monitor/orders.h"
#include "agent/monitor/standing_actions.h"
#include "agent/monitor/state_store.h"
#include "agent/monitor/upgrade/restore.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"
#include "modules/manifest.h"

namespace dragnet {
namespace {

constexpr char kTestModule[] = "file";

absl::Status PollUntil(const std::vector<pollfd>& wanted, absl::Time deadline) {
  std::vector<pollfd> fds = wanted;
  const absl::Duration wait =
      std::clamp(deadline - SteadyNow(), absl::ZeroDuration(), absl::Seconds(60));
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)));
  if (::poll(fds.data(), fds.size(), static_cast<int>(milliseconds)) < 0 && errno != EINTR) {
    return ErrnoStatus("poll", errno);
  }
  return absl::OkStatus();
}

std::string JsonString(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  return json + "\"";
}

// Its own program, found by its content: that takes all walls, the capability to read,
// and a worker that fits this monitor.
absl::Status TryWorker(const TrialSurroundings& surroundings) {
  const ModuleManifest* manifest = FindManifest(kTestModule);
  if (manifest == nullptr) {
    return absl::NotFoundError(StrCat("worker: there is no module ", kTestModule));
  }
  const std::string& program = surroundings.worker.program;
  DRAGNET_ASSIGN_OR_RETURN(const std::string content, ReadFile(program, kMaxReleaseFileBytes));
  ipc::Job job;
  job.set_module(kTestModule);
  job.set_format(ipc::Job::FORMAT_JSON);
  job.set_parameters(StrCat("{\"searches\":[{\"paths\":[", JsonString(program), "],\"sha2\":[\"",
                            HexEncode(Sha256(content)), "\"]}]}"));
  WorkerRun run(*manifest, job, OperationLimits(), surroundings.worker);
  uint64_t rows = 0;
  while (!run.summary().has_value()) {
    std::vector<pollfd> fds;
    run.AddPollFds(&fds);
    DRAGNET_RETURN_IF_ERROR(PollUntil(fds, run.deadline()));
    run.Advance();
    if (const auto taken = run.TakeRows()) rows += static_cast<uint64_t>(taken->rows_size());
  }
  const v1::OperationSummary& summary = *run.summary();
  if (summary.outcome() == v1::OUTCOME_FOUND && rows == 1) return absl::OkStatus();
  return absl::InternalError(
      StrCat("worker: its own program is not found: ", v1::Outcome_Name(summary.outcome()), ", ",
             v1::Termination_Name(summary.termination()), ", ", rows, " rows: ", summary.detail()));
}

absl::Status TryLink(const TrialSurroundings& surroundings, const std::string& ca_certificates,
                     const v1::Hello& hello) {
  LinkProcess link(surroundings.link);
  // It is to show that the identity which is there is good: no token, no other certificate.
  ipc::LinkStart start =
      MakeLinkStart(surroundings.config, ca_certificates, hello, absl::InfiniteFuture());
  start.set_keep_certificate_seconds(std::numeric_limits<uint32_t>::max());
  bool connected = false;
  while (!connected) {
    link.EnsureRunning(start);
    std::vector<pollfd> fds;
    link.AddPollFds(&fds);
    DRAGNET_RETURN_IF_ERROR(PollUntil(fds, link.deadline()));
    link.Advance([&](const ipc::LinkToMonitor& message) {
      if (message.has_connected()) connected = true;
      // The last words, if it never is.
      if (message.has_disconnected()) {
        LogWarning(StrCat("not connected: ", Shorten(message.disconnected().reason(), 1024)));
      }
    });
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTrialVersion(const std::string& expected) {
  if (expected == kVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("this program is of version ", kVersion, ", the release says ", expected));
}

absl::StatusOr<std::string> RunTrial(const TrialSurroundings& surroundings,
                                     const std::string& state_copy) {
  const AgentConfig& config = surroundings.config;
  const absl::Time begun = SteadyNow();
  // For a downgrade: as the agent will.
  RestoreOptions restore;
  restore.fleet_id = config.fleet_id;
  restore.now = Clock::System().Now();
  const std::string database = state_copy + "/agent.db";
  DRAGNET_RETURN_IF_ERROR(RestoreStateIfNewer(database, restore));
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<StateStore> store, StateStore::Open(database));
  v1::Facts facts = surroundings.facts;
  DRAGNET_ASSIGN_OR_RETURN(const std::string id, store->AgentId());
  facts.set_id(id);
  facts.set_fleet_id(config.fleet_id);
  if (!config.name.empty()) facts.set_name(config.name);
  facts.mutable_tags()->insert(config.tags.begin(), config.tags.end());
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<TrustPolicy> policy,
                           store->LoadTrustPolicy(config.root_keys, config.fleet_id));
  if (!policy.has_value()) {
    return absl::FailedPreconditionError("the copy of the agent's state holds no trust policy");
  }
  OrderBook orders;
  DRAGNET_RETURN_IF_ERROR(StandingActions::Load(*store, id, &orders).status());
  DRAGNET_RETURN_IF_ERROR(store->Interrupted().status());
  const absl::Time opened = SteadyNow();
  DRAGNET_RETURN_IF_ERROR(TryWorker(surroundings));
  const absl::Time worked = SteadyNow();
  // As the monitor does: the policy's, unless the file was changed since that was taken.
  DRAGNET_ASSIGN_OR_RETURN(const bool policy_is_newer,
                           store->TookPolicyWith(config.ca_certificates));
  DRAGNET_RETURN_IF_ERROR(
      TryLink(surroundings, CaCertificates(config, policy_is_newer ? &*policy : nullptr),
              MakeHello(config, facts, policy->version(), surroundings.missing_walls)));
  const auto milliseconds = [](absl::Duration time) { return absl::ToInt64Milliseconds(time); };
  return StrCat("version ", kVersion, ": state ", milliseconds(opened - begun), " ms, worker ",
                milliseconds(worked - opened), " ms, scheduler ",
                milliseconds(SteadyNow() - worked), " ms");
}

}  // namespace dragnet
