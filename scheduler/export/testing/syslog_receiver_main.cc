// syslog-receiver DIRECTORY PORT FILE: appends the JSON of each message to FILE, until it
// is killed; for tests that do so.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "scheduler/export/testing/syslog_server.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  ::signal(SIGPIPE, SIG_IGN);
  const int fd = ::open(argv[3], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return 2;
  dragnet::scheduler::testing::SyslogServer server(
      argv[1], {.port = std::atoi(argv[2]), .on_message = [fd](const std::string& message) {
                  const std::string line = message.substr(message.find('{')) + "\n";
                  if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
                    std::abort();
                }});
  while (true) ::pause();
}
