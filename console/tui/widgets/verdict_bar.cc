#include "console/tui/widgets/verdict_bar.h"

#include <algorithm>

#include "console/sweeps/score.h"
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

std::vector<Part> PartsOf(const v1::VerdictCounts& counts) {
  return {
      {counts.passed(), U'█', "█", "pass", Role::kClean},
      {counts.failed(), U'x', "x", "fail", Role::kFound},
      {counts.unknown(), U'!', "!", "unknown", Role::kIncomplete},
      {counts.not_applicable(), U'·', "·", "not applicable", Role::kWaiting},
  };
}

}  // namespace

void DrawVerdictBar(const Canvas& canvas, const v1::VerdictCounts& counts) {
  std::vector<Part> parts = PartsOf(counts);
  std::erase_if(parts, [](const Part& part) { return part.count == 0; });
  double to_come = 0;
  for (const Part& part : parts) to_come += static_cast<double>(part.count);
  int left = canvas.width();
  int others = static_cast<int>(parts.size());
  for (const Part& part : parts) {
    if (left <= 0) return;
    --others;
    const auto share = static_cast<int>(static_cast<double>(part.count) * left / to_come + 0.5);
    const int columns = others == 0 ? left : std::clamp(share, 1, std::max(left - others, 1));
    canvas.Part({canvas.width() - left, 0, columns, 1}).Fill({part.role}, part.sign);
    left -= columns;
    to_come -= static_cast<double>(part.count);
  }
}

void DrawVerdictLegend(const Canvas& canvas, int x, int y, const v1::VerdictCounts& counts) {
  for (const Part& part : PartsOf(counts)) {
    if (part.count == 0) continue;
    const std::string text = StrCat(part.utf8, " ", part.count, " ", part.word);
    if (x + WidthOnScreen(text) > canvas.width()) return;
    x += canvas.Put(x, y, text, {part.role}) + 2;
  }
}

Style StyleOfStatus(std::string_view status) {
  switch (VerdictStatusOf(status)) {
    case VerdictStatus::kFail:
      return {Role::kFound, true};
    case VerdictStatus::kPass:
      return {Role::kClean};
    case VerdictStatus::kUnknown:
      return {Role::kIncomplete};
    case VerdictStatus::kNotApplicable:
      break;
  }
  return kMuted;
}

std::string Sparkline(const std::vector<std::optional<int>>& scores, size_t width) {
  static constexpr std::string_view kSteps[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const size_t first = scores.size() > width ? scores.size() - width : 0;
  int low = 1000;
  int high = 0;
  for (size_t i = first; i < scores.size(); ++i) {
    if (!scores[i].has_value()) continue;
    low = std::min(low, *scores[i]);
    high = std::max(high, *scores[i]);
  }
  std::string line;
  for (size_t i = first; i < scores.size(); ++i) {
    if (!scores[i].has_value()) {
      line.append("·");
    } else if (low == high) {
      line.append(kSteps[7]);
    } else {
      const int step = (*scores[i] - low) * 7 / (high - low);
      line.append(kSteps[std::clamp(step, 0, 7)]);
    }
  }
  return line;
}

}  // namespace dragnet::console::tui
