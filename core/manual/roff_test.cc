#include "core/manual/roff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/manual/testing.h"

namespace dragnet::manual {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Roff NewPage(const std::string& summary = "a page") {
  return Roff({.name = "dragnet-test", .section = 7, .summary = summary, .version = "dragnet 1"});
}

TEST(RoffTest, APageIsWhatItIsMadeOf) {
  Roff page = NewPage();
  page.Section("Description");
  page.Paragraph("Looks `--at` all of it, /srv/**/x and *.");
  page.Tagged("--at FILE", "What to look at.\n\n  an example\n\nMore.");
  page.Item("One thing");
  const std::string shown = Shown(page.text());
  EXPECT_THAT(shown, HasSubstr("dragnet-test - a page\n"));
  EXPECT_THAT(shown, HasSubstr("Looks --at all of it, /srv/**/x and *.\n"));
  EXPECT_THAT(shown, HasSubstr("--at FILE\n"));
  EXPECT_THAT(shown, HasSubstr("an example\n"));
  EXPECT_EQ(Warnings(page.text()), "");
}

// What a page is made from are comments and help texts: none is meant for roff.
TEST(RoffTest, TextBecomesNoRequestAndNoEscape) {
  Roff page = NewPage("\\fBx\n.so /etc/passwd");
  page.Section("A \"title\\n\"\n.so /etc/passwd");
  page.Paragraph(".so /etc/passwd");
  page.Paragraph("'so /etc/passwd");
  page.Preformatted(".so /etc/passwd\n'so /etc/passwd\n\\n[.g]\n\n.");
  page.Tagged(".so /etc/passwd", ".so /etc/passwd\n\n  .so /etc/passwd\n\n.so /etc/passwd");
  page.Item("\\*[x] \\fB \\[u202E]");
  const std::string shown = Shown(page.text());
  EXPECT_THAT(shown, Not(HasSubstr("root:")));
  EXPECT_THAT(shown, HasSubstr(".so /etc/passwd"));
  EXPECT_THAT(shown, HasSubstr("'so /etc/passwd"));
  EXPECT_THAT(shown, HasSubstr("\\n[.g]"));
  EXPECT_THAT(shown, HasSubstr("\\*[x] \\fB \\[u202E]"));
  EXPECT_EQ(Warnings(page.text()), "");
}

TEST(RoffTest, EveryCharacterIsShownAsItIs) {
  Roff page = NewPage();
  page.Paragraph("`-~^'` \"quoted\" … é ü → 漢");
  page.Preformatted("a`b -- ~/.config 'x' ^y");
  const std::string shown = Shown(page.text());
  EXPECT_THAT(shown, HasSubstr("-~^' \"quoted\" … é ü →"));
  EXPECT_THAT(shown, HasSubstr("a`b -- ~/.config 'x' ^y"));
}

TEST(RoffTest, TheDateIsThatOfTheSource) {
  EXPECT_EQ(PageDate("1764288000"), "2025-11-28");
  EXPECT_EQ(PageDate(""), "");
  EXPECT_EQ(PageDate("now"), "");
  EXPECT_EQ(PageDate("-1"), "");
}

}  // namespace
}  // namespace dragnet::manual
