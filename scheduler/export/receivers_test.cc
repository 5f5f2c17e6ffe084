#include <gmock/gmock.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/numbers.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"
#include "scheduler/export/receiver.h"
#include "scheduler/export/syslog_message.h"
#include "scheduler/export/testing/syslog_server.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeServerCertificate;
using ::testing::SizeIs;
using testing::SyslogServer;

const std::atomic<bool> kGoOn = false;

TEST(SyslogFrameTest, CountsItsOctets) {
  const std::string frame =
      SyslogFrame("web 1\n", absl::FromUnixMillis(1'800'000'000'123), "{\"a\":\"\xc3\xa9\"}");
  const std::string message =
      "<134>1 2027-01-15T08:00:00.123Z web_1_ dragnet - ecs - {\"a\":\"\xc3\xa9\"}";
  EXPECT_EQ(frame, StrCat(message.size(), " ", message));
  EXPECT_THAT(SyslogFrame("", absl::UnixEpoch(), "{}"), HasSubstr(" - dragnet "));
}

class SyslogReceiverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // As the scheduler does.
    ::signal(SIGPIPE, SIG_IGN);
    MakeServerCertificate(directory_.path(), "127.0.0.1");
  }

  absl::Status Deliver(int port, const std::vector<std::string>& events,
                       const std::string& host = "127.0.0.1", bool accept_plain_close = false) {
    ExportSettings settings;
    settings.name = "siem";
    settings.host = host;
    settings.port = StrCat(port);
    settings.ca = directory_.path() + "/server.pem";
    settings.accept_plain_close = accept_plain_close;
    const auto receiver = NewReceiver(settings);
    if (!receiver.ok()) return receiver.status();
    return (*receiver)->Deliver(events, kGoOn);
  }

  const TemporaryDirectory directory_;
};

TEST_F(SyslogReceiverTest, BringsMessagesInTheirFrames) {
  SyslogServer server(directory_.path(), {});
  std::vector<std::string> events;
  for (int i = 0; i < 500; ++i)
    events.push_back(StrCat("{\"n\":", i, ",\"x\":\"", std::string(200, 'y'), "\"}"));
  const absl::Status status = Deliver(server.port(), events);
  ASSERT_TRUE(status.ok()) << status;
  server.Stop();
  std::vector<std::string> got;
  for (const std::string& message : server.messages())
    got.push_back(message.substr(message.find('{')));
  EXPECT_EQ(got, events);
}

TEST_F(SyslogReceiverTest, AServerThatIsNotTheConfiguredOneGetsNothing) {
  SyslogServer server(directory_.path(), {});
  // Its certificate is for 127.0.0.1.
  const absl::Status status = Deliver(server.port(), {"{}"}, "localhost");
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  server.Stop();
  EXPECT_THAT(server.messages(), IsEmpty());
}

TEST_F(SyslogReceiverTest, AServerThatNoOneVouchesForGetsNothing) {
  const TemporaryDirectory other;
  MakeServerCertificate(other.path(), "127.0.0.1");
  SyslogServer server(other.path(), {});
  const absl::Status status = Deliver(server.port(), {"{}"});
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  server.Stop();
  EXPECT_THAT(server.messages(), IsEmpty());
}

TEST_F(SyslogReceiverTest, Tls11IsNotSpoken) {
  SyslogServer server(directory_.path(), {.max_version = TLS1_1_VERSION});
  EXPECT_FALSE(Deliver(server.port(), {"{}"}).ok());
}

TEST_F(SyslogReceiverTest, Tls12IsSpoken) {
  SyslogServer server(directory_.path(), {.max_version = TLS1_2_VERSION});
  const absl::Status status = Deliver(server.port(), {"{}"});
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(SyslogReceiverTest, OneThatClosesWithoutSayingSoHasConfirmedNothing) {
  SyslogServer server(directory_.path(), {.say_end = false});
  const absl::Status status = Deliver(server.port(), {"{}"});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("accept_plain_close"));
  EXPECT_TRUE(Deliver(server.port(), {"{}"}, "127.0.0.1", true).ok());
}

TEST_F(SyslogReceiverTest, OneThatDiesInTheMiddleHasConfirmedNothing) {
  SyslogServer server(directory_.path(), {.die_after = 1000});
  const std::vector<std::string> events(20'000, std::string(100, 'x'));
  EXPECT_FALSE(Deliver(server.port(), events).ok());
  EXPECT_FALSE(Deliver(server.port(), events, "127.0.0.1", true).ok());
}

TEST_F(SyslogReceiverTest, OneThatSaysItsEndInTheMiddleHasConfirmedNothing) {
  SyslogServer server(directory_.path(), {.end_after = 1000});
  // More than fits into any buffer on the way: it has ended before all was sent.
  const std::vector<std::string> events(16, std::string(1 << 20, 'x'));
  const absl::Status status = Deliver(server.port(), events);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_FALSE(Deliver(server.port(), events, "127.0.0.1", true).ok());
}

TEST_F(SyslogReceiverTest, NoOneListens) {
  int port = 0;
  {
    SyslogServer server(directory_.path(), {});
    port = server.port();
  }
  EXPECT_TRUE(absl::IsUnavailable(Deliver(port, {"{}"})));
}

TEST_F(SyslogReceiverTest, AHangingServerEndsWithTheScheduler) {
  SyslogServer server(directory_.path(), {.hang = true});
  ExportSettings settings;
  settings.host = "127.0.0.1";
  settings.port = StrCat(server.port());
  settings.ca = directory_.path() + "/server.pem";
  const auto receiver = NewReceiver(settings);
  ASSERT_TRUE(receiver.ok()) << receiver.status();
  std::atomic<bool> stop = false;
  absl::Status status;
  std::thread delivering([&] { status = (*receiver)->Deliver({"{}"}, stop); });
  server.WaitForConnection();
  stop = true;
  delivering.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(SyslogReceiverTest, FilesThatAreMissingAreNamed) {
  ExportSettings settings;
  settings.name = "siem";
  settings.ca = directory_.path() + "/no-such.pem";
  const absl::Status status = NewReceiver(settings).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("export siem"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no-such.pem"));
}

// ---- webhook

struct Request {
  std::map<std::string, std::string> headers;
  std::string body;
};

// Answers with a status; on plain HTTP.
class WebServer {
 public:
  WebServer() {
    daemon_ = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, nullptr, nullptr, &Answer, this,
                               MHD_OPTION_SOCK_ADDR, Loopback(), MHD_OPTION_END);
    EXPECT_NE(daemon_, nullptr);
  }
  ~WebServer() { MHD_stop_daemon(daemon_); }
  int port() const { return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port; }

  int status = 200;
  std::string location;
  std::string answer = "thanks";
  std::vector<Request> requests() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  static const sockaddr* Loopback() {
    static sockaddr_in address = [] {
      sockaddr_in loopback{};
      loopback.sin_family = AF_INET;
      loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return loopback;
    }();
    return reinterpret_cast<const sockaddr*>(&address);
  }

  static MHD_Result Answer(void* self, MHD_Connection* connection, const char*, const char*,
                           const char*, const char* data, size_t* size, void** state) {
    WebServer& server = *static_cast<WebServer*>(self);
    if (*state == nullptr) {
      *state = new Request;
      return MHD_YES;
    }
    Request* request = static_cast<Request*>(*state);
    if (*size > 0) {
      request->body.append(data, *size);
      *size = 0;
      return MHD_YES;
    }
    MHD_get_connection_values(
        connection, MHD_HEADER_KIND,
        [](void* to, MHD_ValueKind, const char* key, const char* value) {
          static_cast<Request*>(to)->headers[key] = value == nullptr ? "" : value;
          return MHD_YES;
        },
        request);
    {
      const std::lock_guard<std::mutex> lock(server.mutex_);
      server.requests_.push_back(std::move(*request));
    }
    delete request;
    MHD_Response* response = MHD_create_response_from_buffer(
        server.answer.size(), server.answer.data(), MHD_RESPMEM_PERSISTENT);
    if (!server.location.empty())
      MHD_add_response_header(response, "Location", server.location.c_str());
    const MHD_Result result =
        MHD_queue_response(connection, static_cast<unsigned>(server.status), response);
    MHD_destroy_response(response);
    return result;
  }

  std::mutex mutex_;
  std::vector<Request> requests_;
  MHD_Daemon* daemon_ = nullptr;
};

class WebhookReceiverTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(WriteNewFile(secret_, "0123456789abcdef0123\n", 0600).ok()); }

  absl::Status Deliver(const std::string& url, const std::vector<std::string>& events) {
    ExportSettings settings;
    settings.name = "hook";
    settings.kind = ExportSettings::Kind::kWebhook;
    settings.url = url;
    settings.secret = secret_;
    const auto receiver = NewReceiver(settings);
    if (!receiver.ok()) return receiver.status();
    return (*receiver)->Deliver(events, kGoOn);
  }
  absl::Status Deliver(const std::vector<std::string>& events) {
    return Deliver(StrCat("http://127.0.0.1:", server_.port(), "/in"), events);
  }

  const TemporaryDirectory directory_;
  const std::string secret_ = directory_.path() + "/hook.secret";
  WebServer server_;
};

TEST_F(WebhookReceiverTest, PostsLinesThatTheReceiverCanProve) {
  const absl::Status status = Deliver({"{\"a\":1}", "{\"b\":2}"});
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<Request> requests = server_.requests();
  ASSERT_THAT(requests, SizeIs(1));
  const Request& request = requests[0];
  EXPECT_EQ(request.body, "{\"a\":1}\n{\"b\":2}\n");
  EXPECT_EQ(request.headers.at("Content-Type"), "application/x-ndjson");
  const std::string text = request.headers.at("Dragnet-Timestamp") + "." + request.body;
  const std::string key = "0123456789abcdef0123";
  unsigned char digest[32];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  EXPECT_EQ(request.headers.at("Dragnet-Signature"),
            "sha256=" + HexEncode({reinterpret_cast<const char*>(digest), size}));
  // The same batch again has the same key.
  ASSERT_TRUE(Deliver({"{\"a\":1}", "{\"b\":2}"}).ok());
  EXPECT_EQ(server_.requests()[1].headers.at("Idempotency-Key"),
            request.headers.at("Idempotency-Key"));
}

TEST_F(WebhookReceiverTest, WhatMayBeASecretInItsUrlIsShownToNoOne) {
  for (const char* url :
       {"https://hooks.example.org:8443/services/T0/B0/secret",
        "https://hooks.example.org:8443?token=secret", "https://hooks.example.org:8443"}) {
    ExportSettings settings;
    settings.kind = ExportSettings::Kind::kWebhook;
    settings.url = url;
    settings.secret = secret_;
    EXPECT_EQ((*NewReceiver(settings))->address(), "https://hooks.example.org:8443");
  }
}

TEST_F(WebhookReceiverTest, OnlySuccessIsSuccess) {
  for (const int status : {201, 204, 299}) {
    server_.status = status;
    if (status == 204) server_.answer = "";
    EXPECT_TRUE(Deliver({"{}"}).ok()) << status;
  }
  for (const int status : {300, 400, 401, 404, 413, 429, 500, 503}) {
    server_.status = status;
    EXPECT_THAT(std::string(Deliver({"{}"}).message()), HasSubstr(StrCat("status ", status)));
  }
}

TEST_F(WebhookReceiverTest, IsNotSentElsewhere) {
  WebServer elsewhere;
  for (const int status : {301, 302, 307, 308}) {
    server_.status = status;
    server_.location = StrCat("http://127.0.0.1:", elsewhere.port(), "/");
    EXPECT_FALSE(Deliver({"{}"}).ok());
  }
  EXPECT_THAT(elsewhere.requests(), IsEmpty());
}

TEST_F(WebhookReceiverTest, AnAnswerWithoutEndIsCutOff) {
  server_.answer = std::string(1 << 20, 'x');
  EXPECT_THAT(std::string(Deliver({"{}"}).message()), HasSubstr("larger than"));
}

TEST_F(WebhookReceiverTest, ProxiesOfTheEnvironmentAreNotUsed) {
  WebServer proxy;
  ::setenv("http_proxy", StrCat("http://127.0.0.1:", proxy.port()).c_str(), 1);
  EXPECT_TRUE(Deliver({"{}"}).ok());
  ::unsetenv("http_proxy");
  EXPECT_THAT(proxy.requests(), IsEmpty());
}

TEST_F(WebhookReceiverTest, TlsWithoutACertificateThatCountsIsRefused) {
  MakeServerCertificate(directory_.path(), "127.0.0.1");
  SyslogServer server(directory_.path(), {});
  EXPECT_FALSE(Deliver(StrCat("https://127.0.0.1:", server.port(), "/"), {"{}"}).ok());
  server.Stop();
  EXPECT_THAT(server.messages(), IsEmpty());
}

TEST_F(WebhookReceiverTest, AHangingServerEndsWithTheScheduler) {
  SyslogServer server(directory_.path(), {.hang = true});
  ExportSettings settings;
  settings.kind = ExportSettings::Kind::kWebhook;
  settings.url = StrCat("http://127.0.0.1:", server.port(), "/");
  settings.secret = secret_;
  const auto receiver = NewReceiver(settings);
  ASSERT_TRUE(receiver.ok()) << receiver.status();
  std::atomic<bool> stop = false;
  absl::Status status;
  std::thread delivering([&] { status = (*receiver)->Deliver({"{}"}, stop); });
  server.WaitForConnection();
  stop = true;
  delivering.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(WebhookReceiverTest, ASecretThatOthersCanReadOrGuessIsRefused) {
  ::chmod(secret_.c_str(), 0644);
  EXPECT_TRUE(absl::IsPermissionDenied(Deliver({"{}"})));
  ::chmod(secret_.c_str(), 0600);
  std::ofstream(secret_) << "short\n";
  EXPECT_TRUE(absl::IsInvalidArgument(Deliver({"{}"})));
}

}  // namespace
}  // namespace dragnet::scheduler
