#include "console/cli/agents_retire.h"

#include <algorithm>
#include <set>

#include "console/cli/exit_status.h"
#include "console/investigation/action_builder.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/text.h"
#include "core/uuid.h"
#include "modules/retire/retire.pb.h"

namespace dragnet::console {
namespace {

constexpr char kTimeToComeBack[] = "30d";

std::string Name(const v1::AgentInfo& agent) {
  return StrCat(ForTerminal(agent.facts().name()), " (", ForTerminal(agent.facts().id()), ")");
}

std::string LastSeen(const v1::AgentInfo& agent) {
  if (agent.state() == v1::AgentInfo::STATE_ONLINE) return "online";
  const absl::StatusOr<absl::Time> seen = ToTime(agent.last_seen());
  if (!agent.has_last_seen() || !seen.ok()) return "never seen";
  return StrCat("last seen ", absl::FormatTime("%Y-%m-%d %H:%M", *seen, absl::LocalTimeZone()));
}

// "id in ('…','…')": true of these alone, whatever else becomes of the fleet.
std::string TargetOf(const std::vector<v1::AgentInfo>& agents) {
  std::string ids;
  for (const v1::AgentInfo& agent : agents) {
    StrAppend(&ids, ids.empty() ? "" : ",", "'", agent.facts().id(), "'");
  }
  return StrCat("id in (", ids, ")");
}

// A fleet's first policy says nothing of it, so that one key can't take the fleet away.
// Only with a policy: without, whoever launches says what is wrong.
std::string WhyNobodyMay(std::string_view name, Session& session) {
  const absl::StatusOr<const TrustPolicy*> policy = session.policy();
  if (!policy.ok() || (*policy)->HasRuleFor(kRetireModule)) return "";
  return StrCat("Nobody may retire hosts: module retire has no rule in trust policy version ",
                (*policy)->version(),
                ". What it does can't be undone from afar, so the root keys say who may:\n"
                "  dragnet trust draft next.json\n"
                "  dragnet trust weight next.json retire --minimum 2 --of ",
                name, "=1 --of SOMEONE=1\n", "    (two people; for you alone: --minimum 1 --of ",
                name, "=1)\n",
                "  dragnet trust sign next.json --key root-1.key\n"
                "  dragnet trust publish next.json\n"
                "Hosts that are lost need no such rule: dragnet agents retire --lost.");
}

}  // namespace

void AgentsRetirement::Define(CommandLine& line) {
  line.SetDescription(
      "Each host's agent destroys its identity, trust policy, blobs, recurring actions and "
      "staged releases, answers, and never starts again; the package stays, for the host's "
      "package manager to remove. Signed with your key, which must have the weight of the module "
      "retire. A host that is offline does so when it comes back, until the action expires.");
  line.AddArguments(
      {.name = "AGENT", .help = "Its name, if only one has it, or its id.", .required = true},
      &agents_);
  line.AddValue({.name = "--reason",
                 .value_name = "TEXT",
                 .help = "For people: signed with it, and kept on the host."},
                &reason_);
  line.AddSwitch({.name = "--lost",
                  .help = "The hosts are gone, or in other hands: revoke their certificates at "
                          "once, and send them nothing. What is on their disks stays there."},
                 &lost_);
  line.AddValue(
      {.name = "--expires",
       .value_name = "DURATION",
       .help = StrCat("How long a host has to come back (default: ", kTimeToComeBack, ").")},
      &launch_.expires);
  line.AddSwitch({.name = "--wait", .help = "Wait for hosts that are offline, too."},
                 &launch_.wait);
  line.AddSwitch({.name = "--no-wait", .help = "Don't follow it: print the action's id."},
                 &launch_.no_wait);
  line.AddSwitch({.name = "--dry-run", .help = "Show what would be signed; sign nothing."},
                 &launch_.dry_run);
  line.AddSwitch(
      {.name = "--yes", .short_name = "-y", .help = "Don't ask; the hosts are shown all the same."},
      &launch_.yes);
}

absl::StatusOr<std::vector<v1::AgentInfo>> AgentsRetirement::Find(Session& session) const {
  std::vector<v1::AgentInfo> found;
  std::set<std::string> ids;
  for (const std::string& word : agents_) {
    DRAGNET_ASSIGN_OR_RETURN(v1::AgentInfo agent, session.FindAgent(word));
    const std::string& id = agent.facts().id();
    // It goes into a target: a scheduler must not write that.
    if (!IsUuid(id)) {
      return absl::DataLossError(
          StrCat("agent ", ForTerminal(word), ": the scheduler gives it no UUID for an id"));
    }
    if (agent.state() == v1::AgentInfo::STATE_REVOKED) {
      return absl::InvalidArgumentError(
          StrCat("agent ", Name(agent), ": is out of the fleet already"));
    }
    if (ids.insert(id).second) found.push_back(std::move(agent));
  }
  return found;
}

absl::StatusOr<int> AgentsRetirement::Run(Session& session) {
  Io& io = session.io();
  if (!launch_.dry_run) DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, launch_.yes));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<v1::AgentInfo> agents, Find(session));
  io.Say(lost_ ? "To revoke, as lost:" : "To retire:");
  for (const v1::AgentInfo& agent : agents) {
    io.Say(StrCat("  ", Name(agent), "  ", LastSeen(agent)));
  }
  io.Say("");
  return lost_ ? Revoke(agents, session) : Launch(agents, session);
}

absl::StatusOr<int> AgentsRetirement::Launch(const std::vector<v1::AgentInfo>& agents,
                                             Session& session) {
  v1::Action action;
  action.set_target(TargetOf(agents));
  if (action.target().size() > kMaxTargetBytes) {
    return absl::InvalidArgumentError(
        StrCat(agents.size(), " agents are too many for one action; retire 100 at a time"));
  }
  action.set_name(agents.size() == 1 ? Shorten(StrCat("retire ", Name(agents[0])), kMaxActionName)
                                     : StrCat("retire ", agents.size(), " hosts"));
  action.set_description(reason_);
  retire::v1::RetireParameters parameters;
  for (const v1::AgentInfo& agent : agents) parameters.add_agent_ids(agent.facts().id());
  v1::Operation* operation = action.add_operations();
  operation->set_module(std::string(kRetireModule));
  operation->set_parameters(parameters.SerializeAsString());
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  if (const std::string why = WhyNobodyMay(config->name, session); !why.empty()) {
    session.io().Say(why);
    return kExitRefused;
  }
  if (!launch_.expires.has_value()) launch_.expires = kTimeToComeBack;
  DRAGNET_ASSIGN_OR_RETURN(const auto lifetime, launch_.Lifetime());
  DRAGNET_RETURN_IF_ERROR(CompleteAction(config->fleet_id, session.now(), lifetime,
                                         session.modules(), session.blobs(), &action));
  return LaunchAction(action, launch_, session);
}

absl::StatusOr<int> AgentsRetirement::Revoke(const std::vector<v1::AgentInfo>& agents,
                                             Session& session) const {
  Io& io = session.io();
  io.Say(
      "Their certificates are refused from now on. Nothing is destroyed on them: whoever has such "
      "a disk still has its key, which opens nothing any more, its trust policy, and results that "
      "were not sent. A host that turns up again must be enrolled anew.");
  if (launch_.dry_run) return kExitDone;
  if (!launch_.yes) {
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, "Revoke?"));
    if (!agreed) {
      io.Say("Nothing was revoked.");
      return kExitBadInput;
    }
  }
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  for (const v1::AgentInfo& agent : agents) {
    v1::RevokeRequest request;
    request.set_agent_id(agent.facts().id());
    const absl::StatusOr<v1::RevokeResponse> response = client->Revoke(request);
    if (!response.ok()) return Annotate(response.status(), StrCat("revoke ", Name(agent)));
    io.Say(StrCat("Revoked ", Name(agent), ": ", response->certificates(), " certificates, ",
                  response->streams(), " streams closed."));
  }
  return kExitDone;
}

}  // namespace dragnet::console
