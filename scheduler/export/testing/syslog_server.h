// A receiver of syslog over TLS (RFC 5425) for tests: one connection at a time,
// strict about frames, and as bad as a test wants it to be.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace dragnet::scheduler::testing {

// `directory`/server.pem and server.key: a certificate for this IP address that
// vouches for itself.
void MakeServerCertificate(const std::string& directory, const std::string& ip);

struct SyslogServerOptions {
  // On 127.0.0.1; 0 for any.
  int port = 0;
  // As TLS1_2_VERSION; 0 for any.
  int max_version = 0;
  // Answers the closure alert.
  bool say_end = true;
  // Closes each connection after so many bytes; 0: never.
  size_t die_after = 0;
  // After so many bytes says that it ends, and throws away what comes then; 0: never.
  size_t end_after = 0;
  // Accepts, and does nothing.
  bool hang = false;
  // Of each message, before the closure alert is answered.
  std::function<void(const std::string&)> on_message = {};
};

class SyslogServer {
 public:
  SyslogServer(const std::string& directory, SyslogServerOptions options);
  ~SyslogServer();
  int port() const { return port_; }
  // After that, messages() are all.
  void Stop();
  void WaitForConnection();
  std::vector<std::string> messages();

 private:
  void Loop();
  void Serve(int fd);
  // False: what is there is no frame.
  bool TakeFrames(std::string* buffer);

  const std::string directory_;
  const SyslogServerOptions options_;
  int listening_ = -1;
  int wake_[2] = {-1, -1};
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> messages_;
  int connections_ = 0;
  std::thread thread_;
};

}  // namespace dragnet::scheduler::testing
