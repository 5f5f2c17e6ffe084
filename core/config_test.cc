#include "core/config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

TEST(ConfigTest, ReadsEveryKind) {
  auto file = *ConfigFile::Parse(
      "listen = \"127.0.0.1:7443\"\nca = \"ca.pem\"\nkeys = [\"a\", \"/b\"]\nworkers = 3\n"
      "on = true\n[tags]\nenv = \"demo\"\n[limits]\nwall_time = \"1h30m\"\n",
      "/etc/dragnet/agent.toml");
  EXPECT_EQ(file.String("listen", ""), "127.0.0.1:7443");
  EXPECT_EQ(file.RequiredPath("ca"), "/etc/dragnet/ca.pem");
  EXPECT_THAT(file.PathList("keys"), ElementsAre("/etc/dragnet/a", "/b"));
  EXPECT_EQ(file.Integer("workers", 1, 1, 8), 3);
  EXPECT_TRUE(file.Bool("on", false));
  EXPECT_THAT(file.StringMap("tags"), ElementsAre(Pair("env", "demo")));
  EXPECT_EQ(file.Duration("limits.wall_time", absl::Seconds(1), absl::Seconds(1), absl::Hours(24)),
            absl::Minutes(90));
  EXPECT_EQ(file.String("absent", "default"), "default");
  EXPECT_TRUE(file.Finish().ok());
}

TEST(ConfigTest, AnUnknownKeyIsAnErrorWithItsLine) {
  auto file = *ConfigFile::Parse("listen = \"x\"\nlisten_adress = \"y\"\n", "s.toml");
  file.String("listen", "");
  EXPECT_EQ(MessageOf(file.Finish()), "s.toml:2: listen_adress: unknown key (a typo?)");

  auto nested = *ConfigFile::Parse("[limits]\nwalltime = \"5m\"\n", "s.toml");
  nested.Duration("limits.wall_time", absl::Seconds(1), absl::Seconds(1), absl::Hours(1));
  EXPECT_THAT(MessageOf(nested.Finish()), HasSubstr("s.toml:2: limits.walltime"));
}

TEST(ConfigTest, ArraysOfTables) {
  constexpr char kText[] = "a = 1\n[[export]]\nname = \"x\"\n[[export]]\nname = \"y\"\n";
  auto file = *ConfigFile::Parse(kText, "s.toml");
  file.Integer("a", 0, 0, 9);
  EXPECT_EQ(file.TableCount("absent"), 0U);
  ASSERT_EQ(file.TableCount("export"), 2U);
  EXPECT_EQ(file.RequiredString("export[0].name"), "x");
  EXPECT_EQ(file.RequiredString("export[1].name"), "y");
  EXPECT_TRUE(file.Finish().ok()) << file.Finish();

  auto typo = *ConfigFile::Parse("[[export]]\nname = \"x\"\n[[export]]\nnaem = \"y\"\n", "s.toml");
  for (size_t i = 0; i < typo.TableCount("export"); ++i)
    typo.String("export[" + std::to_string(i) + "].name", "");
  EXPECT_EQ(MessageOf(typo.Finish()), "s.toml:4: export[1].naem: unknown key (a typo?)");

  auto missing = *ConfigFile::Parse("a = 1\n[[export]]\n", "s.toml");
  ASSERT_EQ(missing.TableCount("export"), 1U);
  missing.RequiredString("export[0].name");
  EXPECT_EQ(MessageOf(missing.Finish()), "s.toml:2: export[0].name: missing or empty");

  auto scalar = *ConfigFile::Parse("export = 3\n", "s.toml");
  EXPECT_EQ(scalar.TableCount("export"), 0U);
  EXPECT_EQ(MessageOf(scalar.Finish()), "s.toml:1: export: must be tables: [[export]]");

  auto refused = *ConfigFile::Parse("[[export]]\nname = \"x y\"\n", "s.toml");
  refused.TableCount("export");
  refused.Refuse("export[0].name", "no blanks");
  EXPECT_EQ(MessageOf(refused.Finish()), "s.toml:2: export[0].name: no blanks");

  auto unasked = *ConfigFile::Parse("[[export]]\nname = \"x\"\n", "s.toml");
  EXPECT_THAT(MessageOf(unasked.Finish()), HasSubstr("export: unknown key"));
}

TEST(ConfigTest, WrongTypesRangesAndAbsencesAreErrors) {
  const auto problem = [](std::string_view text, auto read) {
    auto file = *ConfigFile::Parse(text, "s.toml");
    read(file);
    return MessageOf(file.Finish());
  };
  EXPECT_THAT(problem("a = 1", [](auto& f) { f.String("a", ""); }), HasSubstr("must be a string"));
  EXPECT_THAT(problem("", [](auto& f) { f.RequiredString("a"); }), HasSubstr("a: missing"));
  EXPECT_THAT(problem("a = 9", [](auto& f) { f.Integer("a", 1, 1, 8); }), HasSubstr("1 to 8"));
  EXPECT_THAT(
      problem("a = \"5 minutes\"",
              [](auto& f) { f.Duration("a", absl::Seconds(1), absl::Seconds(1), absl::Hours(1)); }),
      HasSubstr("duration"));
  EXPECT_THAT(problem("a = [1]", [](auto& f) { f.StringList("a"); }), HasSubstr("list of strings"));
  EXPECT_THAT(problem("a = \"x\"", [](auto& f) { f.StringMap("a"); }), HasSubstr("table"));
  EXPECT_THAT(problem("a = \"yes\"", [](auto& f) { f.Bool("a", false); }),
              HasSubstr("true or false"));
}

TEST(ConfigTest, CharactersBeyondAsciiAreForStringsAndComments) {
  for (const std::string stray : {"é = 1", "a = 1\u00a0\n", "a = \ufecc", "é"}) {
    EXPECT_THAT(MessageOf(ConfigFile::Parse("b = 2\n" + stray, "s.toml").status()),
                HasSubstr("s.toml:2: a character that isn't ASCII"))
        << stray;
  }
  for (const std::string good :
       {"\ufeffa = \"café\"", "a = 'café' # é\n", "\"café\" = 1\na = \"x\\\"é\"",
        "a = \"\"\"one\n\"é\" \\\"\"\" two\"\"\"", "a = '''one\n'é'''"}) {
    const auto file = ConfigFile::Parse(good, "s.toml");
    EXPECT_TRUE(file.ok()) << good << ": " << file.status();
  }
}

TEST(ConfigTest, SyntaxErrorsNameLineAndColumn) {
  EXPECT_THAT(MessageOf(ConfigFile::Parse("a = \"x\"\nb =\n", "s.toml").status()),
              HasSubstr("s.toml:2:"));
  EXPECT_THAT(MessageOf(ConfigFile::Load("/nosuch/s.toml").status()), HasSubstr("/nosuch/s.toml"));
}

}  // namespace
}  // namespace dragnet
