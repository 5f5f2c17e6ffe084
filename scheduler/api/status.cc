#include "scheduler/api/status.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/action.h"
#include "core/certificate.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet::scheduler {
namespace {

// Somebody needs time to sign or issue something new.
constexpr absl::Duration kExpiresSoon = absl::Hours(14 * 24);
// How old what /metrics says may be.
constexpr absl::Duration kPageHolds = absl::Seconds(1);
constexpr uint64_t kLowDiskBytes = uint64_t{1} << 30;
constexpr uint64_t kLowDiskPercent = 10;
// Of what may wait to be committed (docs/flow-control.md).
constexpr uint64_t kHighPendingBytes = uint64_t{48} << 20;
// Consoles, files, and what comes and goes.
constexpr uint64_t kSpareDescriptors = 64;
constexpr uint64_t kHighDescriptorsPercent = 80;
constexpr size_t kMaxName = 100;
constexpr absl::Duration kPatience = absl::Seconds(3);

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

std::string Megabytes(uint64_t bytes) {
  return bytes < (uint64_t{10} << 30) ? StrCat(bytes >> 20, " MiB") : StrCat(bytes >> 30, " GiB");
}

// " (web-1, web-2, …)", of `count`.
std::string Names(const std::vector<std::string>& names, uint64_t count) {
  if (names.empty()) return "";
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(Shorten(ForTerminal(name), kMaxName));
  return StrCat(" (", absl::StrJoin(shown, ", "), count > names.size() ? ", …)" : ")");
}

class Problems {
 public:
  explicit Problems(const StatusFacts& facts) : facts_(facts) {}

  std::vector<std::string> Find() {
    Broken();
    Expiry("the trust policy", facts_.trust_policy_expires,
           "agents refuse every action then: sign a newer one (dragnet trust)");
    Expiry(StrCat("the server's certificate ", facts_.server_certificate),
           facts_.server_certificate_expires,
           "no one can connect then: dragnet-scheduler certificate renew");
    Expiry(StrCat("the CA's certificate ", facts_.ca_certificate), facts_.ca_certificate_expires,
           "no one can connect then: dragnet-scheduler ca new, and what follows it in "
           "docs/operations.md");
    Room();
    Descriptors();
    AgentsAndActions();
    for (std::string& problem : ExportProblems(facts_.exports, facts_.now))
      problems_.push_back(std::move(problem));
    return std::move(problems_);
  }

 private:
  template <typename... Parts>
  void Say(const Parts&... parts) {
    problems_.push_back(StrCat(parts...));
  }

  void Broken() {
    if (!facts_.cluster.ok()) Say("this scheduler: ", facts_.cluster.message());
    if (!facts_.writable.ok()) Say("results can't be stored: ", facts_.writable.message());
    if (!facts_.damage.ok()) Say("the store is damaged: ", facts_.damage.message());
    if (!facts_.metrics_error.empty())
      Say("no metrics and no health endpoint: ", facts_.metrics_error);
    if (!facts_.certificate_error.empty())
      Say("the certificate files have changed and can't be used, the former ones stay in use "
          "until the scheduler is restarted: ",
          facts_.certificate_error);
  }

  void Expiry(const std::string& what, absl::Time expires, std::string_view then) {
    if (expires - facts_.now > kExpiresSoon) return;
    if (expires <= facts_.now) {
      Say(what, " expired on ", Day(expires), ": ", then);
    } else {
      Say(what, " expires on ", Day(expires), ": ", then);
    }
  }

  void Room() {
    const StoreSizes& store = facts_.store;
    if (store.disk_bytes > 0 && (store.disk_free_bytes < kLowDiskBytes ||
                                 store.disk_free_bytes < store.disk_bytes / 100 * kLowDiskPercent))
      Say("little room on the store's disk: ", Megabytes(store.disk_free_bytes), " of ",
          Megabytes(store.disk_bytes), " are free; when it is full, agents keep their results. ",
          facts_.retention.bytes == 0 ? "retention_bytes would bound the store"
                                      : "lower retention_bytes, or make room");
    if (facts_.pending_bytes > kHighPendingBytes)
      Say(Megabytes(facts_.pending_bytes),
          " of results wait for the disk: agents are slowed down; is it slow, or busy?");
    if (facts_.retention_over_its_bytes)
      Say("the store is larger than retention_bytes (", Megabytes(facts_.retention.bytes),
          "), and no action's results may be removed: all are active, kept, or ended less than 24 "
          "hours ago");
    if (facts_.retention_held)
      Say("the clock jumped: retention removes nothing for ",
          absl::FormatDuration(facts_.retention.clock_hold),
          "; if the clock is wrong, set it right before that");
  }

  // One for each agent; what else is open counts as needed.
  void Descriptors() {
    const ProcessStats& process = facts_.process;
    const Agents::Census& agents = facts_.agents;
    if (process.descriptor_limit == 0) return;
    const uint64_t others = process.open_descriptors -
                            std::min(process.open_descriptors, agents.online) + kSpareDescriptors;
    const uint64_t fit = process.descriptor_limit - std::min(process.descriptor_limit, others);
    const uint64_t known = agents.online + agents.idle + agents.offline + agents.duplicate;
    const bool near =
        process.open_descriptors > process.descriptor_limit / 100 * kHighDescriptorsPercent;
    if (known <= fit && !near) return;
    Say("open descriptors: ", process.open_descriptors, " of ", process.descriptor_limit,
        ", so about ", fit, " agents fit, and ", known,
        " are known: set LimitNOFILE of the service (or ulimit -n) to ",
        std::max(2 * known, 2 * process.descriptor_limit));
  }

  void AgentsAndActions() {
    const Agents::Census& agents = facts_.agents;
    if (agents.duplicate > 0)
      Say(agents.duplicate, " identities are used by two hosts at once",
          Names(agents.duplicates, agents.duplicate),
          ": cloned from one disk? Both get no action while that lasts: on the copy stop "
          "dragnet-agent, remove /var/lib/dragnet and start it with a new token (dragnet enroll "
          "token create); docs/enrolment.md");
    if (facts_.hosts_waiting > 0)
      Say(facts_.hosts_waiting, facts_.hosts_waiting == 1 ? " host waits" : " hosts wait",
          " to be let in: dragnet enroll requests");
    if (agents.wrong_clocks > 0)
      Say(agents.wrong_clocks, " agents have a clock that is off by more than a minute",
          Names(agents.wrong_clock_names, agents.wrong_clocks),
          ": they may take actions for expired, or not yet valid");
    for (const std::string& id : facts_.actions.stopped)
      Say("action ", id,
          " stopped by itself, because too many agents failed: dragnet actions show ", id);
    if (facts_.records_of_unknown_actions > 0)
      Say(facts_.records_of_unknown_actions,
          " records of actions that this store doesn't know were dropped since the start: they are "
          "named in dragnet refusals AGENT; was it restored from a backup? (docs/operations.md)");
  }

  const StatusFacts& facts_;
  std::vector<std::string> problems_;
};

std::string PhaseName(v1::DispatchPhase phase) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::DispatchPhase_Name(phase), "DISPATCH_PHASE_"));
}

double Seconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

double Number(uint64_t value) { return static_cast<double>(value); }

void WriteStoreLevels(const StoreSizes& store, MetricsText* text) {
  text->Gauge("dragnet_store_database_bytes", "Size of the database.",
              Number(store.database_bytes));
  text->Gauge("dragnet_store_unused_bytes", "Of the database: free for what comes next.",
              Number(store.unused_bytes));
  text->Gauge("dragnet_store_wal_bytes", "Size of the database's write-ahead log.",
              Number(store.log_bytes));
  text->Gauge("dragnet_store_blob_bytes", "Size of the blobs beside the database.",
              Number(store.blob_bytes));
  // PostgreSQL's disk is for its own exporters to tell of.
  if (store.disk_bytes == 0) return;
  text->Gauge("dragnet_store_disk_free_bytes", "Free on the store's disk.",
              Number(store.disk_free_bytes));
  text->Gauge("dragnet_store_disk_bytes", "Size of the store's disk.", Number(store.disk_bytes));
}

// With the names that every exporter of a process uses.
void WriteProcessLevels(const StatusFacts& facts, MetricsText* text) {
  text->Counter("process_cpu_seconds_total", "User and system CPU time.",
                facts.process.cpu_seconds);
  text->Gauge("process_resident_memory_bytes", "Resident memory.",
              Number(facts.process.resident_bytes));
  text->Gauge("process_open_fds", "Open descriptors.", Number(facts.process.open_descriptors));
  text->Gauge("process_max_fds", "Limit of open descriptors.",
              Number(facts.process.descriptor_limit));
  text->Gauge("process_start_time_seconds", "When it started, in seconds since 1970.",
              Seconds(facts.started_at));
}

}  // namespace

absl::StatusOr<StatusFacts> FixedFacts(const Settings& settings, const std::string& ca_pem,
                                       const std::string& server_pem, absl::Time now) {
  StatusFacts facts;
  facts.fleet_id = settings.fleet_id;
  facts.started_at = now;
  facts.ca_certificate = settings.ca_certificate;
  facts.server_certificate = settings.server_certificate;
  facts.retention = settings.retention;
  DRAGNET_ASSIGN_OR_RETURN(const CertificateInfo ca, ParseCertificate(ca_pem));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateInfo server, ParseCertificate(server_pem));
  facts.ca_certificate_expires = ca.not_after;
  facts.server_certificate_expires = server.not_after;
  return facts;
}

std::vector<std::string> FindProblems(const StatusFacts& facts) { return Problems(facts).Find(); }

void WriteLevels(const StatusFacts& facts, MetricsText* text) {
  text->BeginGauge("dragnet_build_info", "Always 1; the version is in the label.");
  text->Add(1, {{"version", kVersion}});
  text->BeginGauge("dragnet_agents", "Agents by state; connected are those that are online.");
  text->Add(Number(facts.agents.online), {{"state", "online"}});
  text->Add(Number(facts.agents.idle), {{"state", "idle"}});
  text->Add(Number(facts.agents.offline), {{"state", "offline"}});
  text->Add(Number(facts.agents.duplicate), {{"state", "duplicate"}});
  text->Add(Number(facts.agents.revoked), {{"state", "revoked"}});
  text->Gauge("dragnet_agents_with_wrong_clock", "Online agents whose clock is off by over 60 s.",
              Number(facts.agents.wrong_clocks));
  text->Gauge("dragnet_enrolment_requests", "Hosts that wait until an operator lets them in.",
              Number(facts.hosts_waiting));
  text->BeginGauge("dragnet_actions", "Actions that haven't ended, by phase.");
  for (const auto& [phase, count] : facts.actions.by_phase)
    text->Add(Number(count), {{"phase", PhaseName(phase)}});
  text->Gauge("dragnet_watchers", "Consoles that watch an action.", Number(facts.watchers));
  text->Gauge("dragnet_rows", "Rows that are stored.", Number(facts.rows_stored));
  text->Gauge("dragnet_store_pending_bytes", "Of records that wait to be committed.",
              Number(facts.pending_bytes));
  WriteStoreLevels(facts.store, text);
  text->Gauge("dragnet_store_damaged", "1 when the background check found damage.",
              facts.damage.ok() ? 0 : 1);
  text->Gauge("dragnet_trust_policy_version", "Version of the newest trust policy.",
              Number(facts.trust_policy_version));
  text->BeginGauge("dragnet_expires_timestamp_seconds", "When what the fleet needs expires.");
  text->Add(Seconds(facts.trust_policy_expires), {{"of", "trust_policy"}});
  text->Add(Seconds(facts.server_certificate_expires), {{"of", "server_certificate"}});
  text->Add(Seconds(facts.ca_certificate_expires), {{"of", "ca_certificate"}});
  WriteExports(facts.exports, facts.now, text);
  WriteProcessLevels(facts, text);
}

void StatusReport::NoteMetricsError(const std::string& error) {
  absl::MutexLock lock(&mutex_);
  fixed_.metrics_error = error;
}

void StatusReport::NoteCertificates(absl::Time ca_expires, absl::Time server_expires) {
  absl::MutexLock lock(&mutex_);
  fixed_.ca_certificate_expires = ca_expires;
  fixed_.server_certificate_expires = server_expires;
}

void StatusReport::NoteCertificateError(const std::string& error) {
  absl::MutexLock lock(&mutex_);
  fixed_.certificate_error = error;
}

absl::StatusOr<StatusFacts> StatusReport::Gather() {
  StatusFacts facts;
  {
    absl::MutexLock lock(&mutex_);
    facts = fixed_;
  }
  facts.now = parts_.clock.Now();
  facts.agents = parts_.agents.TakeCensus(facts.now);
  facts.actions = parts_.dispatcher.activity();
  facts.watchers = parts_.watchers.size();
  facts.pending_bytes = parts_.store.PendingBytes();
  const std::shared_ptr<const TrustPolicy> policy = parts_.policies.current();
  facts.trust_policy_version = policy->version();
  facts.trust_policy_expires = policy->expires();
  facts.process = ReadProcessStats();
  facts.exports = parts_.exports.States();
  facts.damage = parts_.upkeep.damage();
  if (parts_.cluster_state != nullptr) facts.cluster = parts_.cluster_state();
  facts.retention_held = parts_.upkeep.retention().held();
  facts.retention_over_its_bytes = parts_.upkeep.retention().over_its_bytes();
  facts.records_of_unknown_actions = TheMetrics().records_of_unknown_actions.value();
  DRAGNET_ASSIGN_OR_RETURN(facts.hosts_waiting, parts_.store.CountEnrolmentRequests(facts.now));
  DRAGNET_ASSIGN_OR_RETURN(facts.rows_stored, parts_.upkeep.RowsStored());
  DRAGNET_ASSIGN_OR_RETURN(facts.store, parts_.upkeep.Sizes());
  return facts;
}

absl::StatusOr<v1::GetStatusResponse> StatusReport::Describe() {
  DRAGNET_ASSIGN_OR_RETURN(StatusFacts facts, Gather());
  facts.writable = parts_.upkeep.CheckWritable(kPatience);
  v1::GetStatusResponse status;
  status.set_version(kVersion);
  status.set_fleet_id(facts.fleet_id);
  *status.mutable_started_at() = ToTimestamp(facts.started_at);
  *status.mutable_now() = ToTimestamp(facts.now);
  status.set_agents_online(facts.agents.online);
  status.set_agents_idle(facts.agents.idle);
  status.set_agents_offline(facts.agents.offline);
  status.set_agents_duplicate(facts.agents.duplicate);
  for (const auto& [phase, count] : facts.actions.by_phase)
    status.set_actions_active(status.actions_active() + count);
  status.set_rows_stored(facts.rows_stored);
  status.set_store_bytes(facts.store.database_bytes + facts.store.log_bytes +
                         facts.store.blob_bytes);
  status.set_disk_free_bytes(facts.store.disk_free_bytes);
  status.set_pending_bytes(facts.pending_bytes);
  status.set_resident_bytes(facts.process.resident_bytes);
  status.set_open_descriptors(facts.process.open_descriptors);
  status.set_descriptor_limit(facts.process.descriptor_limit);
  status.set_trust_policy_version(facts.trust_policy_version);
  *status.mutable_trust_policy_expires() = ToTimestamp(facts.trust_policy_expires);
  *status.mutable_server_certificate_expires() = ToTimestamp(facts.server_certificate_expires);
  *status.mutable_ca_certificate_expires() = ToTimestamp(facts.ca_certificate_expires);
  for (std::string& problem : FindProblems(facts)) status.add_problems(std::move(problem));
  return status;
}

HttpAnswer StatusReport::Answer(const std::string& path) {
  if (path == "/metrics") return MetricsPage();
  if (path == "/healthz") return {.body = "ok\n"};
  if (path == "/readyz") return Ready();
  return {.status = 404, .body = "there are /metrics, /healthz and /readyz\n"};
}

// To gather it all takes the locks that all else needs: however many ask, and
// however often, it is done once a second.
HttpAnswer StatusReport::MetricsPage() {
  absl::MutexLock lock(&page_mutex_);
  const absl::Time now = SteadyNow();
  if (now - page_made_ < kPageHolds) return page_;
  page_ = MakePage();
  page_made_ = SteadyNow();
  return page_;
}

HttpAnswer StatusReport::MakePage() {
  const absl::StatusOr<StatusFacts> facts = Gather();
  if (!facts.ok())
    return {.status = 503, .body = StrCat(ForTerminal(ToStd(facts.status().message())), "\n")};
  MetricsText text;
  WriteLevels(*facts, &text);
  WriteCounters(TheMetrics(), &text);
  return {.content_type = kMetricsContentType, .body = text.Take()};
}

HttpAnswer StatusReport::Ready() {
  absl::Status status = parts_.upkeep.damage();
  if (status.ok() && parts_.cluster_state != nullptr) status = parts_.cluster_state();
  if (status.ok()) status = parts_.upkeep.CheckWritable(kPatience);
  if (status.ok()) return {.body = "ok\n"};
  return {.status = 503, .body = StrCat(ForTerminal(ToStd(status.message())), "\n")};
}

}  // namespace dragnet::scheduler
