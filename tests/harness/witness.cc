// Stands where an agent expects dragnet-worker: leaves a file in the directory
// `witness` beside it, then becomes the real worker, dragnet-worker.real. So a
// test can count how often an agent started a worker, whatever became of it.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <string>

int main(int, char** argv) {
  // As the agent called it, not where a symbolic link leads to.
  const std::string program = argv[0];
  const std::string directory = program.substr(0, program.rfind('/'));
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::string mark = directory + "/witness/" + std::to_string(now.tv_sec) + "-" +
                           std::to_string(now.tv_nsec) + "-" + std::to_string(::getpid());
  const int file = ::open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) {
    ::perror(mark.c_str());
    return 126;
  }
  ::close(file);
  const std::string real = program + ".real";
  ::execv(real.c_str(), argv);
  ::perror(real.c_str());
  return 126;
}
