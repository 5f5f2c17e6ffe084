// `dragnet trust agents`: which agents have which policy; `dragnet trust revoke`.
#include <algorithm>
#include <functional>
#include <map>

#include "console/cli/exit_status.h"
#include "console/cli/launch.h"
#include "console/cli/list_output.h"
#include "console/cli/trust_command.h"
#include "console/output/text_width.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// Of those behind, when nobody asked for all.
constexpr size_t kShown = 20;

struct Held {
  uint64_t agents = 0;
  uint64_t online = 0;
};

// Newest first.
using Histogram = std::map<uint64_t, Held, std::greater<>>;

struct Fleet {
  Histogram versions;
  uint64_t revoked = 0;
  // In the order of the scheduler: by name.
  std::vector<v1::AgentInfo> behind;
};

std::string RightAligned(uint64_t number) {
  const std::string digits = StrCat(number);
  return StrCat(std::string(digits.size() < 10 ? 10 - digits.size() : 1, ' '), digits);
}

std::string HistogramText(const Histogram& versions, uint64_t newest) {
  std::string text = "VERSION     AGENTS    ONLINE\n";
  for (const auto& [version, held] : versions) {
    const std::string word = version == 0 ? "none" : StrCat(version);
    StrAppend(&text, PadRight(word, 8), RightAligned(held.agents), RightAligned(held.online),
              version == newest ? "  newest" : "", "\n");
  }
  return text;
}

class TrustAgents : public CommandPart {
 public:
  void Define(CommandLine& trust) override {
    agents_ = trust.AddSubcommand("agents", "Which agents have which version of the policy");
    agents_->SetDescription(
        "How many agents have each version, by what they told the scheduler last, then those that "
        "don't have the newest yet. Exit status 3 while there are any. Revoked agents aren't "
        "counted.");
    agents_->AddSwitch({.name = "--behind",
                        .help = "Only those that don't have the newest version, and all of them."},
                       &behind_);
    AddOutputFlag(*agents_, &output_);

    revoke_ = trust.AddSubcommand("revoke", "Revoke an investigator's TLS certificates");
    revoke_->SetDescription(
        "All certificates that the fleet's CA issued for this name are refused from now on, and "
        "open connections close. Signing keys are another matter: dragnet trust remove or key "
        "takes those out of the policy. A new certificate can be issued afterwards.");
    revoke_->AddArgument({.name = "NAME", .help = "The investigator.", .required = true}, &name_);
    revoke_->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
  }

  bool Has(const CommandLine* chosen) const override {
    return chosen == agents_ || chosen == revoke_;
  }

  absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) override {
    if (chosen == revoke_) return Revoke(session);
    if (!behind_ && output_ != "table") {
      return absl::InvalidArgumentError(
          StrCat("trust agents --output ", output_, ": takes --behind (or dragnet agents --output ",
                 output_, ", where every agent has its policy's version)"));
    }
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const Fleet fleet, Ask(policy->version(), *client));
    Io& io = session.io();
    if (!behind_) {
      io.out->Write(HistogramText(fleet.versions, policy->version()));
      if (fleet.revoked > 0) io.Say(StrCat(fleet.revoked, " revoked agents aren't counted."));
    }
    if (fleet.versions.empty()) {
      io.Say("There are no agents.");
      return kExitDone;
    }
    if (fleet.behind.empty()) {
      io.Say(StrCat("Every agent has version ", policy->version(), "."));
      return kExitDone;
    }
    DRAGNET_RETURN_IF_ERROR(List(fleet.behind, io));
    return kExitIncomplete;
  }

 private:
  static absl::StatusOr<Fleet> Ask(uint64_t newest, Client& client) {
    Fleet fleet;
    v1::SearchAgentsRequest request;
    request.set_page_size(1000);
    while (true) {
      DRAGNET_ASSIGN_OR_RETURN(v1::SearchAgentsResponse page, client.SearchAgents(request));
      for (v1::AgentInfo& agent : *page.mutable_agents()) {
        if (agent.state() == v1::AgentInfo::STATE_REVOKED) {
          ++fleet.revoked;
          continue;
        }
        Held& held = fleet.versions[agent.trust_policy_version()];
        ++held.agents;
        held.online += agent.state() == v1::AgentInfo::STATE_ONLINE ? 1 : 0;
        if (agent.trust_policy_version() < newest) fleet.behind.push_back(std::move(agent));
      }
      // A page that brings nothing new would go on for ever.
      if (page.next_page_token().empty() || page.agents().empty()) return fleet;
      request.set_page_token(page.next_page_token());
    }
  }

  absl::Status List(const std::vector<v1::AgentInfo>& behind, Io& io) const {
    const size_t shown = behind_ ? behind.size() : std::min(behind.size(), kShown);
    const std::vector<v1::AgentInfo> some(behind.begin(),
                                          behind.begin() + static_cast<std::ptrdiff_t>(shown));
    if (!behind_) io.out->Write("\nBehind\n");
    DRAGNET_RETURN_IF_ERROR(PrintList(some,
                                      {{"facts.name", "name"},
                                       {"facts.id", "id"},
                                       {"trust_policy_version", "policy"},
                                       {"state", "state"},
                                       {"last_seen", "last_seen"}},
                                      output_, "", io));
    if (shown < behind.size()) {
      io.Say(StrCat("and ", behind.size() - shown, " more: dragnet trust agents --behind"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int> Revoke(Session& session) {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    if (!IsInvestigatorName(name_)) {
      return absl::InvalidArgumentError("trust revoke NAME: not an investigator's name");
    }
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed,
                               Confirm(io, StrCat("Revoke all TLS certificates of ", name_, "?")));
      if (!agreed) return kExitBadInput;
    }
    v1::RevokeRequest request;
    request.set_investigator(name_);
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::RevokeResponse response, client->Revoke(request));
    io.Say(StrCat("Revoked ", name_, ": ", response.certificates(), " certificates, ",
                  response.streams(), " streams closed."));
    return kExitDone;
  }

  CommandLine* agents_ = nullptr;
  CommandLine* revoke_ = nullptr;
  bool behind_ = false;
  std::string output_ = "table";
  std::string name_;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<CommandPart> NewTrustAgents() { return std::make_unique<TrustAgents>(); }

}  // namespace dragnet::console
