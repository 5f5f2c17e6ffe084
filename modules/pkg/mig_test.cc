#include "modules/mig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "modules/pkg/test_root.h"

namespace dragnet {
std::span<const MigModule* const> PkgMigModules();

namespace pkg {
namespace {

const MigModule& Mig() { return *PkgMigModules()[0]; }

std::string Refusal(const char* json) {
  return std::string(Mig().TranslateParameters(MigJson::parse(json)).status().message());
}

TEST(PkgMigTest, ParametersAndElementsAreOfTheObservedForm) {
  TestRoot root;
  root.File("/var/lib/dpkg/status",
            "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\n"
            "Version: 3.0.22-1~deb12u2\n\nPackage: libc6\nStatus: install ok installed\n"
            "Architecture: amd64\nVersion: 2.36-9\n\nPackage: openssl-tool\n"
            "Status: install ok installed\nArchitecture: all\nVersion: 1\n\n");
  const MigJson parameters =
      MigJson::parse(R"({"pkgmatch":{"matches":["^openssl$","^libc6$","^libc"]}})");
  auto translated = Mig().TranslateParameters(parameters);
  ASSERT_TRUE(translated.ok()) << translated.status();
  auto& typed = dynamic_cast<v1::PkgParameters&>(**translated);
  typed.add_roots(root.path());
  FakeRunContext context;
  ASSERT_TRUE(PkgModule().Run(typed, context).ok());
  const auto elements = Mig().NewElements(parameters);
  for (const auto& row : context.rows) elements->Add(*row);
  EXPECT_EQ(elements->Elements().dump(),
            R"({"packages":[{"name":"openssl","version":"3.0.22-1~deb12u2","type":"dpkg",)"
            R"("arch":"amd64"},{"name":"libc6","version":"2.36-9","type":"dpkg","arch":"amd64"},)"
            R"({"name":"libc6","version":"2.36-9","type":"dpkg","arch":"amd64"}]})");
  EXPECT_EQ(elements->Statistics({.seconds = 0.024016657}).dump(),
            R"({"execruntime":"24.016657ms"})");
}

TEST(PkgMigTest, WithoutFindingsThereIsAnEmptyList) {
  EXPECT_EQ(
      Mig().NewElements(MigJson::parse(R"({"pkgmatch":{"matches":["x"]}})"))->Elements().dump(),
      R"({"packages":[]})");
}

TEST(PkgMigTest, AnExclamationMarkIsPartOfMigsRegex) {
  const auto translated =
      Mig().TranslateParameters(MigJson::parse(R"({"pkgmatch":{"matches":["!x"]}})"));
  ASSERT_TRUE(translated.ok());
  EXPECT_EQ(dynamic_cast<v1::PkgParameters&>(**translated).names(0), "(?:!x)");
}

TEST(PkgMigTest, UnknownKeysAndBadRegexesAreRefusedByName) {
  EXPECT_THAT(Refusal(R"({"pkgmatch":{"matches":["a"]},"mode":1})"),
              testing::HasSubstr("no key 'mode'"));
  EXPECT_THAT(Refusal(R"({"pkgmatch":{"matches":["a"],"version":"1"}})"),
              testing::HasSubstr("no key 'pkgmatch.version'"));
  EXPECT_THAT(Refusal(R"({"pkgmatch":{"matches":["("]}})"), testing::HasSubstr("'('"));
  EXPECT_THAT(Refusal(R"({"pkgmatch":{"matches":[1]}})"), testing::HasSubstr("a list"));
  EXPECT_THAT(Refusal(R"({"pkgmatch":{"matches":[]}})"), testing::HasSubstr("one regular"));
  EXPECT_THAT(Refusal("{}"), testing::HasSubstr("one regular"));
  EXPECT_THAT(Refusal("[]"), testing::HasSubstr("an object"));
}

}  // namespace
}  // namespace pkg
}  // namespace dragnet
