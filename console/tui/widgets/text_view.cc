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
    const size_t line =
        backwards ? (top_ + lines_.size() - step) % lines_.size() : (top_ + step) % lines_.size();
    if (!ContainsIgnoringCase(lines_[line], search_)) continue;
    top_ = line;
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
  page_ = std::max(canvas.height(), 1);
  const size_t most =
      lines_.size() > static_cast<size_t>(page_) ? lines_.size() - static_cast<size_t>(page_) : 0;
  top_ = std::min(top_, most);
  for (int y = 0; y < canvas.height() && top_ + static_cast<size_t>(y) < lines_.size(); ++y) {
    const std::string& line = lines_[top_ + static_cast<size_t>(y)];
    const bool found = !search_.empty() && ContainsIgnoringCase(line, search_);
    canvas.Put(0, y, line, found ? Style{Role::kMatch} : kNormal, canvas.width() - 1);
  }
  if (most == 0 || canvas.height() < 2) return;
  const Canvas track = canvas.Part({canvas.width() - 1, 0, 1, canvas.height()});
  track.Fill(kMuted, U'│');
  const int at = static_cast<int>(top_ * static_cast<size_t>(canvas.height() - 1) / most);
  track.Part({0, at, 1, 1}).Fill(kNormal, U'█');
}

bool TextView::OnKey(const Key& key) {
  const auto up = [&](size_t by) { top_ -= std::min(top_, by); };
  const auto page = static_cast<size_t>(page_);
  switch (key.code) {
    case Key::Code::kUp:
      return up(1), true;
    case Key::Code::kDown:
      return ++top_, true;
    case Key::Code::kPageUp:
      return up(page), true;
    case Key::Code::kPageDown:
      return top_ += page, true;
    case Key::Code::kHome:
      return top_ = 0, true;
    case Key::Code::kEnd:
      return top_ = lines_.size(), true;
    case Key::Code::kMouse:
      if (key.mouse == Key::Mouse::kWheelUp) return up(3), true;
      if (key.mouse == Key::Mouse::kWheelDown) return top_ += 3, true;
      return false;
    case Key::Code::kCharacter:
      if (key.character == U'k') return up(1), true;
      if (key.character == U'j') return ++top_, true;
      if (key.character == U'g') return top_ = 0, true;
      if (key.character == U'G') return top_ = lines_.size(), true;
      if (key.character == U' ') return top_ += page, true;
      return false;
    default:
      return false;
  }
}

}  // namespace dragnet::console::tui
