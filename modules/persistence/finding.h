// What the readers of this module find, before it is known whose it is. Values;
// not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "modules/module.h"

namespace dragnet::persistence {

// As the rows have them; persistence.proto says what each is.
inline constexpr std::string_view kKinds[] = {"systemd_unit",
                                              "systemd_timer",
                                              "systemd_generator",
                                              "cron",
                                              "at",
                                              "init",
                                              "ld_preload",
                                              "ld_path",
                                              "kernel_module",
                                              "udev",
                                              "pam",
                                              "shell_profile",
                                              "ssh",
                                              "motd",
                                              "network_hook",
                                              "package_hook",
                                              "xdg_autostart"};

struct Finding {
  std::string_view kind;
  std::string name;
  // Absolute, seen from the root; may be empty (a kernel module without a file).
  std::string path;
  uint32_t line = 0;
  std::string directive;
  std::string command;
  std::string user;
  std::string schedule;
  bool enabled = true;
  std::string state = "enabled";
  std::string activates;
  // Files that are run or loaded beside those that the command names.
  std::vector<std::string> programs;
  std::vector<std::string> taints;
  // A file that this one is a copy of, unless somebody changed it.
  std::string pattern;
};

// Text of the host, fit for a row and for memory.
std::string Text(std::string_view bytes);

// Findings up to bounds, in all and of one file: who may write one crontab must not be
// able to fill the room of all others. Those over them are noted.
class Findings {
 public:
  static constexpr size_t kMost = 20000;
  static constexpr uint32_t kMostOfFile = 2000;
  static constexpr size_t kMostBytes = 32 * 1024 * 1024;

  explicit Findings(RunContext& context) : context_(context) {}

  // The texts are bounded here, whatever the reader took. Past a bound the finding is
  // noted and dropped.
  void Add(Finding finding);
  // False when the last one was dropped: no need to read on in its file.
  bool has_room() const { return has_room_; }

  std::vector<Finding>& all() { return all_; }

 private:
  RunContext& context_;
  std::vector<Finding> all_;
  std::map<std::string, uint32_t> of_file_;
  size_t bytes_ = 0;
  bool has_room_ = true;
};

}  // namespace dragnet::persistence
