#include "scheduler/enrolment/enrolment.h"

#include <utility>

#include "core/keys.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kTokenBytes = 32;
constexpr size_t kMaxTokenText = 256;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxLabelBytes = 256;

absl::Status CheckLabels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > kMaxLabels)
    return absl::InvalidArgumentError(StrCat("tags: more than ", kMaxLabels));
  for (const auto& [key, value] : labels)
    if (key.empty() || key.size() > kMaxLabelBytes || value.size() > kMaxLabelBytes)
      return absl::InvalidArgumentError(
          StrCat("tags: a name of 1 to ", kMaxLabelBytes, " bytes, a value of as many"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NewToken> CreateToken(Store& store, absl::Time now, absl::Duration lifetime,
                                     uint32_t uses,
                                     const std::map<std::string, std::string>& labels) {
  if (lifetime < absl::Seconds(1) || lifetime > kMaxTokenLifetime)
    return absl::InvalidArgumentError("lifetime of a token: 1 second to 366 days");
  if (uses < 1 || uses > kMaxTokenUses)
    return absl::InvalidArgumentError(StrCat("uses of a token: 1 to ", kMaxTokenUses));
  DRAGNET_RETURN_IF_ERROR(CheckLabels(labels));
  NewToken token;
  token.token = HexEncode(RandomBytes(kTokenBytes));
  token.expires = now + lifetime;
  StoredToken stored;
  stored.sha256 = Sha256(token.token);
  stored.expires = token.expires;
  stored.uses_left = uses;
  stored.labels = labels;
  DRAGNET_RETURN_IF_ERROR(store.AddToken(stored));
  return token;
}

absl::Status CheckFacts(const v1::Facts& facts, std::string_view fleet_id,
                        std::string_view agent_id) {
  if (facts.ByteSizeLong() > kMaxFactsBytes)
    return absl::InvalidArgumentError(
        StrCat("facts of ", facts.ByteSizeLong(), " bytes, at most ", kMaxFactsBytes));
  if (facts.id() != agent_id)
    return absl::InvalidArgumentError(StrCat("the facts are of agent \"",
                                             Shorten(ForTerminal(facts.id()), 64),
                                             "\", the certificate of ", agent_id));
  if (facts.fleet_id() != fleet_id)
    return absl::InvalidArgumentError(StrCat("the facts are of fleet \"",
                                             Shorten(ForTerminal(facts.fleet_id()), 64),
                                             "\", this is ", fleet_id));
  return absl::OkStatus();
}

absl::StatusOr<IssuedCertificate> EnrolmentDesk::Enrol(std::string_view token,
                                                       const std::string& agent_id,
                                                       std::string_view csr,
                                                       v1::Facts facts) const {
  if (token.empty() || token.size() > kMaxTokenText)
    return absl::UnauthenticatedError("unknown enrolment token");
  if (!IsUuid(agent_id)) return absl::InvalidArgumentError("agent_id: not a UUID");
  DRAGNET_RETURN_IF_ERROR(CheckFacts(facts, fleet_id_, agent_id));
  const absl::Time now = clock_.Now();
  // Anyone may call this: nothing that costs before a token that is known.
  DRAGNET_RETURN_IF_ERROR(store_.CheckToken(Sha256(token), now));
  DRAGNET_ASSIGN_OR_RETURN(const PublicKey key, ParseSigningRequest(csr));
  DRAGNET_ASSIGN_OR_RETURN(IssuedCertificate issued,
                           ca_.IssueAgent(key, fleet_id_, agent_id, now, certificate_lifetime_));
  Enrolment enrolment;
  enrolment.agent_id = agent_id;
  enrolment.spki = key.spki();
  enrolment.token_sha256 = Sha256(token);
  enrolment.facts = std::move(facts);
  enrolment.certificate = ToStored(issued, now);
  // What was signed is handed out only once the store has taken the agent.
  DRAGNET_RETURN_IF_ERROR(store_.EnrolAgent(enrolment, now));
  return issued;
}

absl::StatusOr<IssuedCertificate> EnrolmentDesk::Renew(const std::string& agent_id,
                                                       std::string_view csr) const {
  DRAGNET_ASSIGN_OR_RETURN(const PublicKey key, ParseSigningRequest(csr));
  // One id, one key: a certificate that was stolen doesn't become another one.
  DRAGNET_ASSIGN_OR_RETURN(const StoredAgent agent, store_.FindAgent(agent_id));
  if (agent.spki != key.spki())
    return absl::PermissionDeniedError(StrCat("another key holds the agent id ", agent_id));
  const absl::Time now = clock_.Now();
  DRAGNET_ASSIGN_OR_RETURN(IssuedCertificate issued,
                           ca_.IssueAgent(key, fleet_id_, agent_id, now, certificate_lifetime_));
  DRAGNET_RETURN_IF_ERROR(store_.AddCertificate(ToStored(issued, now)));
  return issued;
}

StoredCertificate ToStored(const IssuedCertificate& issued, absl::Time now) {
  StoredCertificate stored;
  stored.fingerprint = issued.info.fingerprint;
  stored.identity = issued.info.spiffe_id;
  stored.issued_at = now;
  stored.not_after = issued.info.not_after;
  return stored;
}

}  // namespace dragnet::scheduler
