// Module tls against servers that are set up to be weak, or good, in known ways: of
// OpenSSL, NSS (which still speaks SSLv3), GnuTLS, and nginx as Mozilla's guidelines
// say.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/strings.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"
#include "modules/tls/tls.pb.h"

namespace dragnet::tls {
namespace {

using file::TempTree;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(30);

bool Succeeds(const std::string& command) {
  return system(StrCat("(", command, ") >/dev/null 2>&1 </dev/null").c_str()) == 0;
}

bool IsInstalled(const std::string& program) {
  return Succeeds(StrCat("PATH=$PATH:/usr/sbin command -v ", program));
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// One that nobody listens on now.
uint16_t FreePort() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_TRUE(bind(fd.get(), raw, length) == 0 && getsockname(fd.get(), raw, &length) == 0);
  return ntohs(address.sin_port);
}

bool Accepts(uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// A server that runs until it goes out of scope.
class Server {
 public:
  // Waits until something accepts connections on `port`.
  Server(const std::vector<std::string>& arguments, uint16_t port, const std::string& log)
      : port_(port) {
    std::vector<char*> raw;
    for (const std::string& argument : arguments)
      raw.push_back(const_cast<char*>(argument.c_str()));
    raw.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int null = open("/dev/null", O_RDONLY);
      const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
      dup2(null, 0);
      dup2(out, 1);
      dup2(out, 2);
      execvp(raw[0], raw.data());
      _exit(127);
    }
    const absl::Time deadline = absl::Now() + kPatience;
    while (!Accepts(port)) {
      int status = 0;
      const bool ended = waitpid(pid_, &status, WNOHANG) == pid_;
      if (ended) pid_ = -1;
      if (ended || absl::Now() > deadline) {
        std::stringstream said;
        said << std::ifstream(log).rdbuf();
        ADD_FAILURE() << arguments[0] << " doesn't listen on " << port << ": " << said.str();
        return;
      }
      ::poll(nullptr, 0, 10);
    }
  }
  ~Server() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const { return port_; }
  std::string target() const { return StrCat("127.0.0.1:", port_); }

 private:
  uint16_t port_;
  pid_t pid_ = -1;
};

class TlsServersTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("PATH", StrCat(getenv("PATH"), ":/usr/sbin").c_str(), 1);
    if (!IsInstalled("openssl")) GTEST_SKIP() << "openssl is not installed";
    MakeCertificate("rsa", "rsa:2048");
    MakeCertificate("ec", "ec -pkeyopt ec_paramgen_curve:P-256");
  }

  std::string Path(const std::string& name) const { return tree_.Path(name); }

  void MakeCertificate(const std::string& name, const std::string& key) {
    ASSERT_TRUE(
        Succeeds(StrCat("openssl req -x509 -nodes -newkey ", key, " -keyout ", Path(name + ".key"),
                        " -out ", Path(name + ".pem"), " -days 90 -subj /CN=", name,
                        ".test -addext subjectAltName=DNS:", name, ".test")));
  }

  std::unique_ptr<Server> Start(std::vector<std::string> arguments, uint16_t port) {
    return std::make_unique<Server>(arguments, port, Path("log"));
  }

  // With -www it doesn't read from its input.
  std::unique_ptr<Server> StartOpenssl(const std::string& certificate,
                                       std::vector<std::string> options) {
    const uint16_t port = FreePort();
    std::vector<std::string> arguments = {"openssl",
                                          "s_server",
                                          "-www",
                                          "-accept",
                                          StrCat("127.0.0.1:", port),
                                          "-cert",
                                          Path(certificate + ".pem"),
                                          "-key",
                                          Path(certificate + ".key")};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return Start(arguments, port);
  }

  std::unique_ptr<Server> StartGnutls(const std::string& priority) {
    if (!IsInstalled("gnutls-serv")) return nullptr;
    const uint16_t port = FreePort();
    return Start(
        {"gnutls-serv", "--http", "--noticket", "-p", std::to_string(port), "--x509certfile",
         Path("rsa.pem"), "--x509keyfile", Path("rsa.key"), "--priority", priority},
        port);
  }

  std::unique_ptr<Server> StartNginx(const std::string& server) {
    if (!IsInstalled("nginx")) return nullptr;
    const uint16_t port = FreePort();
    std::string text = server;
    for (size_t at; (at = text.find("PORT")) != std::string::npos;)
      text.replace(at, 4, StrCat("127.0.0.1:", port));
    for (size_t at; (at = text.find("DIR")) != std::string::npos;)
      text.replace(at, 3, tree_.root());
    tree_.File(
        "nginx.conf",
        StrCat("daemon off; master_process off; pid ", Path("nginx.pid"), "; error_log ",
               Path("nginx.log"), "; events {} http { access_log off; client_body_temp_path ",
               Path("t1"), "; proxy_temp_path ", Path("t2"), "; fastcgi_temp_path ", Path("t3"),
               "; uwsgi_temp_path ", Path("t4"), "; scgi_temp_path ", Path("t5"), ";\n", text,
               "}\n"));
    return Start({"nginx", "-e", Path("nginx.log"), "-c", Path("nginx.conf")}, port);
  }

  static v1::TlsParameters At(const Server& server) {
    v1::TlsParameters parameters;
    parameters.add_targets(server.target());
    parameters.set_timeout("30s");
    return parameters;
  }

  static v1::TlsRow Probe(const v1::TlsParameters& parameters) {
    FakeRunContext context;
    EXPECT_TRUE(FindModule("tls")->Run(parameters, context).ok());
    for (const auto& [reason, examples] : context.unexamined)
      ADD_FAILURE() << reason << ": " << examples.front();
    const auto rows = context.RowsAs<v1::TlsRow>();
    EXPECT_EQ(rows.size(), 1U);
    return rows.empty() ? v1::TlsRow() : rows.front();
  }
  static v1::TlsRow Probe(const Server& server) { return Probe(At(server)); }

  const TempTree tree_;
};

TEST_F(TlsServersTest, NssSpeaksSsl3WithRc4AndNull) {
  for (const char* program : {"selfserv", "certutil", "pk12util"})
    if (!IsInstalled(program)) GTEST_SKIP() << program << " is not installed";
  const std::string database = "sql:" + tree_.Directory("nss");
  ASSERT_TRUE(
      Succeeds(StrCat("openssl pkcs12 -export -passout pass: -name rsa -in ", Path("rsa.pem"),
                      " -inkey ", Path("rsa.key"), " -out ", Path("rsa.p12"))));
  ASSERT_TRUE(Succeeds(StrCat("certutil -N --empty-password -d ", database)));
  ASSERT_TRUE(Succeeds(StrCat("pk12util -i ", Path("rsa.p12"), " -d ", database, " -W '' -K ''")));
  const uint16_t port = FreePort();
  const auto server =
      Start({"selfserv", "-d", database, "-n", "rsa", "-p", std::to_string(port), "-V",
             "ssl3:tls1.2", "-D", "-H", "0", "-G", "-c", ":0004:0005:000A:002F:0002:C013:C02F"},
            port);
  const v1::TlsRow row = Probe(*server);
  EXPECT_THAT(row.protocols(), ElementsAre("SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"));
  EXPECT_EQ(row.min_protocol(), "SSLv3");
  EXPECT_THAT(row.ciphers(),
              UnorderedElementsAre("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA",
                                   "AES128-SHA", "DES-CBC3-SHA", "RC4-SHA", "RC4-MD5", "NULL-SHA"));
  ASSERT_EQ(row.ciphers_of_size(), 4);
  EXPECT_EQ(row.ciphers_of(3).protocol(), "SSLv3");
  EXPECT_THAT(row.ciphers_of(3).ciphers(), IsSupersetOf({"RC4-SHA", "RC4-MD5", "NULL-SHA"}));
  EXPECT_THAT(row.weaknesses(),
              IsSupersetOf({"sslv3", "tls1.0", "rc4", "null", "3des", "no_forward_secrecy"}));
  EXPECT_EQ(row.cipher_order(), "server");
  EXPECT_EQ(row.renegotiation(), "secure");
  EXPECT_TRUE(row.extended_master_secret());
  EXPECT_FALSE(row.session_tickets());
  EXPECT_EQ(row.subject(), "CN=rsa.test");
  EXPECT_EQ(row.level(), "none");
  EXPECT_THAT(row.to_reach(), Contains("disable SSLv3"));
}

TEST_F(TlsServersTest, GnutlsHasAnonymousCiphersAndItsOwnOrder) {
  const auto server = StartGnutls(
      "NORMAL:-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.2:-CIPHER-ALL:+ARCFOUR-128:+3DES-CBC:+AES-128-CBC:"
      "+MD5:-GROUP-ALL:+GROUP-SECP384R1:+GROUP-SECP256R1:+GROUP-FFDHE2048:-KX-ALL:+ECDHE-RSA:"
      "+ANON-DH:+RSA:%SERVER_PRECEDENCE");
  if (server == nullptr) GTEST_SKIP() << "gnutls-serv is not installed";
  const v1::TlsRow row = Probe(*server);
  EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.0", "TLSv1.2"));
  EXPECT_THAT(row.ciphers(), IsSupersetOf({"ECDHE-RSA-RC4-SHA", "RC4-MD5", "ADH-RC4-MD5",
                                           "ADH-AES128-SHA", "DES-CBC3-SHA", "AES128-SHA"}));
  EXPECT_EQ(row.ciphers(0), "ECDHE-RSA-RC4-SHA");
  EXPECT_EQ(row.cipher_order(), "server");
  EXPECT_THAT(row.groups(), UnorderedElementsAre("secp384r1", "secp256r1"));
  EXPECT_THAT(row.weaknesses(), IsSupersetOf({"anonymous", "rc4", "md5", "3des"}));
  EXPECT_FALSE(row.session_tickets());
}

// GnuTLS chooses a DH cipher, finds that it has no parameters for it, and refuses.
TEST_F(TlsServersTest, ACipherThatDoesNotWorkHidesNoOther) {
  const auto server = StartGnutls(
      "NONE:+VERS-TLS1.2:+AES-128-CBC:+SHA1:+ECDHE-RSA:+ANON-DH:+RSA:+SIGN-ALL:+GROUP-SECP256R1:"
      "+COMP-NULL:+CTYPE-X509:%SERVER_PRECEDENCE");
  if (server == nullptr) GTEST_SKIP() << "gnutls-serv is not installed";
  EXPECT_THAT(Probe(*server).ciphers(), ElementsAre("ECDHE-RSA-AES128-SHA", "AES128-SHA"));
}

TEST_F(TlsServersTest, OpensslWithEverythingIsSeenWithEverything) {
  ASSERT_TRUE(Succeeds(StrCat("openssl dhparam -out ", Path("dh.pem"), " -dsaparam 1024 && ",
                              "openssl dhparam -in ", Path("dh.pem"), " -text")));
  const auto server = StartOpenssl(
      "rsa", {"-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-dhparam", Path("dh.pem")});
  const v1::TlsRow row = Probe(*server);
  EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"));
  // What OpenSSL says itself it can do with an RSA key.
  for (const std::string& line :
       file::OutputOf("openssl ciphers -s -v -tls1_2 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'", '\n')) {
    const std::string name = line.substr(0, line.find(' '));
    if (line.find("PSK") != std::string::npos || line.find("SRP") != std::string::npos ||
        line.find("Au=ECDSA") != std::string::npos || line.find("Au=DSS") != std::string::npos ||
        name.empty())
      continue;
    EXPECT_THAT(row.ciphers(), Contains(name));
  }
  EXPECT_EQ(row.cipher_order(), "client");
  EXPECT_EQ(row.dh_bits(), 1024U);
  EXPECT_TRUE(row.session_tickets());
  EXPECT_TRUE(row.extended_master_secret());
  EXPECT_THAT(row.weaknesses(), IsSupersetOf({"anonymous", "null", "dh_below_2048"}));
}

TEST_F(TlsServersTest, StaplingIsSeenBeforeAndBehindTheEncryption) {
  tree_.File("index", "V\t400101000000Z\t\t01\tunknown\t/CN=stapled.test\n");
  ASSERT_TRUE(Succeeds(StrCat(
      "cd ", tree_.root(),
      " && openssl req -new -nodes -newkey rsa:2048 -keyout leaf.key -out leaf.csr -subj "
      "/CN=stapled.test && openssl x509 -req -in leaf.csr -CA rsa.pem -CAkey rsa.key -set_serial 1 "
      "-days 30 -out leaf.pem && openssl ocsp -issuer rsa.pem -cert leaf.pem -reqout request "
      "&& openssl ocsp -index index -CA rsa.pem -rsigner rsa.pem -rkey rsa.key -reqin request "
      "-ndays 1 -respout response")));
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const auto server = StartOpenssl(
        "leaf", {version, "-status_file", Path("response"), "-cert_chain", Path("rsa.pem")});
    const v1::TlsRow row = Probe(*server);
    EXPECT_TRUE(row.ocsp_stapling()) << version;
    EXPECT_EQ(row.subject(), "CN=stapled.test");
    EXPECT_EQ(row.issuer(), "CN=rsa.test");
    EXPECT_FALSE(row.self_signed());
    EXPECT_EQ(row.chain_length(), 2U) << version;
    ASSERT_EQ(row.chain_size(), 2);
    EXPECT_EQ(row.chain(1).subject(), "CN=rsa.test");
    EXPECT_EQ(row.lifespan_days(), 30U);
  }
  EXPECT_FALSE(Probe(*StartOpenssl("leaf", {"-tls1_3"})).ocsp_stapling());
}

TEST_F(TlsServersTest, Tls13AloneWithItsOrderAndGroups) {
  const auto server = StartOpenssl(
      "ec", {"-tls1_3", "-serverpref", "-groups", "P-384:X448", "-num_tickets", "0",
             "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_8_SHA256"});
  const v1::TlsRow row = Probe(*server);
  EXPECT_THAT(row.protocols(), ElementsAre("TLSv1.3"));
  EXPECT_THAT(row.ciphers(),
              ElementsAre("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_8_SHA256"));
  EXPECT_EQ(row.cipher_order(), "server");
  EXPECT_THAT(row.groups(), ElementsAre("secp384r1", "x448"));
  EXPECT_EQ(row.renegotiation(), "none");
  EXPECT_FALSE(row.session_tickets());
  EXPECT_EQ(row.key_curve(), "secp256r1");
  EXPECT_THAT(row.to_reach(), ElementsAre("remove the cipher TLS_AES_128_CCM_8_SHA256"));
}

// As https://ssl-config.mozilla.org/ makes them, guideline 5.8.
constexpr char kIntermediate[] =
    "server { listen PORT ssl; ssl_certificate DIR/ec.pem; ssl_certificate_key DIR/ec.key;"
    " ssl_certificate DIR/rsa.pem; ssl_certificate_key DIR/rsa.key;"
    " ssl_session_tickets off; ssl_protocols TLSv1.2 TLSv1.3;"
    " ssl_ecdh_curve X25519:prime256v1:secp384r1; ssl_prefer_server_ciphers off;"
    " ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305; }";

TEST_F(TlsServersTest, NginxAtIntermediateIsIntermediate) {
  const auto server = StartNginx(kIntermediate);
  if (server == nullptr) GTEST_SKIP() << "nginx is not installed";
  const v1::TlsRow row = Probe(*server);
  EXPECT_EQ(row.level(), "intermediate");
  EXPECT_EQ(row.guideline(), "6.0");
  EXPECT_TRUE(row.meets_level());
  EXPECT_THAT(row.to_reach(), IsEmpty());
  EXPECT_THAT(row.advice(), IsEmpty());
  EXPECT_TRUE(row.forward_secrecy());
  EXPECT_EQ(row.cipher_order(), "client");
  EXPECT_THAT(row.groups(), ElementsAre("x25519", "secp256r1", "secp384r1"));
  EXPECT_EQ(row.ciphers_size(), 9);
  ASSERT_EQ(row.other_certificates_size(), 1);
  for (const char* version : {"5.0", "5.8", "6.0"}) {
    v1::TlsParameters parameters = At(*server);
    parameters.set_guideline(version);
    EXPECT_EQ(Probe(parameters).level(), "intermediate") << version;
  }
  v1::TlsParameters parameters = At(*server);
  parameters.set_level("modern");
  EXPECT_THAT(Probe(parameters).to_reach(),
              IsSupersetOf({"disable TLSv1.2", "other certificate (rsa): rsa key, use ecdsa"}));
}

TEST_F(TlsServersTest, NginxAtModernIsModern) {
  const auto server = StartNginx(
      "server { listen PORT ssl; ssl_certificate DIR/ec.pem; ssl_certificate_key DIR/ec.key;"
      " ssl_protocols TLSv1.3; ssl_ecdh_curve X25519:prime256v1:secp384r1;"
      " ssl_prefer_server_ciphers off; }");
  if (server == nullptr) GTEST_SKIP() << "nginx is not installed";
  v1::TlsParameters parameters = At(*server);
  parameters.set_level("modern");
  const v1::TlsRow row = Probe(parameters);
  EXPECT_EQ(row.level(), "modern");
  EXPECT_TRUE(row.meets_level());
  EXPECT_THAT(row.to_reach(), IsEmpty());
}

TEST_F(TlsServersTest, NginxAtOldIsOld) {
  const auto server = StartNginx(
      "server { listen PORT ssl; ssl_certificate DIR/rsa.pem; ssl_certificate_key DIR/rsa.key;"
      " ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;"
      " ssl_ecdh_curve X25519:prime256v1:secp384r1; ssl_ciphers @SECLEVEL=0:"
      "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:"
      "ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-SHA:"
      "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA; }");
  if (server == nullptr) GTEST_SKIP() << "nginx is not installed";
  v1::TlsParameters parameters = At(*server);
  parameters.set_level("old");
  const v1::TlsRow row = Probe(parameters);
  EXPECT_EQ(row.guideline(), "5.8");
  EXPECT_EQ(row.level(), "old") << row.to_reach_size();
  EXPECT_TRUE(row.meets_level());
  EXPECT_EQ(row.ciphers_of(row.ciphers_of_size() - 1).protocol(), "TLSv1.0");
  EXPECT_EQ(row.ciphers_of(1).ciphers(0), "ECDHE-RSA-AES128-GCM-SHA256");
}

TEST_F(TlsServersTest, TheNameDecidesWhichCertificateIsShown) {
  const auto server = StartNginx(
      "server { listen PORT ssl default_server; server_name rsa.test;"
      " ssl_certificate DIR/rsa.pem; ssl_certificate_key DIR/rsa.key; }"
      "server { listen PORT ssl; server_name ec.test;"
      " ssl_certificate DIR/ec.pem; ssl_certificate_key DIR/ec.key; }");
  if (server == nullptr) GTEST_SKIP() << "nginx is not installed";
  v1::TlsParameters parameters = At(*server);
  EXPECT_EQ(Probe(parameters).subject(), "CN=rsa.test");
  EXPECT_FALSE(Probe(parameters).has_name_matches());
  parameters.set_sni("ec.test");
  const v1::TlsRow named = Probe(parameters);
  EXPECT_EQ(named.subject(), "CN=ec.test");
  EXPECT_TRUE(named.name_matches());
  parameters.set_sni("unknown.test");
  const v1::TlsRow unknown = Probe(parameters);
  EXPECT_EQ(unknown.subject(), "CN=rsa.test");
  EXPECT_TRUE(unknown.has_name_matches());
  EXPECT_FALSE(unknown.name_matches());
  EXPECT_THAT(unknown.weaknesses(), Contains("name_mismatch"));
}

TEST_F(TlsServersTest, TheSandboxLetsAllOfItHappen) {
  const auto server = StartOpenssl("ec", {});
  tree_.File("params", StrCat("{\"ports\":[\"", server->port(), "\"],\"timeout\":\"30s\"}"));
  const std::vector<std::string> lines = file::OutputOf(
      StrCat(DRAGNET_AGENT, " module tls --params - <", Path("params"), " 2>", Path("errors")),
      '\n');
  ASSERT_GE(lines.size(), 2U) << testing::PrintToString(lines);
  EXPECT_THAT(lines[0],
              AllOf(HasSubstr("\"TLSv1.2\",\"TLSv1.3\""), HasSubstr("CN=ec.test"),
                    HasSubstr(StrCat("\"port\":", server->port())), Not(HasSubstr("\"error\""))));
  EXPECT_THAT(lines[1], HasSubstr("\"outcome\":\"found\""));
}

}  // namespace
}  // namespace dragnet::tls
