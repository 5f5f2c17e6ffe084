#include "console/report/html.h"

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string Escaped(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped.append("&amp;");
        break;
      case '<':
        escaped.append("&lt;");
        break;
      case '>':
        escaped.append("&gt;");
        break;
      case '"':
        escaped.append("&quot;");
        break;
      case '\'':
        escaped.append("&#39;");
        break;
      // Old parsers took it for the quote of an attribute.
      case '`':
        escaped.append("&#96;");
        break;
      default:
        escaped.push_back(c);
    }
  }
  return escaped;
}

}  // namespace

std::string HtmlText(std::string_view text) { return Escaped(ForTerminal(text)); }

std::string HtmlLines(std::string_view text) {
  std::string lines;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n'))
    StrAppend(&lines, lines.empty() ? "" : "\n", HtmlText(ToStd(line)));
  return lines;
}

}  // namespace dragnet::console
