// `dragnet actions` and `dragnet actions show ACTION`.
#include <algorithm>
#include <utility>

#include "console/cli/command.h"
#include "console/cli/launch.h"
#include "console/cli/list_output.h"
#include "console/form/describe.h"
#include "console/form/values.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/investigation/verification.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

std::string ProgressWords(const v1::Progress& progress) {
  return StrCat(progress.targeted(), " targeted, ", progress.found(), " found, ", progress.clean(),
                " clean, ", progress.incomplete(), " incomplete, ", progress.refused(),
                " refused, ", progress.waiting() + progress.sent() + progress.running(),
                " pending, ", progress.never_sent(), " never sent; ", progress.rows(), " rows");
}

std::string LaunchedWords(const v1::ActionInfo& info) {
  const absl::StatusOr<absl::Time> at = ToTime(info.launched_at());
  return StrCat("by ", info.launched_by(), at.ok() ? StrCat(" at ", LocalTime(*at)) : "",
                info.cancelled() ? " (cancelled)" : "");
}

std::string DayWords(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? absl::FormatTime("%Y-%m-%d", *time, absl::UTCTimeZone()) : "unknown";
}

std::string KeptWords(const v1::ActionInfo& info) {
  if (info.has_results_removed_at())
    return StrCat("removed on ", DayWords(info.results_removed_at()), " by retention");
  if (info.has_keep_until()) return StrCat("kept until ", DayWords(info.keep_until()));
  return "kept as the scheduler's rules say";
}

std::string TimeMember(std::string_view name, bool set,
                       const google::protobuf::Timestamp& timestamp) {
  return set ? StrCat(",\"", name, "\":", MessageToJson(timestamp)) : "";
}

std::string PhaseText(const v1::ActionInfo& info) {
  return StrCat(PhaseWord(info.phase()), info.phase_reason().empty() ? "" : ": ",
                info.phase_reason());
}

// One object, for programs.
std::string ShowAsJson(const v1::ActionInfo& info, const ActionVerification& verification,
                       const ModuleCatalog& modules) {
  std::string signers;
  for (const std::string& signer : verification.signers) {
    StrAppend(&signers, signers.empty() ? "" : ",", SafeJsonString(signer));
  }
  return StrCat(
      "{\"action\":", ActionToJson(verification.action, modules), ",\"signers\":[", signers,
      "],\"authorized\":", verification.authorized() ? "true" : "false",
      ",\"launchedBy\":", SafeJsonString(info.launched_by()),
      ",\"launchedAt\":", MessageToJson(info.launched_at()),
      ",\"cancelled\":", info.cancelled() ? "true" : "false",
      ",\"phase\":", SafeJsonString(PhaseWord(info.phase())),
      ",\"phaseReason\":", SafeJsonString(info.phase_reason()),
      TimeMember("keepUntil", info.has_keep_until(), info.keep_until()),
      TimeMember("resultsRemovedAt", info.has_results_removed_at(), info.results_removed_at()),
      ",\"progress\":", MessageToJson(info.progress()), "}");
}

class ActionsCommand : public Command {
 public:
  std::string name() const override { return "actions"; }
  std::string summary() const override { return "List actions; show one and who signed it"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.AddValue({.name = "--limit",
                   .short_name = "-n",
                   .value_name = "N",
                   .help = "How many, newest first: at most 1000 (default: 50)."},
                  &limit_);
    AddOutputFlag(line, &output_);
    show_ = line.AddSubcommand("show", "The document that was signed, who signed it, how it goes");
    show_->AddArgument({.name = "ACTION",
                        .help = "Its id, a unique beginning or end of it, or \"last\".",
                        .required = true},
                       &action_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine& line, Session& session) override {
    return line.chosen() == show_ ? Show(session) : List(session);
  }

 private:
  absl::StatusOr<int> List(Session& session) {
    const absl::StatusOr<uint64_t> limit = ParseSize(limit_);
    if (!limit.ok() || *limit < 1 || *limit > 1000) {
      return absl::InvalidArgumentError(
          StrCat("actions: --limit: \"", limit_, "\" is not a number from 1 to 1000"));
    }
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    v1::ListActionsRequest request;
    request.set_page_size(static_cast<uint32_t>(*limit));
    DRAGNET_ASSIGN_OR_RETURN(v1::ListActionsResponse response, client->ListActions(request));
    DRAGNET_RETURN_IF_ERROR(AddProposals(static_cast<int>(*limit), *client, &response));
    DRAGNET_RETURN_IF_ERROR(PrintList(response.actions(),
                                      {{"action_id", "id"},
                                       {"launched_at", "launched"},
                                       {"launched_by", "by"},
                                       {"phase", "phase"},
                                       {"phase_reason", "phase_reason", true},
                                       {"signed_by", "signed_by", true},
                                       {"expires", "expires", true},
                                       {"cancelled", "cancelled", true},
                                       {"progress.targeted", "targeted"},
                                       {"progress.found", "found"},
                                       {"progress.clean", "clean"},
                                       {"progress.incomplete", "incomplete"},
                                       {"progress.refused", "refused"},
                                       {"progress.waiting", "waiting"},
                                       {"progress.rows", "rows"},
                                       {"name", "name"}},
                                      output_, "no rows: no actions yet", session.io()));
    return kExitDone;
  }

  // Those that were not launched, among the others by their time.
  static absl::Status AddProposals(int limit, Client& client, v1::ListActionsResponse* response) {
    v1::ListProposalsRequest request;
    request.set_with_closed(true);
    const absl::StatusOr<v1::ListProposalsResponse> proposals = client.ListProposals(request);
    // An older scheduler has none.
    if (absl::IsUnimplemented(proposals.status())) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(proposals.status());
    for (const v1::Proposal& proposal : proposals->proposals()) {
      if (proposal.state() == v1::Proposal::STATE_LAUNCHED) continue;
      v1::ActionInfo& info = *response->add_actions();
      info.set_action_id(proposal.action_id());
      info.set_envelope(proposal.envelope());
      info.set_launched_by(proposal.proposed_by());
      *info.mutable_launched_at() = proposal.proposed_at();
      *info.mutable_expires() = proposal.expires();
      *info.mutable_signed_by() = proposal.signed_by();
      info.set_phase(proposal.state() == v1::Proposal::STATE_OPEN      ? v1::DISPATCH_PHASE_PROPOSED
                     : proposal.state() == v1::Proposal::STATE_REFUSED ? v1::DISPATCH_PHASE_REFUSED
                                                                       : v1::DISPATCH_PHASE_ENDED);
      const absl::StatusOr<v1::Action> action = DecodeAction(proposal.envelope());
      // A large one isn't in the list.
      info.set_name(action.ok() ? action->name() : "(dragnet actions show)");
    }
    std::stable_sort(response->mutable_actions()->begin(), response->mutable_actions()->end(),
                     [](const v1::ActionInfo& a, const v1::ActionInfo& b) {
                       return std::pair(a.launched_at().seconds(), a.launched_at().nanos()) >
                              std::pair(b.launched_at().seconds(), b.launched_at().nanos());
                     });
    if (response->actions_size() > limit)
      response->mutable_actions()->DeleteSubrange(limit, response->actions_size() - limit);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Show(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    const absl::StatusOr<ActionVerification> verification =
        VerifyAction(info.envelope(), *policy, session.modules(), session.now());
    if (!verification.ok()) {
      return Annotate(verification.status(), StrCat("action ", info.action_id(), " as stored"));
    }
    Sink& out = *session.io().out;
    if (output_ == "table") {
      out.Write(DescribeAction(verification->action,
                               {{"Launched", LaunchedWords(info)},
                                {"Phase", PhaseText(info)},
                                {"Progress", ProgressWords(info.progress())},
                                {"Results", KeptWords(info)}},
                               session.modules()));
      out.Write(StrCat("\n", DescribeVerification(*verification, *policy)));
    } else if (output_ == "csv") {
      return absl::InvalidArgumentError("actions show: --output csv: give table, json or jsonl");
    } else {
      const std::string json = ShowAsJson(info, *verification, session.modules());
      out.Write(StrCat(output_ == "json" ? IndentJson(json) : json, "\n"));
    }
    if (verification->authorized()) return kExitDone;
    session.io().Say("warning: this action is not signed by enough weight: agents refuse it");
    return kExitCheckFailed;
  }

  std::string limit_ = "50";
  std::string output_ = "table";
  std::string action_;
  CommandLine* show_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> NewActionsCommand() { return std::make_unique<ActionsCommand>(); }

}  // namespace dragnet::console
