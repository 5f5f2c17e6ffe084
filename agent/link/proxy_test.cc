// dragnet-link behind an HTTP proxy: everything goes through it, TLS ends at the
// scheduler and not before, and what is wrong with the proxy is said by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/link/link.h"
#include "agent/link/reason.h"
#include "agent/link/testing/link_fixture.h"
#include "tests/harness/connect_proxy.h"

namespace dragnet {
namespace {

using Behaviour = testing::ConnectProxy::Behaviour;
using ::testing::AllOf;
using testing::ConnectProxy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class LinkProxyTest : public LinkTest {
 protected:
  ipc::LinkStart Through(const ConnectProxy& proxy, std::vector<std::string> schedulers,
                         const std::string& user = "") {
    ipc::LinkStart start = Start(std::move(schedulers));
    start.set_proxy(StrCat("http://", user, proxy.address()));
    return start;
  }
  // With a session that comes about only without the proxy.
  std::string ReasonBehind(Behaviour behaviour) {
    HaveCertificate();
    FakeGateway gateway(ca_);
    const ConnectProxy proxy({.behaviour = behaviour});
    StartLink(Through(proxy, {gateway.address()}));
    std::string reason = ReceiveDisconnected();
    EXPECT_THAT(reason, HasSubstr(StrCat("scheduler ", gateway.address(), " through proxy ",
                                         proxy.address(), ": ")));
    StopLink();
    return reason;
  }
};

TEST_F(LinkProxyTest, EnrolsAndConnectsThroughIt) {
  FakeGateway gateway(ca_);
  gateway.OnEnroll(Enrolling("secret"));
  const ConnectProxy proxy;
  ipc::LinkStart start = Through(proxy, {gateway.address()});
  start.set_enrolment_token("secret");
  StartLink(start);
  Connect(gateway);
  EXPECT_EQ(gateway.enrolments(), 1);
  EXPECT_EQ(proxy.tunnels(), 2);
  ASSERT_THAT(proxy.requests(), SizeIs(2));
  EXPECT_THAT(proxy.requests()[0],
              ::testing::StartsWith(StrCat("CONNECT ", gateway.address(), " HTTP/1.")));
  // The name is for the proxy to resolve, the token for the scheduler alone.
  EXPECT_THAT(proxy.requests()[0],
              AllOf(Not(HasSubstr("secret")), Not(HasSubstr("Proxy-Authorization"))));
}

TEST_F(LinkProxyTest, ShowsUserAndPassword) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  // "user:p@ss:word%"
  const ConnectProxy proxy({.authorization = "Basic dXNlcjpwQHNzOndvcmQl"});
  StartLink(Through(proxy, {gateway.address()}, "user:p%40ss:word%25@"));
  Connect(gateway);
  EXPECT_EQ(proxy.tunnels(), 1);
}

TEST_F(LinkProxyTest, WrongPasswordIsSaidAndNotShown) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  const ConnectProxy proxy({.authorization = "Basic dXNlcjpwQHNzOndvcmQl"});
  StartLink(Through(proxy, {gateway.address()}, "user:swordfish@"));
  EXPECT_THAT(ReceiveDisconnected(),
              AllOf(HasSubstr("the proxy wants another user and password"),
                    Not(HasSubstr("swordfish")), Not(HasSubstr("dXNlcjpzd29yZGZpc2g"))));
  EXPECT_EQ(proxy.tunnels(), 0);
}

TEST_F(LinkProxyTest, RefusingProxyIsSaid) {
  EXPECT_THAT(ReasonBehind(Behaviour::kRefuse), HasSubstr("the proxy does not let it through"));
}

TEST_F(LinkProxyTest, ProxyThatSpeaksNoHttpIsSaid) {
  EXPECT_THAT(ReasonBehind(Behaviour::kGarbage), HasSubstr("it does not speak HTTP"));
}

TEST_F(LinkProxyTest, ProxyThatClosesIsSaid) {
  EXPECT_THAT(ReasonBehind(Behaviour::kClose),
              HasSubstr("the proxy, or the scheduler behind it, closed"));
}

TEST_F(LinkProxyTest, ProxyThatNeverAnswersIsGivenUp) {
  EXPECT_THAT(ReasonBehind(Behaviour::kHang), HasSubstr("no answer from the proxy"));
}

TEST_F(LinkProxyTest, AnswerWithoutEndIsGivenUp) {
  EXPECT_THAT(ReasonBehind(Behaviour::kEndless), HasSubstr("proxy"));
}

TEST_F(LinkProxyTest, ProxyThatPosesAsTheSchedulerGetsNothing) {
  EXPECT_THAT(ReasonBehind(Behaviour::kImpostor), HasSubstr("it does not speak TLS"));
}

TEST_F(LinkProxyTest, ProxyWithACertificateOfItsOwnIsRefused) {
  HaveCertificate();
  const TestCa other;
  FakeGateway impostor(other);
  const ConnectProxy proxy;
  StartLink(Through(proxy, {impostor.address()}));
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("its certificate does not verify"));
  EXPECT_EQ(proxy.tunnels(), 1);
}

TEST_F(LinkProxyTest, ClosedPortOfTheProxyIsSaidAndNotGoneAround) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  int port = 0;
  {
    const ConnectProxy gone;
    port = gone.port();
  }
  ipc::LinkStart start = Start({gateway.address()});
  start.set_proxy(StrCat("http://127.0.0.1:", port));
  StartLink(start);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("the proxy's port is closed"));
}

TEST_F(LinkProxyTest, SchedulersAreTriedInTurnBehindItToo) {
  HaveCertificate();
  FakeGateway gateway(ca_);
  const ConnectProxy proxy;
  StartLink(Through(proxy, {"localhost:1", gateway.address()}));
  EXPECT_THAT(ReceiveDisconnected(), AllOf(HasSubstr("scheduler localhost:1 through proxy"),
                                           HasSubstr("the proxy can not reach the scheduler")));
  Connect(gateway);
}

TEST_F(LinkProxyTest, EnrolsAtTheSecondSchedulerWhenTheFirstIsDead) {
  FakeGateway gateway(ca_);
  gateway.OnEnroll(Enrolling("secret"));
  ipc::LinkStart start = Start({"localhost:1", gateway.address()});
  start.set_enrolment_token("secret");
  StartLink(start);
  EXPECT_THAT(ReceiveDisconnected(), HasSubstr("scheduler localhost:1: connection refused"));
  Connect(gateway);
  EXPECT_EQ(gateway.enrolments(), 1);
}

TEST_F(LinkProxyTest, WhatIsNoProxyIsRefusedAtTheStart) {
  ipc::LinkStart start = Start({"localhost:7443"});
  for (const char* proxy : {"https://localhost:3128", "localhost:3128", "http://localhost",
                            "http://a\r\nb:1", "http://u:p@x@localhost:1"}) {
    start.set_proxy(proxy);
    EXPECT_FALSE(ValidateLinkStart(start).ok()) << proxy;
  }
}

TEST_F(LinkProxyTest, OnlyTheProxysPortIsOpen) {
  ipc::LinkStart start = Start({"a.example:7443", "b.example:7444"});
  EXPECT_THAT(*PortsOf(start), ElementsAre(7443, 7444));
  start.set_proxy("http://proxy.example:3128");
  EXPECT_THAT(*PortsOf(start), ElementsAre(3128));
}

}  // namespace
}  // namespace dragnet
