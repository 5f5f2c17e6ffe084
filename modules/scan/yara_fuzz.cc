// libFuzzer target: rules and bytes, which must give with the prefilter what
// they give without it. The rules end at the first NUL byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "modules/scan/plan.h"
#include "modules/scan/yara.h"

namespace {

using dragnet::scan::PlanRules;
using dragnet::scan::YaraMatch;
using dragnet::scan::YaraRules;
using dragnet::scan::YaraScanner;

bool Same(const YaraMatch& a, const YaraMatch& b) {
  if (a.rule != b.rule || a.strings.size() != b.strings.size()) return false;
  for (size_t i = 0; i < a.strings.size(); ++i) {
    if (a.strings[i].identifier != b.strings[i].identifier ||
        a.strings[i].offset != b.strings[i].offset || a.strings[i].length != b.strings[i].length)
      return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = input.find('\0');
  const std::string source(input.substr(0, nul));
  const std::string_view bytes = nul == std::string_view::npos ? "" : input.substr(nul + 1);
  auto compiled = YaraRules::Compile(source, {});
  auto plain = PlanRules(source, {}, /*use_prefilter=*/false);
  if (compiled.ok() != plain.ok()) abort();
  if (!compiled.ok()) return 0;
  YaraScanner with(*compiled, {});
  YaraScanner without(std::make_shared<const YaraRules>(*std::move(plain)), {});
  const auto a = with.ScanBuffer(bytes);
  const auto b = without.ScanBuffer(bytes);
  if (!a.ok() || !b.ok()) return 0;
  if (a->size() != b->size()) abort();
  for (size_t i = 0; i < a->size(); ++i) {
    if (!Same((*a)[i], (*b)[i])) abort();
  }
  return 0;
}
