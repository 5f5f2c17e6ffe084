// The head of the Action screen: what it is, who signed it, how far it is.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "console/investigation/summary.h"
#include "console/output/cell.h"
#include "console/tui/views/action_view.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/agent_bar.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr int kHeadRows = 5;

Style StyleOf(v1::DispatchPhase phase) {
  switch (phase) {
    case v1::DISPATCH_PHASE_PAUSED:
    case v1::DISPATCH_PHASE_CANARY:
      return kWarning;
    case v1::DISPATCH_PHASE_STOPPED:
    case v1::DISPATCH_PHASE_CANCELLED:
    case v1::DISPATCH_PHASE_REFUSED:
      return kError;
    default:
      return kBold;
  }
}

}  // namespace

std::string ActionView::Title() const {
  if (context_.info.action_id().empty()) return StrCat("Action ", action_id_);
  return StrCat(context_.info.name(), "  ", context_.info.action_id());
}

void ActionView::Draw(const Canvas& canvas) {
  if (!begun()) {
    if (info_status_.ok()) {
      canvas.Put(2, 1, "asking the scheduler …", kMuted);
    } else {
      canvas.Put(2, 1, ToStd(info_status_.message()), kError);
    }
    return;
  }
  DrawHead(canvas.Top(kHeadRows));
  pane().Draw(canvas.Below(kHeadRows));
}

void ActionView::DrawHead(const Canvas& canvas) {
  const v1::ActionInfo& info = context_.info;
  int x = canvas.Put(0, 0, PhaseWord(info.phase()), StyleOf(info.phase())) + 1;
  if (!info.phase_reason().empty())
    x += 1 + canvas.Put(x, 0, info.phase_reason(), kNormal, std::max(canvas.width() / 2 - x, 10));
  if (x > 1) x += canvas.Put(x, 0, "· ", kMuted);
  DrawSigners(canvas, x);

  const std::string percent = StrCat(PercentEnded(context_.progress), " %");
  const int bar = std::max(canvas.width() - WidthOnScreen(percent) - 1, 10);
  DrawAgentBar(canvas, 0, 1, bar, context_.progress);
  canvas.Put(bar + 1, 1, percent, kBold);
  DrawAgentLegend(canvas, 0, 2, context_.progress);
  if (!stream_status_.ok()) {
    const uint64_t here = context_.results->row_count();
    const uint64_t all = context_.progress.rows();
    // What to do comes first: the words may be longer than the line.
    canvas.Put(0, 3,
               StrCat(retries_ ? "trying again: "
                               : StrCat("stopped",
                                        all > here ? StrCat(" at ", here * 100 / all, " %") : "",
                                        ", Ctrl-R reads on: "),
                      stream_status_.message()),
               retries_ ? kWarning : kError);
  } else if (!info_status_.ok() && !absl::IsUnavailable(info_status_)) {
    canvas.Put(0, 3, ToStd(info_status_.message()), kError);
  } else {
    canvas.Put(0, 3, CountsLine(), kNormal);
  }
  DrawTabs(canvas.Below(4));
}

void ActionView::DrawSigners(const Canvas& canvas, int x) {
  if (context_.policy == nullptr) {
    const absl::Status& why = shell_.backend().policy_status();
    canvas.Put(x, 0,
               why.ok() ? std::string("signatures are being verified …")
                        : StrCat("signatures not verified: ", why.message()),
               why.ok() ? kMuted : kWarning);
    return;
  }
  if (!context_.verification.has_value()) {
    canvas.Put(x, 0, StrCat("not a signed action: ", context_.verify_status.message()), kError);
    return;
  }
  const ActionVerification& verification = *context_.verification;
  if (verification.signers.empty()) {
    canvas.Put(x, 0, "no one in the trust policy signed this: don't trust this scheduler", kError);
    return;
  }
  x += canvas.Put(x, 0, StrCat("signed by ", absl::StrJoin(verification.signers, ", ")),
                  {Role::kFound, true});
  if (verification.authorized()) {
    canvas.Put(x, 0, " (verified)", kMuted);
    return;
  }
  std::string missing = verification.problems.empty() ? "" : verification.problems.front();
  for (const std::string& each : verification.missing)
    if (missing.empty()) missing = each;
  canvas.Put(x, 0, StrCat(", not enough: ", missing), kWarning);
}

std::string ActionView::LoadingText() const {
  if (ended_) return "";
  const uint64_t here = context_.results->row_count();
  const uint64_t all = context_.progress.rows();
  if (here >= all) return "";
  return StrCat("loading ", here * 100 / all, " %");
}

std::string ActionView::CountsLine() const {
  const v1::ActionInfo& info = context_.info;
  std::string text;
  const auto add = [&](std::string_view part) {
    if (!part.empty()) StrAppend(&text, text.empty() ? "" : " · ", part);
  };
  if (info.has_results_removed_at()) {
    const absl::StatusOr<absl::Time> at = ToTime(info.results_removed_at());
    add(StrCat("removed by retention",
               at.ok() ? absl::FormatTime(" on %Y-%m-%d", *at, absl::UTCTimeZone()) : "", ": ",
               WithCommas(context_.progress.rows()), " rows were found once"));
  } else {
    add(RowsText(std::max(context_.progress.rows(), context_.results->row_count())));
  }
  add(LoadingText());
  if (const double rate = pace_.RowsPerSecond(SteadyNow()); rate > 0 && !ended_)
    add(StrCat(RateText(rate), "/s"));
  const absl::StatusOr<absl::Time> expires = ToTime(info.expires());
  if (expires.ok()) {
    const absl::Time now = shell_.backend().now();
    add(*expires > now ? StrCat("expires in ", ShortDuration(*expires - now))
                       : StrCat("expired ", ShortDuration(now - *expires), " ago"));
  }
  const auto reasons = context_.results->hosts.Reasons();
  uint64_t agents = 0;
  for (const auto& [word, count] : reasons) agents += count;
  if (agents > 0)
    add(StrCat("not looked at on ", WithCommas(agents), ": ", reasons.front().first,
               reasons.size() > 1 ? StrCat(" (", WithCommas(reasons.front().second), "), …") : ""));
  if (const uint64_t lost = context_.results->rows_lost.load(); lost > 0)
    add(StrCat(RowsText(lost), " of no operation of it"));
  return text;
}

void ActionView::DrawTabs(const Canvas& canvas) {
  canvas.Top(1).Fill({Role::kHeader});
  int x = 0;
  for (size_t i = 0; i < kPanes; ++i) {
    const bool on = static_cast<size_t>(tab_) == i;
    // Without colours, too, it is seen which one is shown.
    const std::string name =
        on ? StrCat("[", panes_[i]->Name(), "]") : StrCat(" ", panes_[i]->Name(), " ");
    x += canvas.Put(x, 0, name, on ? Selected(kHeader) : Style{Role::kHeader}) + 1;
  }
  if (context_.action.operations_size() < 2) return;
  canvas.PutRight(
      x, 0, canvas.width() - x,
      StrCat("operation ", context_.operation + 1, " of ", context_.action.operations_size(), ": ",
             context_.action.operations(static_cast<int>(context_.operation)).module(), " "),
      {Role::kHeader});
}

std::unique_ptr<View> NewActionView(Shell& shell, const std::string& action_id) {
  return std::make_unique<ActionView>(shell, action_id);
}

}  // namespace dragnet::console::tui
