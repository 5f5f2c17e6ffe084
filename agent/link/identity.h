// This host's TLS identity: one key, drawn here and never shown, and the
// certificate that a scheduler issued for it. Kept in the identity directory as
// tls.key (0600) and tls.pem (the certificate, then the CA's).
//
// Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/certificate.h"
#include "core/keys.h"

namespace dragnet {

class Identity {
 public:
  // Reads what is there. Without a key, draws one and stores it before anything
  // is asked for with it, so that a crash can't leave a certificate without its
  // key. A certificate that isn't this key's, or isn't this agent's, is an error.
  // One of `ca_certificates` (PEM) has to have signed what is taken later.
  static absl::StatusOr<Identity> Open(const std::string& directory, std::string_view fleet_id,
                                       std::string_view agent_id, std::string ca_certificates);

  // Nothing before the first enrolment.
  const std::optional<CertificateInfo>& certificate() const { return certificate_; }
  bool expired(absl::Time now) const {
    return certificate_.has_value() && now >= certificate_->not_after;
  }
  // When two thirds of the certificate's lifetime have passed.
  absl::Time renewal_time() const;

  // DER, for an enrolment or a renewal: the same key in both.
  absl::StatusOr<std::string> SigningRequest() const { return CreateSigningRequest(key_); }

  // Checks that the scheduler issued what was asked for, and that it can be used
  // to connect, and stores it. What doesn't do leaves everything as it is.
  absl::Status TakeCertificate(const std::string& chain);

  const std::string& certificate_chain() const { return chain_; }
  std::string private_key() const { return key_.ToPem(); }

 private:
  Identity(std::string directory, std::string spiffe_id, PrivateKey key,
           std::string ca_certificates)
      : directory_(std::move(directory)),
        spiffe_id_(std::move(spiffe_id)),
        key_(std::move(key)),
        ca_certificates_(std::move(ca_certificates)) {}
  absl::StatusOr<CertificateInfo> Check(const std::string& chain) const;

  std::string directory_;
  std::string spiffe_id_;
  PrivateKey key_;
  std::string ca_certificates_;
  std::string chain_;
  std::optional<CertificateInfo> certificate_;
};

}  // namespace dragnet
