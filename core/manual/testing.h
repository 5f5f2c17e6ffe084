// What man(1) makes of a page. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "core/strings.h"

namespace dragnet::manual {

inline std::string OutputOf(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  while (const size_t got = ::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  const int status = ::pclose(pipe);
  EXPECT_EQ(status, 0) << command << ": " << text;
  return text;
}

inline std::string WithPage(const std::string& page, const std::string& arguments) {
  char path[] = "/tmp/dragnet-page-XXXXXX";
  ::close(::mkstemp(path));
  std::ofstream(path) << page;
  const std::string output =
      OutputOf(StrCat("LC_ALL=C.UTF-8 MANWIDTH=80 MANROFFOPT= man ", arguments, " -l ", path));
  ::unlink(path);
  return output;
}

// As a reader sees it, without emphasis.
inline std::string Shown(const std::string& page) { return WithPage(page, "-P cat"); }

// What man complains of; empty when there is nothing.
inline std::string Warnings(const std::string& page) {
  return WithPage(page, "--warnings -P cat 2>&1 >/dev/null");
}

}  // namespace dragnet::manual
