#include "console/tui/views/fleet_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

using ::testing::ElementsAre;

FleetRow Row(const std::string& id, const std::string& name,
             v1::AgentInfo::State state = v1::AgentInfo::STATE_ONLINE) {
  FleetRow row;
  row.id = id;
  row.name = name;
  row.state = state;
  return row;
}

std::vector<std::string> Names(const FleetModel& model) {
  std::vector<std::string> names;
  for (size_t i = 0; i < model.size(); ++i) names.push_back(model.At(i).name);
  return names;
}

TEST(CompareNaturallyTest, NumbersAreNumbers) {
  EXPECT_LT(CompareNaturally("web2", "web10"), 0);
  EXPECT_EQ(CompareNaturally("web007", "WEB7"), 0);
  EXPECT_GT(CompareNaturally("1.10.0", "1.9.9"), 0);
  EXPECT_LT(CompareNaturally("", "a"), 0);
  EXPECT_EQ(CompareNaturally("", ""), 0);
  // More digits than any integer has.
  EXPECT_LT(CompareNaturally("a99999999999999999999999998", "a99999999999999999999999999"), 0);
}

TEST(FleetModelTest, SortsByEachColumnBothWaysAndTiesByName) {
  FleetModel model;
  model.Replace({Row("3", "web10"), Row("1", "web2", v1::AgentInfo::STATE_OFFLINE),
                 Row("2", "web1", v1::AgentInfo::STATE_DUPLICATE)});
  EXPECT_THAT(Names(model), ElementsAre("web1", "web2", "web10"));
  model.Sort(FleetColumn::kName, true);
  EXPECT_THAT(Names(model), ElementsAre("web10", "web2", "web1"));
  model.Sort(FleetColumn::kState, false);
  EXPECT_THAT(Names(model), ElementsAre("web1", "web10", "web2"));
  model.Sort(FleetColumn::kVersion, true);
  EXPECT_THAT(Names(model), ElementsAre("web1", "web2", "web10"));
}

TEST(FleetModelTest, CountsByStateAndFindsById) {
  FleetModel model;
  model.Replace({Row("3", "c"), Row("1", "b", v1::AgentInfo::STATE_OFFLINE), Row("2", "a")});
  EXPECT_EQ(model.Count(v1::AgentInfo::STATE_ONLINE), 2u);
  EXPECT_EQ(model.Count(v1::AgentInfo::STATE_REVOKED), 0u);
  EXPECT_EQ(model.Find("1"), 1u);
  EXPECT_EQ(model.Find("none"), 3u);
}

TEST(FleetModelTest, KeepsNoMoreThanItsBound) {
  FleetModel model;
  model.Replace(std::vector<FleetRow>(FleetModel::kMostRows + 5));
  EXPECT_EQ(model.size(), FleetModel::kMostRows);
}

TEST(FleetRowTest, WhatAHostSaysAtLengthIsCut) {
  v1::AgentInfo info;
  info.mutable_facts()->set_name(std::string(10'000, 'n'));
  (*info.mutable_facts()->mutable_tags())["k"] = std::string(10'000, 't');
  for (int i = 0; i < 100; ++i) (*info.mutable_facts()->mutable_tags())[StrCat("key", i)] = "v";
  const FleetRow row = FleetRowOf(info);
  EXPECT_LE(row.name.size(), FleetRow::kMostText + 3);
  EXPECT_LE(row.tags.size(), FleetRow::kMostTags + 3);
}

TEST(FleetRowTest, AStateThatIsNotKnownHereIsUnknown) {
  v1::AgentInfo info;
  info.set_state(static_cast<v1::AgentInfo::State>(77));
  FleetModel model;
  model.Replace({FleetRowOf(info)});
  EXPECT_EQ(StateText(model.At(0).state), "? unknown");
}

TEST(FleetRowTest, TagsAreInOrder) {
  v1::Facts facts;
  (*facts.mutable_tags())["role"] = "web";
  (*facts.mutable_tags())["env"] = "prod";
  EXPECT_EQ(TagsOf(facts, 100), "env=prod role=web");
}

}  // namespace
}  // namespace dragnet::console::tui
