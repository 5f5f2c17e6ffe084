#include "console/packs/pack_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "console/packs/pack_loader.h"
#include "console/testing/sample_module.h"
#include "core/file_io.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ModuleCatalog& RealModules() {
  static const ModuleCatalog catalog{AllModules(), ModuleDescriptorSet};
  return catalog;
}

TEST(PackSchemaTest, SaysWhatAModuleTakes) {
  const json schema = json::parse(*PackSchema(testing::SampleCatalog()));
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["required"], json({"id", "title"}));
  EXPECT_EQ(schema["additionalProperties"], false);
  const json& check = schema["$defs"]["check"];
  EXPECT_EQ(check["properties"]["module"]["enum"], json({"sample"}));
  EXPECT_EQ(check["required"], json({"id", "title", "severity", "expect"}));
  const json& parameters = schema["$defs"]["dragnet.console.testing.SampleParameters"];
  EXPECT_EQ(parameters["additionalProperties"], false);
  EXPECT_TRUE(parameters["properties"]["path"]["description"].get<std::string>().starts_with(
      "Directory or file to start at"));
  EXPECT_EQ(schema["$defs"]["dragnet.console.testing.SampleSearch"]["properties"]["hash"]["anyOf"]
                  [0]["enum"],
            json({"md5", "sha2-256"}));
}

// After a change of a module's .proto or of the keys:
//   dragnet check --schema > docs/pack.schema.json
// or run this with DRAGNET_WRITE_GOLDEN=1.
TEST(PackSchemaTest, ThePublishedCopyIsCurrent) {
  if (std::getenv("DRAGNET_WRITE_GOLDEN") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(PACK_SCHEMA, *PackSchema(RealModules()), 0644).ok());
  }
  const auto copy = ReadFile(PACK_SCHEMA);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_TRUE(*copy == *PackSchema(RealModules()))
      << PACK_SCHEMA << " is old: dragnet check --schema > docs/pack.schema.json";
}

// References lead somewhere.
TEST(PackSchemaTest, EveryReferenceIsDefined) {
  const json schema = json::parse(*PackSchema(RealModules()));
  size_t references = 0;
  const std::function<void(const json&)> look = [&](const json& value) {
    if (value.is_object() && value.contains("$ref")) {
      const std::string name = value["$ref"].get<std::string>().substr(sizeof "#/$defs/" - 1);
      EXPECT_TRUE(schema["$defs"].contains(name)) << name;
      ++references;
    }
    if (value.is_structured())
      for (const json& below : value) look(below);
  };
  look(schema);
  EXPECT_GT(references, 20U);
}

TEST(PackSchemaTest, ThePacksThatAreShippedLoadWithoutAWarning) {
  size_t packs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SHIPPED_PACKS)) {
    if (entry.path().extension() != ".yaml") continue;
    Problems problems;
    std::map<std::string, bool> used;
    EXPECT_TRUE(LoadPack(entry.path().string(),
                         {.modules = RealModules(), .now = absl::UnixEpoch()}, &used, &problems)
                    .has_value());
    EXPECT_THAT(problems.ErrorLines(), IsEmpty());
    // A kernel's setting that isn't there is meant to be unknown.
    EXPECT_THAT(problems.WarningLines(), Each(HasSubstr("number is NULL in rows")));
    ++packs;
  }
  EXPECT_GT(packs, 0U);
}

}  // namespace
}  // namespace dragnet::console
