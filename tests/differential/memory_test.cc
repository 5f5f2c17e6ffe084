// The module `memory` against gcore (gdb): a core of the same process, searched
// naively, has the same matches at the same addresses.
#include <elf.h>
#include <fcntl.h>
#include <spawn.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "absl/strings/str_format.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/memory/child.h"
#include "modules/memory/memory.pb.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

extern char** environ;

namespace dragnet {
const Module& MemoryModule();

namespace memory {
namespace {

int RunProgram(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

// Stretches of memory by address, those that touch being one.
using Memory = std::map<uint64_t, std::string>;

Memory ReadCore(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string core = stream.str();
  Memory memory;
  Elf64_Ehdr header;
  if (core.size() < sizeof(header)) return memory;
  std::memcpy(&header, core.data(), sizeof(header));
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, core.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type != PT_LOAD || segment.p_filesz == 0) continue;
    std::string bytes = core.substr(segment.p_offset, segment.p_filesz);
    if (!memory.empty()) {
      auto& [start, last] = *memory.rbegin();
      if (start + last.size() == segment.p_vaddr) {
        last += bytes;
        continue;
      }
    }
    memory.emplace(segment.p_vaddr, std::move(bytes));
  }
  return memory;
}

std::set<std::string> Occurrences(const Memory& memory, const std::string& wanted) {
  std::set<std::string> addresses;
  for (const auto& [start, bytes] : memory)
    for (size_t at = bytes.find(wanted); at != std::string::npos; at = bytes.find(wanted, at + 1))
      addresses.insert(absl::StrFormat("0x%x", start + at));
  return addresses;
}

// In the child: memory of all kinds, with markers at random places.
char* Prepare(uint32_t seed) {
  std::mt19937 random(seed);
  char* first = nullptr;
  for (int region = 0; region < 12; ++region) {
    const size_t size = (1 + random() % 900) * 4096;
    const int protections[] = {PROT_READ, PROT_READ | PROT_WRITE,
                               PROT_READ | PROT_WRITE | PROT_EXEC};
    char* memory = MapAnonymous(size);
    ::madvise(memory, size, MADV_NOHUGEPAGE);
    if (first == nullptr) first = memory;
    // Pages here and there stay as they are.
    for (int i = 0; i < 15; ++i) {
      const size_t at = random() % (size - kMarkerSize);
      PutMarker(seed, memory + at);
    }
    PutMarker(seed, memory);
    PutMarker(seed, memory + size - kMarkerSize);
    ::mprotect(memory, size, protections[random() % 3]);
  }
  // On the heap, too.
  PutMarker(seed, new char[kMarkerSize]);
  return first;
}

class MemoryDifferential : public testing::TestWithParam<uint32_t> {};

TEST_P(MemoryDifferential, FindsWhatIsInACore) {
  const uint32_t seed = GetParam();
  const Child child([&] { return Prepare(seed); });
  const std::string prefix =
      StrCat(testing::TempDir(), "memory_differential_", ::getpid(), "_", seed);
  // -a: all mappings, as far as they can be read.
  ASSERT_EQ(RunProgram({"gcore", "-a", "-o", prefix, StrCat(child.pid())}), 0)
      << "gcore (package gdb) is needed";
  const std::string path = StrCat(prefix, ".", child.pid());
  const Memory core = ReadCore(path);
  std::filesystem::remove(path);

  const std::string marker = Marker(seed);
  std::string hex, wild;
  for (size_t i = 0; i < marker.size(); ++i) {
    const std::string byte = absl::StrFormat("%02x", marker[i]);
    hex += byte;
    wild += i % 5 == 3 ? "??" : byte;
  }
  v1::MemoryParameters parameters;
  for (int i = 0; i < 4; ++i) {
    v1::Search* search = parameters.add_searches();
    search->add_pids(static_cast<uint32_t>(child.pid()));
    search->set_matches(256);
    if (i == 0) search->add_contents(marker);
    if (i == 1) search->add_bytes(hex);
    if (i == 2) search->add_bytes(wild);
    if (i == 3)
      search->add_contents(StrCat("(?i)[a-z]", marker.substr(1, 9), "\\w+?", marker.substr(12)));
  }
  FakeRunContext context;
  ASSERT_TRUE(MemoryModule().Run(parameters, context).ok());
  EXPECT_THAT(context.unexamined, testing::IsEmpty());
  const std::set<std::string> expected = Occurrences(core, marker);
  EXPECT_GT(expected.size(), 150u);
  std::map<std::string, std::set<std::string>> found;
  for (const v1::MemoryRow& row : context.RowsAs<v1::MemoryRow>())
    found[row.search()].insert(row.address());
  for (const char* search : {"s1", "s2", "s3", "s4"}) EXPECT_EQ(found[search], expected) << search;
}

INSTANTIATE_TEST_SUITE_P(Seeds, MemoryDifferential, testing::Range(100u, 104u));

}  // namespace
}  // namespace memory
}  // namespace dragnet
