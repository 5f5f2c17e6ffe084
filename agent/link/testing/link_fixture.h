// dragnet-link, the program, locked in as in production, between a monitor and a gateway
// that the tests play. For tests only.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/link/testing/fake_gateway.h"
#include "agent/sandbox/spawn.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {

inline constexpr char kAgentId[] = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
inline constexpr char kSpiffeUri[] =
    "URI:spiffe://demo-0123/agent/6ba7b810-9dad-41d1-80b4-00c04fd430c8";
inline constexpr sandbox::UserAndGroup kNobody = {65534, 65534};

class LinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dragnet-link-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
    std::filesystem::copy_file(DRAGNET_LINK, directory_ + "/dragnet-link");
    std::filesystem::create_directory(Identity());
    std::filesystem::permissions(Identity(), std::filesystem::perms(0700));
    if (IsRoot()) {
      ASSERT_EQ(::chown(Identity().c_str(), kNobody.uid, kNobody.gid), 0);
    }
  }
  void TearDown() override {
    StopLink();
    std::filesystem::remove_all(directory_);
  }

  static bool IsRoot() { return ::geteuid() == 0; }
  std::string Identity() const { return directory_ + "/identity"; }

  // As if enrolled before.
  void HaveCertificate(absl::Time not_before = absl::Now() - absl::Hours(1),
                       absl::Duration lifetime = absl::Hours(100),
                       const std::string& name = kSpiffeUri) {
    PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
    WriteIdentityFile("tls.key", key.ToPem());
    WriteIdentityFile("tls.pem", ca_.Issue(key.public_key(), name, not_before, lifetime));
  }

  void WriteIdentityFile(const std::string& name, const std::string& content) {
    std::string path = Identity() + "/" + name;
    ASSERT_TRUE(WriteFileAtomically(path, content, 0600).ok());
    if (IsRoot()) {
      ASSERT_EQ(::chown(path.c_str(), kNobody.uid, kNobody.gid), 0);
    }
  }

  ipc::LinkStart Start(std::vector<std::string> schedulers) const {
    ipc::LinkStart start;
    for (std::string& scheduler : schedulers) start.add_schedulers(std::move(scheduler));
    start.set_ca_certificates(ca_.pem());
    start.set_agent_id(kAgentId);
    start.set_fleet_id("demo-0123");
    start.set_identity_directory(Identity());
    start.mutable_hello()->mutable_facts()->set_name("host");
    start.mutable_hello()->set_trust_policy_version(7);
    return start;
  }

  void StartLink(const ipc::LinkStart& start) {
    SpawnLink();
    ipc::MonitorToLink message;
    *message.mutable_start() = start;
    Send(message);
  }

  void SpawnLink() {
    auto sockets = sandbox::NewSocketPair();
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    sandbox::SpawnOptions options;
    options.program = directory_ + "/dragnet-link";
    options.arguments = {"--allow-missing-walls"};
    options.allow_missing_walls = !IsRoot();
    options.fds = {{sockets->second.get(), 3}, {2, 2}};
    if (IsRoot()) options.user = kNobody;
    absl::StatusOr<sandbox::Child> child = sandbox::Spawn(options);
    ASSERT_TRUE(child.ok()) << child.status();
    link_ = *std::move(child);
    monitor_ = std::move(sockets->first);
  }

  // As the monitor goes.
  sandbox::ChildExit StopLink() {
    monitor_.Reset();
    if (!link_.valid()) return {};
    absl::StatusOr<sandbox::ChildExit> exit = link_.Reap();
    EXPECT_TRUE(exit.ok()) << exit.status();
    return exit.ok() ? *exit : sandbox::ChildExit();
  }

  void Send(const ipc::MonitorToLink& message) {
    absl::Status status = WriteFrame(monitor_.get(), message);
    ASSERT_TRUE(status.ok()) << status;
  }

  void SendRecord(uint64_t sequence) {
    ipc::MonitorToLink message;
    message.mutable_message()->mutable_record()->set_sequence(sequence);
    Send(message);
  }

  ipc::LinkToMonitor Receive() {
    ipc::LinkToMonitor message;
    absl::Status status = ReadFrame(monitor_.get(), &message);
    EXPECT_TRUE(status.ok()) << status;
    return message;
  }

  std::string ReceiveDisconnected() {
    ipc::LinkToMonitor message = Receive();
    EXPECT_TRUE(message.has_disconnected()) << message.ShortDebugString();
    return message.disconnected().reason();
  }

  void ReceiveConnected() {
    ipc::LinkToMonitor message = Receive();
    EXPECT_TRUE(message.has_connected()) << message.ShortDebugString();
  }

  // A session that is up.
  FakeSession* Connect(FakeGateway& gateway) {
    FakeSession* session = gateway.AwaitSession();
    session->Greet();
    ReceiveConnected();
    return session;
  }

  // What a link that is freshly started says to `message` in its session.
  std::string ReasonToLeave(FakeGateway& gateway, const v1::SchedulerMessage& message) {
    StopLink();
    StartLink(Start({gateway.address()}));
    Connect(gateway)->Write(message);
    return ReceiveDisconnected();
  }

  // Issues what the link asks for.
  FakeGateway::EnrollHandler Enrolling(std::string token) const {
    return [this, token](const v1::EnrollRequest& request, v1::EnrollResponse* response) {
      if (request.token() != token || request.agent_id() != kAgentId) {
        return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "token expired");
      }
      absl::StatusOr<PublicKey> key = ParseSigningRequest(request.csr());
      EXPECT_TRUE(key.ok()) << key.status();
      response->set_certificate_chain(
          ca_.Issue(*key, kSpiffeUri, absl::Now() - absl::Hours(1), absl::Hours(100)));
      return grpc::Status::OK;
    };
  }

  TestCa ca_;
  std::string directory_;
  sandbox::Child link_;
  UniqueFd monitor_;
};

}  // namespace dragnet
