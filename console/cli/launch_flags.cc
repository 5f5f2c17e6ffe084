#include "console/cli/launch.h"
#include "console/form/documentation.h"
#include "core/strings.h"

namespace dragnet::console {
void AddOutputFlag(CommandLine& line, std::string* output) {
  line.AddValue({.name = "--output",
                 .short_name = "-o",
                 .value_name = "FORMAT",
                 .help = "How to print (default: table).",
                 .choices = {std::begin(kFormats), std::end(kFormats)}},
                output);
}

void LaunchFlags::DefineGroup(LaunchOptionGroup group, const Defaults& defaults,
                              CommandLine& line) {
  line.StartGroup(std::string(TitleOf(group)));
  for (const LaunchOption& option : AllLaunchOptions()) {
    if (option.group != group) continue;
    std::string help(option.help);
    // In its first sentence, which is all that --help shows.
    const std::string* text = option.value == &LaunchOptions::target    ? &defaults.target
                              : option.value == &LaunchOptions::expires ? &defaults.expires
                                                                        : nullptr;
    if (text != nullptr)
      help.insert(FirstSentence(help).size() - 1, StrCat(" (default: ", *text, ")"));
    line.AddValue({.name = std::string(option.flag),
                   .short_name = std::string(option.short_flag),
                   .value_name = std::string(option.value_name),
                   .help = std::move(help)},
                  &(this->*option.value));
  }
}

void LaunchFlags::Define(CommandLine& line, const Defaults& defaults) {
  DefineGroup(LaunchOptionGroup::kHosts, defaults, line);
  line.AddSwitch(
      {.name = "--wait", .help = "Wait for agents that are offline, too, until it expires."},
      &wait);

  DefineGroup(LaunchOptionGroup::kDispatch, defaults, line);

  line.StartGroup("Output");
  AddOutputFlag(line, &output);
  AddRowFlags(line, &where, &columns);

  line.StartGroup("Signing");
  line.AddSwitch(
      {.name = "--yes", .short_name = "-y", .help = "Don't ask; the action is shown all the same."},
      &yes);
  line.AddSwitch({.name = "--no-wait",
                  .help = "Don't follow it: print its id once it is launched, or proposed to "
                          "others who must sign it, too."},
                 &no_wait);
  line.AddSwitch({.name = "--dry-run", .help = "Show the action and its reach; sign nothing."},
                 &dry_run);
  line.AddValue({.name = "--no-launch",
                 .value_name = "FILE",
                 .help = "Sign, write the signed envelope to a new FILE, and don't launch.",
                 .completion = Completion::kFile},
                &no_launch);

  DefineGroup(LaunchOptionGroup::kRecord, defaults, line);
  DefineGroup(LaunchOptionGroup::kLimits, defaults, line);
}

RowOptions LaunchFlags::Rows() const { return {.where = where, .columns = SplitNames(columns)}; }

void AddRowFlags(CommandLine& line, std::string* where, std::vector<std::string>* columns) {
  line.AddValue(
      {.name = "--where",
       .value_name = "EXPR",
       .help = "Show only rows for which this is true, e.g. \"size > 1000 and path like "
               "'/etc/%'\"; the others are counted. A condition over agent, agent_id and "
               "the row's columns, in the language of targets (docs/results.md). Hosts keep "
               "their states."},
      where);
  line.AddValues({.name = "--columns",
                  .value_name = "COLUMN[,COLUMN]",
                  .help = "Show only these columns, in this order."},
                 columns);
}

}  // namespace dragnet::console
