// dragnet-link, the program, locked in as in production, between a monitor and
// a gateway that the tests play.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "agent/link/testing/link_fixture.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/order.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using testing::HasSubstr;
using testing::Not;

// ---- identity

TEST_F(LinkTest, ACertificateThatCanNotConnectIsNotTaken) {
  const TestCa other;
  const char* const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  FakeGateway gateway(ca_);
  int enrolments = 0;
  gateway.OnEnroll([&](const v1::EnrollRequest& request, v1::EnrollResponse* response) {
    // First of another CA, then one with a broken chain, then a good one.
    const TestCa& ca = enrolments == 0 ? other : ca_;
    response->set_certificate_chain(ca.Issue(*ParseSigningRequest(request.csr()), kSpiffeUri,
                                             absl::Now() - absl::Hours(1), absl::Hours(100)) +
                                    (enrolments == 1 ? garbage : ""));
    ++enrolments;
    return grpc::Status::OK;
  });
  ipc::LinkStart start = Start({gateway.address()});
  start.set_enrolment_token("secret");
  StartLink(start);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("doesn't verify against the CA"));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("can't be read"));
  Connect(gateway)->End(grpc::Status::OK);
  EXPECT_EQ(gateway.enrolments(), 3);
}

TEST_F(LinkTest, EnrolsOnceAndKeepsItsIdentity) {
  FakeGateway gateway(ca_);
  gateway.OnEnroll(Enrolling("secret"));
  ipc::LinkStart start = Start({gateway.address()});
  start.set_enrolment_token("secret");
  StartLink(start);
  FakeSession* session = gateway.AwaitSession();
  v1::Hello hello = session->Greet(/*window=*/17);
  EXPECT_EQ(hello.trust_policy_version(), 7u);
  EXPECT_EQ(hello.facts().name(), "host");
  EXPECT_EQ(ParseCertificate(session->peer_certificate())->spiffe_id,
            std::string(kSpiffeUri).substr(4));
  EXPECT_EQ(Receive().connected().record_window(), 17u);
  EXPECT_EQ(StopLink().status, 0);
  session->End(grpc::Status::OK);

  struct stat key;
  ASSERT_EQ(::stat((Identity() + "/tls.key").c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);

  // Started again, it connects with what it has.
  StartLink(start);
  Connect(gateway);
  EXPECT_EQ(gateway.enrolments(), 1);
}

TEST_F(LinkTest, RefusedEnrolmentSaysWhyAndKeepsTheKey) {
  FakeGateway gateway(ca_);
  std::string first_csr;
  gateway.OnEnroll([&](const v1::EnrollRequest& request, v1::EnrollResponse*) {
    first_csr = request.csr();
    return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "token \x1b[31mexpired");
  });
  ipc::LinkStart start = Start({gateway.address()});
  start.set_enrolment_token("old");
  StartLink(start);
  std::string reason = ReceiveDisconnected();
  EXPECT_THAT(reason, HasSubstr("token is unknown, expired, revoked or used up"));
  EXPECT_THAT(reason, HasSubstr("token \\x1b[31mexpired"));
  StopLink();

  PublicKey first = *ParseSigningRequest(first_csr);
  gateway.OnEnroll([&](const v1::EnrollRequest& request, v1::EnrollResponse* response) {
    EXPECT_EQ(ParseSigningRequest(request.csr())->id(), first.id());
    return Enrolling("new")(request, response);
  });
  start.set_enrolment_token("new");
  StartLink(start);
  Connect(gateway);
}

TEST_F(LinkTest, TokenIsNotShownToAServerOfAnotherCa) {
  TestCa other;
  FakeGateway impostor(other);
  ipc::LinkStart start = Start({impostor.address()});
  start.set_enrolment_token("secret");
  StartLink(start);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("certificate does not verify"));
  EXPECT_EQ(impostor.enrolments(), 0);
}

TEST_F(LinkTest, ServerOfAnotherNameIsNotTalkedTo) {
  HaveCertificate();
  FakeGateway gateway(ca_, 0, "DNS:other.example");
  StartLink(Start({gateway.address()}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("its certificate is for another name"));
}

TEST_F(LinkTest, CertificateOfAnotherFleetIsToldFromNoAnswer) {
  TestCa other;
  PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  WriteIdentityFile("tls.key", key.ToPem());
  WriteIdentityFile("tls.pem", other.Issue(key.public_key(), kSpiffeUri,
                                           absl::Now() - absl::Hours(1), absl::Hours(100)));
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("does not take this host's certificate"));
}

TEST_F(LinkTest, CertificateForAnotherNameOrKeyIsNotTaken) {
  FakeGateway gateway(ca_);
  PrivateKey other = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  gateway.OnEnroll([&](const v1::EnrollRequest&, v1::EnrollResponse* response) {
    response->set_certificate_chain(
        ca_.Issue(other.public_key(), kSpiffeUri, absl::Now(), absl::Hours(1)));
    return grpc::Status::OK;
  });
  ipc::LinkStart start = Start({gateway.address()});
  start.set_enrolment_token("secret");
  StartLink(start);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("for another key"));
  gateway.OnEnroll([&](const v1::EnrollRequest& request, v1::EnrollResponse* response) {
    response->set_certificate_chain(ca_.Issue(*ParseSigningRequest(request.csr()),
                                              "URI:spiffe://demo-0123/agent/other", absl::Now(),
                                              absl::Hours(1)));
    return grpc::Status::OK;
  });
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("not for spiffe://demo-0123/agent/"));
  EXPECT_FALSE(std::filesystem::exists(Identity() + "/tls.pem"));
}

TEST_F(LinkTest, IdentityOfAnotherAgentIsRefused) {
  HaveCertificate(absl::Now() - absl::Hours(1), absl::Hours(100),
                  "URI:spiffe://demo-0123/agent/00000000-0000-4000-8000-000000000000");
  StartLink(Start({"localhost:1"}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("not for spiffe://demo-0123/agent/6ba7b810"));
  EXPECT_EQ(link_.Reap()->status, 2);
}

TEST_F(LinkTest, KeyThatOthersCanReadIsRefused) {
  HaveCertificate();
  std::filesystem::permissions(Identity() + "/tls.key", std::filesystem::perms(0644));
  StartLink(Start({"localhost:1"}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("tls.key"));
  EXPECT_EQ(link_.Reap()->status, 2);
}

TEST_F(LinkTest, RenewsAfterTwoThirdsOfTheLifetimeAndConnectsAnew) {
  HaveCertificate(absl::Now() - absl::Hours(70), absl::Hours(100));
  FakeGateway gateway(ca_);
  gateway.OnRenew([&](const v1::RenewRequest& request, v1::RenewResponse* response) {
    response->set_certificate_chain(
        ca_.Issue(*ParseSigningRequest(request.csr()), kSpiffeUri, absl::Now(), absl::Hours(100)));
    return grpc::Status::OK;
  });
  StartLink(Start({gateway.address()}));
  FakeSession* old_session = gateway.AwaitSession();
  std::string old_certificate = old_session->peer_certificate();
  old_session->Greet();
  ReceiveConnected();
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("renewed"));
  FakeSession* new_session = gateway.AwaitSession();
  EXPECT_NE(new_session->peer_certificate(), old_certificate);
  new_session->Greet();
  ReceiveConnected();
  old_session->End(grpc::Status::OK);
  EXPECT_THAT(*ReadFile(Identity() + "/tls.pem"), HasSubstr(new_session->peer_certificate()));
}

TEST_F(LinkTest, RenewsWhenItIsAskedToAndNotAgainAtOnce) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  std::atomic<int> renewals = 0;
  gateway.OnRenew([&](const v1::RenewRequest& request, v1::RenewResponse* response) {
    ++renewals;
    response->set_certificate_chain(
        ca_.Issue(*ParseSigningRequest(request.csr()), kSpiffeUri, absl::Now(), absl::Hours(100)));
    return grpc::Status::OK;
  });
  StartLink(Start({gateway.address()}));
  FakeSession* session = Connect(gateway);
  const std::string old_certificate = session->peer_certificate();
  v1::SchedulerMessage ask;
  ask.mutable_renew_certificate();
  session->Write(ask);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("renewed"));
  FakeSession* next = Connect(gateway);
  EXPECT_NE(next->peer_certificate(), old_certificate);
  session->End(grpc::Status::OK);

  // What it sends is read in order: it is asked, and goes on.
  next->Write(ask);
  v1::SchedulerMessage message;
  message.set_order_envelope("order");
  next->Write(message);
  EXPECT_EQ(Receive().order_envelope(), "order");
  SendRecord(1);
  EXPECT_EQ(next->Read()->record().sequence(), 1u);
  EXPECT_EQ(renewals, 1);
}

TEST_F(LinkTest, WhileItsVersionIsOnTrialItKeepsTheCertificateThatIsThere) {
  HaveCertificate(absl::Now() - absl::Hours(70), absl::Hours(100));
  FakeGateway gateway(ca_);
  std::atomic<int> renewals = 0;
  gateway.OnRenew([&](const v1::RenewRequest&, v1::RenewResponse*) {
    ++renewals;
    return grpc::Status::CANCELLED;
  });
  ipc::LinkStart start = Start({gateway.address()});
  start.set_keep_certificate_seconds(3600);
  StartLink(start);
  FakeSession* session = Connect(gateway);
  v1::SchedulerMessage ask;
  ask.mutable_renew_certificate();
  session->Write(ask);
  // Behind it, and answered: it was read, and nothing is under way.
  v1::SchedulerMessage message;
  message.set_order_envelope("order");
  session->Write(message);
  EXPECT_EQ(Receive().order_envelope(), "order");
  SendRecord(1);
  EXPECT_EQ(session->Read()->record().sequence(), 1u);
  EXPECT_EQ(renewals, 0);
}

TEST_F(LinkTest, ACertificateOfAnotherCaThatItIsAskedToTakeIsNotTaken) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  TestCa other;
  std::atomic<int> renewals = 0;
  gateway.OnRenew([&](const v1::RenewRequest& request, v1::RenewResponse* response) {
    response->set_certificate_chain(other.Issue(*ParseSigningRequest(request.csr()), kSpiffeUri,
                                                absl::Now(), absl::Hours(100)));
    ++renewals;
    return grpc::Status::OK;
  });
  const std::string before = *ReadFile(Identity() + "/tls.pem");
  StartLink(Start({gateway.address()}));
  FakeSession* session = Connect(gateway);
  v1::SchedulerMessage ask;
  ask.mutable_renew_certificate();
  session->Write(ask);
  while (renewals == 0) {
    SendRecord(1);
    EXPECT_EQ(session->Read()->record().sequence(), 1u);
  }
  SendRecord(2);
  EXPECT_EQ(session->Read()->record().sequence(), 2u);
  EXPECT_EQ(*ReadFile(Identity() + "/tls.pem"), before);
}

TEST_F(LinkTest, RefusedRenewalLeavesTheSessionUp) {
  HaveCertificate(absl::Now() - absl::Hours(70), absl::Hours(100));
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = Connect(gateway);
  SendRecord(1);
  EXPECT_EQ(session->Read()->record().sequence(), 1u);
}

TEST_F(LinkTest, ExpiredCertificateIsSaidSo) {
  HaveCertificate(absl::Now() - absl::Hours(100), absl::Hours(90));
  StartLink(Start({"localhost:1"}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("certificate expired on 2"));
}

TEST_F(LinkTest, HostWithoutCertificateAndTokenSaysSo) {
  StartLink(Start({"localhost:1"}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("not enrolled"));
}

// ---- the session

TEST_F(LinkTest, CarriesMessagesBothWays) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = Connect(gateway);

  for (uint64_t sequence = 1; sequence <= 100; ++sequence) SendRecord(sequence);
  for (uint64_t sequence = 1; sequence <= 100; ++sequence) {
    EXPECT_EQ(session->Read()->record().sequence(), sequence);
  }

  v1::SchedulerMessage message;
  message.set_action_envelope(std::string(kMaxEnvelopeBytes, 'a'));
  session->Write(message);
  EXPECT_EQ(Receive().action_envelope().size(), kMaxEnvelopeBytes);
  message.set_trust_policy_envelope("policy");
  session->Write(message);
  EXPECT_EQ(Receive().trust_policy_envelope(), "policy");
  message.set_order_envelope("order");
  session->Write(message);
  EXPECT_EQ(Receive().order_envelope(), "order");
  message.mutable_acknowledged()->set_action_id("id");
  message.mutable_acknowledged()->set_sequence(5);
  session->Write(message);
  EXPECT_EQ(Receive().acknowledged().sequence(), 5u);
}

TEST_F(LinkTest, SendsHeartbeatsAsOftenAsWelcomeSays) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = gateway.AwaitSession();
  session->Greet(8, /*heartbeat_seconds=*/0);  // taken for the shortest, 1 s
  for (int i = 0; i < 2; ++i) {
    std::optional<v1::AgentMessage> message = session->Read();
    ASSERT_TRUE(message.has_value() && message->has_heartbeat());
    EXPECT_GT(message->heartbeat().now().seconds(), 1'600'000'000);
  }
}

// It is there as far as the connection can tell.
TEST_F(LinkTest, ASchedulerThatIsSilentForLongerThanItSaidIsLeft) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = gateway.AwaitSession();
  session->Greet(8, /*heartbeat_seconds=*/1, /*alive_seconds=*/1);
  ReceiveConnected();
  v1::SchedulerMessage alive;
  alive.mutable_alive();
  // Longer than its patience, which each of these renews.
  for (int heartbeat = 0; heartbeat < 5; ++heartbeat) {
    std::optional<v1::AgentMessage> message = session->Read();
    ASSERT_TRUE(message.has_value() && message->has_heartbeat());
    ASSERT_TRUE(session->Write(alive));
  }
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("it has said nothing for 3s"));
  EXPECT_FALSE(gateway.AwaitSession()->Greet().facts().name().empty());
}

TEST_F(LinkTest, ConnectsAgainWhenTheSchedulerComesBack) {
  HaveCertificate();
  auto gateway = std::make_unique<FakeGateway>(ca_);
  int port = gateway->port();
  StartLink(Start({gateway->address()}));
  Connect(*gateway);
  gateway.reset();
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("scheduler localhost:"));
  // Dropped: the monitor sends it again after the next Connected.
  SendRecord(1);
  gateway = std::make_unique<FakeGateway>(ca_, port);
  FakeSession* session = gateway->AwaitSession();
  session->Greet();
  for (;;) {
    ipc::LinkToMonitor message = Receive();
    if (message.has_connected()) break;
    EXPECT_THAT(message.disconnected().reason(), HasSubstr("connection refused"));
  }
  SendRecord(2);
  EXPECT_EQ(session->Read()->record().sequence(), 2u);
}

TEST_F(LinkTest, NewHelloIsForTheNextSession) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = Connect(gateway);
  ipc::MonitorToLink message;
  message.mutable_hello()->set_trust_policy_version(8);
  Send(message);
  SendRecord(1);
  EXPECT_EQ(session->Read()->record().sequence(), 1u);
  session->End(grpc::Status::OK);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("ended the session"));
  EXPECT_EQ(gateway.AwaitSession()->Greet().trust_policy_version(), 8u);
}

TEST_F(LinkTest, TriesSchedulersInTurn) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({"localhost:1", "no-such-host.invalid:7443", gateway.address()}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("scheduler localhost:1: connection refused"));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("scheduler no-such-host.invalid:7443: "));
  Connect(gateway);
}

TEST_F(LinkTest, RevocationIsPassedOnInPlainWords) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  Connect(gateway)->End(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "certificate revoked"));
  const ipc::Disconnected disconnected = Receive().disconnected();
  EXPECT_THAT(disconnected.reason(),
              HasSubstr("certificate was refused (revoked?): certificate revoked"));
  EXPECT_TRUE(disconnected.refused());
}

TEST_F(LinkTest, OtherEndsOfASessionAreNoRevocation) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  Connect(gateway)->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "certificate revoked"));
  EXPECT_FALSE(Receive().disconnected().refused());
}

// ---- a hostile scheduler

TEST_F(LinkTest, OversizedEnvelopeIsRefused) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  v1::SchedulerMessage message;
  message.set_action_envelope(std::string(kMaxEnvelopeBytes + 1, 'a'));
  EXPECT_THAT(ReasonToLeave(gateway, message), HasSubstr("action envelope over 1 MiB"));
  message.set_trust_policy_envelope(std::string(kMaxEnvelopeBytes + 1, 'a'));
  EXPECT_THAT(ReasonToLeave(gateway, message), HasSubstr("trust policy envelope over 1 MiB"));
  message.set_order_envelope(std::string(kMaxOrderEnvelopeBytes + 1, 'a'));
  EXPECT_THAT(ReasonToLeave(gateway, message), HasSubstr("order envelope over 32 KiB"));
  // Over what gRPC takes in at all.
  message.set_action_envelope(std::string(8 << 20, 'a'));
  EXPECT_THAT(ReasonToLeave(gateway, message), HasSubstr("larger than max"));
  // And it goes on.
  Connect(gateway);
}

TEST_F(LinkTest, BrokenProtocolEndsTheSession) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  for (uint32_t window : {0u, 1025u, 0xffffffffu}) {
    StartLink(Start({gateway.address()}));
    gateway.AwaitSession()->Greet(window);
    EXPECT_THAT(ReceiveDisconnected(), HasSubstr("record window"));
    StopLink();
  }
  v1::SchedulerMessage message;
  message.set_action_envelope("before the welcome");
  StartLink(Start({gateway.address()}));
  gateway.AwaitSession()->Write(message);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("welcome comes first"));
  StopLink();

  message.mutable_welcome()->set_record_window(1);
  EXPECT_THAT(ReasonToLeave(gateway, message), HasSubstr("welcome comes first"));
  message.mutable_acknowledged()->set_action_id(std::string(65, 'x'));
  EXPECT_THAT(ReasonToLeave(gateway, message), HasSubstr("record key over its bounds"));
}

TEST_F(LinkTest, MessageOfALaterVersionIsLetPass) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = Connect(gateway);
  session->Write(v1::SchedulerMessage());
  v1::SchedulerMessage message;
  message.set_action_envelope("after");
  session->Write(message);
  EXPECT_EQ(Receive().action_envelope(), "after");
}

TEST_F(LinkTest, HoldsLittleWhenTheSchedulerDoesNotRead) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  Connect(gateway);
  ipc::MonitorToLink message;
  message.mutable_message()->mutable_record()->mutable_rows()->add_rows(
      std::string(256 * 1024, 'x'));
  std::string frame = *EncodeFrame(message);
  ASSERT_EQ(::fcntl(monitor_.get(), F_SETFL, O_NONBLOCK), 0);
  // Until nothing moves any more. What was taken by then lies in the buffers of
  // sockets and of gRPC, and in the link: one message.
  size_t taken = 0;
  size_t offset = 0;
  pollfd writable{monitor_.get(), POLLOUT, 0};
  while (taken < (256u << 20) && ::poll(&writable, 1, 1000) == 1) {
    ssize_t sent = ::send(monitor_.get(), frame.data() + offset, frame.size() - offset, 0);
    if (sent < 0) continue;
    taken += static_cast<size_t>(sent);
    offset = (offset + static_cast<size_t>(sent)) % frame.size();
  }
  EXPECT_LT(taken, 32u << 20);
}

// ---- a monitor that goes, or that errs

TEST_F(LinkTest, EndsWithTheMonitor) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  Connect(gateway);
  EXPECT_EQ(StopLink().status, 0);
}

TEST_F(LinkTest, EndsWithTheMonitorBeforeItWasToldAnything) {
  SpawnLink();
  EXPECT_EQ(StopLink().status, 0);
}

TEST_F(LinkTest, EndsWithTheMonitorWhileAConnectionLeadsNowhere) {
  HaveCertificate();
  // Takes connections and says nothing.
  UniqueFd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(silent.get(), 8), 0);
  ASSERT_EQ(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  StartLink(Start({StrCat("127.0.0.1:", ntohs(address.sin_port))}));
  UniqueFd connection(::accept4(silent.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(connection.valid());
  EXPECT_EQ(StopLink().status, 0);
}

TEST_F(LinkTest, MonitorThatBreaksTheProtocolEndsIt) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  ipc::MonitorToLink start;
  *start.mutable_start() = Start({gateway.address()});

  for (const std::string& first :
       {std::string("\xff\xff\xff\xff"), std::string("\0\0\0\2\xff\xff", 6),
        *EncodeFrame(ipc::MonitorToLink())}) {
    SpawnLink();
    ASSERT_TRUE(WriteAll(monitor_.get(), first).ok());
    EXPECT_EQ(link_.Reap()->status, 2);
  }
  for (auto spoil : {+[](ipc::LinkStart& s) { s.clear_schedulers(); },
                     +[](ipc::LinkStart& s) { s.set_schedulers(0, "localhost"); },
                     +[](ipc::LinkStart& s) { s.set_schedulers(0, "localhost:70000"); },
                     +[](ipc::LinkStart& s) { s.set_agent_id("../../etc"); },
                     +[](ipc::LinkStart& s) { s.set_identity_directory("identity"); },
                     +[](ipc::LinkStart& s) { s.clear_ca_certificates(); }}) {
    ipc::LinkStart bad = start.start();
    spoil(bad);
    StartLink(bad);
    EXPECT_EQ(link_.Reap()->status, 2);
  }

  // A second start.
  StartLink(start.start());
  Connect(gateway);
  Send(start);
  EXPECT_EQ(link_.Reap()->status, 2);
}

// The goal is 16 MB resident and 5 MB anonymous for link and monitor together.
TEST_F(LinkTest, IdleSessionTakesLittleMemory) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  FakeSession* session = gateway.AwaitSession();
  session->Greet(8, /*heartbeat_seconds=*/1);
  ReceiveConnected();
  SendRecord(1);
  session->Read();
  session->Read();
  session->Read();
  std::string status = *ReadFile(StrCat("/proc/", link_.pid(), "/status"));
  auto kilobytes = [&](const std::string& key) {
    return std::stol(status.substr(status.find(key + ":") + key.size() + 1));
  };
  for (const char* key : {"VmRSS", "RssAnon", "RssFile", "Threads"}) {
    std::cout << key << " " << kilobytes(key) << "\n";
  }
  EXPECT_LT(kilobytes("RssAnon"), DRAGNET_MAX_LINK_ANONYMOUS_KB);
  EXPECT_LT(kilobytes("VmRSS"), DRAGNET_MAX_LINK_RESIDENT_KB);
}

TEST_F(LinkTest, RunsLockedIn) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  StartLink(Start({gateway.address()}));
  Connect(gateway);
  std::string status = *ReadFile(StrCat("/proc/", link_.pid(), "/status"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  if (IsRoot()) {
    EXPECT_THAT(status, HasSubstr("Uid:\t65534\t65534\t65534\t65534"));
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
      EXPECT_THAT(status, HasSubstr(StrCat(set, ":\t0000000000000000")));
    }
  }
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  dragnet::rpc::InitializeProcess();
  return RUN_ALL_TESTS();
}
