// Help as text. Thread-safe: no state.
#pragma once

#include <string>

#include "console/cli/command_line.h"

namespace dragnet::console {

enum class HelpDetail {
  // `--help`: the first sentence per flag.
  kShort,
  // `dragnet help COMMAND`: everything.
  kWhole,
};

// `width` is the number of columns to fill.
std::string RenderHelp(const CommandLine& line, HelpDetail detail, size_t width);

// "Titles:" and below them names in one column, texts beside, wrapped.
struct HelpEntry {
  std::string name;
  std::string text;
};
std::string RenderEntries(const std::string& title, const std::vector<HelpEntry>& entries,
                          size_t width);
// The same with a given width of the names.
std::string RenderEntries(const std::string& title, const std::vector<HelpEntry>& entries,
                          size_t width, size_t name_width);

}  // namespace dragnet::console
