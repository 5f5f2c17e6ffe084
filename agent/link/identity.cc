#include "agent/link/identity.h"

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {
namespace {

// A chain of two P-256 certificates is below 2 KiB.
constexpr size_t kMaxChainBytes = 64 * 1024;

std::string KeyPath(const std::string& directory) { return directory + "/tls.key"; }
std::string ChainPath(const std::string& directory) { return directory + "/tls.pem"; }

absl::StatusOr<PrivateKey> LoadOrDrawKey(const std::string& path) {
  absl::StatusOr<PrivateKey> key = PrivateKey::Load(path);
  if (!absl::IsNotFound(key.status())) return key;
  DRAGNET_ASSIGN_OR_RETURN(PrivateKey drawn, PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(path, drawn.ToPem(), 0600));
  return drawn;
}

}  // namespace

absl::StatusOr<Identity> Identity::Open(const std::string& directory, std::string_view fleet_id,
                                        std::string_view agent_id, std::string ca_certificates) {
  DRAGNET_ASSIGN_OR_RETURN(PrivateKey key, LoadOrDrawKey(KeyPath(directory)));
  SpiffeId id{std::string(fleet_id), "agent", std::string(agent_id)};
  Identity identity(directory, FormatSpiffeId(id), std::move(key), std::move(ca_certificates));

  absl::StatusOr<std::string> chain = ReadFile(ChainPath(directory), kMaxChainBytes);
  if (absl::IsNotFound(chain.status())) return identity;
  if (!chain.ok()) return chain.status();
  absl::StatusOr<CertificateInfo> certificate = identity.Check(*chain);
  if (!certificate.ok()) {
    return Annotate(certificate.status(),
                    StrCat(ChainPath(directory), " (remove it to enrol this host again)"));
  }
  identity.certificate_ = *std::move(certificate);
  identity.chain_ = *std::move(chain);
  return identity;
}

absl::Time Identity::renewal_time() const {
  if (!certificate_.has_value()) return absl::InfiniteFuture();
  absl::Duration lifetime = certificate_->not_after - certificate_->not_before;
  return certificate_->not_before + lifetime * 2 / 3;
}

absl::StatusOr<CertificateInfo> Identity::Check(const std::string& chain) const {
  if (chain.size() > kMaxChainBytes) {
    return absl::InvalidArgumentError("certificate chain over its bound");
  }
  DRAGNET_ASSIGN_OR_RETURN(CertificateInfo info, ParseCertificate(chain));
  if (info.spki != key_.public_key().spki()) {
    return absl::InvalidArgumentError("the certificate is for another key than this host's");
  }
  if (info.spiffe_id != spiffe_id_) {
    return absl::InvalidArgumentError(
        StrCat("the certificate is for '", info.spiffe_id, "', not for ", spiffe_id_));
  }
  return info;
}

absl::Status Identity::TakeCertificate(const std::string& chain) {
  DRAGNET_ASSIGN_OR_RETURN(CertificateInfo info, Check(chain));
  DRAGNET_RETURN_IF_ERROR(VerifyClientChain(chain, ca_certificates_));
  DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(ChainPath(directory_), chain, 0600));
  certificate_ = std::move(info);
  chain_ = chain;
  return absl::OkStatus();
}

}  // namespace dragnet
