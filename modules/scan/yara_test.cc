#include "modules/scan/yara.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/scan/yara_proto.h"

namespace dragnet::scan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string CompileError(std::string_view source, std::vector<std::string> externals = {}) {
  auto rules = YaraRules::Compile(source, externals);
  if (rules.ok()) return "it compiles";
  EXPECT_EQ(rules.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(rules.status().message());
}

std::shared_ptr<const YaraRules> Rules(std::string_view source,
                                       std::vector<std::string> externals = {}) {
  auto rules = YaraRules::Compile(source, externals);
  EXPECT_TRUE(rules.ok()) << rules.status();
  return *rules;
}

std::vector<YaraMatch> Scan(std::string_view rules, std::string_view bytes,
                            std::vector<std::string> externals = {}) {
  YaraScanner scanner(Rules(rules, externals), {});
  auto matches = scanner.ScanBuffer(bytes);
  EXPECT_TRUE(matches.ok()) << matches.status();
  return *matches;
}

std::vector<std::string> Names(const std::vector<YaraMatch>& matches) {
  std::vector<std::string> names;
  for (const YaraMatch& match : matches) names.push_back(match.rule);
  return names;
}

UniqueFd FileOf(std::string_view bytes) {
  FILE* file = tmpfile();
  EXPECT_EQ(fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
  fflush(file);
  UniqueFd fd(dup(fileno(file)));
  fclose(file);
  return fd;
}

TEST(YaraCompileTest, ErrorsNameLineAndColumn) {
  EXPECT_EQ(CompileError("rule a {\n  strings:\n    $a = \"x\"\n  condition: $a and $b\n}\n"),
            "line 4, column 21: undefined string \"$b\"");
  EXPECT_EQ(CompileError("rule a { condition: tru and false }"),
            "line 1, column 21: undefined identifier \"tru\"");
  EXPECT_EQ(CompileError("rule a { condition: true }\nrule a { condition: true }"),
            "line 2, column 6: duplicated identifier \"a\"");
  EXPECT_THAT(CompileError("rule a {\n  condition: true ) }"),
              HasSubstr("line 2, column 19: syntax error"));
  EXPECT_THAT(CompileError("rule a {\n strings: $x = /a(b/ condition: $x }"),
              HasSubstr("line 2, column 11: invalid regular expression"));
  EXPECT_THAT(CompileError("rule a { strings: $x = { 6 } condition: $x }"),
              HasSubstr("line 1, column 19: invalid hex string"));
}

TEST(YaraCompileTest, NothingCompilesToNoMatch) {
  EXPECT_THAT(Scan("", "x"), IsEmpty());
  EXPECT_THAT(Scan("// nothing\n", ""), IsEmpty());
}

TEST(YaraCompileTest, IncludesAreRefused) {
  EXPECT_THAT(CompileError("rule a { condition: true }\ninclude \"/etc/passwd\"\n"),
              HasSubstr("line 2, column 1: includes are disabled"));
}

TEST(YaraCompileTest, NulBytesAndOversizeAreRefused) {
  EXPECT_EQ(CompileError(std::string_view("rule\n a\0b", 9)), "line 2, column 3: a NUL byte");
  EXPECT_THAT(CompileError(std::string(kMaxRuleSource + 1, ' ')), HasSubstr("larger than 32 MiB"));
}

TEST(YaraCompileTest, WarningsAreNoErrors) {
  EXPECT_THAT(Names(Scan("rule slow { strings: $a = /.*x.*/ condition: $a }", "yxz")),
              ElementsAre("slow"));
}

TEST(YaraExternalsTest, ValuesHaveTheTypesThatTheyLookLike) {
  EXPECT_THAT(Names(Scan("rule b { condition: flag } rule i { condition: n == -12 }"
                         "rule f { condition: x > 1.4 and x < 1.6 }"
                         "rule s { condition: text contains \"=1\" }",
                         "", {"flag=true", "n=-12", "x=1.5", "text=x=1"})),
              ElementsAre("b", "i", "f", "s"));
}

TEST(YaraExternalsTest, BadOnesAreNamed) {
  EXPECT_EQ(CompileError("", {"novalue"}), "external variable 'novalue' is not NAME=VALUE");
  EXPECT_EQ(CompileError("", {"1x=2"}), "external variable '1x=2' is not NAME=VALUE");
  EXPECT_EQ(CompileError("", {"x=1", "x=2"}), "external variable 'x': the variable is given twice");
  EXPECT_THAT(CompileError("rule a { condition: y }", {"x=1"}),
              HasSubstr("undefined identifier \"y\""));
}

TEST(YaraScanTest, MatchesCarryWhatTheRuleSays) {
  const auto matches = Scan(
      "rule r : one two { meta: author = \"me\" n = 3 ok = true\n"
      "  strings: $a = \"needle\" $b = { 01 ?? 03 } $p = \"hay\" private\n"
      "  condition: all of them }",
      std::string_view("hay needle \x01\x02\x03 needle", 21));
  ASSERT_EQ(matches.size(), 1u);
  const YaraMatch& match = matches[0];
  EXPECT_EQ(match.rule_namespace, "default");
  EXPECT_THAT(match.tags, ElementsAre("one", "two"));
  EXPECT_THAT(match.meta, ElementsAre(Pair("author", "me"), Pair("n", "3"), Pair("ok", "true")));
  ASSERT_EQ(match.strings.size(), 3u);
  EXPECT_EQ(match.strings[0].identifier, "$a");
  EXPECT_EQ(match.strings[0].offset, 4u);
  EXPECT_EQ(match.strings[0].length, 6u);
  EXPECT_EQ(match.strings[0].bytes, "needle");
  EXPECT_EQ(match.strings[1].offset, 15u);
  EXPECT_EQ(match.strings[2].identifier, "$b");
  EXPECT_EQ(match.strings[2].bytes, "\x01\x02\x03");

  v1::YaraRuleMatch message;
  ToProto(match, &message);
  EXPECT_EQ(message.rule(), "r");
  EXPECT_EQ(message.namespace_(), "default");
  EXPECT_EQ(message.meta(1).value(), "3");
  EXPECT_EQ(message.strings(1).offset(), 15u);
  EXPECT_EQ(message.strings(2).bytes(), "\x01\x02\x03");
}

TEST(YaraScanTest, StringsAndBytesAreCutAtTheirLimits) {
  YaraScanner scanner(Rules("rule r { strings: $a = /xy{3,100}/ condition: $a }"), {3, 5});
  std::string text;
  for (int i = 0; i < 10; ++i) text += "xyyyyyyyy ";
  auto matches = scanner.ScanBuffer(text);
  ASSERT_TRUE(matches.ok());
  ASSERT_EQ(matches->size(), 1u);
  EXPECT_EQ((*matches)[0].strings.size(), 3u);
  EXPECT_TRUE((*matches)[0].strings_cut);
  EXPECT_EQ((*matches)[0].strings[2].bytes, "xyyyy");
  EXPECT_EQ((*matches)[0].strings[2].length, 9u);
}

TEST(YaraScanTest, AMillionMatchesAreAnErrorNotAMiss) {
  YaraScanner scanner(Rules("rule r { strings: $a = \"a\" condition: #a > 10000000 }"), {});
  const std::string text(1'200'000, 'a');
  const auto matches = scanner.ScanBuffer(text);
  EXPECT_EQ(matches.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(matches.status().message()), HasSubstr("matches of $a"));
  // And the scanner is still good for the next item.
  EXPECT_THAT(*scanner.ScanBuffer("a"), IsEmpty());
}

TEST(YaraScanTest, ConditionsSeeTheWholeFile) {
  constexpr std::string_view kRules =
      "rule size { condition: filesize == 300007 }\n"
      "rule head { condition: uint16be(0) == 0x4d5a }\n"
      "rule far { condition: uint32(300000) == 0x64636261 }\n"
      "rule lacks { strings: $a = \"absent\" condition: not $a }\n"
      "rule place { strings: $a = \"abcd\" condition: $a at 300000 and #a == 1 and @a[1] > 4 }\n"
      "rule ref { condition: place and not size }\n";
  std::string text(300'007, '.');
  text.replace(0, 2, "MZ");
  text.replace(300'000, 4, "abcd");
  const UniqueFd fd = FileOf(text);
  YaraScanner scanner(Rules(kRules), {});
  auto matches = scanner.ScanFile(fd.get(), text.size());
  ASSERT_TRUE(matches.ok()) << matches.status();
  EXPECT_THAT(Names(*matches), ElementsAre("size", "head", "far", "lacks", "place"));
}

TEST(YaraScanTest, MatchesOnBlockBordersAreFound) {
  constexpr size_t kBlock = 1 << 20;
  constexpr std::string_view kRules =
      "rule text { strings: $a = \"across the border\" condition: $a }\n"
      "rule utf16 { strings: $a = \"wide border\" wide nocase condition: $a }\n"
      "rule regex { strings: $a = /left[a-z .]{1,40}right/ condition: $a }\n"
      "rule hex { strings: $a = { 01 02 03 04 ?? 06 [2-9] 07 08 09 } condition: $a }\n";
  YaraScanner scanner(Rules(kRules), {});
  const std::string_view needles[] = {
      "across the border",
      std::string_view("W\0i\0d\0E\0 \0b\0o\0r\0d\0e\0r\0", 22),
      "left of the border and right",
      std::string_view("\x01\x02\x03\x04x\x06zzzz\x07\x08\x09", 13),
  };
  const std::string_view names[] = {"text", "utf16", "regex", "hex"};
  for (size_t n = 0; n < std::size(needles); ++n) {
    for (size_t before = 0; before <= needles[n].size(); ++before) {
      std::string text(2 * kBlock, '-');
      const size_t at = kBlock - before;
      text.replace(at, needles[n].size(), needles[n]);
      const UniqueFd fd = FileOf(text);
      auto matches = scanner.ScanFile(fd.get(), text.size());
      ASSERT_TRUE(matches.ok());
      ASSERT_THAT(Names(*matches), ElementsAre(names[n])) << before;
      EXPECT_EQ((*matches)[0].strings[0].offset, at);
      EXPECT_EQ((*matches)[0].strings[0].bytes, needles[n]);
    }
  }
}

TEST(YaraScanTest, OneSetOfRulesServesManyThreads) {
  const auto rules = Rules("rule r { strings: $a = \"needle\" condition: #a == 3 }");
  std::string text(100'000, 'n');
  for (size_t at : {7u, 50'000u, 99'994u}) text.replace(at, 6, "needle");
  std::vector<int> found(4);
  std::vector<std::thread> threads;
  for (int& count : found) {
    threads.emplace_back([&] {
      YaraScanner scanner(rules, {});
      for (int i = 0; i < 20; ++i) {
        auto matches = scanner.ScanBuffer(text);
        count += matches.ok() ? static_cast<int>(matches->size()) : 1000;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(found, ElementsAre(20, 20, 20, 20));
}

TEST(YaraScanTest, AFileThatCantBeReadIsAnError) {
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY));
  YaraScanner scanner(Rules("rule r { strings: $a = \"needle\" condition: $a }"), {});
  const auto matches = scanner.ScanFile(directory.get(), 4096);
  EXPECT_EQ(matches.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(matches.status().message()), HasSubstr("read: Is a directory"));
}

TEST(YaraScanTest, AFileThatHasBecomeShorterIsScannedAsFarAsItGoes) {
  const UniqueFd fd = FileOf("a needle");
  YaraScanner scanner(Rules("rule r { strings: $a = \"needle\" condition: $a }"), {});
  auto matches = scanner.ScanFile(fd.get(), 100'000);
  ASSERT_TRUE(matches.ok()) << matches.status();
  EXPECT_THAT(Names(*matches), ElementsAre("r"));
}

// Memory made of stretches; what is between them can't be read.
class FakeMemory {
 public:
  void Put(uint64_t address, std::string bytes) { stretches_[address] = std::move(bytes); }

  size_t Read(uint64_t address, char* to, size_t size) const {
    auto it = stretches_.upper_bound(address);
    if (it == stretches_.begin()) return 0;
    --it;
    const uint64_t within = address - it->first;
    if (within >= it->second.size()) return 0;
    const size_t n = std::min<size_t>(size, it->second.size() - within);
    std::memcpy(to, it->second.data() + within, n);
    return n;
  }

 private:
  std::map<uint64_t, std::string> stretches_;
};

TEST(YaraMemoryTest, OffsetsAreAddressesAndFileSizeIsUndefined) {
  FakeMemory memory;
  std::string page(4096, '\0');
  page.replace(4090, 6, "needle");
  memory.Put(0x7f0000001000, page);
  YaraScanner scanner(Rules("rule r { strings: $a = \"needle\" condition: $a }\n"
                            "rule size { condition: filesize >= 0 }"),
                      {});
  const YaraScanner::Block blocks[] = {{0x1000, 4096}, {0x7f0000001000, 4096}};
  auto matches = scanner.ScanMemory(blocks, [&](uint64_t address, char* to, size_t size) {
    return memory.Read(address, to, size);
  });
  ASSERT_TRUE(matches.ok()) << matches.status();
  ASSERT_THAT(Names(*matches), ElementsAre("r"));
  EXPECT_EQ((*matches)[0].strings[0].offset, 0x7f0000001000u + 4090);
  EXPECT_EQ((*matches)[0].strings[0].bytes, "needle");
}

TEST(YaraMemoryTest, ReadingGoesOnBehindWhatCantBeRead) {
  FakeMemory memory;
  memory.Put(0x10000, std::string(4096, 'x') + "needle one");
  memory.Put(0x13000, "needle two");
  for (const char* string : {"\"needle\"", "/[^x]eed[^x]*/", "{ 6E 65 65 64 [-] 6F }"}) {
    YaraScanner scanner(Rules(std::string("rule r { strings: $a = ") + string +
                              " condition: #a >= 2 and uint8(0x13000) == 0x6e }"),
                        {});
    const YaraScanner::Block blocks[] = {{0x10000, 0x5000}};
    auto matches = scanner.ScanMemory(blocks, [&](uint64_t address, char* to, size_t size) {
      return memory.Read(address, to, size);
    });
    ASSERT_TRUE(matches.ok()) << matches.status();
    EXPECT_THAT(Names(*matches), ElementsAre("r")) << string;
  }
}

TEST(YaraMemoryTest, BordersOfReadsAreNoBordersOfMatches) {
  constexpr size_t kRead = 512 * 1024;
  const std::string_view needle = "across the border";
  YaraScanner scanner(Rules("rule r { strings: $a = \"across the border\" condition: $a }"), {});
  for (size_t before = 0; before <= needle.size(); ++before) {
    std::string bytes(2 * kRead, '-');
    bytes.replace(kRead - before, needle.size(), needle);
    FakeMemory memory;
    memory.Put(0x100000, bytes);
    const YaraScanner::Block blocks[] = {{0x100000, bytes.size()}};
    auto matches = scanner.ScanMemory(blocks, [&](uint64_t address, char* to, size_t size) {
      return memory.Read(address, to, size);
    });
    ASSERT_TRUE(matches.ok());
    ASSERT_EQ(matches->size(), 1u) << before;
    EXPECT_EQ((*matches)[0].strings[0].offset, 0x100000 + kRead - before);
  }
}

// A sparse file: its size costs no space.
UniqueFd SparseFile(uint64_t size, uint64_t at, std::string_view bytes) {
  FILE* file = tmpfile();
  UniqueFd fd(dup(fileno(file)));
  fclose(file);
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  EXPECT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)),
            static_cast<ssize_t>(bytes.size()));
  return fd;
}

TEST(YaraLargeFileTest, StringsAndReadsWorkInFilesOfAnySize) {
  constexpr uint64_t kSize = 200 << 20;
  constexpr uint64_t kAt = 150'000'000;
  const UniqueFd fd = SparseFile(kSize, kAt, "needle");
  YaraScanner scanner(Rules("import \"hash\"\n"
                            "rule r { strings: $a = \"needle\" condition: $a }\n"
                            "rule reads { condition: uint32(150000000) == 0x6465656e and\n"
                            "  filesize == 200MB }\n"
                            "rule hashes { condition: hash.md5(0, 3000000) ==\n"
                            "  \"c9fc2d3dd83ab67a129ac10b09c9ebbb\" }"),
                      {});
  auto matches = scanner.ScanFile(fd.get(), kSize);
  ASSERT_TRUE(matches.ok()) << matches.status();
  EXPECT_THAT(Names(*matches), ElementsAre("r", "reads", "hashes"));
  EXPECT_EQ((*matches)[0].strings[0].offset, kAt);
}

TEST(YaraLargeFileTest, RulesThatMustSeeAllOfItAreAnError) {
  constexpr uint64_t kSize = 100 << 20;
  const UniqueFd fd = SparseFile(kSize, 50'000'000, "needle");
  for (const char* rule :
       {"rule r { strings: $a = { 61 62 63 [-] 64 65 66 } condition: $a }",
        "rule r { strings: $a = \"needle\" condition: $a at entrypoint }",
        "import \"elf\" rule r { strings: $a = \"needle\" condition: elf.type == 2 and $a }"}) {
    YaraScanner scanner(Rules(rule), {});
    const auto matches = scanner.ScanFile(fd.get(), kSize);
    EXPECT_EQ(matches.status().code(), absl::StatusCode::kResourceExhausted) << rule;
  }
  // But not where the rule's strings are missing.
  YaraScanner scanner(
      Rules("import \"elf\" rule r { strings: $a = \"absent\" condition: elf.type == 2 and $a }"),
      {});
  auto matches = scanner.ScanFile(fd.get(), kSize);
  ASSERT_TRUE(matches.ok()) << matches.status();
  EXPECT_THAT(*matches, IsEmpty());
}

TEST(YaraMemoryTest, ThatARuleSawOnlyPiecesOfABlockIsTold) {
  const std::string memory(25 << 20, 'm');
  const YaraScanner::ReadBlock read = [&](uint64_t address, char* to, size_t size) {
    return memory.copy(to, size, address);
  };
  for (const auto& [rule, cut] :
       {std::pair("rule r { strings: $a = { 01 02 [300-] 03 04 } condition: $a }", true),
        std::pair("rule r { strings: $a = \"needle\" condition: $a }", false)}) {
    const auto rules = YaraRules::Compile(rule, {});
    ASSERT_TRUE(rules.ok()) << rules.status();
    YaraScanner scanner(*rules, {});
    const YaraScanner::Block large{0, memory.size()};
    ASSERT_TRUE(scanner.ScanMemory({&large, 1}, read).ok());
    EXPECT_EQ(scanner.saw_pieces(), cut) << rule;
    const YaraScanner::Block small{0, 1 << 20};
    ASSERT_TRUE(scanner.ScanMemory({&small, 1}, read).ok());
    EXPECT_FALSE(scanner.saw_pieces()) << rule;
  }
}

}  // namespace
}  // namespace dragnet::scan
