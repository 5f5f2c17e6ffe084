#include "console/tui/views/target_filter.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr std::string_view kExpressionCharacters = "=<>!()'\"`[]|+*/~&,;%";
// A word that makes a text an expression though it has none of the above.
constexpr std::string_view kExpressionWords[] = {"and",  "between", "false", "glob", "in",
                                                 "is",   "isnull",  "like",  "not",  "notnull",
                                                 "null", "or",      "true"};
constexpr std::string_view kColumns[] = {
    "addresses",   "arch", "boot_time", "distribution", "distribution_version",
    "environment", "id",   "kernel",    "modules",      "name",
    "os",          "tags", "version"};
constexpr std::string_view kMoreWords[] = {"and",  "between", "glob", "in",   "instr(", "is",
                                           "like", "lower(",  "not",  "null", "or",     "true"};

std::vector<std::string> WordsOf(std::string_view text) {
  return absl::StrSplit(ToAbsl(text), absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

bool IsExpression(std::string_view typed, const std::vector<std::string>& words) {
  if (typed.find_first_of(kExpressionCharacters) != std::string_view::npos) return true;
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return std::find(std::begin(kExpressionWords), std::end(kExpressionWords),
                     absl::AsciiStrToLower(word)) != std::end(kExpressionWords);
  });
}

// '_' is common in names and any character to LIKE, so it is escaped.
std::string NameContains(const std::string& word) {
  const std::string escaped = absl::StrReplaceAll(word, {{"\\", "\\\\"}, {"_", "\\_"}});
  return StrCat("name like ", QuotedText(StrCat("%", escaped, "%")),
                escaped == word ? "" : " escape '\\'");
}

}  // namespace

std::string QuotedText(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "''"}}), "'");
}

TypedTarget TargetOf(std::string_view typed) {
  typed = ToStd(absl::StripAsciiWhitespace(ToAbsl(typed)));
  const std::vector<std::string> words = WordsOf(typed);
  if (words.empty()) return {};
  if (IsExpression(typed, words)) return {std::string(typed), false};
  std::vector<std::string> parts;
  for (const std::string& word : words) parts.push_back(NameContains(word));
  return {absl::StrJoin(parts, " and "), true};
}

std::vector<std::string> CompleteTarget(const std::vector<std::string>& tag_keys,
                                        std::string_view before, size_t* start) {
  *start = before.find_last_of(" \t(,=") + 1;
  const std::string_view word = before.substr(*start);
  std::vector<std::string> words;
  // Inside of a text there is nothing to complete, but for a tag's key.
  if (std::count(before.begin(), before.end(), '\'') % 2 == 1 && !word.starts_with("tags"))
    return words;
  for (const std::string_view column : kColumns)
    if (column.starts_with(word)) words.emplace_back(column);
  for (const std::string& key : tag_keys) {
    const std::string tag = StrCat("tags->>", QuotedText(key));
    if (tag.starts_with(word)) words.push_back(tag);
  }
  for (const std::string_view more : kMoreWords)
    if (!word.empty() && more.starts_with(word)) words.emplace_back(more);
  return words;
}

}  // namespace dragnet::console::tui
