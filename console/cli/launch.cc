#include "console/cli/launch.h"

#include "console/cli/approval.h"
#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/follow.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/proposals.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string_view Question(const LaunchFlags& flags, bool proposes) {
  if (flags.no_launch.has_value()) return "Sign?";
  return proposes ? "Sign and propose?" : "Sign and launch?";
}

// What one's own signature is worth, before it is given. Nothing when the policy
// can't be had: then the scheduler and the agents say so, after all.
absl::StatusOr<std::optional<SignatureNeed>> OwnNeed(const v1::Action& action, const Signer& signer,
                                                     Session& session) {
  const absl::StatusOr<const TrustPolicy*> policy = session.policy();
  if (!policy.ok()) {
    session.io().Say(StrCat("warning: whether your signature is enough can't be told: ",
                            ForTerminal(ToStd(policy.status().message()))));
    return std::nullopt;
  }
  const std::set<std::string> own = PeopleOf(signer.public_key(), **policy);
  SignatureNeed need = NeedOf(action, own, **policy, session.modules(), "your signature gives");
  if (need.enough) return need;
  if (need.impossible) return absl::PermissionDeniedError(need.words);
  if (!need.has_a_say)
    return absl::PermissionDeniedError(StrCat("your key has no weight in trust policy version ",
                                              (*policy)->version(), ": ", need.words));
  return need;
}

}  // namespace

absl::StatusOr<int> LaunchAction(const v1::Action& given, const LaunchFlags& flags,
                                 Session& session) {
  Io& io = session.io();
  // A mistake in what is shown must not be found after the fleet was asked.
  DRAGNET_RETURN_IF_ERROR(RowSelection::Create(given, session.modules(), flags.Rows()).status());
  if (!flags.dry_run) DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, flags.yes));
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  // Starts to connect; the key is read meanwhile.
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, session.signer());

  // First, so that a scheduler that is away says so itself.
  DRAGNET_ASSIGN_OR_RETURN(const Reach reach, ReachOf(given.target(), *client));
  v1::Action action = given;
  std::vector<DescriptionLine> facts;
  bool proposes = false;
  // What is written to a file is signed by whom it is given to, too.
  if (!flags.no_launch.has_value()) {
    const absl::StatusOr<std::optional<SignatureNeed>> own = OwnNeed(action, *signer, session);
    if (!own.ok()) {
      // As the scheduler would have refused it, only before anything was signed.
      io.Say(StrCat("dragnet: ", ForTerminal(ToStd(own.status().message()))));
      return kExitRefused;
    }
    const std::optional<SignatureNeed>& need = *own;
    proposes = need.has_value() && !need->enough;
    if (proposes && flags.lifetime_is_default)
      *action.mutable_expires() = ToTimestamp(session.now() + kProposalLifetime);
    if (proposes)
      facts.push_back({"Signatures", StrCat(need->words,
                                            ": it will be proposed; others approve it with: "
                                            "dragnet approve ",
                                            action.id())});
  }
  facts.push_back({"Reaches", ReachWords(reach)});
  facts.push_back({"Signer", SignerText(config->name, *signer)});
  io.Show(DescribeAction(action, facts, session.modules()));
  io.Say("");
  if (flags.dry_run) return kExitDone;
  if (!flags.yes) {
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, Question(flags, proposes)));
    if (!agreed) {
      io.Say("Nothing was signed or launched.");
      return kExitBadInput;
    }
  }

  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope, SignAction(action, *signer));
  // Before a file is written, too: who launches it later doesn't have them.
  DRAGNET_RETURN_IF_ERROR(UploadBlobs(action, session.blobs(), *client));
  if (flags.no_launch.has_value()) {
    DRAGNET_RETURN_IF_ERROR(WriteEnvelopeFile(*flags.no_launch, envelope));
    io.Say(StrCat("Signed, not launched: ", *flags.no_launch));
    return kExitDone;
  }
  if (proposes) {
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    return ProposeAction(action, envelope, flags, *policy, session);
  }
  v1::LaunchRequest request;
  request.set_envelope(envelope.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(client->Launch(request).status());
  if (flags.no_wait) {
    DRAGNET_RETURN_IF_ERROR(SayState(action.id(), "launched", flags.output, session));
    return kExitDone;
  }
  return FollowAction(
      action,
      {.format = *ParseFormat(flags.output), .until_expired = flags.wait, .rows = flags.Rows()},
      session);
}

}  // namespace dragnet::console
