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
#include "core/certificate.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "scheduler/api/investigator_service.h"
#include "scheduler/api/status.h"
#include "scheduler/auth/peer.h"
#include "scheduler/export/exports.h"
#include "scheduler/gateway/gateway_service.h"
#include "scheduler/observe/http_server.h"
#include "scheduler/server/listen_address.h"
#include "scheduler/server/release_memory.h"
#include "scheduler/store/sqlite_store.h"
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

absl::StatusOr<CertificateAuthority> LoadCa(const Settings& settings, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string certificate, ReadFile(settings.ca_certificate));
  DRAGNET_ASSIGN_OR_RETURN(const std::string key, ReadSecretFile(settings.ca_key));
  absl::StatusOr<CertificateAuthority> ca = CertificateAuthority::Load(certificate, key, now);
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ca.status(), StrCat(settings.ca_certificate, " with ", settings.ca_key)));
  return ca;
}

absl::StatusOr<rpc::TlsIdentity> LoadTls(const Settings& settings, absl::Time now) {
  rpc::TlsIdentity tls;
  DRAGNET_ASSIGN_OR_RETURN(tls.certificate_chain, ReadFile(settings.server_certificate));
  DRAGNET_ASSIGN_OR_RETURN(tls.private_key, ReadSecretFile(settings.server_key));
  const absl::StatusOr<CertificateInfo> info = ParseCertificate(tls.certificate_chain);
  DRAGNET_RETURN_IF_ERROR(Annotate(info.status(), settings.server_certificate));
  const absl::StatusOr<PrivateKey> key = PrivateKey::FromPem(tls.private_key);
  DRAGNET_RETURN_IF_ERROR(Annotate(key.status(), settings.server_key));
  if (key->public_key().spki() != info->spki)
    return absl::InvalidArgumentError(
        StrCat(settings.server_certificate, ": does not belong to ", settings.server_key));
  if (info->not_after < now)
    return absl::FailedPreconditionError(StrCat(
        settings.server_certificate, ": expired on ",
        absl::FormatTime("%Y-%m-%d", info->not_after, absl::UTCTimeZone()), ": issue another one"));
  return tls;
}

// Members are taken down from the last to the first, the gRPC server before
// all, so that no call outlives what it uses.
class RunningServer : public Server {
 public:
  RunningServer(const Settings& settings, const Clock& clock, CertificateAuthority ca,
                std::unique_ptr<Store> store, std::unique_ptr<Agents> agents,
                std::unique_ptr<Policies> policies, std::unique_ptr<BlobFiles> blobs,
                std::unique_ptr<Upkeep> upkeep, std::unique_ptr<Exports> exports,
                const StatusFacts& fixed)
      : clock_(clock),
        heartbeat_interval_(settings.heartbeat_interval),
        ca_(std::move(ca)),
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
        budget_(settings.record_budget, settings.record_budget / kBudgetShares,
                kMaxWaitingMessages),
        gateway_parts_{*store,
                       *agents_,
                       dispatcher_,
                       certificates_,
                       streams_,
                       blob_parts_,
                       blob_turns_,
                       budget_,
                       clock,
                       settings.fleet_id,
                       settings.heartbeat_interval},
        exports_(std::move(exports)),
        status_({*store, *agents_, *policies_, dispatcher_, watchers_, *upkeep, clock, *exports_},
                fixed),
        api_parts_{*store,
                   *agents_,
                   *policies_,
                   dispatcher_,
                   watchers_,
                   certificates_,
                   streams_,
                   *blobs_,
                   calls_,
                   clock,
                   settings.fleet_id,
                   status_,
                   upkeep->retention(),
                   proposals_,
                   progress_},
        store_(std::move(store)),
        upkeep_(std::move(upkeep)),
        last_saved_(clock.Now()) {}

  ~RunningServer() override {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (ticking_.joinable()) ticking_.join();
    // Before the store that they read.
    exports_->Stop();
    http_.reset();
    if (server_ != nullptr) {
      streams_.CloseAll(absl::UnavailableError("the scheduler stops"));
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
      server_->Wait();
    }
  }

  absl::Status Listen(const std::string& address, const rpc::TlsIdentity& tls);
  // A port that is taken is no reason to leave the fleet without a scheduler.
  void ListenForMetrics(const Settings& settings);

  const std::string& address() const override { return address_; }
  std::string metrics_address() const override { return http_ == nullptr ? "" : http_->address(); }
  void Tick() override;

 private:
  void TickLoop();

  const Clock& clock_;
  const absl::Duration heartbeat_interval_;
  const CertificateAuthority ca_;
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
  RecordBudget budget_;
  const GatewayParts gateway_parts_;
  const std::unique_ptr<Exports> exports_;
  StatusReport status_;
  const ApiParts api_parts_;
  // Below what its callbacks use, so that it has called the last one before
  // that goes; and above the threads whose tasks wait for it.
  const std::unique_ptr<Store> store_;
  const std::unique_ptr<Upkeep> upkeep_;
  // Separate threads, so that a fleet that reconnects doesn't hold up consoles.
  Executor background_{kBackgroundThreads, kMaxWaitingAgents};
  // Apart, because what waits for room in memory must not wait for the store.
  Executor waiting_agents_{/*threads=*/1, /*max_waiting=*/1};
  // Apart, because those who call it have not shown who they are.
  Executor enrolments_{/*threads=*/1, kMaxWaitingEnrolments};
  Executor calls_{kCallThreads, kMaxWaitingCalls};
  std::unique_ptr<grpc::Service> gateway_;
  std::unique_ptr<grpc::Service> api_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<HttpServer> http_;
  std::string address_;
  absl::Time last_saved_;
  std::atomic<int64_t> upkeep_woken_ = 0;  // seconds since 1970

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread ticking_;
};

absl::Status RunningServer::Listen(const std::string& address, const rpc::TlsIdentity& tls) {
  DRAGNET_RETURN_IF_ERROR(dispatcher_.Start());
  // gRPC only says that it failed; this says why.
  DRAGNET_RETURN_IF_ERROR(CheckFree(address));
  gateway_ = NewGatewayService(gateway_parts_, desk_, enrolments_);
  api_ = NewInvestigatorService(api_parts_);
  const std::shared_ptr<grpc::ServerCredentials> credentials =
      rpc::NewServerCredentials(ca_.certificate_pem(), tls);
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
  exports_->Start({*store_, upkeep_->retention(), *agents_}, watchers_);
  ticking_ = std::thread([this] { TickLoop(); });
  return absl::OkStatus();
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

void RunningServer::Tick() {
  const absl::Time now = clock_.Now();
  streams_.Sweep(now);
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

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Settings& settings,
                                                      const Clock& clock) {
  const absl::Time now = clock.Now();
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRoots(settings));
  DRAGNET_ASSIGN_OR_RETURN(CertificateAuthority ca, LoadCa(settings, now));
  DRAGNET_ASSIGN_OR_RETURN(const rpc::TlsIdentity tls, LoadTls(settings, now));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteStore> store,
                           SqliteStore::Open(settings.store, StoreUse::kRun));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Upkeep> upkeep,
                           Upkeep::Start(*store, settings.store, clock, settings.retention));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Policies> policies,
                           Policies::Load(*store, settings.fleet_id, roots));
  if (policies->current()->expired(now))
    spdlog::warn(
        "trust policy {} has expired: agents refuse every action until a newer one is "
        "published",
        policies->current()->version());
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Agents> agents, Agents::Load(*store, now));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<BlobFiles> blobs,
                           BlobFiles::Open(StrCat(settings.store, ".blobs")));
  DRAGNET_ASSIGN_OR_RETURN(const StatusFacts fixed,
                           FixedFacts(settings, ca.certificate_pem(), tls.certificate_chain, now));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Exports> exports,
                           Exports::Load(settings.exports, settings.store));
  auto server = std::make_unique<RunningServer>(
      settings, clock, std::move(ca), std::move(store), std::move(agents), std::move(policies),
      std::move(blobs), std::move(upkeep), std::move(exports), fixed);
  DRAGNET_RETURN_IF_ERROR(server->Listen(settings.listen, tls));
  server->ListenForMetrics(settings);
  return server;
}

}  // namespace dragnet::scheduler
