#include "modules/memory/byte_regex.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::memory {
namespace {

// RE2 quotes the part of the pattern that it dislikes, which may be all of it.
constexpr size_t kMaxErrorBytes = 200;

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Reads a pattern that RE2 takes from left to right.
class Rewriter {
 public:
  explicit Rewriter(std::string_view pattern) : rest_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (!rest_.empty()) {
      if (in_quote_ && rest_.starts_with("\\E")) {
        in_quote_ = false;
        Copy(2);
      } else if (!IsAscii(rest_[0])) {
        if (in_class_) {
          return absl::InvalidArgumentError(
              "has a character outside ASCII within []: it is matched byte by byte; write "
              "alternatives, (é|è)");
        }
        CharacterAsBytes();
      } else if (in_quote_) {
        Copy(1);
      } else if (rest_[0] == '\\') {
        DRAGNET_RETURN_IF_ERROR(Escape());
      } else if (in_class_) {
        InClass();
      } else {
        if (rest_[0] == '[') OpenClass();
        Copy(1);
      }
    }
    return std::move(result_);
  }

 private:
  void Copy(size_t count) {
    count = std::min(count, rest_.size());
    result_.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
  }

  void CharacterAsBytes() {
    size_t length = 1;
    while (length < rest_.size() && (rest_[length] & 0xC0) == 0x80) ++length;
    // Not folded: in Latin-1 some of these bytes are letters.
    result_ += in_quote_ ? "\\E(?-i:" : "(?-i:";
    for (char c : rest_.substr(0, length))
      absl::StrAppendFormat(&result_, "\\x%02x", static_cast<unsigned char>(c));
    result_ += in_quote_ ? ")\\Q" : ")";
    rest_.remove_prefix(length);
  }

  void OpenClass() {
    in_class_ = true;
    // A ] that comes first is a character.
    if (rest_.starts_with("[^]")) {
      Copy(2);
    } else if (rest_.starts_with("[]")) {
      Copy(1);
    }
  }

  void InClass() {
    if (rest_.starts_with("[:")) {
      const size_t end = rest_.find(":]");
      return Copy(end == std::string_view::npos ? 2 : end + 2);
    }
    if (rest_[0] == ']') in_class_ = false;
    Copy(1);
  }

  absl::Status Escape() {
    const char letter = rest_.size() > 1 ? rest_[1] : '\0';
    if (letter == 'p' || letter == 'P') {
      return absl::InvalidArgumentError(
          "uses \\p, a class of characters, but it is matched byte by byte: write the bytes or "
          "characters that are meant");
    }
    if ((letter == 'A' || letter == 'z') && !in_class_) {
      return absl::InvalidArgumentError(
          StrCat("uses \\", std::string_view(&letter, 1),
                 ", the end of a text, which memory doesn't have: use ^ or $, the end of a line"));
    }
    if (letter == 'Q' && !in_class_) in_quote_ = true;
    if (letter == 'x' && rest_.substr(2).starts_with("{")) {
      const size_t end = rest_.find('}');
      std::string_view digits = rest_.substr(3, end - 3);
      while (digits.size() > 2 && digits[0] == '0') digits.remove_prefix(1);
      if (digits.size() > 2) {
        return absl::InvalidArgumentError(
            StrCat("names the character ", digits,
                   " in hexadecimal, but it is matched byte by byte: write its UTF-8 bytes"));
      }
    }
    Copy(2);
    return absl::OkStatus();
  }

  std::string_view rest_;
  std::string result_;
  bool in_quote_ = false;
  bool in_class_ = false;
};

RE2::Options BaseOptions(size_t memory_bytes) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(static_cast<int64_t>(memory_bytes));
  return options;
}

absl::Status CheckLength(std::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("is empty: it would match everything");
  if (pattern.size() > kMaxPatternBytes)
    return absl::InvalidArgumentError(StrCat("is longer than ", kMaxPatternBytes, " bytes"));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const RE2>> Compile(std::string_view pattern,
                                                   const RE2::Options& options) {
  auto regex =
      std::make_unique<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (regex->ok()) return regex;
  return absl::InvalidArgumentError(StrCat("is not a regular expression that RE2 takes: ",
                                           ForTerminal(Shorten(regex->error(), kMaxErrorBytes))));
}

}  // namespace

absl::StatusOr<std::string> RewriteForMemory(std::string_view pattern) {
  DRAGNET_ASSIGN_OR_RETURN(std::string rewritten, Rewriter(pattern).Run());
  // ^ and $ are ends of lines: RE2 counts text from where it is given some,
  // which is the accident of a block.
  return StrCat("(?m)", rewritten);
}

RE2::Options MemoryRegexOptions(size_t memory_bytes) {
  RE2::Options options = BaseOptions(memory_bytes);
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_never_capture(true);
  return options;
}

absl::StatusOr<std::unique_ptr<const RE2>> CompileForMemory(std::string_view pattern,
                                                            size_t memory_bytes) {
  DRAGNET_RETURN_IF_ERROR(CheckLength(pattern));
  // First as it was written, so that an error speaks of that.
  DRAGNET_RETURN_IF_ERROR(Compile(pattern, BaseOptions(memory_bytes)).status());
  DRAGNET_ASSIGN_OR_RETURN(const std::string rewritten, RewriteForMemory(pattern));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<const RE2> regex,
                           Compile(rewritten, MemoryRegexOptions(memory_bytes)));
  if (regex->Match("", 0, 0, RE2::UNANCHORED, nullptr, 0)) {
    return absl::InvalidArgumentError(
        "matches nothing as well, so it would match everywhere: write + for *, or leave out the "
        "part that may be absent");
  }
  return regex;
}

absl::StatusOr<std::unique_ptr<const RE2>> CompileForText(std::string_view pattern,
                                                          size_t memory_bytes) {
  DRAGNET_RETURN_IF_ERROR(CheckLength(pattern));
  RE2::Options options = BaseOptions(memory_bytes);
  options.set_dot_nl(true);
  options.set_never_capture(true);
  return Compile(pattern, options);
}

}  // namespace dragnet::memory
