// What the scheduler counts of itself, from its start on. One place for the whole
// process, so that whoever has something to count needs no way to it:
//
//   TheMetrics().sessions_opened.Add();
//
// Counting costs one relaxed atomic addition and never fails; no text from
// hosts and no id of an agent or action gets in here. What is a level rather
// than a count (agents online, bytes on disk) is asked for when someone looks:
// api/status.h. Names and help as Prometheus gets them: metrics_text.cc.
//
// Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace dragnet::scheduler {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

// One counter for each value of a small enumeration (absl::StatusCode,
// v1::Refusal::Reason); what is outside counts as value 0.
class CounterByCode {
 public:
  static constexpr size_t kCodes = 32;
  template <typename Code>
  void Add(Code code) {
    const auto index = static_cast<size_t>(code);
    counters_[index < kCodes ? index : 0].Add();
  }
  uint64_t value(size_t code) const { return counters_[code].value(); }

 private:
  std::array<Counter, kCodes> counters_;
};

// How long something took.
class DurationHistogram {
 public:
  // Upper bounds in seconds; above the last is one bucket more.
  static constexpr std::array<double, 14> kBounds = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

  void Add(double seconds);
  // Of one bucket alone, not of all below it too.
  uint64_t bucket(size_t index) const { return buckets_[index].value(); }
  double sum_seconds() const { return static_cast<double>(nanoseconds_.value()) / 1e9; }

 private:
  std::array<Counter, kBounds.size() + 1> buckets_;
  Counter nanoseconds_;
};

struct Metrics {
  // ---- agents
  Counter sessions_opened;
  Counter sessions_closed;
  // Ended by the scheduler: by absl::StatusCode.
  CounterByCode sessions_refused;
  // Calls of any kind, before they begin, by absl::StatusCode.
  CounterByCode calls_refused;
  Counter enrolments;
  // By absl::StatusCode.
  CounterByCode enrolments_refused;

  // ---- records, after their commit
  Counter records_committed;
  Counter rows_committed;
  Counter record_bytes_committed;
  Counter records_repeated;
  Counter records_dropped;
  // Of `records_dropped`: of actions that the store doesn't know.
  Counter records_of_unknown_actions;
  // By v1::Refusal::Reason.
  CounterByCode refusals;

  // ---- the store
  Counter commits;
  Counter commits_failed;
  DurationHistogram commit_seconds;

  // ---- actions
  Counter actions_launched;
  // By absl::StatusCode.
  CounterByCode actions_refused;
  // Envelopes handed to sessions.
  Counter actions_sent;

  // ---- retention
  Counter actions_removed;
  Counter records_removed;
  Counter retention_steps;

  // ---- the log
  Counter log_warnings;
  Counter log_errors;
};

Metrics& TheMetrics();

}  // namespace dragnet::scheduler
