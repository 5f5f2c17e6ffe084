#include "console/tui/widgets/agent_bar.h"

#include <algorithm>
#include <vector>

#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

struct Part {
  uint64_t count;
  char32_t sign;
  std::string_view utf8;
  std::string_view word;
  Role role;
};

std::vector<Part> PartsOf(const v1::Progress& progress) {
  return {
      {progress.found(), U'█', "█", "found", Role::kFound},
      {progress.clean(), U'▓', "▓", "clean", Role::kClean},
      {progress.incomplete(), U'!', "!", "incomplete", Role::kIncomplete},
      {progress.refused(), U'x', "x", "refused", Role::kFailed},
      {progress.running(), U'>', ">", "running", Role::kRunning},
      {progress.sent(), U'-', "-", "sent", Role::kRunning},
      {progress.waiting(), U'·', "·", "waiting", Role::kWaiting},
      {progress.never_sent(), U' ', " ", "never sent", Role::kWaiting},
  };
}

}  // namespace

void DrawAgentBar(const Canvas& canvas, int x, int y, int width, const v1::Progress& progress) {
  std::vector<Part> parts = PartsOf(progress);
  std::erase_if(parts, [](const Part& part) { return part.count == 0; });
  uint64_t total = 0;
  for (const Part& part : parts) total += part.count;
  if (total == 0 || width <= 0) return;
  int left = width;
  uint64_t to_come = total;
  int others = static_cast<int>(parts.size());
  for (const Part& part : parts) {
    --others;
    const auto share = static_cast<int>(
        static_cast<double>(part.count) * left / static_cast<double>(to_come) + 0.5);
    const int columns = others == 0 ? left : std::clamp(share, 1, std::max(left - others, 1));
    canvas.Part({x + width - left, y, columns, 1}).Fill({part.role}, part.sign);
    left -= columns;
    to_come -= part.count;
    if (left <= 0) break;
  }
}

void DrawAgentLegend(const Canvas& canvas, int x, int y, const v1::Progress& progress) {
  for (const Part& part : PartsOf(progress)) {
    if (part.count == 0) continue;
    const std::string text = StrCat(part.utf8, " ", part.count, " ", part.word);
    if (x + WidthOnScreen(text) > canvas.width()) return;
    x += canvas.Put(x, y, text, {part.role}) + 2;
  }
}

Style StyleOf(v1::DispatchState state) {
  switch (state) {
    case v1::DISPATCH_STATE_FOUND:
      return {Role::kFound};
    case v1::DISPATCH_STATE_CLEAN:
      return {Role::kClean};
    case v1::DISPATCH_STATE_INCOMPLETE:
      return {Role::kIncomplete};
    case v1::DISPATCH_STATE_REFUSED:
      return {Role::kFailed};
    case v1::DISPATCH_STATE_RUNNING:
    case v1::DISPATCH_STATE_SENT:
      return {Role::kRunning};
    default:
      return {Role::kWaiting};
  }
}

std::string WordOf(v1::DispatchState state) {
  switch (state) {
    case v1::DISPATCH_STATE_FOUND:
      return "found";
    case v1::DISPATCH_STATE_CLEAN:
      return "clean";
    case v1::DISPATCH_STATE_INCOMPLETE:
      return "incomplete";
    case v1::DISPATCH_STATE_REFUSED:
      return "refused";
    case v1::DISPATCH_STATE_RUNNING:
      return "running";
    case v1::DISPATCH_STATE_SENT:
      return "sent";
    case v1::DISPATCH_STATE_WAITING:
      return "waiting";
    case v1::DISPATCH_STATE_NEVER_SENT:
      return "never sent";
    default:
      return "unknown";
  }
}

int PercentEnded(const v1::Progress& progress) {
  if (progress.targeted() == 0) return 100;
  const uint64_t ended =
      progress.found() + progress.clean() + progress.incomplete() + progress.refused();
  return static_cast<int>(ended * 100 / progress.targeted());
}

}  // namespace dragnet::console::tui
