// Whether a text contains another one, as people search: ASCII letters in either
// case. Thread-safe: no state.
#pragma once

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"

namespace dragnet::console::tui {

inline bool ContainsIgnoringCase(std::string_view text, std::string_view words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end(),
                     [](char a, char b) {
                       return absl::ascii_tolower(static_cast<unsigned char>(a)) ==
                              absl::ascii_tolower(static_cast<unsigned char>(b));
                     }) != text.end() ||
         words.empty();
}

}  // namespace dragnet::console::tui
