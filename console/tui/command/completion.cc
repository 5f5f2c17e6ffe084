#include "console/tui/command/completion.h"

namespace dragnet::console::tui {

std::vector<std::string> CompleteCommand(const ModuleCatalog& modules, std::string_view before,
                                         size_t* start) {
  std::vector<std::string> words;
  if (before.find(' ') != std::string_view::npos) return words;
  *start = 0;
  for (const Module* module : modules.modules)
    if (module->manifest().name.starts_with(before)) words.emplace_back(module->manifest().name);
  for (const std::string_view command : kScreenCommands)
    if (command.starts_with(before)) words.emplace_back(command);
  return words;
}

}  // namespace dragnet::console::tui
