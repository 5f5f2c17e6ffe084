// The part of InvestigatorApi about who is in the fleet: tokens, hosts that wait to be let
// in, revocation. Each change is a line of the log, with who made it.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "core/action.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/api/investigator_api.h"
#include "scheduler/enrolment/enrolment.h"

namespace dragnet::scheduler {
namespace {

constexpr int kMaxTokens = 10'000;
// Consoles take messages of 4 MiB.
constexpr size_t kMaxListBytes = 2 * 1024 * 1024;

void Fill(const StoredToken& token, v1::EnrolmentToken* described) {
  described->set_token_id(TokenId(token.sha256));
  described->set_note(token.note);
  described->set_created_by(token.created_by);
  if (token.created != absl::UnixEpoch())
    *described->mutable_created() = ToTimestamp(token.created);
  *described->mutable_expires() = ToTimestamp(token.expires);
  described->set_uses(token.uses);
  described->set_uses_left(token.uses_left);
  described->mutable_tags()->insert(token.labels.begin(), token.labels.end());
  for (const std::string& network : token.networks) described->add_networks(network);
  described->set_needs_approval(token.needs_approval);
  described->set_replaces_agent_id(token.replaces_agent_id);
  described->set_revoked(token.revoked);
}

void Fill(StoredEnrolmentRequest request, v1::EnrolmentRequest* described) {
  described->set_agent_id(request.agent_id);
  described->set_token_id(TokenId(request.token_sha256));
  described->set_address(request.address);
  *described->mutable_asked() = ToTimestamp(request.asked);
  *described->mutable_facts() = std::move(request.facts);
  described->set_key_sha256(HexEncode(Sha256(request.spki)));
}

// For the log.
std::string WordsOf(const TokenTerms& terms) {
  std::string words = StrCat(terms.uses, terms.uses == 1 ? " use" : " uses");
  if (!terms.networks.empty())
    StrAppend(&words, ", from ", ForTerminal(absl::StrJoin(terms.networks, " ")));
  if (terms.needs_approval) StrAppend(&words, ", with approval");
  if (!terms.replaces_agent_id.empty())
    StrAppend(&words, ", in the place of ", terms.replaces_agent_id);
  for (const auto& [key, value] : terms.labels)
    StrAppend(&words, ", ", ForTerminal(key), "=", ForTerminal(value));
  if (!terms.note.empty()) StrAppend(&words, ", \"", ForTerminal(terms.note), "\"");
  return Shorten(words, 1000);
}

}  // namespace

absl::Status InvestigatorApi::CreateEnrolmentToken(const std::string& caller,
                                                   const v1::CreateEnrolmentTokenRequest& request,
                                                   v1::CreateEnrolmentTokenResponse* response) {
  TokenTerms terms;
  if (request.has_lifetime()) terms.lifetime = ToDuration(request.lifetime());
  if (request.uses() != 0) terms.uses = request.uses();
  terms.labels = {request.tags().begin(), request.tags().end()};
  terms.note = request.note();
  terms.networks = {request.networks().begin(), request.networks().end()};
  terms.needs_approval = request.needs_approval();
  terms.replaces_agent_id = request.replaces_agent_id();
  DRAGNET_ASSIGN_OR_RETURN(const NewToken token, CreateToken(store_, clock_.Now(), terms, caller));
  spdlog::info("enrolment token {} created by {}: {}, until {}", token.id, caller, WordsOf(terms),
               absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", token.expires, absl::UTCTimeZone()));
  response->set_token(token.token);
  response->set_token_id(token.id);
  *response->mutable_expires() = ToTimestamp(token.expires);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::ListEnrolmentTokens(const v1::ListEnrolmentTokensRequest& request,
                                                  v1::ListEnrolmentTokensResponse* response) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredToken> tokens,
                           store_.Tokens(request.all(), clock_.Now(), kMaxTokens + 1));
  size_t bytes = 0;
  for (const StoredToken& token : tokens) {
    v1::EnrolmentToken described;
    Fill(token, &described);
    bytes += described.ByteSizeLong();
    if (response->tokens_size() == kMaxTokens || bytes > kMaxListBytes) {
      response->set_more(true);
      break;
    }
    *response->add_tokens() = std::move(described);
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::RevokeEnrolmentToken(const std::string& caller,
                                                   const v1::RevokeEnrolmentTokenRequest& request,
                                                   v1::RevokeEnrolmentTokenResponse* response) {
  if (request.token_id().size() != 16)
    return absl::InvalidArgumentError("token_id: give the whole id, 16 hex digits");
  DRAGNET_ASSIGN_OR_RETURN(const uint32_t taken, store_.RevokeToken(request.token_id()));
  spdlog::warn("enrolment token {} revoked by {}: {} hosts have enrolled with it",
               request.token_id(), caller, taken);
  response->set_uses_taken(taken);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::ListEnrolmentRequests(const v1::ListEnrolmentRequestsRequest&,
                                                    v1::ListEnrolmentRequestsResponse* response) {
  const absl::Time now = clock_.Now();
  DRAGNET_ASSIGN_OR_RETURN(std::vector<StoredEnrolmentRequest> requests,
                           store_.EnrolmentRequests(now, kMaxEnrolmentRequests));
  response->set_total(requests.size());
  size_t bytes = 0;
  for (StoredEnrolmentRequest& request : requests) {
    v1::EnrolmentRequest described;
    Fill(std::move(request), &described);
    bytes += described.ByteSizeLong();
    if (bytes > kMaxListBytes) break;
    *response->add_requests() = std::move(described);
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::DecideEnrolment(const std::string& caller,
                                              const v1::DecideEnrolmentRequest& request,
                                              v1::DecideEnrolmentResponse*) {
  if (!IsUuid(request.agent_id())) return absl::InvalidArgumentError("agent_id: give the whole id");
  if (request.key_sha256().size() != 64)
    return absl::InvalidArgumentError("key_sha256: give the whole digest, 64 hex digits");
  DRAGNET_RETURN_IF_ERROR(store_.DecideEnrolment(request.agent_id(), request.key_sha256(),
                                                 request.approve(), clock_.Now()));
  spdlog::warn("agent {}: {} by {}, with the key {}", request.agent_id(),
               request.approve() ? "let in" : "not let in", caller, request.key_sha256());
  return absl::OkStatus();
}

absl::Status InvestigatorApi::Revoke(const std::string& caller, const v1::RevokeRequest& request,
                                     v1::RevokeResponse* response) {
  absl::StatusOr<Revocations::Revoked> revoked =
      absl::InvalidArgumentError("identity: name an agent or an investigator");
  if (request.has_agent_id()) revoked = revocations_.RevokeAgent(request.agent_id());
  if (request.has_investigator()) revoked = revocations_.RevokeInvestigator(request.investigator());
  DRAGNET_RETURN_IF_ERROR(revoked.status());
  response->set_certificates(revoked->certificates);
  response->set_streams(revoked->streams);
  spdlog::warn("{} {} revoked by {}: {} certificates, {} streams",
               request.has_agent_id() ? "agent" : "investigator",
               request.has_agent_id() ? request.agent_id() : request.investigator(), caller,
               revoked->certificates, revoked->streams);
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
