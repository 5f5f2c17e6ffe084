#include "scheduler/auth/peer.h"

#include <grpc/grpc_security_constants.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/ca_bundle.h"
#include "core/certificate.h"
#include "core/clock.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "scheduler/auth/log_sampler.h"
#include "scheduler/auth/rpc_roles.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {
namespace {

class CallGuard : public grpc::AuthMetadataProcessor {
 public:
  CallGuard(CertificateRegistry& certificates, const Policies& policies)
      : certificates_(certificates), policies_(policies) {}

  // What it looks up is in memory, but for a certificate's first call.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    // One value, set by gRPC's own parser of the request's headers.
    const auto path = metadata.find(":path");
    const std::string_view method =
        path == metadata.end() || metadata.count(":path") != 1
            ? std::string_view()
            : std::string_view(path->second.data(), path->second.size());
    const absl::Status status = Decide(method, *context);
    if (!status.ok()) {
      TheMetrics().calls_refused.Add(status.code());
      // Anyone who reaches the port can cause these.
      if (const auto left_out = log_.Take(SteadyNow()))
        spdlog::warn("call {} refused: {} ({} more such lines left out)",
                     Shorten(ForTerminal(method), 100), ForTerminal(ToStd(status.message())),
                     *left_out);
    }
    return rpc::ToGrpc(status);
  }

 private:
  absl::Status Decide(std::string_view method, const grpc::AuthContext& context) {
    const absl::StatusOr<Identity> peer = IdentifyPeer(context, certificates_);
    std::optional<Identity> identity;
    std::set<v1::Role> roles;
    if (peer.ok()) {
      identity = *peer;
      if (peer->kind == Identity::Kind::kInvestigator)
        roles = policies_.current()->RolesOf(peer->name);
    }
    return CheckAccess(method, peer.status(), identity, roles);
  }

  CertificateRegistry& certificates_;
  const Policies& policies_;
  LogSampler log_{/*per_second=*/10};
};

}  // namespace

absl::StatusOr<Identity> IdentifyPeer(const grpc::AuthContext& context,
                                      CertificateRegistry& certificates) {
  const std::vector<grpc::string_ref> pem =
      context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pem.size() != 1) return absl::UnauthenticatedError("this call needs a certificate");
  absl::StatusOr<CertificateInfo> certificate =
      ParseCertificate(std::string_view(pem[0].data(), pem[0].size()));
  if (!certificate.ok())
    return absl::UnauthenticatedError(
        StrCat("the certificate can't be read: ", certificate.status().message()));
  return certificates.Identify(*certificate);
}

std::string IssuerKeyIdOfPeer(const grpc::AuthContext& context) {
  const std::vector<grpc::string_ref> pem =
      context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return pem.size() != 1 ? "" : IssuerKeyId(std::string_view(pem[0].data(), pem[0].size()));
}

std::shared_ptr<grpc::AuthMetadataProcessor> NewCallGuard(CertificateRegistry& certificates,
                                                          const Policies& policies) {
  return std::make_shared<CallGuard>(certificates, policies);
}

}  // namespace dragnet::scheduler
