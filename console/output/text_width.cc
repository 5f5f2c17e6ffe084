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

}  // namespace dragnet::console
