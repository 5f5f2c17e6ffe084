#include "console/cli/follow.h"

#include "console/cli/interrupt.h"
#include "console/cli/result_view.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// How long to look for a scheduler that went away: a restart is bridged, an
// outage is said.
constexpr int kMostReconnections = 8;
constexpr absl::Duration kTick = absl::Milliseconds(100);

absl::Duration Backoff(int attempt) {
  return std::min(absl::Milliseconds(250) * (1 << std::min(attempt, 5)), absl::Seconds(5));
}

absl::StatusOr<std::unique_ptr<EventStream>> Open(Client& client, const v1::Action& action,
                                                  const FollowOptions& options, uint64_t after) {
  if (options.stored_only) {
    v1::ResultsRequest request;
    request.set_action_id(action.id());
    request.set_after(after);
    return client.Results(request);
  }
  v1::WatchRequest request;
  request.set_action_id(action.id());
  request.set_until_expired(options.until_expired);
  request.set_after(after);
  return client.Watch(request);
}

// Until the stream ends, Ctrl-C, or standard output fails.
absl::Status Drain(EventStream& stream, const Interrupt& interrupt, ResultView& view) {
  v1::WatchEvent event;
  while (!interrupt.raised() && view.output_status().ok()) {
    switch (stream.Next(kTick, &event)) {
      case EventStream::Step::kEvent:
        view.OnEvent(event);
        if (view.ended()) return absl::OkStatus();
        break;
      case EventStream::Step::kTimeout:
        view.Tick();
        break;
      case EventStream::Step::kEnd:
        return stream.status();
    }
  }
  return absl::OkStatus();
}

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || status.ok();
}

}  // namespace

absl::StatusOr<int> FollowAction(const v1::Action& action, const FollowOptions& options,
                                 Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  const Interrupt interrupt;
  ResultView view(
      action, session.modules(), session.io(),
      {.format = options.format, .hosts = options.hosts, .stored = options.stored_only});
  const auto done = [&] {
    return view.ended() || interrupt.raised() || !view.output_status().ok();
  };
  absl::Status status;
  absl::Status said;
  uint64_t seen = 0;
  for (int attempt = 0; !done() && attempt <= kMostReconnections; ++attempt) {
    if (attempt > 0) {
      if (status != said) view.Say(StrCat(ForTerminal(ToStd(status.message())), "; trying again"));
      said = status;
      if (interrupt.WaitFor(Backoff(attempt - 1))) break;
    }
    auto stream = Open(*client, action, options, view.cursor());
    status = stream.ok() ? Drain(**stream, interrupt, view) : stream.status();
    if (!WorthAnotherTry(status)) break;
    // A stream that ends without saying so is a lost connection, too.
    if (status.ok()) status = absl::UnavailableError("the scheduler ended the stream early");
    // Only tries in a row count: a long watch may see many restarts.
    if (view.cursor() > seen) attempt = 0;
    seen = view.cursor();
  }
  view.Finish();
  if (interrupt.raised() && !view.ended()) {
    session.io().Say(StrCat("Detached; the action goes on. See it:  dragnet results ", action.id(),
                            " --follow   Stop it:  dragnet cancel ", action.id()));
    return kExitIncomplete;
  }
  if (!view.output_status().ok()) {
    // What failed is said by who flushes standard output last.
    session.io().Say(StrCat("dragnet: rows were lost: dragnet results ", action.id()));
    return kExitIncomplete;
  }
  if (!view.ended()) {
    return Annotate(
        status, StrCat("action ", action.id(), " goes on, but can't be followed (dragnet results ",
                       action.id(), ")"));
  }
  view.PrintSummary();
  return view.exit_status();
}

}  // namespace dragnet::console
