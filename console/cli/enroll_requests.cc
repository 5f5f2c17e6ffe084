// `dragnet enroll requests`, `approve` and `deny`: hosts that wait to be let in.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "console/cli/enroll_command.h"
#include "console/cli/exit_status.h"
#include "console/cli/launch.h"
#include "console/cli/list_output.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr char kHostHelp[] =
    "Its agent's id, a unique beginning or end of it, or its name, if only one that waits has it.";

std::string WordsOf(const v1::EnrolmentRequest& request) {
  const v1::Facts& facts = request.facts();
  return StrCat("  name     ", ForTerminal(facts.name()), "\n",        //
                "  agent    ", ForTerminal(request.agent_id()), "\n",  //
                "  address  ", ForTerminal(request.address()), "\n",   //
                "  system   ", ForTerminal(facts.os()), " ", ForTerminal(facts.distribution()), " ",
                ForTerminal(facts.distribution_version()), " ", ForTerminal(facts.arch()), "\n",
                "  token    ", ForTerminal(request.token_id()), "\n",  //
                "  key      ", ForTerminal(request.key_sha256()));
}

class EnrollRequests : public CommandPart {
 public:
  void Define(CommandLine& enroll) override {
    requests_ = enroll.AddSubcommand("requests", "Hosts that wait to be let in");
    requests_->SetDescription(
        "Those that came with a token made with --approval, the longest waiting first. All but "
        "address and key is what a host says of itself.");
    AddOutputFlag(*requests_, &output_);
    approve_ = enroll.AddSubcommand("approve", "Let a host in");
    approve_->SetDescription(
        "The host joins when it asks again, within two minutes. Compare the key with what the "
        "host says (docs/enrolment.md): another one that asks under the same id isn't let in.");
    deny_ = enroll.AddSubcommand("deny", "Don't let a host in");
    deny_->SetDescription(
        "It asks again after an hour or so, and is refused while its token lasts.");
    for (CommandLine* decide : {approve_, deny_}) {
      decide->AddArgument({.name = "AGENT", .help = kHostHelp, .required = true}, &agent_);
      decide->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
    }
  }

  bool Has(const CommandLine* chosen) const override {
    return chosen == requests_ || chosen == approve_ || chosen == deny_;
  }

  absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) override {
    if (chosen == requests_) return List(session);
    return Decide(chosen == approve_, session);
  }

 private:
  static absl::StatusOr<v1::ListEnrolmentRequestsResponse> Ask(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    return client->ListEnrolmentRequests(v1::ListEnrolmentRequestsRequest());
  }

  absl::StatusOr<int> List(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::ListEnrolmentRequestsResponse response, Ask(session));
    DRAGNET_RETURN_IF_ERROR(PrintList(response.requests(),
                                      {{"facts.name", "name"},
                                       {"agent_id", "id"},
                                       {"address", "address"},
                                       {"facts.distribution", "distribution"},
                                       {"asked", "asked"},
                                       {"key_sha256", "key_sha256"},
                                       {"token_id", "token", true},
                                       {"facts.os", "os", true},
                                       {"facts.distribution_version", "release", true},
                                       {"facts.kernel", "kernel", true},
                                       {"facts.arch", "arch", true},
                                       {"facts.version", "version", true},
                                       {"facts.tags", "tags", true},
                                       {"facts.addresses", "addresses", true}},
                                      output_, "no rows: no host waits to be let in",
                                      session.io()));
    const auto shown = static_cast<uint64_t>(response.requests_size());
    if (response.total() > shown)
      session.io().Say(StrCat(response.total() - shown, " more wait, which are not shown."));
    return kExitDone;
  }

  absl::StatusOr<v1::EnrolmentRequest> Find(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::ListEnrolmentRequestsResponse response, Ask(session));
    std::vector<const v1::EnrolmentRequest*> matching;
    for (const v1::EnrolmentRequest& request : response.requests()) {
      if (request.agent_id() == agent_) return request;
      if (request.agent_id().starts_with(agent_) || request.agent_id().ends_with(agent_) ||
          request.facts().name() == agent_)
        matching.push_back(&request);
    }
    if (matching.size() == 1) return *matching.front();
    if (matching.empty()) {
      return absl::NotFoundError(StrCat("agent ", ForTerminal(agent_),
                                        ": no such host waits (see dragnet enroll requests)"));
    }
    std::vector<std::string> ids;
    for (const v1::EnrolmentRequest* request : matching)
      if (ids.size() < 5) ids.push_back(ForTerminal(request->agent_id()));
    return absl::InvalidArgumentError(
        StrCat("agent ", ForTerminal(agent_), ": ", matching.size(),
               " hosts that wait match it; give the id: ", absl::StrJoin(ids, ", ")));
  }

  absl::StatusOr<int> Decide(bool approve, Session& session) {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    if (agent_.empty()) return absl::InvalidArgumentError("AGENT: give an id or a name");
    DRAGNET_ASSIGN_OR_RETURN(const v1::EnrolmentRequest request, Find(session));
    if (!yes_) {
      io.Say(WordsOf(request));
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed,
                               Confirm(io, approve ? "Let this host into the fleet?"
                                                   : "Refuse this host while its token lasts?"));
      if (!agreed) return kExitBadInput;
    }
    v1::DecideEnrolmentRequest decision;
    decision.set_agent_id(request.agent_id());
    decision.set_key_sha256(request.key_sha256());
    decision.set_approve(approve);
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_RETURN_IF_ERROR(client->DecideEnrolment(decision).status());
    const std::string who =
        StrCat(ForTerminal(request.facts().name()), " (", ForTerminal(request.agent_id()), ")");
    io.Say(approve ? StrCat("Let in: ", who, ". It joins when it asks again, within two minutes.")
                   : StrCat("Not let in: ", who, "."));
    return kExitDone;
  }

  CommandLine* requests_ = nullptr;
  CommandLine* approve_ = nullptr;
  CommandLine* deny_ = nullptr;
  std::string agent_;
  bool yes_ = false;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<CommandPart> NewEnrollRequests() { return std::make_unique<EnrollRequests>(); }

}  // namespace dragnet::console
