// libFuzzer target: the forms of text that anybody on a host may have written. The
// first byte chooses the form. Nothing may crash, hang, or read out of bounds, and
// no line is one that the text doesn't have.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "modules/persistence/apt_config.h"
#include "modules/persistence/cron_line.h"
#include "modules/persistence/host.h"
#include "modules/persistence/kernel_modules.h"
#include "modules/persistence/udev_rule.h"
#include "modules/persistence/unit_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet::persistence;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto lines = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n') + 1);
  const auto check = [&](uint32_t line) {
    if (line == 0 || line > lines) std::abort();
    return true;
  };
  switch (data[0] % 5) {
    case 0:
      ParseUnitFile(text, [&](const UnitLine& line) {
        HasFullPrivileges(line.value);
        if (WithoutExecPrefix(line.value).size() > line.value.size()) std::abort();
        return check(line.line);
      });
      break;
    case 1:
      ForEachLine(text, [&](std::string_view line, uint32_t number) {
        for (CronForm form : {CronForm::kUser, CronForm::kSystem, CronForm::kAnacron}) {
          const CronLine parsed = ParseCronLine(line, form);
          if (parsed.type == CronLine::Type::kJob && parsed.command.empty()) std::abort();
        }
        return check(number);
      });
      break;
    case 2:
      ParseUdevRules(
          text, [&](const UdevProgram& program) { return check(program.line); },
          [&](uint32_t line) { check(line); });
      break;
    case 3:
      ParseAptConfig(
          text, [&](std::string_view, std::string_view, uint32_t line) { return check(line); });
      break;
    default:
      ForEachLine(text, [](std::string_view line, uint32_t) {
        const auto module = ParseLoadedModule(line);
        if (module && module->taints.size() > 16) std::abort();
        ModuleOfFile(line);
        return true;
      });
      break;
  }
  return 0;
}
