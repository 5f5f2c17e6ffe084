// The system's words for an errno: "Permission denied". Thread-safe.
#pragma once

#include <string.h>

#include <string_view>

namespace dragnet::pkg {

inline std::string_view ErrnoWords(int error) {
  const char* words = strerrordesc_np(error);
  return words != nullptr ? words : "unknown error";
}

}  // namespace dragnet::pkg
