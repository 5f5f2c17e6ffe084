#include "modules/mig.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/strings.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/run_context_fake.h"

namespace dragnet::netstat {
namespace {

const MigModule& Netstat() { return *FindMigModule("netstat"); }

absl::StatusOr<v1::NetstatParameters> Translate(const char* json) {
  auto translated = Netstat().TranslateParameters(MigJson::parse(json));
  if (!translated.ok()) return translated.status();
  return dynamic_cast<const v1::NetstatParameters&>(**translated);
}

std::string Refusal(const char* json) {
  const auto translated = Translate(json);
  EXPECT_EQ(translated.status().code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(ToStd(translated.status().message()));
}

TEST(NetstatMigTest, EveryParameterIsASearchOfTheAgentsNamespace) {
  const auto translated = Translate(
      R"({"connectedip": ["173.194.0.0/16"], "listeningport": ["631"], "localip": ["172.21.0.0/24"],
          "localmac": ["^8c:70:"], "neighborip": ["172.21.0.6"],
          "neighbormac": ["30:05:5c:00:80:3a"]})");
  ASSERT_TRUE(translated.ok()) << translated.status();
  EXPECT_EQ(translated->searches_size(), 6);
  for (const v1::Search& search : translated->searches()) EXPECT_TRUE(search.host_only());
  EXPECT_TRUE(Netstat().module().Validate(*translated).ok());
}

TEST(NetstatMigTest, NamespacesAsksForAllOfThem) {
  const auto translated = Translate(R"({"localip": ["10.0.0.1"], "namespaces": true})");
  ASSERT_TRUE(translated.ok()) << translated.status();
  EXPECT_FALSE(translated->searches(0).host_only());
}

TEST(NetstatMigTest, WhatIsUnknownOrWrongIsRefusedByName) {
  EXPECT_NE(Refusal(R"({"localips": ["10.0.0.1"]})").find("localips"), std::string::npos);
  EXPECT_NE(Refusal(R"({"searchnamespaces": true, "localip": []})").find("namespaces"),
            std::string::npos);
  EXPECT_NE(Refusal(R"({"listeningport": [22]})").find("listeningport"), std::string::npos);
  EXPECT_NE(Refusal(R"({"listeningport": "22"})").find("listeningport"), std::string::npos);
  EXPECT_NE(Refusal(R"({"listeningport": ["1-9"]})").find("listeningport"), std::string::npos);
  EXPECT_NE(Refusal(R"({"localip": ["x"]})").find("'x'"), std::string::npos);
  EXPECT_NE(Refusal(R"({"localmac": ["("]})").find("'('"), std::string::npos);
  EXPECT_NE(Refusal(R"({"connectedip": ["!10.0.0.1"]})").find("!10.0.0.1"), std::string::npos);
  Refusal(R"({"namespaces": "yes", "localip": ["10.0.0.1"]})");
  Refusal(R"({"localip": null})");
  Refusal("{}");
  Refusal("[]");
}

TEST(NetstatMigTest, ElementsHaveTheFormThatWasObserved) {
  const MigJson parameters =
      MigJson::parse(R"({"listeningport": ["1", "65535"], "localip": ["127.0.0.1"]})");
  const auto translated = Netstat().TranslateParameters(parameters);
  ASSERT_TRUE(translated.ok());
  const auto elements = Netstat().NewElements(parameters);
  // The search of localip, which stands first as in MIG's answer.
  const auto& typed = dynamic_cast<const v1::NetstatParameters&>(**translated);
  v1::NetstatRow row;
  row.set_search(typed.searches(0).label());
  row.set_local_address("127.0.0.1");
  row.set_local("127.0.0.1/8");
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(), R"({"localip":{"127.0.0.1":[{"localaddr":"127.0.0.1"}]},)"
                                         R"("listeningport":{"1":null,"65535":null}})");
  EXPECT_EQ(elements->Statistics({.items_examined = 3, .seconds = 0.306741073}).dump(),
            R"({"examined":3,"exectime":"306.741073ms","totalhits":0})");
}

TEST(NetstatMigTest, ConnectionsAndNeighboursHaveTheirFields) {
  const MigJson parameters = MigJson::parse(
      R"({"connectedip": ["10.0.0.0/8", "10.0.0.0/8"], "neighborip": ["10.0.0.2"],
          "namespaces": true})");
  const auto elements = Netstat().NewElements(parameters);
  v1::NetstatRow row;
  row.set_local_address("10.0.0.1");
  row.set_local_port(40000);
  row.set_remote_address("10.0.0.2");
  row.set_remote_port(443);
  row.set_namespace_inode(4026531840);
  row.set_search("connectedip[0]");
  elements->Add(row);
  row.set_search("connectedip[1]");
  elements->Add(row);
  row.set_search("neighborip[0]");
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(),
            R"({"neighborip":{"10.0.0.2":[{"remotemacaddr":"00:00:00:00:00:00",)"
            R"("remoteaddr":"10.0.0.2","namespace":"net:[4026531840]"}]},)"
            R"("connectedip":{"10.0.0.0/8":[{"localaddr":"10.0.0.1","localport":40000,)"
            R"("remoteaddr":"10.0.0.2","remoteport":443,"namespace":"net:[4026531840]"}]}})");
}

// As MIG's own pair has it: on any host, 127.0.0.1 is local.
TEST(NetstatMigTest, ARunAnswersAsMigDoes) {
  const MigJson parameters =
      MigJson::parse(R"({"listeningport": ["1"], "localip": ["127.0.0.1"]})");
  const auto translated = Netstat().TranslateParameters(parameters);
  ASSERT_TRUE(translated.ok());
  FakeRunContext context;
  // On a thread, which gives up a privilege.
  absl::Status status;
  std::thread([&] { status = Netstat().module().Run(**translated, context); }).join();
  ASSERT_TRUE(status.ok()) << status;
  const auto elements = Netstat().NewElements(parameters);
  for (const auto& row : context.rows) elements->Add(*row);
  EXPECT_EQ(elements->Elements()["localip"].dump(), R"({"127.0.0.1":[{"localaddr":"127.0.0.1"}]})");
}

}  // namespace
}  // namespace dragnet::netstat
