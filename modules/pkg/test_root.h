// For tests: a root with files in it, removed at the end, and running the module
// on it.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/util/json_util.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/run_context_fake.h"

namespace dragnet {
const Module& PkgModule();
}

namespace dragnet::pkg {

class TestRoot {
 public:
  TestRoot() {
    std::string name = testing::TempDir() + "/dragnet-pkg-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = std::filesystem::canonical(name);
  }
  ~TestRoot() { std::filesystem::remove_all(path_); }
  TestRoot(const TestRoot&) = delete;
  TestRoot& operator=(const TestRoot&) = delete;

  const std::string& path() const { return path_; }
  std::string In(std::string_view path) const { return path_ + std::string(path); }

  void File(std::string_view path, std::string_view content, mode_t mode = 0644) const {
    std::filesystem::create_directories(std::filesystem::path(In(path)).parent_path());
    std::ofstream(In(path), std::ios::binary) << content;
    EXPECT_EQ(chmod(In(path).c_str(), mode), 0);
  }
  void Link(std::string_view path, std::string_view target) const {
    std::filesystem::create_directories(std::filesystem::path(In(path)).parent_path());
    std::filesystem::create_symlink(target, In(path));
  }

 private:
  std::string path_;
};

struct Ran {
  std::vector<v1::PkgRow> rows;
  std::map<std::string, std::vector<std::string>> unexamined;
  std::vector<std::string> limits_hit;

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const v1::PkgRow& row : rows) names.push_back(row.name());
    return names;
  }
  std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    for (const v1::PkgRow& row : rows) paths.push_back(row.path());
    return paths;
  }
};

inline v1::PkgParameters Parameters(const std::string& json) {
  v1::PkgParameters parameters;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &parameters);
  EXPECT_TRUE(status.ok()) << json << ": " << status.ToString();
  return parameters;
}

// The module with parameters as JSON, on a root unless they name one.
inline Ran RunOn(const TestRoot& root, const std::string& json) {
  v1::PkgParameters parameters = Parameters(json);
  if (parameters.roots().empty()) parameters.add_roots(root.path());
  EXPECT_TRUE(PkgModule().Validate(parameters).ok()) << PkgModule().Validate(parameters);
  FakeRunContext context;
  EXPECT_TRUE(PkgModule().Run(parameters, context).ok());
  return {context.RowsAs<v1::PkgRow>(), context.unexamined, context.limits_hit};
}

}  // namespace dragnet::pkg
