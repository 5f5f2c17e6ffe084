#include "modules/mig.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/memory/memory.pb.h"

namespace dragnet::memory {
namespace {

using testing::HasSubstr;

const MigModule& Memory() { return *FindMigModule("memory"); }

std::string Refusal(std::string_view json) {
  const auto translated = Memory().TranslateParameters(MigJson::parse(json));
  EXPECT_FALSE(translated.ok()) << json;
  return std::string(translated.status().message());
}

// What was observed of MIG's agent.
constexpr char kObservedParameters[] = R"({"searches": {
  "m1": {"names": ["/sleep$"], "contents": ["NANOSLEEP-never-there"],
         "options": {"matchall": true}},
  "m2": {"names": ["/sleep$"], "libraries": ["libc"], "options": {"matchall": true}}}})";
constexpr char kObservedElements[] = R"({
  "m1": [{"process": {"name": "", "pid": 0},
          "search": {"names": ["/sleep$"], "contents": ["NANOSLEEP-never-there"],
                     "options": {"matchall": true}}}],
  "m2": [{"process": {"name": "/usr/bin/sleep", "pid": 32368},
          "search": {"names": ["/sleep$"], "libraries": ["libc"],
                     "options": {"matchall": true}}}]})";

TEST(MemoryMigTest, AnswersAsWasObserved) {
  const MigJson parameters = MigJson::parse(kObservedParameters);
  const auto translated = Memory().TranslateParameters(parameters);
  ASSERT_TRUE(translated.ok()) << translated.status();
  const auto& typed = dynamic_cast<const v1::MemoryParameters&>(**translated);
  ASSERT_EQ(typed.searches_size(), 2);
  EXPECT_THAT(typed.searches(1).libraries(), testing::ElementsAre("libc"));

  const auto elements = Memory().NewElements(parameters);
  v1::MemoryRow row;
  row.set_search(typed.searches(1).label());
  row.set_exe("/usr/bin/sleep");
  row.set_pid(32368);
  // Two matches in one process are one element.
  elements->Add(row);
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(), MigJson::parse(kObservedElements).dump());
  const MigJson statistics = elements->Statistics(
      {.items_examined = 20, .bytes_examined = 2734080, .seconds = 0.018319036});
  EXPECT_EQ(statistics.dump(),
            R"({"processcount":20,"memoryread":2734080,"totalhits":1,"exectime":"18.319036ms"})");
}

TEST(MemoryMigTest, WithoutMatchallEachCheckAnswersForItself) {
  const MigJson parameters =
      MigJson::parse(R"({"searches": {"a": {"bytes": ["4d5a"], "names": ["!x", "y"]}}})");
  const auto translated = Memory().TranslateParameters(parameters);
  ASSERT_TRUE(translated.ok()) << translated.status();
  const auto& typed = dynamic_cast<const v1::MemoryParameters&>(**translated);
  ASSERT_EQ(typed.searches_size(), 3);
  EXPECT_EQ(typed.searches(0).exes(0), "\\!x");
  const auto elements = Memory().NewElements(parameters);
  v1::MemoryRow row;
  row.set_search(typed.searches(2).label());
  row.set_exe("/bin/z");
  row.set_pid(7);
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(), MigJson::parse(R"({"a": [
      {"process": {"name": "", "pid": 0}, "search": {"names": ["!x"], "options": {}}},
      {"process": {"name": "", "pid": 0}, "search": {"names": ["y"], "options": {}}},
      {"process": {"name": "/bin/z", "pid": 7}, "search": {"bytes": ["4d5a"], "options": {}}}
      ]})")
                                             .dump());
}

TEST(MemoryMigTest, OffsetAndMaxlengthApplyToWhatReadsMemory) {
  const auto translated = Memory().TranslateParameters(MigJson::parse(
      R"({"searches": {"a": {"names": ["x"], "contents": ["yyy"],
          "options": {"offset": 4096, "maxlength": 1e6, "matchall": true}}}})"));
  ASSERT_TRUE(translated.ok()) << translated.status();
  const auto& typed = dynamic_cast<const v1::MemoryParameters&>(**translated);
  EXPECT_EQ(typed.searches(0).offset(), "4096");
  EXPECT_EQ(typed.searches(0).max_read(), "1000000");
}

TEST(MemoryMigTest, WhatIsNotKnownIsRefusedByName) {
  EXPECT_THAT(Refusal("[]"), HasSubstr("object"));
  EXPECT_THAT(Refusal("{}"), HasSubstr("at least one"));
  EXPECT_THAT(Refusal(R"({"search": {}})"), HasSubstr("'search' is not known"));
  EXPECT_THAT(Refusal(R"({"searches": {"a b": {}}})"), HasSubstr("'a b'"));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"name": ["x"]}}})"), HasSubstr("searches.a.name "));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"names": "x"}}})"), HasSubstr("searches.a.names"));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"names": [""]}}})"), HasSubstr("searches.a.names"));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"bytes": ["4d??"]}}})"), HasSubstr("4d??"));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"options": {"matchany": true}}}})"),
              HasSubstr("options.matchany"));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"options": {"offset": -1}}}})"),
              HasSubstr("options.offset"));
  EXPECT_THAT(Refusal(R"({"searches": {"a": {"contents": ["x("]}}})"), HasSubstr("x("));
}

}  // namespace
}  // namespace dragnet::memory
