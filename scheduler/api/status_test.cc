#include "scheduler/api/status.h"

#include <gmock/gmock.h>

namespace dragnet::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr absl::Duration kDay = absl::Hours(24);

// With nothing to complain about.
StatusFacts Healthy() {
  StatusFacts facts;
  facts.now = absl::FromUnixSeconds(1'800'000'000);
  facts.ca_certificate_expires = facts.now + 3650 * kDay;
  facts.server_certificate_expires = facts.now + 90 * kDay;
  facts.trust_policy_expires = facts.now + 90 * kDay;
  facts.server_certificate = "/etc/server.pem";
  facts.store.disk_free_bytes = uint64_t{50} << 30;
  facts.store.disk_bytes = uint64_t{100} << 30;
  facts.process.open_descriptors = 1020;
  facts.process.descriptor_limit = 20000;
  facts.agents.online = 1000;
  facts.agents.offline = 9000;
  return facts;
}

TEST(FindProblemsTest, NoneWhenAllIsWell) { EXPECT_THAT(FindProblems(Healthy()), IsEmpty()); }

TEST(FindProblemsTest, WhatExpiresWithinTwoWeeks) {
  StatusFacts facts = Healthy();
  facts.trust_policy_expires = facts.now - kDay;
  facts.server_certificate_expires = facts.now + 13 * kDay;
  EXPECT_THAT(FindProblems(facts),
              ElementsAre(HasSubstr("the trust policy expired on 2027-01-14: agents refuse"),
                          HasSubstr("certificate /etc/server.pem expires on 2027-01-28")));
}

TEST(FindProblemsTest, LittleRoom) {
  StatusFacts facts = Healthy();
  facts.store.disk_free_bytes = uint64_t{9} << 30;
  EXPECT_THAT(FindProblems(facts), ElementsAre(HasSubstr("9216 MiB of 100 GiB are free")));
  // A tenth of a small disk may still be too little.
  facts.store = {.disk_free_bytes = 900u << 20, .disk_bytes = 1000u << 20};
  EXPECT_THAT(FindProblems(facts), ElementsAre(HasSubstr("little room")));
}

TEST(FindProblemsTest, DescriptorsThatWontBeEnoughForAllAgents) {
  StatusFacts facts = Healthy();
  facts.process.descriptor_limit = 4096;
  EXPECT_THAT(FindProblems(facts),
              ElementsAre(HasSubstr("1020 of 4096, so about 4012 agents fit, and 10000 are known: "
                                    "set LimitNOFILE of the service (or ulimit -n) to 20000")));
  facts = Healthy();
  facts.process.open_descriptors = 17000;
  facts.agents.online = 10000;
  facts.agents.offline = 0;
  EXPECT_THAT(FindProblems(facts), ElementsAre(HasSubstr("17000 of 20000")));
}

TEST(FindProblemsTest, AgentsThatNeedSomeone) {
  StatusFacts facts = Healthy();
  facts.agents.duplicate = 1;
  facts.agents.duplicates = {"web-1\x1b[2J"};
  facts.agents.wrong_clocks = 4;
  facts.agents.wrong_clock_names = {"a", "b", "c"};
  facts.hosts_waiting = 3;
  const std::vector<std::string> problems = FindProblems(facts);
  EXPECT_THAT(problems, ElementsAre(AllOf(HasSubstr("(web-1\\x1b[2J)"),
                                          HasSubstr("remove /var/lib/dragnet and start it")),
                                    "3 hosts wait to be let in: dragnet enroll requests",
                                    HasSubstr("(a, b, c, …)")));
}

TEST(FindProblemsTest, TheRest) {
  StatusFacts facts = Healthy();
  facts.writable = absl::ResourceExhaustedError("disk full");
  facts.damage = absl::DataLossError("page 7");
  facts.metrics_error = "taken";
  facts.pending_bytes = uint64_t{60} << 20;
  facts.retention_held = true;
  facts.retention_over_its_bytes = true;
  facts.actions.stopped = {"some-id"};
  facts.records_of_unknown_actions = 3;
  EXPECT_THAT(FindProblems(facts),
              ElementsAre(HasSubstr("disk full"), HasSubstr("page 7"), HasSubstr("taken"),
                          HasSubstr("60 MiB of results wait"), HasSubstr("retention_bytes"),
                          HasSubstr("clock jumped"), HasSubstr("some-id"),
                          HasSubstr("restored from a backup?")));
}

TEST(WriteLevelsTest, NoNamesOfHostsGetIntoMetrics) {
  StatusFacts facts = Healthy();
  facts.agents.wrong_clocks = 1;
  facts.agents.wrong_clock_names = {"secret-host"};
  facts.actions.by_phase[v1::DISPATCH_PHASE_OPEN] = 2;
  MetricsText text;
  WriteLevels(facts, &text);
  const std::string page = text.Take();
  EXPECT_THAT(page, Not(HasSubstr("secret-host")));
  EXPECT_THAT(page, HasSubstr("dragnet_agents{state=\"online\"} 1000\n"));
  EXPECT_THAT(page, HasSubstr("dragnet_actions{phase=\"open\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("process_open_fds 1020\n"));
}

}  // namespace
}  // namespace dragnet::scheduler
