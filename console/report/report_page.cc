#include "console/report/report_page.h"

#include <algorithm>

#include "console/report/html.h"
#include "console/report/page_parts.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// States as the bar shows them; what is yet to come is one of them.
struct Share {
  std::string_view css;
  std::string_view word;
  uint64_t hosts;
};

std::vector<Share> Shares(const v1::Progress& progress) {
  const uint64_t pending =
      progress.waiting() + progress.sent() + progress.running() + progress.never_sent();
  return {{"found", "found", progress.found()},
          {"clean", "clean", progress.clean()},
          {"incomplete", "incomplete", progress.incomplete()},
          {"refused", "refused", progress.refused()},
          {"pending", "not answered", pending}};
}

std::string_view CssOfState(std::string_view state) {
  for (const std::string_view known : {"found", "clean", "incomplete", "refused"})
    if (state == known) return known;
  return "pending";
}

std::string Verdict(const v1::Progress& progress) {
  const uint64_t whole = progress.found() + progress.clean();
  if (progress.targeted() == 0) return "No host was reached: the target matches none.";
  const std::string text = StrCat(Grouped(whole), " of ", Counted(progress.targeted(), "host"),
                                  " looked at everything: ", Grouped(progress.found()),
                                  " found something, ", Grouped(progress.clean()), " did not.");
  if (whole == progress.targeted()) return text;
  return StrCat(text, " Of the other ", Grouped(progress.targeted() - whole),
                " nothing can be ruled out.");
}

void AppendHosts(const Report& report, std::string* page) {
  page->append("<h3>What was not looked at, and why</h3>\n");
  if (report.hosts_in_all == 0) {
    page->append("<p>Nothing: every host that was asked looked at everything.</p>\n");
    return;
  }
  page->append(
      "<div class=\"scroll\"><table>\n<thead><tr><th>State</th><th>Host</th><th>Why</th></tr>"
      "</thead>\n<tbody>\n");
  for (const Report::Host& host : report.hosts) {
    StrAppend(page, "<tr><td class=\"state\">", Swatch(CssOfState(host.state)),
              HtmlText(host.state), "</td><td class=\"value\">", HtmlText(host.name), "</td><td>",
              HtmlText(host.why), "</td></tr>\n");
  }
  page->append("</tbody>\n</table></div>\n");
  if (report.hosts_in_all > report.hosts.size()) {
    StrAppend(page, "<p class=\"note\">",
              Counted(report.hosts_in_all - report.hosts.size(), "more host"),
              " of this kind are not in this page: <code>", HtmlText(report.results_command),
              " --hosts all</code></p>\n");
  }
}

void AppendCoverage(const Report& report, std::string* page) {
  StrAppend(page, "<section id=\"coverage\">\n<h2>Coverage</h2>\n<p class=\"verdict\">",
            Verdict(report.progress), "</p>\n");
  if (!report.notice.empty())
    StrAppend(page, "<p class=\"notice\">", HtmlText(report.notice), "</p>\n");
  for (const std::string& warning : report.warnings)
    StrAppend(page, "<p class=\"warning\">", HtmlText(warning), "</p>\n");
  const std::vector<Share> shares = Shares(report.progress);
  page->append("<svg class=\"coverage\" role=\"img\" aria-label=\"Hosts by state\">");
  uint64_t before = 0;
  for (const Share& share : shares) {
    if (share.hosts == 0) continue;
    StrAppend(page, "<rect x=\"", Percent(before, report.progress.targeted()), "\" width=\"",
              Percent(share.hosts, report.progress.targeted()), "\" height=\"100%\" class=\"",
              share.css, "\"/>");
    before += share.hosts;
  }
  page->append("</svg>\n<ul class=\"legend\">\n");
  for (const Share& share : shares)
    StrAppend(page, "<li>", Swatch(share.css), "<b>", Grouped(share.hosts), "</b> ", share.word,
              "</li>\n");
  StrAppend(page, "<li><b>", Grouped(report.progress.rows()), "</b> rows</li>\n</ul>\n");
  AppendHosts(report, page);
  page->append("</section>\n");
}

void AppendStackTable(const Report::Stack& stack, const std::vector<Report::Stack::Line>& lines,
                      uint64_t most, std::string* page) {
  page->append("<div class=\"scroll\"><table>\n<thead><tr>");
  for (const std::string& header : stack.headers)
    StrAppend(page, "<th>", HtmlText(header), "</th>");
  page->append(
      "<th></th><th class=\"number\">rows</th><th class=\"number\">hosts</th></tr></thead>\n"
      "<tbody>\n");
  for (const Report::Stack::Line& line : lines) {
    page->append("<tr>");
    for (const std::string& value : line.values)
      StrAppend(page, "<td class=\"value\">", HtmlText(value), "</td>");
    StrAppend(page, "<td class=\"track\"><svg aria-hidden=\"true\"><rect width=\"",
              Percent(line.rows, most), "\" height=\"100%\" class=\"bar\"/></svg></td>",
              "<td class=\"number\">", Grouped(line.rows), "</td><td class=\"number\">",
              Grouped(line.agents), "</td></tr>\n");
  }
  page->append("</tbody>\n</table></div>\n");
}

void AppendStacks(const Report& report, std::string* page) {
  page->append("<section id=\"stacks\">\n<h2>Stacks</h2>\n");
  if (report.stacks.empty()) page->append("<p>None were asked for.</p>\n");
  for (const Report::Stack& stack : report.stacks) {
    StrAppend(page, "<h3>", HtmlText(stack.title), " – ",
              Counted(stack.different, "different value"), " in ", Counted(stack.rows, "row"),
              "</h3>\n");
    if (stack.rows == 0) continue;
    uint64_t most = 1;
    for (const Report::Stack::Line& line : stack.frequent) most = std::max(most, line.rows);
    AppendStackTable(stack, stack.frequent, most, page);
    const uint64_t shown = stack.frequent.size() + stack.rare.size();
    if (!stack.rare.empty()) {
      page->append("<p class=\"note\">The rarest:</p>\n");
      AppendStackTable(stack, stack.rare, most, page);
    }
    if (stack.different > shown) {
      StrAppend(page, "<p class=\"note\">", Counted(stack.different - shown, "value"),
                " in between are not in this page.</p>\n");
    }
  }
  page->append("</section>\n");
}

void AppendRows(const Report& report, std::string* page) {
  page->append("<section id=\"rows\">\n<h2>Rows</h2>\n");
  for (const Report::Rows& rows : report.rows) {
    StrAppend(page, "<h3>", HtmlText(rows.module), " – ", Counted(rows.in_all, "row"), "</h3>\n");
    if (rows.lines.empty()) {
      page->append(rows.in_all == 0 ? "<p>No rows.</p>\n" : "");
    } else {
      page->append("<div class=\"scroll\"><table>\n<thead><tr>");
      for (const std::string& header : rows.headers)
        StrAppend(page, "<th>", HtmlText(header), "</th>");
      page->append("</tr></thead>\n<tbody>\n");
      for (const std::vector<std::string>& line : rows.lines) {
        page->append("<tr>");
        for (const std::string& value : line)
          StrAppend(page, "<td class=\"value\">", HtmlText(value), "</td>");
        page->append("</tr>\n");
      }
      page->append("</tbody>\n</table></div>\n");
    }
    if (rows.in_all > rows.lines.size()) {
      StrAppend(page, "<p class=\"note\">", Counted(rows.in_all - rows.lines.size(), "more row"),
                " not in this page: <code>", HtmlText(report.results_command), "</code></p>\n");
    }
  }
  page->append("</section>\n");
}

}  // namespace

std::string RenderReport(const Report& report) {
  std::string page;
  AppendPageHead("Dragnet investigation", report.title, report.facts,
                 {{"coverage", "Coverage"},
                  {"stacks", "Stacks"},
                  {"rows", "Rows"},
                  {"document", "Document"},
                  {"signatures", "Signatures"}},
                 &page);
  AppendCoverage(report, &page);
  AppendStacks(report, &page);
  AppendRows(report, &page);
  AppendSignedDocument({.document = report.document,
                        .document_json = report.document_json,
                        .envelope_json = report.envelope_json,
                        .signatures = report.signatures,
                        .orders = report.orders,
                        .authorized = report.authorized},
                       &page);
  AppendPageFoot(report.made, &page);
  return page;
}

}  // namespace dragnet::console
