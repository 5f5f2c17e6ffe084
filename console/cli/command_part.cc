#include "console/cli/command_part.h"

#include "core/strings.h"

namespace dragnet::console {

absl::Status CommandOfParts::Define(CommandLine& line) {
  line.SetDescription(words_.description);
  line.RequireSubcommand();
  for (const auto& part : parts_) part->Define(line);
  return absl::OkStatus();
}

absl::StatusOr<int> CommandOfParts::Run(CommandLine& line, Session& session) {
  const CommandLine* chosen = line.chosen();
  for (const auto& part : parts_)
    if (part->Has(chosen)) return part->Run(chosen, session);
  return absl::InternalError(StrCat(words_.name, ": a subcommand that no part has"));
}

}  // namespace dragnet::console
