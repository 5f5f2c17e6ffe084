#include "modules/persistence/apt_config.h"

#include <vector>

#include "core/strings.h"

namespace dragnet::persistence {
namespace {

constexpr size_t kMaxDepth = 32;

class Parser {
 public:
  Parser(std::string_view text,
         const std::function<bool(std::string_view, std::string_view, uint32_t)>& take)
      : text_(text), take_(take) {}

  bool Parse() {
    std::string word;
    bool has_word = false;
    while (SkipSpace()) {
      const char c = text_[at_];
      if (c == '"') {
        const uint32_t line = line_;
        std::string value;
        if (!TakeQuoted(&value)) return false;
        if (!take_(Option(word), value, line)) return true;
        // NAME "VALUE"; and, in a list, "VALUE";
        has_word = false;
        word.clear();
      } else if (c == '{') {
        ++at_;
        if (scopes_.size() == kMaxDepth) return false;
        scopes_.push_back(Option(word));
        word.clear();
        has_word = false;
      } else if (c == '}') {
        ++at_;
        if (scopes_.empty()) return false;
        scopes_.pop_back();
      } else if (c == ';') {
        ++at_;
        word.clear();
        has_word = false;
      } else {
        std::string next = TakeWord();
        // NAME VALUE; without quotes, too.
        if (has_word) {
          if (!take_(Option(word), next, line_)) return true;
        } else {
          word = std::move(next);
          has_word = true;
        }
      }
    }
    return !damaged_ && scopes_.empty();
  }

 private:
  std::string Option(std::string_view word) const {
    if (scopes_.empty()) return std::string(word);
    if (word.empty()) return scopes_.back();
    return StrCat(scopes_.back(), "::", word);
  }

  bool StartsWith(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  // False at the end.
  bool SkipSpace() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool is_directive = c == '#' && (StartsWith("#clear") || StartsWith("#include"));
      if (c == '\n') ++line_;
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else if (StartsWith("//") || (c == '#' && !is_directive)) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (StartsWith("/*")) {
        const size_t end = text_.find("*/", at_ + 2);
        damaged_ |= end == std::string_view::npos;
        const size_t next = damaged_ ? text_.size() : end + 2;
        for (; at_ < next; ++at_) line_ += text_[at_] == '\n';
      } else {
        return true;
      }
    }
    return false;
  }

  bool TakeQuoted(std::string* value) {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '"') ++at_;
      line_ += text_[at_] == '\n';
      value->push_back(text_[at_]);
    }
    return false;
  }

  std::string TakeWord() {
    const size_t begin = at_;
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n\"{};").find(text_[at_]) == std::string_view::npos)
      ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  const std::string_view text_;
  const std::function<bool(std::string_view, std::string_view, uint32_t)>& take_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool damaged_ = false;
  std::vector<std::string> scopes_;
};

}  // namespace

bool ParseAptConfig(std::string_view text,
                    const std::function<bool(std::string_view option, std::string_view value,
                                             uint32_t line)>& take) {
  return Parser(text, take).Parse();
}

}  // namespace dragnet::persistence
