#include "modules/file/scanner_syntax.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "core/strings.h"
#include "modules/file/byte_syntax.h"
#include "re2/re2.h"

namespace dragnet::file {
namespace {

// Each costs 256 matches; a pattern that has more different ones is left to RE2.
constexpr size_t kMaxEvaluations = 200;

// What can change while a pattern is read, and ends with its group.
struct Flags {
  bool fold_case = false;
  bool dot_newline = false;
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : rest_(pattern) {}

  std::optional<std::string> Run() {
    while (!rest_.empty()) {
      if (!Next()) return std::nullopt;
    }
    if (!groups_.empty()) return std::nullopt;
    return std::move(result_);
  }

 private:
  // False if there is no translation.
  bool Next() {
    switch (rest_[0]) {
      case '(':
        return OpenGroup();
      case ')':
        if (groups_.empty()) return false;
        return CloseGroup();
      case '|':
        return Copy(1);
      case '^':
        return Assertion(1, "(?m:^)");
      case '$':
        return Assertion(1, "(?m:$)");
      case '*':
      case '+':
      case '?':
        return Repetition(1);
      case '{':
        if (const size_t length = CountedRepetition(); length != 0) return Repetition(length);
        return Literal(1, '{');
      case '.':
        return Evaluated(1);
      case '[':
        return Evaluated(ClassLength());
      case '\\':
        return Escape();
      default:
        return Literal(1, rest_[0]);
    }
  }

  bool Copy(size_t count) {
    result_.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return true;
  }
  bool Replace(size_t count, std::string_view by) {
    result_.append(by);
    rest_.remove_prefix(count);
    return true;
  }

  bool Assertion(size_t length, std::string_view by) {
    last_asserts_ = asserts_.back() = true;
    return Replace(length, by);
  }

  bool Repetition(size_t length) {
    // The scanner takes ($)* for $.
    if (last_asserts_) return false;
    Copy(length);
    // Lazy or greedy, there is a match or there is none.
    if (rest_.starts_with('?')) rest_.remove_prefix(1);
    return true;
  }

  bool Group(size_t length, const Flags& flags) {
    groups_.push_back(flags_);
    asserts_.push_back(false);
    flags_ = flags;
    return Replace(length, "(?:");
  }
  bool CloseGroup() {
    flags_ = groups_.back();
    groups_.pop_back();
    last_asserts_ = asserts_.back();
    asserts_.pop_back();
    if (last_asserts_) asserts_.back() = true;
    return Copy(1);
  }

  // (  (?:  (?flags:  (?P<name>  and (?flags), which is no group.
  bool OpenGroup() {
    if (!rest_.starts_with("(?")) return Group(1, flags_);
    if (rest_.starts_with("(?P<")) {
      const size_t end = rest_.find('>');
      return end != std::string_view::npos && Group(end + 1, flags_);
    }
    Flags flags = flags_;
    bool value = true;
    for (size_t at = 2; at < rest_.size(); ++at) {
      switch (rest_[at]) {
        case '-':
          value = false;
          break;
        case 'i':
          flags.fold_case = value;
          break;
        case 's':
          flags.dot_newline = value;
          break;
        case 'm':  // Every ^ and $ that is left is of lines.
        case 'U':  // Greediness makes no difference.
          break;
        case ':':
          return Group(at + 1, flags);
        case ')':
          flags_ = flags;
          return Replace(at + 1, "");
        default:
          return false;
      }
    }
    return false;
  }

  // Of {n}, {n,} or {n,m} at the start; 0 if the brace is text.
  size_t CountedRepetition() const {
    size_t at = 1;
    const auto digits = [&] {
      const size_t begin = at;
      while (at < rest_.size() && absl::ascii_isdigit(rest_[at])) ++at;
      return at - begin;
    };
    if (digits() == 0) return 0;
    if (at < rest_.size() && rest_[at] == ',') {
      ++at;
      digits();
    }
    return at < rest_.size() && rest_[at] == '}' ? at + 1 : 0;
  }

  size_t ClassLength() const {
    size_t at = 1;
    if (at < rest_.size() && rest_[at] == '^') ++at;
    // A ] that comes first is text.
    for (bool first = true; at < rest_.size() && (first || rest_[at] != ']'); first = false) {
      if (rest_[at] == '\\') {
        at += 2;
      } else if (rest_.substr(at).starts_with("[:")) {
        const size_t end = rest_.find(":]", at);
        at = end == std::string_view::npos ? at + 2 : end + 2;
      } else {
        ++at;
      }
    }
    return std::min(at + 1, rest_.size());
  }

  bool Escape() {
    const char letter = rest_.size() > 1 ? rest_[1] : '\0';
    switch (letter) {
      case 'Q':
        return Quoted();
      case 'E':
        // Ends a quote that wasn't opened: RE2 passes over it.
        return Replace(2, "");
      case 'b':
      case 'B':
        return Assertion(2, rest_.substr(0, 2));
      case 'A':
      case 'z':
      case 'p':
      case 'P':
      case 'C':
      case '\0':
        return false;
      case 'x':
        if (rest_.substr(2).starts_with('{')) {
          const size_t end = rest_.find('}');
          return end != std::string_view::npos && Evaluated(end + 1);
        }
        return rest_.size() >= 4 && Evaluated(4);
      default:
        break;
    }
    if (!absl::ascii_isdigit(letter)) return Evaluated(2);
    size_t length = 1;
    while (length < 4 && length < rest_.size() && rest_[length] >= '0' && rest_[length] <= '7')
      ++length;
    return Evaluated(length);
  }

  bool Quoted() {
    rest_.remove_prefix(2);
    while (!rest_.empty() && !rest_.starts_with("\\E"))
      if (!Literal(1, rest_[0])) return false;
    rest_.remove_prefix(std::min<size_t>(2, rest_.size()));
    return true;
  }

  bool Literal(size_t length, char c) {
    // What folds with what outside ASCII is RE2's business, and doesn't come here.
    if (static_cast<unsigned char>(c) >= 0x80 || c == '\n') return false;
    ByteSet bytes;
    bytes.set(static_cast<unsigned char>(c));
    if (flags_.fold_case) {
      bytes.set(static_cast<unsigned char>(absl::ascii_tolower(c)));
      bytes.set(static_cast<unsigned char>(absl::ascii_toupper(c)));
    }
    return Emit(length, bytes);
  }

  // The atom of this length, as RE2 understands it.
  bool Evaluated(size_t length) {
    std::string text(flags_.fold_case ? "(?i" : "(?-i");
    text += flags_.dot_newline ? (flags_.fold_case ? "s)" : ")(?s)") : ")";
    text += rest_.substr(0, length);
    const auto [known, is_new] = evaluated_.try_emplace(text);
    if (is_new) {
      if (evaluated_.size() > kMaxEvaluations) return false;
      RE2::Options options;
      options.set_log_errors(false);
      options.set_encoding(RE2::Options::EncodingLatin1);
      const RE2 regex(text, options);
      if (!regex.ok()) return false;
      for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        known->second.set(byte, RE2::FullMatch(re2::StringPiece(&c, 1), regex));
      }
      // A line holds none.
      known->second.reset('\n');
    }
    return Emit(length, known->second);
  }

  bool Emit(size_t length, const ByteSet& bytes) {
    // There is no way to write what never matches.
    if (bytes.none()) return false;
    std::string set;
    for (int begin = 0; begin < 256; ++begin) {
      if (!bytes[begin]) continue;
      int last = begin;
      while (last < 255 && bytes[last + 1]) ++last;
      absl::StrAppendFormat(&set, "\\x%02x", begin);
      if (last > begin) absl::StrAppendFormat(&set, "-\\x%02x", last);
      begin = last;
    }
    last_asserts_ = false;
    if (bytes.count() > 1) set = StrCat("[", set, "]");
    return Replace(length, set);
  }

  std::string_view rest_;
  std::string result_;
  Flags flags_;
  // The flags outside each open group.
  std::vector<Flags> groups_;
  // Whether the last atom, and each open group and the pattern, holds an end of a
  // line or word.
  bool last_asserts_ = false;
  std::vector<bool> asserts_ = std::vector<bool>(1, false);
  std::map<std::string, ByteSet> evaluated_;
};

}  // namespace

std::optional<std::string> ToScannerSyntax(std::string_view pattern) {
  return Translator(pattern).Run();
}

}  // namespace dragnet::file
