#include "console/form/form.h"

#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "core/action.h"

namespace dragnet::console {
namespace {

using testing::SampleParameters;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class FormTest : public ::testing::Test {
 protected:
  absl::Status Set(std::string_view flag, std::string_view text) {
    return SetField(*form_.Find(flag), text, kNow, &parameters_);
  }

  Form form_ = FormOf(testing::SampleModule(),
                      *testing::SampleCatalog().DocumentationOf(testing::SampleModule()));
  SampleParameters parameters_;
};

TEST_F(FormTest, FieldsBecomeFlagsInTheirOrder) {
  std::vector<std::string> flags;
  for (const FormField& field : form_.fields()) flags.push_back(field.flag);
  EXPECT_EQ(flags, (std::vector<std::string>{"path", "name", "hash", "invert", "also-hash",
                                             "max-depth", "offset", "patience", "since", "label",
                                             "magic", "ratio", "left", "right", "list"}));
}

TEST_F(FormTest, HiddenAndUnflattenedFieldsAreForJsonOnly) {
  EXPECT_EQ(form_.Find("secret-knob"), nullptr);
  EXPECT_EQ(form_.Find("unflattened"), nullptr);
}

TEST_F(FormTest, OptionsOfTheProtoAreTaken) {
  EXPECT_EQ(form_.Find("path")->value_name, "PATH");
  EXPECT_EQ(form_.Find("name")->short_flag, "n");
  EXPECT_TRUE(form_.Find("name")->repeated);
  EXPECT_TRUE(form_.Find("invert")->is_switch);
  EXPECT_EQ(form_.Find("invert")->value_name, "");
  EXPECT_EQ(form_.Find("max-depth")->value_name, "N");
  EXPECT_EQ(form_.Find("patience")->value_name, "DURATION");
  EXPECT_EQ(form_.Find("hash")->choices, (std::vector<std::string>{"md5", "sha2-256"}));
  EXPECT_NE(form_.Find("hash")->documentation.find("sha2-256: FIPS 180-4."), std::string::npos);
}

TEST_F(FormTest, EveryKindOfValueIsSet) {
  ASSERT_TRUE(Set("path", "/etc").ok());
  ASSERT_TRUE(Set("path", "/usr").ok());
  ASSERT_TRUE(Set("name", "^a$").ok());
  ASSERT_TRUE(Set("hash", "SHA2-256").ok());
  ASSERT_TRUE(Set("invert", "true").ok());
  ASSERT_TRUE(Set("also-hash", "md5").ok());
  ASSERT_TRUE(Set("max-depth", "3").ok());
  ASSERT_TRUE(Set("offset", "-9223372036854775808").ok());
  ASSERT_TRUE(Set("patience", "5m").ok());
  ASSERT_TRUE(Set("since", "-1h").ok());
  ASSERT_TRUE(Set("label", "a=b=c").ok());
  ASSERT_TRUE(Set("magic", "7f454c46").ok());
  ASSERT_TRUE(Set("ratio", "0.5").ok());

  EXPECT_EQ(parameters_.path_size(), 2);
  ASSERT_EQ(parameters_.searches_size(), 1);
  EXPECT_EQ(parameters_.searches(0).name(0), "^a$");
  EXPECT_EQ(parameters_.searches(0).hash(), testing::SAMPLE_HASH_SHA2_256);
  EXPECT_TRUE(parameters_.searches(0).invert());
  EXPECT_EQ(parameters_.searches(0).also(0), testing::SAMPLE_HASH_MD5);
  EXPECT_EQ(parameters_.max_depth(), 3u);
  EXPECT_EQ(parameters_.offset(), INT64_MIN);
  EXPECT_EQ(ToDuration(parameters_.patience()), absl::Minutes(5));
  EXPECT_EQ(*ToTime(parameters_.since()), kNow - absl::Hours(1));
  EXPECT_EQ(parameters_.label().at("a"), "b=c");
  EXPECT_EQ(parameters_.magic(),
            "\x7f"
            "ELF");
  EXPECT_EQ(parameters_.ratio(), 0.5);
}

TEST_F(FormTest, WrongValuesAreRefusedWithWhatIsExpected) {
  EXPECT_EQ(Set("max-depth", "-1").message(),
            "\"-1\" is not a whole number of at least 0 that fits");
  EXPECT_FALSE(Set("max-depth", "4294967296").ok());
  EXPECT_FALSE(Set("max-depth", "").ok());
  EXPECT_FALSE(Set("offset", "1.5").ok());
  EXPECT_EQ(Set("hash", "sha3").message(), "\"sha3\" is not one of: md5, sha2-256");
  EXPECT_FALSE(Set("hash", "unspecified").ok());
  EXPECT_FALSE(Set("patience", "5").ok());
  EXPECT_FALSE(Set("magic", "xyz").ok());
  EXPECT_FALSE(Set("label", "novalue").ok());
  EXPECT_FALSE(Set("name", "\xff\xfe").ok());
}

TEST_F(FormTest, TwoFlagsOfAOneofAreRefused) {
  ASSERT_TRUE(Set("left", "a").ok());
  EXPECT_EQ(Set("right", "b").message(), "can't be given together with --left");
  EXPECT_TRUE(Set("left", "c").ok());
}

TEST_F(FormTest, MessagesAboutFieldsNameTheirFlags) {
  EXPECT_EQ(form_.NameFlags("searches[0].name: missing )"), "--name: missing )");
  EXPECT_EQ(form_.NameFlags("name[1] 'a(' misses )"), "--name 'a(' misses )");
  EXPECT_EQ(form_.NameFlags("max_depth: too deep"), "--max-depth: too deep");
  EXPECT_EQ(form_.NameFlags("names of things"), "names of things");
  EXPECT_EQ(form_.NameFlags("something else"), "something else");
}

TEST(MessageFromJsonTest, IsStrict) {
  SampleParameters parameters;
  EXPECT_TRUE(MessageFromJson(R"({"path":["/etc"],"maxDepth":2})", &parameters).ok());
  EXPECT_EQ(parameters.max_depth(), 2u);
  EXPECT_FALSE(MessageFromJson(R"({"pth":["/etc"]})", &parameters).ok());
  EXPECT_FALSE(MessageFromJson(R"({"maxDepth":"x"})", &parameters).ok());
  EXPECT_FALSE(MessageFromJson("", &parameters).ok());
  const absl::Status status = MessageFromJson("{\"path\":\n\n[", &parameters);
  EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
}

}  // namespace
}  // namespace dragnet::console
