// Rewrites a regular expression that a person wrote in UTF-8, to be matched
// against one line, into one in Latin-1 that RE2 matches against the bytes of
// many lines. Thread-safe: no state.
#pragma once

#include <bitset>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::file {

using ByteSet = std::bitset<256>;

struct ByteSyntax {
  std::string pattern;
  // All bytes that *, + and {n,} may repeat without bound, or more of them than
  // that. In a match, every other byte belongs to a part of the pattern that is
  // passed only once.
  ByteSet repeated;
};

// `pattern` compiles with RE2 in UTF-8. InvalidArgument names what has no
// meaning for bytes of a line.
//   ^ $ \A \z        the ends of a line: (?m:^) (?m:$)
//   é outside []     its bytes as one unit: (?-i:\xc3\xa9)
//   \C               any byte but a newline
absl::StatusOr<ByteSyntax> RewriteForBytes(std::string_view pattern);

}  // namespace dragnet::file
