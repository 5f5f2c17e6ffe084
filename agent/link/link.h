// The link: carries messages between the monitor and one scheduler at a time,
// and keeps this host's certificate alive. It decides nothing: envelopes pass
// through it as bytes.
//
// One event loop, on the thread that calls Run. What flows where, and who holds
// whom back:
//
//   monitor ──record──▶ link ──▶ scheduler     the link takes the next message
//                                              from the socket when the last one
//                                              has left
//   scheduler ──envelope──▶ link ──▶ monitor   the link asks gRPC for the next
//                                              message when the monitor has
//                                              taken the last one
//
// so it holds one message each way, whatever either end sends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/link/attempt_delays.h"
#include "agent/link/gateway.h"
#include "agent/link/identity.h"
#include "agent/link/monitor_socket.h"
#include "agent/link/reason.h"
#include "agent/link/wake.h"
#include "core/proxy.h"

namespace dragnet {

// Bounds that hold for a LinkStart: the monitor's configuration is a person's.
absl::Status ValidateLinkStart(const ipc::LinkStart& start);
// The TCP ports that are connected to, for the sandbox: those of `schedulers`, or the
// proxy's alone, so that nothing gets around it.
absl::StatusOr<std::vector<uint16_t>> PortsOf(const ipc::LinkStart& start);

class Link {
 public:
  // `start` is valid.
  Link(MonitorSocket monitor, ipc::LinkStart start);

  // Returns OK when the monitor has closed its end; an error when it broke the
  // protocol, or the identity directory can't be used.
  absl::Status Run();

 private:
  enum class State { kWaiting, kEnrolling, kGreeting, kConnected };

  // Each handles what is ready and returns; OutOfRange: the monitor is gone.
  absl::Status Wait();
  absl::Status HandleMonitor();
  absl::Status HandleMonitorMessage(ipc::MonitorToLink message);
  absl::Status HandleGateway();
  absl::Status HandleTimers();

  // ---- one attempt after the other
  absl::Status StartAttempt();
  void Connect(bool with_identity);
  absl::Status StartEnrolment();
  void StartSession();
  absl::Status GiveUp(Attempt attempt, const absl::Status& why);
  absl::Status WaitBeforeRetry(const std::string& reason);
  absl::Status WaitBeforeRetry(const std::string& reason, absl::Duration delay, bool refused);

  // ---- enrolment and renewal
  absl::Status HandleEnrolled(absl::StatusOr<v1::EnrollResponse> response);
  absl::Status HandleRenewed(absl::StatusOr<v1::RenewResponse> response);
  absl::Status StartRenewalIfDue();

  // ---- the session
  absl::Status HandleReceived(v1::SchedulerMessage message);
  absl::Status HandleWelcome(const v1::Welcome& welcome);
  absl::Status Forward(v1::SchedulerMessage message);
  void SendHeartbeatIfDue();
  bool may_take_from_monitor() const;

  absl::Status TellDisconnected(const std::string& reason, bool refused = false);

  const std::string& scheduler() const;

  MonitorSocket monitor_;
  ipc::LinkStart start_;
  std::optional<Proxy> proxy_;
  Wake wake_;
  std::optional<Identity> identity_;
  TlsSessions sessions_;
  std::unique_ptr<Gateway> gateway_;
  State state_ = State::kWaiting;
  AttemptDelays delays_;
  int next_scheduler_ = 0;
  int current_scheduler_ = 0;
  std::string last_reason_;

  // All by the clock that never goes back (Elapsed()).
  absl::Duration deadline_;  // of the wait for a retry, or for the welcome
  absl::Duration next_heartbeat_;
  absl::Duration next_renewal_attempt_;
  // The scheduler asked for it; until one has come.
  bool renewal_asked_for_ = false;
  absl::Duration connected_since_;
  absl::Duration heartbeat_interval_;
  // When the scheduler has last said anything, and after how long a silence it isn't there.
  absl::Duration heard_;
  absl::Duration patience_;
};

}  // namespace dragnet
