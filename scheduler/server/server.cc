#include "scheduler/server/server.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/rpc/rpc.h"
#include "core/rpc/server_tls.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "scheduler/api/investigator_service.h"
#include "scheduler/api/status.h"
#include "scheduler/auth/peer.h"
#include "scheduler/auth/revocations.h"
#include "scheduler/blobs/blob_source.h"
#include "scheduler/bus/in_process_bus.h"
#include "scheduler/bus/nats_bus.h"
#include "scheduler/cluster/cluster.h"
#include "scheduler/dispatch/record_keeper.h"
#include "scheduler/enrolment/ca_files.h"
#include "scheduler/export/exports.h"
#include "scheduler/gateway/gateway_service.h"
#include "scheduler/observe/http_server.h"
#include "scheduler/server/listen_address.h"
#include "scheduler/server/release_memory.h"
#include "scheduler/settings_bus.h"
#include "scheduler/store/open_store.h"
#include "scheduler/store/upkeep.h"

namespace dragnet::scheduler {
namespace {

// An envelope of 1 MiB with what is around it.
constexpr int kMaxReceiveBytes = 1536 * 1024;
// Of gRPC for what it has read and no one has taken, of all connections: about 32
// KiB for each of ten thousand, and as much again.
constexpr size_t kMaxTransportMemory = size_t{640} << 20;
constexpr absl::Duration kTick = absl::Seconds(1);
// Actions with a rate are sent to further agents so often.
constexpr absl::Duration kPace = absl::Milliseconds(100);
constexpr int kTicksBetweenReleases = 20;
constexpr absl::Duration kSaveLastSeen = absl::Minutes(5);
// By the clock: one that moves on a lot makes retention look again.
constexpr int64_t kUpkeepSeconds = 60;
// Heartbeats that may be missed.
constexpr int kMissedHeartbeats = 3;
// One agent may hold this part of the record budget.
constexpr size_t kBudgetShares = 16;
// What messages may take that are read and wait for the budget: one each of ten
// thousand agents whose answers come at once.
constexpr size_t kMaxWaitingMessages = size_t{384} << 20;
// Parts of 256 KiB on their way to agents at one time.
constexpr size_t kBlobTurns = 32;
constexpr int kBackgroundThreads = 2;
constexpr int kCallThreads = 4;
constexpr int kBlobThreads = 2;
// Of agents: turns bound how many begin at a time.
constexpr size_t kMaxWaitingBlobs = 4096;
constexpr size_t kMaxWaitingCalls = 10000;
constexpr size_t kMaxWaitingEnrolments = 1000;
// A whole fleet may connect at once.
constexpr size_t kMaxWaitingAgents = 100000;

absl::StatusOr<RootSet> LoadRoots(const Settings& settings) {
  std::vector<PublicKey> keys;
  for (const std::string& path : settings.root_keys) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    absl::StatusOr<PublicKey> key = PublicKey::FromText(text);
    DRAGNET_RETURN_IF_ERROR(Annotate(key.status(), path));
    keys.push_back(*std::move(key));
  }
  return RootSet::Create(std::move(keys), settings.root_threshold);
}

// Where a scheduler keeps what only it needs: blobs, and how far its exports are.
std::string LocalFiles(const Settings& settings) {
  if (settings.store.find("://") == std::string::npos) return settings.store;
  return StrCat(settings.server_key.substr(0, settings.server_key.rfind('/') + 1),
                settings.scheduler_name);
}

struct OpenedStore {
  std::unique_ptr<Store> store;
  std::unique_ptr<Upkeep> upkeep;
};

absl::StatusOr<OpenedStore> OpenStoreOf(const Settings& settings, const Clock& clock,
                                        const std::string& files, ServerParts& parts) {
  OpenedStore opened;
  SqlStore* upkept = parts.upkept;
  opened.store = std::move(parts.store);
  if (opened.store == nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqlStore> store,
                             OpenStore({.store = settings.store,
                                        .use = StoreUse::kRun,
                                        .shared = settings.clustered(),
                                        .blob_directory = StrCat(files, ".blobs")}));
    upkept = store.get();
    opened.store = std::move(store);
  }
  DRAGNET_ASSIGN_OR_RETURN(opened.upkeep, Upkeep::Start(*upkept, clock, settings.retention));
  // The one that leads does it; before the bus is waited for.
  if (settings.clustered()) opened.upkeep->SetActive(false);
  return opened;
}

absl::StatusOr<std::unique_ptr<Bus>> ConnectBus(const Settings& settings, ServerParts& parts) {
  if (parts.bus != nullptr) return std::move(parts.bus);
  if (!settings.clustered()) return std::make_unique<InProcessBus>();
  return NatsBus::Connect(NatsOptionsOf(settings));
}

// Members are taken down from the last to the first, the gRPC server before
// all, so that no call outlives what it uses.
class RunningServer : public Server {
 public:
  RunningServer(const Settings& settings, const Clock& clock, const FleetCertificates& certificates,
                std::string certificate_stamp, std::unique_ptr<Store> store,
                std::unique_ptr<Bus> bus, std::unique_ptr<Agents> agents,
                std::unique_ptr<Policies> policies, std::unique_ptr<BlobFiles> blobs,
                std::unique_ptr<Upkeep> upkeep, std::unique_ptr<Exports> exports,
                const StatusFacts& fixed, const std::optional<Cluster::Position>& position,
                const ClusterTimes& times)
      : settings_(settings),
        clock_(clock),
        heartbeat_interval_(settings.heartbeat_interval),
        ca_(certificates.issuing),
        accepted_cas_(certificates.accepted_pem),
        certificate_stamp_(std::move(certificate_stamp)),
        needed_by_agents_(certificates.needed_by_agents),
        tls_(certificates.accepted_pem, {certificates.server_chain, certificates.server_key}),
        agents_(std::move(agents)),
        policies_(std::move(policies)),
        blobs_(std::move(blobs)),
        blob_parts_(*blobs_),
        certificates_(*store, clock, settings.fleet_id),
        desk_(ca_, *store, clock, settings.fleet_id, settings.agent_certificate_lifetime),
        dispatcher_(*store, *agents_, *policies_, watchers_, background_, clock, settings.fleet_id,
                    {.rows = settings.max_rows, .bytes = settings.max_result_bytes}),
        proposals_(*store, *policies_, dispatcher_, watchers_.news(), clock, settings.fleet_id),
        progress_(*store, *agents_),
        revocations_(certificates_, *agents_, streams_, settings.fleet_id),
        cluster_(position.has_value()
                     ? std::make_unique<Cluster>(
                           Cluster::Parts{*store, *bus, *agents_, *policies_, watchers_,
                                          revocations_, *blobs_, desk_, clock},
                           settings.scheduler_name, *position, times)
                     : nullptr),
        keeper_(*store, *agents_, dispatcher_,
                cluster_ != nullptr ? static_cast<Peers&>(*cluster_) : no_peers_),
        budget_(settings.record_budget, settings.record_budget / kBudgetShares,
                kMaxWaitingMessages),
        gateway_parts_{*store,
                       *agents_,
                       dispatcher_,
                       *bus,
                       cluster_ != nullptr ? &cluster_->claims() : nullptr,
                       certificates_,
                       streams_,
                       blob_parts_,
                       blob_turns_,
                       cluster_ != nullptr ? &cluster_->blobs() : nullptr,
                       blob_fetching_,
                       budget_,
                       revocations_,
                       ca_,
                       clock,
                       settings.fleet_id,
                       settings.heartbeat_interval},
        exports_(std::move(exports)),
        status_({*store, *agents_, *policies_, dispatcher_, watchers_, *upkeep, clock, *exports_,
                 cluster_ == nullptr ? std::function<absl::Status()>()
                                     : [this] { return cluster_->state(); }},
                fixed),
        api_parts_{*store,
                   *agents_,
                   *policies_,
                   dispatcher_,
                   watchers_,
                   certificates_,
                   revocations_,
                   streams_,
                   *blobs_,
                   cluster_ != nullptr ? cluster_->blobs() : no_blob_source_,
                   calls_,
                   clock,
                   settings.fleet_id,
                   status_,
                   upkeep->retention(),
                   proposals_,
                   progress_},
        store_(std::move(store)),
        bus_(std::move(bus)),
        upkeep_(std::move(upkeep)),
        last_saved_(clock.Now()) {
    policies_->SetNeededCas([this] {
      ReloadCertificates(clock_.Now());
      absl::MutexLock lock(&reload_mutex_);
      return needed_by_agents_;
    });
  }

  ~RunningServer() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (ticking_.joinable()) ticking_.join();
    http_.reset();
    if (server_ != nullptr) {
      streams_.CloseAll(absl::UnavailableError("the scheduler stops"));
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
      server_->Wait();
    }
    // When all sessions are released, and before the bus goes.
    if (cluster_ != nullptr) cluster_->Stop();
    // Its threads read and follow, and call what is below.
    bus_.reset();
    // What waits there needs the store; what the store calls last finds them stopped.
    for (Executor* executor :
         {&blob_fetching_, &waiting_agents_, &enrolments_, &calls_, &background_})
      executor->Stop();
    // Before the store that they read.
    exports_->Stop();
  }

  absl::Status Listen(const std::string& address);
  // A port that is taken is no reason to leave the fleet without a scheduler.
  void ListenForMetrics(const Settings& settings);

  const std::string& address() const override { return address_; }
  std::string metrics_address() const override { return http_ == nullptr ? "" : http_->address(); }
  absl::Duration SinceLastTurn() const override {
    return SteadyNow() - absl::FromUnixNanos(last_turn_.load());
  }
  void Tick() override;

 private:
  void TickLoop();
  void Retire(const std::string& agent_id);
  // What only one of several schedulers does.
  void OnLeading(bool leads);
  // Takes up what `certificate` and `ca` have changed on the disk.
  void ReloadCertificates(absl::Time now);

  const Settings settings_;
  const Clock& clock_;
  const absl::Duration heartbeat_interval_;
  IssuingCa ca_;
  absl::Mutex reload_mutex_;
  std::string accepted_cas_ ABSL_GUARDED_BY(reload_mutex_);
  std::string certificate_stamp_ ABSL_GUARDED_BY(reload_mutex_);
  std::vector<std::string> needed_by_agents_ ABSL_GUARDED_BY(reload_mutex_);
  rpc::ServerTls tls_;
  const std::unique_ptr<Agents> agents_;
  const std::unique_ptr<Policies> policies_;
  Watchers watchers_;
  OpenStreams streams_;
  const std::unique_ptr<BlobFiles> blobs_;
  BlobParts blob_parts_;
  BlobTurns blob_turns_{kBlobTurns};
  CertificateRegistry certificates_;
  EnrolmentDesk desk_;
  Dispatcher dispatcher_;
  Proposals proposals_;
  ActionProgress progress_;
  Revocations revocations_;
  NoPeers no_peers_;
  NoBlobSource no_blob_source_;
  // Null for a single scheduler.
  const std::unique_ptr<Cluster> cluster_;
  RecordKeeper keeper_;
  RecordBudget budget_;
  const GatewayParts gateway_parts_;
  const std::unique_ptr<Exports> exports_;
  StatusReport status_;
  const ApiParts api_parts_;
  // Separate threads, so that a fleet that reconnects doesn't hold up consoles. They end
  // before the store that their tasks wait for, and go after it: its last callbacks ask
  // them still.
  Executor background_{kBackgroundThreads, kMaxWaitingAgents};
  // Apart, because what waits for room in memory must not wait for the store.
  Executor waiting_agents_{/*threads=*/1, /*max_waiting=*/1};
  // Apart, because those who call it have not shown who they are.
  Executor enrolments_{/*threads=*/1, kMaxWaitingEnrolments};
  Executor calls_{kCallThreads, kMaxWaitingCalls};
  // Apart, because other schedulers may take their time.
  Executor blob_fetching_{kBlobThreads, kMaxWaitingBlobs};
  // Below what its callbacks use, so that it has called the last one before
  // that goes.
  const std::unique_ptr<Store> store_;
  std::unique_ptr<Bus> bus_;
  const std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<grpc::Service> gateway_;
  std::unique_ptr<grpc::Service> api_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<HttpServer> http_;
  std::string address_;
  absl::Time last_saved_;
  std::atomic<int64_t> upkeep_woken_ = 0;  // seconds since 1970
  std::atomic<int64_t> last_turn_ = absl::ToUnixNanos(SteadyNow());

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread ticking_;
};

absl::Status RunningServer::Listen(const std::string& address) {
  dispatcher_.WhenRetired([this](const std::string& agent_id) { Retire(agent_id); });
  bus_->SetWriter(keeper_);
  if (cluster_ != nullptr) dispatcher_.SetPeers(*cluster_);
  DRAGNET_RETURN_IF_ERROR(dispatcher_.Start());
  // gRPC only says that it failed; this says why.
  DRAGNET_RETURN_IF_ERROR(CheckFree(address));
  const bool issues = cluster_ == nullptr || ca_.Get() != nullptr;
  const EnrolmentCalls& desk =
      issues ? static_cast<const EnrolmentCalls&>(desk_) : cluster_->remote_desk();
  gateway_ = NewGatewayService(gateway_parts_, desk, enrolments_);
  api_ = NewInvestigatorService(api_parts_);
  const std::shared_ptr<grpc::ServerCredentials> credentials = rpc::NewServerCredentials(tls_);
  credentials->SetAuthMetadataProcessor(NewCallGuard(certificates_, *policies_));
  grpc::ServerBuilder builder;
  rpc::TuneServer(kMaxReceiveBytes, kMaxTransportMemory, &builder);
  int port = 0;
  builder.AddListeningPort(address, credentials, &port);
  builder.RegisterService(gateway_.get());
  builder.RegisterService(api_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0)
    return absl::UnavailableError(StrCat("listen on ", address, ": failed"));
  address_ = StrCat(address.substr(0, address.rfind(':')), ":", port);
  if (cluster_ == nullptr) {
    OnLeading(true);
  } else {
    DRAGNET_RETURN_IF_ERROR(
        cluster_->Start(dispatcher_, keeper_, [this](bool leads) { OnLeading(leads); }));
  }
  ticking_ = std::thread([this] { TickLoop(); });
  return absl::OkStatus();
}

void RunningServer::OnLeading(bool leads) {
  upkeep_->SetActive(leads);
  if (leads) {
    exports_->Start({*store_, upkeep_->retention(), *agents_}, watchers_);
  } else {
    exports_->Stop();
  }
}

// It has destroyed its identity, or does so when it reads the acknowledgement that is on
// its way.
void RunningServer::Retire(const std::string& agent_id) {
  const absl::StatusOr<Revocations::Revoked> revoked =
      revocations_.RevokeAgent(agent_id, Closing::kWhenSent);
  if (!revoked.ok()) {
    spdlog::error("agent {}: retired, but not revoked: {}: dragnet agents revoke {}", agent_id,
                  ForTerminal(ToStd(revoked.status().message())), agent_id);
  } else if (revoked->certificates > 0) {
    spdlog::warn("agent {}: retired, and revoked: {} certificates, {} streams", agent_id,
                 revoked->certificates, revoked->streams);
  }
}

void RunningServer::ListenForMetrics(const Settings& settings) {
  if (settings.metrics_listen.empty()) return;
  absl::StatusOr<std::unique_ptr<HttpServer>> http =
      HttpServer::Start(settings.metrics_listen, settings.metrics_allow_remote,
                        [this](const std::string& path) { return status_.Answer(path); });
  if (http.ok()) {
    http_ = *std::move(http);
    return;
  }
  const std::string what = StrCat("metrics_listen: ", http.status().message());
  spdlog::error("{}", what);
  status_.NoteMetricsError(what);
}

void RunningServer::ReloadCertificates(absl::Time now) {
  absl::MutexLock reloading(&reload_mutex_);
  // Before they are read: what changes meanwhile is seen the next time.
  const std::string stamp = StampOfCertificates(settings_);
  if (stamp == certificate_stamp_) return;
  certificate_stamp_ = stamp;
  const absl::StatusOr<FleetCertificates> loaded = LoadFleetCertificates(settings_, now);
  status_.NoteCertificateError(std::string(loaded.status().message()));
  if (!loaded.ok()) {
    spdlog::error("certificates have changed, the former ones stay in use: {}",
                  ToStd(loaded.status().message()));
    return;
  }
  ca_.Replace(loaded->issuing);
  needed_by_agents_ = loaded->needed_by_agents;
  status_.NoteCertificates(loaded->ca_not_after, loaded->server_not_after);
  tls_.Replace(loaded->accepted_pem, {loaded->server_chain, loaded->server_key});
  spdlog::info("certificates taken up: the server's is good until {}, the CA's until {}",
               absl::FormatTime("%Y-%m-%d", loaded->server_not_after, absl::UTCTimeZone()),
               absl::FormatTime("%Y-%m-%d", loaded->ca_not_after, absl::UTCTimeZone()));
  // Who is connected by a CA that isn't accepted any more shows that it has another.
  const bool fewer = loaded->accepted_pem.size() < accepted_cas_.size();
  accepted_cas_ = loaded->accepted_pem;
  if (fewer) streams_.CloseAll(absl::UnavailableError("the fleet's CA has changed: connect anew"));
}

void RunningServer::Tick() {
  const absl::Time now = clock_.Now();
  ReloadCertificates(now);
  ca_.Tick();
  streams_.Sweep(now);
  if (cluster_ != nullptr) budget_.SetOpen(!cluster_->bus_is_full());
  // Whoever was waiting goes on there: not while the clock's thread waits. One
  // that has not come round yet does it all.
  (void)waiting_agents_.Run([this] {
    budget_.Tick();
    blob_turns_.Tick();
  });
  const absl::Duration silence = kMissedHeartbeats * heartbeat_interval_ + absl::Seconds(10);
  for (const std::shared_ptr<AgentSession>& session : agents_->SilentSince(now - silence))
    session->Close(absl::DeadlineExceededError("no heartbeat for too long"));
  // What waited for them while two hosts shared their identity.
  for (const std::string& id : agents_->EndDuplicates(now)) dispatcher_.OnFactsChanged(id);
  dispatcher_.CloseExpired();
  const int64_t seconds = absl::ToUnixSeconds(now);
  if (std::abs(seconds - upkeep_woken_) > kUpkeepSeconds) {
    upkeep_woken_ = seconds;
    upkeep_->Wake();
  }
  // What the passing of time alone changes for them.
  watchers_.NotifyAll();
}

void RunningServer::TickLoop() {
  absl::Duration since_tick;
  int ticks = 0;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kPace)) return;
    }
    last_turn_ = absl::ToUnixNanos(SteadyNow());
    dispatcher_.Pace();
    watchers_.news().OnAgents(agents_->changes());
    since_tick += kPace;
    if (since_tick < kTick) continue;
    since_tick = absl::ZeroDuration();
    Tick();
    if (++ticks % kTicksBetweenReleases == 0) ReleaseFreeMemory();
    const absl::Time now = clock_.Now();
    if (now - last_saved_ < kSaveLastSeen) continue;
    last_saved_ = now;
    agents_->SaveLastSeen(now);
    blobs_->RemoveUnused(now);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Settings& settings, const Clock& clock,
                                                      ServerParts parts) {
  const absl::Time now = clock.Now();
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRoots(settings));
  std::string stamp = StampOfCertificates(settings);
  DRAGNET_ASSIGN_OR_RETURN(const FleetCertificates certificates,
                           LoadFleetCertificates(settings, now));
  const std::string files = parts.files.empty() ? LocalFiles(settings) : parts.files;
  DRAGNET_ASSIGN_OR_RETURN(OpenedStore opened, OpenStoreOf(settings, clock, files, parts));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Bus> bus, ConnectBus(settings, parts));
  Store& store = *opened.store;
  std::optional<Cluster::Position> position;
  if (settings.clustered()) {
    DRAGNET_ASSIGN_OR_RETURN(position, Cluster::Begin(store, *bus));
  }
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Policies> policies,
                           Policies::Load(store, settings.fleet_id, roots));
  if (policies->current()->expired(now))
    spdlog::warn(
        "trust policy {} has expired: agents refuse every action until a newer one is "
        "published",
        policies->current()->version());
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Agents> agents, Agents::Load(store, now));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<BlobFiles> blobs,
                           BlobFiles::Open(StrCat(files, ".blobs")));
  DRAGNET_ASSIGN_OR_RETURN(const StatusFacts fixed, FixedFacts(settings, certificates.ca_pem,
                                                               certificates.server_chain, now));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Exports> exports,
                           Exports::Load(settings.exports, files));
  auto server = std::make_unique<RunningServer>(
      settings, clock, certificates, std::move(stamp), std::move(opened.store), std::move(bus),
      std::move(agents), std::move(policies), std::move(blobs), std::move(opened.upkeep),
      std::move(exports), fixed, position, parts.times);
  DRAGNET_RETURN_IF_ERROR(server->Listen(settings.listen));
  server->ListenForMetrics(settings);
  return server;
}

}  // namespace dragnet::scheduler
