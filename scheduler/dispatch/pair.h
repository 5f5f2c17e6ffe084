// One (action, agent) pair: what the agent may still add to it, and what state
// the scheduler makes of what it has. Everything that an agent says is a claim;
// the state follows from what is stored.
//
// Pure functions over values: no store, no clock, no network. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet::scheduler {

inline constexpr size_t kMaxRecordBytes = 512 * 1024;
inline constexpr size_t kMaxRowBytes = 64 * 1024;
// A summary travels to consoles with those of up to 15 other operations.
inline constexpr size_t kMaxSummaryBytes = 64 * 1024;
// How far a record may be ahead of the last one stored: a whole window.
inline constexpr uint64_t kMaxSequenceJump = 1024;
// How many records of an operation may be missing before its last one. An agent
// sends in order and has no more than a window under way.
inline constexpr size_t kMaxMissingRecords = 1024;

// What one operation may store for one agent.
struct OperationBounds {
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

// From the signed limits, with these ceilings for what is unset or above them.
// An agent's own defaults may be larger than the documented ones, so an unset
// limit is bounded by the ceiling and not by that default.
std::vector<OperationBounds> BoundsOf(const v1::Action& action, const OperationBounds& ceiling);

// What is stored of one operation.
struct OperationProgress {
  // Records with rows, each sequence once: those that are stored, and those that
  // would have been but for the bounds. To the agent both are the same.
  uint64_t records = 0;
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint64_t last_sequence = 0;
  // Sequences below last_sequence that haven't come, rising.
  std::vector<uint64_t> missing;
  std::optional<v1::OperationSummary> summary;
  uint64_t summary_sequence = 0;
};

struct Pair {
  v1::DispatchState state = v1::DISPATCH_STATE_WAITING;
  // One for each operation of the action.
  std::vector<OperationProgress> operations;
  std::optional<v1::Refusal> refusal;
  // Records that were not stored, and the words for the first of them. Also one
  // for OnDoubted.
  uint64_t dropped = 0;
  std::string drop_reason;
  // Why `state` is incomplete although the agent said otherwise.
  std::string detail;

  uint64_t rows() const;
};

// All operations ended, or it will never start.
bool IsFinal(v1::DispatchState state);

// It ended, and an operation crashed, went over a limit of time or memory, could
// not be started, or ended with an error of the module or a broken protocol: what
// Dispatch.stop_when_failed_percent counts.
bool Failed(const Pair& pair);

// Waiting or sent: nothing was heard of it.
bool IsUnheard(v1::DispatchState state);

// Whether an agent that connects should get the action once more: it hasn't
// ended, or was refused for a reason that passes by itself. Of one that `recurs`, and is
// in force for a year perhaps, also for one that passes when the agent's facts or
// its trust policy are others.
bool IsWorthSending(const Pair& pair, bool recurs);

// Whether this record (rows or a summary) is stored already. `occurrence` is the one that
// the pair is of; 0: of an action that runs once.
bool IsDuplicate(const v1::ResultRecord& record, const Pair& pair, int64_t occurrence = 0);

// Whether this record (rows or a summary) may be stored. InvalidArgument: not
// a record of this action. OutOfRange: the next of it, but over its bounds. Duplicates
// don't come here.
absl::Status CheckRecord(const v1::ResultRecord& record, size_t record_bytes, const Pair& pair,
                         const std::vector<OperationBounds>& bounds, int64_t occurrence = 0);

// The summary as it is kept: one over kMaxSummaryBytes is replaced by one that
// says so, so that the operation still ends.
v1::OperationSummary BoundedSummary(const v1::OperationSummary& summary);

// What happened. Each works out the new state; those that come late or twice
// change nothing that is known better already.
void OnSent(Pair* pair);
void OnAccepted(Pair* pair);
// `record` passed CheckRecord.
void OnRecord(const v1::ResultRecord& record, Pair* pair);
void OnDropped(const absl::Status& reason, Pair* pair);
// CheckRecord said OutOfRange. It has come, and isn't waited for.
void OnOverBounds(const v1::ResultRecord& record, const absl::Status& reason, Pair* pair);
// Two hosts use the identity of the pair's agent: whose records these are, no one can
// say. Changes nothing of a pair that waits, or that has ended before.
void OnDoubted(Pair* pair);
void OnRefusal(const v1::Refusal& refusal, Pair* pair);
// The action was cancelled or expired.
void OnClosed(Pair* pair);

}  // namespace dragnet::scheduler
