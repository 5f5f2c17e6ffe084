// Rules of udev (udev(7)). Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dragnet::persistence {

struct UdevProgram {
  // With its operator: RUN+=, PROGRAM==, IMPORT{program}=.
  std::string directive;
  std::string command;
  // The rule's conditions, as they are written.
  std::string conditions;
  // Where the rule begins, from 1.
  uint32_t line = 0;
};

// Calls `take` with each program that a rule runs, until it returns false, and
// `malformed` with the line of each rule that isn't one.
void ParseUdevRules(std::string_view text, const std::function<bool(const UdevProgram&)>& take,
                    const std::function<void(uint32_t line)>& malformed);

}  // namespace dragnet::persistence
