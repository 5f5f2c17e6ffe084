#include "scheduler/auth/rpc_roles.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "core/strings.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::scheduler {
namespace {

Identity IdentityOf(Identity::Kind kind, std::string name) {
  Identity identity;
  identity.kind = kind;
  identity.name = std::move(name);
  return identity;
}
Identity Agent() { return IdentityOf(Identity::Kind::kAgent, "x"); }
Identity Investigator() { return IdentityOf(Identity::Kind::kInvestigator, "alice"); }

std::string MethodOf(std::string_view name) {
  return StrCat("/dragnet.v1.InvestigatorService/", name);
}

void ForEachMethod(const std::function<void(const std::string&)>& check) {
  for (const google::protobuf::FileDescriptor* file :
       {v1::Hello::descriptor()->file(), v1::LaunchRequest::descriptor()->file()}) {
    ASSERT_GT(file->service_count(), 0);
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j)
        check(StrCat("/", file->service(i)->full_name(), "/", file->service(i)->method(j)->name()));
  }
}

TEST(RpcRolesTest, EveryRpcIsInTheTable) {
  ForEachMethod([](const std::string& method) {
    EXPECT_TRUE(AccessTo(method).has_value()) << method << " has no rule in rpc_roles.cc";
  });
}

TEST(RpcRolesTest, OnlyEnrollNeedsNoCertificate) {
  ForEachMethod([](const std::string& method) {
    const absl::Status status = CheckAccess(method, absl::OkStatus(), std::nullopt, {});
    if (method == "/dragnet.v1.AgentGateway/Enroll") {
      EXPECT_TRUE(status.ok());
    } else {
      EXPECT_TRUE(absl::IsUnauthenticated(status)) << method;
    }
  });
}

TEST(RpcRolesTest, WhatIsNotInTheTableIsRefusedToEveryone) {
  const std::set<v1::Role> all = {v1::ROLE_READER, v1::ROLE_INVESTIGATOR, v1::ROLE_OPERATOR};
  for (const std::string& method :
       {std::string(""), MethodOf(""), MethodOf("Nope"), MethodOf("launch"), MethodOf("Launch/"),
        MethodOf("Launch") + std::string(1, '\0'),
        std::string("dragnet.v1.InvestigatorService/Launch"),
        std::string("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")}) {
    EXPECT_TRUE(
        absl::IsPermissionDenied(CheckAccess(method, absl::OkStatus(), Investigator(), all)))
        << method;
  }
}

TEST(RpcRolesTest, AgentsAndInvestigatorsCanNotCallForEachOther) {
  const std::set<v1::Role> all = {v1::ROLE_READER, v1::ROLE_INVESTIGATOR, v1::ROLE_OPERATOR};
  ForEachMethod([&](const std::string& method) {
    if (method == "/dragnet.v1.AgentGateway/Enroll") return;
    const bool for_agents = method.find("AgentGateway") != std::string::npos;
    EXPECT_EQ(CheckAccess(method, absl::OkStatus(), Agent(), all).ok(), for_agents) << method;
    EXPECT_EQ(CheckAccess(method, absl::OkStatus(), Investigator(), all).ok(), !for_agents)
        << method;
  });
}

TEST(RpcRolesTest, EachRoleOpensItsOwnCalls) {
  const auto allowed = [](std::string_view method, v1::Role role) {
    return CheckAccess(MethodOf(method), absl::OkStatus(), Investigator(), {role}).ok();
  };
  EXPECT_TRUE(allowed("Watch", v1::ROLE_READER));
  EXPECT_TRUE(allowed("Watch", v1::ROLE_INVESTIGATOR));
  EXPECT_FALSE(allowed("Watch", v1::ROLE_OPERATOR));
  EXPECT_FALSE(allowed("Launch", v1::ROLE_READER));
  EXPECT_TRUE(allowed("Launch", v1::ROLE_INVESTIGATOR));
  EXPECT_FALSE(allowed("Launch", v1::ROLE_OPERATOR));
  EXPECT_FALSE(allowed("Revoke", v1::ROLE_READER));
  EXPECT_FALSE(allowed("Revoke", v1::ROLE_INVESTIGATOR));
  EXPECT_TRUE(allowed("Revoke", v1::ROLE_OPERATOR));
  EXPECT_FALSE(allowed("Watch", v1::ROLE_UNSPECIFIED));
}

TEST(RpcRolesTest, OnlyOperatorsDecideWhoJoins) {
  // Also lists: what an attacker would have to look like is nobody else's business.
  for (const char* method : {"CreateEnrolmentToken", "ListEnrolmentTokens", "RevokeEnrolmentToken",
                             "ListEnrolmentRequests", "DecideEnrolment"})
    for (const v1::Role role : {v1::ROLE_READER, v1::ROLE_INVESTIGATOR, v1::ROLE_OPERATOR})
      EXPECT_EQ(CheckAccess(MethodOf(method), absl::OkStatus(), Investigator(), {role}).ok(),
                role == v1::ROLE_OPERATOR)
          << method << " " << v1::Role_Name(role);
}

TEST(RpcRolesTest, SomeoneWhoIsNotInThePolicyMayNothing) {
  ForEachMethod([](const std::string& method) {
    if (method.find("InvestigatorService") == std::string::npos) return;
    EXPECT_TRUE(absl::IsPermissionDenied(CheckAccess(method, absl::OkStatus(), Investigator(), {})))
        << method;
  });
}

}  // namespace
}  // namespace dragnet::scheduler
