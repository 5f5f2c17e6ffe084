#include "modules/mig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/ping/ping.pb.h"

namespace dragnet::ping {
namespace {

using testing::HasSubstr;

const MigModule& Mig() { return *FindMigModule("ping"); }

TEST(PingMigTest, ParametersAreTranslated) {
  const auto ours = Mig().TranslateParameters(MigJson::parse(
      R"({"destination":"127.0.0.1","destinationport":9,"protocol":"tcp","count":2,"timeout":2})"));
  ASSERT_TRUE(ours.ok()) << ours.status();
  EXPECT_EQ((*ours)->ShortDebugString(),
            R"(destinations: "127.0.0.1" protocol: "tcp" port: 9 count: 2 timeout: "2s")");
  EXPECT_TRUE(Mig().module().Validate(**ours).ok());
}

TEST(PingMigTest, WhatCannotBeTranslatedIsRefusedByKey) {
  for (const auto& [json, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"destination":"a","protocol":"tcp","ttl":1})", "'ttl'"},
           {R"({"destination":"a"})", "protocol"},
           {R"({"destination":1,"protocol":"tcp"})", "destination"},
           {R"({"destination":"a","protocol":"tcp","count":1.5})", "count"},
           {R"({"destination":"a","protocol":"tcp","timeout":-1})", "timeout"}}) {
    EXPECT_THAT(std::string(Mig().TranslateParameters(MigJson::parse(json)).status().message()),
                HasSubstr(what));
  }
}

TEST(PingMigTest, NothingIsFoundWhereNothingAnswers) {
  const auto elements = Mig().NewElements({});
  v1::PingRow row;
  row.set_destination("127.0.0.1");
  row.set_address("127.0.0.1");
  row.set_protocol("tcp");
  row.set_port(9);
  row.add_probes()->set_status("refused");
  row.add_probes()->set_status("timeout");
  row.add_probes()->set_status("unreachable");
  row.mutable_probes(2)->set_error("No route to host");
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(),
            R"x({"latencies":[-1.0,9999999.0,0.0],"protocol":"tcp",)x"
            R"x("resolvedhost":"127.0.0.1:9 (127.0.0.1)",)x"
            R"x("failures":["ping #3 failed with error: No route to host"]})x");
  EXPECT_EQ(elements->FoundAnything(), std::optional(false));
}

}  // namespace
}  // namespace dragnet::ping
