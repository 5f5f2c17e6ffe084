// What anyone on the machine may send to the metrics port.
#include "scheduler/observe/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<HttpServer>> server =
        HttpServer::Start("127.0.0.1:0", false, [](const std::string& path) {
          if (path == "/there") return HttpAnswer{.body = "content"};
          return HttpAnswer{.status = 404, .body = "no"};
        });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  UniqueFd Connect() {
    const std::string& address = server_->address();
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    const timeval patience = {.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
  }

  // Sends, then reads to the end.
  std::string Ask(const std::string& request) {
    const UniqueFd fd = Connect();
    size_t sent = 0;
    while (sent < request.size()) {
      const ssize_t n =
          ::send(fd.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    std::string answer;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::recv(fd.get(), buffer, sizeof(buffer), 0)) > 0)
      answer.append(buffer, static_cast<size_t>(n));
    return answer;
  }

  std::string Get(const std::string& path) {
    return Ask(StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
  }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersAndEndsTheConnection) {
  const std::string answer = Get("/there");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\ncontent"));
  EXPECT_THAT(Get("/elsewhere"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, OnlyGet) {
  for (const char* method : {"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"})
    EXPECT_THAT(Ask(StrCat(method, " /there HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")),
                StartsWith("HTTP/1.1 405 "))
        << method;
}

TEST_F(HttpServerTest, HostileRequestsHarmNoOneElse) {
  const std::vector<std::string> requests = {
      std::string(1'000'000, 'A'),
      "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n",
      "GET /there HTTP/1.1\r\nHost: x\r\n" + std::string(100'000, 'h') + ": x\r\n\r\n",
      "GET /there HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "GET /there HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST /there HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" +
          std::string(1'000'000, 'b'),
      "POST /there HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
      "GET /%00/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET http:// HTTP/9.9\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01",
      std::string("\0\0\0\0\r\n\r\n", 8),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  };
  for (const std::string& request : requests) {
    {
      const UniqueFd fd = Connect();
      // It may be cut off in the middle.
      (void)!::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    }
    EXPECT_THAT(Get("/there"), HasSubstr("content"));
  }
}

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

TEST_F(HttpServerTest, SilentConnectionsCostABoundedNumberOfDescriptors) {
  // All that may be served, and most of those that may wait.
  constexpr size_t kSilent = 30;
  constexpr size_t kMaxConnections = 16;
  const size_t before = OpenDescriptors();
  std::vector<UniqueFd> silent;
  for (size_t i = 0; i < kSilent; ++i) silent.push_back(Connect());
  // It takes them when it comes to it; at no time more than it may.
  for (int look = 0; look < 50; ++look) {
    EXPECT_LE(OpenDescriptors(), before + kSilent + kMaxConnections);
    ::poll(nullptr, 0, 2);
  }
  // When they go, there is room again for those that wait.
  silent.clear();
  EXPECT_THAT(Get("/there"), HasSubstr("content"));
}

TEST(HttpAddressTest, OnlyLoopbackUnlessAllowed) {
  EXPECT_TRUE(CheckHttpAddress("127.0.0.1:7480", false).ok());
  EXPECT_TRUE(CheckHttpAddress("127.9.9.9:1", false).ok());
  EXPECT_TRUE(CheckHttpAddress("[::1]:7480", false).ok());
  for (const char* remote : {"0.0.0.0:7480", "10.0.0.1:7480", "[::]:7480", "[2001:db8::1]:7480"}) {
    const absl::Status refused = CheckHttpAddress(remote, false);
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << remote;
    EXPECT_THAT(refused.ToString(), HasSubstr("metrics_allow_remote"));
    EXPECT_TRUE(CheckHttpAddress(remote, true).ok()) << remote;
  }
  for (const char* wrong : {"", "7480", ":7480", "localhost:7480", "127.0.0.1:", "127.0.0.1:99999"})
    EXPECT_FALSE(CheckHttpAddress(wrong, true).ok()) << wrong;
}

TEST(HttpAddressTest, TakenPortSaysSo) {
  const auto first =
      HttpServer::Start("127.0.0.1:0", false, [](const std::string&) { return HttpAnswer(); });
  ASSERT_TRUE(first.ok());
  const auto second = HttpServer::Start((*first)->address(), false,
                                        [](const std::string&) { return HttpAnswer(); });
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_THAT(second.status().ToString(), HasSubstr("in use"));
}

}  // namespace
}  // namespace dragnet::scheduler
