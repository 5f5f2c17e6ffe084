#include "console/cli/approval.h"

#include "console/cli/exit_status.h"
#include "console/cli/follow.h"
#include "console/cli/interrupt.h"
#include "console/output/json.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr absl::Duration kBetweenQuestions = absl::Seconds(1);

// What became of it while it waited.
enum class Waited { kLaunched, kRefused, kExpired, kDetached };

// A scheduler that is away for a while is waited for as well: what waits for people
// may wait for days.
absl::StatusOr<Waited> WaitForLaunch(const v1::Action& action, const Interrupt& interrupt,
                                     Session& session, std::string* reason) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  v1::GetActionRequest request;
  request.set_action_id(action.id());
  bool away = false;
  while (!interrupt.raised()) {
    const absl::StatusOr<v1::GetActionResponse> response = client->GetAction(request);
    if (!response.ok() && !absl::IsUnavailable(response.status())) return response.status();
    if (!response.ok() && !away)
      session.io().Say(StrCat(ForTerminal(ToStd(response.status().message())), "; trying again"));
    away = !response.ok();
    if (response.ok()) {
      const v1::ActionInfo& info = response->action();
      *reason = info.phase_reason();
      if (info.phase() == v1::DISPATCH_PHASE_REFUSED) return Waited::kRefused;
      if (info.phase() != v1::DISPATCH_PHASE_PROPOSED)
        return info.launched_by().empty() ? Waited::kExpired : Waited::kLaunched;
    }
    interrupt.WaitFor(kBetweenQuestions);
  }
  return Waited::kDetached;
}

}  // namespace

std::string StillMissing(const v1::Proposal& proposal, const TrustPolicy& policy,
                         Session& session) {
  const absl::StatusOr<ActionVerification> now =
      VerifyAction(proposal.envelope(), policy, session.modules(), session.now());
  if (!now.ok())
    return StrCat("what the scheduler shows of it can't be read: ", now.status().message());
  const SignatureNeed need = NeedOf(now->action, now->signers, policy, session.modules(), "it has");
  return need.enough ? "it has enough signatures; dragnet approve launches it" : need.words;
}

absl::Status SayState(const std::string& action_id, std::string_view state,
                      const std::string& output, Session& session) {
  Sink& out = *session.io().out;
  if (output == "csv") {
    out.Write(StrCat("action_id,state\n", action_id, ",", state, "\n"));
  } else if (output == "table") {
    out.Write(StrCat(action_id, "\n"));
  } else {
    out.Write(StrCat("{\"action_id\":", SafeJsonString(action_id),
                     ",\"state\":", SafeJsonString(state), "}\n"));
  }
  return out.Flush();
}

absl::StatusOr<int> ProposeAction(const v1::Action& action, const v1::Envelope& envelope,
                                  const LaunchFlags& flags, const TrustPolicy& policy,
                                  Session& session) {
  Io& io = session.io();
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  v1::ProposeRequest request;
  request.set_envelope(envelope.SerializeAsString());
  DRAGNET_ASSIGN_OR_RETURN(const v1::ProposeResponse response, client->Propose(request));
  if (!response.has_launched())
    io.Say(StrCat("Proposed ", action.id(), ": ",
                  ForTerminal(StillMissing(response.proposal(), policy, session)),
                  ". Others approve it with:  dragnet approve ", action.id()));
  if (flags.no_wait) {
    DRAGNET_RETURN_IF_ERROR(SayState(action.id(), response.has_launched() ? "launched" : "proposed",
                                     flags.output, session));
    return kExitDone;
  }
  std::string reason;
  {
    const Interrupt interrupt;
    DRAGNET_ASSIGN_OR_RETURN(const Waited waited,
                             WaitForLaunch(action, interrupt, session, &reason));
    switch (waited) {
      case Waited::kLaunched:
        break;
      case Waited::kRefused:
        io.Say(StrCat("Not launched: ", ForTerminal(reason)));
        return kExitRefused;
      case Waited::kExpired:
        io.Say(StrCat("Not launched: ", ForTerminal(reason)));
        return kExitIncomplete;
      case Waited::kDetached:
        io.Say(
            StrCat("Detached; it still waits for signatures. See it:  dragnet approve   Take "
                   "it back:  dragnet cancel ",
                   action.id()));
        return kExitIncomplete;
    }
  }
  io.Say("Approved and launched.");
  return FollowAction(action, {.format = *ParseFormat(flags.output), .until_expired = flags.wait},
                      session);
}

}  // namespace dragnet::console
