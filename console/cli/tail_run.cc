#include "console/cli/tail_run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "console/cli/exit_status.h"
#include "console/cli/interrupt.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/events/cursor.h"

namespace dragnet::console {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// Of writing the cursor file while lines keep coming.
constexpr absl::Duration kNoteAgain = absl::Seconds(1);

absl::Duration Backoff(int attempt) {
  return std::min(absl::Milliseconds(250) * (1 << std::min(attempt, 7)), absl::Seconds(30));
}

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

// A reader that is gone is an error of write(2), which can be explained, and no
// signal.
class IgnoreSigpipe {
 public:
  IgnoreSigpipe() : previous_(::signal(SIGPIPE, SIG_IGN)) {}
  ~IgnoreSigpipe() { ::signal(SIGPIPE, previous_); }
  IgnoreSigpipe(const IgnoreSigpipe&) = delete;
  IgnoreSigpipe& operator=(const IgnoreSigpipe&) = delete;

 private:
  const sighandler_t previous_;
};

class Tail {
 public:
  Tail(const TailOptions& options, Session& session, Client& client)
      : options_(options),
        session_(session),
        client_(client),
        output_(options.format, client, session.io().out),
        cursor_(options.after),
        written_(options.after) {}

  absl::StatusOr<int> Run() {
    absl::Status said;
    for (int attempt = 0; !Over(); ++attempt) {
      if (attempt > 0 && interrupt_.WaitFor(Backoff(attempt - 1))) break;
      connected_ = false;
      absl::Status status = Once();
      if (Over()) break;
      if (status.ok() && options_.stored_only) return End();
      if (status.ok()) status = absl::UnavailableError("the scheduler ended the stream");
      if (!WorthAnotherTry(status)) return Refused(status);
      // Only tries in a row count.
      if (connected_) attempt = 0;
      if (connected_ || status != said)
        session_.io().Say(StrCat(ForTerminal(ToStd(status.message())), "; trying again"));
      said = status;
      lost_ = true;
    }
    return End();
  }

 private:
  bool Over() const { return interrupt_.raised() || !output_status_.ok(); }

  // One connection.
  absl::Status Once() {
    v1::TailRequest request;
    request.set_after(cursor_);
    request.set_stored_only(options_.stored_only);
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<TailStream> stream, client_.Tail(request));
    v1::TailEvent event;
    while (!Over()) {
      switch (stream->Next(pending_ ? absl::ZeroDuration() : kTick, &event)) {
        case TailStream::Step::kEvent:
          // It is shown, and pasted into the next command.
          if (!events::ParseCursor(event.cursor()).ok())
            return absl::DataLossError(
                "the scheduler gave a cursor that is none: don't trust this scheduler");
          Take(event);
          break;
        case TailStream::Step::kTimeout:
          Flush();
          if (!pending_) NoteCursor();
          break;
        case TailStream::Step::kEnd:
          Flush();
          NoteCursor();
          return stream->status();
      }
    }
    return absl::OkStatus();
  }

  void Take(const v1::TailEvent& event) {
    // The first event comes at once, whether anything happened or not.
    if (!connected_ && lost_) session_.io().Say("connected again: it goes on where it was");
    connected_ = true;
    if (options_.action_id.empty() || event.action_id() == options_.action_id) output_.Write(event);
    cursor_ = event.cursor();
    pending_ = true;
    if (SteadyNow() < note_again_at_) return;
    Flush();
    NoteCursor();
  }

  void Flush() {
    if (!pending_ || !output_status_.ok()) return;
    output_status_ = session_.io().out->Flush();
    pending_ = false;
    if (output_status_.ok()) written_ = cursor_;
  }

  // After Flush: what the file says was written.
  void NoteCursor() {
    note_again_at_ = SteadyNow() + kNoteAgain;
    if (options_.cursor_file.empty() || !output_status_.ok() || written_ == noted_ ||
        written_.empty() || written_ == "0")
      return;
    // A power cut must not leave a cursor behind lines that it took away.
    if (::fdatasync(STDOUT_FILENO) != 0 && errno != EINVAL && errno != EROFS) {
      output_status_ = ErrnoStatus("sync standard output", errno);
      return;
    }
    output_status_ = Annotate(
        WriteFileAtomically(options_.cursor_file, StrCat(written_, "\n"), 0600), "note the cursor");
    if (output_status_.ok()) noted_ = written_;
  }

  std::string HowToGoOn() const {
    if (!options_.cursor_file.empty() && !noted_.empty())
      return StrCat("start it again with the same --cursor-file (", options_.cursor_file, ")");
    return StrCat("--from ", written_.empty() ? "now" : written_ == "0" ? "oldest" : written_);
  }

  // What the scheduler says stays as it is: it decides the exit status.
  absl::Status Refused(const absl::Status& status) const {
    if (absl::IsFailedPrecondition(status))
      session_.io().Say(options_.cursor_file.empty()
                            ? "The stream can't go on. --from oldest, or --from now, begins anew."
                            : StrCat("The stream can't go on. To begin anew, remove ",
                                     options_.cursor_file,
                                     " and say --from oldest or --from now."));
    return status;
  }

  int End() {
    Flush();
    NoteCursor();
    Io& io = session_.io();
    if (!output_status_.ok()) {
      // What standard output fails with is said by who flushes it last.
      if (io.out->Flush().ok())
        io.Say(StrCat("dragnet: ", ForTerminal(ToStd(output_status_.message()))));
      io.Say(StrCat(
          "Up to the cursor ", written_.empty() ? "now" : written_,
          " all was written; what came after it was not, or not whole. To go on: ", HowToGoOn()));
      return kExitIncomplete;
    }
    if (interrupt_.raised())
      io.Say(StrCat("Stopped after ", output_.lines(), " lines. To go on: ", HowToGoOn()));
    return kExitDone;
  }

  const TailOptions& options_;
  Session& session_;
  Client& client_;
  const Interrupt interrupt_;
  const IgnoreSigpipe ignore_sigpipe_;
  TailOutput output_;
  // Of the last event that was taken; of the last that is on standard output; of
  // the last that the file has.
  std::string cursor_;
  std::string written_;
  std::string noted_;
  bool pending_ = false;
  // Of this connection; and whether there was one before it.
  bool connected_ = false;
  bool lost_ = false;
  absl::Time note_again_at_ = absl::InfinitePast();  // steady
  absl::Status output_status_;
};

}  // namespace

absl::StatusOr<int> RunTail(const TailOptions& options, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  return Tail(options, session, *client).Run();
}

}  // namespace dragnet::console
