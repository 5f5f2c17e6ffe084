#include "agent/link/gateway.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "core/rpc/rpc.h"
#include "dragnet/v1/agent_gateway.grpc.pb.h"
#include "grpc/support/log.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"

namespace dragnet {
namespace {

using Stub = v1::AgentGateway::Stub;

// An idle connection is pinged this often, so that one which leads nowhere is
// noticed. Schedulers permit it.
constexpr int kKeepaliveSeconds = 60;

// A call with one answer. Cancels and waits on destruction.
template <typename Response>
class Call {
 public:
  template <typename Request, typename Method>
  Call(Stub::async_interface* stub, Method method, const Request& request, absl::Duration timeout,
       const std::function<void()>& wake)
      : wake_(wake) {
    context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoSeconds(timeout));
    (stub->*method)(&context_, Keep(request), &response_,
                    [this](grpc::Status status) { Finish(std::move(status)); });
  }
  ~Call() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return status_.has_value(); });
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Nothing until it is answered.
  std::optional<absl::StatusOr<Response>> Result() const {
    std::lock_guard lock(mutex_);
    if (!status_.has_value()) return std::nullopt;
    if (!status_->ok()) return rpc::FromGrpc(*status_);
    return response_;
  }

 private:
  // gRPC reads the request until the call has ended.
  template <typename Request>
  const Request* Keep(const Request& request) {
    auto kept = std::make_shared<Request>(request);
    request_ = kept;
    return kept.get();
  }

  void Finish(grpc::Status status) {
    // Under the lock to the end: whoever waits for this may destroy it then.
    std::lock_guard lock(mutex_);
    status_ = std::move(status);
    changed_.notify_all();
    wake_();
  }

  const std::function<void()>& wake_;
  grpc::ClientContext context_;
  std::shared_ptr<const void> request_;
  Response response_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<grpc::Status> status_;
};

// The session's stream. gRPC calls On…; the loop calls the rest.
class SessionStream final : public grpc::ClientBidiReactor<v1::AgentMessage, v1::SchedulerMessage> {
 public:
  SessionStream(Stub::async_interface* stub, const v1::AgentMessage& hello,
                const std::function<void()>& wake)
      : wake_(wake), outgoing_(hello) {
    stub->Session(&context_, this);
    // Reads and writes are started from the loop, too, so gRPC must not take
    // the stream for done between two of them.
    AddHold();
    StartWrite(&outgoing_);
    StartRead(&incoming_);
    StartCall();
  }

  ~SessionStream() override {
    context_.TryCancel();
    ReleaseHold();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_.has_value(); });
  }

  std::optional<v1::SchedulerMessage> TakeReceived() {
    std::unique_lock lock(mutex_);
    if (!received_) return std::nullopt;
    received_ = false;
    v1::SchedulerMessage message = std::move(incoming_);
    incoming_.Clear();
    if (held_) StartRead(&incoming_);
    return message;
  }

  bool can_send() const {
    std::lock_guard lock(mutex_);
    return held_ && !writing_;
  }

  void Send(v1::AgentMessage message) {
    std::lock_guard lock(mutex_);
    if (!held_ || writing_) return;
    writing_ = true;
    outgoing_ = std::move(message);
    StartWrite(&outgoing_);
  }

  std::optional<absl::Status> ended() const {
    std::lock_guard lock(mutex_);
    // What was received before the end is taken before the end is seen.
    if (!done_.has_value() || received_) return std::nullopt;
    return done_;
  }

  void OnReadDone(bool ok) override {
    if (!ok) ReleaseHold();
    std::lock_guard lock(mutex_);
    received_ = ok;
    wake_();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) ReleaseHold();
    std::lock_guard lock(mutex_);
    writing_ = false;
    // A large record's buffer isn't kept for a heartbeat's sake.
    v1::AgentMessage().Swap(&outgoing_);
    wake_();
  }

  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    done_ = status.ok() ? absl::UnavailableError("the scheduler ended the session")
                        : rpc::FromGrpc(status);
    changed_.notify_all();
    wake_();
  }

 private:
  void ReleaseHold() {
    {
      std::lock_guard lock(mutex_);
      if (!std::exchange(held_, false)) return;
    }
    RemoveHold();
  }

  const std::function<void()>& wake_;
  grpc::ClientContext context_;
  v1::AgentMessage outgoing_;
  v1::SchedulerMessage incoming_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = true;
  bool writing_ = true;
  bool received_ = false;
  std::optional<absl::Status> done_;
};

// The result of a call that has ended, which is then forgotten.
template <typename Response>
std::optional<absl::StatusOr<Response>> TakeResult(std::unique_ptr<Call<Response>>& call) {
  if (call == nullptr) return std::nullopt;
  std::optional<absl::StatusOr<Response>> result = call->Result();
  if (result.has_value()) call.reset();
  return result;
}

}  // namespace

struct TlsSessions::Cache {
  rpc::SessionCache sessions;
};

TlsSessions::TlsSessions() : cache_(std::make_unique<Cache>()) {}
TlsSessions::~TlsSessions() = default;
void TlsSessions::Clear() { cache_ = std::make_unique<Cache>(); }

struct Gateway::Parts {
  std::function<void()> wake;
  std::unique_ptr<Stub> stub;
  std::unique_ptr<Call<v1::EnrollResponse>> enroll;
  std::unique_ptr<Call<v1::RenewResponse>> renew;
  std::unique_ptr<SessionStream> session;
};

void Gateway::InitializeProcess() {
  rpc::InitializeProcess();
  // Whoever sits in the network could fill the host's log with its lines.
  gpr_set_log_function([](gpr_log_func_args*) {});
}

Gateway::Gateway(const Options& options, std::function<void()> wake)
    : parts_(std::make_unique<Parts>()) {
  parts_->wake = std::move(wake);
  parts_->stub = v1::AgentGateway::NewStub(rpc::NewChannel(
      options.address, options.ca_certificates, {options.certificate_chain, options.private_key},
      kKeepaliveSeconds,
      options.sessions == nullptr ? nullptr : &options.sessions->cache_->sessions, options.proxy));
}

Gateway::~Gateway() = default;

void Gateway::StartEnroll(const v1::EnrollRequest& request, absl::Duration timeout) {
  void (Stub::async_interface::*method)(grpc::ClientContext*, const v1::EnrollRequest*,
                                        v1::EnrollResponse*, std::function<void(grpc::Status)>) =
      &Stub::async_interface::Enroll;
  parts_->enroll = std::make_unique<Call<v1::EnrollResponse>>(parts_->stub->async(), method,
                                                              request, timeout, parts_->wake);
}

std::optional<absl::StatusOr<v1::EnrollResponse>> Gateway::TakeEnrolled() {
  return TakeResult(parts_->enroll);
}

void Gateway::StartRenew(const v1::RenewRequest& request, absl::Duration timeout) {
  void (Stub::async_interface::*method)(grpc::ClientContext*, const v1::RenewRequest*,
                                        v1::RenewResponse*, std::function<void(grpc::Status)>) =
      &Stub::async_interface::Renew;
  parts_->renew = std::make_unique<Call<v1::RenewResponse>>(parts_->stub->async(), method, request,
                                                            timeout, parts_->wake);
}

std::optional<absl::StatusOr<v1::RenewResponse>> Gateway::TakeRenewed() {
  return TakeResult(parts_->renew);
}

void Gateway::StartSession(const v1::AgentMessage& hello) {
  parts_->session = std::make_unique<SessionStream>(parts_->stub->async(), hello, parts_->wake);
}

std::optional<v1::SchedulerMessage> Gateway::TakeReceived() {
  return parts_->session == nullptr ? std::nullopt : parts_->session->TakeReceived();
}

bool Gateway::can_send() const { return parts_->session != nullptr && parts_->session->can_send(); }

void Gateway::Send(v1::AgentMessage message) { parts_->session->Send(std::move(message)); }

std::optional<absl::Status> Gateway::ended() const {
  return parts_->session == nullptr ? std::nullopt : parts_->session->ended();
}

}  // namespace dragnet
