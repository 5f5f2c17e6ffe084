// Where findings go: makes rows, counts them against each search's limit, and
// tells when a search, or all of them, has had enough. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "modules/file/match.h"
#include "modules/file/search.h"
#include "modules/module.h"

namespace dragnet::file {

class Reporter {
 public:
  // Both outlive the reporter.
  Reporter(const CompiledSearches& searches, RunContext& context);

  // This search found the file at `path`, whose inode facts are known.
  void Found(uint32_t search, const std::string& path, const FileFacts& facts, const RunFacts& run);

  void NotLookedAt(std::string_view reason, std::string_view path);
  void AddExamined(uint64_t items, uint64_t bytes) { context_.AddExamined(items, bytes); }

  // Takes no more findings.
  bool Done(uint32_t search) const { return done_[search].load(std::memory_order_relaxed); }
  // There is nothing left to search for.
  bool AllDone() const {
    return remaining_.load(std::memory_order_relaxed) == 0 || context_.stopping();
  }

 private:
  const CompiledSearches& searches_;
  RunContext& context_;
  const std::unique_ptr<std::atomic<uint32_t>[]> found_;
  const std::unique_ptr<std::atomic<bool>[]> done_;
  std::atomic<size_t> remaining_;
  std::atomic<uint32_t> errors_ = 0;
};

}  // namespace dragnet::file
