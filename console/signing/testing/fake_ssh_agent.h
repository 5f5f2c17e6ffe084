// For tests: a socket that answers as an ssh-agent that holds a security key
// would, or in any other way. Header-only, tests only.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "core/file_io.h"
#include "core/ssh_testing.h"
#include "core/ssh_wire.h"
#include "core/unique_fd.h"

namespace dragnet::console::testing {

class FakeSshAgent {
 public:
  // Of a request without its length; the answer's bytes with theirs. Called on
  // the agent's own thread. Empty: hangs up.
  using Answer = std::function<std::string(std::string_view request)>;

  FakeSshAgent(std::string path, Answer answer) : path_(std::move(path)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    socket_.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(socket_.get(), 8), 0);
    thread_ = std::thread([this, answer = std::move(answer)] { Serve(answer); });
  }
  ~FakeSshAgent() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
    ::unlink(path_.c_str());
  }

  const std::string& path() const { return path_; }

  static std::string Framed(std::string_view message) {
    std::string framed;
    AppendWireString(&framed, message);
    return framed;
  }
  // What lists one key.
  static std::string ListOf(std::string_view blob) {
    std::string answer(1, 12);
    AppendWireUint32(&answer, 1);
    AppendWireString(&answer, blob);
    AppendWireString(&answer, "comment");
    return Framed(answer);
  }
  static std::string SignatureAnswer(std::string_view signature) {
    std::string answer(1, 14);
    AppendWireString(&answer, signature);
    return Framed(answer);
  }
  static std::string Failure() { return Framed(std::string(1, 5)); }
  // What a sign request is about.
  static std::string_view DataOf(std::string_view request) {
    WireReader reader(request.substr(1));
    reader.String();
    return reader.String();
  }
  // Holds `token`, which outlives the agent.
  static Answer Holding(const dragnet::testing::FakeSecurityKey& token) {
    return [&token](std::string_view request) {
      if (request[0] == 11) return ListOf(token.public_key().ToSshBlob());
      return SignatureAnswer(token.SignData(DataOf(request)));
    };
  }

 private:
  void Serve(const Answer& answer) {
    while (true) {
      const UniqueFd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client.valid()) return;
      while (true) {
        std::string size(4, '\0');
        if (!Receive(client.get(), &size)) break;
        std::string request(WireReader(size).Uint32(), '\0');
        if (request.empty() || !Receive(client.get(), &request)) break;
        const std::string bytes = answer(request);
        if (bytes.empty()) break;
        // Gone away meanwhile: it has seen enough.
        if (::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) break;
      }
    }
  }
  static bool Receive(int fd, std::string* bytes) {
    return ::recv(fd, bytes->data(), bytes->size(), MSG_WAITALL) ==
           static_cast<ssize_t>(bytes->size());
  }

  const std::string path_;
  UniqueFd socket_;
  std::thread thread_;
};

}  // namespace dragnet::console::testing
