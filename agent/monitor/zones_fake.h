// A host whose tzdata lacks every time zone. For tests only.
#pragma once

#include <stdlib.h>

#include <string>

namespace dragnet {

// While it lives; `directory` holds no zones.
class WithoutTimeZones {
 public:
  explicit WithoutTimeZones(const std::string& directory) {
    ::setenv("TZDIR", directory.c_str(), 1);
  }
  ~WithoutTimeZones() { ::unsetenv("TZDIR"); }
  WithoutTimeZones(const WithoutTimeZones&) = delete;
  WithoutTimeZones& operator=(const WithoutTimeZones&) = delete;
};

}  // namespace dragnet
