// Regular expressions of the parameters, compiled for what they are matched
// against. Immutable and thread-safe once made.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "modules/file/byte_syntax.h"
#include "re2/re2.h"

namespace dragnet::file {

// Longer patterns are refused.
inline constexpr size_t kMaxPatternBytes = 4096;

// Splits a leading ! off.
struct Inversion {
  std::string_view pattern;
  bool inverted = false;
};
Inversion SplitInversion(std::string_view text);

// Matches whole short texts (names, modes) as UTF-8 characters; `.` matches a
// newline too, so that no name hides behind one.
class TextPattern {
 public:
  // InvalidArgument in RE2's words. The compiled form takes at most
  // `memory_bytes`.
  static absl::StatusOr<TextPattern> Compile(std::string_view pattern, size_t memory_bytes);

  // Whether `text`, valid UTF-8, has a match anywhere.
  bool Matches(std::string_view text) const;

 private:
  explicit TextPattern(std::unique_ptr<const RE2> regex) : regex_(std::move(regex)) {}
  std::unique_ptr<const RE2> regex_;
};

// Matches lines of bytes. One call searches many lines at once: the pattern is
// rewritten so that a match never spans a newline and its ^, $, \A and \z are
// the ends of a line, wherever the text is cut.
class LinePattern {
 public:
  // As above. Refuses by name what can't be matched by bytes within a line: a
  // newline, \p{…}, characters outside ASCII within [].
  static absl::StatusOr<LinePattern> Compile(std::string_view pattern, size_t memory_bytes);

  // Whether there is a match within [begin, end) of `text`. The bytes around it
  // are looked at only to see whether `begin` and `end` are ends of a line.
  bool Matches(std::string_view text, size_t begin, size_t end) const;

  // The leftmost match there; false if there is none.
  bool Find(std::string_view text, size_t begin, size_t end, size_t* match_begin,
            size_t* match_end) const;

  // As it was rewritten, in Latin-1.
  const RE2& regex() const { return *regex_; }

  // Whether a match that covers all of `stretch` can be: it can't if there are
  // more bytes in it than the pattern passes once, and none that it repeats.
  bool MayCover(std::string_view stretch) const;

 private:
  LinePattern(std::unique_ptr<const RE2> regex, const ByteSet& repeated)
      : regex_(std::move(regex)), repeated_(repeated) {}

  std::unique_ptr<const RE2> regex_;
  // The bytes that may be repeated without bound.
  ByteSet repeated_;
};

}  // namespace dragnet::file
