// libFuzzer target: a pattern and a text, which must give what searching line
// by line with the pattern as it was written gives, wherever blocks and windows
// of long lines end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "modules/file/content.h"
#include "modules/file/pattern.h"
#include "re2/re2.h"

namespace {

using dragnet::file::LineMatch;

constexpr size_t kMemory = 1024 * 1024;

LineMatch LineByLine(std::string_view pattern, std::string_view text) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);
  const RE2 regex(re2::StringPiece(pattern.data(), pattern.size()), options);
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    if (RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), regex))
      return LineMatch::kFound;
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  return LineMatch::kAbsent;
}

}  // namespace

// The first byte is the length of the pattern, the second that of a block.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string_view pattern = text.substr(0, data[0]);
  text.remove_prefix(pattern.size());
  const size_t block = size_t{data[1]} + 1;

  // Outside ASCII a pattern is rewritten to mean something else than in Latin-1.
  for (char c : pattern)
    if (static_cast<unsigned char>(c) >= 0x80) return 0;
  auto compiled = dragnet::file::LinePattern::Compile(pattern, kMemory);
  if (!compiled.ok()) return 0;
  std::vector<dragnet::file::LinePattern> patterns;
  patterns.push_back(*std::move(compiled));

  dragnet::file::ContentScanner scanner(patterns, /*max_line=*/48, /*overlap=*/24);
  const uint32_t wanted[] = {0};
  scanner.Start(wanted);
  for (std::string_view rest = text; !rest.empty();) {
    scanner.Feed(rest.substr(0, block));
    rest.remove_prefix(std::min(block, rest.size()));
  }
  scanner.Finish();
  const LineMatch result = scanner.result(0);
  if (result != LineMatch::kUnknown && result != LineByLine(pattern, text)) std::abort();
  return 0;
}
