#include "console/report/report_style.h"

namespace dragnet::console {

// Colours of states are told apart without colour vision, too: they differ in
// lightness, and each has its word and number beside it.
std::string_view ReportStyle() {
  return R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #5b6676; --line: #dfe3ea;
  --found: #b3261e; --clean: #2e7d4f; --incomplete: #d98e04; --refused: #6d4bb3;
  --pending: #a9b3c1; --accent: #22577a; --code: #f0f2f6; --track: #e8ebf0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2029; --ink: #e6eaf0; --soft: #9aa6b6; --line: #2c3541;
    --found: #ff7a70; --clean: #5cc088; --incomplete: #f0b340; --refused: #b095f0;
    --pending: #5d6878; --accent: #7fb8dc; --code: #141a22; --track: #2a323d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
}
main { max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
header { margin-bottom: 2rem; }
.mark {
  font-size: .75rem; letter-spacing: .14em; text-transform: uppercase; color: var(--accent);
  font-weight: 600; margin: 0 0 .4rem;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1.1rem; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .9rem; font-weight: 650; }
h3 { font-size: .95rem; margin: 1.4rem 0 .5rem; font-weight: 600; color: var(--soft); }
h3:first-child { margin-top: 0; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.4rem 1.5rem; margin: 0 0 1.2rem;
}
p { margin: .4rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.4rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
nav { margin-top: 1.2rem; font-size: .9rem; }
nav a { color: var(--accent); margin-right: 1.1rem; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.verdict { font-size: 1.25rem; font-weight: 600; margin: 0 0 1rem; }
.coverage { width: 100%; height: 26px; border-radius: 6px; display: block; background: var(--track); }
.found { fill: var(--found); } .clean { fill: var(--clean); } .incomplete { fill: var(--incomplete); }
.refused { fill: var(--refused); } .pending { fill: var(--pending); } .bar { fill: var(--accent); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .4rem 1.8rem; padding: 0; margin: 1rem 0 0; }
.legend li { display: flex; align-items: center; gap: .5rem; }
.legend svg { width: 12px; height: 12px; border-radius: 3px; }
.legend b { font-variant-numeric: tabular-nums; }
.notice, .warning {
  border-left: 4px solid var(--incomplete); padding: .5rem .9rem; background: var(--code);
  border-radius: 0 6px 6px 0; margin: .8rem 0;
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th {
  text-align: left; font-weight: 600; color: var(--soft); font-size: .78rem; padding: .4rem .9rem .4rem 0;
  border-bottom: 2px solid var(--line); white-space: nowrap; vertical-align: bottom;
}
td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
td.value { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace; font-size: .82rem; min-width: 6rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 6rem; }
td.track { width: 28%; min-width: 7rem; }
td.track svg { width: 100%; height: 12px; display: block; margin-top: .3rem; border-radius: 3px; background: var(--track); }
.state { font-weight: 600; white-space: nowrap; }
.state svg { width: 10px; height: 10px; margin-right: .45rem; }
.note { color: var(--soft); font-size: .88rem; margin-top: .8rem; }
pre, code { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace; font-size: .82rem; }
pre {
  background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1rem;
  margin: .6rem 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 36rem; overflow-y: auto;
}
details { margin-top: .8rem; }
summary { cursor: pointer; color: var(--accent); font-weight: 600; }
.seal { font-weight: 650; } .seal.yes { color: var(--clean); } .seal.no { color: var(--found); }
.plot { width: 100%; height: auto; display: block; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.tick.end { text-anchor: end; } .tick.middle { text-anchor: middle; }
.line { fill: none; stroke: var(--accent); stroke-width: 2.5; stroke-linejoin: round; }
.under { fill: var(--accent); opacity: .12; } .dot { fill: var(--accent); }
small { display: block; color: var(--soft); font-size: .78rem; }
.matrix td { vertical-align: middle; }
td.cell { font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: .7rem; border-left: 6px solid var(--pending); }
td.cell.whole { border-left-color: var(--clean); } td.cell.most { border-left-color: var(--incomplete); }
td.cell.some, td.cell.few { border-left-color: var(--found); } td.cell.few { font-weight: 700; }
.remedy { border-left: 4px solid var(--accent); padding: .4rem .9rem; background: var(--code); border-radius: 0 6px 6px 0; }
pre.evidence { margin: .4rem 0; padding: .5rem .7rem; max-height: 12rem; }
footer { color: var(--soft); font-size: .85rem; margin-top: 2rem; }
@media print {
  :root {
    --page: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444; --line: #bbbbbb;
    --found: #b3261e; --clean: #2e7d4f; --incomplete: #d98e04; --refused: #6d4bb3;
    --pending: #a9b3c1; --accent: #22577a; --code: #ffffff; --track: #eeeeee;
  }
  main { max-width: none; padding: 0; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 1rem 0; }
  nav { display: none; }
  pre { max-height: none; overflow: visible; }
  tr, li { break-inside: avoid; } h2, h3 { break-after: avoid; }
  thead { display: table-header-group; }
  svg, td.track svg { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
)css";
}

}  // namespace dragnet::console
