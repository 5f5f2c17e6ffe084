// A scheduler's agent gateway that does what a test tells it to, over real mTLS
// on a port of this host. For tests only; thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/certificate.h"
#include "core/rpc/rpc.h"
#include "core/rpc/testing/test_ca.h"
#include "dragnet/v1/agent_gateway.grpc.pb.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace dragnet {

// One session, from the scheduler's side; its methods block.
class FakeSession {
 public:
  using Stream = grpc::ServerReaderWriter<v1::SchedulerMessage, v1::AgentMessage>;

  FakeSession(grpc::ServerContext* context, Stream* stream) : context_(context), stream_(stream) {}

  // Nothing at the end of the stream.
  std::optional<v1::AgentMessage> Read() {
    v1::AgentMessage message;
    if (!stream_->Read(&message)) return std::nullopt;
    return message;
  }
  bool Write(const v1::SchedulerMessage& message) { return stream_->Write(message); }

  // 0 seconds: it doesn't promise to say anything.
  void Welcome(uint32_t window = 8, int heartbeat_seconds = 3600, int alive_seconds = 0) {
    v1::SchedulerMessage message;
    if (alive_seconds > 0)
      message.mutable_welcome()->mutable_alive_interval()->set_seconds(alive_seconds);
    message.mutable_welcome()->set_record_window(window);
    message.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(heartbeat_seconds);
    Write(message);
  }

  // Reads the hello, and welcomes.
  v1::Hello Greet(uint32_t window = 8, int heartbeat_seconds = 3600, int alive_seconds = 0) {
    std::optional<v1::AgentMessage> hello = Read();
    Welcome(window, heartbeat_seconds, alive_seconds);
    return hello.has_value() ? hello->hello() : v1::Hello();
  }

  // PEM of the client's certificate.
  std::string peer_certificate() const {
    auto values = context_->auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
    return values.empty() ? "" : std::string(values[0].data(), values[0].size());
  }

  void End(grpc::Status status) {
    std::lock_guard lock(mutex_);
    end_ = std::move(status);
    ended_.notify_all();
  }

  grpc::Status AwaitEnd() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return end_.has_value(); });
    return *end_;
  }

  void Cancel() { context_->TryCancel(); }

 private:
  grpc::ServerContext* context_;
  Stream* stream_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<grpc::Status> end_;
};

class FakeGateway : public v1::AgentGateway::Service {
 public:
  using EnrollHandler = std::function<grpc::Status(const v1::EnrollRequest&, v1::EnrollResponse*)>;
  using RenewHandler = std::function<grpc::Status(const v1::RenewRequest&, v1::RenewResponse*)>;

  // On `port` of this host, 0 for any. `ca` issues its certificate, and is
  // whom it trusts.
  FakeGateway(const TestCa& ca, int port = 0, const std::string& names = "DNS:localhost") {
    PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
    rpc::TlsIdentity identity;
    identity.certificate_chain =
        ca.Issue(key.public_key(), names, absl::Now() - absl::Hours(1), absl::Hours(24));
    identity.private_key = key.ToPem();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("localhost:" + std::to_string(port),
                             rpc::NewServerCredentials(ca.pem(), identity), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeGateway() override {
    {
      std::lock_guard lock(mutex_);
      for (FakeSession* session : open_) session->End(grpc::Status::OK);
    }
    server_->Shutdown(std::chrono::system_clock::now());
  }

  int port() const { return port_; }
  std::string address() const { return "localhost:" + std::to_string(port_); }

  void OnEnroll(EnrollHandler handler) {
    std::lock_guard lock(mutex_);
    enroll_ = std::move(handler);
  }
  void OnRenew(RenewHandler handler) {
    std::lock_guard lock(mutex_);
    renew_ = std::move(handler);
  }

  // The next session that a link opens. Valid until its End.
  FakeSession* AwaitSession() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    FakeSession* session = waiting_.front();
    waiting_.pop_front();
    return session;
  }

  int enrolments() const {
    std::lock_guard lock(mutex_);
    return enrolments_;
  }

  grpc::Status Enroll(grpc::ServerContext*, const v1::EnrollRequest* request,
                      v1::EnrollResponse* response) override {
    EnrollHandler handler;
    {
      std::lock_guard lock(mutex_);
      ++enrolments_;
      handler = enroll_;
    }
    return handler ? handler(*request, response)
                   : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "no such token");
  }

  grpc::Status Renew(grpc::ServerContext*, const v1::RenewRequest* request,
                     v1::RenewResponse* response) override {
    RenewHandler handler;
    {
      std::lock_guard lock(mutex_);
      handler = renew_;
    }
    return handler ? handler(*request, response)
                   : grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "no");
  }

  grpc::Status Session(grpc::ServerContext* context, FakeSession::Stream* stream) override {
    FakeSession session(context, stream);
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(&session);
      open_.push_back(&session);
      changed_.notify_all();
    }
    grpc::Status status = session.AwaitEnd();
    std::lock_guard lock(mutex_);
    std::erase(waiting_, &session);
    std::erase(open_, &session);
    return status;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  EnrollHandler enroll_;
  RenewHandler renew_;
  std::deque<FakeSession*> waiting_;
  std::vector<FakeSession*> open_;
  int enrolments_ = 0;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace dragnet
