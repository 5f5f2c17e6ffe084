#include "core/manual/markdown.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"

namespace dragnet::manual {
namespace {

std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n'))
    lines.push_back(ToStd(line));
  return lines;
}

// 0: no heading.
size_t HeadingLevel(std::string_view line) {
  const size_t level = line.find_first_not_of('#');
  return level != std::string_view::npos && level > 0 && line[level] == ' ' ? level : 0;
}

std::string_view HeadingWords(std::string_view line) { return line.substr(HeadingLevel(line) + 1); }

std::string WithoutMarks(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"`", ""}, {"**", ""}});
}

// Stars of emphasis go; those of `code`, and those between spaces, stay.
std::string WithoutEmphasis(std::string_view text) {
  std::string out;
  bool code = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') code = !code;
    const bool spaced =
        (i == 0 || text[i - 1] == ' ') && (i + 1 == text.size() || text[i + 1] == ' ');
    if (text[i] != '*' || code || spaced) out.push_back(text[i]);
  }
  return out;
}

// [words](target) is words, and the target where it is an address.
std::string Plain(std::string_view marked) {
  const std::string without_emphasis = WithoutEmphasis(marked);
  std::string_view text = without_emphasis;
  std::string out;
  while (true) {
    const size_t middle = text.find("](");
    const size_t begin =
        middle == std::string_view::npos ? middle : text.substr(0, middle).rfind('[');
    const size_t end = middle == std::string_view::npos ? middle : text.find(')', middle);
    if (begin == std::string_view::npos || end == std::string_view::npos) break;
    const std::string_view target = text.substr(middle + 2, end - middle - 2);
    StrAppend(&out, text.substr(0, begin), text.substr(begin + 1, middle - begin - 1));
    if (target.find("://") != std::string_view::npos) StrAppend(&out, " (", target, ")");
    text.remove_prefix(end + 1);
  }
  return out.append(text);
}

// A bar inside `code` is no border.
std::vector<std::string> Cells(std::string_view row) {
  std::vector<std::string> cells;
  std::string cell;
  bool code = false;
  row.remove_prefix(1);
  for (const char c : row) {
    if (c == '`') code = !code;
    if (c == '|' && !code) {
      cells.emplace_back(absl::StripAsciiWhitespace(cell));
      cell.clear();
    } else {
      cell.push_back(c);
    }
  }
  return cells;
}

// The first column is the term, the last one the text, those between say what their
// heads say.
void AddRow(const std::vector<std::string>& head, const std::vector<std::string>& row, Roff* page) {
  std::string text;
  for (size_t i = 1; i + 1 < row.size(); ++i) {
    if (row[i].empty()) continue;
    std::string title = i < head.size() ? head[i] : "";
    if (!title.empty()) title[0] = absl::ascii_toupper(static_cast<unsigned char>(title[0]));
    StrAppend(&text, title, title.empty() ? "" : ": ", Plain(row[i]), ".\n\n");
  }
  if (row.size() > 1) text.append(Plain(row.back()));
  page->Tagged(WithoutMarks(Plain(row.front())), text);
}

class Writer {
 public:
  explicit Writer(Roff* page) : page_(page) {}

  void Add(std::string_view line) {
    if (line.starts_with("```")) {
      Flush();
      in_code_ = !in_code_;
    } else if (in_code_) {
      StrAppend(&code_, line, "\n");
    } else if (HeadingLevel(line) > 0) {
      Flush();
      if (HeadingLevel(line) == 1) return;
      const std::string title = WithoutMarks(HeadingWords(line));
      if (HeadingLevel(line) == 2) {
        page_->Section(title);
      } else {
        page_->Subsection(title);
      }
      begun_ = true;
    } else if (line.starts_with('|')) {
      FlushText();
      AddTableLine(line);
    } else if (line.starts_with("- ")) {
      FlushText();
      item_ = true;
      StrAppend(&paragraph_, line.substr(2), "\n");
    } else if (line.empty()) {
      Flush();
    } else {
      StrAppend(&paragraph_, absl::StripAsciiWhitespace(ToAbsl(line)), "\n");
    }
  }

  void Flush() {
    FlushText();
    head_.clear();
    if (code_.empty()) return;
    Begin();
    page_->Preformatted(code_);
    code_.clear();
  }

 private:
  void Begin() {
    if (!begun_) page_->Section("Description");
    begun_ = true;
  }

  void FlushText() {
    if (paragraph_.empty()) return;
    Begin();
    if (item_) {
      page_->Item(Plain(paragraph_));
    } else {
      page_->Paragraph(Plain(paragraph_));
    }
    paragraph_.clear();
    item_ = false;
  }

  void AddTableLine(std::string_view line) {
    Begin();
    if (!head_.empty() && line.find_first_not_of("|-: ") == std::string_view::npos) return;
    if (head_.empty()) {
      head_ = Cells(line);
    } else {
      AddRow(head_, Cells(line), page_);
    }
  }

  Roff* const page_;
  bool begun_ = false;
  bool in_code_ = false;
  bool item_ = false;
  std::string paragraph_;
  std::string code_;
  std::vector<std::string> head_;
};

}  // namespace

absl::StatusOr<std::string> MarkdownSection(std::string_view markdown, std::string_view title) {
  std::string section;
  size_t level = 0;
  for (const std::string_view line : LinesOf(markdown)) {
    const size_t here = HeadingLevel(line);
    if (level > 0 && here > 0 && here <= level) return section;
    if (level > 0) StrAppend(&section, line, "\n");
    if (level == 0 && here > 0 && WithoutMarks(HeadingWords(line)) == title) level = here;
  }
  if (level == 0) return absl::NotFoundError(StrCat("no heading \"", title, "\""));
  return section;
}

void AddMarkdown(std::string_view markdown, Roff* page) {
  Writer writer(page);
  for (const std::string_view line : LinesOf(markdown)) writer.Add(line);
  writer.Flush();
}

}  // namespace dragnet::manual
