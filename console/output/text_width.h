// How many columns text takes on a terminal. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

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

}  // namespace dragnet::console
