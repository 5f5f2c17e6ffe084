// What every program that speaks gRPC shares: process set-up, TLS, statuses.
// The only part of core that includes gRPC; the monitor doesn't link it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/proxy.h"
#include "grpcpp/channel.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/status.h"

namespace dragnet::rpc {

// First line of every main() that uses gRPC, before any thread.
//  - Debian's Abseil has the mutex deadlock detector on; it halves the fan-out.
//  - TLS 1.3 only: gRPC 1.51 has no public setting for the minimum version and
//    overrides OpenSSL's configuration, but it takes the TLS 1.2 cipher list
//    from the environment. A list of pre-shared-key suites, for which there is
//    never a key, leaves TLS 1.2 without a suite to agree on.
void InitializeProcess();

struct TlsIdentity {
  std::string certificate_chain;  // PEM
  std::string private_key;        // PEM
};

// TLS sessions that channels resume instead of a whole handshake: in memory,
// one for each server name. A resumed session shows the server the certificate
// of the first one, so whoever gets another certificate takes another cache.
// Thread-safe; may go before the channels that use it.
class SessionCache {
 public:
  SessionCache();
  ~SessionCache();
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  void AddTo(grpc::ChannelArguments* arguments) const;

 private:
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

// A channel to host:port over TLS 1.3 that trusts `ca_certificates` (PEM) and
// nothing else. `identity` may be empty (enrolment). Connects lazily.
// `keepalive` pings an idle connection this often, so that a black-holed one
// is noticed; 0 s for never. `sessions` may be null. `proxy`: null for a direct connection;
// what the environment says of proxies is never asked for, but for which names one is
// not to be used (no_proxy), where there is a proxy here.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          const std::string& ca_certificates,
                                          const TlsIdentity& identity, int keepalive_seconds,
                                          const SessionCache* sessions = nullptr,
                                          const Proxy* proxy = nullptr);

// Asks every client for a certificate, takes none, refuses those that the CA
// didn't issue. Who may call what is the server's authorisation table.
std::shared_ptr<grpc::ServerCredentials> NewServerCredentials(const std::string& ca_certificates,
                                                              const TlsIdentity& identity);

// What a server with ten thousand connections needs: little memory for each,
// none that nobody uses, dead ones that are noticed, and an end to
// handshakes that don't end by themselves.
// `max_receive_bytes`: gRPC 1.51 looks at this bound only when it has the whole
// message; `max_memory` is what stops a peer that sends a larger one. That is for
// what all connections have read and no one has taken yet; above it gRPC
// gives back idle buffers first, and then ends streams.
void TuneServer(int max_receive_bytes, size_t max_memory, grpc::ServerBuilder* builder);

// The largest TLS record that this end writes. See rpc.cc before changing it.
extern const int kTlsFrameBytes;

// Codes map one to one.
absl::Status FromGrpc(const grpc::Status& status);
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace dragnet::rpc
