#include "scheduler/bus/nats_connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <utility>

#include "absl/strings/str_replace.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet::scheduler {
namespace {

constexpr int64_t kConnectMilliseconds = 3000;
// A server that doesn't take bytes for so long is given up.
constexpr int64_t kWriteMilliseconds = 5000;
constexpr int64_t kPingMilliseconds = 3000;
constexpr int kMaxPingsOut = 2;
constexpr int64_t kMaxReconnectDelay = 5000;
// What is published while there is no connection fails instead: see Publish.
constexpr int kReconnectBufferBytes = 1 << 20;
// The library's thread uses what it has looked up for microseconds; a busy machine may take
// it from the processor for as long as it likes.
constexpr absl::Duration kRetirement = absl::Seconds(30);
// More than any reader asks for at once.
constexpr int kMaxUnread = 16384;

absl::Status Set(natsStatus status, std::string_view what) {
  return status == NATS_OK ? absl::OkStatus() : NatsError(what, status);
}

// All attempts of a pass over the servers have failed: 100 ms, doubled each time, and half
// of it at random, so that schedulers don't come back all at once.
int64_t ReconnectDelay(natsConnection*, int attempts, void*) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const int64_t most =
      std::min<int64_t>(kMaxReconnectDelay, int64_t{100} << std::clamp(attempts, 0, 6));
  return std::uniform_int_distribution<int64_t>(most / 2, most)(random);
}

// The library's words may repeat a URL, and a URL may have a password in it.
std::string WithoutUsers(std::string text, const std::vector<NatsAddress>& addresses) {
  for (const NatsAddress& address : addresses) {
    const size_t begin = address.url.find("//") + 2;
    const size_t at = address.url.rfind('@');
    if (at == std::string::npos) continue;
    absl::StrReplaceAll({{address.url.substr(begin, at + 1 - begin), ""}}, &text);
    const std::string user = address.url.substr(begin, at - begin);
    if (const size_t colon = user.find(':'); colon != std::string::npos && colon + 1 < at) {
      const std::string password = user.substr(colon + 1);
      if (!password.empty()) absl::StrReplaceAll({{password, "***"}}, &text);
    }
  }
  return text;
}

// Who starts this program starts it again (Restart=always), until the bus takes it. Nothing
// is lost: it is as if it had been killed.
void EndProcess(const absl::Status& why) {
  spdlog::critical("{}; ending, to be started anew", ToStd(why.message()));
  spdlog::default_logger()->flush();
  std::_Exit(EXIT_FAILURE);
}

absl::Status SetTls(const NatsOptions& options, natsOptions* to) {
  if (options.ca_file.empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const std::string ca, ReadFile(options.ca_file));
  DRAGNET_ASSIGN_OR_RETURN(const std::string certificate, ReadFile(options.certificate_file));
  DRAGNET_ASSIGN_OR_RETURN(const std::string key, ReadSecretFile(options.key_file));
  DRAGNET_RETURN_IF_ERROR(Set(natsOptions_SetSecure(to, true), "TLS to the bus"));
  DRAGNET_RETURN_IF_ERROR(
      Set(natsOptions_SetCATrustedCertificates(to, ca.c_str()), options.ca_file));
  return Set(natsOptions_SetCertificatesChain(to, certificate.c_str(), key.c_str()),
             StrCat(options.certificate_file, " and ", options.key_file));
}

}  // namespace

absl::Status NatsError(std::string_view what, natsStatus status, jsErrCode js_code) {
  natsStatus last = NATS_OK;
  const char* detail = nats_GetLastError(&last);
  std::string text = StrCat(what, ": ");
  if (last == status && detail != nullptr && *detail != '\0') {
    text += detail;
  } else {
    text += natsStatus_GetText(status);
  }
  if (js_code != 0) {
    switch (js_code) {
      case JSStreamNotFoundErr:
      case JSConsumerNotFoundErr:
        return absl::NotFoundError(text);
      case JSStreamNameExistErr:
      case JSStreamSubjectOverlapErr:
        return absl::AlreadyExistsError(text);
      case JSNotEnabledErr:
      case JSNotEnabledForAccountErr:
      case JSStreamReplicasNotSupportedErr:
        return absl::FailedPreconditionError(text);
      case JSInsufficientResourcesErr:
      case JSStorageResourcesExceededErr:
      case JSAccountResourcesExceededErr:
        return absl::ResourceExhaustedError(text);
      default:
        return absl::UnavailableError(text);
    }
  }
  switch (status) {
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT:
    case NATS_MAX_PAYLOAD:
      return absl::InvalidArgumentError(text);
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
      return absl::PermissionDeniedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

std::string_view SubjectOf(const NatsMessage& message) { return natsMsg_GetSubject(message.get()); }

std::string_view ReplyOf(const NatsMessage& message) {
  const char* reply = natsMsg_GetReply(message.get());
  return reply == nullptr ? std::string_view() : reply;
}

std::string_view DataOf(const NatsMessage& message) {
  const int length = natsMsg_GetDataLength(message.get());
  return length <= 0 ? std::string_view()
                     : std::string_view(natsMsg_GetData(message.get()), length);
}

std::string_view StatusOf(const NatsMessage& message) {
  const char* status = nullptr;
  if (natsMsgHeader_Get(message.get(), "Status", &status) != NATS_OK) return {};
  return status == nullptr ? std::string_view() : status;
}

std::string_view DescriptionOf(const NatsMessage& message) {
  const char* text = nullptr;
  if (natsMsgHeader_Get(message.get(), "Description", &text) != NATS_OK) return {};
  return text == nullptr ? std::string_view() : text;
}

void NatsRetirer::operator()(natsSubscription* subscription) const {
  connection->Retire(subscription);
}

NatsSubscription::~NatsSubscription() {
  if (subscription_ == nullptr) return;
  // The connection may be closed already, and the subscription with it.
  natsSubscription_Unsubscribe(subscription_.get());
  ended_.get_future().wait();
}

NatsConnection::NatsConnection(std::string servers, const NatsOptions& options)
    : servers_(std::move(servers)),
      inbox_(NatsNames(options.fleet_id).Inbox(options.scheduler)),
      on_closed_(options.on_closed != nullptr ? options.on_closed : &EndProcess) {}

absl::StatusOr<std::unique_ptr<NatsConnection>> NatsConnection::Connect(
    const NatsOptions& options) {
  DRAGNET_RETURN_IF_ERROR(CheckNatsOptions(options));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<NatsAddress> addresses, ParseNatsUrl(options.url));
  std::vector<const char*> urls;
  for (const NatsAddress& address : addresses) urls.push_back(address.url.c_str());

  natsOptions* created = nullptr;
  DRAGNET_RETURN_IF_ERROR(Set(natsOptions_Create(&created), "NATS"));
  const NatsPtr<natsOptions> nats(created);
  const std::string name = StrCat("dragnet-scheduler ", options.scheduler);
  std::unique_ptr<NatsConnection> self(new NatsConnection(Describe(addresses), options));

  natsStatus status =
      natsOptions_SetServers(nats.get(), urls.data(), static_cast<int>(urls.size()));
  const auto set = [&](natsStatus result) {
    if (status == NATS_OK) status = result;
  };
  set(natsOptions_SetName(nats.get(), name.c_str()));
  set(natsOptions_SetCustomInboxPrefix(nats.get(), self->inbox_.c_str()));
  set(natsOptions_SetTimeout(nats.get(), kConnectMilliseconds));
  set(natsOptions_SetWriteDeadline(nats.get(), kWriteMilliseconds));
  set(natsOptions_SetPingInterval(nats.get(), kPingMilliseconds));
  set(natsOptions_SetMaxPingsOut(nats.get(), kMaxPingsOut));
  set(natsOptions_SetMaxReconnect(nats.get(), -1));
  set(natsOptions_SetCustomReconnectDelay(nats.get(), &ReconnectDelay, nullptr));
  set(natsOptions_SetReconnectBufSize(nats.get(), kReconnectBufferBytes));
  set(natsOptions_SetFailRequestsOnDisconnect(nats.get(), true));
  set(natsOptions_SetSendAsap(nats.get(), true));
  // A scheduler doesn't hear itself.
  set(natsOptions_SetNoEcho(nats.get(), true));
  // Only servers that the settings name: certificates are checked by these names.
  set(natsOptions_SetIgnoreDiscoveredServers(nats.get(), true));
  set(natsOptions_SetDisconnectedCB(nats.get(), &Disconnected, self.get()));
  set(natsOptions_SetReconnectedCB(nats.get(), &Reconnected, self.get()));
  set(natsOptions_SetClosedCB(nats.get(), &Closed, self.get()));
  set(natsOptions_SetErrorHandler(nats.get(), &Failed, self.get()));
  DRAGNET_RETURN_IF_ERROR(Set(status, "NATS"));
  DRAGNET_RETURN_IF_ERROR(SetTls(options, nats.get()));

  status = natsConnection_Connect(&self->connection_, nats.get());
  if (status != NATS_OK) {
    self->connection_ = nullptr;
    const absl::Status error = NatsError("", status);
    return absl::Status(
        error.code(),
        WithoutUsers(StrCat("connect to bus ", self->servers_, error.message()), addresses));
  }
  jsOptions js_options;
  jsOptions_Init(&js_options);
  jsCtx* js = nullptr;
  DRAGNET_RETURN_IF_ERROR(
      Set(natsConnection_JetStream(&js, self->connection_, &js_options), "JetStream"));
  self->js_.reset(js);
  return self;
}

NatsConnection::~NatsConnection() {
  Close();
  retired_.clear();
  js_.reset();
  natsConnection_Destroy(connection_);
}

void NatsConnection::Close() {
  std::call_once(close_once_, [this] {
    if (connection_ == nullptr) return;
    {
      std::lock_guard lock(mutex_);
      state_ = absl::CancelledError("the connection to the bus was closed");
    }
    natsConnection_Close(connection_);
    // The last one that the library calls for this connection.
    closed_.get_future().wait();
  });
}

void NatsConnection::OnReconnected(std::function<void()> handler) {
  std::lock_guard lock(mutex_);
  on_reconnected_ = std::move(handler);
}

absl::Status NatsConnection::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

absl::Status NatsConnection::Publish(const Outgoing& message) {
  // What the library keeps for a later connection would overtake what was lost with this one.
  DRAGNET_RETURN_IF_ERROR(state());
  const std::string subject(message.subject), reply(message.reply);
  natsMsg* created = nullptr;
  natsStatus status =
      natsMsg_Create(&created, subject.c_str(), reply.empty() ? nullptr : reply.c_str(),
                     message.data.data(), static_cast<int>(message.data.size()));
  const NatsMessage owned(created);
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection_, created);
  return Set(status, StrCat("publish to ", message.subject));
}

absl::StatusOr<NatsMessage> NatsConnection::Request(const Outgoing& message,
                                                    absl::Duration timeout) {
  DRAGNET_RETURN_IF_ERROR(state());
  const std::string subject(message.subject);
  natsMsg* created = nullptr;
  natsStatus status = natsMsg_Create(&created, subject.c_str(), nullptr, message.data.data(),
                                     static_cast<int>(message.data.size()));
  const NatsMessage owned(created);
  natsMsg* answer = nullptr;
  if (status == NATS_OK) {
    const int64_t milliseconds = std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout));
    status = natsConnection_RequestMsg(&answer, connection_, created, milliseconds);
  }
  if (status != NATS_OK) return NatsError(StrCat("ask ", message.subject), status);
  return NatsMessage(answer);
}

absl::StatusOr<std::unique_ptr<NatsSubscription>> NatsConnection::Subscribe(
    const std::string& subject, NatsSubscription::Handler handler) {
  std::unique_ptr<NatsSubscription> subscription(new NatsSubscription(std::move(handler)));
  natsSubscription* created = nullptr;
  natsStatus status = natsConnection_Subscribe(
      &created, connection_, subject.c_str(),
      [](natsConnection*, natsSubscription*, natsMsg* message, void* self) {
        static_cast<NatsSubscription*>(self)->handler_(NatsMessage(message));
      },
      subscription.get());
  if (status != NATS_OK) return NatsError(StrCat("subscribe to ", subject), status);
  status = natsSubscription_SetOnCompleteCB(
      created, [](void* self) { static_cast<NatsSubscription*>(self)->ended_.set_value(); },
      subscription.get());
  if (status != NATS_OK) {
    // Closed this very moment: its thread may still run, and would use what goes here.
    Retire(created);
    subscription.release();
    return NatsError(StrCat("subscribe to ", subject), status);
  }
  subscription->subscription_ = NatsQueue(created, {this});
  return subscription;
}

absl::StatusOr<NatsQueue> NatsConnection::SubscribeSync(const std::string& subject) {
  natsSubscription* created = nullptr;
  const natsStatus status = natsConnection_SubscribeSync(&created, connection_, subject.c_str());
  if (status != NATS_OK) return NatsError(StrCat("subscribe to ", subject), status);
  return NatsQueue(created, {this});
}

void NatsConnection::Retire(natsSubscription* subscription) {
  // What it has and nobody wants any more; of one with a handler nothing can be taken. Bounded,
  // because others may send on meanwhile.
  natsMsg* unread = nullptr;
  for (int left = kMaxUnread;
       left > 0 && natsSubscription_NextMsg(&unread, subscription, 0) == NATS_OK; --left)
    natsMsg_Destroy(unread);
  natsSubscription_Unsubscribe(subscription);
  const absl::Time now = SteadyNow();
  std::vector<Retired> free;
  std::lock_guard lock(mutex_);
  retired_.push_back({now, NatsPtr<natsSubscription>(subscription)});
  while (now - retired_.front().since > kRetirement) {
    free.push_back(std::move(retired_.front()));
    retired_.pop_front();
  }
}

absl::Status NatsConnection::Flush() {
  DRAGNET_RETURN_IF_ERROR(state());
  return Set(natsConnection_FlushTimeout(connection_, kWriteMilliseconds), "NATS");
}

// Not of the library's making: its names follow from one another, and whoever was asked
// once, and so knows one, could answer in the bus's place.
std::string NatsConnection::NewInbox() const { return StrCat(inbox_, ".", NewUuidV4()); }

int64_t NatsConnection::max_payload() const { return natsConnection_GetMaxPayload(connection_); }

void NatsConnection::Disconnected(natsConnection*, void* self_pointer) {
  auto* self = static_cast<NatsConnection*>(self_pointer);
  ++self->losses_;
  std::lock_guard lock(self->mutex_);
  if (!self->state_.ok()) return;
  self->state_ = absl::UnavailableError(
      StrCat("no connection to the bus (", self->servers_, "); trying to connect again"));
  spdlog::warn("bus: connection lost ({}); connecting again", self->servers_);
}

void NatsConnection::Reconnected(natsConnection*, void* self_pointer) {
  auto* self = static_cast<NatsConnection*>(self_pointer);
  std::function<void()> handler;
  {
    std::lock_guard lock(self->mutex_);
    if (absl::IsCancelled(self->state_)) return;
    self->state_ = absl::OkStatus();
    handler = self->on_reconnected_;
  }
  spdlog::info("bus: connected again ({})", self->servers_);
  if (handler) handler();
}

// The library gives up when a server refuses this user twice, or says another error than
// those that it knows. It can't be told not to, and its subscriptions end with it.
void NatsConnection::Closed(natsConnection* connection, void* self_pointer) {
  auto* self = static_cast<NatsConnection*>(self_pointer);
  absl::Status refused;
  {
    std::lock_guard lock(self->mutex_);
    if (!absl::IsCancelled(self->state_)) {
      const char* words = nullptr;
      natsConnection_GetLastError(connection, &words);
      refused = self->state_ = absl::UnavailableError(
          StrCat("the bus (", self->servers_, ") has refused this scheduler for good: ",
                 words == nullptr || *words == '\0' ? "it doesn't say why" : words));
    }
  }
  if (!refused.ok()) self->on_closed_(refused);
  self->closed_.set_value();
}

void NatsConnection::Failed(natsConnection*, natsSubscription*, natsStatus status, void*) {
  spdlog::warn("bus: {}", natsStatus_GetText(status));
}

}  // namespace dragnet::scheduler
