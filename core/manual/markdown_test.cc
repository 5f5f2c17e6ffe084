#include "core/manual/markdown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/manual/testing.h"

namespace dragnet::manual {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kDocument[] = R"(# tool.toml

Read [strictly](strict.md): see [there](https://example.org/x).
On and on.

| key | default | |
|---|---|---|
| `name` | none | of *it*, `a|b` |
| `size`, `count` | 1 | |

## More

- One thing,
  longer than a line
- Another one

```
[[export]]
name = "x"
```

### Below

Deep.

## Other

| | |
|---|---|
| `/x` | a path |
)";

std::string Page(std::string_view markdown) {
  Roff page({.name = "tool.toml", .section = 5, .summary = "x"});
  AddMarkdown(markdown, &page);
  EXPECT_EQ(Warnings(page.text()), "");
  return Shown(page.text());
}

TEST(MarkdownTest, TablesTextListsAndCodeAreShown) {
  const std::string page = Page(kDocument);
  EXPECT_THAT(page, HasSubstr("Read strictly: see there (https://example.org/x). On and on."));
  EXPECT_THAT(page, HasSubstr("name   Default: none."));
  EXPECT_THAT(page, HasSubstr("of it, a|b"));
  EXPECT_THAT(page, HasSubstr("size, count\n"));
  EXPECT_THAT(page, HasSubstr("MORE\n"));
  EXPECT_THAT(page, HasSubstr("One thing, longer than a line\n"));
  EXPECT_THAT(page, HasSubstr("[[export]]\n"));
  EXPECT_THAT(page, HasSubstr("name = \"x\"\n"));
  EXPECT_THAT(page, HasSubstr("/x     a path"));
  EXPECT_THAT(page, Not(HasSubstr("---|")));
  EXPECT_THAT(page, Not(HasSubstr("```")));
}

TEST(MarkdownTest, ASectionEndsAtTheNextOfItsLevel) {
  const auto section = MarkdownSection(kDocument, "More");
  ASSERT_TRUE(section.ok()) << section.status();
  EXPECT_THAT(*section, HasSubstr("Deep."));
  EXPECT_THAT(*section, Not(HasSubstr("a path")));
  EXPECT_THAT(*section, Not(HasSubstr("strictly")));
  EXPECT_EQ(MarkdownSection(kDocument, "Gone").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace dragnet::manual
