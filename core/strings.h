// Debian's Abseil is built as C++14, so absl::string_view is a class of its own
// and not std::string_view. This header is the one place that knows: interfaces
// here use std::string_view, and StrCat takes both.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace dragnet {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

namespace strings_internal {
inline absl::string_view Piece(std::string_view text) { return ToAbsl(text); }
inline absl::string_view Piece(absl::string_view text) { return text; }
inline absl::string_view Piece(const std::string& text) { return text; }
inline absl::string_view Piece(const char* text) { return text; }
template <typename Number>
absl::AlphaNum Piece(const Number& number) {
  return absl::AlphaNum(number);
}
}  // namespace strings_internal

// As absl::StrCat.
template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  return absl::StrCat(strings_internal::Piece(parts)...);
}

// As absl::StrAppend.
template <typename... Parts>
void StrAppend(std::string* text, const Parts&... parts) {
  absl::StrAppend(text, strings_internal::Piece(parts)...);
}

}  // namespace dragnet
