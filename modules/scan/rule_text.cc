#include "modules/scan/rule_text.h"

namespace dragnet::scan {
namespace {

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

class Tokenizer {
 public:
  Tokenizer(std::string_view source, std::vector<RuleToken>& tokens)
      : source_(source), tokens_(tokens) {}

  bool Run() {
    while (at_ < source_.size()) {
      if (!Next()) return false;
    }
    return true;
  }

 private:
  using Kind = RuleToken::Kind;

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  bool Add(Kind kind, size_t end) {
    tokens_.push_back({kind, source_.substr(at_, end - at_), at_});
    at_ = end;
    return true;
  }

  // The end of a quoted token that begins here; npos if it is open.
  size_t QuotedEnd(char quote) const {
    for (size_t i = at_ + 1; i < source_.size() && source_[i] != '\n'; ++i) {
      if (source_[i] == '\\') {
        ++i;
      } else if (source_[i] == quote) {
        return i + 1;
      }
    }
    return std::string_view::npos;
  }

  // `$name = {` begins a hex string.
  bool HexMayBegin() const {
    const size_t n = tokens_.size();
    return n >= 2 && tokens_[n - 1].text == "=" && tokens_[n - 2].kind == Kind::kIdentifier;
  }

  size_t CommentEnd(size_t from) const {
    if (source_.substr(from, 2) == "//") {
      const size_t end = source_.find('\n', from);
      return end == std::string_view::npos ? source_.size() : end;
    }
    if (source_.substr(from, 2) == "/*") {
      const size_t end = source_.find("*/", from + 2);
      return end == std::string_view::npos ? end : end + 2;
    }
    return from;
  }

  bool Next() {
    const char c = Peek();
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at_;
      return true;
    }
    if (c == '/' && (Peek(1) == '/' || Peek(1) == '*')) {
      at_ = CommentEnd(at_);
      return at_ != std::string_view::npos;
    }
    if (c == '"') {
      const size_t end = QuotedEnd('"');
      return end != std::string_view::npos && Add(Kind::kText, end);
    }
    // No operator is written with a slash.
    if (c == '/') {
      size_t end = QuotedEnd('/');
      if (end == std::string_view::npos) return false;
      while (end < source_.size() && (source_[end] == 'i' || source_[end] == 's')) ++end;
      return Add(Kind::kRegex, end);
    }
    if (c == '{' && HexMayBegin()) {
      size_t end = at_ + 1;
      while (end < source_.size() && source_[end] != '}') {
        const size_t past = CommentEnd(end);
        if (past == std::string_view::npos) return false;
        end = past == end ? end + 1 : past;
      }
      return end < source_.size() && Add(Kind::kHex, end + 1);
    }
    if (c == '$' || ((c == '#' || c == '@' || c == '!') && IsWord(Peek(1)))) {
      size_t end = at_ + 1;
      while (end < source_.size() && IsWord(source_[end])) ++end;
      if (end < source_.size() && source_[end] == '*' && c == '$') ++end;
      return Add(Kind::kIdentifier, end);
    }
    if (IsWord(c)) {
      size_t end = at_ + 1;
      while (end < source_.size() && IsWord(source_[end])) ++end;
      return Add(Kind::kWord, end);
    }
    return Add(Kind::kSign, at_ + 1);
  }

  const std::string_view source_;
  std::vector<RuleToken>& tokens_;
  size_t at_ = 0;
};

}  // namespace

bool TokenizeRules(std::string_view source, std::vector<RuleToken>& tokens) {
  tokens.clear();
  return Tokenizer(source, tokens).Run();
}

}  // namespace dragnet::scan
