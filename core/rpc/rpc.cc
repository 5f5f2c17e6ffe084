#include "core/rpc/rpc.h"

#include <stdlib.h>

#include "absl/synchronization/mutex.h"
#include "core/envelope.h"
#include "grpc/grpc_security.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/security/credentials.h"

namespace dragnet::rpc {
namespace {

// Unread bytes of one stream that the peer may send before anyone asks for
// them. When a message is being read the window grows to its size.
constexpr int kUnreadBytes = 16 * 1024;
// A fleet that comes back at once shares the processor for half a minute, so
// that each handshake takes as long.
constexpr int kHandshakeTimeoutMs = 60 * 1000;
// Of a connection without a call. Agents have a stream all the time; whoever
// shows no certificate gets no call, and consoles connect again by themselves.
constexpr int kMaxIdleMs = 30 * 1000;
// Headers of the request to a proxy, a line each. Not in gRPC's public headers; that it
// works is tested (agent/link/proxy_test.cc).
constexpr char kProxyHeaders[] = "grpc.http_connect_headers";
// Sessions of so many schedulers.
constexpr size_t kMaxSessions = 8;

}  // namespace

// Each connection has a buffer of this size, so the smaller the better; but in
// gRPC 1.51 no record may fit into the 8 KiB into which secure_endpoint.cc
// gathers them. When a write fills the last record to the byte and that record
// was taken out as a whole, tsi_frame_protector_protect_flush has nothing left to
// give, doesn't say so (it leaves the size as it was), and what is uninitialised
// in the 8 KiB goes out as if it were ciphertext: the peer ends the connection
// with TSI_DATA_CORRUPTED. With 4096 that was one write in 3996. A record of this
// size less 100, plus 22 for TLS 1.3, is larger than 8192, so that a part of it
// is always left for the flush.
const int kTlsFrameBytes = 8448;

struct SessionCache::Cache {
  grpc_ssl_session_cache* cache = grpc_ssl_session_cache_create_lru(kMaxSessions);
  ~Cache() { grpc_ssl_session_cache_destroy(cache); }
};

SessionCache::SessionCache() : cache_(std::make_unique<Cache>()) {}
SessionCache::~SessionCache() = default;

void SessionCache::AddTo(grpc::ChannelArguments* arguments) const {
  const grpc_arg argument = grpc_ssl_session_cache_create_channel_arg(cache_->cache);
  arguments->SetPointerWithVtable(argument.key, argument.value.pointer.p,
                                  argument.value.pointer.vtable);
}

void InitializeProcess() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES128-GCM-SHA256", /*overwrite=*/1);
}

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          const std::string& ca_certificates,
                                          const TlsIdentity& identity, int keepalive_seconds,
                                          const SessionCache* sessions, const Proxy* proxy) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_certificates;
  options.pem_cert_chain = identity.certificate_chain;
  options.pem_private_key = identity.private_key;

  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_TSI_MAX_FRAME_SIZE, kTlsFrameBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, proxy != nullptr ? 1 : 0);
  if (proxy != nullptr) {
    // In place of http_proxy and the like. Without the user: gRPC would decode what is
    // before the host first and look for the '@' then, and connects without a proxy,
    // and without a word, when it finds two.
    arguments.SetString(GRPC_ARG_HTTP_PROXY, "http://" + proxy->address());
    if (!proxy->authorization().empty()) {
      arguments.SetString(kProxyHeaders, "Proxy-Authorization:" + proxy->authorization());
    }
  }
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 4 * kMaxEnvelopeBytes);
  if (sessions != nullptr) sessions->AddTo(&arguments);
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

void TuneServer(int max_receive_bytes, size_t max_memory, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(max_receive_bytes);
  builder->SetResourceQuota(grpc::ResourceQuota("server").Resize(max_memory));
  builder->AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_TSI_MAX_FRAME_SIZE, kTlsFrameBytes);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kUnreadBytes);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxIdleMs);
  // A second scheduler on the same port is an error, not a lottery.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  // Not GRPC_ARG_MINIMAL_STACK: without its filters no message is too large.
  // Peers that are gone without a word; agents also by their heartbeats.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 120 * 1000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Links ping about every minute, consoles more often while they watch.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5 * 1000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      std::string(status.message()));
}

}  // namespace dragnet::rpc
