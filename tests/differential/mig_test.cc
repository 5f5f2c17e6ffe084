// MIG's results, as they were observed of its agent (tests/mig), against ours:
// the same parameters on the same tree give the same JSON, but for what
// docs/mig.md names, times and the order of files.
#include "modules/mig.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/file_io.h"
#include "core/strict_json.h"
#include "core/strings.h"
#include "modules/run_context_fake.h"

namespace dragnet {
namespace {

constexpr char kTree[] = "/srv/migdemo";

std::string Gzip(std::string_view text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(256, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// The tree of tests/mig/README.md under a root of its own.
class MigDifferentialTest : public ::testing::Test {
 protected:
  MigDifferentialTest() {
    std::string name = ::testing::TempDir() + "/dragnet-mig-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root_ = std::filesystem::canonical(name);
    std::filesystem::create_directory(root_ + "/sub");
    File("a.txt", "root:x:0\nhello world\nbye\n");
    File("sub/b.gz", Gzip("hello zipped\n"));
    File("sub/authorized_keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 dddddddd\n");
    File("empty", "");
  }
  ~MigDifferentialTest() override { std::filesystem::remove_all(root_); }

  void File(std::string_view name, std::string_view content) {
    const std::string path = StrCat(root_, "/", name);
    ASSERT_TRUE(WriteFileAtomically(path, content, 0644).ok());
    ASSERT_EQ(chmod(path.c_str(), 0644), 0);
    // 2024-02-03 04:05:06 UTC
    const timespec times[] = {{1'706'933'106, 0}, {1'706'933'106, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  MigJson Read(const std::string& name) const {
    const absl::StatusOr<std::string> text = ReadFile(StrCat(MIG_RESULTS, "/", name, ".json"));
    EXPECT_TRUE(text.ok()) << text.status();
    std::string moved = text.value_or("null");
    for (size_t at = 0; (at = moved.find(kTree, at)) != std::string::npos; at += root_.size())
      moved.replace(at, sizeof(kTree) - 1, root_);
    return MigJson::parse(moved);
  }

  // As the worker answers.
  static MigJson Run(std::string_view module, const MigJson& parameters) {
    const MigModule* mig = FindMigModule(module);
    EXPECT_NE(mig, nullptr) << module;
    if (mig == nullptr) return nullptr;
    const auto translated = mig->TranslateParameters(parameters);
    EXPECT_TRUE(translated.ok()) << translated.status();
    if (!translated.ok()) return nullptr;
    const absl::Status valid = mig->module().Validate(**translated);
    EXPECT_TRUE(valid.ok()) << valid;
    FakeRunContext context;
    const absl::Status ran = mig->module().Run(**translated, context);
    EXPECT_TRUE(ran.ok()) << ran;
    const std::unique_ptr<MigElements> elements = mig->NewElements(parameters);
    for (const auto& row : context.rows) elements->Add(*row);
    MigStatistics statistics;
    statistics.items_examined = context.items;
    statistics.bytes_examined = context.bytes;
    MigJson result;
    result["foundanything"] = !context.rows.empty();
    result["success"] = true;
    result["elements"] = elements->Elements();
    result["statistics"] = elements->Statistics(statistics);
    result["errors"] = nullptr;
    return result;
  }

  // What the two agree on only up to order and time.
  static MigJson Comparable(MigJson result) {
    for (auto& list : result["elements"]) {
      if (!list.is_array()) continue;
      std::vector<MigJson> sorted(list.begin(), list.end());
      std::ranges::sort(sorted, {}, [](const MigJson& element) { return element.dump(); });
      list = sorted;
    }
    for (const char* time : {"exectime", "execruntime"})
      if (result["statistics"].contains(time)) result["statistics"][time] = "";
    return result;
  }

  void ExpectSame(std::string_view module, const std::string& pair) {
    SCOPED_TRACE(pair);
    MigJson expected = Comparable(Read(pair + ".result"));
    // MIG's own runtime errors are none of ours.
    expected["errors"] = nullptr;
    const MigJson actual = Comparable(Run(module, Read(pair + ".params")));
    // The text, so that the order of keys counts.
    EXPECT_EQ(actual.dump(2), expected.dump(2));
  }

  std::string root_;
};

TEST_F(MigDifferentialTest, FileMatchall) { ExpectSame("file", "file-matchall"); }
TEST_F(MigDifferentialTest, FileMatchanyAndDecompress) { ExpectSame("file", "file-matchany"); }
TEST_F(MigDifferentialTest, FileMacroalAndMismatch) { ExpectSame("file", "file-macroal-mismatch"); }

TEST_F(MigDifferentialTest, YaraListsFilesWithTheirRules) {
  MigJson parameters;
  parameters["yara"] =
      "rule hello { strings: $a = \"hello\" condition: $a } "
      "rule root { strings: $a = \"root:x\" condition: $a }";
  parameters["filesearch"] = StrCat("-path ", root_, " -name . -matchlimit 1000");
  MigJson match;
  match["Object"] = root_ + "/a.txt";
  match["MatchedRules"] = {"hello", "root"};
  EXPECT_EQ(Run("yara", parameters)["elements"]["Matches"], MigJson::array({match}));
  parameters["filesearch"] = StrCat("-path ", root_, " -name '^empty$'");
  const MigJson none = Run("yara", parameters);
  EXPECT_EQ(none["elements"].dump(), R"({"Matches":null})");
  EXPECT_EQ(none["foundanything"], false);
}

// The keys of objects and the kinds of values, not the values: of lists, the
// first element's.
std::string Shape(const MigJson& json) {
  if (json.is_object()) {
    std::string shape = "{";
    for (const auto& [key, value] : json.items()) StrAppend(&shape, key, ":", Shape(value), " ");
    return shape + "}";
  }
  if (json.is_array()) return StrCat("[", json.empty() ? "" : Shape(json[0]), "]");
  return json.is_number() ? "number" : json.type_name();
}

TEST_F(MigDifferentialTest, NetstatOfLoopbackAndPortsThatNoOneListensOn) {
  if (FindMigModule("netstat") == nullptr) GTEST_SKIP() << "this build has no module netstat";
  const MigJson expected = Read("netstat.result");
  const MigJson actual = Run("netstat", Read("netstat.params"));
  EXPECT_EQ(actual["elements"].dump(2), expected["elements"].dump(2));
  EXPECT_EQ(Shape(actual["statistics"]), Shape(expected["statistics"]));
  EXPECT_EQ(actual["foundanything"], expected["foundanything"]);
}

TEST_F(MigDifferentialTest, PackagesHaveTheSameForm) {
  if (FindMigModule("pkg") == nullptr) GTEST_SKIP() << "this build has no MIG module pkg";
  const MigJson actual = Run("pkg", Read("pkg.params"));
  if (actual["foundanything"] == false) GTEST_SKIP() << "this host has neither openssl nor libc6";
  MigJson expected = Read("pkg.result");
  EXPECT_EQ(Shape(actual), Shape(expected));
}

// dpkg's own words, or nothing where there is no dpkg.
std::string DpkgVersion(const std::string& package) {
  std::string version;
  FILE* query = popen(("dpkg-query -W -f='${Version}' " + package + " 2>/dev/null").c_str(), "r");
  if (query == nullptr) return version;
  char buffer[256];
  while (const size_t size = fread(buffer, 1, sizeof buffer, query)) version.append(buffer, size);
  return pclose(query) == 0 ? version : "";
}

TEST_F(MigDifferentialTest, ScribeComparesTheVersionThatDpkgHas) {
  const std::string version = DpkgVersion("libc6");
  if (version.empty()) GTEST_SKIP() << "no dpkg here that has libc6";
  MigJson parameters = MigJson::parse(R"({"scribedoc": {
      "objects": [{"object": "libc", "package": {"name": "libc6"}},
                  {"object": "all", "package": {"name": "c", "collectmatch": "^libc6$"}},
                  {"object": "none", "package": {"name": "no-such-package"}}],
      "tests": [{"test": "equal", "object": "libc", "evr": {"operation": "=", "value": ""}},
                {"test": "older", "object": "libc", "evr": {"operation": "<", "value": "0.1"}},
                {"test": "newer", "object": "all", "evr": {"operation": ">", "value": "0.1"}},
                {"test": "none", "object": "none"}]}})");
  parameters["scribedoc"]["tests"][0]["evr"]["value"] = version;
  std::string results;
  const MigJson result = Run("scribe", parameters);
  for (const MigJson& test : result["elements"]["results"])
    results += StrCat(test["testid"].get<std::string>(), " ", test["masterresult"].dump(), "\n");
  EXPECT_EQ(results, "equal true\nolder false\nnewer true\nnone false\n");
}

}  // namespace
}  // namespace dragnet
