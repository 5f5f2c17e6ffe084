#include "core/rpc/rpc.h"

#include <stdlib.h>

#include "absl/synchronization/mutex.h"
#include "core/envelope.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace dragnet::rpc {

void InitializeProcess() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES128-GCM-SHA256", /*overwrite=*/1);
}

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          const std::string& ca_certificates,
                                          const TlsIdentity& identity, int keepalive_seconds) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_certificates;
  options.pem_cert_chain = identity.certificate_chain;
  options.pem_private_key = identity.private_key;

  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_TSI_MAX_FRAME_SIZE, 4096);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 4 * kMaxEnvelopeBytes);
  if (keepalive_seconds > 0) {
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_seconds * 1000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  }
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

std::shared_ptr<grpc::ServerCredentials> NewServerCredentials(const std::string& ca_certificates,
                                                              const TlsIdentity& identity) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ca_certificates;
  options.pem_key_cert_pairs.push_back({identity.private_key, identity.certificate_chain});
  return grpc::SslServerCredentials(options);
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message()));
}

}  // namespace dragnet::rpc
