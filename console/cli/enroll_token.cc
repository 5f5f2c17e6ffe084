// `dragnet enroll token create`, `list` and `revoke`.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "console/cli/enroll_command.h"
#include "console/cli/exit_status.h"
#include "console/cli/launch.h"
#include "console/cli/list_output.h"
#include "console/form/values.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What the scheduler sends goes to a terminal or into a script as it is.
absl::Status CheckToken(std::string_view token) {
  if (!token.empty() && token.size() <= 256 && IsLowerHex(token)) return absl::OkStatus();
  return absl::DataLossError(
      "enroll token create: what the scheduler sent is not a token (up to 256 lower-case hex "
      "digits): don't trust this scheduler");
}

class EnrollToken : public CommandPart {
 public:
  void Define(CommandLine& enroll) override {
    CommandLine* token = enroll.AddSubcommand("token", "Tokens with which hosts join the fleet");
    token->RequireSubcommand();
    DefineCreate(*token);
    list_ = token->AddSubcommand("list", "Tokens that still let hosts in");
    list_->AddSwitch(
        {.name = "--all", .help = "Also those that have expired, are used up or were revoked."},
        &all_);
    AddOutputFlag(*list_, &output_);
    revoke_ = token->AddSubcommand("revoke", "No further host joins with this token");
    revoke_->SetDescription(
        "Hosts that wait with it to be let in are forgotten. Those that have joined with it stay "
        "(dragnet agents revoke).");
    revoke_->AddArgument({.name = "ID",
                          .help = "Of dragnet enroll token list, or a unique beginning of it.",
                          .required = true},
                         &id_);
  }

  bool Has(const CommandLine* chosen) const override {
    return chosen == create_ || chosen == list_ || chosen == revoke_;
  }

  absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) override {
    if (chosen == list_) return List(session);
    if (chosen == revoke_) return Revoke(session);
    return Create(session);
  }

 private:
  void DefineCreate(CommandLine& token) {
    create_ = token.AddSubcommand("create", "Make a token; it is shown this once");
    create_->SetDescription(
        "Prints the token on standard output. Put it in the agent's enrolment_token_file; the "
        "agent uses it once, on its first start.");
    create_->AddValue({.name = "--uses",
                       .value_name = "N",
                       .help = "How many hosts may use it: 1 to 1000000 (default: 1)."},
                      &uses_);
    create_->AddValue({.name = "--lifetime",
                       .value_name = "DURATION",
                       .help = "How long it is good for, e.g. 24h, 7d (default: 1h)."},
                      &lifetime_);
    create_->AddValues({.name = "--tag",
                        .value_name = "KEY=VALUE",
                        .help = "Label that the scheduler keeps for hosts that join with it."},
                       &tags_);
    create_->AddValues({.name = "--network",
                        .value_name = "CIDR",
                        .help = "Only hosts whose connections come from there, e.g. 10.0.0.0/8, "
                                "2001:db8::/32. Behind a proxy, its address counts."},
                       &networks_);
    create_->AddSwitch({.name = "--approval",
                        .help = "A host that comes with it waits until an operator lets it in "
                                "(dragnet enroll requests)."},
                       &approval_);
    create_->AddValue(
        {.name = "--note", .value_name = "TEXT", .help = "For people, to tell tokens apart."},
        &note_);
    create_->AddValue({.name = "--replaces",
                       .value_name = "AGENT",
                       .help = "For a host that was installed anew: it takes over this agent's "
                               "labels, and the old identity is revoked. One use. The agent's "
                               "name, if only one has it, or its id."},
                      &replaces_);
    AddOutputFlag(*create_, &output_);
  }

  absl::StatusOr<int> Create(Session& session) {
    v1::CreateEnrolmentTokenRequest request;
    DRAGNET_RETURN_IF_ERROR(Fill(&request));
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    std::string replaced;
    if (!replaces_.empty()) {
      // One that was revoked is found by its id only.
      if (IsUuid(replaces_)) {
        request.set_replaces_agent_id(replaces_);
      } else {
        DRAGNET_ASSIGN_OR_RETURN(const v1::AgentInfo agent, session.FindAgent(replaces_));
        request.set_replaces_agent_id(agent.facts().id());
      }
      replaced = StrCat(" Agent ", ForTerminal(request.replaces_agent_id()),
                        " is revoked when it is used.");
    }
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
    io.Say(StrCat("Token ", ForTerminal(response.token_id()), ", good for ", request.uses(),
                  request.uses() == 1 ? " host" : " hosts",
                  networks_.empty() ? "" : StrCat(" from ", absl::StrJoin(networks_, " or ")),
                  expires.ok() ? StrCat(" until ", LocalTime(*expires)) : "", ".", replaced,
                  approval_ ? " Each waits for dragnet enroll approve."
                            : " Who has it can join the fleet: keep it secret."));
    return kExitDone;
  }

  absl::Status Fill(v1::CreateEnrolmentTokenRequest* request) const {
    uint32_t uses;
    if (!absl::SimpleAtoi(uses_, &uses) || uses < 1 || uses > 1000000) {
      return absl::InvalidArgumentError(
          StrCat("enroll token create: --uses: \"", uses_, "\" is not a number from 1 to 1000000"));
    }
    if (!replaces_.empty() && uses != 1) {
      return absl::InvalidArgumentError(
          "enroll token create: --replaces: is for one host, without --uses");
    }
    request->set_uses(uses);
    const absl::StatusOr<absl::Duration> lifetime = ParseDuration(lifetime_);
    if (!lifetime.ok()) return Annotate(lifetime.status(), "enroll token create: --lifetime");
    if (*lifetime < absl::Seconds(1) || *lifetime > absl::Hours(366 * 24)) {
      return absl::InvalidArgumentError("enroll token create: --lifetime: must be from 1s to 366d");
    }
    *request->mutable_lifetime() = ToProtoDuration(*lifetime);
    for (const std::string& tag : tags_) {
      const size_t equals = tag.find('=');
      if (equals == std::string::npos || equals == 0) {
        return absl::InvalidArgumentError(
            StrCat("enroll token create: --tag: \"", tag, "\" is not of the form KEY=VALUE"));
      }
      (*request->mutable_tags())[tag.substr(0, equals)] = tag.substr(equals + 1);
    }
    // What is wrong with one, the scheduler says.
    for (const std::string& network : networks_) request->add_networks(network);
    request->set_needs_approval(approval_);
    request->set_note(note_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> List(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    v1::ListEnrolmentTokensRequest request;
    request.set_all(all_);
    DRAGNET_ASSIGN_OR_RETURN(const v1::ListEnrolmentTokensResponse response,
                             client->ListEnrolmentTokens(request));
    DRAGNET_RETURN_IF_ERROR(PrintList(
        response.tokens(),
        {{"token_id", "id"},
         {"uses_left", "left"},
         {"uses", "of"},
         {"expires", "expires"},
         {"networks", "networks"},
         {"needs_approval", "approval"},
         {"tags", "tags"},
         {"created_by", "created_by"},
         {"note", "note"},
         {"created", "created", true},
         {"replaces_agent_id", "replaces", !all_},
         {"revoked", "revoked", !all_}},
        output_, all_ ? "no rows: no tokens" : "no rows: no token lets anyone in; see --all",
        session.io()));
    if (response.more()) session.io().Say("There are older ones, which are not shown.");
    return kExitDone;
  }

  absl::StatusOr<int> Revoke(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string id, FullId(session));
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    v1::RevokeEnrolmentTokenRequest request;
    request.set_token_id(id);
    DRAGNET_ASSIGN_OR_RETURN(const v1::RevokeEnrolmentTokenResponse response,
                             client->RevokeEnrolmentToken(request));
    session.io().Say(StrCat("Revoked token ", id, ". ", response.uses_taken(),
                            response.uses_taken() == 1 ? " host has" : " hosts have",
                            " joined with it, and stay in the fleet."));
    return kExitDone;
  }

  // Of the one token whose id begins with what was given.
  absl::StatusOr<std::string> FullId(Session& session) {
    if (id_.empty() || id_.size() > 16 || !IsLowerHex(id_)) {
      return absl::InvalidArgumentError(
          StrCat("enroll token revoke: \"", id_,
                 "\" is not a token's id, of up to 16 hex digits (the token itself is none)"));
    }
    if (id_.size() == 16) return id_;
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    v1::ListEnrolmentTokensRequest request;
    request.set_all(true);
    DRAGNET_ASSIGN_OR_RETURN(const v1::ListEnrolmentTokensResponse response,
                             client->ListEnrolmentTokens(request));
    std::vector<std::string> matching;
    for (const v1::EnrolmentToken& token : response.tokens())
      if (token.token_id().starts_with(id_)) matching.push_back(ForTerminal(token.token_id()));
    if (matching.empty()) {
      return absl::NotFoundError(
          StrCat("token ", id_, ": there is none (see dragnet enroll token list --all)"));
    }
    if (matching.size() == 1) return matching.front();
    matching.resize(std::min<size_t>(matching.size(), 5));
    return absl::InvalidArgumentError(
        StrCat("token ", id_, ": several begin with it: ", absl::StrJoin(matching, ", ")));
  }

  CommandLine* create_ = nullptr;
  CommandLine* list_ = nullptr;
  CommandLine* revoke_ = nullptr;
  std::string uses_ = "1";
  std::string lifetime_ = "1h";
  std::vector<std::string> tags_;
  std::vector<std::string> networks_;
  bool approval_ = false;
  std::string note_;
  std::string replaces_;
  bool all_ = false;
  std::string id_;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<CommandPart> NewEnrollToken() { return std::make_unique<EnrollToken>(); }

}  // namespace dragnet::console
