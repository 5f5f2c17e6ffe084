// Runs sandbox_attacker as a child and collects what it says. For tests only.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "agent/sandbox/spawn.h"
#include "gtest/gtest.h"

namespace dragnet::sandbox {

inline constexpr UserAndGroup kNobody = {65534, 65534};

inline bool IsRoot() { return ::geteuid() == 0; }

inline std::string ReadToEnd(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

struct Outcome {
  ChildExit exit;
  std::string output;
  std::string errors;
  std::vector<std::string> missing_walls;
};

class ChildTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dragnet-sandbox-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    // Where others can execute it, wherever the build directory is.
    std::filesystem::copy_file(DRAGNET_ATTACKER, Attacker());
    std::filesystem::permissions(directory_, std::filesystem::perms::all);
    std::filesystem::permissions(Attacker(), std::filesystem::perms(0755));
    std::ofstream(Target()) << "precious";
    std::filesystem::permissions(Target(), std::filesystem::perms(0666));
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Attacker() const { return directory_ + "/attacker"; }
  // A file that anyone may write, in a directory that anyone may write.
  std::string Target() const { return directory_ + "/target"; }
  bool TargetIsUntouched() const {
    std::ifstream file(Target());
    std::string content;
    std::getline(file, content);
    auto entries = std::filesystem::directory_iterator(directory_);
    return content == "precious" && std::distance(begin(entries), end(entries)) == 2;
  }

  SpawnOptions Options(std::vector<std::string> arguments) const {
    SpawnOptions options;
    options.program = Attacker();
    options.arguments = std::move(arguments);
    options.allow_missing_walls = !IsRoot();
    return options;
  }

  // Spawns with pipes for output and errors, and waits for the end.
  static Outcome Run(SpawnOptions options) {
    absl::StatusOr<Pipe> output = NewPipe();
    absl::StatusOr<Pipe> errors = NewPipe();
    options.fds.push_back({output->write_end.get(), 1});
    options.fds.push_back({errors->write_end.get(), 2});
    absl::StatusOr<Child> child = Spawn(options);
    output->write_end.Reset();
    errors->write_end.Reset();
    EXPECT_TRUE(child.ok()) << child.status();
    if (!child.ok()) return {};
    Outcome outcome;
    outcome.missing_walls = child->missing_walls();
    outcome.output = ReadToEnd(output->read_end.get());
    outcome.errors = ReadToEnd(errors->read_end.get());
    absl::StatusOr<ChildExit> exit = child->Reap();
    EXPECT_TRUE(exit.ok()) << exit.status();
    if (exit.ok()) outcome.exit = *exit;
    return outcome;
  }

  std::map<std::string, std::string> Report(SpawnOptions options) const {
    options.arguments = {"report"};
    std::istringstream lines(Run(std::move(options)).output);
    std::map<std::string, std::string> report;
    for (std::string line; std::getline(lines, line);) {
      size_t equals = line.find('=');
      if (equals != std::string::npos) report[line.substr(0, equals)] = line.substr(equals + 1);
    }
    return report;
  }

 private:
  std::string directory_;
};

}  // namespace dragnet::sandbox
