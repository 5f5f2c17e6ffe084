// A network namespace at the end of a cable that can be pulled. Only root, with
// the capability to make network interfaces, has one. Not thread-safe.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "core/strings.h"
#include "tests/harness/process.h"

namespace dragnet::testing {

inline bool RunIp(const std::vector<std::string>& arguments) {
  Command command;
  command.arguments = {"/usr/bin/env", "ip"};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return RunToEnd(command).status() == 0;
}

// A network namespace that one pair of virtual interfaces leads to.
class Cable {
 public:
  Cable() : number_(::getpid() % 250), name_(StrCat("dragnet", ::getpid())) {
    made_ =
        RunIp({"netns", "add", name_}) &&
        RunIp({"link", "add", near(), "type", "veth", "peer", "name", far(), "netns", name_}) &&
        RunIp({"addr", "add", near_address() + "/30", "dev", near()}) &&
        RunIp({"link", "set", near(), "up"}) &&
        RunIp({"-n", name_, "addr", "add", StrCat("10.213.", number_, ".2/30"), "dev", far()}) &&
        RunIp({"-n", name_, "link", "set", far(), "up"});
  }
  ~Cable() {
    RunIp({"link", "del", near()});
    RunIp({"netns", "del", name_});
  }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  bool made() const { return made_; }
  std::string near_address() const { return StrCat("10.213.", number_, ".1"); }
  const std::string& name() const { return name_; }
  std::string path() const { return "/run/netns/" + name_; }
  void Pull() const { RunIp({"-n", name_, "link", "set", far(), "down"}); }
  void Plug() const { RunIp({"-n", name_, "link", "set", far(), "up"}); }

 private:
  std::string near() const { return StrCat("dgn", ::getpid()); }
  std::string far() const { return StrCat("dgf", ::getpid()); }

  const int number_;
  const std::string name_;
  bool made_ = false;
};

}  // namespace dragnet::testing
