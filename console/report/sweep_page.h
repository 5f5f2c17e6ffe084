// `dragnet sweep report --html`: where a fleet stands with a pack of checks, as one
// page under the same rules as a report's (report_page.h). Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "console/report/page_parts.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// All text is as it came: the page makes it safe.
struct SweepReport {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;
  // Something is missing in this page that should be there, one line each.
  std::vector<std::string> warnings;

  // Of (host, check) pairs, and of hosts by their worst verdict: the newest ones.
  v1::VerdictCounts verdicts;
  v1::VerdictCounts hosts;

  struct Run {
    absl::Time occurrence;
    v1::VerdictCounts verdicts;
  };
  // Oldest first.
  std::vector<Run> runs;

  struct Finding {
    std::string host;
    std::string status;
    std::string since;
    std::string reason;
    std::vector<std::string> evidence;
    uint64_t evidence_left_out = 0;
  };
  struct Check {
    std::string id;
    std::string title;
    std::string severity;
    std::string remediation;
    std::vector<std::string> references;
    v1::VerdictCounts verdicts;
    // Parallel to `groups`.
    std::vector<v1::VerdictCounts> by_group;
    // The first of those that failed or are unknown.
    std::vector<Finding> findings;
  };
  // The worst first.
  std::vector<Check> checks;
  // "distribution"; and the groups' names.
  std::string grouped_by;
  std::vector<std::string> groups;

  struct Host {
    std::string name;
    v1::VerdictCounts verdicts;
    std::string last_run;
  };
  // The first of those that don't pass, the worst first; and how many there are.
  std::vector<Host> worst;
  uint64_t not_passing = 0;
  // The first of the silent ones, and how many there are.
  std::vector<Host> silent;
  uint64_t silent_in_all = 0;

  SignedDocumentText document;
  // "dragnet sweep show 0198…".
  std::string show_command;
  std::string made;
};

std::string RenderSweepReport(const SweepReport& report);

}  // namespace dragnet::console
