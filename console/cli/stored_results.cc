#include "console/cli/stored_results.h"

#include "console/output/cell.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr int kMostTries = 5;
constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kBetweenTries = absl::Milliseconds(500);

struct Position {
  uint64_t cursor = 0;
  bool ended = false;
  v1::Progress progress;
};

absl::Status Take(const v1::WatchEvent& event, RowSelection& rows, ResultReader& reader,
                  Position* position) {
  switch (event.content_case()) {
    case v1::WatchEvent::kRows:
      for (const std::string& bytes : event.rows().rows()) {
        const google::protobuf::Message* row = rows.Read(event.rows(), bytes);
        if (row != nullptr) DRAGNET_RETURN_IF_ERROR(reader.OnRow(event.rows(), *row));
      }
      break;
    case v1::WatchEvent::kAgentState:
      DRAGNET_RETURN_IF_ERROR(reader.OnState(event.agent_state()));
      break;
    case v1::WatchEvent::kEnd:
      position->progress = event.end().progress();
      position->ended = true;
      break;
    default:
      break;
  }
  // Only now: what came is taken once.
  if (event.cursor() > position->cursor) position->cursor = event.cursor();
  return absl::OkStatus();
}

// Until the end, an error, or a lost connection (Unavailable).
absl::Status ReadOn(const v1::Action& action, RowSelection& rows, ResultReader& reader,
                    const Interrupt& interrupt, Client& client, Position* position) {
  v1::ResultsRequest request;
  request.set_action_id(action.id());
  request.set_after(position->cursor);
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<EventStream> stream, client.Results(request));
  v1::WatchEvent event;
  while (!position->ended) {
    if (interrupt.raised()) return absl::CancelledError("interrupted");
    switch (stream->Next(kTick, &event)) {
      case EventStream::Step::kEvent:
        DRAGNET_RETURN_IF_ERROR(Take(event, rows, reader, position));
        break;
      case EventStream::Step::kTimeout:
        break;
      case EventStream::Step::kEnd:
        if (!stream->status().ok()) return stream->status();
        return absl::UnavailableError("the scheduler ended the results early");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Progress> ReadStored(const v1::Action& action, RowSelection& rows,
                                        ResultReader& reader, const Interrupt& interrupt,
                                        Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  Position position;
  absl::Status status;
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    if (attempt > 0 && interrupt.WaitFor(kBetweenTries)) return absl::CancelledError("interrupted");
    const uint64_t before = position.cursor;
    status = ReadOn(action, rows, reader, interrupt, *client, &position);
    if (status.ok()) return position.progress;
    if (!absl::IsUnavailable(status)) return status;
    // Only tries in a row count.
    if (position.cursor > before) attempt = 0;
  }
  return status;
}

bool LookedAtWhole(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_FOUND || state == v1::DISPATCH_STATE_CLEAN;
}

std::string StateWord(v1::DispatchState state) {
  const auto* value = v1::DispatchState_descriptor()->FindValueByNumber(state);
  return value == nullptr ? StrCat(static_cast<int>(state)) : EnumWord(value);
}

}  // namespace dragnet::console
