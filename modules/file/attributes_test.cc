#include "modules/file/attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include "modules/file/temp_tree.h"

namespace dragnet::file {
namespace {

std::string Words(std::initializer_list<uint32_t> words) {
  std::string value;
  for (uint32_t word : words)
    for (int i = 0; i < 4; ++i) value.push_back(static_cast<char>(word >> 8 * i));
  return value;
}

TEST(CapabilityText, IsWhatGetcapPrints) {
  // cap_net_bind_service is 10, cap_net_raw 13, cap_checkpoint_restore 40.
  EXPECT_EQ(CapabilityText(Words({0x02000001, 1 << 10 | 1 << 13, 0, 0, 0})),
            "cap_net_bind_service,cap_net_raw=ep");
  EXPECT_EQ(CapabilityText(Words({0x02000000, 1 << 13, 1 << 13, 1 << 8, 0})),
            "cap_net_raw=ip cap_checkpoint_restore=p");
  EXPECT_EQ(CapabilityText(Words({0x03000001, 1, 0, 0, 0, 1000})), "cap_chown=ep");
  EXPECT_EQ(CapabilityText(Words({0x02000001, 0, 0, 1u << 31, 0})), "63=ep");
  EXPECT_EQ(CapabilityText(Words({0x02000000, 0, 0, 0, 0})), "=");
}

TEST(CapabilityText, WhatTheKernelWouldNotTakeIsNone) {
  EXPECT_EQ(CapabilityText(""), "");
  EXPECT_EQ(CapabilityText(Words({0x02000001, 1})), "");
  EXPECT_EQ(CapabilityText(Words({0x09000001, 1, 0, 0, 0})), "");
}

TEST(ReadAttributes, FindsNamesAndValues) {
  const TempTree tree;
  const std::string path = tree.File("a");
  if (setxattr(path.c_str(), "user.one", "1\0002", 3, 0) != 0)
    GTEST_SKIP() << "the file system of the temporary directory has no user attributes";
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Attributes attributes;
  ASSERT_EQ(ReadAttributes(fd.get(), &attributes), 0);
  EXPECT_THAT(attributes.xattrs,
              testing::Contains(testing::Pair("user.one", std::string("1\0002", 3))));
  EXPECT_EQ(attributes.capabilities, "");
}

}  // namespace
}  // namespace dragnet::file
