#include "console/output/text_width.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// wcwidth(3) answers for the thread's locale only; glibc has C.UTF-8 built in,
// so this works where no locale was ever generated.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) previous_ = ::uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    ::uselocale(previous_);
    ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_;
  locale_t previous_ = nullptr;
};

size_t WidthOfUtf8(std::string_view text) {
  Utf8Locale locale;
  size_t width = 0;
  ::mbstate_t state{};
  while (!text.empty()) {
    wchar_t character;
    const size_t length = ::mbrtowc(&character, text.data(), text.size(), &state);
    if (length == 0 || length > text.size()) return width + text.size();
    const int columns = ::wcwidth(character);
    width += columns < 0 ? 1 : columns;
    text.remove_prefix(length);
  }
  return width;
}

// Of one character. A combining one takes none: it goes where the one before it is.
int ColumnsOf(std::string_view character) {
  return character.size() == 1 ? 1 : static_cast<int>(DisplayWidth(character));
}

}  // namespace

size_t DisplayWidth(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<signed char>(c) >= 0; });
  return ascii ? text.size() : WidthOfUtf8(text);
}

std::string PadRight(std::string_view text, size_t width) {
  std::string padded(text);
  const size_t taken = DisplayWidth(text);
  if (taken < width) padded.append(width - taken, ' ');
  return padded;
}

std::string Wrap(std::string_view text, size_t width, size_t indent) {
  const std::string margin(indent, ' ');
  std::string wrapped;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(ToAbsl(text), '\n'))) {
    if (!wrapped.empty()) wrapped.append("\n").append(line.empty() ? "" : margin);
    if (line.starts_with(' ')) {
      wrapped.append(line);
      continue;
    }
    size_t column = indent;
    bool first = true;
    for (const std::string& word :
         std::vector<std::string>(absl::StrSplit(line, ' ', absl::SkipEmpty()))) {
      const size_t word_width = DisplayWidth(word);
      if (!first && column + 1 + word_width > width) {
        wrapped.append("\n").append(margin);
        column = indent;
        first = true;
      }
      if (!first) {
        wrapped.push_back(' ');
        ++column;
      }
      wrapped.append(word);
      column += word_width;
      first = false;
    }
  }
  return wrapped;
}

void BreakLine(std::string_view line, int width, std::vector<std::string>* out,
               std::string_view mark) {
  const size_t indent = std::min(line.find_first_not_of(' '), line.size());
  std::string margin(std::min(indent, static_cast<size_t>(std::max(width / 2, 0))), ' ');
  // A mark that would leave no room is left out.
  if (margin.size() + DisplayWidth(mark) < static_cast<size_t>(std::max(width, 0))) margin += mark;
  const int margin_width = static_cast<int>(DisplayWidth(margin));
  std::string current;
  int current_width = 0;
  std::string_view rest = line;
  // Each character is measured once or twice, however long the line: it may be one of
  // megabytes.
  while (true) {
    // As many characters as fit; then back to a space.
    size_t end = 0;
    int taken = current_width;
    size_t space = std::string_view::npos;
    while (end < rest.size()) {
      size_t next = end + 1;
      while (next < rest.size() && (rest[next] & 0xc0) == 0x80) ++next;
      int columns = ColumnsOf(rest.substr(end, next - end));
      // With nothing before it a space is drawn under it.
      if (columns == 0 && taken == 0 && end == 0) columns = 1;
      if (taken + columns > width) break;
      if (rest[end] == ' ' && end > indent) space = end;
      taken += columns;
      end = next;
    }
    if (end == rest.size() || end == 0) break;
    const bool at_space = space != std::string_view::npos && space > 0;
    const size_t cut = at_space ? space : end;
    out->push_back(current + std::string(rest.substr(0, cut)));
    rest.remove_prefix(at_space ? cut + 1 : cut);
    current = margin;
    current_width = margin_width;
  }
  out->push_back(current + std::string(rest));
}

}  // namespace dragnet::console
