#include "modules/file/pattern.h"

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::file {
namespace {

// RE2 quotes the part of the pattern that it dislikes, which may be all of it.
constexpr size_t kMaxErrorBytes = 200;

RE2::Options BaseOptions(size_t memory_bytes) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(static_cast<int64_t>(memory_bytes));
  return options;
}

absl::Status CheckPattern(std::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("is empty: it would match everything");
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(StrCat("is longer than ", kMaxPatternBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const RE2>> CompileRegex(std::string_view pattern,
                                                        const RE2::Options& options) {
  auto regex =
      std::make_unique<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (regex->ok()) return regex;
  return absl::InvalidArgumentError(StrCat("is not a regular expression that RE2 takes: ",
                                           ForTerminal(Shorten(regex->error(), kMaxErrorBytes))));
}

}  // namespace

Inversion SplitInversion(std::string_view text) {
  if (!text.empty() && text[0] == '!') return {text.substr(1), true};
  return {text, false};
}

absl::StatusOr<TextPattern> TextPattern::Compile(std::string_view pattern, size_t memory_bytes) {
  DRAGNET_RETURN_IF_ERROR(CheckPattern(pattern));
  RE2::Options options = BaseOptions(memory_bytes);
  options.set_dot_nl(true);
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<const RE2> regex, CompileRegex(pattern, options));
  return TextPattern(std::move(regex));
}

bool TextPattern::Matches(std::string_view text) const {
  const re2::StringPiece piece(text.data(), text.size());
  return regex_->Match(piece, 0, piece.size(), RE2::UNANCHORED, nullptr, 0);
}

absl::StatusOr<LinePattern> LinePattern::Compile(std::string_view pattern, size_t memory_bytes) {
  DRAGNET_RETURN_IF_ERROR(CheckPattern(pattern));
  // First as it was written, so that an error speaks of that.
  const RE2::Options as_written = BaseOptions(memory_bytes);
  DRAGNET_RETURN_IF_ERROR(CompileRegex(pattern, as_written).status());
  DRAGNET_ASSIGN_OR_RETURN(const ByteSyntax bytes, RewriteForBytes(pattern));

  RE2::Options options = BaseOptions(memory_bytes);
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_never_nl(true);
  options.set_never_capture(true);
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<const RE2> regex, CompileRegex(bytes.pattern, options));
  return LinePattern(std::move(regex), bytes.repeated);
}

bool LinePattern::Matches(std::string_view text, size_t begin, size_t end) const {
  const re2::StringPiece piece(text.data(), text.size());
  return regex_->Match(piece, begin, end, RE2::UNANCHORED, nullptr, 0);
}

bool LinePattern::Find(std::string_view text, size_t begin, size_t end, size_t* match_begin,
                       size_t* match_end) const {
  const re2::StringPiece piece(text.data(), text.size());
  re2::StringPiece match;
  if (!regex_->Match(piece, begin, end, RE2::UNANCHORED, &match, 1)) return false;
  *match_begin = static_cast<size_t>(match.data() - text.data());
  *match_end = *match_begin + match.size();
  return true;
}

bool LinePattern::MayCover(std::string_view stretch) const {
  // An instruction of the program that isn't in a loop takes one byte at most.
  int once = regex_->ProgramSize();
  for (char c : stretch)
    if (!repeated_[static_cast<unsigned char>(c)] && --once < 0) return false;
  return true;
}

}  // namespace dragnet::file
