#include "console/report/page_parts.h"

#include "absl/strings/str_format.h"
#include "console/output/cell.h"
#include "console/report/html.h"
#include "console/report/report_style.h"
#include "core/keys.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

void AppendDocument(const SignedDocumentText& text, std::string* page) {
  StrAppend(page, "<section id=\"document\">\n<h2>The document, as it was signed</h2>\n<pre>",
            HtmlLines(text.document), "</pre>\n<details><summary>As JSON</summary>\n<pre>",
            HtmlLines(text.document_json),
            "</pre></details>\n<details><summary>The signed envelope (DSSE)</summary>\n"
            "<p>Saved as a file, it can be checked by anyone with the fleet's trust policy: "
            "<code>dragnet verify FILE</code></p>\n<pre>",
            HtmlLines(text.envelope_json), "</pre></details>\n</section>\n");
}

void AppendSignatures(const SignedDocumentText& text, std::string* page) {
  StrAppend(page, "<section id=\"signatures\">\n<h2>Signatures</h2>\n<p class=\"seal ",
            text.authorized ? "yes\">The signatures are enough for every operation."
                            : "no\">The signatures are not enough: agents would not obey.",
            "</p>\n<p class=\"note\">Checked when this page was made, on the machine that made "
            "it, against the trust policy and the root keys pinned there.</p>\n<pre>",
            HtmlLines(text.signatures), "</pre>\n");
  StrAppend(page, "<h3>Orders about it</h3>\n");
  if (text.orders.empty()) {
    page->append("<p>None.</p>\n");
  } else {
    StrAppend(page, "<pre>", HtmlLines(text.orders), "</pre>\n");
  }
  page->append("</section>\n");
}

}  // namespace

// 4711 as "4,711".
std::string Grouped(uint64_t number) {
  std::string text = StrCat(number);
  for (ptrdiff_t i = static_cast<ptrdiff_t>(text.size()) - 3; i > 0; i -= 3)
    text.insert(static_cast<size_t>(i), ",");
  return text;
}

std::string Counted(uint64_t number, std::string_view word) {
  return StrCat(Grouped(number), " ", word, number == 1 ? "" : "s");
}

std::string Percent(uint64_t part, uint64_t whole) {
  return absl::StrFormat(
      "%.3f%%", whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string Swatch(std::string_view css) {
  return StrCat("<svg aria-hidden=\"true\"><rect width=\"100%\" height=\"100%\" class=\"", css,
                "\"/></svg>");
}

void AppendPageHead(std::string_view mark, std::string_view title,
                    const std::vector<std::pair<std::string, std::string>>& facts,
                    const std::vector<std::pair<std::string, std::string>>& links,
                    std::string* page) {
  // The style is allowed by its hash; everything else is forbidden.
  const std::string hash = Base64(Sha256(ReportStyle()));
  StrAppend(page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "style-src 'sha256-",
            hash,
            "'; base-uri 'none'; form-action 'none'\">\n"
            "<meta name=\"referrer\" content=\"no-referrer\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
            HtmlText(title), " – Dragnet</title>\n<style>", ReportStyle(),
            "</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"mark\">", mark, "</p>\n<h1>",
            HtmlText(title), "</h1>\n<dl>\n");
  for (const auto& [name, value] : facts) {
    if (!value.empty())
      StrAppend(page, "<dt>", HtmlText(name), "</dt><dd>", HtmlText(value), "</dd>\n");
  }
  page->append("</dl>\n<nav>");
  for (const auto& [id, name] : links) StrAppend(page, "<a href=\"#", id, "\">", name, "</a>");
  page->append("</nav>\n</header>\n");
}

void AppendPageFoot(std::string_view made, std::string* page) {
  StrAppend(page, "<footer>Made ", HtmlText(made), "</footer>\n</main>\n</body>\n</html>\n");
}

void AppendSignedDocument(const SignedDocumentText& text, std::string* page) {
  AppendDocument(text, page);
  AppendSignatures(text, page);
}

}  // namespace dragnet::console
