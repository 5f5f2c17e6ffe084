#include "console/tui/widgets/text_view.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "console/tui/widgets/search.h"
#include "core/text.h"

namespace dragnet::console::tui {
void TextView::SetText(std::string text) {
  if (text == text_) return;
  text_ = std::move(text);
  laid_out_for_ = -1;
}

void TextView::Search(std::string_view words) { search_ = words; }

bool TextView::Next(bool backwards) {
  if (search_.empty() || lines_.empty()) return false;
  for (size_t step = 1; step <= lines_.size(); ++step) {
    const size_t line = backwards ? (scroll_.top() + lines_.size() - step) % lines_.size()
                                  : (scroll_.top() + step) % lines_.size();
    if (!ContainsIgnoringCase(lines_[line], search_)) continue;
    scroll_.GoTo(line);
    return true;
  }
  return false;
}

void TextView::Layout(int width) {
  if (laid_out_for_ == width) return;
  laid_out_for_ = width;
  lines_.clear();
  for (const auto line : absl::StrSplit(text_, '\n'))
    BreakLine(ForTerminal(std::string_view(line.data(), line.size())), std::max(width, 1), &lines_,
              mark_);
}

int TextView::RowsFor(int width) {
  Layout(width - 1);
  return static_cast<int>(lines_.size());
}

void TextView::Draw(const Canvas& canvas) {
  Layout(canvas.width() - 1);
  scroll_.Fit(canvas, lines_.size());
  const size_t top = scroll_.top();
  for (int y = 0; y < canvas.height() && top + static_cast<size_t>(y) < lines_.size(); ++y) {
    const std::string& line = lines_[top + static_cast<size_t>(y)];
    const bool found = !search_.empty() && ContainsIgnoringCase(line, search_);
    canvas.Put(0, y, line, found ? Style{Role::kMatch} : kNormal, canvas.width() - 1);
  }
}

bool TextView::OnKey(const Key& key) { return scroll_.OnKey(key); }

}  // namespace dragnet::console::tui
