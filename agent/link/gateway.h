// One scheduler, as the link's event loop sees it: calls that are under way and
// the session's stream, without a callback or a queue in sight. The only part
// of the link that knows of gRPC.
//
// All methods are for the loop's thread and none of them blocks, but the
// destructor, which cancels everything and waits until gRPC has let go of it.
// `wake` is called from gRPC's threads when one of the Take… methods may have
// something new.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/proxy.h"
#include "dragnet/v1/agent_gateway.pb.h"

namespace dragnet {

// TLS sessions of earlier connections, which later ones resume: that saves the
// scheduler most of a handshake when a whole fleet comes back. In memory only.
class TlsSessions {
 public:
  TlsSessions();
  ~TlsSessions();
  TlsSessions(const TlsSessions&) = delete;
  TlsSessions& operator=(const TlsSessions&) = delete;

  // Needed with every new certificate: a session goes on showing the old one.
  void Clear();

 private:
  friend class Gateway;
  struct Cache;
  std::unique_ptr<Cache> cache_;
};

class Gateway {
 public:
  struct Options {
    std::string address;          // host:port
    std::string ca_certificates;  // PEM
    // Empty for enrolment.
    std::string certificate_chain;
    std::string private_key;
    // Null for none.
    const TlsSessions* sessions = nullptr;
    // Null for a direct connection.
    const Proxy* proxy = nullptr;
  };

  // For main(), before any thread.
  static void InitializeProcess();

  Gateway(const Options& options, std::function<void()> wake);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Each call at most once at a time.
  void StartEnroll(const v1::EnrollRequest& request, absl::Duration timeout);
  std::optional<absl::StatusOr<v1::EnrollResponse>> TakeEnrolled();
  void StartRenew(const v1::RenewRequest& request, absl::Duration timeout);
  std::optional<absl::StatusOr<v1::RenewResponse>> TakeRenewed();

  // Once. `hello` is the stream's first message.
  void StartSession(const v1::AgentMessage& hello);
  // The next message. One is held at most: what isn't taken stays in the
  // network, and holds the scheduler back.
  std::optional<v1::SchedulerMessage> TakeReceived();
  // False while a message is being written: one is held at most.
  bool can_send() const;
  // Needs can_send().
  void Send(v1::AgentMessage message);
  // How the session ended; nothing while it is up.
  std::optional<absl::Status> ended() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dragnet
