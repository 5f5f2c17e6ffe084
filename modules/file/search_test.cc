#include "modules/file/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/module.h"

namespace dragnet::file {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ValidateTest : public testing::Test {
 protected:
  ValidateTest() { search_ = parameters_.add_searches(), search_->add_paths("/etc"); }

  std::string Message() const {
    const absl::Status status = FindModule("file")->Validate(parameters_);
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }

  v1::FileParameters parameters_;
  v1::Search* search_;
};

TEST_F(ValidateTest, ASearchWithAPathIsEnough) { EXPECT_EQ(Message(), ""); }

TEST_F(ValidateTest, AFullSearchIsTaken) {
  search_->set_label("s");
  search_->add_paths("/");
  search_->add_paths("/home//user/./x/");
  search_->add_names("!^a");
  search_->add_sizes(">1k");
  search_->add_sizes("<1m");
  search_->add_modes("^-rws");
  search_->add_mtimes("<7d");
  search_->add_contents("!^root:");
  search_->add_contents("^root:");
  search_->add_md5(std::string(32, 'a'));
  search_->add_sha1(std::string(40, 'B'));
  for (int length : {56, 64, 96, 128}) {
    search_->add_sha2(std::string(length, '0'));
    search_->add_sha3(std::string(length, '0'));
  }
  search_->add_types("file");
  search_->add_types("symlink");
  search_->set_max_depth(3);
  search_->set_match_limit(10);
  search_->set_return_sha256(true);
  EXPECT_EQ(Message(), "");
}

TEST_F(ValidateTest, EachRefusalNamesItsFieldAndValue) {
  const auto refusal = [](auto add) {
    v1::FileParameters parameters;
    v1::Search* search = parameters.add_searches();
    search->add_paths("/etc");
    add(search);
    const absl::Status status = FindModule("file")->Validate(parameters);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refusal([](auto* s) { s->add_paths("etc"); }),
              StartsWith("paths[1] 'etc' is not absolute"));
  EXPECT_THAT(refusal([](auto* s) { s->add_paths(""); }),
              StartsWith("paths[1] '' is not absolute"));
  EXPECT_THAT(refusal([](auto* s) { s->add_paths("/a/../b"); }), StartsWith("paths[1] '/a/../b'"));
  EXPECT_THAT(refusal([](auto* s) { s->add_paths("/usr/[a/*"); }), HasSubstr("without its ]"));
  EXPECT_THAT(refusal([](auto* s) { s->add_paths("/" + std::string(5000, 'a')); }),
              HasSubstr("longer than 4095"));
  EXPECT_THAT(refusal([](auto* s) { s->add_paths(std::string("/a\0b", 4)); }), HasSubstr("NUL"));
  EXPECT_THAT(refusal([](auto* s) { s->add_names("a(b"); }),
              testing::AllOf(StartsWith("names[0] 'a(b'"), HasSubstr("missing )")));
  EXPECT_THAT(refusal([](auto* s) { s->add_names("!"); }), StartsWith("names[0] '!' is empty"));
  EXPECT_THAT(refusal([](auto* s) { s->add_modes("["); }), StartsWith("modes[0] '['"));
  EXPECT_THAT(refusal([](auto* s) { s->add_contents("a\\1"); }), StartsWith("contents[0] 'a\\1'"));
  EXPECT_THAT(refusal([](auto* s) { s->add_contents("a\\nb"); }), HasSubstr("newline"));
  EXPECT_THAT(refusal([](auto* s) { s->add_sizes("big"); }), StartsWith("sizes[0] 'big'"));
  EXPECT_THAT(refusal([](auto* s) { s->add_mtimes("2d"); }), StartsWith("mtimes[0] '2d'"));
  EXPECT_THAT(refusal([](auto* s) { s->add_md5("abc"); }),
              StartsWith("md5[0] 'abc' is not 32 hexadecimal"));
  EXPECT_THAT(refusal([](auto* s) { s->add_md5(std::string(32, 'g')); }), StartsWith("md5[0]"));
  EXPECT_THAT(refusal([](auto* s) { s->add_sha1(std::string(64, 'a')); }), StartsWith("sha1[0]"));
  EXPECT_THAT(refusal([](auto* s) { s->add_sha2(std::string(40, 'a')); }),
              HasSubstr("56, 64, 96, 128"));
  EXPECT_THAT(refusal([](auto* s) { s->add_sha3(std::string(32, 'a')); }), StartsWith("sha3[0]"));
  EXPECT_THAT(refusal([](auto* s) { s->add_types("pipe"); }), StartsWith("types[0] 'pipe'"));
  EXPECT_THAT(refusal([](auto* s) { s->set_label("a\x1b[31m"); }), StartsWith("label"));
  EXPECT_THAT(refusal([](auto* s) { s->set_label(std::string(200, 'a')); }), StartsWith("label"));
}

TEST_F(ValidateTest, RefusalsAreOneLineWithoutTerminalEscapes) {
  search_->add_names("(\x1b[31m\n");
  EXPECT_EQ(Message().find('\x1b'), std::string::npos);
  EXPECT_EQ(Message().find('\n'), std::string::npos);
}

TEST_F(ValidateTest, SettingsThatContradictEachOtherAreRefused) {
  search_->set_match_any(true);
  EXPECT_THAT(Message(), StartsWith("match_any"));
  search_->set_match_any(false);
  search_->add_sizes(">1m");
  search_->add_sizes("<1k");
  EXPECT_THAT(Message(), StartsWith("sizes contradict"));
  search_->set_match_any(true);
  EXPECT_EQ(Message(), "");
  search_->clear_sizes();
  search_->set_match_any(false);
  search_->add_mtimes("<1d");
  search_->add_mtimes(">2d");
  EXPECT_THAT(Message(), StartsWith("mtimes contradict"));
  search_->clear_mtimes();
  search_->add_types("directory");
  EXPECT_EQ(Message(), "");
  search_->set_return_sha256(true);
  EXPECT_THAT(Message(), StartsWith("types"));
}

TEST_F(ValidateTest, SeveralSearchesAreToldApart) {
  v1::Search* second = parameters_.add_searches();
  second->add_paths("/usr");
  EXPECT_EQ(Message(), "");
  second->set_label("s1");
  EXPECT_THAT(Message(), HasSubstr("label 's1' is taken"));
  second->set_label("other");
  second->add_names("(");
  EXPECT_THAT(Message(), StartsWith("search 'other': names[0]"));
}

TEST_F(ValidateTest, CountsAreBounded) {
  parameters_.clear_searches();
  EXPECT_THAT(Message(), StartsWith("searches: at least one"));
  parameters_.add_searches();
  EXPECT_THAT(Message(), StartsWith("paths: at least one"));
  parameters_.clear_searches();
  for (int i = 0; i <= kMaxSearches; ++i) parameters_.add_searches()->add_paths("/etc");
  EXPECT_THAT(Message(), StartsWith("searches: at most"));

  parameters_.clear_searches();
  v1::Search* search = parameters_.add_searches();
  for (int i = 0; i <= kMaxPaths; ++i) search->add_paths("/etc");
  EXPECT_THAT(Message(), StartsWith("paths: a search takes at most"));
  search->clear_paths();
  search->add_paths("/etc");
  for (int i = 0; i <= kMaxFilters; ++i) search->add_names("a");
  EXPECT_THAT(Message(), HasSubstr("at most 128"));
  search->clear_names();
  for (int i = 0; i <= kMaxHashes; ++i) search->add_md5("");
  EXPECT_THAT(Message(), HasSubstr("at most 100000"));

  parameters_.clear_searches();
  for (int i = 0; i < 3; ++i) {
    search = parameters_.add_searches();
    search->add_paths("/etc");
    for (int j = 0; j < 100; ++j) search->add_names("a");
  }
  EXPECT_THAT(Message(), HasSubstr("at most 256"));
}

TEST_F(ValidateTest, AsManyPatternsAsAreAllowedFitIntoTheMemory) {
  for (int i = 0; i < 2; ++i) {
    if (i > 0) search_ = parameters_.add_searches(), search_->add_paths("/etc");
    for (int j = 0; j < 128; ++j)
      search_->add_contents("(user|pass)[a-z]*=[0-9a-f]{32}-" + std::to_string(i * 128 + j));
  }
  EXPECT_EQ(Message(), "");
}

TEST_F(ValidateTest, OtherMessagesAreRefused) {
  EXPECT_FALSE(FindModule("file")->Validate(v1::FileRow()).ok());
}

TEST(CompileSearches, EqualContentPatternsAreOneWhetherInvertedOrNot) {
  v1::FileParameters parameters;
  for (const char* content : {"a", "!a"}) {
    v1::Search* search = parameters.add_searches();
    search->add_paths("/etc");
    search->add_contents(content);
    search->add_contents("b");
  }
  const absl::StatusOr<CompiledSearches> compiled = CompileSearches(parameters);
  ASSERT_TRUE(compiled.ok());
  EXPECT_EQ(compiled->line_patterns.size(), 2u);
  EXPECT_FALSE(compiled->searches[0].contents[0].inverted);
  EXPECT_TRUE(compiled->searches[1].contents[0].inverted);
  EXPECT_EQ(compiled->searches[1].label, "s2");
}

}  // namespace
}  // namespace dragnet::file
