// `dragnet trust`: who may order what, from the draft to the agents.
#include "console/cli/trust_command.h"

#include <vector>

#include "console/cli/command.h"

namespace dragnet::console {
namespace {

constexpr char kDescription[] =
    "A new trust policy is a file that goes from hand to hand: drafted here, signed by the root "
    "keys on machines without a network, published here."
    R"(

  dragnet trust draft next.json
  dragnet trust add next.json carol --key carol.pub --role investigator
  dragnet trust diff next.json
  dragnet trust sign next.json --key root-1.key
  dragnet trust publish next.json
  dragnet trust agents

docs/key-ceremony.md has the steps for people who come and go, and for root keys.)";

class TrustCommand : public Command {
 public:
  TrustCommand() {
    parts_.push_back(NewTrustShow());
    parts_.push_back(NewTrustEdit());
    parts_.push_back(NewTrustSign());
    parts_.push_back(NewTrustPublish());
    parts_.push_back(NewTrustAgents());
  }

  std::string name() const override { return "trust"; }
  std::string summary() const override { return "Who may order what: show, change, sign, publish"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(kDescription);
    line.RequireSubcommand();
    for (const auto& part : parts_) part->Define(line);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine& line, Session& session) override {
    const CommandLine* chosen = line.chosen();
    for (const auto& part : parts_)
      if (part->Has(chosen)) return part->Run(chosen, session);
    return absl::InternalError("trust: a subcommand that no part has");
  }

 private:
  std::vector<std::unique_ptr<TrustPart>> parts_;
};

}  // namespace

std::unique_ptr<Command> NewTrustCommand() { return std::make_unique<TrustCommand>(); }

}  // namespace dragnet::console
