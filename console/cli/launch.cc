#include "console/cli/launch.h"

#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/follow.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

std::string_view Question(const LaunchFlags& flags) {
  return flags.no_launch.has_value() ? "Sign?" : "Sign and launch?";
}

}  // namespace

absl::StatusOr<int> LaunchAction(const v1::Action& action, const LaunchFlags& flags,
                                 Session& session) {
  Io& io = session.io();
  // A mistake in what is shown must not be found after the fleet was asked.
  DRAGNET_RETURN_IF_ERROR(RowSelection::Create(action, session.modules(), flags.Rows()).status());
  if (!flags.dry_run) DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, flags.yes));
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  // Starts to connect; the key is read meanwhile.
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, session.signer());

  DRAGNET_ASSIGN_OR_RETURN(const Reach reach, ReachOf(action.target(), *client));
  io.err->Write(DescribeAction(
      action, {{"Reaches", ReachWords(reach)}, {"Signer", SignerText(config->name, *signer)}},
      session.modules()));
  io.Say("");
  if (flags.dry_run) return kExitDone;
  if (!flags.yes) {
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, Question(flags)));
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
  v1::LaunchRequest request;
  request.set_envelope(envelope.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(client->Launch(request).status());
  return FollowAction(
      action,
      {.format = *ParseFormat(flags.output), .until_expired = flags.wait, .rows = flags.Rows()},
      session);
}

}  // namespace dragnet::console
