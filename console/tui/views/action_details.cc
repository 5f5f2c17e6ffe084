#include "console/tui/views/action_details.h"

#include "console/investigation/summary.h"
#include "console/tui/views/ages.h"
#include "console/tui/widgets/agent_bar.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

std::string PaceWords(const ActionRow& row, const ActionPace* pace, absl::Time now,
                      absl::Time steady_now) {
  if (pace == nullptr) return "";
  const uint64_t pending = Pending(row.progress);
  if (PendingOnline(row.progress) == 0 && pending > 0) {
    return StrCat("waiting for ", pending, pending == 1 ? " agent that is" : " agents that are",
                  " offline");
  }
  const std::string end = ExpectedEnd(row.phase, row.progress, pace, row.expires, now, steady_now);
  std::string text = StrCat(RateText(pace->RowsPerSecond(steady_now)), " rows/s, ",
                            RateText(pace->AgentsPerSecond(steady_now)), " agents/s");
  if (end == "too slow") {
    StrAppend(&text, "; it will expire before all are done");
  } else if (end.starts_with("~")) {
    StrAppend(&text, "; done in ", end);
  }
  return text;
}

}  // namespace

void DrawActionDetails(const Canvas& canvas, const ActionRow& row, const ActionPace* pace,
                       absl::Time now, absl::Time steady_now) {
  canvas.Part({0, 0, canvas.width(), 1}).Fill(kMuted, U'─');
  // The list has room for a part of the name only.
  const int id_width = WidthOnScreen(row.id) + 2;
  canvas.PutRight(2, 0, canvas.width() - 4, StrCat(" ", row.id, " "), kMuted);
  canvas.Put(2, 0, StrCat(" ", NamePrefix(row), row.name, " "), kBold,
             canvas.width() - id_width - 8);
  DrawAgentLegend(canvas, 0, 1, row.progress);
  int y = 2;
  const auto line = [&](std::string_view title, std::string_view text, Style style = kNormal) {
    if (text.empty()) return;
    canvas.Put(0, y, title, kLabel);
    canvas.Put(10, y++, text, style);
  };
  line("Signed", SignedWords(row), SignedStyle(row));
  line("Target", row.target);
  const std::string expires = row.expires == absl::InfiniteFuture() ? ""
                              : row.expires <= now ? StrCat("expired ", ShortTime(row.expires, now))
                                                   : StrCat("in ", ShortDuration(row.expires - now),
                                                            ", ", ShortTime(row.expires, now));
  line("Expires", StrCat(expires, expires.empty() ? "" : "   ", "modules ", row.modules,
                         "   launched by ", row.launched_by));
  if (!row.phase_reason.empty()) {
    // An order's reason begins with the word: "paused by ida: lunch".
    const std::string word = PhaseWord(row.phase);
    line("Phase",
         row.phase_reason.starts_with(word) ? row.phase_reason
                                            : StrCat(word, ": ", row.phase_reason),
         PhaseStyle(row.phase));
  } else {
    line("Pace", PaceWords(row, pace, now, steady_now));
  }
}

}  // namespace dragnet::console::tui
