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
  // The condition reads bytes: uint32(@a), or through a module.
  bool reads_data = false;
  // The modules that it uses, by their index in `imports`.
  std::vector<size_t> modules;
  // One of them parses the file as a whole (pe, elf, …), and doesn't only read
  // stretches (math, hash) or nothing (time).
  bool parses_file = false;
  // It names the entry point, which libyara takes from what it scans.
  bool reads_entry_point = false;
  bool reads_file_size = false;
  // It is false wherever no string of the rule occurs.
  bool needs_string = false;
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
