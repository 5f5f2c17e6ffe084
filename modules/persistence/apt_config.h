// The form of apt's configuration (apt.conf(5)). Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dragnet::persistence {

// Calls `take` with each value of an option, whose name has its scopes in front
// (DPkg::Post-Invoke), until it returns false. False when the text isn't of the form
// from somewhere on: what stood before that was taken.
bool ParseAptConfig(std::string_view text,
                    const std::function<bool(std::string_view option, std::string_view value,
                                             uint32_t line)>& take);

}  // namespace dragnet::persistence
