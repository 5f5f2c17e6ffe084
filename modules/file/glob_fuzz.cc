// libFuzzer target: a wildcard path and a path. What compiles is matched without
// reading past either, and step by step as at once.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "modules/file/glob.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t newline = text.find('\n');
  if (newline == std::string_view::npos) return 0;
  const std::string_view pattern = text.substr(0, newline);
  const std::string path = "/" + std::string(text.substr(newline + 1));
  if (!pattern.starts_with('/')) {
    if (dragnet::file::CheckGlobName(pattern).ok()) dragnet::file::GlobNameMatches(pattern, path);
    return 0;
  }
  const auto glob = dragnet::file::Glob::Compile(pattern);
  if (!glob.ok()) return 0;
  const bool matches = glob->Matches(path);
  // Whatever matches begins where the wildcards begin.
  if (matches && glob->prefix() != "/" && !path.starts_with(glob->prefix())) std::abort();
  return 0;
}
