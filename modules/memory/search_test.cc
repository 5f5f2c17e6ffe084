#include "modules/memory/search.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::memory {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string Refusal(const std::function<void(v1::Search&)>& fill) {
  v1::MemoryParameters parameters;
  fill(*parameters.add_searches());
  const auto compiled = CompileSearches(parameters);
  EXPECT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(compiled.status().message());
}

TEST(SearchTest, BadValuesAreRefusedNamingTheirField) {
  EXPECT_THAT(Refusal([](auto& s) { s.add_names("a"), s.add_names("b("); }),
              AllOf(HasSubstr("names[1] 'b(' "), HasSubstr("missing )")));
  EXPECT_THAT(Refusal([](auto& s) { s.add_exes("!"); }), HasSubstr("exes[0] '!' is empty"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_command_lines("["); }), HasSubstr("command_lines[0]"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_libraries("*"); }), HasSubstr("libraries[0]"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_contents("x?"); }), HasSubstr("contents[0]"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_bytes("4d5"); }), HasSubstr("bytes[0] '4d5' has half"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_pids(0); }), HasSubstr("pids[0]"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_users("a:b"); }), HasSubstr("users[0]"));
  EXPECT_THAT(Refusal([](auto& s) { s.set_yara("rule R { condition: $a }"); }),
              AllOf(HasSubstr("yara: "), HasSubstr("line 1")));
  EXPECT_THAT(Refusal([](auto& s) { s.add_contents("xxx"), s.set_offset("12z"); }),
              HasSubstr("offset '12z'"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_contents("xxx"), s.set_length("0"); }),
              HasSubstr("length '0'"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_contents("xxx"), s.set_length("17179869184g"); }),
              HasSubstr("length"));
  EXPECT_THAT(Refusal([](auto& s) { s.set_matches(257); }), HasSubstr("matches"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_contents("xxx"), s.set_context(257); }),
              HasSubstr("context"));
}

TEST(SearchTest, SettingsWithoutEffectAreRefused) {
  EXPECT_THAT(Refusal([](auto& s) { s.set_match_any(true); }), HasSubstr("match_any"));
  EXPECT_THAT(Refusal([](auto& s) { s.set_offset("1"); }), HasSubstr("offset"));
  EXPECT_THAT(Refusal([](auto& s) { s.set_skip_files(true); }), HasSubstr("skip_files"));
  EXPECT_THAT(Refusal([](auto& s) { s.set_context(1); }), HasSubstr("context"));
  EXPECT_THAT(Refusal([](auto& s) { s.add_yara_externals("a=1"); }), HasSubstr("yara_externals"));
  EXPECT_THAT(Refusal([](auto& s) { s.set_yara_no_bytes(true); }), HasSubstr("yara_no_bytes"));
  EXPECT_THAT(
      Refusal([](auto& s) { s.set_yara("rule R { condition: true }"), s.set_max_read("1m"); }),
      HasSubstr("max_read"));
}

TEST(SearchTest, TooManyOfAnythingAreRefused) {
  EXPECT_FALSE(CompileSearches({}).ok());
  v1::MemoryParameters parameters;
  for (int i = 0; i <= kMaxSearches; ++i) parameters.add_searches();
  EXPECT_FALSE(CompileSearches(parameters).ok());
  EXPECT_THAT(Refusal([](auto& s) {
                for (int i = 0; i < 129; ++i) s.add_names("x");
              }),
              HasSubstr("128"));
}

TEST(SearchTest, ALabelNamesOneSearch) {
  v1::MemoryParameters parameters;
  parameters.add_searches()->set_label("s2");
  parameters.add_searches();
  const auto compiled = CompileSearches(parameters);
  EXPECT_THAT(std::string(compiled.status().message()), HasSubstr("searches[1] label 's2'"));
}

TEST(SearchTest, NumbersAreReadWithTheirUnits) {
  v1::MemoryParameters parameters;
  v1::Search* search = parameters.add_searches();
  search->add_contents("xxx");
  search->set_offset("0x1000");
  search->set_length("2k");
  search->set_max_read("3M");
  const auto compiled = CompileSearches(parameters);
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  EXPECT_EQ(compiled->searches[0].range.from, 4096u);
  EXPECT_EQ(compiled->searches[0].range.to, 6144u);
  EXPECT_EQ(compiled->searches[0].range.max_read, 3u << 20);
}

}  // namespace
}  // namespace dragnet::memory
