// How many columns text takes on a terminal. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dragnet::console {

// For text that went through ForTerminal (core/text.h): wide characters count
// two, combining ones none. Doesn't depend on the user's locale.
size_t DisplayWidth(std::string_view text);

// `text` with spaces up to `width`; longer text stays as it is.
std::string PadRight(std::string_view text, size_t width);

// Breaks at spaces so that no line is wider than `width`, where words allow
// it. Every line after the first starts with `indent` spaces. Lines of the text
// that start with a space (examples) are kept as they are.
std::string Wrap(std::string_view text, size_t width, size_t indent);

// Before what goes on from the line above, where lines say something of their own.
inline constexpr std::string_view kContinued = "↳ ";

// Breaks one line of safe text (ForTerminal) at spaces where it can; what follows
// is indented as the line itself is, and then has the mark.
void BreakLine(std::string_view safe, int width, std::vector<std::string>* out,
               std::string_view mark = {});

}  // namespace dragnet::console
