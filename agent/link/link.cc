#include "agent/link/link.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/time/clock.h"
#include "agent/footprint/footprint.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

// A session that lasted this long was a good one: the next retry is a first one.
constexpr absl::Duration kGoodSession = absl::Seconds(10);
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kWelcomeTimeout = absl::Seconds(30);
constexpr absl::Duration kRenewalRetry = absl::Minutes(10);
constexpr absl::Duration kMinHeartbeat = absl::Seconds(1);
constexpr absl::Duration kMaxHeartbeat = absl::Hours(1);
// So many times what the scheduler says it isn't silent for.
constexpr int kSilences = 3;

constexpr int kMaxSchedulers = 64;
constexpr uint32_t kMaxRecordWindow = 1024;
constexpr size_t kMaxActionIdBytes = 64;
constexpr size_t kSha256Bytes = 32;

// Time since boot: unlike the date, it isn't set.
absl::Duration Elapsed() {
  timespec now;
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

uint32_t RandomSeed() {
  std::string bytes = RandomBytes(sizeof(uint32_t));
  uint32_t seed;
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(&seed));
  return seed;
}

absl::Status Violation(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("breaks the protocol: ", what));
}

absl::Duration HeartbeatInterval(const google::protobuf::Duration& said) {
  return std::clamp(absl::Seconds(said.seconds()) + absl::Nanoseconds(said.nanos()), kMinHeartbeat,
                    kMaxHeartbeat);
}

bool IsBounded(const v1::RecordKey& key) {
  return key.action_id().size() <= kMaxActionIdBytes &&
         key.envelope_sha256().size() <= kSha256Bytes;
}

}  // namespace

absl::StatusOr<std::vector<uint16_t>> PortsOf(const ipc::LinkStart& start) {
  std::vector<uint16_t> ports;
  for (const std::string& scheduler : start.schedulers()) {
    size_t colon = scheduler.rfind(':');
    uint16_t port = 0;
    const char* end = scheduler.data() + scheduler.size();
    if (colon != std::string::npos && colon > 0) {
      auto [parsed, error] = std::from_chars(scheduler.data() + colon + 1, end, port);
      if (error != std::errc() || parsed != end) port = 0;
    }
    if (port == 0) {
      return absl::InvalidArgumentError(
          StrCat("scheduler '", scheduler, "': expected host:port, as in host.example:7443"));
    }
    ports.push_back(port);
  }
  if (start.proxy().empty()) return ports;
  DRAGNET_ASSIGN_OR_RETURN(const Proxy proxy, Proxy::FromUrl(start.proxy()));
  return std::vector<uint16_t>{proxy.port()};
}

absl::Status ValidateLinkStart(const ipc::LinkStart& start) {
  if (start.schedulers_size() < 1 || start.schedulers_size() > kMaxSchedulers) {
    return absl::InvalidArgumentError("1 to 64 schedulers are needed");
  }
  DRAGNET_RETURN_IF_ERROR(PortsOf(start).status());
  if (!IsUuid(start.agent_id())) return absl::InvalidArgumentError("agent id is not a UUID");
  if (start.fleet_id().empty()) return absl::InvalidArgumentError("no fleet id");
  if (start.ca_certificates().empty()) return absl::InvalidArgumentError("no CA certificate");
  if (start.identity_directory().empty() || start.identity_directory().front() != '/') {
    return absl::InvalidArgumentError("the identity directory's path must be absolute");
  }
  return absl::OkStatus();
}

Link::Link(MonitorSocket monitor, ipc::LinkStart start)
    : monitor_(std::move(monitor)),
      start_(std::move(start)),
      delays_(RandomSeed()),
      deadline_(Elapsed()),
      next_renewal_attempt_(Elapsed() + absl::Seconds(start_.keep_certificate_seconds())) {
  if (!start_.proxy().empty()) proxy_ = *Proxy::FromUrl(start_.proxy());
}

const std::string& Link::scheduler() const { return start_.schedulers(current_scheduler_); }

absl::Status Link::Run() {
  absl::StatusOr<Identity> identity = Identity::Open(start_.identity_directory(), start_.fleet_id(),
                                                     start_.agent_id(), start_.ca_certificates());
  if (!identity.ok()) {
    // The monitor can tell a person; by itself it gets no better.
    DRAGNET_RETURN_IF_ERROR(TellDisconnected(std::string(identity.status().message())));
    return identity.status();
  }
  identity_ = *std::move(identity);
  for (;;) {
    absl::Status status = HandleTimers();
    if (status.ok()) status = HandleGateway();
    if (status.ok()) status = Wait();
    if (absl::IsOutOfRange(status)) return absl::OkStatus();
    if (!status.ok()) return status;
  }
}

// ---- the loop

bool Link::may_take_from_monitor() const {
  return state_ != State::kConnected || gateway_->can_send();
}

absl::Status Link::Wait() {
  // Without POLLIN, a monitor that is gone is still seen, by POLLHUP.
  const short events = may_take_from_monitor() ? POLLIN : 0;
  pollfd fds[2] = {{monitor_.fd(), events, 0}, {wake_.fd(), POLLIN, 0}};
  absl::Duration until = deadline_;
  if (state_ == State::kConnected) until = next_heartbeat_;
  const auto timeout = absl::ToInt64Milliseconds(until - Elapsed() + absl::Milliseconds(1));
  const int ready = ::poll(fds, 2, static_cast<int>(std::clamp<int64_t>(timeout, 0, 3'600'000)));
  if (ready < 0 && errno != EINTR) return ErrnoStatus("poll", errno);
  if (ready <= 0) return absl::OkStatus();

  if (fds[1].revents != 0) wake_.Clear();
  if ((fds[0].revents & POLLIN) != 0) {
    DRAGNET_RETURN_IF_ERROR(monitor_.Read());
  } else if (fds[0].revents != 0) {
    return absl::OutOfRangeError("the monitor is gone");
  }
  return HandleMonitor();
}

absl::Status Link::HandleMonitor() {
  while (may_take_from_monitor()) {
    DRAGNET_ASSIGN_OR_RETURN(std::optional<ipc::MonitorToLink> message, monitor_.Next());
    if (!message.has_value()) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(HandleMonitorMessage(*std::move(message)));
  }
  return absl::OkStatus();
}

absl::Status Link::HandleMonitorMessage(ipc::MonitorToLink message) {
  switch (message.content_case()) {
    case ipc::MonitorToLink::kMessage:
      // Dropped while not connected; the monitor sends it again.
      if (state_ == State::kConnected) gateway_->Send(std::move(*message.mutable_message()));
      return absl::OkStatus();
    case ipc::MonitorToLink::kHello:
      *start_.mutable_hello() = std::move(*message.mutable_hello());
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError("the monitor sent an unexpected message");
  }
}

absl::Status Link::HandleTimers() {
  const absl::Duration now = Elapsed();
  if (state_ == State::kWaiting && now >= deadline_) return StartAttempt();
  if (state_ == State::kGreeting && now >= deadline_) {
    return GiveUp(Attempt::kSession, absl::DeadlineExceededError("no welcome"));
  }
  if (state_ == State::kConnected) {
    SendHeartbeatIfDue();
    return StartRenewalIfDue();
  }
  return absl::OkStatus();
}

absl::Status Link::HandleGateway() {
  if (gateway_ == nullptr) return absl::OkStatus();
  if (auto response = gateway_->TakeEnrolled(); response.has_value()) {
    return HandleEnrolled(*std::move(response));
  }
  if (auto response = gateway_->TakeRenewed(); response.has_value()) {
    return HandleRenewed(*std::move(response));
  }
  while (gateway_ != nullptr) {
    std::optional<v1::SchedulerMessage> message = gateway_->TakeReceived();
    if (!message.has_value()) break;
    DRAGNET_RETURN_IF_ERROR(HandleReceived(*std::move(message)));
  }
  if (gateway_ == nullptr) return absl::OkStatus();
  if (auto ended = gateway_->ended(); ended.has_value()) return GiveUp(Attempt::kSession, *ended);
  // Only now: what came while this process stood still was taken before.
  if (state_ == State::kConnected && Elapsed() - heard_ > patience_) {
    return GiveUp(Attempt::kSession,
                  absl::UnavailableError(
                      StrCat("it has said nothing for ", absl::FormatDuration(patience_))));
  }
  // A message may have left since: the next one can be taken.
  return HandleMonitor();
}

// ---- one attempt after the other

absl::Status Link::StartAttempt() {
  current_scheduler_ = next_scheduler_;
  next_scheduler_ = (next_scheduler_ + 1) % start_.schedulers_size();
  const bool usable = identity_->certificate().has_value() && !identity_->expired(absl::Now());
  if (usable) {
    StartSession();
    return absl::OkStatus();
  }
  if (!start_.enrolment_token().empty()) return StartEnrolment();
  if (!identity_->certificate().has_value()) {
    return WaitBeforeRetry("this host is not enrolled, and its configuration names no token");
  }
  return WaitBeforeRetry(
      StrCat("this host's certificate expired on ",
             absl::FormatTime("%Y-%m-%d", identity_->certificate()->not_after, absl::UTCTimeZone()),
             "; give it a new enrolment token, or set its clock if that is off"));
}

void Link::Connect(bool with_identity) {
  Gateway::Options options;
  options.address = scheduler();
  options.ca_certificates = start_.ca_certificates();
  options.proxy = proxy_.has_value() ? &*proxy_ : nullptr;
  if (with_identity) {
    options.certificate_chain = identity_->certificate_chain();
    options.private_key = identity_->private_key();
    options.sessions = &sessions_;
  }
  gateway_ = std::make_unique<Gateway>(options, [this] { wake_(); });
}

void Link::StartSession() {
  Connect(/*with_identity=*/true);
  v1::AgentMessage hello;
  *hello.mutable_hello() = start_.hello();
  gateway_->StartSession(hello);
  state_ = State::kGreeting;
  deadline_ = Elapsed() + kWelcomeTimeout;
}

absl::Status Link::StartEnrolment() {
  DRAGNET_ASSIGN_OR_RETURN(std::string csr, identity_->SigningRequest());
  v1::EnrollRequest request;
  request.set_token(start_.enrolment_token());
  request.set_agent_id(start_.agent_id());
  request.set_csr(std::move(csr));
  *request.mutable_facts() = start_.hello().facts();
  Connect(/*with_identity=*/false);
  gateway_->StartEnroll(request, kCallTimeout);
  state_ = State::kEnrolling;
  // The call has a deadline of its own.
  deadline_ = Elapsed() + 2 * kCallTimeout;
  return absl::OkStatus();
}

absl::Status Link::GiveUp(Attempt attempt, const absl::Status& why) {
  // A session that was resumed may be why: the next one is negotiated anew.
  if (state_ == State::kGreeting) sessions_.Clear();
  const bool was_good = state_ == State::kConnected && Elapsed() - connected_since_ >= kGoodSession;
  if (was_good) delays_.Reset();
  // As it answers, and not as the network says.
  const bool refused = attempt == Attempt::kSession &&
                       (absl::IsUnauthenticated(why) || absl::IsPermissionDenied(why));
  return WaitBeforeRetry(PlainReason(attempt, scheduler(), why, absl::Now(),
                                     proxy_.has_value() ? proxy_->address() : ""),
                         delays_.After(attempt, why), refused);
}

absl::Status Link::WaitBeforeRetry(const std::string& reason) {
  return WaitBeforeRetry(reason, delays_.Next(), /*refused=*/false);
}

absl::Status Link::WaitBeforeRetry(const std::string& reason, absl::Duration delay, bool refused) {
  gateway_.reset();
  const bool was_connected = std::exchange(state_, State::kWaiting) == State::kConnected;
  deadline_ = Elapsed() + delay;
  ReleaseUnusedMemory();
  // Once each, however often it is tried again.
  if (!was_connected && reason == last_reason_) return absl::OkStatus();
  return TellDisconnected(reason, refused);
}

absl::Status Link::TellDisconnected(const std::string& reason, bool refused) {
  last_reason_ = reason;
  ipc::LinkToMonitor message;
  message.mutable_disconnected()->set_reason(reason);
  message.mutable_disconnected()->set_refused(refused);
  return monitor_.Write(message);
}

// ---- enrolment and renewal

absl::Status Link::HandleEnrolled(absl::StatusOr<v1::EnrollResponse> response) {
  absl::Status status = response.status();
  if (status.ok()) status = identity_->TakeCertificate(response->certificate_chain());
  if (!status.ok()) return GiveUp(Attempt::kEnrolment, status);
  sessions_.Clear();
  // With the identity that it got, at the same scheduler.
  delays_.Reset();
  StartSession();
  return absl::OkStatus();
}

absl::Status Link::StartRenewalIfDue() {
  const bool due = renewal_asked_for_ || absl::Now() >= identity_->renewal_time();
  if (!due || Elapsed() < next_renewal_attempt_) return absl::OkStatus();
  next_renewal_attempt_ = Elapsed() + kRenewalRetry;
  DRAGNET_ASSIGN_OR_RETURN(std::string csr, identity_->SigningRequest());
  v1::RenewRequest request;
  request.set_csr(std::move(csr));
  gateway_->StartRenew(request, kCallTimeout);
  return absl::OkStatus();
}

absl::Status Link::HandleRenewed(absl::StatusOr<v1::RenewResponse> response) {
  absl::Status status = response.status();
  if (status.ok()) status = identity_->TakeCertificate(response->certificate_chain());
  // There is a third of the lifetime left to try again; the session goes on.
  if (!status.ok() || state_ != State::kConnected) return absl::OkStatus();
  renewal_asked_for_ = false;
  // The open connection still shows the old certificate, and so would one that
  // resumes its session.
  sessions_.Clear();
  DRAGNET_RETURN_IF_ERROR(TellDisconnected("certificate renewed; connecting anew with it"));
  StartSession();
  return absl::OkStatus();
}

// ---- the session

absl::Status Link::HandleReceived(v1::SchedulerMessage message) {
  heard_ = Elapsed();
  absl::Status status;
  const bool is_welcome = message.content_case() == v1::SchedulerMessage::kWelcome;
  if (is_welcome != (state_ == State::kGreeting)) {
    status = Violation("a welcome comes first, and once");
  } else if (is_welcome) {
    return HandleWelcome(message.welcome());
  } else {
    status = Forward(std::move(message));
  }
  // The monitor's end of the line is the loop's to see; the rest is the scheduler's.
  if (absl::IsInvalidArgument(status)) return GiveUp(Attempt::kSession, status);
  return status;
}

absl::Status Link::HandleWelcome(const v1::Welcome& welcome) {
  if (welcome.record_window() < 1 || welcome.record_window() > kMaxRecordWindow) {
    return GiveUp(Attempt::kSession, Violation("record window out of 1 to 1024"));
  }
  heartbeat_interval_ = HeartbeatInterval(welcome.heartbeat_interval());
  patience_ = welcome.has_alive_interval() ? kSilences * HeartbeatInterval(welcome.alive_interval())
                                           : absl::InfiniteDuration();
  state_ = State::kConnected;
  connected_since_ = Elapsed();
  next_heartbeat_ = connected_since_ + heartbeat_interval_;
  last_reason_.clear();
  ipc::LinkToMonitor message;
  message.mutable_connected()->set_record_window(welcome.record_window());
  message.mutable_connected()->set_scheduler(scheduler());
  DRAGNET_RETURN_IF_ERROR(monitor_.Write(message));
  // Starting, TLS and enrolment took memory that a session doesn't need.
  ReleaseUnusedMemory();
  return StartRenewalIfDue();
}

absl::Status Link::Forward(v1::SchedulerMessage message) {
  ipc::LinkToMonitor forwarded;
  switch (message.content_case()) {
    case v1::SchedulerMessage::kActionEnvelope:
      if (message.action_envelope().size() > kMaxEnvelopeBytes) {
        return Violation("an action envelope over 1 MiB");
      }
      forwarded.set_action_envelope(std::move(*message.mutable_action_envelope()));
      break;
    case v1::SchedulerMessage::kTrustPolicyEnvelope:
      if (message.trust_policy_envelope().size() > kMaxEnvelopeBytes) {
        return Violation("a trust policy envelope over 1 MiB");
      }
      forwarded.set_trust_policy_envelope(std::move(*message.mutable_trust_policy_envelope()));
      break;
    case v1::SchedulerMessage::kOrderEnvelope:
      if (message.order_envelope().size() > kMaxOrderEnvelopeBytes) {
        return Violation("an order envelope over 32 KiB");
      }
      forwarded.set_order_envelope(std::move(*message.mutable_order_envelope()));
      break;
    case v1::SchedulerMessage::kAcknowledged:
      if (!IsBounded(message.acknowledged())) return Violation("a record key over its bounds");
      message.mutable_acknowledged()->DiscardUnknownFields();
      *forwarded.mutable_acknowledged() = std::move(*message.mutable_acknowledged());
      break;
    case v1::SchedulerMessage::kBlobPart:
      if (message.blob_part().data().size() > kMaxBlobPartBytes ||
          message.blob_part().sha256().size() != 32) {
        return Violation("a part of a blob over its bounds");
      }
      message.mutable_blob_part()->DiscardUnknownFields();
      *forwarded.mutable_blob_part() = std::move(*message.mutable_blob_part());
      break;
    case v1::SchedulerMessage::kRenewCertificate:
      // The link's own; not more often than it tries by itself.
      renewal_asked_for_ = true;
      return StartRenewalIfDue();
    case v1::SchedulerMessage::kAlive:
      return absl::OkStatus();
    default:
      // Of a later version; what it says isn't for agents of this one.
      return absl::OkStatus();
  }
  return monitor_.Write(forwarded);
}

void Link::SendHeartbeatIfDue() {
  const absl::Duration now = Elapsed();
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + heartbeat_interval_;
  ReleaseUnusedMemory();
  // While a message is still on its way, another one says nothing more.
  if (!gateway_->can_send()) return;
  v1::AgentMessage message;
  message.mutable_heartbeat()->mutable_now()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  gateway_->Send(std::move(message));
}

}  // namespace dragnet
