// Whether a page holds nothing but what its author meant. Header-only, tests only.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/file_io.h"
#include "core/strings.h"
#include "gtest/gtest.h"

namespace dragnet::console::testing {

// What a host could call itself, a file, a reason.
inline const std::string kHostile[] = {
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

// Only these elements and attributes, a policy, and text that is only text.
inline constexpr char kChecker[] = R"py(
import sys, re
from html.parser import HTMLParser
ALLOWED = {
  'html': {'lang'}, 'head': set(), 'body': set(), 'title': set(), 'style': set(),
  'meta': {'charset', 'http-equiv', 'content', 'name'}, 'main': set(), 'header': set(),
  'footer': set(), 'section': {'id'}, 'nav': set(), 'a': {'href'}, 'p': {'class'},
  'h1': set(), 'h2': set(), 'h3': set(), 'dl': set(), 'dt': set(), 'dd': set(),
  'div': {'class'}, 'table': {'class'}, 'thead': set(), 'tbody': set(), 'tr': set(),
  'th': {'class'}, 'td': {'class'}, 'ul': {'class'}, 'li': set(), 'b': set(), 'code': set(),
  'pre': {'class'}, 'details': set(), 'summary': set(),
  'svg': {'class', 'role', 'aria-label', 'aria-hidden', 'viewbox'},
  'rect': {'x', 'width', 'height', 'class'}, 'small': set(),
  'line': {'x1', 'x2', 'y1', 'y2', 'class'}, 'text': {'x', 'y', 'class'},
  'polyline': {'points', 'class'}, 'polygon': {'points', 'class'},
  'circle': {'cx', 'cy', 'r', 'class'},
}
VOID = {'meta', 'rect', 'line', 'polyline', 'polygon'}
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
      if name in ('points', 'viewbox', 'cx', 'cy', 'r', 'x1', 'x2', 'y1', 'y2', 'y') and not re.fullmatch(r'[-0-9., ]+', value):
        self.problems.append(f'{name} {value}')
      if name in ('x', 'width', 'height') and tag == 'rect' and not re.fullmatch(r'[0-9.]+%', value):
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

}  // namespace dragnet::console::testing
