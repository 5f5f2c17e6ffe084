// Manual pages from the Markdown that docs/ is written in: headings, paragraphs,
// lists, code, and tables, whose first column becomes terms. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/manual/roff.h"

namespace dragnet::manual {

// What stands below the heading `title`, up to the next one of its level. NotFound
// names the title.
absl::StatusOr<std::string> MarkdownSection(std::string_view markdown, std::string_view title);

// All of it, under one section "Description" until the first heading. The document's
// own title (# …) is left out.
void AddMarkdown(std::string_view markdown, Roff* page);

}  // namespace dragnet::manual
