// What the formats have in common.
#include <algorithm>

#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

constexpr std::string_view kSpace = " \t\r\f\v";

// Takes the escaped byte of "\x" at `*at`, or the backslash itself.
char TakeByte(std::string_view text, size_t* at) {
  const char byte = text[*at];
  if (byte == '\\' && *at + 1 < text.size() &&
      (text[*at + 1] == '"' || text[*at + 1] == '\'' || text[*at + 1] == '\\' ||
       text[*at + 1] == ' ')) {
    return text[++*at];
  }
  return byte;
}

}  // namespace

std::string_view Lines::Take() {
  const size_t end = std::min(rest_.find('\n'), rest_.size());
  std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  ++taken_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool Lines::Next(std::string* line) {
  if (rest_.empty()) return false;
  *line = Take();
  first_ = taken_;
  while (continued_ && line->ends_with('\\') && !rest_.empty() && !Trim(*line).starts_with('#')) {
    line->back() = ' ';
    *line += Take();
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    const size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(kSpace), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::optional<std::vector<std::string>> SplitQuoted(std::string_view text) {
  std::vector<std::string> words;
  size_t at = 0;
  while (true) {
    at = text.find_first_not_of(kSpace, at);
    if (at == std::string_view::npos || text[at] == '#') return words;
    std::string word;
    char quote = '\0';
    for (; at < text.size(); ++at) {
      const char byte = text[at];
      if (quote == '\0' && kSpace.find(byte) != std::string_view::npos) break;
      if (quote == '\0' && (byte == '"' || byte == '\'')) {
        quote = byte;
      } else if (byte == quote && quote != '\0') {
        quote = '\0';
      } else {
        word += TakeByte(text, &at);
      }
    }
    if (quote != '\0') return std::nullopt;
    words.push_back(std::move(word));
    if (at >= text.size()) return words;
  }
}

std::string JoinWords(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

bool AddSetting(Setting setting, FileSource& files, std::vector<Setting>* settings) {
  size_t bytes = sizeof setting + setting.path.size() + setting.section.size() +
                 setting.scope.size() + setting.key.size() + setting.value.size() +
                 setting.control.size() + setting.module.size();
  for (const std::string& word : setting.values) bytes += sizeof word + word.size();
  if (!files.Charge(bytes)) {
    files.NoteLine("settings beyond 64 MiB", setting.path, setting.line);
    return false;
  }
  settings->push_back(std::move(setting));
  return true;
}

}  // namespace dragnet::settings
