#include "console/report/report_page.h"

#include <cstdlib>
#include <filesystem>

#include "console/report/html.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What a host could call itself, a file, a reason.
const std::string kHostile[] = {
    "<script>alert(1)</script>",
    "</title><script>alert(2)</script>",
    "</pre></details><img src=x onerror=alert(3)>",
    "\" onmouseover=\"alert(4)\" x=\"",
    "' onfocus='alert(5)' autofocus='",
    "</style><svg onload=alert(6)>",
    "<!--",
    "]]><script>",
    "javascript:alert(7)",
    "&lt;script&gt;&#x3c;script&#x3e;",
    "\xE2\x80\xAEgnp.exe",
    "\xE2\x81\xA6hidden\xE2\x81\xA9",
    "a\xE2\x80\x8B"
    "b",
    std::string("nul\0<b>", 7),
    "bad utf-8 \xff\xfe\xc0\xaf <i>",
    "+ADw-script+AD4-",
    "\x1b[2J\r\n<u>",
    "`onclick`",
};

Report HostileReport() {
  Report report;
  std::string all;
  for (const std::string& text : kHostile) {
    all.append(text).append("\n");
    report.facts.emplace_back(text, text);
    report.warnings.push_back(text);
    report.hosts.push_back({text, text, text});
    Report::Stack stack = {text, {text}, {{{text}, 2, 1}}, {{{text}, 1, 1}}, 3, 9};
    report.stacks.push_back(stack);
    report.rows.push_back({text, {text, text}, {{text, text}}, 7});
  }
  report.title = all;
  report.notice = all;
  report.hosts_in_all = 100;
  report.document = all;
  report.document_json = all;
  report.envelope_json = all;
  report.signatures = all;
  report.orders = all;
  report.results_command = all;
  report.made = all;
  report.progress.set_targeted(100);
  report.progress.set_found(1);
  return report;
}

// Only these elements and attributes, a policy, and text that is only text.
constexpr char kChecker[] = R"py(
import sys, re
from html.parser import HTMLParser
ALLOWED = {
  'html': {'lang'}, 'head': set(), 'body': set(), 'title': set(), 'style': set(),
  'meta': {'charset', 'http-equiv', 'content', 'name'}, 'main': set(), 'header': set(),
  'footer': set(), 'section': {'id'}, 'nav': set(), 'a': {'href'}, 'p': {'class'},
  'h1': set(), 'h2': set(), 'h3': set(), 'dl': set(), 'dt': set(), 'dd': set(),
  'div': {'class'}, 'table': set(), 'thead': set(), 'tbody': set(), 'tr': set(),
  'th': {'class'}, 'td': {'class'}, 'ul': {'class'}, 'li': set(), 'b': set(), 'code': set(),
  'pre': set(), 'details': set(), 'summary': set(),
  'svg': {'class', 'role', 'aria-label', 'aria-hidden'},
  'rect': {'x', 'width', 'height', 'class'},
}
VOID = {'meta', 'rect'}
class Checker(HTMLParser):
  def __init__(self):
    super().__init__(convert_charrefs=True)
    self.open, self.problems, self.policy, self.styles = [], [], None, 0
    self.text = []
  def handle_starttag(self, tag, attributes):
    if tag not in ALLOWED: self.problems.append('element ' + tag)
    for name, value in attributes:
      if name not in ALLOWED.get(tag, set()): self.problems.append(f'attribute {name} of {tag}')
      if name == 'href' and not re.fullmatch('#[a-z]+', value): self.problems.append('link ' + value)
      if name in ('class', 'id') and not re.fullmatch('[a-z ]+', value):
        self.problems.append(f'{name} {value}')
      if name in ('x', 'width', 'height') and not re.fullmatch(r'[0-9.]+%', value):
        self.problems.append(f'{name} {value}')
    given = dict(attributes)
    if given.get('http-equiv') == 'Content-Security-Policy': self.policy = given['content']
    if tag == 'style': self.styles += 1
    if tag not in VOID: self.open.append(tag)
  def handle_startendtag(self, tag, attributes):
    self.handle_starttag(tag, attributes)
    if tag not in VOID: self.open.pop()
  def handle_endtag(self, tag):
    if not self.open or self.open.pop() != tag: self.problems.append('closing ' + tag)
  def handle_comment(self, data): self.problems.append('comment')
  def handle_pi(self, data): self.problems.append('instruction')
  def unknown_decl(self, data): self.problems.append('declaration')
  def handle_data(self, data):
    if self.open and self.open[-1] != 'style': self.text.append(data)
raw = open(sys.argv[1], 'rb').read()
page = raw.decode('utf-8', 'strict')
for c in page:
  if c in '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f' or (ord(c) < 32 and c != '\n') or 0x7f <= ord(c) < 0xa0:
    print('character', hex(ord(c))); sys.exit(1)
checker = Checker()
checker.feed(page); checker.close()
if checker.open: checker.problems.append('left open: ' + ' '.join(checker.open))
if checker.styles != 1: checker.problems.append('styles')
if not checker.policy or "default-src 'none'" not in checker.policy or 'unsafe' in checker.policy:
  checker.problems.append(f'policy {checker.policy}')
import base64, hashlib
style = re.search('<style>(.*?)</style>', page, re.S).group(1)
want = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
if f"'sha256-{want}'" not in (checker.policy or ''): checker.problems.append('hash of the style')
if re.search(r'url\(|@import|expression\(', style): checker.problems.append('style loads')
if '<script>alert(1)</script>' not in ''.join(checker.text): checker.problems.append('text is lost')
for problem in checker.problems: print(problem)
sys.exit(1 if checker.problems else 0)
)py";

class PageFile {
 public:
  explicit PageFile(const std::string& page) {
    char name[] = "/tmp/dragnet-report-XXXXXX";
    directory_ = ::mkdtemp(name);
    EXPECT_TRUE(WriteFileAtomically(directory_ + "/page.html", page, 0600).ok());
    EXPECT_TRUE(WriteFileAtomically(directory_ + "/check.py", kChecker, 0600).ok());
  }
  ~PageFile() { std::filesystem::remove_all(directory_); }
  int Check() const {
    return std::system(
        StrCat("python3 ", directory_, "/check.py ", directory_, "/page.html").c_str());
  }

 private:
  std::string directory_;
};

TEST(ReportPageTest, NothingThatAHostSaysBecomesMarkup) {
  EXPECT_EQ(PageFile(RenderReport(HostileReport())).Check(), 0);
}

// The checker would see it.
TEST(ReportPageTest, TheCheckerFindsWhatGotThrough) {
  const std::string page = RenderReport(HostileReport());
  for (const char* injected :
       {"<script>x</script>", "<p onclick=\"x\">y</p>", "<!-- x -->", "\xE2\x80\xAE",
        "<a href=\"https://example.net/\">x</a>", "<img src=\"x\">", "</section>"}) {
    std::string broken = page;
    broken.insert(broken.find("<footer>"), injected);
    EXPECT_NE(PageFile(broken).Check(), 0) << injected;
  }
}

TEST(ReportPageTest, WhatIsNotInThePageIsSaid) {
  Report report = HostileReport();
  report.rows = {{"file", {"agent", "path"}, {{"web", "/a"}}, 4711}};
  report.stacks = {{"path", {"path"}, {{{"/a"}, 5, 2}}, {{{"/b"}, 1, 1}}, 100, 50}};
  const std::string page = RenderReport(report);
  EXPECT_THAT(page, AllOf(HasSubstr("4,710 more rows not in this page"),
                          HasSubstr("48 values in between"), HasSubstr("82 more hosts")));
}

TEST(ReportPageTest, HostsThatDidNotLookAreNeverPartOfTheClean) {
  Report report;
  report.progress.set_targeted(10);
  report.progress.set_clean(7);
  report.progress.set_incomplete(2);
  report.progress.set_never_sent(1);
  const std::string page = RenderReport(report);
  EXPECT_THAT(page, HasSubstr("7 of 10 hosts looked at everything: 0 found something, 7 did not. "
                              "Of the other 3 nothing can be ruled out."));
  EXPECT_THAT(page,
              HasSubstr("<rect x=\"0.000%\" width=\"70.000%\" height=\"100%\" class=\"clean\""));
  EXPECT_THAT(
      page,
      HasSubstr("<rect x=\"70.000%\" width=\"20.000%\" height=\"100%\" class=\"incomplete\""));
  EXPECT_THAT(page, HasSubstr("<b>1</b> not answered"));
}

TEST(ReportPageTest, TooFewSignaturesAreSaidAloud) {
  Report report;
  EXPECT_THAT(RenderReport(report), HasSubstr("not enough: agents would not obey"));
  report.authorized = true;
  EXPECT_THAT(RenderReport(report), Not(HasSubstr("not enough")));
}

TEST(HtmlTest, TextStaysReadable) {
  EXPECT_EQ(HtmlText("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
  EXPECT_EQ(HtmlText("größe 日本"), "größe 日本");
  EXPECT_EQ(HtmlText("a\nb"), "a\\nb");
  EXPECT_EQ(HtmlLines("a\n<b"), "a\n&lt;b");
}

}  // namespace
}  // namespace dragnet::console
