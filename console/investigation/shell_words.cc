#include "console/investigation/shell_words.h"

#include <utility>

#include "core/strings.h"

namespace dragnet::console {
namespace {

struct Split {
  UnfinishedLine line;
  // The end is in a word, which may be empty (between quotes).
  bool in_word = false;
  bool ends_in_backslash = false;
  size_t quote_at = 0;
};

Split SplitLine(std::string_view line) {
  Split split;
  std::string word;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (!split.in_word && quote == 0) {
      if (c == ' ' || c == '\t' || c == '\n') continue;
      split.in_word = true;
      split.line.last_start = i;
    }
    if (quote == '\'') {
      if (c == '\'') {
        quote = 0;
      } else {
        word.push_back(c);
      }
      continue;
    }
    if (c == '\\') {
      if (i + 1 == line.size()) {
        split.ends_in_backslash = true;
        break;
      }
      const char next = line[i + 1];
      // Between double quotes, sh takes it away only before these.
      if (quote == '"' && next != '"' && next != '\\' && next != '$' && next != '`') {
        word.push_back(c);
        continue;
      }
      word.push_back(next);
      ++i;
      continue;
    }
    if (quote == '"') {
      if (c == '"') {
        quote = 0;
      } else {
        word.push_back(c);
      }
      continue;
    }
    if (c == '\'' || c == '"') {
      quote = c;
      split.quote_at = i;
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\n') {
      split.line.words.push_back(std::exchange(word, {}));
      split.in_word = false;
      continue;
    }
    word.push_back(c);
  }
  split.line.quote = quote;
  split.line.last = std::move(word);
  if (!split.in_word) split.line.last_start = line.size();
  return split;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitShellWords(std::string_view line) {
  Split split = SplitLine(line);
  if (split.line.quote != 0) {
    return absl::InvalidArgumentError(StrCat("the quote ", std::string(1, split.line.quote),
                                             " at column ", split.quote_at + 1, " is not closed"));
  }
  if (split.ends_in_backslash) {
    return absl::InvalidArgumentError("a \\ at the end: it takes the character after it");
  }
  if (split.in_word) split.line.words.push_back(std::move(split.line.last));
  return std::move(split.line.words);
}

UnfinishedLine SplitUnfinished(std::string_view line) { return SplitLine(line).line; }

}  // namespace dragnet::console
