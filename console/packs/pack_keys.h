// The keys of a pack: one table for the reader, its errors and the schema.
// Thread-safe: constants.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace dragnet::console {

struct KeySpec {
  std::string_view name;
  bool required;
  // For editors.
  std::string_view help;
};

inline constexpr std::array<std::string_view, 4> kSeverityWords = {"low", "medium", "high",
                                                                   "critical"};

inline constexpr KeySpec kPackKeys[] = {
    {"id", true, "Names the pack: a-z, 0-9 and -, at most 64."},
    {"title", true, "One line for people, at most 200 bytes."},
    {"version", false, "The pack's own, for people, at most 64 bytes."},
    {"variables", false,
     "Names and their defaults: single values or lists of them. ${name} in a value is replaced; a "
     "name without a value must be set."},
    {"include", false, "Other packs, whose checks come before this one's."},
    {"checks", false, "The checks, with different ids."},
};

inline constexpr KeySpec kCheckKeys[] = {
    {"id", true, "a-z, 0-9, - and ., at most 64. Results and baselines go by it."},
    {"title", true, "One line, at most 200 bytes: what is so on a host that passes."},
    {"severity", true, "How bad a failure is."},
    {"reference", false, "CIS and STIG numbers, CVEs, URLs: one, or a list of at most 16."},
    {"remediation", false, "What to do about a failure, at most 2 KiB."},
    {"applies_when", false,
     "Expression over the host's facts; where it isn't true the check is not applicable."},
    {"needs", false,
     "Variables: where one of them is empty the check is not applicable. One name, or a list."},
    {"module", false, "The module of the operation, with parameters; or else command."},
    {"parameters", false, "The module's parameters, by the names of its .proto."},
    {"command", false,
     "The operation in the words of the command line: file --path /etc --name '^passwd$'"},
    {"expect", true, "What must hold of the operation's rows."},
    {"limits", false, "Of the worker; default: 1 min of wall time and of CPU time."},
};

inline constexpr KeySpec kIncludeKeys[] = {
    {"file", true, "A path that counts from this file, within the directory of the pack."},
    {"only", false, "Ids of the checks to take; * stands for anything."},
    {"except", false, "Ids of the checks to leave out; * stands for anything."},
    {"variables", false, "Values for the included file's variables."},
    {"severity", false, "Other severities, by check id."},
};

// Exactly one of the first four.
inline constexpr KeySpec kExpectKeys[] = {
    {"found", false, "At least one row is so."},
    {"not_found", false, "No row is so."},
    {"all", false, "Every row is so, and there are at_least as many."},
    {"count", false, "As many rows: a number, or where, min and max."},
    {"at_least", false, "With all: how many rows there must be (default: 1)."},
};

inline constexpr KeySpec kCountKeys[] = {
    {"where", false, "Count only rows that are so."},
    {"min", false, "At least so many (default: 0)."},
    {"max", false, "At most so many (default: any number)."},
};

}  // namespace dragnet::console
