// A store with agents that answer, for tests of those who read it.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {

class StoredAnswers {
 public:
  StoredAnswers() {
    EXPECT_TRUE(SqliteStore::Create(path).ok());
    Open();
    EXPECT_TRUE(
        store
            ->AddToken(
                {.sha256 = "t", .expires = now + absl::Hours(24), .uses_left = 100, .labels = {}})
            .ok());
    for (const char* name : {"web-1", "web-2"}) AddAgent(name);
  }

  void Open() { store = *SqliteStore::Open(path, StoreUse::kRun); }
  void Reopen() {
    store.reset();
    Open();
  }

  void AddAgent(const std::string& name) {
    Enrolment enrolment;
    enrolment.agent_id = NewUuidV4();
    enrolment.spki = "key";
    enrolment.token_sha256 = "t";
    enrolment.facts.set_id(enrolment.agent_id);
    enrolment.facts.set_name(name);
    enrolment.certificate = {.fingerprint = NewUuidV4(),
                             .identity = "spiffe://fleet/agent/" + enrolment.agent_id,
                             .issued_at = now,
                             .not_after = now + absl::Hours(24)};
    EXPECT_TRUE(store->EnrolAgent(enrolment, now).ok());
    agents.push_back(enrolment.agent_id);
  }

  // To all agents. Expires in an hour. Its envelope is none.
  std::string AddAction() {
    StoredAction action;
    action.id = NewUuidV7(now);
    action.envelope = "signed";
    action.launched_by = "ida";
    action.signed_by = {"ida"};
    action.launched_at = now;
    action.expires = now + absl::Hours(1);
    action.bounds = {{.rows = 1'000'000, .bytes = uint64_t{1} << 40}};
    EXPECT_TRUE(store->AddAction(action, agents).ok());
    return action.id;
  }

  void AddRows(const std::string& action, size_t agent, uint64_t sequence,
               const std::vector<std::string>& rows) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(sequence);
    for (const std::string& row : rows) record.mutable_rows()->add_rows(row);
    Append(agent, record);
  }

  void End(const std::string& action, size_t agent, uint64_t sequence, uint64_t rows) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(sequence);
    record.mutable_summary()->set_outcome(v1::OUTCOME_FOUND);
    record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
    record.mutable_summary()->set_rows(rows);
    Append(agent, record);
  }

  void Append(size_t agent, const v1::ResultRecord& record) {
    std::promise<absl::StatusOr<Appended>> done;
    store->AppendRecord(agents[agent], record, now,
                        [&](absl::StatusOr<Appended> appended) { done.set_value(appended); });
    const absl::StatusOr<Appended> appended = done.get_future().get();
    ASSERT_TRUE(appended.ok()) << appended.status();
    EXPECT_TRUE(appended->dropped.ok()) << appended->dropped;
  }

  // Removes the results of every action that ended a year before `at`.
  void Retain(absl::Time at) {
    const FakeClock clock(at);
    EXPECT_TRUE(store->CloseExpired(at).ok());
    const auto retention = Retention::Open(
        *store, clock, {.age = absl::Hours(24 * 365), .clock_hold = absl::ZeroDuration()});
    ASSERT_TRUE(retention.ok()) << retention.status();
    for (int steps = 0; steps < 10'000; ++steps) {
      const absl::StatusOr<bool> more = (*retention)->Step();
      ASSERT_TRUE(more.ok()) << more.status();
      if (!*more) return;
    }
    ADD_FAILURE() << "retention goes on for ever";
  }

  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/dragnet.db";
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<SqliteStore> store;
  std::vector<std::string> agents;
};

}  // namespace dragnet::scheduler
