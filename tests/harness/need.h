// What a test can't go on without. Ends the whole test program with a message,
// so that helpers need no error paths; processes that it started end with it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::testing {

void Need(bool condition, std::string_view what, std::string_view detail = "");

inline void NeedOk(const absl::Status& status, std::string_view what) {
  Need(status.ok(), what, status.ok() ? std::string() : status.ToString());
}

template <typename T>
T NeedValue(absl::StatusOr<T> value, std::string_view what) {
  NeedOk(value.status(), what);
  return *std::move(value);
}

}  // namespace dragnet::testing
