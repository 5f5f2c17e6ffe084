#include "modules/file/elf.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string.h>

#include <fstream>
#include <random>
#include <sstream>

namespace dragnet::file {
namespace {

std::optional<ElfInfo> Read(const std::string& bytes) {
  return ReadElf([&](uint64_t offset, char* to, size_t size) {
    if (offset > bytes.size() || size > bytes.size() - offset) return false;
    memcpy(to, bytes.data() + offset, size);
    return true;
  });
}

std::string OwnProgram() {
  std::stringstream content;
  content << std::ifstream("/proc/self/exe", std::ios::binary).rdbuf();
  return content.str();
}

TEST(ReadElf, TellsWhatThisProgramIs) {
  const std::optional<ElfInfo> elf = Read(OwnProgram());
  ASSERT_TRUE(elf.has_value());
  EXPECT_FALSE(elf->damaged);
  EXPECT_TRUE(elf->type == "dyn" || elf->type == "exec") << elf->type;
  EXPECT_THAT(elf->interpreter, testing::StartsWith("/lib"));
  EXPECT_THAT(elf->needed, testing::Contains(testing::StartsWith("libc.so")));
}

TEST(ReadElf, WhatIsNotElfIsNothing) {
  EXPECT_FALSE(Read("").has_value());
  EXPECT_FALSE(Read("\x7f"
                    "ELF")
                   .has_value());
  EXPECT_FALSE(Read("#!/bin/sh\necho this is no program\n").has_value());
}

TEST(ReadElf, AHeaderAloneIsDamaged) {
  std::string bytes = OwnProgram().substr(0, 40);
  const std::optional<ElfInfo> elf = Read(bytes);
  ASSERT_TRUE(elf.has_value());
  EXPECT_TRUE(elf->damaged);
}

TEST(ReadElf, ABuildIdIsReadInEitherByteOrder) {
  for (const bool big : {false, true}) {
    const auto put = [&](std::string* out, uint64_t value, int size) {
      for (int i = 0; i < size; ++i)
        out->push_back(static_cast<char>(value >> 8 * (big ? size - 1 - i : i)));
    };
    std::string bytes(
        "\x7f"
        "ELF\x01",
        5);
    bytes += big ? '\2' : '\1';
    bytes.resize(EI_NIDENT, '\0');
    put(&bytes, ET_CORE - 1, 2);
    put(&bytes, EM_386, 2);
    put(&bytes, 1, 4);
    put(&bytes, 0, 4);
    put(&bytes, sizeof(Elf32_Ehdr), 4);
    put(&bytes, 0, 4);
    put(&bytes, 0, 4);
    for (const uint16_t value :
         {sizeof(Elf32_Ehdr), sizeof(Elf32_Phdr), size_t{1}, size_t{0}, size_t{0}, size_t{0}}) {
      put(&bytes, value, 2);
    }
    put(&bytes, PT_NOTE, 4);
    put(&bytes, bytes.size() - 4 + sizeof(Elf32_Phdr), 4);
    put(&bytes, 0, 4);
    put(&bytes, 0, 4);
    put(&bytes, 20, 4);
    put(&bytes, 0, 4);
    put(&bytes, 0, 4);
    put(&bytes, 0, 4);
    put(&bytes, 4, 4);
    put(&bytes, 4, 4);
    put(&bytes, NT_GNU_BUILD_ID, 4);
    bytes += std::string("GNU\0\x01\x02\x03\x04", 8);
    const std::optional<ElfInfo> elf = Read(bytes);
    ASSERT_TRUE(elf.has_value());
    EXPECT_FALSE(elf->damaged);
    EXPECT_EQ(elf->type, "dyn");
    EXPECT_EQ(elf->machine, "i386");
    EXPECT_EQ(elf->build_id, "\1\2\3\4");
  }
}

TEST(ReadElf, NoFileLeadsItAstray) {
  // Headers and tables are where it matters.
  std::string bytes = OwnProgram();
  bytes.resize(std::min<size_t>(bytes.size(), 64 * 1024));
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = bytes;
    for (int j = 0; j < 8; ++j) changed[4 + random() % 1500] = static_cast<char>(random());
    const std::optional<ElfInfo> elf = Read(changed);
    ASSERT_TRUE(elf.has_value());
    EXPECT_LE(elf->needed.size(), kMaxNeeded);
    EXPECT_LE(elf->build_id.size(), 64u);
  }
}

}  // namespace
}  // namespace dragnet::file
