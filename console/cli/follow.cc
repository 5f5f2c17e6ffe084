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
// So long nothing has come when it is asked why.
constexpr int kQuietTicks = 20;

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

// Asks why nothing moves: a watch brings rows, states and counts, not whether an
// action was paused, or has stopped by itself.
class PhaseWatch {
 public:
  PhaseWatch(Client& client, std::string action_id, ResultView& view)
      : client_(client), action_id_(std::move(action_id)), view_(view) {}

  void OnEvent() { quiet_ = 0; }
  void OnTimeout() {
    if (++quiet_ < kQuietTicks) return;
    quiet_ = 0;
    Ask();
  }
  void Ask() {
    v1::GetActionRequest request;
    request.set_action_id(action_id_);
    const absl::StatusOr<v1::GetActionResponse> response = client_.GetAction(request);
    // Of an older scheduler, or of one that is just away: then nothing is said.
    if (response.ok() && response->action().action_id() == action_id_)
      view_.OnPhase(response->action());
  }

 private:
  Client& client_;
  const std::string action_id_;
  ResultView& view_;
  int quiet_ = 0;
};

// Until the stream ends, Ctrl-C, or standard output fails.
absl::Status Drain(EventStream& stream, const Interrupt& interrupt, ResultView& view,
                   PhaseWatch& phase) {
  v1::WatchEvent event;
  while (!interrupt.raised() && view.output_status().ok()) {
    switch (stream.Next(kTick, &event)) {
      case EventStream::Step::kEvent:
        view.OnEvent(event);
        phase.OnEvent();
        if (view.ended()) return absl::OkStatus();
        break;
      case EventStream::Step::kTimeout:
        view.Tick();
        phase.OnTimeout();
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
  DRAGNET_ASSIGN_OR_RETURN(RowSelection rows,
                           RowSelection::Create(action, session.modules(), options.rows));
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  const Interrupt interrupt;
  ResultView view(
      action, std::move(rows), session.io(),
      {.format = options.format, .hosts = options.hosts, .stored = options.stored_only});
  PhaseWatch phase(*client, action.id(), view);
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
    status = stream.ok() ? Drain(**stream, interrupt, view, phase) : stream.status();
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
  const v1::Progress& progress = view.progress();
  if (progress.waiting() + progress.sent() + progress.running() + progress.never_sent() > 0)
    phase.Ask();
  view.PrintSummary();
  return view.exit_status();
}

}  // namespace dragnet::console
