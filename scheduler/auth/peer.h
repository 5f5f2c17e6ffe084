// Who is at the other end of a gRPC connection, and whether that peer may make
// this call: the one place where both are decided, for every RPC.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/auth_metadata_processor.h"
#include "scheduler/auth/certificates.h"
#include "scheduler/auth/identity.h"
#include "scheduler/dispatch/policies.h"

namespace dragnet::scheduler {

// Unauthenticated for a peer without a certificate, or with one that
// CertificateRegistry refuses. Thread-safe.
absl::StatusOr<Identity> IdentifyPeer(const grpc::AuthContext& context,
                                      CertificateRegistry& certificates);

// The key that signed the peer's certificate; empty when it says none.
std::string IssuerKeyIdOfPeer(const grpc::AuthContext& context);

// For ServerCredentials: gRPC asks it before each call, and makes no call that
// it refuses. Both arguments must outlive it.
std::shared_ptr<grpc::AuthMetadataProcessor> NewCallGuard(CertificateRegistry& certificates,
                                                          const Policies& policies);

}  // namespace dragnet::scheduler
