// Whether the filters of searches hold for one process, cheapest facts first.
//
// Not thread-safe; one Examiner for a run, one process after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/memory/maps.h"
#include "modules/memory/process.h"
#include "modules/memory/scanner.h"
#include "modules/memory/search.h"
#include "modules/module.h"

namespace dragnet::memory {

enum class Holds : uint8_t { kNo, kYes, kUnknown };

// A place in memory that a filter holds for.
struct Finding {
  uint64_t address = 0;
  uint64_t length = 0;
  uint64_t content_address = 0;
  std::string content;
};

// What is known of a process. Facts are read when they are first asked for; why
// one can't be read is kept in `problems`.
class Facts {
 public:
  explicit Facts(const Process& process) : process_(process) {}

  const Process& process() const { return process_; }
  // Null if it can't be read.
  const ExePath* exe();
  const std::string* command_line();
  const Maps* maps();

  // The process has ended.
  bool gone() const { return gone_; }
  std::set<std::string>& problems() { return problems_; }

 private:
  template <typename Fact>
  void NoteFailure(const std::optional<Fact>& fact, const char* what);

  const Process& process_;
  std::optional<ExePath> exe_;
  std::optional<std::string> command_line_;
  std::optional<Maps> maps_;
  bool exe_read_ = false, command_line_read_ = false, maps_read_ = false;
  bool gone_ = false;
  std::set<std::string> problems_;
};

// What one search says of a process.
struct Answer {
  uint32_t search = 0;
  Holds holds = Holds::kUnknown;
  // By filter.
  std::vector<Holds> filters;
  std::vector<std::vector<Finding>> findings;
  std::vector<scan::YaraMatch> yara;
};

class Examiner {
 public:
  // `searches` outlives the examiner.
  static absl::StatusOr<std::unique_ptr<Examiner>> Create(const CompiledSearches& searches,
                                                          const Users& users, RunContext& context);

  // The answers of these searches, in order.
  std::vector<Answer> Examine(Facts& facts, const std::vector<uint32_t>& wanted);

 private:
  Examiner(const CompiledSearches& searches, const Users& users, RunContext& context)
      : searches_(searches), users_(users), context_(context) {}

  Holds HoldsByFacts(const Filter& filter, Facts& facts) const;
  Holds HoldsByMaps(const Filter& filter, uint32_t max_findings, Facts& facts,
                    std::vector<Finding>* findings) const;
  void SearchMemory(Facts& facts, std::vector<Answer>* answers);
  void Decide(Answer* answer) const;

  const CompiledSearches& searches_;
  const Users& users_;
  RunContext& context_;
  std::unique_ptr<MemoryScanner> scanner_;
  // By search; null without YARA.
  std::vector<std::unique_ptr<scan::YaraScanner>> yara_;
};

}  // namespace dragnet::memory
