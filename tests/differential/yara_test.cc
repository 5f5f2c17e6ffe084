// The YARA engine against the `yara` command: the same rules must match the same
// files, with the same strings at the same offsets. Random rules and files, and
// the files of this system. The seed is printed; DRAGNET_TEST_SEED repeats it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/unique_fd.h"
#include "gtest/gtest.h"
#include "modules/scan/random_rules.h"
#include "modules/scan/yara.h"

namespace dragnet::scan {
namespace {

namespace fs = std::filesystem;

// By path: the lines "rule" and "rule offset:length:$string".
using Findings = std::map<std::string, std::set<std::string>>;

class Directory {
 public:
  Directory() {
    std::string name = testing::TempDir() + "/dragnet-yara-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Directory() { fs::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
}

struct YaraRun {
  bool compiles = false;
  Findings findings;
  std::string errors;
};

YaraRun RunYara(const std::string& rules, const std::string& options, const std::string& target,
                const std::string& scratch) {
  YaraRun run;
  const std::string errors = scratch + "/errors";
  const std::string command =
      "yara -N -r -s -L -w " + options + " " + rules + " " + target + " 2>" + errors;
  FILE* pipe = popen(command.c_str(), "r");
  char* line = nullptr;
  size_t capacity = 0;
  std::string rule;
  std::string path;
  for (ssize_t n; (n = getline(&line, &capacity, pipe)) > 0;) {
    const std::string text(line, static_cast<size_t>(n) - 1);
    if (text.starts_with("0x")) {
      const size_t second = text.find(':', text.find(':') + 1);
      const size_t third = text.find(':', second + 1);
      run.findings[path].insert(rule + " " + text.substr(0, third));
    } else {
      const size_t space = text.find(' ');
      rule = text.substr(0, space);
      path = text.substr(space + 1);
      run.findings[path].insert(rule);
    }
  }
  free(line);
  run.compiles = pclose(pipe) == 0;
  std::ifstream file(errors);
  run.errors.assign(std::istreambuf_iterator<char>(file), {});
  return run;
}

Findings ScanTree(const std::shared_ptr<const YaraRules>& rules, const std::string& target) {
  YaraScanner scanner(rules, {1 << 30, 16});
  Findings findings;
  for (const auto& entry : fs::recursive_directory_iterator(
           target, fs::directory_options::skip_permission_denied)) {
    if (entry.is_symlink() || !entry.is_regular_file()) continue;
    const UniqueFd fd(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info;
    if (!fd.valid() || fstat(fd.get(), &info) != 0) continue;
    auto matches = scanner.ScanFile(fd.get(), static_cast<uint64_t>(info.st_size));
    EXPECT_TRUE(matches.ok()) << entry.path() << ": " << matches.status();
    if (!matches.ok()) continue;
    for (const YaraMatch& match : *matches) {
      auto& lines = findings[entry.path()];
      lines.insert(match.rule);
      for (const YaraStringMatch& string : match.strings) {
        char text[64];
        snprintf(text, sizeof(text), " 0x%" PRIx64 ":%" PRIu64 ":", string.offset, string.length);
        lines.insert(match.rule + text + string.identifier);
      }
    }
  }
  return findings;
}

std::string Difference(const Findings& ours, const Findings& theirs) {
  std::ostringstream text;
  int shown = 0;
  const auto compare = [&](const Findings& a, const Findings& b, const char* who) {
    for (const auto& [path, lines] : a) {
      const auto other = b.find(path);
      for (const std::string& line : lines) {
        if (other != b.end() && other->second.contains(line)) continue;
        if (++shown < 20) text << "only " << who << ": " << path << " " << line << "\n";
      }
    }
  };
  compare(ours, theirs, "here");
  compare(theirs, ours, "yara");
  return text.str();
}

uint32_t Seed() {
  const char* given = getenv("DRAGNET_TEST_SEED");
  const uint32_t seed = given != nullptr ? static_cast<uint32_t>(strtoul(given, nullptr, 10))
                                         : std::random_device()();
  printf("DRAGNET_TEST_SEED=%u\n", seed);
  return seed;
}

// Small files, and files that are longer than a block with something to find
// where blocks meet.
void WriteRandomFiles(RandomRules& random, const std::string& directory) {
  for (int i = 0; i < 24; ++i) {
    std::string bytes = random.Bytes(random.Number(i < 12 ? 60 : 3000));
    if (i >= 20) {
      constexpr size_t kBlock = 512 * 1024;
      std::string large(kBlock + 5000, '\xee');
      const size_t at = kBlock - random.Number(static_cast<uint32_t>(bytes.size()) + 1);
      large.replace(at, bytes.size(), bytes);
      large.replace(random.Number(1000), 200, random.Bytes(200));
      bytes = std::move(large);
    }
    WriteFile(directory + "/f" + std::to_string(i), bytes);
  }
}

void CompareOnRandomRules(uint32_t seed, bool whole_file, int rounds) {
  int compiled = 0;
  size_t found = 0;
  for (int round = 0; round < rounds; ++round) {
    const uint32_t round_seed = seed + static_cast<uint32_t>(round);
    RandomRules random(round_seed, whole_file);
    const Directory scratch;
    const Directory tree;
    const std::string source = random.Source();
    const std::string path = scratch.path() + "/rules.yar";
    WriteFile(path, source);
    WriteRandomFiles(random, tree.path());
    const YaraRun yara = RunYara(path, "-d external=20", tree.path(), scratch.path());
    const std::string externals[] = {"external=20"};
    const auto rules = YaraRules::Compile(source, externals);
    ASSERT_EQ(rules.ok(), yara.compiles)
        << "seed " << round_seed << "\n" << rules.status() << yara.errors << source;
    if (!rules.ok()) continue;
    ++compiled;
    const Findings ours = ScanTree(*rules, tree.path());
    for (const auto& [file, lines] : ours) found += lines.size();
    ASSERT_EQ(Difference(ours, yara.findings), "") << "seed " << round_seed << "\n" << source;
  }
  // Else the comparison has compared nothing.
  EXPECT_GT(compiled, rounds / 2);
  EXPECT_GT(found, static_cast<size_t>(rounds));
}

TEST(YaraDifferentialTest, RulesOfStringsMatchAsWithYara) {
  CompareOnRandomRules(Seed(), false, 60);
}

TEST(YaraDifferentialTest, RulesThatReadTheFileMatchAsWithYara) {
  CompareOnRandomRules(Seed(), true, 60);
}

TEST(YaraDifferentialTest, TheSystemsFilesMatchAsWithYara) {
  const std::string source =
      "import \"elf\"\nimport \"hash\"\n"
      "rule glibc { strings: $a = \"GLIBC_2.34\" $b = \"GLIBC_2.2.5\" fullword\n"
      "  condition: uint32(0) == 0x464c457f and #a > 0 and $b }\n"
      "rule urls { strings: $a = /https?:\\/\\/[a-z.]{4,40}\\/[^ \\x00\"]{0,80}/ nocase ascii wide\n"
      "  condition: #a > 3 }\n"
      "rule code { strings: $a = { 55 48 89 E5 [0-8] 48 83 EC ?? } $b = { 0F 05 ( C3 | C9 ) }\n"
      "  condition: any of them and filesize > 10KB }\n"
      "rule words { strings: $a = \"error\" nocase fullword $b = \"main\" fullword wide ascii\n"
      "  condition: all of them or #a == 2 }\n"
      "rule shared { strings: $a = \"libc.so.6\" condition: elf.type == elf.ET_DYN and $a }\n"
      "rule unusual { strings: $a = \"a\" condition: not $a and filesize > 100 }\n"
      "rule anchored { strings: $a = /^#!\\/bin\\/(ba)?sh$/ $b = /^#!\\// condition: any of them }\n";
  const Directory scratch;
  const std::string path = scratch.path() + "/rules.yar";
  WriteFile(path, source);
  const auto rules = YaraRules::Compile(source, {});
  ASSERT_TRUE(rules.ok()) << rules.status();
  for (const char* target : {"/etc", "/usr/bin", "/usr/share/perl5", "/usr/lib/systemd"}) {
    if (!fs::exists(target)) continue;
    const YaraRun yara = RunYara(path, "-p 2", target, scratch.path());
    EXPECT_EQ(Difference(ScanTree(*rules, target), yara.findings), "") << target;
  }
}

}  // namespace
}  // namespace dragnet::scan
