#include "console/report/sweep_page.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"
#include "console/report/html.h"
#include "console/sweeps/score.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// The plot in its own units.
constexpr double kWidth = 1000;
constexpr double kHeight = 240;
constexpr double kLeft = 52;
constexpr double kRight = 985;
constexpr double kTop = 14;
constexpr double kBottom = 206;

std::string At(double value) { return absl::StrFormat("%.1f", value); }

std::string_view CssOf(std::string_view status) {
  switch (VerdictStatusOf(status)) {
    case VerdictStatus::kFail:
      return "found";
    case VerdictStatus::kPass:
      return "clean";
    case VerdictStatus::kUnknown:
      return "incomplete";
    case VerdictStatus::kNotApplicable:
      break;
  }
  return "pending";
}

struct Share {
  std::string_view css;
  std::string_view word;
  uint64_t count;
};

std::vector<Share> Shares(const v1::VerdictCounts& counts) {
  return {{"clean", "pass", counts.passed()},
          {"found", "fail", counts.failed()},
          {"incomplete", "unknown", counts.unknown()},
          {"pending", "not applicable", counts.not_applicable()}};
}

void AppendBar(const v1::VerdictCounts& counts, std::string_view label, std::string* page) {
  StrAppend(page, "<svg class=\"coverage\" role=\"img\" aria-label=\"", label, "\">");
  uint64_t before = 0;
  for (const Share& share : Shares(counts)) {
    if (share.count == 0) continue;
    StrAppend(page, "<rect x=\"", Percent(before, AllOf(counts)), "\" width=\"",
              Percent(share.count, AllOf(counts)), "\" height=\"100%\" class=\"", share.css,
              "\"/>");
    before += share.count;
  }
  page->append("</svg>\n");
}

// ---- score over time

struct Plot {
  absl::Time first;
  absl::Time last;
  // Tenths of a percent at the bottom; the top is 1000.
  int low;

  double X(absl::Time time) const {
    const double whole = absl::ToDoubleSeconds(last - first);
    const double part = absl::ToDoubleSeconds(time - first);
    return whole <= 0 ? (kLeft + kRight) / 2 : kLeft + (kRight - kLeft) * part / whole;
  }
  double Y(int score) const {
    return kBottom - (kBottom - kTop) * (score - low) / static_cast<double>(1000 - low);
  }
};

void AppendAxes(const Plot& plot, std::string* page) {
  const int step = plot.low >= 900 ? 20 : plot.low >= 800 ? 50 : plot.low >= 500 ? 100 : 200;
  for (int score = 1000; score >= plot.low; score -= step) {
    StrAppend(page, "<line class=\"grid\" x1=\"", At(kLeft), "\" x2=\"", At(kRight), "\" y1=\"",
              At(plot.Y(score)), "\" y2=\"", At(plot.Y(score)), "\"/><text class=\"tick end\" x=\"",
              At(kLeft - 8), "\" y=\"", At(plot.Y(score) + 4), "\">", score / 10, "%</text>");
  }
  const auto day = [&](absl::Time time, std::string_view css, double x) {
    StrAppend(page, "<text class=\"tick ", css, "\" x=\"", At(x), "\" y=\"", At(kBottom + 24),
              "\">", absl::FormatTime("%Y-%m-%d %H:%M", time, absl::UTCTimeZone()), "</text>");
  };
  if (plot.first == plot.last) return day(plot.first, "middle", plot.X(plot.first));
  day(plot.first, "start", kLeft);
  day(plot.last, "end", kRight);
}

void AppendPlot(const SweepReport& report, std::string* page) {
  page->append("<h3>Score over time</h3>\n");
  struct Point {
    absl::Time time;
    int score;
  };
  std::vector<Point> points;
  for (const SweepReport::Run& run : report.runs)
    if (const std::optional<int> score = ScoreOf(run.verdicts); score.has_value())
      points.push_back({run.occurrence, *score});
  if (points.empty()) {
    page->append("<p>No run yet.</p>\n");
    return;
  }
  Plot plot = {points.front().time, points.front().time, 1000};
  for (const Point& point : points) {
    plot.first = std::min(plot.first, point.time);
    plot.last = std::max(plot.last, point.time);
    plot.low = std::min(plot.low, point.score);
  }
  // A little room below, and round figures: a loss of 1% is to be seen as one.
  plot.low = std::max(plot.low - 20, 0) / 100 * 100;
  StrAppend(page, "<svg class=\"plot\" role=\"img\" aria-label=\"Score over time\" viewBox=\"0 0 ",
            kWidth, " ", kHeight, "\">");
  AppendAxes(plot, page);
  std::string line;
  for (const Point& point : points)
    StrAppend(&line, line.empty() ? "" : " ", At(plot.X(point.time)), ",", At(plot.Y(point.score)));
  StrAppend(page, "<polygon class=\"under\" points=\"", At(plot.X(points.front().time)), ",",
            At(kBottom), " ", line, " ", At(plot.X(points.back().time)), ",", At(kBottom),
            "\"/><polyline class=\"line\" points=\"", line, "\"/>");
  for (const Point& point : points) {
    StrAppend(page, "<circle class=\"dot\" cx=\"", At(plot.X(point.time)), "\" cy=\"",
              At(plot.Y(point.score)), "\" r=\"", points.size() > 60 ? "2.0" : "4.0", "\"><title>",
              absl::FormatTime("%Y-%m-%d %H:%M UTC: ", point.time, absl::UTCTimeZone()),
              point.score / 10, ".", point.score % 10, "%</title></circle>");
  }
  page->append("</svg>\n");
  if (plot.low > 0)
    StrAppend(page, "<p class=\"note\">The scale begins at ", plot.low / 10, "%.</p>\n");
}

void AppendScore(const SweepReport& report, std::string* page) {
  page->append("<section id=\"score\">\n<h2>Score</h2>\n<p class=\"verdict\">");
  if (ScoredOf(report.verdicts) == 0) {
    page->append("No host has told anything yet.</p>\n");
  } else {
    StrAppend(page, ScoreText(report.verdicts), " – ", Grouped(report.verdicts.passed()), " of ",
              Counted(ScoredOf(report.verdicts), "verdict"), " passed.</p>\n");
  }
  page->append(
      "<p class=\"note\">passed / (passed + failed + unknown), in pairs of a host and a check, "
      "rounded down. What is unknown counts as not passed; what isn't applicable doesn't "
      "count.</p>\n");
  for (const std::string& warning : report.warnings)
    StrAppend(page, "<p class=\"warning\">", HtmlText(warning), "</p>\n");
  AppendBar(report.hosts, "Hosts by their worst verdict", page);
  page->append("<ul class=\"legend\">\n");
  for (const Share& share : Shares(report.hosts))
    StrAppend(page, "<li>", Swatch(share.css), "<b>", Grouped(share.count), "</b> ",
              share.count == 1 ? "host: " : "hosts: ", share.word, "</li>\n");
  StrAppend(page, "<li><b>", Grouped(report.silent_in_all), "</b> silent</li>\n</ul>\n");
  AppendPlot(report, page);
  page->append("</section>\n");
}

// ---- checks × groups

std::string_view ShadeOf(const v1::VerdictCounts& counts) {
  const std::optional<int> score = ScoreOf(counts);
  if (!score.has_value()) return "none";
  if (*score == 1000) return "whole";
  return *score >= 900 ? "most" : *score >= 500 ? "some" : "few";
}

void AppendMatrixCell(const v1::VerdictCounts& counts, std::string* page) {
  StrAppend(page, "<td class=\"cell ", ShadeOf(counts), "\">");
  if (ScoredOf(counts) == 0) {
    page->append("–</td>");
    return;
  }
  StrAppend(page, ScoreText(counts), "<small>");
  if (counts.failed() > 0)
    StrAppend(page, Grouped(counts.failed()), " fail", counts.unknown() > 0 ? ", " : "");
  if (counts.unknown() > 0) StrAppend(page, Grouped(counts.unknown()), " unknown");
  page->append("</small></td>");
}

void AppendMatrix(const SweepReport& report, std::string* page) {
  StrAppend(page, "<section id=\"matrix\">\n<h2>Checks by ", HtmlText(report.grouped_by),
            "</h2>\n<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th>Check</th>"
            "<th>Severity</th><th>All hosts</th>");
  for (const std::string& group : report.groups) StrAppend(page, "<th>", HtmlText(group), "</th>");
  page->append("</tr></thead>\n<tbody>\n");
  for (const SweepReport::Check& check : report.checks) {
    StrAppend(page, "<tr><td><b>", HtmlText(check.title), "</b><small>", HtmlText(check.id),
              "</small></td><td>", HtmlText(check.severity), "</td>");
    AppendMatrixCell(check.verdicts, page);
    for (const v1::VerdictCounts& counts : check.by_group) AppendMatrixCell(counts, page);
    page->append("</tr>\n");
  }
  page->append("</tbody>\n</table></div>\n</section>\n");
}

// ---- hosts

void AppendHostTable(const std::vector<SweepReport::Host>& hosts, std::string* page) {
  page->append(
      "<div class=\"scroll\"><table>\n<thead><tr><th>Host</th><th class=\"number\">failed</th>"
      "<th class=\"number\">unknown</th><th class=\"number\">passed</th>"
      "<th class=\"number\">score</th><th>Last run</th></tr></thead>\n<tbody>\n");
  for (const SweepReport::Host& host : hosts) {
    StrAppend(page, "<tr><td class=\"value\">", HtmlText(host.name), "</td><td class=\"number\">",
              Grouped(host.verdicts.failed()), "</td><td class=\"number\">",
              Grouped(host.verdicts.unknown()), "</td><td class=\"number\">",
              Grouped(host.verdicts.passed()), "</td><td class=\"number\">",
              ScoreText(host.verdicts), "</td><td>", HtmlText(host.last_run), "</td></tr>\n");
  }
  page->append("</tbody>\n</table></div>\n");
}

void AppendMore(uint64_t in_all, size_t shown, const SweepReport& report, std::string_view flags,
                std::string* page) {
  if (in_all <= shown) return;
  StrAppend(page, "<p class=\"note\">", Counted(in_all - shown, "more host"),
            " not in this page: <code>", HtmlText(report.show_command), flags, "</code></p>\n");
}

void AppendHosts(const SweepReport& report, std::string* page) {
  page->append("<section id=\"hosts\">\n<h2>Hosts</h2>\n<h3>The worst</h3>\n");
  if (report.worst.empty()) {
    page->append(report.hosts.passed() > 0 ? "<p>None: every host that told passes.</p>\n"
                                           : "<p>None.</p>\n");
  } else {
    AppendHostTable(report.worst, page);
    AppendMore(report.not_passing, report.worst.size(), report, " --by host", page);
  }
  page->append(
      "<h3>Silent hosts</h3>\n<p class=\"note\">They have told of neither of the last two runs "
      "that were due, and their verdicts are old; or they never told, or haven't taken the sweep "
      "on, and nothing is known of them.</p>\n");
  if (report.silent_in_all == 0) {
    page->append("<p>None.</p>\n");
  } else {
    if (!report.silent.empty()) AppendHostTable(report.silent, page);
    AppendMore(report.silent_in_all, report.silent.size(), report, " --by host", page);
  }
  page->append("</section>\n");
}

// ---- what fails

void AppendFinding(const SweepReport::Finding& finding, std::string* page) {
  StrAppend(page, "<tr><td class=\"state\">", Swatch(CssOf(finding.status)),
            WordOf(VerdictStatusOf(finding.status)), "</td><td class=\"value\">",
            HtmlText(finding.host), "</td><td>", HtmlText(finding.since), "</td><td>",
            HtmlText(finding.reason));
  if (!finding.evidence.empty() || finding.evidence_left_out > 0) {
    page->append("<pre class=\"evidence\">");
    for (size_t i = 0; i < finding.evidence.size(); ++i)
      StrAppend(page, i == 0 ? "" : "\n", HtmlText(finding.evidence[i]));
    if (finding.evidence_left_out > 0)
      StrAppend(page, finding.evidence.empty() ? "" : "\n", "… and ",
                Grouped(finding.evidence_left_out), " more");
    page->append("</pre>");
  }
  page->append("</td></tr>\n");
}

void AppendFailing(const SweepReport& report, std::string* page) {
  page->append("<section id=\"failing\">\n<h2>What fails, and what to do</h2>\n");
  bool any = false;
  for (const SweepReport::Check& check : report.checks) {
    const uint64_t bad = check.verdicts.failed() + check.verdicts.unknown();
    if (bad == 0) continue;
    any = true;
    StrAppend(page, "<h3>", HtmlText(check.title), " – ", HtmlText(check.severity), ", ",
              Counted(check.verdicts.failed(), "failure"), ", ", Grouped(check.verdicts.unknown()),
              " unknown</h3>\n<p class=\"note\"><code>", HtmlText(check.id), "</code>");
    for (const std::string& reference : check.references)
      StrAppend(page, " · ", HtmlText(reference));
    page->append("</p>\n");
    if (!check.remediation.empty())
      StrAppend(page, "<p class=\"remedy\">", HtmlText(check.remediation), "</p>\n");
    page->append(
        "<div class=\"scroll\"><table>\n<thead><tr><th>Status</th><th>Host</th><th>Since</th>"
        "<th>Why</th></tr></thead>\n<tbody>\n");
    for (const SweepReport::Finding& finding : check.findings) AppendFinding(finding, page);
    page->append("</tbody>\n</table></div>\n");
    AppendMore(bad, check.findings.size(), report, " --failed", page);
  }
  if (!any) page->append("<p>Nothing.</p>\n");
  page->append("</section>\n");
}

}  // namespace

std::string RenderSweepReport(const SweepReport& report) {
  std::string page;
  AppendPageHead("Dragnet sweep", report.title, report.facts,
                 {{"score", "Score"},
                  {"matrix", "Checks"},
                  {"failing", "What fails"},
                  {"hosts", "Hosts"},
                  {"document", "Document"},
                  {"signatures", "Signatures"}},
                 &page);
  AppendScore(report, &page);
  AppendMatrix(report, &page);
  AppendFailing(report, &page);
  AppendHosts(report, &page);
  AppendSignedDocument(report.document, &page);
  AppendPageFoot(report.made, &page);
  return page;
}

}  // namespace dragnet::console
