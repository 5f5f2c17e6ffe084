// The files of the fleet's CAs and of the server's certificate, and what changes them:
// renewal, and the three steps from one CA to the next (docs/operations.md).
//
//   ca_certificate          one certificate or more: clients of all of them are accepted
//   ca_key                  of the one that issues
//   <ca_key>.next           of the one that will: after `ca new`
//   <ca_key>.previous       of the one that did: from `ca activate` to `ca retire`. It
//                           issues the server's certificate so long, because every agent
//                           knows it, also those that are away
//   server_certificate, server_key, <server_key>.next (for moments)
//
// Each step is one rename at heart: a crash leaves the state before it or after it, and
// the command can be run again. A scheduler that runs takes each state up by itself.
// Thread-safe: no state; two commands at a time are not meant.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/settings.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

inline constexpr absl::Duration kServerLifetime = absl::Hours(2 * 365 * 24);

// What a scheduler runs with.
struct FleetCertificates {
  // Null without a ca_key: another scheduler of the cluster issues certificates.
  std::shared_ptr<const CertificateAuthority> issuing;
  // The one that issues; without it, the first of those that are accepted.
  std::string ca_pem;
  std::string accepted_pem;
  std::string server_chain;
  std::string server_key;
  absl::Time server_not_after;
  absl::Time ca_not_after;
  // DER: what a trust policy must name, so that agents go on knowing this scheduler and
  // the certificates that it issues.
  std::vector<std::string> needed_by_agents;
};

// InvalidArgument, FailedPrecondition (expired) or NotFound with the file's name.
absl::StatusOr<FleetCertificates> LoadFleetCertificates(const Settings& settings, absl::Time now);
absl::StatusOr<CertificateAuthority> LoadIssuingCa(const Settings& settings, absl::Time now);
// Changes whenever one of the files does.
std::string StampOfCertificates(const Settings& settings);

// A new key and certificate for the server, for the names of the one before, or for
// `hosts` (DNS names and addresses) besides localhost.
struct RenewedServer {
  absl::Time not_after;
  std::vector<std::string> names;
};
absl::StatusOr<RenewedServer> RenewServer(const Settings& settings,
                                          const std::vector<std::string>& hosts,
                                          absl::Duration lifetime, absl::Time now);

// The same for another scheduler of the cluster, whose host never has the CA's key: for
// `hosts` besides localhost. Nothing is written.
struct ServerIdentity {
  std::string chain_pem;
  std::string key_pem;
  absl::Time not_after;
  std::vector<std::string> names;
};
absl::StatusOr<ServerIdentity> IssueOtherServer(const Settings& settings,
                                                const std::vector<std::string>& hosts,
                                                absl::Duration lifetime, absl::Time now);

// Makes the next CA, which issues nothing yet; its certificate in PEM form.
// FailedPrecondition when there are two already.
absl::StatusOr<std::string> NewCa(const Settings& settings, absl::Time now);

// Lets it issue from now on. FailedPrecondition when there is none, or the newest trust
// policy doesn't name it.
absl::Status ActivateCa(const Settings& settings, Store& store, absl::Time now);

// Agents and people whose newest certificate that is still good is of the former CA, and
// agents that hold no trust policy with the new one: they are cut off by RetireCa.
struct LeftBehind {
  std::vector<std::string> agents;  // "web-1 (0190…)"
  std::vector<std::string> people;
};
absl::StatusOr<LeftBehind> FindLeftBehind(const Settings& settings, Store& store, absl::Time now);

// Forgets the former CA: the server shows a certificate of the new one, and clients of the
// former are refused. FailedPrecondition when none was activated.
absl::Status RetireCa(const Settings& settings, absl::Time now);

// For people: a line for each certificate and key, with its expiry.
absl::StatusOr<std::string> DescribeCertificates(const Settings& settings, Store& store,
                                                 absl::Time now);

}  // namespace dragnet::scheduler
