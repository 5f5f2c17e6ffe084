#include "scheduler/dispatch/pair.h"

#include <algorithm>

#include "core/strings.h"
#include "core/termination.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr char kDoubted[] = "two hosts used this identity: these may be the results of either";
constexpr size_t kMaxDetail = 1024;

// What is wrong with an operation's claim, given what is stored of it; empty
// if nothing is.
std::string Contradiction(const OperationProgress& operation) {
  const v1::OperationSummary& summary = *operation.summary;
  if (summary.rows() != operation.rows)
    return StrCat("the agent's count differs: it says ", summary.rows(), " rows, ", operation.rows,
                  " are stored");
  if (operation.records + 1 != operation.summary_sequence)
    return StrCat("records are missing: the summary is number ", operation.summary_sequence,
                  " and ", operation.records, " came before it");
  switch (summary.outcome()) {
    case v1::OUTCOME_INCOMPLETE:
      return "";
    case v1::OUTCOME_FOUND:
      if (operation.rows == 0) return "the agent says found, without a row";
      break;
    case v1::OUTCOME_CLEAN:
      if (operation.rows > 0) return StrCat("the agent says clean, with ", operation.rows, " rows");
      break;
    default:
      return "the agent names no outcome";
  }
  if (summary.termination() != v1::TERMINATION_COMPLETED)
    return "the agent says that all was looked at, and that the worker didn't complete";
  if (summary.module().unexamined_size() > 0 || summary.module().limits_hit_size() > 0)
    return "the agent says that all was looked at, and lists what was not";
  return "";
}

bool Started(const Pair& pair) {
  return std::any_of(pair.operations.begin(), pair.operations.end(), [](const auto& operation) {
    return operation.records > 0 || operation.summary.has_value();
  });
}

// The state that the stored records amount to; only called once there are any.
void Evaluate(Pair* pair) {
  pair->detail.clear();
  bool incomplete = false;
  for (size_t i = 0; i < pair->operations.size(); ++i) {
    const OperationProgress& operation = pair->operations[i];
    if (!operation.summary.has_value()) {
      pair->state = v1::DISPATCH_STATE_RUNNING;
      pair->detail.clear();
      return;
    }
    if (operation.summary->outcome() == v1::OUTCOME_INCOMPLETE) incomplete = true;
    if (std::string why = Contradiction(operation); !why.empty()) {
      incomplete = true;
      if (pair->detail.empty()) pair->detail = StrCat("operation ", i, ": ", why);
    }
  }
  if (pair->dropped > 0) {
    incomplete = true;
    pair->detail = pair->drop_reason == kDoubted
                       ? pair->drop_reason
                       : StrCat(pair->dropped, " records were dropped: ", pair->drop_reason);
  }
  if (incomplete) {
    pair->state = v1::DISPATCH_STATE_INCOMPLETE;
  } else {
    pair->state = pair->rows() > 0 ? v1::DISPATCH_STATE_FOUND : v1::DISPATCH_STATE_CLEAN;
  }
}

bool EndedByFailure(const OperationProgress& operation) {
  return operation.summary.has_value() && IsFailure(operation.summary->termination());
}

// `sequence` has come: it is no longer missing, or those before it are.
void NoteSequence(uint64_t sequence, OperationProgress* operation) {
  if (sequence <= operation->last_sequence) {
    std::vector<uint64_t>& missing = operation->missing;
    const auto found = std::lower_bound(missing.begin(), missing.end(), sequence);
    if (found != missing.end() && *found == sequence) missing.erase(found);
    return;
  }
  for (uint64_t skipped = operation->last_sequence + 1; skipped < sequence; ++skipped)
    operation->missing.push_back(skipped);
  operation->last_sequence = sequence;
}

uint64_t SignedOr(uint64_t limit, uint64_t ceiling) {
  return limit == 0 ? ceiling : std::min(limit, ceiling);
}

absl::Status CheckRows(const v1::Rows& rows, size_t record_bytes, uint64_t sequence,
                       const OperationProgress& operation, const OperationBounds& bounds) {
  if (rows.rows_size() == 0) return absl::InvalidArgumentError("a record without rows");
  // Those before it may come later: their first try failed with the store.
  if (operation.summary.has_value() && sequence > operation.summary_sequence)
    return absl::InvalidArgumentError("rows after the operation's summary");
  if (sequence > operation.last_sequence + kMaxSequenceJump)
    return absl::InvalidArgumentError(
        StrCat("sequence ", sequence, " is too far from ", operation.last_sequence));
  if (sequence > operation.last_sequence &&
      operation.missing.size() + (sequence - operation.last_sequence - 1) > kMaxMissingRecords)
    return absl::InvalidArgumentError(
        StrCat("more than ", kMaxMissingRecords, " records are missing before it"));
  for (const std::string& row : rows.rows())
    if (row.size() > kMaxRowBytes)
      return absl::InvalidArgumentError(StrCat("a row of ", row.size(), " bytes"));
  if (operation.rows + rows.rows_size() > bounds.rows)
    return absl::OutOfRangeError(StrCat("more than ", bounds.rows,
                                        " rows of an operation: what was signed for it, or the"
                                        " scheduler's ceiling (max_rows of scheduler.toml)"));
  if (operation.bytes + record_bytes > bounds.bytes)
    return absl::OutOfRangeError(
        StrCat("more than ", bounds.bytes,
               " bytes of an operation: what was signed for it, or"
               " the scheduler's ceiling (max_result_bytes of scheduler.toml)"));
  return absl::OkStatus();
}

}  // namespace

std::vector<OperationBounds> BoundsOf(const v1::Action& action, const OperationBounds& ceiling) {
  std::vector<OperationBounds> bounds;
  for (const v1::Operation& operation : action.operations()) {
    OperationBounds bound;
    bound.rows = SignedOr(operation.limits().rows(), ceiling.rows);
    // The agent bounds the rows themselves; records carry their framing as well.
    const uint64_t rows_bytes = SignedOr(operation.limits().result_bytes(), ceiling.bytes);
    bound.bytes = rows_bytes + rows_bytes / 4 + kMaxRecordBytes;
    bounds.push_back(bound);
  }
  return bounds;
}

uint64_t Pair::rows() const {
  uint64_t sum = 0;
  for (const OperationProgress& operation : operations) sum += operation.rows;
  return sum;
}

bool IsFinal(v1::DispatchState state) {
  switch (state) {
    case v1::DISPATCH_STATE_WAITING:
    case v1::DISPATCH_STATE_SENT:
    case v1::DISPATCH_STATE_RUNNING:
      return false;
    default:
      return true;
  }
}

bool Failed(const Pair& pair) {
  return IsFinal(pair.state) &&
         std::any_of(pair.operations.begin(), pair.operations.end(), EndedByFailure);
}

bool IsUnheard(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_WAITING || state == v1::DISPATCH_STATE_SENT;
}

bool IsWorthSending(const Pair& pair, bool recurs) {
  if (!IsFinal(pair.state)) return true;
  if (pair.state != v1::DISPATCH_STATE_REFUSED || !pair.refusal.has_value()) return false;
  switch (pair.refusal->reason()) {
    case v1::Refusal::REASON_BUSY:
    case v1::Refusal::REASON_NOT_YET_VALID:
    case v1::Refusal::REASON_NO_POLICY:
    case v1::Refusal::REASON_POLICY_EXPIRED:
      return true;
    case v1::Refusal::REASON_NOT_TARGETED:
    case v1::Refusal::REASON_INSUFFICIENT_WEIGHT:
    case v1::Refusal::REASON_MODULE_NOT_ALLOWED:
      return recurs;
    default:
      return false;
  }
}

bool IsDuplicate(const v1::ResultRecord& record, const Pair& pair, int64_t occurrence) {
  if (record.operation() >= pair.operations.size() || record.sequence() == 0) return false;
  // Of another occurrence: not a record of this pair at all.
  if (record.occurrence() != occurrence) return false;
  const OperationProgress& operation = pair.operations[record.operation()];
  if (operation.summary.has_value() && operation.summary_sequence == record.sequence()) return true;
  return record.has_rows() && record.sequence() <= operation.last_sequence &&
         !std::binary_search(operation.missing.begin(), operation.missing.end(), record.sequence());
}

absl::Status CheckRecord(const v1::ResultRecord& record, size_t record_bytes, const Pair& pair,
                         const std::vector<OperationBounds>& bounds, int64_t occurrence) {
  if (record_bytes > kMaxRecordBytes)
    return absl::InvalidArgumentError(StrCat("a record of ", record_bytes, " bytes"));
  if (record.occurrence() != occurrence)
    return absl::InvalidArgumentError("an occurrence of an action that runs once");
  if (record.operation() >= pair.operations.size() || record.operation() >= bounds.size())
    return absl::InvalidArgumentError(
        StrCat("operation ", record.operation(), " of an action with ", pair.operations.size()));
  if (record.sequence() == 0) return absl::InvalidArgumentError("sequence 0 is for refusals only");
  const OperationProgress& operation = pair.operations[record.operation()];
  switch (record.content_case()) {
    case v1::ResultRecord::kRows:
      return CheckRows(record.rows(), record_bytes, record.sequence(), operation,
                       bounds[record.operation()]);
    case v1::ResultRecord::kSummary:
      // However far its sequence jumps, it is taken: it ends the operation, and
      // what is missing before it makes the operation incomplete.
      if (operation.summary.has_value())
        return absl::InvalidArgumentError("a second summary of one operation");
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError("a record without content");
  }
}

v1::OperationSummary BoundedSummary(const v1::OperationSummary& summary) {
  if (summary.ByteSizeLong() <= kMaxSummaryBytes) return summary;
  v1::OperationSummary bounded;
  bounded.set_outcome(v1::OUTCOME_INCOMPLETE);
  bounded.set_termination(v1::TERMINATION_PROTOCOL_VIOLATION);
  bounded.set_detail(StrCat("the agent's summary had ", summary.ByteSizeLong(), " bytes"));
  bounded.set_rows(summary.rows());
  return bounded;
}

void OnSent(Pair* pair) {
  if (pair->state == v1::DISPATCH_STATE_WAITING) pair->state = v1::DISPATCH_STATE_SENT;
}

void OnAccepted(Pair* pair) {
  if (Started(*pair)) return;
  // Also from refused: busy once, taken the next time.
  pair->state = v1::DISPATCH_STATE_RUNNING;
  pair->refusal.reset();
}

void OnRecord(const v1::ResultRecord& record, Pair* pair) {
  OperationProgress& operation = pair->operations[record.operation()];
  if (record.has_summary()) {
    operation.summary = BoundedSummary(record.summary());
    operation.summary_sequence = record.sequence();
  } else {
    operation.records += 1;
    operation.rows += static_cast<uint64_t>(record.rows().rows_size());
    operation.bytes += record.ByteSizeLong();
    NoteSequence(record.sequence(), &operation);
  }
  pair->refusal.reset();
  Evaluate(pair);
}

void OnDropped(const absl::Status& reason, Pair* pair) {
  if (pair->dropped++ == 0) pair->drop_reason = Shorten(ToStd(reason.message()), kMaxDetail);
  if (Started(*pair)) Evaluate(pair);
}

void OnOverBounds(const v1::ResultRecord& record, const absl::Status& reason, Pair* pair) {
  OperationProgress& operation = pair->operations[record.operation()];
  operation.records += 1;
  NoteSequence(record.sequence(), &operation);
  pair->refusal.reset();
  OnDropped(reason, pair);
}

void OnDoubted(Pair* pair) {
  if (IsFinal(pair->state) || pair->state == v1::DISPATCH_STATE_WAITING) return;
  // Before the words for what was dropped: this is worse.
  pair->drop_reason = kDoubted;
  ++pair->dropped;
}

void OnRefusal(const v1::Refusal& refusal, Pair* pair) {
  // Of an order about the action, not of the action.
  if (refusal.reason() == v1::Refusal::REASON_ORDER_REJECTED) return;
  if (Started(*pair)) return;
  if (refusal.reason() == v1::Refusal::REASON_REPLAYED) {
    // Its journal holds the action: it runs, or its results are on their way. Of
    // what it was never sent, its word alone moves nothing.
    if (!IsFinal(pair->state) && pair->state != v1::DISPATCH_STATE_WAITING)
      pair->state = v1::DISPATCH_STATE_RUNNING;
    return;
  }
  // Also after it was accepted: it may have expired in the agent's queue.
  // Should records come all the same, they count.
  pair->state = v1::DISPATCH_STATE_REFUSED;
  pair->refusal = refusal;
}

void OnClosed(Pair* pair) {
  if (pair->state == v1::DISPATCH_STATE_WAITING) pair->state = v1::DISPATCH_STATE_NEVER_SENT;
}

}  // namespace dragnet::scheduler
