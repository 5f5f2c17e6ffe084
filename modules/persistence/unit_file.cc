#include "modules/persistence/unit_file.h"

#include "modules/persistence/host.h"

namespace dragnet::persistence {
namespace {
constexpr std::string_view kExecPrefixes = "@-:+!|";
}  // namespace

void ParseUnitFile(std::string_view text, const std::function<bool(const UnitLine&)>& take) {
  std::string section;
  std::string joined;
  uint32_t begins = 0;
  bool continued = false;
  bool more = true;
  const auto finish = [&] {
    const std::string_view line = Trim(joined);
    if (line.starts_with('[') && line.ends_with(']')) {
      section = std::string(line.substr(1, line.size() - 2));
    } else if (const size_t sign = line.find('='); sign != std::string_view::npos) {
      more = take({section, Trim(line.substr(0, sign)), Trim(line.substr(sign + 1)), begins});
    }
    joined.clear();
    continued = false;
  };
  ForEachLine(text, [&](std::string_view line, uint32_t number) {
    const std::string_view trimmed = Trim(line);
    // Comments stand between continued lines, too, and end nothing.
    if (trimmed.starts_with('#') || trimmed.starts_with(';')) return true;
    if (!continued) begins = number;
    const bool goes_on = trimmed.ends_with('\\');
    joined.append(goes_on ? trimmed.substr(0, trimmed.size() - 1) : trimmed);
    continued = goes_on;
    if (goes_on) {
      joined.push_back(' ');
      return true;
    }
    finish();
    return more;
  });
  if (more && continued) finish();
}

std::string_view WithoutExecPrefix(std::string_view command) {
  command.remove_prefix(std::min(command.find_first_not_of(kExecPrefixes), command.size()));
  return Trim(command);
}

bool HasFullPrivileges(std::string_view command) {
  return command.substr(0, command.find_first_not_of(kExecPrefixes)).find('+') !=
         std::string_view::npos;
}

}  // namespace dragnet::persistence
