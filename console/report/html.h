// Text as part of an HTML page. Whatever a host says is hostile: it must not
// become markup, nor reorder or hide the text around it. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

namespace dragnet::console {

// For element content and for attribute values in double quotes. Characters that
// no one sees, or that turn text around, are written out as on a terminal
// (ForTerminal); so are newlines.
std::string HtmlText(std::string_view text);

// The same for text of several lines, each made for a terminal before: for <pre>.
std::string HtmlLines(std::string_view text);

}  // namespace dragnet::console
