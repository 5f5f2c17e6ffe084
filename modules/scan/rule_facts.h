// What the conditions of rules read, told from their text. Conservative: what
// isn't understood counts as reading everything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::scan {

struct RuleFacts {
  std::string_view name;
  // From its first modifier to its closing brace.
  std::string_view text;
  bool is_global = false;
  // The condition reads data elsewhere than at fixed places near the beginning:
  // uint32(@a), entrypoint, or anything of a module.
  bool reads_data = false;
  // It reads the first bytes, this many: uint16(0).
  uint64_t head_bytes = 0;
  bool reads_file_size = false;
  // Indices of the rules that the condition names.
  std::vector<size_t> references;
};

struct SourceFacts {
  // False: nothing below can be relied on.
  bool understood = false;
  // `import "pe"`, each as written.
  std::vector<std::string_view> imports;
  std::vector<RuleFacts> rules;
};

// Of a source that libyara has compiled; the views are into it.
SourceFacts ReadFacts(std::string_view source);

}  // namespace dragnet::scan
