// `dragnet enroll token`: lets hosts join the fleet.
#include "absl/strings/numbers.h"
#include "console/cli/command.h"
#include "console/cli/launch.h"
#include "console/form/values.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// What the scheduler sends goes to a terminal or into a script as it is.
absl::Status CheckToken(std::string_view token) {
  if (!token.empty() && token.size() <= 256 &&
      token.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      "enroll token: what the scheduler sent is not a token (up to 256 lower-case hex digits): "
      "don't trust this scheduler");
}

class EnrollCommand : public Command {
 public:
  std::string name() const override { return "enroll"; }
  std::string summary() const override { return "Make tokens with which hosts join the fleet"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.RequireSubcommand();
    CommandLine* token = line.AddSubcommand("token", "Make a token; it is shown this once");
    token->SetDescription(
        "Prints the token on standard output. Put it in the agent's enrolment_token_file; the "
        "agent uses it once, on its first start.");
    token->AddValue({.name = "--uses",
                     .value_name = "N",
                     .help = "How many hosts may use it: 1 to 1000000 (default: 1)."},
                    &uses_);
    token->AddValue({.name = "--lifetime",
                     .value_name = "DURATION",
                     .help = "How long it is good for, e.g. 24h, 7d (default: 1h)."},
                    &lifetime_);
    token->AddValues({.name = "--tag",
                      .value_name = "KEY=VALUE",
                      .help = "Label that the scheduler keeps for hosts that join with it."},
                     &tags_);
    AddOutputFlag(*token, &output_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    v1::CreateEnrolmentTokenRequest request;
    DRAGNET_RETURN_IF_ERROR(Fill(&request));
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::CreateEnrolmentTokenResponse response,
                             client->CreateEnrolmentToken(request));
    DRAGNET_RETURN_IF_ERROR(CheckToken(response.token()));
    Io& io = session.io();
    if (output_ == "json" || output_ == "jsonl") {
      const std::string json = MessageToJson(response);
      io.out->Write(StrCat(output_ == "json" ? IndentJson(json) : json, "\n"));
    } else {
      io.out->Write(StrCat(response.token(), "\n"));
    }
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    const absl::StatusOr<absl::Time> expires = ToTime(response.expires());
    io.Say(StrCat("Good for ", request.uses(), request.uses() == 1 ? " host" : " hosts",
                  expires.ok() ? StrCat(" until ", LocalTime(*expires)) : "",
                  ". Who has it can join the fleet: keep it secret."));
    return kExitDone;
  }

 private:
  absl::Status Fill(v1::CreateEnrolmentTokenRequest* request) const {
    uint32_t uses;
    if (!absl::SimpleAtoi(uses_, &uses) || uses < 1 || uses > 1000000) {
      return absl::InvalidArgumentError(
          StrCat("enroll token: --uses: \"", uses_, "\" is not a number from 1 to 1000000"));
    }
    request->set_uses(uses);
    const absl::StatusOr<absl::Duration> lifetime = ParseDuration(lifetime_);
    if (!lifetime.ok()) return Annotate(lifetime.status(), "enroll token: --lifetime");
    if (*lifetime < absl::Seconds(1) || *lifetime > absl::Hours(366 * 24)) {
      return absl::InvalidArgumentError("enroll token: --lifetime: must be from 1s to 366d");
    }
    *request->mutable_lifetime() = ToProtoDuration(*lifetime);
    for (const std::string& tag : tags_) {
      const size_t equals = tag.find('=');
      if (equals == std::string::npos || equals == 0) {
        return absl::InvalidArgumentError(
            StrCat("enroll token: --tag: \"", tag, "\" is not of the form KEY=VALUE"));
      }
      (*request->mutable_tags())[tag.substr(0, equals)] = tag.substr(equals + 1);
    }
    return absl::OkStatus();
  }

  std::string uses_ = "1";
  std::string lifetime_ = "1h";
  std::vector<std::string> tags_;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<Command> NewEnrollCommand() { return std::make_unique<EnrollCommand>(); }

}  // namespace dragnet::console
