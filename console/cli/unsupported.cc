#include "console/cli/command.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

class UnsupportedCommand : public Command {
 public:
  UnsupportedCommand(std::string name, std::string summary)
      : name_(std::move(name)), summary_(std::move(summary)) {}

  std::string name() const override { return name_; }
  std::string summary() const override { return summary_; }
  CommandGroup group() const override { return CommandGroup::kHidden; }

  absl::Status Define(CommandLine&) override { return Refusal(); }
  absl::StatusOr<int> Run(CommandLine&, Session&) override { return Refusal(); }

 private:
  absl::Status Refusal() const {
    return absl::UnimplementedError(
        StrCat(name_, ": not in this version (", summary_, "); dragnet help lists what is"));
  }

  const std::string name_;
  const std::string summary_;
};

}  // namespace

std::unique_ptr<Command> NewUnsupportedCommand(std::string name, std::string summary) {
  return std::make_unique<UnsupportedCommand>(std::move(name), std::move(summary));
}

}  // namespace dragnet::console
