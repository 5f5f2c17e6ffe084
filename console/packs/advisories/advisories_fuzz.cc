// libFuzzer target: a file of advisories that somebody made up. Whatever comes out is
// a list that module pkg takes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "console/packs/advisories/import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string content(reinterpret_cast<const char*>(data), size);
  const auto imported = dragnet::advisories::ImportAdvisories({{"fuzz", content}});
  if (!imported.ok()) return 0;
  if (!dragnet::pkg::VulnerableList::Parse(imported->parameters.vulnerable()).ok()) std::abort();
  return 0;
}
