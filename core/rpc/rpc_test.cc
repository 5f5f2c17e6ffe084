// The transport's settings, over real TLS on loopback.
#include "core/rpc/rpc.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "core/rpc/server_tls.h"
#include "core/rpc/testing/test_ca.h"
#include "core/strings.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"

namespace dragnet::rpc {
namespace {

constexpr int kMaxMessageBytes = 1 << 20;
constexpr size_t kMaxMemory = size_t{64} << 20;

// Sends back what it gets, one message at a time.
class Echo : public grpc::ServerGenericBidiReactor {
 public:
  Echo() { StartRead(&message_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartWrite(&message_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&message_);
  }
  void OnDone() override { std::unique_ptr<Echo>(this); }

 private:
  grpc::ByteBuffer message_;
};

class EchoService : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return std::make_unique<Echo>().release();
  }
};

// A stream of messages; every method blocks.
class Caller : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit Caller(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    stub_.PrepareBidiStreamingCall(&context_, "/test/Echo", grpc::StubOptions(), this);
    AddHold();
    StartCall();
  }
  ~Caller() override {
    context_.TryCancel();
    RemoveHold();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }

  // Whether the message came back.
  bool SendAndReceive(const std::string& message) {
    const grpc::Slice slice(message);
    outgoing_ = grpc::ByteBuffer(&slice, 1);
    {
      std::lock_guard lock(mutex_);
      read_ = false;
      written_ = false;
    }
    StartWrite(&outgoing_);
    StartRead(&incoming_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return read_ && written_; });
    return ok_ && incoming_.Length() == message.size();
  }
  grpc::Status status() {
    std::unique_lock lock(mutex_);
    return status_;
  }

  void OnReadDone(bool ok) override {
    std::lock_guard lock(mutex_);
    read_ = true;
    ok_ = ok;
    changed_.notify_all();
  }
  void OnWriteDone(bool) override {
    std::lock_guard lock(mutex_);
    written_ = true;
    changed_.notify_all();
  }
  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    done_ = true;
    status_ = status;
    changed_.notify_all();
  }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::ByteBuffer outgoing_;
  grpc::ByteBuffer incoming_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool read_ = false;
  bool written_ = false;
  bool ok_ = false;
  bool done_ = false;
  grpc::Status status_;
};

class TransportTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeProcess(); }
  TransportTest() {
    const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
    tls_ = {
        ca_.Issue(key.public_key(), "DNS:localhost", absl::Now() - absl::Hours(1), absl::Hours(24)),
        key.ToPem()};
    grpc::ServerBuilder builder;
    TuneServer(kMaxMessageBytes, kMaxMemory, &builder);
    builder.AddListeningPort("localhost:0", NewServerCredentials(ca_.pem(), tls_), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~TransportTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::shared_ptr<grpc::Channel> Channel(const SessionCache* sessions = nullptr) {
    return NewChannel(StrCat("localhost:", port_), ca_.pem(), tls_, 0, sessions);
  }

  TestCa ca_;
  TlsIdentity tls_;
  EchoService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// With GRPC_ARG_TSI_MAX_FRAME_SIZE 4096 the first size of the first round that
// fills a record ends the connection: see kTlsFrameBytes.
TEST_F(TransportTest, AWriteThatFillsItsLastTlsRecordArrives) {
  const size_t record = static_cast<size_t>(kTlsFrameBytes) - 100;
  // What HTTP/2 and gRPC put before a message, once or more often.
  constexpr size_t kMaxHeaders = 64;
  Caller caller(Channel());
  for (const size_t records : {1, 2, 5})
    for (size_t size = records * record - kMaxHeaders; size <= records * record + 1; ++size)
      ASSERT_TRUE(caller.SendAndReceive(std::string(size, 'x'))) << size;
}

TEST_F(TransportTest, MessagesOfManySizesArriveInBothDirections) {
  Caller caller(Channel());
  for (size_t size = 1; size < kMaxMessageBytes; size = size * 3 / 2 + 1)
    ASSERT_TRUE(caller.SendAndReceive(std::string(size, 'x'))) << size;
}

TEST_F(TransportTest, AMessageBeyondTheServersMemoryEndsItsCallAndNotTheServer) {
  {
    Caller caller(Channel());
    EXPECT_FALSE(caller.SendAndReceive(std::string(3 * kMaxMemory, 'x')));
  }
  Caller other(Channel());
  EXPECT_TRUE(other.SendAndReceive("x"));
}

TEST_F(TransportTest, ChannelsOfOneSessionCacheWorkOneAfterTheOther) {
  const SessionCache sessions;
  for (int i = 0; i < 3; ++i) {
    Caller caller(Channel(&sessions));
    EXPECT_TRUE(caller.SendAndReceive("x"));
  }
}

TEST_F(TransportTest, AClientWhoseIdleConnectionWasEndedConnectsAgain) {
  // As TuneServer has it, only sooner: of two values the first counts.
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 100);
  TuneServer(kMaxMessageBytes, kMaxMemory, &builder);
  EchoService service;
  int port = 0;
  builder.AddListeningPort("localhost:0", NewServerCredentials(ca_.pem(), tls_), &port);
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  const auto channel = NewChannel(StrCat("localhost:", port), ca_.pem(), tls_, 0);
  for (int i = 0; i < 3; ++i) {
    {
      Caller caller(channel);
      EXPECT_TRUE(caller.SendAndReceive("x"));
    }
    // Nothing but the server ends it.
    const auto patience = std::chrono::system_clock::now() + std::chrono::seconds(30);
    grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/false);
    while (state == GRPC_CHANNEL_READY) {
      ASSERT_TRUE(channel->WaitForStateChange(state, patience));
      state = channel->GetState(false);
    }
  }
  server->Shutdown(std::chrono::system_clock::now());
}

TEST_F(TransportTest, AServersCertificateIsReplacedWhileItRuns) {
  TestCa other_ca;
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const TlsIdentity other = {other_ca.Issue(key.public_key(), "DNS:localhost",
                                            absl::Now() - absl::Hours(1), absl::Hours(24)),
                             key.ToPem()};
  ServerTls tls(ca_.pem(), tls_);
  grpc::ServerBuilder builder;
  TuneServer(kMaxMessageBytes, kMaxMemory, &builder);
  EchoService service;
  int port = 0;
  builder.AddListeningPort("localhost:0", NewServerCredentials(tls), &port);
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  const std::string address = StrCat("localhost:", port);

  const SessionCache sessions;
  Caller open(NewChannel(address, ca_.pem(), tls_, 0, &sessions));
  EXPECT_TRUE(open.SendAndReceive("x"));

  tls.Replace(other_ca.pem(), other);
  // What is open goes on.
  EXPECT_TRUE(open.SendAndReceive("x"));
  Caller now(NewChannel(address, other_ca.pem(), other, 0));
  EXPECT_TRUE(now.SendAndReceive("x"));
  // Neither the server's former certificate nor clients of the former CA, nor an
  // earlier session.
  Caller before(NewChannel(address, ca_.pem(), tls_, 0, &sessions));
  EXPECT_FALSE(before.SendAndReceive("x"));
  Caller old_client(NewChannel(address, other_ca.pem(), tls_, 0));
  EXPECT_FALSE(old_client.SendAndReceive("x"));
  server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace dragnet::rpc
