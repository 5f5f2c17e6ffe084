#include "console/cli/session.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "console/client/trust_version.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// What the scheduler says of an action, held against the document that was
// signed: it could have given another than the one that was asked for. From
// here on the name is the document's.
absl::StatusOr<v1::ActionInfo> Checked(v1::ActionInfo info) {
  const absl::StatusOr<v1::Action> action = DecodeAction(info.envelope());
  if (!action.ok()) {
    return Annotate(action.status(),
                    StrCat("action ", ForTerminal(info.action_id()), " as stored"));
  }
  if (action->id() != info.action_id()) {
    return absl::DataLossError(StrCat("action ", ForTerminal(info.action_id()),
                                      ": the scheduler gave the document of another, ",
                                      ForTerminal(action->id()), ": don't trust this scheduler"));
  }
  info.set_name(action->name());
  return info;
}

}  // namespace

absl::StatusOr<const ConsoleConfig*> Session::config() {
  if (!config_.has_value()) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string path, FindConfig(config_flag_, io_.environment));
    DRAGNET_ASSIGN_OR_RETURN(config_, LoadConfig(path));
  }
  return &*config_;
}

absl::StatusOr<Client*> Session::client() {
  if (client_ == nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, this->config());
    DRAGNET_ASSIGN_OR_RETURN(client_, Client::Create(*config, now()));
  }
  return client_.get();
}

absl::StatusOr<const TrustPolicy*> Session::policy() {
  if (policy_.has_value()) return &*policy_;
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, this->config());
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRootKeys(*config));
  DRAGNET_ASSIGN_OR_RETURN(Client * client, this->client());
  DRAGNET_ASSIGN_OR_RETURN(const v1::GetTrustPolicyResponse response, client->GetTrustPolicy());
  absl::StatusOr<TrustPolicy> policy =
      TrustPolicy::VerifyFirst(response.envelope(), roots, config->fleet_id);
  if (!policy.ok()) {
    return Annotate(policy.status(),
                    "the scheduler's trust policy does not stand up to the root "
                    "keys pinned here; don't trust this scheduler");
  }
  DRAGNET_RETURN_IF_ERROR(CheckIsNotOlder(policy->version(), *config));
  policy_ = *std::move(policy);
  return &*policy_;
}

absl::Status Session::CheckIsNotOlder(uint64_t version, const ConsoleConfig& config) {
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t seen, SeenTrustVersion(config));
  if (version < seen) {
    return absl::FailedPreconditionError(
        StrCat("the scheduler's trust policy: version ", version, " is older than version ", seen,
               ", seen here before (", TrustVersionPath(config), "): don't trust this scheduler"));
  }
  if (version == seen) return absl::OkStatus();
  const absl::Status kept = KeepTrustVersion(config, version);
  if (!kept.ok()) {
    io_.Say(StrCat("warning: an older trust policy will not be noticed: ", ToStd(kept.message())));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ActionInfo> Session::FindAction(const std::string& word) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, this->client());
  if (word != "last") {
    v1::GetActionRequest request;
    const std::string id = absl::AsciiStrToLower(word);
    if (id.empty()) return absl::InvalidArgumentError("action: an empty id (see dragnet actions)");
    request.set_action_id(id);
    DRAGNET_ASSIGN_OR_RETURN(v1::GetActionResponse response, client->GetAction(request));
    DRAGNET_ASSIGN_OR_RETURN(v1::ActionInfo info, Checked(std::move(*response.mutable_action())));
    if (!info.action_id().starts_with(id) && !info.action_id().ends_with(id)) {
      return absl::DataLossError(
          StrCat("action ", ForTerminal(word), ": the scheduler gave another, ",
                 ForTerminal(info.action_id()), ": don't trust this scheduler"));
    }
    return info;
  }
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, this->config());
  v1::ListActionsRequest request;
  request.set_page_size(200);
  DRAGNET_ASSIGN_OR_RETURN(v1::ListActionsResponse response, client->ListActions(request));
  for (v1::ActionInfo& action : *response.mutable_actions())
    if (action.launched_by() == config->name) return Checked(std::move(action));
  return absl::NotFoundError(StrCat("action last: ", config->name, " launched none of the newest ",
                                    response.actions_size(), " actions (see dragnet actions)"));
}

absl::StatusOr<v1::AgentInfo> Session::FindAgent(const std::string& word) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, this->client());
  const std::string quoted = StrCat("'", absl::StrReplaceAll(word, {{"'", "''"}}), "'");
  v1::SearchAgentsRequest request;
  request.set_target(StrCat("id=", quoted, " or name=", quoted));
  DRAGNET_ASSIGN_OR_RETURN(v1::SearchAgentsResponse response, client->SearchAgents(request));
  if (response.agents_size() == 1) return std::move(*response.mutable_agents(0));
  if (response.agents().empty()) {
    return absl::NotFoundError(
        StrCat("agent ", ForTerminal(word), ": none has this name or id (see dragnet agents)"));
  }
  std::string ids;
  for (int i = 0; i < response.agents_size() && i < 5; ++i) {
    StrAppend(&ids, ids.empty() ? "" : ", ", ForTerminal(response.agents(i).facts().id()));
  }
  return absl::InvalidArgumentError(StrCat("agent ", ForTerminal(word), ": ", response.total(),
                                           " agents have this name; give the id: ", ids));
}

absl::StatusOr<std::string> ReadInput(Io& io, const std::string& path, size_t max_bytes) {
  return path == "-" ? io.read_input() : ReadFile(path, max_bytes);
}

absl::Status CheckCanConfirm(const Io& io, bool yes) {
  if (yes || io.input_is_terminal) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "there is no terminal to ask on: look at what is asked for and give --yes");
}

absl::StatusOr<bool> Confirm(Io& io, std::string_view question) {
  DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, /*yes=*/false));
  io.err->Write(StrCat(question, " [y/N] "));
  DRAGNET_RETURN_IF_ERROR(io.err->Flush());
  const std::optional<std::string> answer = io.read_line();
  if (!answer.has_value()) io.Say("");
  const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer.value_or("")));
  return word == "y" || word == "yes";
}

absl::StatusOr<v1::Action> DecodeAction(std::string_view envelope_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(envelope_bytes, kActionPayloadType));
  return ParseAction(envelope.payload());
}

}  // namespace dragnet::console
