// A command that is several (`dragnet trust show`, `dragnet trust sign` …) is made of
// these, a file each.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/command.h"
#include "console/cli/command_line.h"
#include "console/cli/session.h"

namespace dragnet::console {

// Not thread-safe: Define, then Run, each once.
class CommandPart {
 public:
  virtual ~CommandPart() = default;
  // Adds its subcommands to `line`, bound to members of this object.
  virtual void Define(CommandLine& line) = 0;
  virtual bool Has(const CommandLine* chosen) const = 0;
  // `chosen` is one of its subcommands. Gives the exit status.
  virtual absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) = 0;
};

// The whole. One of the parts' subcommands has to be given.
class CommandOfParts : public Command {
 public:
  struct Words {
    std::string name;
    std::string summary;
    CommandGroup group;
    std::string description;
  };
  explicit CommandOfParts(Words words) : words_(std::move(words)) {}
  // In the order of the help.
  void Add(std::unique_ptr<CommandPart> part) { parts_.push_back(std::move(part)); }

  std::string name() const override { return words_.name; }
  std::string summary() const override { return words_.summary; }
  CommandGroup group() const override { return words_.group; }
  absl::Status Define(CommandLine& line) override;
  absl::StatusOr<int> Run(CommandLine& line, Session& session) override;

 private:
  const Words words_;
  std::vector<std::unique_ptr<CommandPart>> parts_;
};

}  // namespace dragnet::console
