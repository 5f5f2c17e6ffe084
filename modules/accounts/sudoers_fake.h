// For tests: sudoers files in memory.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "modules/accounts/sudoers.h"

namespace dragnet::accounts {

class FakeSudoers : public SudoersSource {
 public:
  // By path.
  using Files = std::map<std::string, std::string>;
  explicit FakeSudoers(Files files) : files_(std::move(files)) {}

  std::optional<std::string> Read(const std::string& path, bool required) override {
    const auto found = files_.find(path);
    if (found != files_.end()) return found->second;
    if (required) bad.emplace_back(path, 0);
    return std::nullopt;
  }
  std::vector<std::string> List(const std::string& directory) override {
    std::vector<std::string> names;
    for (const auto& [path, content] : files_)
      if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
    return names;
  }
  void Bad(std::string_view, const std::string& path, uint32_t line) override {
    bad.emplace_back(path, line);
  }

  std::vector<std::pair<std::string, uint32_t>> bad;

 private:
  Files files_;
};

}  // namespace dragnet::accounts
