// One manual page in man(7)'s language, without anything that would make two pages of
// one text differ. Text is taken as it is: nothing in it can become a request.
//
// Not thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace dragnet::manual {

struct PageHead {
  // "dragnet-agent"
  std::string name{};
  // 1, 5, 7, 8
  int section = 1;
  // One line, no full stop.
  std::string summary{};
  // "dragnet 0.1.0"
  std::string version{};
  // "2026-11-28"; empty: none.
  std::string date{};
};

class Roff {
 public:
  explicit Roff(const PageHead& head);

  void Section(std::string_view title);
  void Subsection(std::string_view title);
  // Words in `backticks` are bold.
  void Paragraph(std::string_view text);
  // Paragraphs apart by empty lines; lines that begin with a space as they are.
  void Prose(std::string_view text);
  // As it is, not filled.
  void Preformatted(std::string_view text);
  // A term and, indented, what it is. The term is bold as a whole.
  void Tagged(std::string_view term, std::string_view text);
  void Item(std::string_view text);

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// For what is not text: "\-" for each hyphen that must stay one, no request, no escape.
std::string EscapeRoff(std::string_view text);

// "2026-11-28" of SOURCE_DATE_EPOCH's seconds; empty for anything that isn't such.
std::string PageDate(std::string_view source_date_epoch);

}  // namespace dragnet::manual
