#include "console/cli/session.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "console/investigation/policy.h"
#include "console/signing/signing.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
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
  DRAGNET_ASSIGN_OR_RETURN(Client * client, this->client());
  DRAGNET_ASSIGN_OR_RETURN(TrustedPolicy trusted, FetchPolicy(*config, *client));
  if (!trusted.remembered.ok()) {
    io_.Say(StrCat("warning: an older trust policy will not be noticed: ",
                   ToStd(trusted.remembered.message())));
  }
  policy_ = std::move(trusted.policy);
  return &*policy_;
}

absl::StatusOr<const Signer*> Session::signer() {
  if (signer_ == nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, this->config());
    DRAGNET_ASSIGN_OR_RETURN(signer_, OpenSigner(*config, io_.read_passphrase, io_.environment));
  }
  return signer_.get();
}

absl::StatusOr<v1::ActionInfo> Session::FindAction(const std::string& word) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, this->client());
  if (word != "last") return FindActionById(word, *client);
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, this->config());
  v1::ListActionsRequest request;
  request.set_page_size(200);
  DRAGNET_ASSIGN_OR_RETURN(v1::ListActionsResponse response, client->ListActions(request));
  for (v1::ActionInfo& action : *response.mutable_actions())
    if (action.launched_by() == config->name) return CheckedInfo(std::move(action));
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
        StrCat("agent ", ForTerminal(word),
               ": none has this name or id (see dragnet agents; --all shows those that are out "
               "of the fleet)"));
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

}  // namespace dragnet::console
