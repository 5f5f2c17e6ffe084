#include "scheduler/auth/revocations.h"

#include <optional>

#include "core/certificate.h"
#include "core/status_macros.h"
#include "core/trust_policy.h"
#include "core/uuid.h"

namespace dragnet::scheduler {

absl::StatusOr<Revocations::Revoked> Revocations::RevokeAgent(const std::string& agent_id,
                                                              Closing closing) {
  if (!IsUuid(agent_id)) return absl::InvalidArgumentError("agent_id: give the whole id");
  return Revoke("agent", agent_id, closing);
}

absl::StatusOr<Revocations::Revoked> Revocations::RevokeInvestigator(const std::string& name) {
  if (!IsInvestigatorName(name)) return absl::InvalidArgumentError("investigator: not a name");
  return Revoke("investigator", name, Closing::kNow);
}

absl::StatusOr<Revocations::Revoked> Revocations::Revoke(const std::string& kind,
                                                         const std::string& name, Closing closing) {
  const std::string uri = FormatSpiffeId({fleet_id_, kind, name});
  Revoked revoked;
  DRAGNET_ASSIGN_OR_RETURN(revoked.certificates, certificates_.Revoke(uri));
  if (kind == "agent") agents_.Revoke(name);
  revoked.streams =
      streams_.CloseAllOf(uri, absl::UnauthenticatedError("the certificate was revoked"), closing);
  return revoked;
}

uint32_t Revocations::OnRevoked(const std::string& uri) {
  const std::optional<SpiffeId> id = ParseSpiffeId(uri);
  if (!id.has_value() || id->fleet_id != fleet_id_) return 0;
  certificates_.OnRevoked(uri);
  if (id->kind == "agent") agents_.Revoke(id->name);
  return streams_.CloseAllOf(uri, absl::UnauthenticatedError("the certificate was revoked"),
                             Closing::kWhenSent);
}

}  // namespace dragnet::scheduler
