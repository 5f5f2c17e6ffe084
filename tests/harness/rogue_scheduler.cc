#include "tests/harness/rogue_scheduler.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/rpc/rpc.h"
#include "core/strings.h"
#include "dragnet/v1/agent_gateway.grpc.pb.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using Base = v1::AgentGateway::WithCallbackMethod_Enroll<
    v1::AgentGateway::WithRawCallbackMethod_Session<v1::AgentGateway::Service>>;

grpc::ByteBuffer ToByteBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  Need(buffer.DumpToSingleSlice(&slice).ok(), "read a message");
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

v1::RecordKey KeyOf(const v1::ResultRecord& record) {
  v1::RecordKey key;
  key.set_action_id(record.action_id());
  key.set_occurrence(record.occurrence());
  key.set_operation(record.operation());
  key.set_sequence(record.sequence());
  if (record.has_refusal()) key.set_envelope_sha256(record.refusal().envelope_sha256());
  return key;
}

std::string Acknowledgement(const v1::ResultRecord& record) {
  v1::SchedulerMessage message;
  *message.mutable_acknowledged() = KeyOf(record);
  return message.SerializeAsString();
}

// What all sessions have in common.
struct Shared {
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::vector<v1::AgentMessage> received;
  size_t sessions = 0;
  size_t calls = 0;
  bool acknowledge = false;
};

class Session : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Session(Shared& shared, grpc::CallbackServerContext* context)
      : shared_(shared), context_(context) {
    v1::SchedulerMessage welcome;
    welcome.mutable_welcome()->set_record_window(32);
    *welcome.mutable_welcome()->mutable_heartbeat_interval() = ToProtoDuration(absl::Seconds(30));
    *welcome.mutable_welcome()->mutable_now() = ToTimestamp(absl::Now());
    Queue(welcome.SerializeAsString());
    StartRead(&incoming_);
  }

  void Queue(const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    outgoing_.push_back(bytes);
    if (!writing_) WriteNext();
  }

  void Cancel() {
    const std::lock_guard lock(mutex_);
    if (!finished_) context_->TryCancel();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(finished_, true)) Finish(grpc::Status::OK);
      return;
    }
    v1::AgentMessage message;
    if (message.ParseFromString(ToBytes(incoming_))) Take(message);
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && !finished_ && !outgoing_.empty()) WriteNext();
  }

  void OnDone() override {
    const std::lock_guard lock(done_mutex_);
    done_ = true;
    done_changed_.notify_all();
  }

  void WaitUntilDone() {
    std::unique_lock lock(done_mutex_);
    done_changed_.wait(lock, [this] { return done_; });
  }

 private:
  void Take(const v1::AgentMessage& message) {
    if (message.has_record() && shared_.acknowledge) Queue(Acknowledgement(message.record()));
    const std::lock_guard lock(shared_.mutex);
    shared_.received.push_back(message);
    shared_.changed.notify_all();
  }

  void WriteNext() {
    writing_ = true;
    written_ = ToByteBuffer(outgoing_.front());
    outgoing_.pop_front();
    StartWrite(&written_);
  }

  Shared& shared_;
  grpc::CallbackServerContext* context_;
  std::mutex mutex_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer written_;
  std::deque<std::string> outgoing_;
  bool writing_ = false;
  bool finished_ = false;
  std::mutex done_mutex_;
  std::condition_variable done_changed_;
  bool done_ = false;
};

}  // namespace

class RogueScheduler::Service : public Base {
 public:
  Service(Shared& shared, Forge forge) : shared_(shared), forge_(std::move(forge)) {}

  grpc::ServerUnaryReactor* Enroll(grpc::CallbackServerContext* context,
                                   const v1::EnrollRequest* request,
                                   v1::EnrollResponse* response) override {
    {
      const std::lock_guard lock(shared_.mutex);
      ++shared_.calls;
    }
    response->set_certificate_chain(forge_.IssueAgent(request->csr(), request->agent_id()));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Session(
      grpc::CallbackServerContext* context) override {
    const std::lock_guard lock(shared_.mutex);
    sessions_.push_back(std::make_unique<testing::Session>(shared_, context));
    ++shared_.sessions;
    ++shared_.calls;
    shared_.changed.notify_all();
    return sessions_.back().get();
  }

  // Sends to the newest session, as soon as there is one.
  void Queue(const std::string& bytes) {
    testing::Session* newest = nullptr;
    {
      std::unique_lock lock(shared_.mutex);
      shared_.changed.wait_for(lock, absl::ToChronoSeconds(kPatience),
                               [&] { return !sessions_.empty(); });
      Need(!sessions_.empty(), "an agent's session");
      newest = sessions_.back().get();
    }
    newest->Queue(bytes);
  }

  void CancelAll() {
    const std::lock_guard lock(shared_.mutex);
    for (const auto& session : sessions_) session->Cancel();
  }

  void WaitForAll() {
    for (const auto& session : sessions_) session->WaitUntilDone();
  }

 private:
  Shared& shared_;
  const Forge forge_;
  // Kept until the end, so that a test may still hold on to one that ended.
  std::vector<std::unique_ptr<testing::Session>> sessions_;
};

struct RogueScheduler::Parts {
  Shared shared;
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;
};

RogueScheduler::RogueScheduler(const Forge& forge, const std::string& fleet_directory, int port,
                               Options options)
    : parts_(std::make_unique<Parts>()) {
  parts_->shared.acknowledge = options.acknowledge;
  parts_->service = std::make_unique<Service>(parts_->shared, forge);
  rpc::TlsIdentity identity = {Read(fleet_directory + "/scheduler/server.pem"),
                               Read(fleet_directory + "/scheduler/server.key")};
  if (options.identity.has_value()) {
    identity = {options.identity->certificate_chain, options.identity->private_key};
  }
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(StrCat("127.0.0.1:", port),
                           rpc::NewServerCredentials(forge.ca_pem(), identity));
  builder.RegisterService(parts_->service.get());
  parts_->server = builder.BuildAndStart();
  Need(parts_->server != nullptr, "listen as a rogue scheduler");
}

RogueScheduler::~RogueScheduler() {
  parts_->service->CancelAll();
  parts_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  parts_->service->WaitForAll();
}

void RogueScheduler::SendAction(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_action_envelope(envelope);
  Send(message);
}

void RogueScheduler::SendPolicy(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_trust_policy_envelope(envelope);
  Send(message);
}

void RogueScheduler::SendOrder(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_order_envelope(envelope);
  Send(message);
}

void RogueScheduler::Send(const v1::SchedulerMessage& message) {
  SendRaw(message.SerializeAsString());
}

void RogueScheduler::SendRaw(const std::string& bytes) { parts_->service->Queue(bytes); }

void RogueScheduler::Acknowledge(const v1::ResultRecord& record) {
  SendRaw(Acknowledgement(record));
}

void RogueScheduler::EndSessions() { parts_->service->CancelAll(); }

bool RogueScheduler::WaitForHello(absl::Duration patience) {
  return WaitFor([](const v1::AgentMessage& message) { return message.has_hello(); }, patience)
      .has_value();
}

size_t RogueScheduler::sessions() const {
  const std::lock_guard lock(parts_->shared.mutex);
  return parts_->shared.sessions;
}

size_t RogueScheduler::calls() const {
  const std::lock_guard lock(parts_->shared.mutex);
  return parts_->shared.calls;
}

std::vector<v1::AgentMessage> RogueScheduler::received() const {
  const std::lock_guard lock(parts_->shared.mutex);
  return parts_->shared.received;
}

std::optional<v1::ResultRecord> RogueScheduler::WaitForRefusal(const std::string& envelope,
                                                               absl::Duration patience) {
  const std::string digest = Sha256(envelope);
  const auto message = WaitFor(
      [&](const v1::AgentMessage& candidate) {
        return candidate.record().refusal().envelope_sha256() == digest;
      },
      patience);
  if (!message.has_value()) return std::nullopt;
  return message->record();
}

std::optional<v1::AgentMessage> RogueScheduler::WaitFor(
    const std::function<bool(const v1::AgentMessage&)>& matches, absl::Duration patience) {
  const Shared& shared = parts_->shared;
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(patience);
  size_t seen = 0;
  std::unique_lock lock(shared.mutex);
  while (true) {
    for (; seen < shared.received.size(); ++seen) {
      if (matches(shared.received[seen])) return shared.received[seen];
    }
    if (shared.changed.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

}  // namespace dragnet::testing
