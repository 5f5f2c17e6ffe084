// NATS servers for tests: one, or a cluster of three, with JetStream in a temporary
// directory, on ports of 127.0.0.1 that were free. All are stopped with their owner, and
// die with its thread. Tests only; not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {

class NatsServers {
 public:
  struct Options {
    int nodes = 1;
    // Clients must have a certificate of this cluster's CA.
    bool tls = false;
    // Goes into each server's settings: an `authorization` block.
    std::string users = {};
  };
  // Returns when they take messages.
  static absl::StatusOr<std::unique_ptr<NatsServers>> Start(Options options);
  ~NatsServers();
  NatsServers(const NatsServers&) = delete;
  NatsServers& operator=(const NatsServers&) = delete;

  // "nats://127.0.0.1:p,127.0.0.1:q,…".
  std::string url() const;
  std::string url(int node) const;
  int nodes() const { return static_cast<int>(nodes_.size()); }

  // kill -9.
  void Kill(int node);
  // On its old ports and files.
  absl::Status Restart(int node);
  // All of them at once: kill -9, and again.
  absl::Status RestartAll();
  // In the place of Options::users, from each node's next start on.
  absl::Status SetUsers(std::string users);
  // NotFound while it has none, or isn't there.
  absl::StatusOr<int> LeaderOf(const std::string& stream);
  // How many messages of `stream` this node has itself.
  absl::StatusOr<uint64_t> MessagesOn(int node, const std::string& stream);

  struct TlsFiles {
    std::string ca;
    std::string certificate;
    std::string key;
  };
  // A client's, of the CA that the servers know; only with Options::tls.
  TlsFiles ClientFiles() const { return client_; }
  // The right CA to check the servers by, but a client's certificate of another one.
  TlsFiles StrangersFiles() const { return stranger_; }

 private:
  struct Node {
    std::string name;
    std::string directory;
    uint16_t port = 0;
    uint16_t route_port = 0;
    uint16_t monitor_port = 0;
    pid_t pid = -1;
  };

  NatsServers() = default;
  absl::Status MakeCertificates();
  absl::Status WriteSettings(const Node& node) const;
  absl::Status Launch(Node& node) const;
  absl::Status WaitUntilReady();
  absl::StatusOr<std::string> Get(const Node& node, const std::string& path) const;

  TemporaryDirectory directory_;
  bool tls_ = false;
  std::string users_;
  TlsFiles server_;
  TlsFiles client_;
  TlsFiles stranger_;
  std::vector<Node> nodes_;
};

}  // namespace dragnet::scheduler
