// `dragnet agents`, `dragnet agents refusals`, `dragnet agents revoke`, `dragnet agents
// retire`, and `dragnet refusals` as a shorter way.
#include <set>

#include "console/cli/agents_retire.h"
#include "console/cli/command.h"
#include "console/cli/launch.h"
#include "console/cli/list_output.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr char kAgentHelp[] = "Its name, if only one has it, or its id.";

std::vector<ListColumn> AgentColumns(bool all) {
  return {{"facts.name", "name"},
          {"facts.id", "id"},
          {"facts.os", "os"},
          {"facts.version", "version"},
          {"state", "state"},
          {"last_seen", "last_seen"},
          {"facts.distribution", "distribution", !all},
          {"facts.distribution_version", "release", !all},
          {"facts.kernel", "kernel", !all},
          {"facts.arch", "arch", !all},
          {"facts.tags", "tags", !all},
          {"facts.addresses", "addresses", !all},
          {"clock_offset", "clock_offset", !all},
          {"trust_policy_version", "policy", !all},
          {"enrolled_at", "enrolled_at", !all},
          {"missing_walls", "missing_walls", !all},
          {"limits", "limits", true},
          {"same_identity", "same_identity", !all},
          {"same_host", "same_host", !all}};
}

absl::StatusOr<std::vector<v1::AgentInfo>> AllAgents(const std::string& target, Client& client) {
  std::vector<v1::AgentInfo> agents;
  v1::SearchAgentsRequest request;
  request.set_target(target);
  request.set_page_size(1000);
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(v1::SearchAgentsResponse page, client.SearchAgents(request));
    for (v1::AgentInfo& agent : *page.mutable_agents()) agents.push_back(std::move(agent));
    // A page that brings nothing new would go on for ever.
    if (page.next_page_token().empty() || page.agents().empty()) return agents;
    request.set_page_token(page.next_page_token());
  }
}

// One line for each host that several agents say they are: what they say is all there is
// to go by.
void SaySameHosts(const std::vector<v1::AgentInfo>& agents, Io& io) {
  constexpr int kMostSaid = 5;
  std::set<std::string> said;
  int hosts = 0;
  for (const v1::AgentInfo& agent : agents) {
    if (agent.same_host().empty() || said.contains(agent.facts().id())) continue;
    std::string ids = ForTerminal(agent.facts().id());
    for (const std::string& id : agent.same_host()) {
      said.insert(id);
      StrAppend(&ids, ", ", ForTerminal(id));
    }
    if (++hosts <= kMostSaid)
      io.Say(StrCat("Agents ", ids, " say they are the same host, by name or machine_id (",
                    ForTerminal(agent.facts().name()), ")."));
  }
  if (hosts > kMostSaid)
    io.Say(StrCat("And ", hosts - kMostSaid, " more such hosts: same_host with --output json."));
  if (hosts > 0)
    io.Say(
        "Was it installed anew? Retire the old agent: dragnet agents retire ID. Is it a clone? "
        "See docs/enrolment.md.");
}

absl::StatusOr<int> ShowRefusals(const std::string& word, const std::string& output,
                                 Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  DRAGNET_ASSIGN_OR_RETURN(const v1::AgentInfo agent, session.FindAgent(word));
  v1::ListRefusalsRequest request;
  request.set_agent_id(agent.facts().id());
  request.set_page_size(1000);
  DRAGNET_ASSIGN_OR_RETURN(const v1::ListRefusalsResponse response, client->ListRefusals(request));
  DRAGNET_RETURN_IF_ERROR(PrintList(response.refusals(),
                                    {{"refusal.refused_at", "refused_at"},
                                     {"refusal.reason", "reason"},
                                     {"action_id", "action"},
                                     {"refusal.detail", "detail"},
                                     {"refusal.envelope_sha256", "envelope_sha256", true}},
                                    output, "no rows: this agent refused nothing", session.io()));
  return kExitDone;
}

class AgentsCommand : public Command {
 public:
  std::string name() const override { return "agents"; }
  std::string summary() const override {
    return "List agents; retire or revoke them; see what one refused";
  }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.AddValue({.name = "--target",
                   .short_name = "-t",
                   .value_name = "EXPR",
                   .help = "Only those for which this condition over their facts is true, e.g. "
                           "\"os='linux' and name like 'web-%'\"."},
                  &target_);
    line.AddSwitch({.name = "--long",
                    .short_name = "-l",
                    .help = "Also distribution, kernel, tags, addresses, clock offset, trust "
                            "policy version and the walls that are missing."},
                   &long_);
    line.AddSwitch(
        {.name = "--all", .short_name = "-a", .help = "Also those that were retired or revoked."},
        &all_);
    AddOutputFlag(line, &output_);
    refusals_ = line.AddSubcommand("refusals", "What an agent refused to obey, and why");
    refusals_->AddArgument({.name = "AGENT", .help = kAgentHelp, .required = true}, &agent_);
    revoke_ = line.AddSubcommand("revoke", "Revoke an agent's certificates and close its streams");
    revoke_->AddArgument({.name = "AGENT", .help = kAgentHelp, .required = true}, &agent_);
    revoke_->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
    retire_ = line.AddSubcommand("retire", "Take hosts out of the fleet for good");
    retirement_.Define(*retire_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine& line, Session& session) override {
    if (line.chosen() == retire_) return retirement_.Run(session);
    if (line.chosen() == refusals_) return ShowRefusals(agent_, output_, session);
    if (line.chosen() == revoke_) return Revoke(session);
    if (!target_.empty()) {
      DRAGNET_RETURN_IF_ERROR(Annotate(ValidateTarget(target_), "--target"));
    }
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(std::vector<v1::AgentInfo> agents, AllAgents(target_, *client));
    size_t gone = 0;
    if (!all_) {
      gone = std::erase_if(agents, [](const v1::AgentInfo& agent) {
        return agent.state() == v1::AgentInfo::STATE_REVOKED;
      });
    }
    DRAGNET_RETURN_IF_ERROR(
        PrintList(agents, AgentColumns(long_), output_, "no rows: no such agents", session.io()));
    if (output_ == "table") SaySameHosts(agents, session.io());
    if (gone > 0) {
      session.io().Say(StrCat(gone, gone == 1 ? " more was" : " more were",
                              " retired or revoked (--all shows them)"));
    }
    return kExitDone;
  }

 private:
  absl::StatusOr<int> Revoke(Session& session) {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::AgentInfo agent, session.FindAgent(agent_));
    const std::string who =
        StrCat(ForTerminal(agent.facts().name()), " (", ForTerminal(agent.facts().id()), ")");
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(
          const bool agreed,
          Confirm(io, StrCat("Revoke ", who, "? It must be enrolled anew to come back.")));
      if (!agreed) return kExitBadInput;
    }
    v1::RevokeRequest request;
    request.set_agent_id(agent.facts().id());
    DRAGNET_ASSIGN_OR_RETURN(const v1::RevokeResponse response, client->Revoke(request));
    io.Say(StrCat("Revoked ", who, ": ", response.certificates(), " certificates, ",
                  response.streams(), " streams closed."));
    return kExitDone;
  }

  std::string target_;
  bool long_ = false;
  bool all_ = false;
  bool yes_ = false;
  std::string output_ = "table";
  std::string agent_;
  AgentsRetirement retirement_;
  CommandLine* retire_ = nullptr;
  CommandLine* refusals_ = nullptr;
  CommandLine* revoke_ = nullptr;
};

class RefusalsCommand : public Command {
 public:
  std::string name() const override { return "refusals"; }
  std::string summary() const override { return "What an agent refused to obey, and why"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.AddArgument({.name = "AGENT", .help = kAgentHelp, .required = true}, &agent_);
    AddOutputFlag(line, &output_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    return ShowRefusals(agent_, output_, session);
  }

 private:
  std::string agent_;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<Command> NewAgentsCommand() { return std::make_unique<AgentsCommand>(); }
std::unique_ptr<Command> NewRefusalsCommand() { return std::make_unique<RefusalsCommand>(); }

}  // namespace dragnet::console
