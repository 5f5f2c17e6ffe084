#include "scheduler/enrolment/enrolment.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "core/keys.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/enrolment/network.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kTokenBytes = 32;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxLabelBytes = 256;
constexpr size_t kMaxNoteBytes = 200;
constexpr size_t kMaxNetworks = 64;
constexpr size_t kMaxPeer = 100;
// Of what is kept of a host that waits.
constexpr size_t kMaxShortFact = 128;
constexpr int kMaxShortFacts = 16;
constexpr char kMachineId[] = "machine_id";

absl::Status CheckLabels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > kMaxLabels)
    return absl::InvalidArgumentError(StrCat("tags: more than ", kMaxLabels));
  for (const auto& [key, value] : labels)
    if (key.empty() || key.size() > kMaxLabelBytes || value.size() > kMaxLabelBytes)
      return absl::InvalidArgumentError(
          StrCat("tags: a name of 1 to ", kMaxLabelBytes, " bytes, a value of as many"));
  return absl::OkStatus();
}

absl::Status CheckTerms(const TokenTerms& terms) {
  if (terms.lifetime < absl::Seconds(1) || terms.lifetime > kMaxTokenLifetime)
    return absl::InvalidArgumentError("lifetime of a token: 1 second to 366 days");
  if (terms.uses < 1 || terms.uses > kMaxTokenUses)
    return absl::InvalidArgumentError(StrCat("uses of a token: 1 to ", kMaxTokenUses));
  if (terms.note.size() > kMaxNoteBytes || !IsValidUtf8(terms.note))
    return absl::InvalidArgumentError(
        StrCat("note: at most ", kMaxNoteBytes, " bytes of valid UTF-8"));
  if (terms.networks.size() > kMaxNetworks)
    return absl::InvalidArgumentError(StrCat("networks: at most ", kMaxNetworks));
  if (terms.replaces_agent_id.empty()) return CheckLabels(terms.labels);
  if (!IsUuid(terms.replaces_agent_id))
    return absl::InvalidArgumentError("replaces_agent_id: give the whole id");
  if (terms.uses != 1)
    return absl::InvalidArgumentError("a token that replaces an agent is for one host");
  return CheckLabels(terms.labels);
}

absl::Status NoCaHere() {
  return absl::UnimplementedError("this scheduler doesn't have the CA's key");
}

// The peer without its port, for people.
std::string AddressOf(std::string_view peer) {
  const std::optional<IpAddress> address = IpAddress::OfPeer(peer);
  return address.has_value() ? address->ToText() : Shorten(ForTerminal(peer), kMaxPeer);
}

// What an operator decides by. It is kept before anyone has said that the host may take
// any room here at all.
v1::Facts ShortFacts(const v1::Facts& facts) {
  const auto shorten = [](const std::string& text) { return Shorten(text, kMaxShortFact); };
  v1::Facts shortened;
  shortened.set_id(facts.id());
  shortened.set_fleet_id(facts.fleet_id());
  shortened.set_name(shorten(facts.name()));
  shortened.set_os(shorten(facts.os()));
  shortened.set_distribution(shorten(facts.distribution()));
  shortened.set_distribution_version(shorten(facts.distribution_version()));
  shortened.set_kernel(shorten(facts.kernel()));
  shortened.set_arch(shorten(facts.arch()));
  shortened.set_version(shorten(facts.version()));
  for (const std::string& address : facts.addresses()) {
    if (shortened.addresses_size() == kMaxShortFacts) break;
    shortened.add_addresses(shorten(address));
  }
  for (const auto& [key, value] : facts.tags()) {
    if (shortened.tags_size() == kMaxShortFacts) break;
    (*shortened.mutable_tags())[shorten(key)] = shorten(value);
  }
  if (const auto machine = facts.environment().find(kMachineId);
      machine != facts.environment().end())
    (*shortened.mutable_environment())[kMachineId] = shorten(machine->second);
  return shortened;
}

}  // namespace

absl::StatusOr<NewToken> CreateToken(Store& store, absl::Time now, const TokenTerms& terms,
                                     std::string_view created_by) {
  DRAGNET_RETURN_IF_ERROR(CheckTerms(terms));
  StoredToken stored;
  for (const std::string& text : terms.networks) {
    DRAGNET_ASSIGN_OR_RETURN(const Network network, Network::Parse(text));
    stored.networks.push_back(network.ToText());
  }
  if (!terms.replaces_agent_id.empty())
    DRAGNET_RETURN_IF_ERROR(store.FindAgent(terms.replaces_agent_id).status());
  NewToken token;
  token.token = HexEncode(RandomBytes(kTokenBytes));
  token.expires = now + terms.lifetime;
  stored.sha256 = Sha256(token.token);
  token.id = TokenId(stored.sha256);
  stored.expires = token.expires;
  stored.uses_left = terms.uses;
  stored.labels = terms.labels;
  stored.created = now;
  stored.created_by = created_by;
  stored.note = terms.note;
  stored.needs_approval = terms.needs_approval;
  stored.replaces_agent_id = terms.replaces_agent_id;
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

absl::Status EnrolmentDesk::AskOperator(const StoredToken& token, const std::string& agent_id,
                                        const PublicKey& key, const v1::Facts& facts,
                                        std::string_view peer) const {
  StoredEnrolmentRequest request;
  request.agent_id = agent_id;
  request.spki = key.spki();
  request.token_sha256 = token.sha256;
  request.address = AddressOf(peer);
  request.asked = clock_.Now();
  request.facts = ShortFacts(facts);
  DRAGNET_ASSIGN_OR_RETURN(const Admission admission, store_.AskToEnrol(request, request.asked));
  switch (admission) {
    case Admission::kApproved:
      return absl::OkStatus();
    case Admission::kDenied:
      return absl::PermissionDeniedError("an operator decided not to let this host in");
    case Admission::kAsked:
      spdlog::info("agent {}: waits to be let in, as \"{}\" from {} with token {} and key {}",
                   agent_id, Shorten(ForTerminal(facts.name()), 100), request.address,
                   TokenId(token.sha256), key.id());
      [[fallthrough]];
    case Admission::kWaits:
      break;
  }
  return absl::UnavailableError("an operator has yet to let this host in");
}

absl::StatusOr<std::string> EnrolmentDesk::ReplacedBy(const StoredToken& token,
                                                      const std::string& agent_id) const {
  if (token.replaces_agent_id.empty() || token.replaces_agent_id == agent_id) return "";
  DRAGNET_ASSIGN_OR_RETURN(const StoredAgent replaced, store_.FindAgent(token.replaces_agent_id));
  return replaced.revoked ? replaced.id : "";
}

absl::StatusOr<Enrolled> EnrolmentDesk::Enrol(std::string_view token, const std::string& agent_id,
                                              std::string_view csr, v1::Facts facts,
                                              std::string_view peer) const {
  const std::shared_ptr<const CertificateAuthority> ca = ca_.Get();
  if (ca == nullptr) return NoCaHere();
  if (token.empty() || token.size() > kMaxTokenText)
    return absl::UnauthenticatedError("unknown enrolment token");
  if (!IsUuid(agent_id)) return absl::InvalidArgumentError("agent_id: not a UUID");
  DRAGNET_RETURN_IF_ERROR(CheckFacts(facts, fleet_id_, agent_id));
  const absl::Time now = clock_.Now();
  // Anyone may call this: nothing that costs before a token that is known.
  DRAGNET_ASSIGN_OR_RETURN(const StoredToken known, store_.FindToken(Sha256(token), now));
  if (!IsInOneOf(known.networks, peer))
    return absl::PermissionDeniedError(
        StrCat("this enrolment token is not for the network that ", AddressOf(peer), " is in"));
  DRAGNET_ASSIGN_OR_RETURN(const PublicKey key, ParseSigningRequest(csr));
  if (known.needs_approval) DRAGNET_RETURN_IF_ERROR(AskOperator(known, agent_id, key, facts, peer));
  Enrolled enrolled;
  DRAGNET_ASSIGN_OR_RETURN(static_cast<IssuedCertificate&>(enrolled),
                           ca->IssueAgent(key, fleet_id_, agent_id, now, certificate_lifetime_));
  Enrolment enrolment;
  enrolment.agent_id = agent_id;
  enrolment.spki = key.spki();
  enrolment.token_sha256 = known.sha256;
  enrolment.facts = std::move(facts);
  enrolment.certificate = ToStored(enrolled, now);
  // What was signed is handed out only once the store has taken the agent.
  DRAGNET_RETURN_IF_ERROR(store_.EnrolAgent(enrolment, now));
  enrolled.token_id = TokenId(known.sha256);
  DRAGNET_ASSIGN_OR_RETURN(enrolled.replaced_agent_id, ReplacedBy(known, agent_id));
  return enrolled;
}

absl::StatusOr<IssuedCertificate> EnrolmentDesk::Renew(const std::string& agent_id,
                                                       std::string_view csr) const {
  const std::shared_ptr<const CertificateAuthority> ca = ca_.Get();
  if (ca == nullptr) return NoCaHere();
  DRAGNET_ASSIGN_OR_RETURN(const PublicKey key, ParseSigningRequest(csr));
  // One id, one key: a certificate that was stolen doesn't become another one.
  DRAGNET_ASSIGN_OR_RETURN(const StoredAgent agent, store_.FindAgent(agent_id));
  if (agent.spki != key.spki())
    return absl::PermissionDeniedError(StrCat("another key holds the agent id ", agent_id));
  const absl::Time now = clock_.Now();
  DRAGNET_ASSIGN_OR_RETURN(IssuedCertificate issued,
                           ca->IssueAgent(key, fleet_id_, agent_id, now, certificate_lifetime_));
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
