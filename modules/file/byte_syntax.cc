#include "modules/file/byte_syntax.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "core/strings.h"
#include "re2/re2.h"

namespace dragnet::file {
namespace {

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

const ByteSet& AnyByte() {
  static const ByteSet all = ByteSet().set();
  return all;
}

// A character as text, in either case, in case of (?i).
ByteSet Literal(char c) {
  ByteSet set;
  set.set(static_cast<unsigned char>(absl::ascii_tolower(c)));
  set.set(static_cast<unsigned char>(absl::ascii_toupper(c)));
  return set;
}

// What `text`, a whole class, can match.
ByteSet Class(std::string_view text) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);
  const RE2 regex(StrCat("(?i)", text), options);
  if (!regex.ok()) return AnyByte();
  ByteSet set;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    set.set(byte, RE2::FullMatch(re2::StringPiece(&c, 1), regex));
  }
  return set;
}

// Follows the pattern to learn which bytes it repeats.
class Repetitions {
 public:
  // The next atom, which can match these bytes.
  void Atom(const ByteSet& bytes) {
    last_ = bytes;
    groups_.back() |= bytes;
  }
  void OpenGroup() { groups_.emplace_back(); }
  void CloseGroup() {
    const ByteSet group = groups_.back();
    if (groups_.size() > 1) groups_.pop_back();
    Atom(group);
  }
  // The last atom repeats without bound.
  void Unbounded() { repeated_ |= last_; }

  const ByteSet& repeated() const { return repeated_; }

 private:
  ByteSet last_;
  // What is in each open group, the outermost being the pattern.
  std::vector<ByteSet> groups_ = std::vector<ByteSet>(1);
  ByteSet repeated_;
};

// Reads `pattern` from left to right; the state is where it stands: outside,
// within a class or within \Q…\E.
class Rewriter {
 public:
  explicit Rewriter(std::string_view pattern) : rest_(pattern) {}

  absl::StatusOr<ByteSyntax> Run() {
    while (!rest_.empty() && status_.ok()) {
      if (in_quote_) {
        Quoted();
      } else if (in_class_) {
        InClass();
      } else {
        Outside();
      }
    }
    if (!status_.ok()) return status_;
    result_.repeated = repetitions_.repeated();
    return std::move(result_);
  }

 private:
  void Refuse(std::string_view what) { status_ = absl::InvalidArgumentError(ToAbsl(what)); }
  void RefuseNewline() {
    Refuse("can never match: it is matched line by line, and a line holds no newline (\\n)");
  }

  // Moves `count` bytes over as they are.
  void Copy(size_t count) {
    count = std::min(count, rest_.size());
    result_.pattern.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
  }
  void Replace(size_t count, std::string_view by) {
    result_.pattern.append(by);
    rest_.remove_prefix(std::min(count, rest_.size()));
  }

  // Moves one character over as the unit of its bytes.
  void CharacterAsBytes() {
    size_t length = 1;
    while (length < rest_.size() && (rest_[length] & 0xC0) == 0x80) ++length;
    std::string unit = in_quote_ ? "\\E(?-i:" : "(?-i:";
    ByteSet bytes;
    for (char c : rest_.substr(0, length)) {
      absl::StrAppendFormat(&unit, "\\x%02x", static_cast<unsigned char>(c));
      bytes.set(static_cast<unsigned char>(c));
    }
    unit += in_quote_ ? ")\\Q" : ")";
    repetitions_.Atom(bytes);
    Replace(length, unit);
  }

  void Quoted() {
    if (rest_.starts_with("\\E")) {
      in_quote_ = false;
      return Copy(2);
    }
    if (rest_[0] == '\n') return RefuseNewline();
    if (!IsAscii(rest_[0])) return CharacterAsBytes();
    repetitions_.Atom(Literal(rest_[0]));
    Copy(1);
  }

  void InClass() {
    if (rest_[0] == ']' && !class_is_empty_) {
      in_class_ = false;
      Copy(1);
      // What it matches is worked out only where that makes a difference.
      repetitions_.Atom(IsUnboundedQuantifier()
                            ? Class(std::string_view(result_.pattern).substr(class_begin_))
                            : AnyByte());
      return;
    }
    class_is_empty_ = false;
    if (rest_.starts_with("[:")) {
      const size_t end = rest_.find(":]");
      return Copy(end == std::string_view::npos ? 2 : end + 2);
    }
    if (!IsAscii(rest_[0])) {
      return Refuse(
          "has a character outside ASCII within []: it is matched byte by byte; write "
          "alternatives, (é|è)");
    }
    if (rest_[0] == '\\') return Escape();
    Copy(1);
  }

  void Outside() {
    switch (rest_[0]) {
      case '\\':
        return Escape();
      case '^':
        repetitions_.Atom({});
        return Replace(1, "(?m:^)");
      case '$':
        repetitions_.Atom({});
        return Replace(1, "(?m:$)");
      case '\n':
        return RefuseNewline();
      case '(':
        repetitions_.OpenGroup();
        return Copy(1);
      case ')':
        repetitions_.CloseGroup();
        return Copy(1);
      case '.':
        repetitions_.Atom(AnyByte());
        return Copy(1);
      case '*':
      case '+':
      case '{':
        if (IsUnboundedQuantifier()) {
          repetitions_.Unbounded();
          return Copy(rest_.find_first_of("*+}") + 1);
        }
        break;
      case '[':
        in_class_ = true;
        class_begin_ = result_.pattern.size();
        class_is_empty_ = true;
        Copy(1);
        if (rest_.starts_with("^")) Copy(1);
        return;
      default:
        break;
    }
    if (!IsAscii(rest_[0])) return CharacterAsBytes();
    // ?, | and the insides of {n,m} and (?i) count as text, too: that only adds
    // to what may be repeated, and no quantifier follows them.
    repetitions_.Atom(Literal(rest_[0]));
    Copy(1);
  }

  // *, + and {n,}. Anything else in braces is bounded, or text.
  bool IsUnboundedQuantifier() const {
    if (rest_.starts_with('*') || rest_.starts_with('+')) return true;
    if (!rest_.starts_with('{')) return false;
    size_t at = 1;
    while (at < rest_.size() && absl::ascii_isdigit(rest_[at])) ++at;
    return at > 1 && rest_.substr(at).starts_with(",}");
  }

  void Escape() {
    const char letter = rest_.size() > 1 ? rest_[1] : '\0';
    // \Q is not an atom: a quantifier after \Q\E applies to what is before it.
    if (!in_class_ && letter != 'Q') repetitions_.Atom(EscapeBytes(letter));
    switch (letter) {
      case 'p':
      case 'P':
        return Refuse(
            "uses \\p, a class of characters, but it is matched byte by byte: write the bytes or "
            "characters that are meant");
      case 'x':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
        return NumericEscape();
      case 'n':
        if (!in_class_) return RefuseNewline();
        return Copy(2);
      case 'A':
        if (!in_class_) return Replace(2, "(?m:^)");
        return Copy(2);
      case 'z':
        if (!in_class_) return Replace(2, "(?m:$)");
        return Copy(2);
      case 'C':
        if (!in_class_) return Replace(2, "(?-s:.)");
        return Copy(2);
      case 'Q':
        if (!in_class_) in_quote_ = true;
        return Copy(2);
      default:
        return Copy(2);
    }
  }

  // What an escape can match, or more.
  static ByteSet EscapeBytes(char letter) {
    switch (letter) {
      case 'd':
      case 's':
      case 'w': {
        const char text[] = {'\\', letter, '\0'};
        return Class(text);
      }
      case 'A':
      case 'z':
      case 'b':
      case 'B':
        return {};
      default:
        return absl::ascii_isalnum(letter) ? AnyByte() : Literal(letter);
    }
  }

  // \x41, \x{41}, \101.
  void NumericEscape() {
    size_t at = 2;
    uint32_t code = 0;
    const auto take = [&](int base, size_t most) {
      for (size_t taken = 0; taken < most && at < rest_.size(); ++taken, ++at) {
        const int digit = DigitValue(rest_[at]);
        if (digit < 0 || digit >= base) break;
        code = code * base + digit;
      }
    };
    if (rest_[1] != 'x') {
      at = 1;
      take(8, 3);
    } else if (rest_.substr(2).starts_with("{")) {
      at = 3;
      take(16, 6);
      ++at;  // The closing brace.
    } else {
      take(16, 2);
    }
    if (code == '\n' && !in_class_) return RefuseNewline();
    if (code > 0xFF) {
      return Refuse(absl::StrFormat(
          "names the character %x in hexadecimal, but it is matched byte by byte: write its UTF-8 "
          "bytes",
          code));
    }
    Copy(at);
  }

  static int DigitValue(char c) {
    if (absl::ascii_isdigit(c)) return c - '0';
    if (absl::ascii_isxdigit(c)) return absl::ascii_tolower(c) - 'a' + 10;
    return -1;
  }

  std::string_view rest_;
  ByteSyntax result_;
  Repetitions repetitions_;
  absl::Status status_;
  bool in_class_ = false;
  bool class_is_empty_ = false;
  // Where the class begins in the result.
  size_t class_begin_ = 0;
  bool in_quote_ = false;
};

}  // namespace

absl::StatusOr<ByteSyntax> RewriteForBytes(std::string_view pattern) {
  return Rewriter(pattern).Run();
}

}  // namespace dragnet::file
