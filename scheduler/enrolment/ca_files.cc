#include "scheduler/enrolment/ca_files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "absl/strings/str_join.h"
#include "core/ca_bundle.h"
#include "core/certificate.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/trust_policy.h"

namespace dragnet::scheduler {
namespace {

std::string NextKey(const Settings& settings) { return settings.ca_key + ".next"; }
std::string PreviousKey(const Settings& settings) { return settings.ca_key + ".previous"; }
std::string NextServerKey(const Settings& settings) { return settings.server_key + ".next"; }

bool Exists(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0;
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus(StrCat("rename ", from, " to ", to), errno);
}

std::string Day(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

// The CA of `ca_certificate` that this key belongs to.
absl::StatusOr<CertificateAuthority> LoadCaWith(const Settings& settings,
                                                const std::string& key_path, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(settings.ca_certificate));
  const auto certificates = SplitCertificates(text);
  DRAGNET_RETURN_IF_ERROR(Annotate(certificates.status(), settings.ca_certificate));
  DRAGNET_ASSIGN_OR_RETURN(const std::string pem, ReadSecretFile(key_path));
  const absl::StatusOr<PrivateKey> key = PrivateKey::FromPem(pem);
  DRAGNET_RETURN_IF_ERROR(Annotate(key.status(), key_path));
  for (const std::string& certificate : *certificates) {
    DRAGNET_ASSIGN_OR_RETURN(const CertificateInfo info, ParseCertificate(certificate));
    if (info.spki != key->public_key().spki()) continue;
    absl::StatusOr<CertificateAuthority> ca = CertificateAuthority::Load(certificate, pem, now);
    DRAGNET_RETURN_IF_ERROR(
        Annotate(ca.status(), StrCat(settings.ca_certificate, " with ", key_path)));
    return ca;
  }
  return absl::InvalidArgumentError(
      StrCat(settings.ca_certificate, ": has no certificate that ", key_path, " belongs to"));
}

struct ServerFiles {
  std::string chain;
  std::string key;
  CertificateInfo info;
};

absl::StatusOr<ServerFiles> LoadServer(const Settings& settings) {
  ServerFiles files;
  DRAGNET_ASSIGN_OR_RETURN(files.chain, ReadFile(settings.server_certificate));
  absl::StatusOr<CertificateInfo> info = ParseCertificate(files.chain);
  DRAGNET_RETURN_IF_ERROR(Annotate(info.status(), settings.server_certificate));
  files.info = *std::move(info);
  // A renewal that was cut off has its key there still.
  for (const std::string& path : {settings.server_key, NextServerKey(settings)}) {
    if (path != settings.server_key && !Exists(path)) continue;
    DRAGNET_ASSIGN_OR_RETURN(files.key, ReadSecretFile(path));
    const absl::StatusOr<PrivateKey> key = PrivateKey::FromPem(files.key);
    DRAGNET_RETURN_IF_ERROR(Annotate(key.status(), path));
    if (key->public_key().spki() == files.info.spki) return files;
  }
  return absl::InvalidArgumentError(
      StrCat(settings.server_certificate, ": does not belong to ", settings.server_key));
}

// From `ca activate` to `ca retire`.
bool IsHandingOver(const Settings& settings) {
  return Exists(PreviousKey(settings)) && !Exists(NextKey(settings));
}

absl::Status WriteServer(const Settings& settings, const CertificateAuthority& ca,
                         const ServerNames& names, absl::Duration lifetime, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_ASSIGN_OR_RETURN(
      const IssuedCertificate issued,
      ca.IssueServer(key.public_key(), settings.fleet_id, names, now, lifetime));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(NextServerKey(settings), key.ToPem(), 0600));
  // From here on the new one counts: LoadServer finds its key in both places.
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(settings.server_certificate, issued.chain_pem, 0644));
  return Rename(NextServerKey(settings), settings.server_key);
}

absl::StatusOr<ServerNames> NamesFor(const Settings& settings,
                                     const std::vector<std::string>& hosts) {
  if (hosts.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string chain, ReadFile(settings.server_certificate));
    absl::StatusOr<ServerNames> names = ServerNamesOf(chain);
    DRAGNET_RETURN_IF_ERROR(Annotate(names.status(), settings.server_certificate));
    return names;
  }
  ServerNames names = {.dns = {"localhost"}, .ip = {"127.0.0.1"}};
  for (const std::string& host : hosts) {
    std::vector<std::string>& list = IsIpAddress(host) ? names.ip : names.dns;
    if (std::find(list.begin(), list.end(), host) == list.end()) list.push_back(host);
  }
  return names;
}

bool Names(const v1::TrustPolicy& policy, const std::string& der) {
  const auto& certificates = policy.ca_certificates();
  return std::find(certificates.begin(), certificates.end(), der) != certificates.end();
}

absl::StatusOr<std::vector<TrustPolicy>> AllPolicies(const Settings& settings, Store& store) {
  std::vector<TrustPolicy> policies;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredTrustPolicy> stored, store.TrustPolicies());
  for (const StoredTrustPolicy& one : stored) {
    DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy,
                             TrustPolicy::FromOwnStorage(one.envelope, settings.fleet_id));
    policies.push_back(std::move(policy));
  }
  if (policies.empty()) return absl::FailedPreconditionError("the store holds no trust policy");
  return policies;
}

}  // namespace

absl::StatusOr<CertificateAuthority> LoadIssuingCa(const Settings& settings, absl::Time now) {
  return LoadCaWith(settings, settings.ca_key, now);
}

absl::StatusOr<FleetCertificates> LoadFleetCertificates(const Settings& settings, absl::Time now) {
  FleetCertificates loaded;
  DRAGNET_ASSIGN_OR_RETURN(const std::string bundle, ReadFile(settings.ca_certificate));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> accepted, SplitCertificates(bundle));
  if (settings.ca_key.empty()) {
    if (accepted.empty())
      return absl::InvalidArgumentError(StrCat(settings.ca_certificate, ": has no certificate"));
    loaded.ca_pem = accepted.front();
  } else {
    DRAGNET_ASSIGN_OR_RETURN(CertificateAuthority ca, LoadIssuingCa(settings, now));
    loaded.ca_pem = ca.certificate_pem();
    loaded.needed_by_agents.push_back(ca.certificate_der());
    loaded.issuing = std::make_shared<const CertificateAuthority>(std::move(ca));
  }
  DRAGNET_ASSIGN_OR_RETURN(const CertificateInfo ca_info, ParseCertificate(loaded.ca_pem));
  loaded.ca_not_after = ca_info.not_after;
  DRAGNET_ASSIGN_OR_RETURN(ServerFiles server, LoadServer(settings));
  if (server.info.not_after < now)
    return absl::FailedPreconditionError(StrCat(settings.server_certificate, ": expired on ",
                                                Day(server.info.not_after),
                                                ": dragnet-scheduler certificate renew"));
  loaded.server_not_after = server.info.not_after;
  const std::string server_issuer = IssuerKeyId(server.chain);
  for (const std::string& one : accepted) {
    if (server_issuer.empty() || SubjectKeyId(one) != server_issuer) continue;
    DRAGNET_ASSIGN_OR_RETURN(std::string der, CertificateToDer(one));
    if (loaded.needed_by_agents.empty() || der != loaded.needed_by_agents.front())
      loaded.needed_by_agents.push_back(std::move(der));
  }
  loaded.accepted_pem = absl::StrJoin(accepted, "");
  loaded.server_chain = std::move(server.chain);
  loaded.server_key = std::move(server.key);
  return loaded;
}

std::string StampOfCertificates(const Settings& settings) {
  std::string stamp;
  for (const std::string& path : {settings.ca_certificate, settings.ca_key,
                                  settings.server_certificate, settings.server_key}) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) status = {};
    StrAppend(&stamp, status.st_ino, ".", status.st_size, ".", status.st_mtim.tv_sec, ".",
              status.st_mtim.tv_nsec, " ");
  }
  return stamp;
}

absl::StatusOr<RenewedServer> RenewServer(const Settings& settings,
                                          const std::vector<std::string>& hosts,
                                          absl::Duration lifetime, absl::Time now) {
  const std::string issuer = IsHandingOver(settings) ? PreviousKey(settings) : settings.ca_key;
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca, LoadCaWith(settings, issuer, now));
  DRAGNET_ASSIGN_OR_RETURN(const ServerNames names, NamesFor(settings, hosts));
  DRAGNET_RETURN_IF_ERROR(WriteServer(settings, ca, names, lifetime, now));
  DRAGNET_ASSIGN_OR_RETURN(const ServerFiles server, LoadServer(settings));
  RenewedServer renewed;
  renewed.not_after = server.info.not_after;
  renewed.names = names.dns;
  renewed.names.insert(renewed.names.end(), names.ip.begin(), names.ip.end());
  return renewed;
}

absl::StatusOr<ServerIdentity> IssueOtherServer(const Settings& settings,
                                                const std::vector<std::string>& hosts,
                                                absl::Duration lifetime, absl::Time now) {
  const std::string issuer = IsHandingOver(settings) ? PreviousKey(settings) : settings.ca_key;
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca, LoadCaWith(settings, issuer, now));
  DRAGNET_ASSIGN_OR_RETURN(const ServerNames names, NamesFor(settings, hosts));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_ASSIGN_OR_RETURN(
      IssuedCertificate issued,
      ca.IssueServer(key.public_key(), settings.fleet_id, names, now, lifetime));
  ServerIdentity identity = {.chain_pem = std::move(issued.chain_pem),
                             .key_pem = key.ToPem(),
                             .not_after = issued.info.not_after,
                             .names = names.dns};
  identity.names.insert(identity.names.end(), names.ip.begin(), names.ip.end());
  return identity;
}

absl::StatusOr<std::string> NewCa(const Settings& settings, absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(LoadCaWith(settings, settings.ca_key, now).status());
  // One that has a key and no certificate was cut off when it was made: it is made again.
  if (Exists(NextKey(settings)) && LoadCaWith(settings, NextKey(settings), now).ok())
    return absl::FailedPreconditionError(
        StrCat(NextKey(settings), ": there is a next CA already: dragnet-scheduler ca activate"));
  if (!Exists(NextKey(settings)) && Exists(PreviousKey(settings)))
    return absl::FailedPreconditionError(
        StrCat(PreviousKey(settings),
               ": the former CA isn't retired yet: first dragnet-scheduler ca retire"));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca,
                           CertificateAuthority::Create(settings.fleet_id, now));
  DRAGNET_ASSIGN_OR_RETURN(const std::string bundle, ReadFile(settings.ca_certificate));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(NextKey(settings), ca.KeyToPem(), 0600));
  DRAGNET_RETURN_IF_ERROR(
      WriteFileAtomically(settings.ca_certificate, StrCat(bundle, ca.certificate_pem()), 0644));
  return ca.certificate_pem();
}

absl::Status ActivateCa(const Settings& settings, Store& store, absl::Time now) {
  if (!Exists(NextKey(settings)))
    return absl::FailedPreconditionError(
        StrCat("there is no next CA (", NextKey(settings), "): first dragnet-scheduler ca new"));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority next,
                           LoadCaWith(settings, NextKey(settings), now));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<TrustPolicy> policies, AllPolicies(settings, store));
  if (!Names(policies.back().proto(), next.certificate_der()))
    return absl::FailedPreconditionError(
        StrCat("trust policy version ", policies.back().version(),
               " doesn't name the new CA, so agents would refuse what it issues: add it with "
               "dragnet trust ca, sign and publish that first"));
  // A file of its own and not a link: its time is that of the activation.
  DRAGNET_ASSIGN_OR_RETURN(const std::string key, ReadSecretFile(settings.ca_key));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(PreviousKey(settings), key, 0600));
  return Rename(NextKey(settings), settings.ca_key);
}

absl::StatusOr<LeftBehind> FindLeftBehind(const Settings& settings, Store& store, absl::Time now) {
  struct stat activated = {};
  if (!IsHandingOver(settings) || ::stat(PreviousKey(settings).c_str(), &activated) != 0)
    return absl::FailedPreconditionError(
        StrCat("no CA was activated (", PreviousKey(settings), "): nothing to retire"));
  // To the millisecond, as certificates are stored. What a running scheduler issued in the
  // moment before it took the activation up counts as of the new CA and isn't: the agent
  // is asked to renew when it connects, and nobody retires a CA that soon.
  const absl::Time since =
      absl::FromUnixMillis(absl::ToUnixMillis(absl::TimeFromTimespec(activated.st_mtim)));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca, LoadIssuingCa(settings, now));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<TrustPolicy> policies, AllPolicies(settings, store));
  std::set<uint64_t> good_policies;
  for (const TrustPolicy& policy : policies)
    if (Names(policy.proto(), ca.certificate_der())) good_policies.insert(policy.version());

  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredCertificate> newest,
                           store.NewestCertificates(now));
  // Who has none that is good has to enrol anew as it is.
  std::set<std::string> connectable;
  std::set<std::string> renewed;
  LeftBehind left;
  for (const StoredCertificate& certificate : newest) {
    const std::optional<SpiffeId> id = ParseSpiffeId(certificate.identity);
    if (!id.has_value()) continue;
    if (id->kind == "agent") connectable.insert(id->name);
    if (certificate.issued_at >= since) {
      if (id->kind == "agent") renewed.insert(id->name);
    } else if (id->kind == "investigator") {
      left.people.push_back(id->name);
    }
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredAgent> agents, store.Agents());
  for (const StoredAgent& agent : agents) {
    if (agent.revoked || !connectable.contains(agent.id)) continue;
    if (renewed.contains(agent.id) && good_policies.contains(agent.trust_policy_version)) continue;
    left.agents.push_back(
        StrCat(Shorten(ForTerminal(agent.facts.name()), 100), " (", agent.id, ")"));
  }
  return left;
}

absl::Status RetireCa(const Settings& settings, absl::Time now) {
  if (!IsHandingOver(settings))
    return absl::FailedPreconditionError(
        StrCat("no CA was activated (", PreviousKey(settings), "): nothing to retire"));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca, LoadIssuingCa(settings, now));
  DRAGNET_ASSIGN_OR_RETURN(const ServerNames names, NamesFor(settings, {}));
  DRAGNET_RETURN_IF_ERROR(WriteServer(settings, ca, names, kServerLifetime, now));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(settings.ca_certificate, ca.certificate_pem(), 0644));
  if (::unlink(PreviousKey(settings).c_str()) != 0)
    return ErrnoStatus(StrCat("remove ", PreviousKey(settings)), errno);
  return absl::OkStatus();
}

absl::StatusOr<std::string> DescribeCertificates(const Settings& settings, Store& store,
                                                 absl::Time now) {
  std::string text;
  const auto line = [&](std::string_view what, absl::Time until, std::string_view note) {
    const int64_t days = (until - now) / absl::Hours(24);
    StrAppend(&text, Day(until), "  ", until < now ? "EXPIRED" : StrCat("in ", days, " days"), "  ",
              what, note.empty() ? "" : ": ", note, "\n");
  };
  DRAGNET_ASSIGN_OR_RETURN(const ServerFiles server, LoadServer(settings));
  DRAGNET_ASSIGN_OR_RETURN(const ServerNames names, NamesFor(settings, {}));
  line(StrCat("server's certificate ", settings.server_certificate), server.info.not_after,
       absl::StrJoin(names.dns, ", ") + (names.ip.empty() ? "" : ", ") +
           absl::StrJoin(names.ip, ", "));
  DRAGNET_ASSIGN_OR_RETURN(const std::string bundle, ReadFile(settings.ca_certificate));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> cas, SplitCertificates(bundle));
  const auto spki_of = [](const std::string& path) -> std::string {
    const absl::StatusOr<PrivateKey> key = PrivateKey::Load(path);
    return key.ok() ? std::string(key->public_key().spki()) : "";
  };
  const std::string issuing = spki_of(settings.ca_key);
  const std::string next = spki_of(NextKey(settings));
  for (const std::string& ca : cas) {
    DRAGNET_ASSIGN_OR_RETURN(const CertificateInfo info, ParseCertificate(ca));
    line(StrCat("CA ", info.fingerprint.substr(0, 16)), info.not_after,
         settings.ca_key.empty() ? "its key is with another scheduler"
         : info.spki == issuing  ? "issues"
         : info.spki == next     ? "will issue after dragnet-scheduler ca activate"
                                 : "accepted until dragnet-scheduler ca retire");
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<TrustPolicy> policies, AllPolicies(settings, store));
  line(StrCat("trust policy version ", policies.back().version()), policies.back().expires(), "");
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredCertificate> newest,
                           store.NewestCertificates(absl::InfinitePast()));
  absl::Time first_agent = absl::InfiniteFuture();
  size_t agents = 0;
  for (const StoredCertificate& certificate : newest) {
    const std::optional<SpiffeId> id = ParseSpiffeId(certificate.identity);
    if (!id.has_value()) continue;
    if (id->kind == "investigator") line(StrCat("person ", id->name), certificate.not_after, "");
    if (id->kind != "agent" || certificate.not_after < now) continue;
    ++agents;
    first_agent = std::min(first_agent, certificate.not_after);
  }
  if (agents > 0)
    line(StrCat("the first of ", agents, " agents' certificates"), first_agent,
         "agents renew by themselves");
  return text;
}

}  // namespace dragnet::scheduler
