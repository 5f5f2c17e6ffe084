#include "tests/harness/need.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dragnet::testing {

void Need(bool condition, std::string_view what, std::string_view detail) {
  if (condition) return;
  const int error = errno;
  std::fprintf(stderr, "test: can't go on: %.*s: %.*s (errno %d, %s)\n",
               static_cast<int>(what.size()), what.data(), static_cast<int>(detail.size()),
               detail.data(), error, std::strerror(error));
  std::abort();
}

}  // namespace dragnet::testing
