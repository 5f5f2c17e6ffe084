#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_format.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/memory/child.h"
#include "modules/memory/maps.h"
#include "modules/memory/memory.pb.h"
#include "modules/memory/process.h"
#include "modules/run_context_fake.h"

extern char** environ;

namespace dragnet {
const Module& MemoryModule();

namespace memory {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string Address(uint64_t address) { return absl::StrFormat("0x%x", address); }

// Searches of a child, or of all processes; the rows are kept.
class MemoryTest : public testing::Test {
 protected:
  v1::Search* Search(pid_t pid) {
    v1::Search* search = parameters_.add_searches();
    if (pid > 0) search->add_pids(static_cast<uint32_t>(pid));
    return search;
  }
  // Only in [address, address + size).
  v1::Search* SearchIn(const Child& child, uint64_t size) {
    v1::Search* search = Search(child.pid());
    search->set_offset(Address(child.address()));
    search->set_length(StrCat(size));
    return search;
  }

  std::vector<v1::MemoryRow> Run() {
    const absl::Status valid = MemoryModule().Validate(parameters_);
    EXPECT_TRUE(valid.ok()) << valid;
    const absl::Status status = MemoryModule().Run(parameters_, context_);
    EXPECT_TRUE(status.ok()) << status;
    return context_.RowsAs<v1::MemoryRow>();
  }

  // Everything was looked at.
  void ExpectComplete() {
    EXPECT_THAT(context_.unexamined, IsEmpty())
        << context_.unexamined.begin()->first << ": "
        << context_.unexamined.begin()->second.front();
    EXPECT_THAT(context_.limits_hit, IsEmpty());
  }

  v1::MemoryParameters parameters_;
  FakeRunContext context_;
};

// A program of its own, `sleep`, which ends with the test.
class Sleeper {
 public:
  explicit Sleeper(const std::string& path, const std::string& argument = "600") {
    std::string arguments[] = {path, argument};
    char* argv[] = {arguments[0].data(), arguments[1].data(), nullptr};
    if (::posix_spawn(&pid_, path.c_str(), nullptr, nullptr, argv, environ) != 0) std::abort();
    // posix_spawn returns when the program was executed; its libraries come after.
    const std::string comm = path.substr(path.rfind('/') + 1);
    while (!HasLibrary()) ::sched_yield();
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  bool HasLibrary() const {
    const std::optional<Process> process = Process::Open(pid_);
    const std::optional<Maps> maps = process ? process->ReadMaps() : std::nullopt;
    return maps && std::ranges::any_of(maps->regions(), [&](const Region& region) {
             return region.executable() && maps->name(region).find("libc") != std::string::npos;
           });
  }
  pid_t pid_ = 0;
};

TEST_F(MemoryTest, MatchesAreFoundWhereverBlocksMeet) {
  constexpr size_t kSize = 6 << 20, kStep = 64 * 1024 - 7;
  const Child child([] {
    char* memory = MapAnonymous(kSize);
    for (size_t at = 0; at + kMarkerSize <= kSize; at += kStep) PutMarker(1, memory + at);
    return memory;
  });
  v1::Search* search = SearchIn(child, kSize);
  search->add_contents(Marker(1));
  search->set_matches(256);
  std::vector<std::string> expected;
  for (size_t at = 0; at + kMarkerSize <= kSize; at += kStep)
    expected.push_back(Address(child.address() + at));

  std::vector<std::string> found;
  for (const v1::MemoryRow& row : Run()) {
    found.push_back(row.address());
    EXPECT_EQ(row.length(), kMarkerSize);
    EXPECT_EQ(row.pid(), child.pid());
    EXPECT_EQ(row.permissions(), "rw-p");
    EXPECT_EQ(row.match(), StrCat("content=", Marker(1)));
  }
  EXPECT_EQ(found, expected);
  ExpectComplete();
}

TEST_F(MemoryTest, AMatchSpansMappingsThatAreNextToEachOther) {
  const Child child([] {
    char* memory = MapAnonymous(4 * 4096);
    PutMarker(2, memory + 2 * 4096 - 5);
    // Another mapping from here on.
    ::mprotect(memory + 2 * 4096, 2 * 4096, PROT_READ);
    return memory;
  });
  SearchIn(child, 4 * 4096)->add_contents(Marker(2));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].address(), Address(child.address() + 2 * 4096 - 5));
}

TEST_F(MemoryTest, AnEnormousReservationCostsNothingAndHidesNothing) {
  constexpr size_t kSize = size_t{100} << 30, kAt = (size_t{77} << 30) + 12345;
  const Child child([] {
    char* memory = MapAnonymous(kSize);
    ::madvise(memory, kSize, MADV_NOHUGEPAGE);
    PutMarker(3, memory + kAt);
    return memory;
  });
  SearchIn(child, kSize)->add_contents(Marker(3));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].address(), Address(child.address() + kAt));
  EXPECT_LT(context_.bytes, 1 << 20);
  ExpectComplete();
}

TEST_F(MemoryTest, ZerosThatWereNeverWrittenArePartOfAMatch) {
  const Child child([] {
    char* memory = MapAnonymous(8 * 4096);
    PutMarker(4, memory + 3 * 4096 - kMarkerSize);
    return memory;
  });
  SearchIn(child, 8 * 4096)->add_contents(Marker(4) + "\\x00{1000}");
  EXPECT_THAT(Run(), SizeIs(1));
}

TEST_F(MemoryTest, MemoryThatTheProcessCannotReadItselfIsRead) {
  const Child child([] {
    char* memory = MapAnonymous(1 << 20);
    PutMarker(5, memory + 5000);
    ::mprotect(memory, 1 << 20, PROT_NONE);
    return memory;
  });
  SearchIn(child, 1 << 20)->add_contents(Marker(5));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].permissions(), "---p");
  ExpectComplete();
}

TEST_F(MemoryTest, WritableAndExecutableMemoryIsFoundWithItsRegion) {
  const Child child([] {
    char* memory = MapAnonymous(8192, PROT_READ | PROT_WRITE | PROT_EXEC);
    PutMarker(6, memory);
    return memory;
  });
  const Child harmless([] { return MapAnonymous(8192); });
  Search(child.pid())->set_writable_executable(true);
  Search(harmless.pid())->set_writable_executable(true);
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].pid(), child.pid());
  EXPECT_EQ(rows[0].match(), "wx");
  EXPECT_EQ(rows[0].address(), Address(child.address()));
  EXPECT_EQ(rows[0].permissions(), "rwxp");
  EXPECT_EQ(rows[0].region_end(), Address(child.address() + 8192));
}

TEST_F(MemoryTest, BytesWithWildcardsAreFoundAtEveryPlace) {
  const Child child([] {
    char* memory = MapAnonymous(3 << 20);
    for (const size_t at : {size_t{10}, size_t{1048570}, size_t{2097151}, size_t{3145720}}) {
      memory[at] = 'M';
      memory[at + 1] = 'Z';
      memory[at + 2] = static_cast<char>(at);
      memory[at + 3] = '\x93';
    }
    return memory;
  });
  SearchIn(child, 3 << 20)->add_bytes("4d 5a ?? 9?");
  std::vector<std::string> found;
  for (const auto& row : Run()) found.push_back(row.address());
  const uint64_t base = child.address();
  EXPECT_THAT(found, ElementsAre(Address(base + 10), Address(base + 1048570),
                                 Address(base + 2097151), Address(base + 3145720)));
}

TEST_F(MemoryTest, YaraRulesAreFoundWithTheirStrings) {
  const Child child([] {
    char* memory = MapAnonymous(1 << 20);
    PutMarker(7, memory + 70000);
    return memory;
  });
  v1::Search* search = SearchIn(child, 1 << 20);
  search->set_yara(StrCat("rule Implant : bad { meta: author = \"us\" strings: $a = \"", Marker(7),
                          "\" condition: $a }\nrule Other { strings: $a = \"", Marker(8),
                          "\" condition: $a }"));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].match(), "yara=Implant");
  EXPECT_EQ(rows[0].address(), Address(child.address() + 70000));
  EXPECT_EQ(rows[0].permissions(), "rw-p");
  ASSERT_EQ(rows[0].yara().strings_size(), 1);
  EXPECT_EQ(rows[0].yara().strings(0).bytes(), Marker(7));
  EXPECT_THAT(rows[0].yara().tags(), ElementsAre("bad"));
  ExpectComplete();
}

TEST_F(MemoryTest, YaraReturnsNoBytesWhenToldSo) {
  const Child child([] {
    char* memory = MapAnonymous(1 << 20);
    PutMarker(9, memory);
    return memory;
  });
  v1::Search* search = SearchIn(child, 1 << 20);
  search->set_yara(StrCat("rule R { strings: $a = \"", Marker(9), "\" condition: $a }"));
  search->set_yara_no_bytes(true);
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].yara().strings(0).bytes(), "");
  EXPECT_EQ(rows[0].yara().strings(0).length(), kMarkerSize);
}

TEST_F(MemoryTest, AProgramIsFoundByItsFacts) {
  const Sleeper sleeper("/bin/sleep", "601");
  v1::Search* search = Search(sleeper.pid());
  search->add_names("^sleep$");
  search->add_exes("/sleep$");
  search->add_command_lines("sleep 601$");
  search->add_libraries("/libc[.-]");
  search->add_users(StrCat(::geteuid()));
  search->add_users("!no-such-user");
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].name(), "sleep");
  EXPECT_EQ(rows[0].command_line(), "/bin/sleep 601");
  EXPECT_THAT(rows[0].exe(), testing::EndsWith("/sleep"));
  EXPECT_EQ(rows[0].match(), "library=/libc[.-]");
  EXPECT_THAT(rows[0].file(), testing::HasSubstr("/libc"));
  EXPECT_EQ(rows[0].parent(), ::getpid());
  EXPECT_FALSE(rows[0].exe_deleted());
  EXPECT_GT(rows[0].started().seconds(), 1'000'000'000);
  ExpectComplete();
}

TEST_F(MemoryTest, AFilterThatDoesNotHoldExcludesTheProcess) {
  const Sleeper sleeper("/bin/sleep");
  Search(sleeper.pid())->add_names("!^sleep$");
  Search(sleeper.pid())->add_exes("!/sleep$");
  Search(sleeper.pid())->add_command_lines("no such argument");
  Search(sleeper.pid())->add_libraries("!/libc[.-]");
  Search(sleeper.pid())->add_users(StrCat("!", ::geteuid()));
  Search(sleeper.pid())->add_users("no-such-user");
  Search(sleeper.pid())->set_deleted_exe(true);
  EXPECT_THAT(Run(), IsEmpty());
  ExpectComplete();
}

TEST_F(MemoryTest, AProgramWhoseFileIsGoneIsFound) {
  const std::string directory = testing::TempDir() + "memory_test_" + std::to_string(::getpid());
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/implant";
  std::filesystem::copy_file("/bin/sleep", path);
  const Sleeper sleeper(path);
  std::filesystem::remove_all(directory);
  Search(sleeper.pid())->set_deleted_exe(true);
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_TRUE(rows[0].exe_deleted());
  EXPECT_EQ(rows[0].exe(), path);
  EXPECT_EQ(rows[0].match(), "");
  EXPECT_THAT(rows[0].matched(), ElementsAre("pid", "deleted-exe"));
}

TEST_F(MemoryTest, ContentThatMustNotBeThereIsLookedForEverywhere) {
  const Child child([] {
    char* memory = MapAnonymous(2 << 20);
    PutMarker(10, memory + (2 << 20) - kMarkerSize);
    return memory;
  });
  SearchIn(child, 2 << 20)->add_contents("!" + Marker(10));
  SearchIn(child, 2 << 20)->add_contents("!" + Marker(11));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].search(), "s2");
  EXPECT_EQ(rows[0].address(), "");
}

TEST_F(MemoryTest, AnyFilterIsEnoughWithMatchAny) {
  const Child child([] {
    char* memory = MapAnonymous(4096);
    PutMarker(12, memory);
    return memory;
  });
  v1::Search* any = parameters_.add_searches();
  any->set_match_any(true);
  any->set_offset(Address(child.address()));
  any->set_length("4096");
  any->add_contents(Marker(12));
  any->add_contents(Marker(13));
  v1::Search* all = parameters_.add_searches();
  all->CopyFrom(*any);
  all->set_match_any(false);
  std::vector<v1::MemoryRow> rows;
  for (v1::MemoryRow& row : Run())
    if (row.pid() == static_cast<uint32_t>(child.pid())) rows.push_back(row);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].search(), "s1");
  EXPECT_THAT(rows[0].matched(), ElementsAre(StrCat("content=", Marker(12))));
}

TEST_F(MemoryTest, OnlyTheRangeIsLookedAtAndAMatchLiesWithinIt) {
  const Child child([] {
    char* memory = MapAnonymous(1 << 20);
    PutMarker(14, memory + 1000);
    PutMarker(14, memory + 50000);
    PutMarker(14, memory + 90000 - 1);
    return memory;
  });
  v1::Search* search = Search(child.pid());
  search->set_offset(StrCat(child.address() + 1001));
  search->set_length(StrCat(90000 + kMarkerSize - 2 - 1001));
  search->add_contents(Marker(14));
  search->add_bytes(absl::StrFormat("%02x", Marker(14)[0]) + "????" );
  search->set_matches(1);
  const auto rows = Run();
  ASSERT_THAT(rows, Not(IsEmpty()));
  EXPECT_EQ(rows[0].address(), Address(child.address() + 50000));
}

TEST_F(MemoryTest, ReadingLessThanThereIsEndsIncomplete) {
  const Child child([] {
    char* memory = MapAnonymous(8 << 20);
    for (size_t at = 0; at < 8 << 20; at += 4096) memory[at] = 'x';
    PutMarker(15, memory + (7 << 20));
    return memory;
  });
  v1::Search* search = SearchIn(child, 8 << 20);
  search->add_contents(Marker(15));
  search->set_max_read("2m");
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_THAT(context_.limits_hit, ElementsAre("max_read"));
  EXPECT_LT(context_.bytes, 5 << 20);
}

TEST_F(MemoryTest, AsManyMatchesAsAskedForAreReported) {
  const Child child([] {
    char* memory = MapAnonymous(1 << 20);
    for (size_t i = 0; i < 100; ++i) PutMarker(16, memory + i * 1000);
    return memory;
  });
  v1::Search* search = SearchIn(child, 1 << 20);
  search->add_contents(Marker(16));
  search->set_matches(3);
  EXPECT_THAT(Run(), SizeIs(3));
  ExpectComplete();
}

TEST_F(MemoryTest, ASearchEndsWhenItHasFoundAsManyProcessesAsItMay) {
  const Sleeper one("/bin/sleep"), two("/bin/sleep");
  v1::Search* search = Search(one.pid());
  search->add_pids(static_cast<uint32_t>(two.pid()));
  search->set_match_limit(1);
  EXPECT_THAT(Run(), SizeIs(1));
  EXPECT_THAT(context_.limits_hit, ElementsAre("match_limit"));
}

TEST_F(MemoryTest, ContextIsTheMatchAndBytesAroundIt) {
  const Child child([] {
    char* memory = MapAnonymous(4 << 20);
    // Where a block ends, whichever way they are cut.
    for (size_t at = 0; at < 4 << 20; ++at) memory[at] = '.';
    for (size_t at = 4096; at < 4 << 20; at += 65536) {
      memory[at - 1] = '<';
      PutMarker(17, memory + at);
      memory[at + kMarkerSize] = '>';
    }
    return memory;
  });
  v1::Search* search = SearchIn(child, 4 << 20);
  search->add_contents(Marker(17));
  search->set_context(3);
  search->set_matches(256);
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(64));
  for (const auto& row : rows) EXPECT_EQ(row.content(), StrCat("..<", Marker(17), ">.."));
  EXPECT_EQ(rows[0].content_address(), Address(child.address() + 4096 - 3));
}

TEST_F(MemoryTest, NeitherItselfNorWhoStartedItIsFound) {
  // In this process's memory, as parameters are.
  parameters_.add_searches();
  const auto rows = Run();
  std::set<uint32_t> pids;
  for (const auto& row : rows) pids.insert(row.pid());
  EXPECT_THAT(pids, Not(Contains(static_cast<uint32_t>(::getpid()))));
  if (::getppid() > 1) {
    EXPECT_THAT(pids, Not(Contains(static_cast<uint32_t>(::getppid()))));
  }
  EXPECT_GT(context_.items, 0u);
}

TEST_F(MemoryTest, AProcessThatHasEndedIsNoFailure) {
  Child child([] { return MapAnonymous(4096); });
  const pid_t pid = child.pid();
  child.Kill();
  Search(pid)->add_contents(Marker(18));
  EXPECT_THAT(Run(), IsEmpty());
  ExpectComplete();
}

TEST_F(MemoryTest, AZombieHasNoMemory) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  Search(pid)->add_contents(Marker(19));
  Search(pid)->add_pids(static_cast<uint32_t>(pid));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].search(), "s2");
  ExpectComplete();
  ::waitpid(pid, nullptr, 0);
}

TEST_F(MemoryTest, WhatAFileIsMappedForBeyondItsEndIsNoFailure) {
  const std::string path = testing::TempDir() + "memory_test_short_" + std::to_string(::getpid());
  std::ofstream(path) << std::string(10000, 'x') << "\n" << Marker(20);
  const Child child([&] {
    const int fd = ::open(path.c_str(), O_RDONLY);
    void* memory = ::mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED) std::abort();
    return static_cast<char*>(memory);
  });
  SearchIn(child, 1 << 20)->add_contents("^" + Marker(20));
  v1::Search* skipping = SearchIn(child, 1 << 20);
  skipping->add_contents(Marker(20));
  skipping->set_skip_files(true);
  const auto rows = Run();
  std::filesystem::remove(path);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].search(), "s1");
  EXPECT_EQ(rows[0].file(), path);
  EXPECT_EQ(rows[0].address(), Address(child.address() + 10001));
  ExpectComplete();
}

TEST_F(MemoryTest, SharedMemoryIsReadWithoutMakingItGrow) {
  int fd = ::memfd_create("implant", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  constexpr size_t kSize = size_t{1} << 30;
  ASSERT_EQ(::ftruncate(fd, kSize), 0);
  const Child child([&] {
    void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) std::abort();
    PutMarker(21, static_cast<char*>(memory) + 500'000'000);
    return static_cast<char*>(memory);
  });
  SearchIn(child, kSize)->add_contents(Marker(21));
  const auto rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_THAT(rows[0].file(), testing::StartsWith("/memfd:implant"));
  struct stat status;
  ASSERT_EQ(::fstat(fd, &status), 0);
  EXPECT_LE(status.st_blocks * 512, 4 << 20);
  ::close(fd);
}

TEST_F(MemoryTest, PrivacyRefusesWhatWouldReturnMemory) {
  v1::Search* search = parameters_.add_searches();
  search->add_contents("x");
  EXPECT_TRUE(MemoryModule().ValidateForPrivacy(parameters_).ok());
  search->set_context(1);
  const absl::Status status = MemoryModule().ValidateForPrivacy(parameters_);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  search->set_context(0);
  search->set_yara("rule R { condition: true }");
  EXPECT_FALSE(MemoryModule().ValidateForPrivacy(parameters_).ok());
  search->set_yara_no_bytes(true);
  EXPECT_TRUE(MemoryModule().ValidateForPrivacy(parameters_).ok());
}

}  // namespace
}  // namespace memory
}  // namespace dragnet
