// What every Store must do, whatever database is behind it. An implementation
// instantiates the suite with a factory:
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance, ::testing::Values(&NewFixture));
//   INSTANTIATE_TEST_SUITE_P(Sqlite, SweepConformance, ::testing::Values(&NewFixture));
//   INSTANTIATE_TEST_SUITE_P(Sqlite, CoordinationConformance, ::testing::Values(&NewFixture));
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dragnet/v1/action.pb.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// A place where a store lives, over several openings of it.
class StoreFixture {
 public:
  virtual ~StoreFixture() = default;
  // Opens what is there; the previous one was closed. `shared`: for several schedulers.
  virtual std::unique_ptr<Store> Open(bool shared) = 0;
};

using StoreFixtureFactory = std::unique_ptr<StoreFixture> (*)();

class StoreConformance : public ::testing::TestWithParam<StoreFixtureFactory> {
 protected:
  void SetUp() override;
  void Reopen();

  // Of one agent, enrolled with a token of its own.
  std::string AddAgent(char digit);
  StoredAction NewAction(std::string_view id, size_t operations = 1) const;
  absl::StatusOr<Appended> Append(const std::string& agent, v1::ResultRecord record);
  void MarkSent(const std::string& action, const std::string& agent);
  void MarkAccepted(const std::string& action, const std::string& agent);
  Pair FindPair(const std::string& action, const std::string& agent);

  std::unique_ptr<StoreFixture> fixture_;
  std::unique_ptr<Store> store_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

// What several schedulers agree on by it (coordination.h), opened for several.
class CoordinationConformance : public StoreConformance {
 protected:
  void SetUp() override;
  void Reopen(bool shared);
  // Kinds and names of the outbox, which is emptied.
  std::vector<std::string> TakeOutbox();
  absl::StatusOr<std::vector<Appended>> AppendAll(std::vector<AgentRecord> records,
                                                  std::optional<BusRange> range);
};

// The same for sweeps: a sweep of three checks every hour, which two of three agents
// were to get.
class SweepConformance : public StoreConformance {
 protected:
  void SetUp() override;

  v1::Action NewSweep(std::string_view id) const;
  // Verdicts on all three checks, and the summary.
  void TellAll(const std::string& agent, int64_t occurrence, std::string_view root,
               std::string_view time, std::string_view disk);
  // Why it was dropped.
  absl::Status Dropped(const std::string& agent, const v1::ResultRecord& record);
  std::vector<StoredRun> Runs();
  // In words.
  std::string NewestVerdicts();
  std::string NewestAgents();

  std::string a_;
  std::string b_;
  std::string outsider_;
};

}  // namespace dragnet::scheduler
