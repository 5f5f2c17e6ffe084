#include "core/manual/roff.h"

#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::manual {
namespace {

// `code` becomes bold.
std::string Inline(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t begin = text.find('`');
    const size_t end = begin == std::string_view::npos ? begin : text.find('`', begin + 1);
    if (end == std::string_view::npos) break;
    StrAppend(&out, EscapeRoff(text.substr(0, begin)), "\\fB",
              EscapeRoff(text.substr(begin + 1, end - begin - 1)), "\\fP");
    text.remove_prefix(end + 1);
  }
  return out + EscapeRoff(text);
}

// A line that begins with a dot or a quote would be a request.
std::string Line(std::string_view text) {
  std::string line = Inline(text);
  if (line.starts_with('.') || line.starts_with('\'')) line.insert(0, "\\&");
  return line;
}

std::string OneLine(std::string_view text) {
  std::string line;
  for (const absl::string_view word :
       absl::StrSplit(ToAbsl(text), absl::ByAnyChar(" \t\n"), absl::SkipEmpty()))
    StrAppend(&line, line.empty() ? "" : " ", word);
  return line;
}

// An argument of a request: in one line, which ends it.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : EscapeRoff(OneLine(text))) {
    if (c == '"') {
      quoted.append("\\(dq");
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string EscapeRoff(std::string_view text) {
  std::string out;
  for (const char32_t c : ToUtf32(text)) {
    if (c == '\\') {
      out.append("\\e");
    } else if (c == '-') {
      out.append("\\-");
    } else if (c == '\'') {
      out.append("\\(aq");
    } else if (c == '`') {
      out.append("\\(ga");
    } else if (c == '~') {
      out.append("\\(ti");
    } else if (c == '^') {
      out.append("\\(ha");
    } else if (c >= 0x80) {
      out.append(absl::StrFormat("\\[u%04X]", static_cast<uint32_t>(c)));
    } else if (c == '\n' || c >= ' ') {
      out.push_back(static_cast<char>(c));
    }
  }
  return out;
}

std::string PageDate(std::string_view source_date_epoch) {
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(ToAbsl(source_date_epoch), &seconds) || seconds < 0) return "";
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixSeconds(seconds), absl::UTCTimeZone());
}

Roff::Roff(const PageHead& head) {
  text_ = StrCat(".TH ", Quoted(absl::AsciiStrToUpper(head.name)), " ", head.section, " ", "\"",
                 head.date, "\"", " ", Quoted(head.version), " ", Quoted("Dragnet"),
                 // Ragged, and words whole: what is typed must not be cut.
                 "\n.nh\n.ad l\n");
  Section("NAME");
  StrAppend(&text_, EscapeRoff(head.name), " \\- ", EscapeRoff(OneLine(head.summary)), "\n");
}

void Roff::Section(std::string_view title) {
  StrAppend(&text_, ".SH ", Quoted(absl::AsciiStrToUpper(ToAbsl(title))), "\n");
}

void Roff::Subsection(std::string_view title) { StrAppend(&text_, ".SS ", Quoted(title), "\n"); }

void Roff::Paragraph(std::string_view text) {
  const std::string line = OneLine(text);
  if (!line.empty()) StrAppend(&text_, ".PP\n", Line(line), "\n");
}

void Roff::Prose(std::string_view text) {
  std::string paragraph;
  std::string example;
  const auto flush = [&] {
    Paragraph(paragraph);
    Preformatted(example);
    paragraph.clear();
    example.clear();
  };
  for (const absl::string_view raw : absl::StrSplit(ToAbsl(text), '\n')) {
    const std::string_view line = ToStd(raw);
    if (line.starts_with(' ')) {
      if (example.empty()) flush();
      StrAppend(&example, line, "\n");
    } else {
      if (!example.empty()) flush();
      if (line.empty()) flush();
      StrAppend(&paragraph, line, "\n");
    }
  }
  flush();
}

void Roff::Preformatted(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.find_first_not_of(" \n") == std::string_view::npos) return;
  text_.append(".PP\n.RS 4\n.nf\n");
  for (const absl::string_view raw : absl::StrSplit(ToAbsl(text), '\n')) {
    std::string line = EscapeRoff(ToStd(raw));
    if (line.empty() || line[0] == '.' || line[0] == '\'') line.insert(0, "\\&");
    StrAppend(&text_, line, "\n");
  }
  text_.append(".fi\n.RE\n");
}

void Roff::Tagged(std::string_view term, std::string_view text) {
  StrAppend(&text_, ".TP\n\\fB", EscapeRoff(OneLine(term)), "\\fP\n");
  // Inside the item: its first paragraph stands beside or below the term.
  Roff inner{PageHead()};
  inner.text_.clear();
  inner.Prose(text);
  std::string body = inner.text_;
  if (body.starts_with(".PP\n.RS")) body.insert(0, "\\&\n");
  if (body.starts_with(".PP\n")) body.erase(0, 4);
  for (size_t at = 0; (at = body.find("\n.PP\n", at)) != std::string::npos; at += 5)
    body.replace(at, 5, body.compare(at + 5, 4, ".RS ") == 0 ? "\n.sp\n" : "\n.IP\n");
  StrAppend(&text_, body.empty() ? "\\&\n" : body);
}

void Roff::Item(std::string_view text) {
  StrAppend(&text_, ".IP \\(bu 2\n", Line(OneLine(text)), "\n");
}

}  // namespace dragnet::manual
