#include "tests/load/fleet_files.h"

#include <fcntl.h>
#include <openssl/pem.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "absl/strings/str_format.h"
#include "core/certificate.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/file_io.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "core/uuid.h"
#include "google/protobuf/io/zero_copy_stream_impl.h"
#include "google/protobuf/util/delimited_message_util.h"
#include "modules/manifest.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/enrolment/enrolment.h"
#include "scheduler/settings.h"
#include "scheduler/store/sqlite_store.h"
#include "tests/load/answer.h"

namespace dragnet::load {
namespace {

// Commits wait for the disk, and many at once wait together.
constexpr int kEnrollers = 32;

struct Distribution {
  const char* id;
  const char* version;
  const char* kernel;
  int share;
};
constexpr Distribution kDistributions[] = {
    {"debian", "12", "6.1.0-31-amd64", 35},        {"debian", "11", "5.10.0-33-amd64", 10},
    {"ubuntu", "22.04", "5.15.0-130-generic", 20}, {"ubuntu", "24.04", "6.8.0-52-generic", 10},
    {"rhel", "9.5", "5.14.0-503.el9.x86_64", 12},  {"rocky", "8.10", "4.18.0-553.el8_10.x86_64", 5},
    {"alpine", "3.20.3", "6.6.58-0-lts", 5},       {"amzn", "2023", "6.1.119-129.201.amzn2023", 3}};

// One of `values` by chance; the first ones are likelier.
template <size_t count>
const char* Pick(uint64_t chance, const char* const (&values)[count]) {
  const uint64_t a = chance % count;
  const uint64_t b = (chance >> 32) % count;
  return values[std::min(a, b)];
}

std::string DerOf(const PrivateKey& key) {
  std::string der(static_cast<size_t>(i2d_PrivateKey(key.evp(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_PrivateKey(key.evp(), &out);
  return der;
}

}  // namespace

absl::StatusOr<FleetFiles> LoadFleet(const std::string& directory) {
  FleetFiles fleet;
  fleet.directory = directory;
  // Not read strictly: what else an agent is told is none of a swarm's business.
  DRAGNET_ASSIGN_OR_RETURN(ConfigFile file, ConfigFile::Load(directory + "/agent/agent.toml"));
  fleet.fleet_id = file.RequiredString("fleet_id");
  const std::vector<std::string> schedulers = file.StringList("schedulers");
  if (schedulers.empty())
    return absl::InvalidArgumentError(StrCat(directory, "/agent/agent.toml: no schedulers"));
  fleet.scheduler = schedulers.front();
  DRAGNET_ASSIGN_OR_RETURN(fleet.ca_pem, ReadFile(file.RequiredPath("ca_file")));
  std::vector<PublicKey> keys;
  for (const std::string& path : file.PathList("root_keys")) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    DRAGNET_ASSIGN_OR_RETURN(PublicKey key, PublicKey::FromText(text));
    keys.push_back(std::move(key));
  }
  const auto threshold = static_cast<uint32_t>(file.Integer("root_threshold", 1, 1, 32));
  DRAGNET_ASSIGN_OR_RETURN(fleet.roots, RootSet::Create(std::move(keys), threshold));
  return fleet;
}

absl::StatusOr<std::map<uint32_t, Identity>> LoadIdentities(const std::string& path) {
  std::map<uint32_t, Identity> identities;
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return identities;
    return ErrnoStatus(StrCat("open ", path), errno);
  }
  google::protobuf::io::FileInputStream stream(file.get());
  while (true) {
    Identity identity;
    bool clean_end = false;
    if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&identity, &stream, &clean_end)) {
      // A swarm that was killed may have left half of one: whoever enrols next
      // would write behind it.
      if (clean_end) return identities;
      return absl::DataLossError(StrCat(path, ": its last identity is cut short: remove it"));
    }
    const uint32_t index = identity.index();
    identities[index] = std::move(identity);
  }
}

absl::Status SaveIdentities(const std::string& path, const std::vector<Identity>& identities) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    for (const Identity& identity : identities)
      google::protobuf::util::SerializeDelimitedToZeroCopyStream(identity, &stream);
  }
  return Annotate(WriteAll(file.get(), bytes), path);
}

absl::StatusOr<NewIdentity> DrawIdentity(uint32_t index) {
  NewIdentity made;
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  made.identity.set_index(index);
  made.identity.set_agent_id(NewUuidV4());
  made.identity.set_private_key(DerOf(key));
  DRAGNET_ASSIGN_OR_RETURN(made.signing_request, CreateSigningRequest(key));
  return made;
}

absl::StatusOr<std::string> CertificateDer(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return OpensslError("the agent's certificate");
  std::string der(static_cast<size_t>(i2d_X509(certificate.get(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate.get(), &out);
  return der;
}

v1::Facts FactsOf(uint64_t seed, uint32_t index, const std::string& fleet_id,
                  const std::string& agent_id) {
  const auto chance = [&](std::string_view what) { return Chance(seed, what, index); };
  static constexpr const char* kRoles[] = {"web", "worker", "db", "cache", "build", "mail"};
  static constexpr const char* kEnvironments[] = {"prod", "stage", "dev"};
  static constexpr const char* kSites[] = {"fra1", "ams2", "iad3", "sin1"};
  static constexpr const char* kVersions[] = {"0.1.0", "0.0.9", "0.0.8"};
  static constexpr const char* kProducts[] = {"KVM", "Standard PC", "PowerEdge R650", "VMware7,1"};

  v1::Facts facts;
  facts.set_id(agent_id);
  facts.set_fleet_id(fleet_id);
  const char* role = Pick(chance("role"), kRoles);
  facts.set_name(absl::StrFormat("%s-%05d.swarm.example", role, index));
  facts.set_os("linux");
  int64_t point = static_cast<int64_t>(chance("distribution") % 100);
  for (const Distribution& distribution : kDistributions) {
    facts.set_distribution(distribution.id);
    facts.set_distribution_version(distribution.version);
    facts.set_kernel(distribution.kernel);
    if ((point -= distribution.share) < 0) break;
  }
  facts.set_arch(chance("arch") % 10 == 0 ? "aarch64" : "x86_64");
  facts.set_version(Pick(chance("version"), kVersions));
  auto& tags = *facts.mutable_tags();
  tags["swarm"] = "1";
  tags["role"] = role;
  tags["env"] = Pick(chance("env"), kEnvironments);
  tags["site"] = Pick(chance("site"), kSites);
  tags["number"] = StrCat(index);
  auto& environment = *facts.mutable_environment();
  environment["init"] = facts.distribution() == "alpine" ? "openrc" : "systemd";
  environment["machine_id"] = absl::StrFormat("%016x%016x", chance("machine"), chance("machine2"));
  environment["product"] = Pick(chance("product"), kProducts);
  facts.add_addresses(StrCat("10.", index / 65536 % 256, ".", index / 256 % 256, ".", index % 256));
  facts.add_addresses(absl::StrFormat("fd00::%x:%x", index / 65536, index % 65536));
  facts.mutable_boot_time()->set_seconds(
      static_cast<int64_t>(1'760'000'000 + chance("boot") % 10'000'000));
  for (const ModuleManifest* manifest : AllManifests())
    facts.add_modules(std::string(manifest->name));
  return facts;
}

absl::Status PrepareIdentities(const FleetFiles& fleet, const std::string& identities_path,
                               uint64_t seed, uint32_t from, uint32_t count) {
  DRAGNET_ASSIGN_OR_RETURN(const auto known, LoadIdentities(identities_path));
  std::vector<uint32_t> missing;
  for (uint32_t index = from; index < from + count; ++index)
    if (!known.contains(index)) missing.push_back(index);
  if (missing.empty()) return absl::OkStatus();

  DRAGNET_ASSIGN_OR_RETURN(const scheduler::Settings settings,
                           scheduler::LoadSettings(fleet.directory + "/scheduler.toml"));
  DRAGNET_ASSIGN_OR_RETURN(const std::string ca_pem, ReadFile(settings.ca_certificate));
  DRAGNET_ASSIGN_OR_RETURN(const std::string ca_key, ReadSecretFile(settings.ca_key));
  const absl::Time now = absl::Now();
  DRAGNET_ASSIGN_OR_RETURN(scheduler::CertificateAuthority authority,
                           scheduler::CertificateAuthority::Load(ca_pem, ca_key, now));
  const scheduler::IssuingCa ca(
      std::make_shared<const scheduler::CertificateAuthority>(std::move(authority)));
  // As the scheduler itself: it has the store for itself, or gets it not.
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<scheduler::SqliteStore> store,
                           scheduler::SqliteStore::Open(settings.store, scheduler::StoreUse::kRun));
  DRAGNET_ASSIGN_OR_RETURN(
      const scheduler::NewToken token,
      scheduler::CreateToken(*store, now, {.uses = static_cast<uint32_t>(missing.size())},
                             "load test"));
  const scheduler::EnrolmentDesk desk(ca, *store, Clock::System(), fleet.fleet_id,
                                      settings.agent_certificate_lifetime);

  std::atomic<size_t> next = 0;
  std::mutex mutex;
  absl::Status failure;
  std::vector<Identity> made;
  const auto enrol_one = [&](uint32_t index) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(NewIdentity drawn, DrawIdentity(index));
    const std::string id = drawn.identity.agent_id();
    DRAGNET_ASSIGN_OR_RETURN(const scheduler::Enrolled issued,
                             desk.Enrol(token.token, id, drawn.signing_request,
                                        FactsOf(seed, index, fleet.fleet_id, id), /*peer=*/""));
    DRAGNET_ASSIGN_OR_RETURN(*drawn.identity.mutable_certificate(),
                             CertificateDer(issued.chain_pem));
    const std::lock_guard lock(mutex);
    made.push_back(std::move(drawn.identity));
    return absl::OkStatus();
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kEnrollers; ++i)
      threads.emplace_back([&] {
        for (size_t at = next++; at < missing.size(); at = next++) {
          const absl::Status status = enrol_one(missing[at]);
          if (status.ok()) continue;
          const std::lock_guard lock(mutex);
          failure = status;
          next = missing.size();
        }
      });
  }
  DRAGNET_RETURN_IF_ERROR(SaveIdentities(identities_path, made));
  return failure;
}

}  // namespace dragnet::load
