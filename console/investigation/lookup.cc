#include "console/investigation/lookup.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

std::string_view SweepOfRun(std::string_view action_id) {
  const size_t at = action_id.rfind('@');
  if (at == std::string_view::npos || at + 1 == action_id.size()) return action_id;
  const std::string_view seconds = action_id.substr(at + 1);
  return std::all_of(seconds.begin(), seconds.end(), absl::ascii_isdigit) ? action_id.substr(0, at)
                                                                          : action_id;
}

absl::StatusOr<v1::Action> DecodeAction(std::string_view envelope_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(envelope_bytes, kActionPayloadType));
  return ParseAction(envelope.payload());
}

absl::StatusOr<v1::ActionInfo> CheckedInfo(v1::ActionInfo info) {
  const absl::StatusOr<v1::Action> action = DecodeAction(info.envelope());
  if (!action.ok()) {
    return Annotate(action.status(),
                    StrCat("action ", ForTerminal(info.action_id()), " as stored"));
  }
  if (action->id() != SweepOfRun(info.action_id())) {
    return absl::DataLossError(StrCat("action ", ForTerminal(info.action_id()),
                                      ": the scheduler gave the document of another, ",
                                      ForTerminal(action->id()), ": don't trust this scheduler"));
  }
  info.set_name(action->name());
  return info;
}

absl::StatusOr<v1::ActionInfo> FindActionById(const std::string& word, Client& client) {
  v1::GetActionRequest request;
  const std::string id = absl::AsciiStrToLower(word);
  if (id.empty()) return absl::InvalidArgumentError("action: an empty id (see dragnet actions)");
  request.set_action_id(id);
  DRAGNET_ASSIGN_OR_RETURN(v1::GetActionResponse response, client.GetAction(request));
  DRAGNET_ASSIGN_OR_RETURN(v1::ActionInfo info, CheckedInfo(std::move(*response.mutable_action())));
  if (!info.action_id().starts_with(id) && !info.action_id().ends_with(id)) {
    return absl::DataLossError(
        StrCat("action ", ForTerminal(word), ": the scheduler gave another, ",
               ForTerminal(info.action_id()), ": don't trust this scheduler"));
  }
  return info;
}

}  // namespace dragnet::console
