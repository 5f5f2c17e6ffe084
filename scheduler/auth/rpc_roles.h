// Who may call what: the one table, and the one decision over it. An RPC that
// is not in the table is refused. Thread-safe: no state.
#pragma once

#include <optional>
#include <set>
#include <string_view>

#include "absl/status/status.h"
#include "dragnet/v1/trust.pb.h"
#include "scheduler/auth/identity.h"

namespace dragnet::scheduler {

enum class Access {
  // No certificate: enrolment only.
  kAnyone,
  kAgent,
  // Investigators with this role. Who may launch may also read.
  kReader,
  kInvestigator,
  kOperator,
};

// `method` as gRPC has it: "/package.Service/Method".
std::optional<Access> AccessTo(std::string_view method);

// Unauthenticated: no identity where one is needed. PermissionDenied: another
// kind of peer, or a role that is missing.
absl::Status CheckAccess(std::string_view method, const absl::Status& authentication,
                         const std::optional<Identity>& identity, const std::set<v1::Role>& roles);

}  // namespace dragnet::scheduler
