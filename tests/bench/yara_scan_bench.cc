// Measures the YARA engine (modules/scan) by itself.
//
//   yara_scan_bench rules COUNT            prints a rule set of COUNT rules
//   yara_scan_bench scan RULES DIR         scans as `yara -N -r -s -L -p 2` and
//                                          prints rule, path, strings, offsets
//   yara_scan_bench count RULES DIR        the same, without strings
//   yara_scan_bench process RULES PID      scans a process's memory, and says how
//                                          fast; then with libyara's own scan
//   yara_scan_bench compile RULES          time and memory of a compilation
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yara.h>

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/unique_fd.h"
#include "modules/scan/yara.h"

namespace {

using dragnet::UniqueFd;
using dragnet::scan::YaraMatch;
using dragnet::scan::YaraRules;
using dragnet::scan::YaraScanner;
using Clock = std::chrono::steady_clock;

constexpr int kThreads = 2;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

// The kinds of strings that published rules have: texts, texts in any case or
// as UTF-16, code with wildcards and jumps, regular expressions. One rule in
// twenty looks for what is on a system, so that there are matches to compare.
class RuleWriter {
 public:
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      const bool common = i % 20 == 7;
      printf("rule bench_%d : generated {\n  meta:\n    number = %d\n  strings:\n", i, i);
      for (char name : {'a', 'b', 'c'}) printf("    $%c = %s\n", name, String(common).c_str());
      static constexpr const char* kConditions[] = {"any of them", "2 of them", "all of them",
                                                    "$a and ($b or $c)", "#a > 1 or $b or $c"};
      printf("  condition:\n    %s\n}\n", common ? "any of them" : kConditions[Number(5)]);
    }
  }

 private:
  uint32_t Number(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  std::string Word(size_t length) {
    static constexpr const char* kSyllables[] = {"ka", "lo", "mir", "ze", "tup", "qi",  "bra",
                                                 "ny", "xo", "fel", "du", "wam", "gri", "sho"};
    std::string word;
    while (word.size() < length) word += kSyllables[Number(std::size(kSyllables))];
    return word.substr(0, length);
  }

  std::string Hex(int bytes) {
    char text[4];
    std::string hex;
    for (int i = 0; i < bytes; ++i) {
      snprintf(text, sizeof(text), "%02X ", Number(256));
      hex += text;
    }
    return hex;
  }

  std::string String(bool common) {
    if (common) {
      static constexpr const char* kCommon[] = {
          "\"GLIBC_2.34\"",          "\"OpenSSL 3\"",    "\"libsystemd\" fullword",
          "\"/etc/passwd\" nocase",  "/pthread_mutex_[a-z]{4,10}lock/",
          "{ 7F 45 4C 46 02 01 01 }", "\"Kernel32\" nocase wide ascii",
          "/https?:\\/\\/www\\.w3\\.org\\/[a-zA-Z0-9\\/]{8,40}/"};
      return kCommon[Number(std::size(kCommon))];
    }
    switch (Number(10)) {
      case 0:
      case 1:
      case 2: return "\"" + Word(6 + Number(20)) + "\"";
      case 3: return "\"" + Word(8 + Number(12)) + "\" nocase";
      case 4: return "\"" + Word(6 + Number(12)) + "\" wide ascii";
      case 5: return "\"" + Word(7 + Number(8)) + "\" fullword";
      case 6: return "{ " + Hex(6) + "?? " + Hex(4) + "[2-8] " + Hex(4) + "}";
      case 7: return "{ " + Hex(4) + "( " + Hex(2) + "| " + Hex(2) + ") ?? ?? " + Hex(3) + "}";
      case 8: return "/" + Word(7) + "[0-9a-f]{2,16}" + Word(4) + "/";
      default: return "/" + Word(6) + "(" + Word(3) + "|" + Word(4) + ")\\.(php|exe|dll)/ nocase";
    }
  }

  std::mt19937 random_{20240131};
};

std::shared_ptr<const YaraRules> Compile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string source((std::istreambuf_iterator<char>(file)), {});
  auto rules = YaraRules::Compile(source, {});
  if (!rules.ok()) {
    fprintf(stderr, "%s: %s\n", path, std::string(rules.status().message()).c_str());
    exit(1);
  }
  return *rules;
}

void Print(const std::vector<YaraMatch>& matches, const std::string& path, bool strings) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  for (const YaraMatch& match : matches) {
    printf("%s %s\n", match.rule.c_str(), path.c_str());
    if (!strings) continue;
    for (const auto& string : match.strings) {
      printf("0x%" PRIx64 ":%" PRIu64 ":%s: \n", string.offset, string.length,
             string.identifier.c_str());
    }
  }
}

int ScanTree(const char* rules_path, const char* directory, bool strings) {
  const auto rules = Compile(rules_path);
  std::vector<std::string> paths;
  std::mutex mutex;
  std::atomic<bool> walked = false;
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  // The walk is a fraction of the time; files are handed out as it goes on.
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      YaraScanner scanner(rules, {strings ? 1 << 30 : 0, 0});
      while (true) {
        std::string path;
        {
          const std::lock_guard lock(mutex);
          if (next < paths.size()) path = paths[next++];
        }
        if (path.empty()) {
          if (walked && next >= paths.size()) return;
          std::this_thread::yield();
          continue;
        }
        const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        struct stat info;
        if (!fd.valid() || fstat(fd.get(), &info) != 0) continue;
        auto matches = scanner.ScanFile(fd.get(), static_cast<uint64_t>(info.st_size));
        if (matches.ok()) {
          Print(*matches, path, strings);
        } else {
          fprintf(stderr, "%s: %s\n", path.c_str(),
                  std::string(matches.status().message()).c_str());
        }
      }
    });
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_symlink() || !entry.is_regular_file()) continue;
    const std::lock_guard lock(mutex);
    paths.push_back(entry.path());
  }
  walked = true;
  for (std::thread& thread : threads) thread.join();
  return 0;
}

int ScanProcess(const char* rules_path, const char* pid) {
  const auto rules = Compile(rules_path);
  std::vector<YaraScanner::Block> blocks;
  uint64_t total = 0;
  std::ifstream maps(std::string("/proc/") + pid + "/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin;
    uint64_t end;
    char mode;
    if (sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %c", &begin, &end, &mode) != 3) continue;
    if (mode != 'r' || line.find("[v") != std::string::npos) continue;
    blocks.push_back({begin, end - begin});
    total += end - begin;
  }
  const UniqueFd memory(open((std::string("/proc/") + pid + "/mem").c_str(), O_RDONLY));
  const auto started = Clock::now();
  YaraScanner scanner(rules, {1 << 30, 64});
  const auto matches = scanner.ScanMemory(blocks, [&](uint64_t address, char* to, size_t size) {
    const ssize_t n = pread(memory.get(), to, size, static_cast<off_t>(address));
    return n < 0 ? size_t{0} : static_cast<size_t>(n);
  });
  const double ours = Seconds(started);
  if (!matches.ok()) {
    fprintf(stderr, "%s\n", std::string(matches.status().message()).c_str());
    return 1;
  }
  size_t strings = 0;
  for (const YaraMatch& match : *matches) strings += match.strings.size();

  std::ifstream file(rules_path, std::ios::binary);
  const std::string source((std::istreambuf_iterator<char>(file)), {});
  YR_COMPILER* compiler;
  YR_RULES* plain;
  if (yr_compiler_create(&compiler) != 0 ||
      yr_compiler_add_string(compiler, source.c_str(), nullptr) != 0 ||
      yr_compiler_get_rules(compiler, &plain) != 0)
    return 1;
  struct Counts {
    size_t rules = 0;
    size_t strings = 0;
  } counts;
  const auto plain_started = Clock::now();
  const int error = yr_rules_scan_proc(
      plain, atoi(pid), SCAN_FLAGS_REPORT_RULES_MATCHING,
      [](YR_SCAN_CONTEXT* context, int message, void* data, void* user) {
        if (message != CALLBACK_MSG_RULE_MATCHING) return CALLBACK_CONTINUE;
        auto* counts = static_cast<Counts*>(user);
        ++counts->rules;
        YR_STRING* string;
        yr_rule_strings_foreach(static_cast<YR_RULE*>(data), string) {
          YR_MATCH* match;
          yr_string_matches_foreach(context, string, match) {++counts->strings;}
        }
        return CALLBACK_CONTINUE;
      },
      &counts, 0);
  const double theirs = Seconds(plain_started);
  printf("%.0f MB: %.3f s, %.2f GB/s, %zu rules, %zu strings; yr_rules_scan_proc (%d): %.3f s, "
         "%zu rules, %zu strings; %.1f times as fast\n",
         static_cast<double>(total) / 1e6, ours, static_cast<double>(total) / 1e9 / ours,
         matches->size(), strings, error, theirs, counts.rules, counts.strings, theirs / ours);
  yr_rules_destroy(plain);
  yr_compiler_destroy(compiler);
  return 0;
}

int MeasureCompile(const char* rules_path) {
  const auto started = Clock::now();
  const auto rules = Compile(rules_path);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("compiled in %.2f s, peak resident %ld MB\n", Seconds(started), usage.ru_maxrss / 1024);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  if (mode == "rules") {
    RuleWriter().Write(atoi(argv[2]));
    return 0;
  }
  if (mode == "compile") return MeasureCompile(argv[2]);
  if (argc > 3 && (mode == "scan" || mode == "count"))
    return ScanTree(argv[2], argv[3], mode == "scan");
  if (argc > 3 && mode == "process") return ScanProcess(argv[2], argv[3]);
  fprintf(stderr, "usage: yara_scan_bench rules COUNT | scan|count RULES DIR | process RULES PID | "
                  "compile RULES\n");
  return 2;
}
