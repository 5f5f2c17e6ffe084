#include "modules/file/byte_syntax.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "absl/strings/str_format.h"

namespace dragnet::file {
namespace {

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

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
    return std::move(result_);
  }

 private:
  void Refuse(std::string_view what) {
    status_ = absl::InvalidArgumentError(ToAbsl(what));
  }
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

  // The bytes of the character that comes next, and their number.
  std::string NextCharacterAsBytes(size_t* count) const {
    size_t length = 1;
    while (length < rest_.size() && (rest_[length] & 0xC0) == 0x80) ++length;
    *count = length;
    std::string bytes = "(?-i:";
    for (char c : rest_.substr(0, length))
      absl::StrAppendFormat(&bytes, "\\x%02x", static_cast<unsigned char>(c));
    return bytes + ")";
  }

  void Quoted() {
    if (rest_.starts_with("\\E")) {
      in_quote_ = false;
      return Copy(2);
    }
    if (rest_[0] == '\n') return RefuseNewline();
    if (IsAscii(rest_[0])) return Copy(1);
    size_t count = 0;
    const std::string bytes = NextCharacterAsBytes(&count);
    Replace(count, StrCat("\\E", bytes, "\\Q"));
  }

  void InClass() {
    if (rest_[0] == ']' && !class_is_empty_) {
      in_class_ = false;
      return Copy(1);
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
        return Replace(1, "(?m:^)");
      case '$':
        return Replace(1, "(?m:$)");
      case '\n':
        return RefuseNewline();
      case '*':
      case '+':
        result_.unbounded = true;
        return Copy(1);
      case '{':
        return Braces();
      case '[':
        in_class_ = true;
        class_is_empty_ = true;
        Copy(1);
        if (rest_.starts_with("^")) Copy(1);
        return;
      default:
        break;
    }
    if (IsAscii(rest_[0])) return Copy(1);
    size_t count = 0;
    const std::string bytes = NextCharacterAsBytes(&count);
    Replace(count, bytes);
  }

  // {n,} has no upper bound; {n} and {n,m} have; anything else is text.
  void Braces() {
    size_t at = 1;
    while (at < rest_.size() && absl::ascii_isdigit(rest_[at])) ++at;
    if (at > 1 && rest_.substr(at).starts_with(",}")) result_.unbounded = true;
    Copy(1);
  }

  void Escape() {
    const char letter = rest_.size() > 1 ? rest_[1] : '\0';
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
  absl::Status status_;
  bool in_class_ = false;
  bool class_is_empty_ = false;
  bool in_quote_ = false;
};

}  // namespace

absl::StatusOr<ByteSyntax> RewriteForBytes(std::string_view pattern) {
  return Rewriter(pattern).Run();
}

}  // namespace dragnet::file
