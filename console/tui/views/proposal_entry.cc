#include "console/tui/views/proposal_entry.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "console/investigation/lookup.h"
#include "console/investigation/verification.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr std::string_view kNoSigner =
    "no one in the trust policy signed this: don't trust this scheduler";

// "memory 1/2": of each module whose weight isn't there.
std::string MissingOf(const v1::Action& action, const std::set<std::string>& signers,
                      const TrustPolicy& policy, const ModuleCatalog& modules) {
  std::set<std::string> seen;
  std::vector<std::string> parts;
  for (const v1::Operation& operation : action.operations()) {
    for (const std::string& module : modules.WeightsNeededBy(operation)) {
      if (!seen.insert(module).second || policy.CheckWeight(module, signers).ok()) continue;
      uint64_t weight = 0;
      uint64_t minimum = 0;
      for (const v1::ModulePolicy& rule : policy.proto().modules()) {
        if (rule.module() != module) continue;
        minimum = rule.minimum_weight();
        for (const v1::Weight& entry : rule.weights())
          if (signers.contains(entry.investigator())) weight += entry.weight();
      }
      parts.push_back(minimum == 0 ? StrCat(module, ": no rule")
                                   : StrCat(module, " ", weight, "/", minimum));
    }
  }
  return absl::StrJoin(parts, ", ");
}

// A list leaves out the documents that don't fit into it.
absl::Status Complete(v1::Proposal* proposal, Client& client) {
  if (!proposal->envelope().empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info,
                           FindActionById(proposal->action_id(), client));
  proposal->set_envelope(info.envelope());
  if (info.phase() == v1::DISPATCH_PHASE_REFUSED && info.orders_size() == 1)
    proposal->set_refusal(info.orders(0));
  return absl::OkStatus();
}

std::string FateOf(const ProposalEntry& entry, const TrustPolicy& policy,
                   const ModuleCatalog& modules) {
  switch (entry.proposal.state()) {
    case v1::Proposal::STATE_LAUNCHED:
      return StrCat("launched, signed by ", absl::StrJoin(entry.signers, ", "));
    case v1::Proposal::STATE_EXPIRED:
      return "expired before enough people had signed it";
    case v1::Proposal::STATE_REFUSED:
      break;
    default:
      return "";
  }
  google::protobuf::RepeatedPtrField<std::string> orders;
  *orders.Add() = entry.proposal.refusal();
  // "Order       cancelled by carol: wrong host (…)".
  std::string line = DescribeOrders(orders, entry.action, policy, modules);
  line = line.substr(std::min(line.size(), line.find("  ")));
  absl::StripAsciiWhitespace(&line);
  if (line.starts_with("not valid"))
    return StrCat("the scheduler says that it was refused, but the order is ", line,
                  ": don't trust this scheduler");
  return StrCat("refused: ", line);
}

}  // namespace

std::string ProposalEntry::name() const {
  return action.name().empty() ? StrCat("(unreadable) ", proposal.action_id()) : action.name();
}

std::string ProposalEntry::modules() const {
  std::vector<std::string> names;
  for (const v1::Operation& operation : action.operations()) names.push_back(operation.module());
  return absl::StrJoin(names, ", ");
}

absl::Time ProposalEntry::expires() const {
  const absl::StatusOr<absl::Time> time = ToTime(action.expires());
  return time.ok() ? *time : absl::InfinitePast();
}

ProposalEntry Examine(v1::Proposal proposal, const TrustPolicy* policy,
                      const ModuleCatalog& modules, absl::Time now, Client& client) {
  ProposalEntry entry;
  const absl::Status complete = Complete(&proposal, client);
  entry.proposal = std::move(proposal);
  if (!complete.ok()) {
    entry.distrust = StrCat("its document can't be had: ", complete.message());
    return entry;
  }
  absl::StatusOr<v1::Action> action = DecodeAction(entry.proposal.envelope());
  if (!action.ok()) {
    entry.distrust = StrCat("not a document that could be signed: ", action.status().message());
    return entry;
  }
  entry.action = *std::move(action);
  if (entry.action.id() != entry.id()) {
    entry.distrust = StrCat("the scheduler gave the document of another action, ",
                            entry.action.id(), ": don't trust this scheduler");
    return entry;
  }
  if (policy == nullptr) {
    entry.distrust = "there is no verified trust policy: who signed this is not known";
    return entry;
  }
  const absl::StatusOr<ActionVerification> verified =
      VerifyAction(entry.proposal.envelope(), *policy, modules, now);
  if (!verified.ok()) {
    entry.distrust = std::string(verified.status().message());
    return entry;
  }
  entry.signers = verified->signers;
  entry.problems = verified->problems;
  entry.need = NeedOf(entry.action, entry.signers, *policy, modules, "has");
  entry.missing = MissingOf(entry.action, entry.signers, *policy, modules);
  if (entry.signers.empty()) {
    entry.distrust = kNoSigner;
  } else {
    entry.distrust = ToStd(CheckReadable(entry.action, modules).message());
  }
  entry.fate = FateOf(entry, *policy, modules);
  return entry;
}

std::string WhyNotSign(const ProposalEntry& entry, const std::string& name,
                       const TrustPolicy* policy, const ModuleCatalog& modules, absl::Time now,
                       bool* launches) {
  *launches = false;
  if (!entry.open()) return StrCat("it waits for no signature: ", entry.fate);
  if (!entry.distrust.empty()) return entry.distrust;
  if (policy == nullptr) return "there is no verified trust policy";
  if (!entry.problems.empty()) return absl::StrJoin(entry.problems, "; ");
  if (now >= entry.expires()) return "it has expired";
  const SignatureNeed mine = NeedOf(entry.action, {name}, *policy, modules, "your signature gives");
  if (mine.impossible) return mine.words;
  if (!mine.has_a_say) return StrCat("you have no weight for what it runs: ", mine.words);
  std::set<std::string> then = entry.signers;
  then.insert(name);
  const SignatureNeed all = NeedOf(entry.action, then, *policy, modules, "has");
  *launches = all.enough;
  if (entry.signers.contains(name) && !all.enough)
    return StrCat("you have signed; it still ", all.words);
  return "";
}

std::string WhyNotRefuse(const ProposalEntry& entry, const std::string& name,
                         const TrustPolicy* policy, const ModuleCatalog& modules) {
  if (!entry.open()) return StrCat("it waits no more: ", entry.fate);
  if (entry.action.id() != entry.id() || entry.signers.empty())
    return entry.distrust.empty() ? std::string(kNoSigner) : entry.distrust;
  if (policy == nullptr) return "there is no verified trust policy";
  const SignatureNeed mine = NeedOf(entry.action, {name}, *policy, modules, "your signature gives");
  if (!mine.has_a_say) return StrCat("you have no weight for what it runs: ", mine.words);
  return "";
}

std::string DescribeEntry(const ProposalEntry& entry, const std::string& reach,
                          const std::string& name, const ModuleCatalog& modules) {
  std::string text;
  if (!entry.distrust.empty()) StrAppend(&text, "✗ ", ForTerminal(entry.distrust), "\n\n");
  if (!entry.fate.empty()) StrAppend(&text, ForTerminal(entry.fate), "\n\n");
  if (entry.action.id().empty()) return text;
  const absl::StatusOr<absl::Time> proposed = ToTime(entry.proposal.proposed_at());
  std::vector<DescriptionLine> lines = {
      {"Proposed",
       StrCat("by ", entry.proposal.proposed_by(), " (says the scheduler)",
              entry.proposal.has_proposed_at() && proposed.ok() ? StrCat(", ", LocalTime(*proposed))
                                                                : "")},
      {"Signed by", entry.signers.empty()
                        ? "no one in the trust policy"
                        : StrCat(absl::StrJoin(entry.signers, ", "), " (verified here)")},
      {"Signatures", entry.need.enough ? "enough" : entry.need.words},
      {"Reaches", reach}};
  if (entry.open() && entry.signers.contains(name)) lines.push_back({"You", "have signed it"});
  for (const std::string& problem : entry.problems) lines.push_back({"Problem", problem});
  StrAppend(&text, DescribeAction(entry.action, lines, modules));
  return text;
}

std::string TimeLeft(absl::Duration left) {
  if (left <= absl::ZeroDuration()) return "expired";
  if (left >= absl::Hours(48)) return StrCat(left / absl::Hours(24), " d");
  if (left >= absl::Hours(1)) return StrCat(left / absl::Hours(1), " h");
  if (left >= absl::Minutes(1)) return StrCat(left / absl::Minutes(1), " min");
  return StrCat(left / absl::Seconds(1), " s");
}

}  // namespace dragnet::console::tui
