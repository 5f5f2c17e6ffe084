// Translates a pattern that was rewritten for bytes (byte_syntax.h) into one
// for the multi-pattern scanner, which has another syntax for other meanings:
// there \s has one byte more, and (?i), [^a] and . see newlines. So what every
// atom matches is asked of RE2, byte by byte, and written out as a set of bytes;
// only groups, alternatives, repetitions and ends of lines and words stay as
// they are, which mean the same to both. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dragnet::file {

// `pattern` compiles with RE2 in Latin-1, and its ^ and $ are the ends of a
// line. Nothing if it has something that isn't translated.
std::optional<std::string> ToScannerSyntax(std::string_view pattern);

}  // namespace dragnet::file
