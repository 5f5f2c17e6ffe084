// Stands where an agent expects dragnet-worker: writes a byte to the named pipe
// `witness` beside it, then becomes the real worker, dragnet-worker.real. So a
// test can count how often an agent started a worker, whatever became of it.
// (A pipe, because all that a worker sees of the disk is read-only.)
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <string>

int main(int, char** argv) {
  // As the agent called it, not where a symbolic link leads to.
  const std::string program = argv[0];
  const std::string pipe = program.substr(0, program.rfind('/')) + "/witness";
  const int fd = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || ::write(fd, "x", 1) != 1) {
    ::perror(pipe.c_str());
    return 126;
  }
  ::close(fd);
  const std::string real = program + ".real";
  ::execv(real.c_str(), argv);
  ::perror(real.c_str());
  return 126;
}
