// A TLS server whose certificate, key and accepted CAs can be replaced while it runs:
// each new connection is made with the newest ones, those that are open stay as they
// are. gRPC 1.51 has this in its C interface only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/rpc/rpc.h"
#include "grpcpp/security/server_credentials.h"

namespace dragnet::rpc {

// Thread-safe.
class ServerTls {
 public:
  // `ca_certificates` (PEM): whose client certificates are accepted. The caller has
  // looked whether key and certificate belong together: a pair that gRPC can't use is
  // passed over, and the former one stays.
  ServerTls(std::string ca_certificates, TlsIdentity identity)
      : ca_certificates_(std::move(ca_certificates)), identity_(std::move(identity)) {}

  // A session of before is not resumed afterwards.
  void Replace(std::string ca_certificates, TlsIdentity identity);

  struct Material {
    std::string ca_certificates;
    TlsIdentity identity;
  };
  // Once after each change, and at the beginning.
  std::optional<Material> TakeNew();

 private:
  absl::Mutex mutex_;
  std::string ca_certificates_ ABSL_GUARDED_BY(mutex_);
  TlsIdentity identity_ ABSL_GUARDED_BY(mutex_);
  bool is_new_ ABSL_GUARDED_BY(mutex_) = true;
};

// As NewServerCredentials of rpc.h. For one server with one port, which `tls` must
// outlive. Processors of calls see of the peer what FindPropertyValues gives, and must
// not block.
std::shared_ptr<grpc::ServerCredentials> NewServerCredentials(ServerTls& tls);

}  // namespace dragnet::rpc
