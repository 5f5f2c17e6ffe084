// The readers of single formats, what they refuse above all.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "core/unique_fd.h"
#include "modules/pkg/deb822.h"
#include "modules/pkg/go_buildinfo.h"
#include "modules/pkg/line_reader.h"
#include "modules/pkg/package_json.h"
#include "modules/pkg/root.h"
#include "modules/pkg/rpm_database.h"
#include "modules/pkg/rpm_fake.h"
#include "modules/pkg/rpm_header.h"
#include "modules/pkg/test_root.h"

namespace dragnet::pkg {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

UniqueFd FileOf(std::string_view bytes) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

TEST(LineReaderTest, LinesOverTheBoundAreCountedAndTheNextOnesRead) {
  const std::string text =
      "a\n" + std::string(3 * LineReader::kMaxLine, 'x') + "\nb\n\n" + std::string(300000, 'y');
  const UniqueFd fd = FileOf(text);
  LineReader lines(fd.get());
  std::vector<std::string> read;
  std::string_view line;
  while (lines.Next(&line)) read.emplace_back(line);
  EXPECT_THAT(read, ElementsAre("a", "b", "", std::string(300000, 'y')));
  EXPECT_EQ(lines.too_long(), 1u);
  EXPECT_EQ(lines.bytes(), text.size());
}

TEST(Deb822Test, FieldsContinueAndStanzasEnd) {
  LineReader lines(std::string_view("A: 1\nb:\n x\n  y\n\n\n\nA: 2"));
  Deb822Reader reader(lines);
  Stanza stanza;
  ASSERT_EQ(reader.Next(&stanza), Deb822Reader::Result::kStanza);
  EXPECT_EQ(stanza.Get("a"), "1");
  EXPECT_EQ(stanza.Get("B"), "\nx\ny");
  EXPECT_EQ(stanza.Get("C"), "");
  ASSERT_EQ(reader.Next(&stanza), Deb822Reader::Result::kStanza);
  EXPECT_EQ(stanza.Get("A"), "2");
  EXPECT_EQ(reader.Next(&stanza), Deb822Reader::Result::kEnd);
}

TEST(Deb822Test, AStanzaOverTheBoundIsRefused) {
  std::string text;
  while (text.size() < 5 * 1024 * 1024) text += "F: " + std::string(1000, 'x') + "\n";
  text += "\nA: 1\n";
  LineReader lines{std::string_view(text)};
  Deb822Reader reader(lines);
  Stanza stanza;
  EXPECT_EQ(reader.Next(&stanza), Deb822Reader::Result::kMalformed);
  EXPECT_EQ(reader.Next(&stanza), Deb822Reader::Result::kStanza);
}

TEST(RpmHeaderTest, WhatPointsOutsideIsRefused) {
  const std::string good = FakePackage("bash", "5", "1");
  EXPECT_TRUE(RpmHeader::Parse(good).ok());
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(RpmHeader::Parse(good.substr(0, size)).ok()) << size;
  EXPECT_FALSE(
      RpmHeader::Parse(FakeHeader().Add(RpmTag::kSize, 4, 0x40000000, std::string(4, 'x')).Bytes())
          .ok());
}

TEST(RpmHeaderTest, StringsThatDoNotEndAreNotRead) {
  const std::string blob =
      FakeHeader().Add(RpmTag::kBaseNames, 8, 0xffffffff, std::string("a\0b\0c", 5)).Bytes();
  const auto header = RpmHeader::Parse(blob);
  ASSERT_TRUE(header.ok());
  EXPECT_THAT(header->Strings(RpmTag::kBaseNames), ElementsAre("a", "b"));
  EXPECT_EQ(header->Number(RpmTag::kBaseNames), std::nullopt);
}

struct Read {
  absl::Status status;
  std::vector<std::string> blobs;
  std::vector<std::string> passed_over;
};

template <typename Reader>
Read ReadDatabase(Reader reader, std::string_view bytes) {
  Read read;
  const UniqueFd fd = FileOf(bytes);
  read.status = reader(
      fd.get(),
      [&](std::string_view blob) {
        read.blobs.emplace_back(blob);
        return true;
      },
      [&](std::string_view reason, uint64_t) { read.passed_over.emplace_back(reason); });
  return read;
}

TEST(NdbTest, ABlobThatIsNotWhereItsSlotSaysIsPassedOver) {
  std::string bytes = FakeNdb({"first", "second", "third"});
  // The second slot's place.
  bytes[32 + 16 + 8] = '\x7f';
  const Read read = ReadDatabase(ReadRpmNdb, bytes);
  EXPECT_TRUE(read.status.ok());
  EXPECT_THAT(read.blobs, ElementsAre("first", "third"));
  EXPECT_THAT(read.passed_over, SizeIs(1));
}

TEST(NdbTest, WhatIsNoDatabaseIsRefused) {
  EXPECT_FALSE(ReadDatabase(ReadRpmNdb, "").status.ok());
  EXPECT_FALSE(ReadDatabase(ReadRpmNdb, std::string(8192, '\0')).status.ok());
  EXPECT_FALSE(ReadDatabase(ReadRpmNdb, FakeNdb({"x"}).substr(0, 4000)).status.ok());
}

// A hash of Berkeley DB with one page of pairs, and a chain of overflow pages.
std::string FakeBdb(uint32_t overflow_next) {
  constexpr size_t kPage = 512;
  const auto put = [](std::string& page, size_t at, const std::string& bytes) {
    page.replace(at, bytes.size(), bytes);
  };
  const auto half = [](uint32_t value) { return LittleWord(value).substr(0, 2); };
  std::string meta(kPage, '\0');
  put(meta, 12, LittleWord(0x00061561));
  put(meta, 16, LittleWord(9));
  put(meta, 20, LittleWord(kPage));
  put(meta, 32, LittleWord(3));
  std::string pairs(kPage, '\0');
  put(pairs, 8, LittleWord(1));
  put(pairs, 20, half(6));
  pairs[25] = 13;
  // The counter; a header that fits; one of 600 bytes that doesn't.
  const std::string items[] = {std::string("\x01\0\0\0\0", 5),
                               std::string("\x01\0\0\0\0", 5),
                               std::string("\x01\x01\0\0\0", 5),
                               "\x01small",
                               std::string("\x01\x02\0\0\0", 5),
                               std::string("\x03\0\0\0", 4) + LittleWord(2) + LittleWord(600)};
  size_t end = kPage;
  for (size_t i = 0; i < std::size(items); ++i) {
    end -= items[i].size();
    put(pairs, end, items[i]);
    put(pairs, 26 + 2 * i, half(static_cast<uint32_t>(end)));
  }
  std::string pages[2];
  const size_t lengths[] = {486, 114};
  for (size_t i = 0; i < 2; ++i) {
    pages[i].assign(kPage, static_cast<char>('a' + i));
    put(pages[i], 0, std::string(26, '\0'));
    put(pages[i], 16, LittleWord(i == 0 ? overflow_next : 0));
    put(pages[i], 22, half(static_cast<uint32_t>(lengths[i])));
    pages[i][25] = 7;
  }
  return meta + pairs + pages[0] + pages[1];
}

TEST(BdbTest, PairsAndOverflowPagesAreRead) {
  const Read read = ReadDatabase(ReadRpmBdb, FakeBdb(3));
  EXPECT_TRUE(read.status.ok()) << read.status;
  EXPECT_THAT(read.blobs, ElementsAre("small", std::string(486, 'a') + std::string(114, 'b')));
  EXPECT_THAT(read.passed_over, IsEmpty());
}

TEST(BdbTest, AChainThatGoesInCirclesOrOutsideEnds) {
  for (uint32_t next : {0u, 1u, 2u, 99u}) {
    const Read read = ReadDatabase(ReadRpmBdb, FakeBdb(next));
    EXPECT_THAT(read.blobs, ElementsAre("small")) << next;
    EXPECT_THAT(read.passed_over, SizeIs(1)) << next;
  }
}

TEST(SqliteTest, WhatIsNoDatabaseIsRefused) {
  EXPECT_FALSE(ReadDatabase(ReadRpmSqlite, "nonsense").status.ok());
  EXPECT_FALSE(ReadDatabase(ReadRpmSqlite, "").status.ok());
}

std::string Number64(uint64_t value) {
  return LittleWord(static_cast<uint32_t>(value)) + LittleWord(static_cast<uint32_t>(value >> 32));
}

// An ELF file of one writable segment at address 0x1000, which is `data`.
std::string FakeElf(const std::string& data) {
  std::string file =
      "\x7f"
      "ELF\x02\x01\x01" +
      std::string(9, '\0');
  file += std::string(16, '\0') + Number64(64) + Number64(0) + std::string(4, '\0');
  file += std::string("\x40\0\x38\0\x01\0\0\0\0\0\0\0", 12);
  file += LittleWord(1) + LittleWord(6) + Number64(128) + Number64(0x1000) + Number64(0x1000) +
          Number64(data.size()) + Number64(data.size()) + Number64(16);
  file.resize(128, '\0');
  return file + data;
}

const std::string kModules = std::string(16, 'm') +
                             "path\texample.com/tool\nmod\texample.com/tool\tv1.2.3\th1:x\n"
                             "dep\tgolang.org/x/net\tv0.1.0\n=>\texample.com/net\tv0.1.1\th1:y\n" +
                             std::string(16, 'm');

TEST(GoBuildInfoTest, BothFormsAreRead) {
  std::string header = "\xff Go buildinf:";
  std::string now = header + std::string("\x08\x02", 2) + std::string(16, '\0');
  now += "\x08go1.22.1";
  now += static_cast<char>(0x80 | (kModules.size() & 0x7f));
  now += static_cast<char>(kModules.size() >> 7);
  now += kModules;
  // Two pointers to strings of Go, each an address and a length.
  std::string before = header + std::string("\x08\0", 2) + Number64(0x1020) + Number64(0x1030);
  before += Number64(0x1040) + Number64(8) + Number64(0x1048) + Number64(kModules.size());
  before += "go1.16.5" + kModules;
  const std::pair<std::string, std::string> cases[] = {{now, "go1.22.1"}, {before, "go1.16.5"}};
  for (const auto& [data, version] : cases) {
    const UniqueFd fd = FileOf(FakeElf(data));
    const auto info = ReadGoBuildInfo(fd.get());
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->go_version, version);
    ASSERT_THAT(info->modules, SizeIs(2));
    EXPECT_EQ(info->modules[0].path, "example.com/tool");
    EXPECT_EQ(info->modules[0].version, "v1.2.3");
    EXPECT_EQ(info->modules[1].replaced_by, "example.com/net v0.1.1");
  }
  // Cut anywhere, it is refused, or what is left is read: never more.
  const std::string whole = FakeElf(before);
  for (size_t size = 0; size < whole.size(); ++size) {
    const UniqueFd fd = FileOf(whole.substr(0, size));
    EXPECT_FALSE(ReadGoBuildInfo(fd.get()).ok()) << size;
  }
}

TEST(GoBuildInfoTest, OtherFilesAreNotGos) {
  for (const std::string& bytes : {std::string(), std::string("#!/bin/sh\n"), FakeElf("data")}) {
    const UniqueFd fd = FileOf(bytes);
    EXPECT_TRUE(absl::IsNotFound(ReadGoBuildInfo(fd.get()).status()));
  }
}

TEST(PackageJsonTest, OnlyTheOutermostFieldsCount) {
  const auto package =
      ParsePackageJson(R"({"a":[{"name":"x"}],"name":"y","version":1,"b":{"version":"2"}})");
  ASSERT_TRUE(package);
  EXPECT_EQ(package->name, "y");
  EXPECT_EQ(package->version, "");
  EXPECT_FALSE(ParsePackageJson("[1]"));
  EXPECT_FALSE(ParsePackageJson("3"));
  EXPECT_FALSE(ParsePackageJson(R"({"name":)"));
  EXPECT_FALSE(ParsePackageJson(std::string(1 << 20, '[')));
}

TEST(RootTest, WithoutOpenat2LinksStayWithinTheRoot) {
  TestRoot tree;
  tree.File("/etc/real", "x");
  tree.Link("/etc/absolute", "/etc/real");
  tree.Link("/up", "../../../../etc/real");
  tree.Link("/dir", "etc");
  tree.Link("/loop", "loop");
  tree.Link("/out", "/proc/self/status");
  auto root = Root::Open(tree.path());
  ASSERT_TRUE(root.ok());
  for (int without = 0; without < 2; ++without) {
    if (without) root->DoWithoutOpenat2();
    for (const char* path : {"/etc/real", "/etc/absolute", "/up", "/dir/real", "/dir/../etc/real",
                             "/../../etc/real", "/dir//./real"})
      EXPECT_TRUE(root->OpenFile(path).valid()) << path << without;
    for (const char* path : {"/loop", "/out", "/etc/none", "/etc/real/x", "/dir", "/"})
      EXPECT_FALSE(root->OpenFile(path).valid()) << path << without;
    EXPECT_FALSE(root->OpenFile("/up", /*follow_last=*/false).valid());
    std::string target;
    EXPECT_TRUE(root->ReadLink("/dir/absolute", &target));
    EXPECT_EQ(target, "/etc/real");
    struct stat status;
    EXPECT_TRUE(root->Status("/dir/absolute", &status));
    EXPECT_TRUE(S_ISLNK(status.st_mode));
  }
}

}  // namespace
}  // namespace dragnet::pkg
