#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>

#include <algorithm>

#include "modules/module.h"
#include "modules/run_context_fake.h"
#include "modules/tls/listeners.h"
#include "modules/tls/names.h"
#include "modules/tls/params.h"
#include "modules/tls/test_bytes.h"
#include "modules/tls/test_certificate.h"
#include "modules/tls/test_server.h"
#include "modules/tls/tls.pb.h"

namespace dragnet::tls {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

const Module& Tls() { return *FindModule("tls"); }

std::string Refusal(const v1::TlsParameters& parameters) {
  return std::string(Tls().Validate(parameters).message());
}

v1::TlsParameters At(const TestServer& server) {
  v1::TlsParameters parameters;
  parameters.add_targets(server.target());
  return parameters;
}

v1::TlsRow RunOne(const v1::TlsParameters& parameters, FakeRunContext& context) {
  const absl::Status status = Tls().Run(parameters, context);
  EXPECT_TRUE(status.ok()) << status;
  const auto rows = context.RowsAs<v1::TlsRow>();
  EXPECT_THAT(rows, SizeIs(1));
  return rows.empty() ? v1::TlsRow() : rows.front();
}

v1::TlsRow RunOne(const v1::TlsParameters& parameters) {
  FakeRunContext context;
  const v1::TlsRow row = RunOne(parameters, context);
  for (const auto& [reason, examples] : context.unexamined)
    ADD_FAILURE() << reason << ": " << examples.front();
  return row;
}

// Rows of services that don't speak TLS, and what is noted of them.
struct Other {
  std::string status;
  std::map<std::string, std::vector<std::string>> unexamined;
};
Other RunOther(const TestServer& server, const std::string& timeout = "10s") {
  v1::TlsParameters parameters = At(server);
  parameters.set_timeout(timeout);
  FakeRunContext quiet;
  EXPECT_TRUE(Tls().Run(parameters, quiet).ok());
  EXPECT_THAT(quiet.rows, IsEmpty());
  parameters.set_all(true);
  FakeRunContext context;
  const std::string status = RunOne(parameters, context).status();
  EXPECT_EQ(quiet.unexamined, context.unexamined);
  return {status, context.unexamined};
}

class TlsTest : public testing::Test {
 protected:
  // OpenSSL writes to sockets whose peer has gone.
  void SetUp() override { signal(SIGPIPE, SIG_IGN); }

  static void Use(SSL_CTX* context, const CertificateRequest& request) {
    EXPECT_EQ(SSL_CTX_use_certificate(context, MakeX509(request).get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context, request.key.get()), 1);
  }
};

TEST_F(TlsTest, ParametersAreChecked) {
  v1::TlsParameters parameters;
  EXPECT_EQ(Refusal(parameters), "");
  const auto refuses = [](const auto& set, std::string_view what) {
    v1::TlsParameters changed;
    set(changed);
    EXPECT_THAT(Refusal(changed), HasSubstr(std::string(what)));
  };
  refuses([](auto& p) { p.add_targets("no host"); }, "targets[0] 'no host'");
  refuses([](auto& p) { p.add_targets("example.com:0"); }, "port");
  refuses(
      [](auto& p) {
        for (int i = 0; i < 65; ++i) p.add_targets("example.com");
      },
      "at most 64");
  for (const char* port : {"", "0", "65536", "90-80", "https", "1-2-3", "!", "+443"})
    refuses([&](auto& p) { p.add_ports(port); }, "ports[0]");
  refuses(
      [](auto& p) {
        p.add_targets("example.com");
        p.add_ports("443");
      },
      "targets have their own");
  refuses([](auto& p) { p.set_sni("192.0.2.1"); }, "sni '192.0.2.1' is an address");
  refuses([](auto& p) { p.set_level("good"); }, "level 'good' is unknown");
  refuses([](auto& p) { p.set_guideline("5.7"); }, "guideline '5.7' is unknown");
  refuses(
      [](auto& p) {
        p.set_guideline("6.0");
        p.set_level("old");
      },
      "has no level old");
  refuses([](auto& p) { p.set_timeout("1ms"); }, "timeout");
  refuses([](auto& p) { p.set_max_probes(9); }, "max_probes 9");
}

TEST_F(TlsTest, TheNewestGuidelineThatHasTheLevelIsTaken) {
  v1::TlsParameters parameters;
  EXPECT_EQ(CompilePlan(parameters)->guideline->version, "6.0");
  parameters.set_level("old");
  EXPECT_EQ(CompilePlan(parameters)->guideline->version, "5.8");
  parameters.set_guideline("4.0");
  EXPECT_EQ(CompilePlan(parameters)->guideline->version, "4.0");
}

TEST_F(TlsTest, TargetsAreAskedForTheirOwnName) {
  v1::TlsParameters parameters;
  parameters.add_targets("www.example.com.");
  parameters.add_targets("192.0.2.1:8443");
  const auto plan = CompilePlan(parameters);
  EXPECT_EQ(plan->targets[0].sni, "www.example.com");
  EXPECT_EQ(plan->targets[0].place.port, 443);
  EXPECT_EQ(plan->targets[1].sni, "");
  parameters.set_sni("other.example.com");
  EXPECT_EQ(CompilePlan(parameters)->targets[1].sni, "other.example.com");
}

TEST_F(TlsTest, PortsAreChosenAndLeftOut) {
  v1::TlsParameters parameters;
  EXPECT_TRUE(CompilePlan(parameters)->WantsPort(1));
  EXPECT_TRUE(CompilePlan(parameters)->skip_printers);
  parameters.add_ports("8000-8999");
  parameters.add_ports("!8080");
  const auto plan = CompilePlan(parameters);
  EXPECT_TRUE(plan->WantsPort(8000));
  EXPECT_FALSE(plan->WantsPort(8080));
  EXPECT_FALSE(plan->WantsPort(443));
  EXPECT_FALSE(plan->skip_printers);
}

TEST_F(TlsTest, ListenersAreReadFromTheKernelsTable) {
  std::vector<Listener> listeners;
  ParseListeners(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
      "   0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
      "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
      "   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
      "   3: 0100007F:0016 0100007F:9999 01 00000000:00000000 00:00000000 00000000\n"
      "   4: 0100:0016 00000000:0000 0A\n"
      "   5: 0100007F 00000000:0000 0A\n"
      "nonsense\n",
      false, &listeners);
  ASSERT_THAT(listeners, SizeIs(2));
  EXPECT_EQ(listeners[0].bound.Text(), "127.0.0.1");
  EXPECT_EQ(listeners[0].port, 443);
  EXPECT_EQ(listeners[1].bound.Text(), "0.0.0.0");
  EXPECT_EQ(listeners[1].reachable.Text(), "127.0.0.1");
  EXPECT_EQ(listeners[1].port, 8080);

  std::vector<Listener> v6;
  ParseListeners(
      "   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0\n"
      "   1: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 0\n",
      true, &v6);
  ASSERT_THAT(v6, SizeIs(2));
  EXPECT_EQ(v6[0].bound.Text(), "::");
  EXPECT_EQ(v6[0].reachable.Text(), "::1");
  EXPECT_EQ(v6[1].bound.Text(), "2001:db8::1");
  EXPECT_EQ(v6[1].reachable.Text(), "2001:db8::1");
}

TEST_F(TlsTest, AServiceThatListensIsFound) {
  const SslContextPtr context = NewServerContext();
  Use(context.get(), {.key = NewEcKey("P-256"), .subject = "found"});
  const TestServer server(SpeakTls(context));
  v1::TlsParameters parameters;
  parameters.add_ports(std::to_string(server.port()));
  const v1::TlsRow row = RunOne(parameters);
  EXPECT_EQ(row.target(), "");
  EXPECT_EQ(row.address(), "127.0.0.1");
  EXPECT_EQ(row.port(), server.port());
  EXPECT_EQ(row.status(), "tls");
  EXPECT_EQ(row.subject(), "CN=found");
}

TEST_F(TlsTest, ATls13ServiceIsSeenWithItsCertificate) {
  const SslContextPtr context = NewServerContext();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set1_groups_list(context.get(), "P-256:X25519");
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_ciphersuites(context.get(), "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384");
  Use(context.get(), {.key = NewEcKey("P-256"), .subject = "modern", .names = "DNS:modern.test"});
  SSL_CTX_set_tlsext_status_cb(
      context.get(), +[](SSL* ssl, void*) {
        auto* response = static_cast<unsigned char*>(OPENSSL_malloc(4));
        std::copy_n("OCSP", 4, response);
        SSL_set_tlsext_status_ocsp_resp(ssl, response, 4);
        return SSL_TLSEXT_ERR_OK;
      });
  const TestServer server(SpeakTls(context));
  v1::TlsParameters parameters = At(server);
  parameters.set_level("modern");
  parameters.set_sni("modern.test");
  const v1::TlsRow row = RunOne(parameters);
  EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.3"));
  EXPECT_EQ(row.min_protocol(), "TLSv1.3");
  EXPECT_THAT(row.ciphers(), ElementsAre("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"));
  EXPECT_EQ(row.cipher_order(), "server");
  EXPECT_TRUE(row.forward_secrecy());
  EXPECT_THAT(row.groups(), ElementsAre("secp256r1", "x25519"));
  EXPECT_EQ(row.key_curve(), "secp256r1");
  EXPECT_THAT(row.names(), ElementsAre("modern.test"));
  EXPECT_TRUE(row.name_matches());
  EXPECT_EQ(row.days_left(), 89);
  EXPECT_EQ(row.chain_length(), 1U);
  EXPECT_TRUE(row.ocsp_stapling());
  EXPECT_TRUE(row.session_tickets());
  EXPECT_EQ(row.renegotiation(), "none");
  EXPECT_EQ(row.level(), "modern");
  EXPECT_TRUE(row.meets_level());
  EXPECT_THAT(row.to_reach(), IsEmpty());
  EXPECT_THAT(row.weaknesses(), ElementsAre("self_signed"));
}

TEST_F(TlsTest, AnOldServiceIsSeenWithAllThatIsWrong) {
  const SslContextPtr context = NewServerContext();
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET |
                                         SSL_OP_NO_EXTENDED_MASTER_SECRET);
  SSL_CTX_set_cipher_list(context.get(), "AES256-SHA:DHE-RSA-AES128-SHA:NULL-MD5:ADH-AES128-SHA");
  SSL_CTX_set_dh_auto(context.get(), 1);
  Use(context.get(), {.key = NewRsaKey(1024),
                      .subject = "old",
                      .not_before = absl::Now() - absl::Hours(24 * 30),
                      .lifespan = absl::Hours(24 * 20)});
  const TestServer server(SpeakTls(context));
  const v1::TlsRow row = RunOne(At(server));
  EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.0", "TLSv1.1", "TLSv1.2"));
  EXPECT_THAT(row.ciphers(),
              ElementsAre("AES256-SHA", "DHE-RSA-AES128-SHA", "NULL-MD5", "ADH-AES128-SHA"));
  ASSERT_EQ(row.ciphers_of_size(), 3);
  EXPECT_EQ(row.ciphers_of(0).protocol(), "TLSv1.2");
  EXPECT_EQ(row.ciphers_of(2).order(), "server");
  EXPECT_EQ(row.dh_bits(), 1024U);
  EXPECT_EQ(row.key_bits(), 1024U);
  EXPECT_LT(row.days_left(), 0);
  EXPECT_FALSE(row.session_tickets());
  EXPECT_FALSE(row.extended_master_secret());
  EXPECT_FALSE(row.ocsp_stapling());
  EXPECT_EQ(row.renegotiation(), "secure");
  for (const char* weakness : {"tls1.0", "tls1.1", "null", "md5", "anonymous", "no_forward_secrecy",
                               "dh_below_2048", "key_below_2048", "expired", "self_signed"})
    EXPECT_THAT(row.weaknesses(), Contains(weakness));
  EXPECT_EQ(row.level(), "none");
  EXPECT_FALSE(row.meets_level());
  EXPECT_THAT(row.to_reach(), Contains("disable TLSv1.0"));
  EXPECT_THAT(row.to_reach(), Contains(HasSubstr("key of 1024 bits")));
}

TEST_F(TlsTest, BothCertificatesOfAServiceAreSeen) {
  const SslContextPtr context = NewServerContext();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  Use(context.get(), {.key = NewEcKey("P-256"), .subject = "ec", .lifespan = absl::Hours(24 * 40)});
  Use(context.get(), {.key = NewRsaKey(2048), .subject = "rsa", .lifespan = absl::Hours(24 * 10)});
  const TestServer server(SpeakTls(context));
  const v1::TlsRow row = RunOne(At(server));
  EXPECT_EQ(row.subject(), "CN=ec");
  ASSERT_THAT(row.other_certificates(), SizeIs(1));
  EXPECT_EQ(row.other_certificates(0).subject(), "CN=rsa");
  EXPECT_EQ(row.other_certificates(0).key_bits(), 2048U);
  EXPECT_EQ(row.days_left(), 9);
}

TEST_F(TlsTest, GroupsBehindTheCertificatesCurveAreSeen) {
  const SslContextPtr context = NewServerContext();
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set1_groups_list(context.get(), "P-256:P-384:X25519");
  Use(context.get(), {.key = NewEcKey("P-256"), .subject = "ec"});
  const TestServer server(SpeakTls(context));
  EXPECT_THAT(RunOne(At(server)).groups(),
              testing::UnorderedElementsAre("secp256r1", "secp384r1", "x25519"));
}

TEST_F(TlsTest, ServicesOfOtherProtocolsHaveNoRow) {
  const TestServer ssh(Greet("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"));
  const TestServer http(AnswerWith("HTTP/1.1 400 Bad Request\r\n\r\n"));
  for (const TestServer* server : {&ssh, &http}) {
    const Other other = RunOther(*server);
    EXPECT_EQ(other.status, "not_tls");
    EXPECT_THAT(other.unexamined, IsEmpty());
    EXPECT_EQ(server->connections(), 2);
  }
}

TEST_F(TlsTest, AServiceThatWaitsForTheEndOfALineIsNotTls) {
  const TestServer server(SpeakLines);
  const Other other = RunOther(server, "1s");
  EXPECT_EQ(other.status, "not_tls");
  EXPECT_THAT(other.unexamined, IsEmpty());
}

TEST_F(TlsTest, ASilentServiceIsNotedAsNotLookedAt) {
  const TestServer server(StaySilent);
  const Other other = RunOther(server, "100ms");
  EXPECT_EQ(other.status, "silent");
  EXPECT_THAT(other.unexamined,
              ElementsAre(Pair("no answer to TLS in time", ElementsAre(server.target()))));
}

TEST_F(TlsTest, AServiceThatHangsUpIsNotedAsNotLookedAt) {
  const TestServer server(HangUp);
  const Other other = RunOther(server);
  EXPECT_EQ(other.status, "closed");
  EXPECT_THAT(other.unexamined,
              ElementsAre(Pair("hangs up at TLS without an answer", ElementsAre(server.target()))));
}

TEST_F(TlsTest, PostgresHangsUpButIsKnown) {
  const TestServer server([](int fd) {
    const std::string request = ReceiveSome(fd);
    if (request == std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8)) SendText(fd, "N");
  });
  const Other other = RunOther(server);
  EXPECT_EQ(other.status, "not_tls");
  EXPECT_THAT(other.unexamined, IsEmpty());
}

TEST_F(TlsTest, TlsWithinOtherProtocolsIsSeenWhenAskedFor) {
  const SslContextPtr context = NewServerContext();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  Use(context.get(), {.key = NewEcKey("P-256"), .subject = "within"});
  const std::string kRefusal = "500 what?\r\n";
  const TestServer smtp(SpeakTlsAfter(
      "220-mail\r\n220 ready\r\n",
      {{"EHLO ", "250-mail\r\n250-STARTTLS\r\n250 HELP\r\n"}, {"STARTTLS", "220 go on\r\n"}},
      kRefusal, context));
  const TestServer ftp(SpeakTlsAfter("220-Welcome\r\nto this place\r\n220 ready\r\n",
                                     {{"AUTH TLS", "234 go on\r\n"}}, kRefusal, context));
  const TestServer imap(SpeakTlsAfter(
      "* OK ready\r\n", {{"a1 STARTTLS", "* NOTE\r\na1 OK go on\r\n"}}, "* BAD\r\n", context));
  const TestServer pop3(
      SpeakTlsAfter("+OK ready\r\n", {{"STLS", "+OK go on\r\n"}}, "-ERR\r\n", context));
  const TestServer postgres([tls = SpeakTls(context)](int fd) {
    std::string request(8, '\0');
    if (recv(fd, request.data(), request.size(), MSG_WAITALL) != 8 ||
        request != std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8))
      return;
    SendText(fd, "S");
    tls(fd);
  });
  const std::pair<const TestServer*, std::string> kServers[] = {
      {&smtp, "smtp"}, {&ftp, "ftp"}, {&imap, "imap"}, {&pop3, "pop3"}, {&postgres, "postgres"}};
  for (const auto& [server, name] : kServers) {
    SCOPED_TRACE(name);
    EXPECT_EQ(RunOther(*server).status, "not_tls");
    v1::TlsParameters parameters = At(*server);
    parameters.set_starttls(true);
    const v1::TlsRow row = RunOne(parameters);
    EXPECT_EQ(row.status(), "tls");
    EXPECT_EQ(row.starttls(), name);
    EXPECT_EQ(row.subject(), "CN=within");
    EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.3"));
  }
}

TEST_F(TlsTest, WhoRefusesToBeginTlsIsNotTls) {
  const TestServer smtp(SpeakTlsAfter("220 ready\r\n", {{"EHLO ", "250 mail\r\n"}, {"QUIT", ""}},
                                      "502 no\r\n", NewServerContext()));
  const TestServer imap(
      SpeakTlsAfter("* OK ready\r\n", {{"QUIT", ""}}, "a1 NO TLS\r\n", NewServerContext()));
  for (const TestServer* server : {&smtp, &imap}) {
    v1::TlsParameters parameters = At(*server);
    parameters.set_starttls(true);
    parameters.set_all(true);
    EXPECT_EQ(RunOne(parameters).status(), "not_tls");
  }
}

TEST_F(TlsTest, WhatComesBehindTheLastLineInTheClearIsNoTls) {
  const TestServer server(SpeakTlsAfter("+OK ready\r\n", {{"STLS", "+OK go on\r\n+OK more\r\n"}},
                                        "-ERR\r\n", NewServerContext()));
  v1::TlsParameters parameters = At(server);
  parameters.set_starttls(true);
  parameters.set_all(true);
  EXPECT_EQ(RunOne(parameters).status(), "not_tls");
}

TEST_F(TlsTest, NobodyThereIsNotedAsNotLookedAt) {
  uint16_t port = 0;
  {
    const TestServer gone(HangUp);
    port = gone.port();
  }
  v1::TlsParameters parameters;
  parameters.add_targets(StrCat("127.0.0.1:", port));
  FakeRunContext context;
  EXPECT_TRUE(Tls().Run(parameters, context).ok());
  EXPECT_THAT(context.rows, IsEmpty());
  EXPECT_THAT(context.unexamined, Contains(Pair("can't be connected to", SizeIs(1))));
}

TEST_F(TlsTest, AServiceThatRefusesEverythingIsTlsAndNotWhole) {
  const TestServer server(AnswerWith(Record(21, "\x02\x28")));
  FakeRunContext context;
  const v1::TlsRow row = RunOne(At(server), context);
  EXPECT_EQ(row.status(), "tls");
  EXPECT_EQ(row.level(), "none");
  EXPECT_THAT(row.error(), HasSubstr("refuses all protocols"));
  EXPECT_THAT(context.unexamined, SizeIs(1));
}

TEST_F(TlsTest, ACipherThatWasNotOfferedEndsTheAsking) {
  const TestServer server(
      AnswerWith(Record(22, HelloMessage({.version = kTls12, .suite = 0xc03c}) + Message(14, ""))));
  FakeRunContext context;
  const v1::TlsRow row = RunOne(At(server), context);
  EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.2"));
  EXPECT_THAT(row.ciphers(), ElementsAre("TLS_RSA_WITH_ARIA_128_CBC_SHA256"));
  EXPECT_THAT(row.error(), HasSubstr("chose a cipher that was not offered"));
  EXPECT_FALSE(row.meets_level());
  EXPECT_LT(server.connections(), 20);
}

TEST_F(TlsTest, CompressionAndInsecureRenegotiationAreSeen) {
  const TestServer server(AnswerWith(Record(
      22, HelloMessage({.version = kTls10, .suite = 0x002f, .compression = 1}) +
              CertificateMessage({MakeCertificate({.key = NewRsaKey(2048), .subject = "x"})}) +
              Message(14, ""))));
  FakeRunContext context;
  const v1::TlsRow row = RunOne(At(server), context);
  EXPECT_TRUE(row.compression());
  EXPECT_EQ(row.renegotiation(), "insecure");
  EXPECT_THAT(row.to_reach(), Contains("switch TLS compression off"));
  EXPECT_THAT(row.to_reach(), Contains("enable secure renegotiation (RFC 5746)"));
  EXPECT_THAT(row.weaknesses(), Contains("compression"));
}

TEST_F(TlsTest, ACertificateThatCantBeReadKeepsFromEveryLevel) {
  const TestServer server(
      AnswerWith(Record(22, HelloMessage({.version = kTls12, .suite = 0xc02f}) +
                                CertificateMessage({"this is no certificate"}) + Message(14, ""))));
  FakeRunContext context;
  const v1::TlsRow row = RunOne(At(server), context);
  EXPECT_EQ(row.level(), "none");
  EXPECT_THAT(row.error(), HasSubstr("can't be read"));
}

TEST_F(TlsTest, TheNumberOfProbesIsLimited) {
  const SslContextPtr context = NewServerContext();
  Use(context.get(), {.key = NewRsaKey(2048), .subject = "many"});
  SSL_CTX_set_cipher_list(context.get(), "ALL");
  const TestServer server(SpeakTls(context));
  v1::TlsParameters parameters = At(server);
  parameters.set_max_probes(12);
  FakeRunContext run;
  const v1::TlsRow row = RunOne(parameters, run);
  EXPECT_EQ(row.probes(), 12U);
  EXPECT_EQ(server.connections(), 12);
  EXPECT_THAT(run.limits_hit, ElementsAre("max_probes"));
  EXPECT_THAT(row.error(), HasSubstr("limit of max_probes"));
}

TEST_F(TlsTest, WhoGoesAwayMeanwhileIsNotTakenForARefusal) {
  // Three answers, and then only hanging up.
  const std::string hello =
      Record(22, HelloMessage({.version = kTls12, .suite = 0xc02f}) + Message(14, ""));
  int answers = 0;
  const TestServer server([&](int fd) {
    if (ReceiveSome(fd).empty() || ++answers > 3) return;
    SendText(fd, hello);
    WaitUntilClosed(fd);
  });
  FakeRunContext context;
  const v1::TlsRow row = RunOne(At(server), context);
  EXPECT_THAT(row.error(), HasSubstr("stopped answering"));
  EXPECT_THAT(context.unexamined, SizeIs(1));
}

TEST_F(TlsTest, TheLimitOfRowsEndsTheRun) {
  const SslContextPtr context = NewServerContext();
  Use(context.get(), {.key = NewEcKey("P-256"), .subject = "x"});
  const TestServer server(SpeakTls(context));
  v1::TlsParameters parameters;
  for (int i = 0; i < 40; ++i) parameters.add_targets(server.target());
  FakeRunContext run(1);
  EXPECT_TRUE(Tls().Run(parameters, run).ok());
  EXPECT_LT(run.rows.size(), 40U);
}

TEST_F(TlsTest, TheManifestAsksForTheNetworkAndNoMore) {
  const ModuleManifest& manifest = Tls().manifest();
  EXPECT_EQ(manifest.network, NetworkAccess::kHost);
  EXPECT_TRUE(manifest.needs_running_system);
  EXPECT_TRUE(manifest.capabilities.empty());
  EXPECT_FALSE(manifest.powers.inspect_networks || manifest.powers.icmp_sockets ||
               manifest.powers.inspect_processes);
}

}  // namespace
}  // namespace dragnet::tls
