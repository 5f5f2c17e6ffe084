#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/file_io.h"
#include "core/strings.h"
#include "modules/mig.h"
#include "modules/run_context_fake.h"
#include "modules/scribe/document.h"
#include "modules/scribe/evr.h"
#include "modules/scribe/scribe.pb.h"

namespace dragnet {

const Module& ScribeModule();
std::span<const MigModule* const> ScribeMigModules();

namespace scribe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ScribeTest : public ::testing::Test {
 protected:
  ScribeTest() {
    std::string name = ::testing::TempDir() + "/dragnet-scribe-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root_ = std::filesystem::canonical(name);
  }
  ~ScribeTest() override { std::filesystem::remove_all(root_); }

  void File(std::string_view name, std::string_view content) const {
    const std::filesystem::path path = StrCat(root_, "/", name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
  }

  // ROOT stands for the test's directory.
  std::vector<v1::ScribeRow> Run(std::string document, bool only_true = false) {
    for (size_t at = 0; (at = document.find("ROOT", at)) != std::string::npos;)
      document.replace(at, 4, root_);
    v1::ScribeParameters parameters;
    parameters.set_document(document);
    parameters.set_only_true(only_true);
    const absl::Status valid = ScribeModule().Validate(parameters);
    EXPECT_TRUE(valid.ok()) << valid;
    const absl::Status ran = ScribeModule().Run(parameters, context_);
    EXPECT_TRUE(ran.ok()) << ran;
    return context_.RowsAs<v1::ScribeRow>();
  }

  std::string root_;
  FakeRunContext context_;
};

std::string Refusal(std::string_view document) {
  const absl::StatusOr<Document> read = ReadDocument(document);
  EXPECT_FALSE(read.ok()) << document;
  return std::string(read.status().message());
}

TEST_F(ScribeTest, ContentIsCaughtAndCompared) {
  File("a/conf", "x\nversion = 1.2.9\r\nother\n");
  File("b/conf", "version = 1.2.10");
  const auto rows = Run(R"json({
      "variables": [{"key": "root", "value": "ROOT"}],
      "objects": [{"object": "v", "package": {}, "raw": {}, "filecontent": {
          "path": "${root}", "file": "^conf$", "expression": "^version = (\\S+)$"}}],
      "tests": [
        {"test": "old", "object": "v", "evr": {"operation": "<", "value": "1.2.10"}},
        {"test": "exact", "object": "v", "exactmatch": {"value": "1.2.10"}, "evr": {}},
        {"test": "regexp", "object": "v", "regexp": {"value": "^2"}, "expectedresult": true},
        {"test": "any", "object": "v", "name": "n", "description": "d",
         "tags": [{"key": "k", "value": "w"}]}]})json");
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_TRUE(rows[0].result());
  ASSERT_THAT(rows[0].results(), SizeIs(2));
  EXPECT_EQ(rows[0].results(0).identifier(), root_ + "/a/conf");
  EXPECT_TRUE(rows[0].results(0).result());
  EXPECT_FALSE(rows[0].results(1).result());
  EXPECT_TRUE(rows[1].result()) << "a last line without a newline is a line";
  EXPECT_FALSE(rows[2].result());
  EXPECT_TRUE(rows[2].unexpected());
  EXPECT_TRUE(rows[3].result());
  EXPECT_EQ(rows[3].tags(0).value(), "w");
  EXPECT_THAT(context_.unexamined, IsEmpty());
}

TEST_F(ScribeTest, TestsDependOnOthersInWhateverOrder) {
  File("f", "v 1\n");
  const auto rows = Run(R"json({
      "objects": [{"object": "o", "filecontent": {"path": "ROOT", "file": "f",
                                                  "expression": "v (\\d)"
}
},
                  {"object": "none", "filename": {"path": "ROOT", "file": "^(gone)$"}}],
      "tests": [{"test": "a", "object": "o", "if": ["b"]},
                {"test": "b", "object": "none"},
                {"test": "c", "object": "o", "if": ["d"]},
                {"test": "d", "object": "o"}]
})json");
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_FALSE(rows[0].result());
  EXPECT_TRUE(rows[0].has_true_results());
  EXPECT_FALSE(rows[1].result());
  EXPECT_TRUE(rows[2].result());
}

TEST_F(ScribeTest, NamesLinesAndRawValues) {
  File("lib-1.2.so", "");
  File("shadow", "root:x\n");
  const auto rows = Run(R"json({
      "objects": [
        {"object": "name", "filename": {"path": "ROOT", "file": "^lib-(.*)\\.so$"}},
        {"object": "line", "hasline": {"path": "ROOT", "file": "^shadow$", "expression": "^root:"}},
        {"object": "raw", "raw": {"identifiers": [{"identifier": "i", "value": "7"}]}}],
      "tests": [{"test": "a", "object": "name", "exactmatch": {"value": "1.2"}},
                {"test": "b", "object": "line", "exactmatch": {"value": "true"}},
                {"test": "c", "object": "raw", "evr": {"operation": ">", "value": "6"}}]})json");
  ASSERT_THAT(rows, SizeIs(3));
  for (const v1::ScribeRow& row : rows) EXPECT_TRUE(row.result()) << row.test();
  EXPECT_EQ(rows[2].results(0).identifier(), "i");
}

TEST_F(ScribeTest, ChainsAddValuesAndConcatJoinsThem) {
  File("p/testfile0", "var = (1, 5)\n");
  File("p/testfile1", "minor = 9\n");
  const auto rows = Run(R"json({
      "objects": [
        {"object": "all", "filecontent": {"path": "ROOT", "file": "testfile0",
         "expression": "var = \\((\\S+), (\\S+)\\)", "concat": ".", "import-chain": ["minor"]
}
},
        {"object": "minor", "filecontent": {"path": "${chain_root}", "file": "testfile1",
         "expression": "minor = (\\S+)"}}],
      "tests": [{"test": "joined", "object": "all", "exactmatch": {"value": "1.5.9"}},
                {"test": "alone", "object": "minor"}]
})json");
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_TRUE(rows[0].result());
  EXPECT_THAT(rows[0].results(0).identifier(), HasSubstr("concat:" + root_));
  EXPECT_EQ(rows[1].error(), "object not prepared");
  EXPECT_TRUE(rows[1].unexpected());
}

TEST_F(ScribeTest, OnlyTrueLeavesOutTheRest) {
  File("f", "x");
  const auto rows =
      Run(R"json({"objects": [{"object": "o", "filename": {"path": "ROOT", "file": "(f)"
}
}],
      "tests": [{"test": "no", "object": "o", "exactmatch": {"value": "g"}},
                {"test": "yes", "object": "o"}]
})json",
          true);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].test(), "yes");
}

TEST_F(ScribeTest, WildcardsOfAPathAreItself) {
  File("a*b/f", "v 1\n");
  File("aXb/f", "v 2\n");
  const auto rows = Run(R"json({"objects": [{"object": "o", "filecontent":
      {"path": "ROOT/a*b", "file": "^f$", "expression": "v (\\d)"
}
}],
      "tests": [{"test": "t", "object": "o"}]
})json");
  ASSERT_THAT(rows, SizeIs(1));
  ASSERT_THAT(rows[0].results(), SizeIs(1));
  EXPECT_EQ(rows[0].results(0).identifier(), root_ + "/a*b/f");
}

TEST_F(ScribeTest, LineThatIsTooLongIsNoted) {
  File("f", std::string(2 << 20, 'x') + "\nv 1\n");
  const auto rows = Run(R"json({"objects": [{"object": "o", "filecontent":
      {"path": "ROOT", "file": "^f$", "expression": "v (\\d)"
}
}],
      "tests": [{"test": "t", "object": "o"}]
})json");
  EXPECT_TRUE(rows.at(0).result());
  EXPECT_THAT(context_.unexamined["line over 1 MiB"], ElementsAre(root_ + "/f"));
}

TEST(ScribeDocumentTest, WhatIsNotUnderstoodIsRefusedByName) {
  const auto object = [](std::string_view json) {
    return Refusal(StrCat(R"json({"objects": [{"object": "o", )json", json,
                          R"json(}], "tests": [{"test": "t", "object": "o"}]})json"));
  };
  EXPECT_THAT(object(R"json("filecontent": {"path": "/e", "file": "f", "expression": "("})json"),
              HasSubstr("object 'o': filecontent.expression: '(' is no regular expression"));
  EXPECT_THAT(object(R"json("filecontent": {"path": "/e", "file": "f", "expression": "x"})json"),
              HasSubstr("has no group"));
  EXPECT_THAT(object(R"json("filecontent": {"path": "e", "file": "f", "expression": "(x)"
})json"),
              HasSubstr("path: is not absolute"));
  EXPECT_THAT(object(R"json("filename": {"path": "${nope}", "file": "(f)"
  })json"),
              HasSubstr("'${nope}' is not defined"));
  EXPECT_THAT(object(R"json("registry": {})json"), HasSubstr("registry: unknown key"));
  EXPECT_THAT(object(R"json("raw": {})json"), HasSubstr("has none of"));
  EXPECT_THAT(object(R"json("package": {"name": "a"}, "raw": {"identifiers": [{}]})json"),
              HasSubstr("one kind only"));
  const auto test = [](std::string_view json) {
    return Refusal(StrCat(R"json({"objects": [{"object": "o", "package": {"name": "p"}}],)json"
                          R"json("tests": [{"test": "t", )json",
                          json, "}]}"));
  };
  EXPECT_THAT(test(R"json("object": "x")json"), HasSubstr("there is no object 'x'"));
  EXPECT_THAT(test(R"json("object": "o", "evr": {"operation": "<=", "value": "1"})json"),
              HasSubstr("operation: must be <, = or >"));
  EXPECT_THAT(test(R"json("object": "o", "if": ["t"])json"), HasSubstr("circle"));
  EXPECT_THAT(test(R"json("object": "o", "if": ["u"])json"), HasSubstr("there is no 'u'"));
  EXPECT_THAT(test(R"json("object": "o", "expected": true)json"),
              HasSubstr("expected: unknown key"));
  EXPECT_THAT(Refusal("{}"), HasSubstr("tests: missing"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal(R"json({"tests": [], "policies": []})json"), HasSubstr("policies: unknown"));
}

// From scribe's own tests of versions.
TEST(ScribeVersionsTest, CompareAsScribeDoes) {
  const auto order = [](std::string_view a, std::string_view b) {
    return CompareVersions(Ordering::kRpm, a, b);
  };
  EXPECT_LT(order("1.0.1d-2+deb7u14", "1.0.1e-2+deb7u14"), 0);
  EXPECT_LT(order("1.0.1", "1.0.1e"), 0);
  EXPECT_EQ(order("1.0.1", "1.0.1"), 0);
  EXPECT_LT(order("2.6.32-504.el6", "0:2.6.32-504.8.1.el6"), 0);
  EXPECT_LT(order("1.5.9", "1.5.10"), 0);
  EXPECT_GT(order("10", "9"), 0);
  EXPECT_EQ(order("123", "123"), 0);
  EXPECT_LT(order("1241", "14444"), 0);
  EXPECT_GT(order("1.0-2", "1.0"), 0) << "no release is the oldest one";
  EXPECT_GT(order("345601.0", "345600.0"), 0);
  EXPECT_LT(CompareVersions(Ordering::kDpkg, "1.0~rc1-1", "1.0-1"), 0);
}

TEST_F(ScribeTest, MigsFormGoesInAndOut) {
  File("f", "x");
  const MigModule& mig = *ScribeMigModules()[0];
  MigJson parameters = MigJson::parse(R"json({"scribedoc": {
      "objects": [{"object": "o", "filename": {"path": "ROOT", "file": "^(f)$"}},
                  {"object": "n", "filename": {"path": "ROOT", "file": "^(g)$"}}],
      "tests": [{"test": "t", "object": "o"}, {"test": "u", "object": "n"}]},
      "onlytrue": false, "humanoutput": true, "jsonoutput": false})json");
  for (int i : {0, 1}) parameters["scribedoc"]["objects"][i]["filename"]["path"] = root_;
  const auto translated = mig.TranslateParameters(parameters);
  ASSERT_TRUE(translated.ok()) << translated.status();
  ASSERT_TRUE(ScribeModule().Run(**translated, context_).ok());
  const auto elements = mig.NewElements(parameters);
  for (const auto& row : context_.rows) elements->Add(*row);
  EXPECT_EQ(
      elements->Elements().dump(),
      StrCat(R"json({"results":[{"testid":"t","name":"","description":"","iserror":false,)json"
             R"json("error":"","masterresult":true,"hastrueresults":true,)json"
             R"json("results":[{"result":true,"identifier":")json",
             root_,
             R"json(/f"}]},{"testid":"u","name":"","description":"","iserror":false,)json"
             R"json("error":"","masterresult":false,"hastrueresults":false,"results":null}],)json"
             R"json("humanoutput":true,"jsonoutput":false})json"));
  EXPECT_THAT(mig.TranslateParameters(MigJson::parse(R"json({"doc": {}})json")).status().message(),
              HasSubstr("doc: unknown"));
  EXPECT_THAT(mig.TranslateParameters(MigJson::object()).status().message(),
              HasSubstr("scribedoc: missing"));
}

// The document that Mozilla published is taken as it is.
TEST(ScribeDocumentTest, PublishedDocumentIsValid) {
  const absl::StatusOr<std::string> text =
      ReadFile(StrCat(MIG_ACTIONS, "/glibc-CVE-2015-7547-noreboot-scribe.json"));
  ASSERT_TRUE(text.ok()) << text.status();
  const absl::StatusOr<Document> document = ReadDocument(*text);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_THAT(document->objects, SizeIs(4));
  EXPECT_THAT(document->order, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace scribe
}  // namespace dragnet
