#include "scheduler/export/exporter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kBatchBytes = 1024 * 1024;
constexpr size_t kMaxCursorFile = 200;
// So that what lands in one moment is one batch.
constexpr absl::Duration kGather = absl::Milliseconds(250);
// Whatever happens, it looks again after that.
constexpr absl::Duration kLook = absl::Seconds(10);
constexpr absl::Duration kLongestBackoff = absl::Seconds(60);

// Doubled each time, and by chance up to half as long again: receivers that come
// back aren't met by all at once.
absl::Duration Backoff(int attempt) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  const absl::Duration base =
      std::min(absl::Milliseconds(500) * (1 << std::min(attempt, 10)), kLongestBackoff);
  return base * std::uniform_real_distribution<double>(1.0, 1.5)(random);
}

}  // namespace

Exporter::Exporter(const Parts& parts, std::string name, bool from_oldest, std::string cursor_file,
                   std::unique_ptr<Receiver> receiver, const Content& content)
    : parts_(parts),
      from_oldest_(from_oldest),
      cursor_file_(std::move(cursor_file)),
      receiver_(std::move(receiver)),
      content_(content) {
  state_.name = std::move(name);
  state_.address = receiver_->address();
  thread_ = std::thread([this] { Loop(); });
}

Exporter::~Exporter() { Stop(); }

void Exporter::Stop() {
  stop_ = true;
  Notify();
  if (thread_.joinable()) thread_.join();
}

void Exporter::Notify() {
  const WaitableMutex::Lock lock(mutex_);
  news_ = true;
}

ExportState Exporter::state() const {
  const WaitableMutex::Lock lock(mutex_);
  return state_;
}

bool Exporter::Pause(absl::Duration duration) {
  WaitableMutex::Lock lock(mutex_);
  return !lock.AwaitFor(duration, [&] { return stop_.load(); });
}

void Exporter::SetError(const absl::Status& error, bool stopped) {
  const WaitableMutex::Lock lock(mutex_);
  if (!error.ok()) {
    ++state_.failures;
    if (error != state_.error)
      spdlog::warn("export {}: {}", state_.name, ForTerminal(ToStd(error.message())));
    if (state_.error.ok()) state_.failing_since = absl::Now();
  } else if (!state_.error.ok()) {
    spdlog::info("export {}: goes on", state_.name);
    state_.failing_since = absl::InfinitePast();
  }
  state_.error = error;
  state_.stopped = stopped;
}

void Exporter::Loop() {
  int failed = 0;
  while (!stop_) {
    const absl::StatusOr<bool> more = Step();
    if (stop_) return;
    if (!more.ok()) {
      SetError(more.status(),
               absl::IsFailedPrecondition(more.status()) || absl::IsInvalidArgument(more.status()));
      // Read anew, from what was noted.
      reader_.reset();
      batch_.clear();
      batch_bytes_ = 0;
      if (!Pause(Backoff(failed++))) return;
      continue;
    }
    failed = 0;
    SetError(absl::OkStatus(), /*stopped=*/false);
    if (*more) continue;
    {
      WaitableMutex::Lock lock(mutex_);
      lock.AwaitFor(kLook, [&] { return news_ || stop_; });
      news_ = false;
    }
    if (!Pause(kGather)) return;
  }
}

absl::Status Exporter::OpenReader() {
  absl::StatusOr<std::string> noted = ReadFile(cursor_file_, kMaxCursorFile);
  const bool is_new = absl::IsNotFound(noted.status());
  if (!is_new) DRAGNET_RETURN_IF_ERROR(noted.status());
  const std::string after =
      is_new ? (from_oldest_ ? "0" : "") : std::string(ToStd(absl::StripSuffix(*noted, "\n")));
  if (!is_new && (after.empty() || after == "0"))
    return absl::InvalidArgumentError(
        StrCat(cursor_file_, ": has no cursor: remove it to begin anew"));
  absl::StatusOr<TailReader> reader = TailReader::Open(parts_.store, parts_.retention, after);
  if (!reader.ok())
    return absl::Status(reader.status().code(),
                        StrCat(cursor_file_, ": ", reader.status().message(),
                               ": remove this file to begin anew where \"from\" says"));
  // What comes before the first delivery must not be passed over by the next start.
  if (is_new) DRAGNET_RETURN_IF_ERROR(NoteCursor(reader->cursor()));
  cursor_ = reader->cursor();
  reader_ = *std::move(reader);
  return absl::OkStatus();
}

absl::StatusOr<bool> Exporter::Step() {
  if (!reader_.has_value()) DRAGNET_RETURN_IF_ERROR(OpenReader());
  const absl::StatusOr<std::vector<v1::TailEvent>> events = reader_->Next(kReadBytes);
  if (absl::IsFailedPrecondition(events.status())) {
    DRAGNET_RETURN_IF_ERROR(SayGap(events.status()));
    return true;
  }
  DRAGNET_RETURN_IF_ERROR(events.status());
  if (events->empty()) return false;
  DRAGNET_RETURN_IF_ERROR(Map(*events));
  DRAGNET_RETURN_IF_ERROR(Deliver());
  cursor_ = reader_->cursor();
  DRAGNET_RETURN_IF_ERROR(NoteCursor(cursor_));
  const WaitableMutex::Lock lock(mutex_);
  state_.behind_since = absl::InfinitePast();
  return true;
}

absl::Status Exporter::SayGap(const absl::Status& gap) {
  const std::string words = StrCat("events are missing before this one: ", gap.message());
  spdlog::error("export {}: {}", state_.name, words);
  // Before it is passed, the receiver has been told.
  // MIG's items have no word for it.
  if (content_.format == ExportSettings::Format::kEcs)
    DRAGNET_RETURN_IF_ERROR(Add(events::EcsMapper::GapEvent(cursor_, words, absl::Now())));
  DRAGNET_RETURN_IF_ERROR(Deliver());
  DRAGNET_ASSIGN_OR_RETURN(events::Cursor cursor, events::ParseCursor(cursor_));
  DRAGNET_ASSIGN_OR_RETURN(const StreamPosition kept, parts_.store.StreamBegin());
  cursor.removal = kept.removal;
  // Of a store that is older than what was noted, there would be a gap for ever.
  DRAGNET_ASSIGN_OR_RETURN(const StreamPosition end, parts_.store.StreamEnd());
  cursor.position = std::min(cursor.position, end.position);
  DRAGNET_RETURN_IF_ERROR(NoteCursor(events::FormatCursor(cursor)));
  reader_.reset();
  const WaitableMutex::Lock lock(mutex_);
  ++state_.gaps;
  return absl::OkStatus();
}

absl::Status Exporter::Map(const std::vector<v1::TailEvent>& events) {
  for (const v1::TailEvent& event : events) {
    if (event.has_stored_at()) {
      const WaitableMutex::Lock lock(mutex_);
      if (state_.behind_since == absl::InfinitePast())
        state_.behind_since = ToTime(event.stored_at()).value_or(absl::InfinitePast());
    }
    DRAGNET_RETURN_IF_ERROR(MapOne(event));
  }
  return absl::OkStatus();
}

absl::Status Exporter::MapOne(const v1::TailEvent& event) {
  const auto add = [this](std::string json) { return Add(std::move(json)); };
  const auto drop = [](const std::string&) { return absl::OkStatus(); };
  const bool left_out = content_.changes_only && !event.has_sweep_change();
  if (content_.format == ExportSettings::Format::kMigCompliance)
    return left_out && !event.has_action() ? absl::OkStatus() : mapper_.MapCompliance(event, add);
  // What the action is must be known when a change of it comes.
  if (left_out) return event.has_action() ? mapper_.Map(event, nullptr, drop) : absl::OkStatus();
  const std::string& agent = event.has_rows()           ? event.rows().agent_id()
                             : event.has_sweep_change() ? event.sweep_change().agent_id()
                                                        : event.agent_state().agent_id();
  const absl::StatusOr<v1::Facts> facts = parts_.agents.FactsOf(agent);
  return mapper_.Map(event, facts.ok() ? &*facts : nullptr, add);
}

absl::Status Exporter::Add(std::string event) {
  if (!batch_.empty() && batch_bytes_ + event.size() > kBatchBytes)
    DRAGNET_RETURN_IF_ERROR(Deliver());
  batch_bytes_ += event.size() + 1;
  batch_.push_back(std::move(event));
  return absl::OkStatus();
}

absl::Status Exporter::Deliver() {
  for (int attempt = 0; !batch_.empty(); ++attempt) {
    const absl::Status status = receiver_->Deliver(batch_, stop_);
    // What was confirmed in the last moment is noted all the same.
    if (!status.ok()) {
      if (stop_) return absl::CancelledError("the scheduler stops");
      SetError(status, /*stopped=*/false);
      if (!Pause(Backoff(attempt))) return absl::CancelledError("the scheduler stops");
      continue;
    }
    SetError(absl::OkStatus(), /*stopped=*/false);
    const WaitableMutex::Lock lock(mutex_);
    state_.events += batch_.size();
    batch_.clear();
    batch_bytes_ = 0;
  }
  return absl::OkStatus();
}

absl::Status Exporter::NoteCursor(const std::string& cursor) {
  return Annotate(WriteFileAtomically(cursor_file_, StrCat(cursor, "\n"), 0600), "note the cursor");
}

}  // namespace dragnet::scheduler
