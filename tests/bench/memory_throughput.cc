// The module `memory` on a process of 512 MiB of random bytes: how many bytes a
// second with one literal and one regex, and with YARA rules, the latter against
// libyara's own scan of a process. Takes the best of five.
//   memory_throughput [MIB]
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "core/strings.h"
#include "modules/memory/child.h"
#include "modules/memory/memory.pb.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

// Last: it defines macros with names such as `parent`.
#include <yara.h>

namespace dragnet {
const Module& MemoryModule();

namespace {

template <typename Work>
double BestSeconds(const Work& work) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

size_t RunModule(const memory::v1::MemoryParameters& parameters) {
  FakeRunContext context;
  const absl::Status status = MemoryModule().Run(parameters, context);
  if (!status.ok() || !context.unexamined.empty()) {
    std::fprintf(stderr, "memory_throughput: %s\n", std::string(status.message()).c_str());
    std::exit(1);
  }
  return context.rows.size();
}

// Like those of published rule sets: texts and hex strings that aren't there.
std::string Rules() {
  std::string rules;
  for (uint32_t i = 0; i < 100; ++i) {
    StrAppend(&rules, "rule R", i, " { strings: $a = \"", memory::Marker(1000 + 3 * i),
              "\" $b = \"", memory::Marker(1001 + 3 * i), "\" nocase $c = { ");
    for (const char c : memory::Marker(1002 + 3 * i).substr(0, 12)) {
      char hex[4];
      std::snprintf(hex, sizeof(hex), "%02x ", c);
      rules += hex;
    }
    rules += "?? 90 } condition: any of them }\n";
  }
  return rules;
}

int OnYara(YR_SCAN_CONTEXT*, int message, void*, void* matches) {
  if (message == CALLBACK_MSG_RULE_MATCHING) ++*static_cast<size_t*>(matches);
  return CALLBACK_CONTINUE;
}

int Main(size_t mebibytes) {
  const size_t size = mebibytes << 20;
  const memory::Child child([&] {
    char* bytes = memory::MapAnonymous(size);
    std::mt19937_64 random(7);
    for (size_t at = 0; at < size; at += 8) {
      const uint64_t value = random();
      std::memcpy(bytes + at, &value, 8);
    }
    memory::PutMarker(1000, bytes + size - 100);
    return bytes;
  });
  memory::v1::MemoryParameters content;
  memory::v1::Search* search = content.add_searches();
  search->add_pids(static_cast<uint32_t>(child.pid()));
  search->set_match_any(false);
  search->add_bytes("6e 6f 74 20 74 68 65 72 65 ?? 61 74 20 61 6c 6c");
  search->add_contents("beacon-[0-9a-f]{16}\\.(php|asp)");
  double seconds = BestSeconds([&] { RunModule(content); });
  std::printf("bytes and regex: %.2f GB/s\n", static_cast<double>(size) / seconds / 1e9);
  search->clear_bytes();
  search->clear_contents();
  search->add_contents("[0-9a-f]{16}[.](php|as[px])");
  seconds = BestSeconds([&] { RunModule(content); });
  std::printf("regex with short literals: %.2f GB/s\n", static_cast<double>(size) / seconds / 1e9);

  memory::v1::MemoryParameters yara;
  search = yara.add_searches();
  search->add_pids(static_cast<uint32_t>(child.pid()));
  search->set_yara(Rules());
  size_t rows = 0;
  const double ours = BestSeconds([&] { rows = RunModule(yara); });
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);

  yr_initialize();
  YR_COMPILER* compiler = nullptr;
  YR_RULES* rules = nullptr;
  yr_compiler_create(&compiler);
  if (yr_compiler_add_string(compiler, Rules().c_str(), nullptr) != 0 ||
      yr_compiler_get_rules(compiler, &rules) != ERROR_SUCCESS) {
    return 1;
  }
  size_t matches = 0;
  const double theirs = BestSeconds([&] {
    matches = 0;
    yr_rules_scan_proc(rules, child.pid(), 0, OnYara, &matches, 0);
  });
  std::printf("YARA, 100 rules: %.2f GB/s, libyara's scan_proc %.2f GB/s: %.1f times\n",
              static_cast<double>(size) / ours / 1e9, static_cast<double>(size) / theirs / 1e9,
              theirs / ours);
  std::printf("matches: %zu and %zu; peak memory before libyara: %ld MiB\n", rows, matches,
              usage.ru_maxrss / 1024);
  yr_rules_destroy(rules);
  yr_compiler_destroy(compiler);
  return rows == matches ? 0 : 1;
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  return dragnet::Main(argc > 1 ? static_cast<size_t>(std::atoi(argv[1])) : 512);
}
