// The fleet's certificate authority: P-256, one level. What a certificate says
// is decided here and never by who asks for it; of a request only the public
// key is used. Immutable, so thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/certificate.h"
#include "core/keys.h"

typedef struct x509_st X509;

namespace dragnet::scheduler {

struct IssuedCertificate {
  // The certificate, then the CA's.
  std::string chain_pem;
  CertificateInfo info;
};

// For which names a TLS server's certificate is good.
struct ServerNames {
  std::vector<std::string> dns;
  std::vector<std::string> ip;
};

// Those of the first certificate of a PEM text.
absl::StatusOr<ServerNames> ServerNamesOf(std::string_view pem);

bool IsIpAddress(const std::string& text);

class CertificateAuthority {
 public:
  // A new key and its self-signed certificate, valid for ten years.
  static absl::StatusOr<CertificateAuthority> Create(std::string_view fleet_id, absl::Time now);
  // InvalidArgument when key and certificate don't belong together;
  // FailedPrecondition when it has expired.
  static absl::StatusOr<CertificateAuthority> Load(std::string_view certificate_pem,
                                                   std::string_view key_pem, absl::Time now);

  // Each is valid from five minutes before `now`, for clocks that are behind,
  // and never longer than the CA itself.
  absl::StatusOr<IssuedCertificate> IssueServer(const PublicKey& key, std::string_view fleet_id,
                                                const ServerNames& names, absl::Time now,
                                                absl::Duration lifetime) const;
  absl::StatusOr<IssuedCertificate> IssueAgent(const PublicKey& key, std::string_view fleet_id,
                                               std::string_view agent_id, absl::Time now,
                                               absl::Duration lifetime) const;
  absl::StatusOr<IssuedCertificate> IssueInvestigator(const PublicKey& key,
                                                      std::string_view fleet_id,
                                                      std::string_view name, absl::Time now,
                                                      absl::Duration lifetime) const;

  const std::string& certificate_pem() const { return certificate_pem_; }
  std::string certificate_der() const;
  std::string KeyToPem() const { return key_.ToPem(); }

 private:
  CertificateAuthority(PrivateKey key, std::shared_ptr<X509> certificate,
                       std::string certificate_pem, absl::Time not_after)
      : key_(std::move(key)),
        certificate_(std::move(certificate)),
        certificate_pem_(std::move(certificate_pem)),
        not_after_(not_after) {}

  absl::StatusOr<IssuedCertificate> Issue(const PublicKey& key, const SpiffeId& owner,
                                          std::string_view other_names,
                                          std::string_view extended_usage, absl::Time now,
                                          absl::Duration lifetime) const;

  PrivateKey key_;
  std::shared_ptr<X509> certificate_;
  std::string certificate_pem_;
  absl::Time not_after_;
};

}  // namespace dragnet::scheduler
