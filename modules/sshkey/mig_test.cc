#include "modules/mig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/sshkey/sshkey.pb.h"

namespace dragnet::sshkey {
namespace {

using testing::HasSubstr;

const MigModule& Mig() { return *FindMigModule("sshkey"); }

TEST(SshkeyMigTest, ParametersAreTranslatedWithMigsDefaults) {
  const auto given =
      Mig().TranslateParameters(MigJson::parse(R"({"paths":["/srv/migdemo"],"maxdepth":4})"));
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ((*given)->ShortDebugString(), R"(paths: "/srv/migdemo" max_depth: 4)");
  const auto defaults = Mig().TranslateParameters(MigJson::parse(R"({"paths":null,"maxdepth":0})"));
  EXPECT_EQ((*defaults)->ShortDebugString(), R"(paths: "/root" paths: "/home" max_depth: 8)");
}

TEST(SshkeyMigTest, WhatCannotBeTranslatedIsRefusedByKey) {
  for (const auto& [json, what] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"path":["/a"]})", "'path'"},
           {R"({"paths":"/a"})", "paths"},
           {R"({"paths":[1]})", "paths"},
           {R"({"maxdepth":1001})", "maxdepth"},
           {R"({"maxdepth":-1})", "maxdepth"},
           {R"([])", "object"}}) {
    EXPECT_THAT(std::string(Mig().TranslateParameters(MigJson::parse(json)).status().message()),
                HasSubstr(what));
  }
}

TEST(SshkeyMigTest, ElementsHaveMigsForm) {
  const auto elements = Mig().NewElements({});
  EXPECT_EQ(elements->Elements().dump(), R"({"keys":null})");
  v1::SshkeyRow row;
  row.set_path("/root/.ssh/authorized_keys");
  row.set_kind("authorized_key");
  row.set_sha256("SHA256:x");
  row.set_md5("MD5:aa:bb");
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(),
            R"({"keys":[{"fingerprint_md5":"aa:bb","fingerprint_sha256":"SHA256:x",)"
            R"("path":"/root/.ssh/authorized_keys","encrypted":false,"type":"authorizedkeys"}]})");
  EXPECT_TRUE(elements->Statistics({}).is_null());
}

}  // namespace
}  // namespace dragnet::sshkey
