#include "console/tui/widgets/line_scroll.h"

#include <algorithm>

namespace dragnet::console::tui {
namespace {

constexpr size_t kWheelLines = 3;

}  // namespace

void LineScroll::Fit(const Canvas& canvas, size_t lines) {
  lines_ = lines;
  page_ = static_cast<size_t>(std::max(canvas.height(), 1));
  const size_t most = lines > page_ ? lines - page_ : 0;
  top_ = std::min(top_, most);
  if (most == 0 || canvas.height() < 2) return;
  const Canvas track = canvas.Part({canvas.width() - 1, 0, 1, canvas.height()});
  track.Fill(kMuted, U'│');
  const int at = static_cast<int>(top_ * static_cast<size_t>(canvas.height() - 1) / most);
  track.Part({0, at, 1, 1}).Fill(kNormal, U'█');
}

void LineScroll::Up(size_t by) { top_ -= std::min(top_, by); }

bool LineScroll::OnKey(const Key& key) {
  switch (key.code) {
    case Key::Code::kUp:
      return Up(1), true;
    case Key::Code::kDown:
      return ++top_, true;
    case Key::Code::kPageUp:
      return Up(page_), true;
    case Key::Code::kPageDown:
      return top_ += page_, true;
    case Key::Code::kHome:
      return top_ = 0, true;
    case Key::Code::kEnd:
      return top_ = lines_, true;
    case Key::Code::kMouse:
      if (key.mouse == Key::Mouse::kWheelUp) return Up(kWheelLines), true;
      if (key.mouse == Key::Mouse::kWheelDown) return top_ += kWheelLines, true;
      return false;
    case Key::Code::kCharacter:
      if (key.character == U'k') return Up(1), true;
      if (key.character == U'j') return ++top_, true;
      if (key.character == U'g') return top_ = 0, true;
      if (key.character == U'G') return top_ = lines_, true;
      if (key.character == U' ') return top_ += page_, true;
      return false;
    default:
      return false;
  }
}

}  // namespace dragnet::console::tui
