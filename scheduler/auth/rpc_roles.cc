#include "scheduler/auth/rpc_roles.h"

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

struct Rule {
  std::string_view method;
  Access access;
};

constexpr Rule kRules[] = {
    {"/dragnet.v1.AgentGateway/Enroll", Access::kAnyone},
    {"/dragnet.v1.AgentGateway/Renew", Access::kAgent},
    {"/dragnet.v1.AgentGateway/Session", Access::kAgent},

    {"/dragnet.v1.InvestigatorService/Launch", Access::kInvestigator},
    {"/dragnet.v1.InvestigatorService/Propose", Access::kInvestigator},
    {"/dragnet.v1.InvestigatorService/FindMissingBlobs", Access::kInvestigator},
    {"/dragnet.v1.InvestigatorService/PutBlobPart", Access::kInvestigator},
    {"/dragnet.v1.InvestigatorService/SendOrder", Access::kInvestigator},
    {"/dragnet.v1.InvestigatorService/KeepAction", Access::kInvestigator},

    {"/dragnet.v1.InvestigatorService/Watch", Access::kReader},
    {"/dragnet.v1.InvestigatorService/Results", Access::kReader},
    {"/dragnet.v1.InvestigatorService/ListActions", Access::kReader},
    {"/dragnet.v1.InvestigatorService/GetAction", Access::kReader},
    {"/dragnet.v1.InvestigatorService/SearchAgents", Access::kReader},
    {"/dragnet.v1.InvestigatorService/ListRefusals", Access::kReader},
    {"/dragnet.v1.InvestigatorService/GetTrustPolicy", Access::kReader},
    {"/dragnet.v1.InvestigatorService/Stack", Access::kReader},
    {"/dragnet.v1.InvestigatorService/GetStatus", Access::kReader},
    {"/dragnet.v1.InvestigatorService/ListProposals", Access::kReader},
    {"/dragnet.v1.InvestigatorService/ListAgentActions", Access::kReader},
    {"/dragnet.v1.InvestigatorService/WatchActivity", Access::kReader},
    {"/dragnet.v1.InvestigatorService/Tail", Access::kReader},
    {"/dragnet.v1.InvestigatorService/ListSweeps", Access::kReader},
    {"/dragnet.v1.InvestigatorService/GetSweep", Access::kReader},
    {"/dragnet.v1.InvestigatorService/SweepVerdicts", Access::kReader},
    {"/dragnet.v1.InvestigatorService/SweepChanges", Access::kReader},

    {"/dragnet.v1.InvestigatorService/PublishTrustPolicy", Access::kOperator},
    {"/dragnet.v1.InvestigatorService/CreateEnrolmentToken", Access::kOperator},
    {"/dragnet.v1.InvestigatorService/ListEnrolmentTokens", Access::kOperator},
    {"/dragnet.v1.InvestigatorService/RevokeEnrolmentToken", Access::kOperator},
    {"/dragnet.v1.InvestigatorService/ListEnrolmentRequests", Access::kOperator},
    {"/dragnet.v1.InvestigatorService/DecideEnrolment", Access::kOperator},
    {"/dragnet.v1.InvestigatorService/Revoke", Access::kOperator},
};

std::string_view NameOf(Access access) {
  switch (access) {
    case Access::kReader:
      return "reader";
    case Access::kInvestigator:
      return "investigator";
    case Access::kOperator:
      return "operator";
    default:
      return "";
  }
}

bool HasRole(Access access, const std::set<v1::Role>& roles) {
  switch (access) {
    case Access::kReader:
      return roles.count(v1::ROLE_READER) > 0 || roles.count(v1::ROLE_INVESTIGATOR) > 0;
    case Access::kInvestigator:
      return roles.count(v1::ROLE_INVESTIGATOR) > 0;
    case Access::kOperator:
      return roles.count(v1::ROLE_OPERATOR) > 0;
    default:
      return false;
  }
}

}  // namespace

std::optional<Access> AccessTo(std::string_view method) {
  for (const Rule& rule : kRules)
    if (rule.method == method) return rule.access;
  return std::nullopt;
}

absl::Status CheckAccess(std::string_view method, const absl::Status& authentication,
                         const std::optional<Identity>& identity, const std::set<v1::Role>& roles) {
  const std::optional<Access> access = AccessTo(method);
  if (!access.has_value()) return absl::PermissionDeniedError("no one may call this");
  if (*access == Access::kAnyone) return absl::OkStatus();
  if (!identity.has_value())
    return authentication.ok() ? absl::UnauthenticatedError("this call needs a certificate")
                               : authentication;
  if (*access == Access::kAgent) {
    if (identity->kind == Identity::Kind::kAgent) return absl::OkStatus();
    return absl::PermissionDeniedError(
        StrCat("this call is for agents, the certificate is of ", identity->uri));
  }
  if (identity->kind != Identity::Kind::kInvestigator)
    return absl::PermissionDeniedError(
        StrCat("this call is for investigators, the certificate is of ", identity->uri));
  if (!HasRole(*access, roles))
    return absl::PermissionDeniedError(
        StrCat(identity->name, " has not the role ", NameOf(*access), " in the trust policy"));
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
