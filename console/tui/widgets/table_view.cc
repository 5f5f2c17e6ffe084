#include "console/tui/widgets/table_view.h"

#include <algorithm>

#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr int kGap = 1;
constexpr size_t kWheelRows = 3;

}  // namespace

void TableView::SetCount(size_t count) {
  const bool at_end = count_ > 0 && selected_ + 1 == count_;
  count_ = count;
  if (follow_ && at_end && count > 0) selected_ = count - 1;
  selected_ = std::min(selected_, count == 0 ? 0 : count - 1);
}

void TableView::Select(size_t row) { selected_ = std::min(row, count_ == 0 ? 0 : count_ - 1); }

void TableView::Move(std::ptrdiff_t by) {
  if (by < 0) {
    selected_ -= std::min(selected_, static_cast<size_t>(-by));
  } else {
    Select(selected_ + static_cast<size_t>(by));
  }
}

void TableView::Scroll(int columns) {
  const int most = std::max(static_cast<int>(columns_.size()) - static_cast<int>(fixed_) - 1, 0);
  left_column_ = std::clamp(left_column_ + columns, 0, most);
}

std::vector<size_t> TableView::Shown() const {
  std::vector<size_t> shown;
  for (size_t i = 0; i < columns_.size(); ++i)
    if (i < fixed_ || i >= fixed_ + static_cast<size_t>(left_column_)) shown.push_back(i);
  return shown;
}

std::vector<int> TableView::Widths(const std::vector<size_t>& shown, int room) const {
  std::vector<int> widths;
  int taken = 0;
  int weights = 0;
  for (const size_t column : shown) {
    widths.push_back(columns_[column].width);
    taken += columns_[column].width + kGap;
    weights += columns_[column].weight;
  }
  int left = room - taken + kGap;
  for (size_t i = 0; i < widths.size() && left > 0 && weights > 0; ++i) {
    const int weight = columns_[shown[i]].weight;
    const int share = left * weight / weights;
    widths[i] += share;
    left -= share;
    weights -= weight;
  }
  return widths;
}

void TableView::Draw(const Canvas& canvas) {
  const bool bar = count_ > static_cast<size_t>(std::max(canvas.height() - 1, 0));
  const Canvas body = canvas.Below(1).Part({0, 0, canvas.width() - (bar ? 1 : 0), 1 << 20});
  page_ = std::max(body.height(), 1);
  drawn_at_ = body.OnSurface({0, 0});
  if (selected_ < top_) top_ = selected_;
  if (selected_ >= top_ + static_cast<size_t>(page_))
    top_ = selected_ + 1 - static_cast<size_t>(page_);
  // No empty rows at the end while there are some above.
  const size_t most_top =
      count_ > static_cast<size_t>(page_) ? count_ - static_cast<size_t>(page_) : 0;
  top_ = std::min(top_, most_top);

  const std::vector<size_t> shown = Shown();
  const std::vector<int> widths = Widths(shown, body.width());
  canvas.PutLine(0, "", kHeader);
  int x = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    const size_t column = shown[i];
    const TableColumn& spec = columns_[column];
    const std::string title = static_cast<int>(column) == sorted_
                                  ? StrCat(spec.title, descending_ ? "▼" : "▲")
                                  : spec.title;
    if (spec.right_aligned) {
      canvas.PutRight(x, 0, widths[i], title, kHeader);
    } else {
      canvas.Put(x, 0, title, kHeader, widths[i]);
    }
    x += widths[i] + kGap;
  }
  for (int y = 0; y < body.height() && top_ + static_cast<size_t>(y) < count_; ++y) {
    const size_t row = top_ + static_cast<size_t>(y);
    const bool is_selected = row == selected_;
    if (is_selected) body.PutLine(y, "", Selected(kNormal));
    x = 0;
    for (size_t i = 0; i < widths.size() && x < body.width(); ++i) {
      const size_t column = shown[i];
      if (columns_[column].drawn) {
        if (drawer_ != nullptr) drawer_(row, column, body.Part({x, y, widths[i], 1}));
        x += widths[i] + kGap;
        continue;
      }
      TableCell cell = cells_(row, column);
      cell.style.selected = is_selected;
      if (columns_[column].right_aligned) {
        body.PutRight(x, y, std::min(widths[i], body.width() - x), cell.text, cell.style);
      } else {
        body.Put(x, y, cell.text, cell.style, widths[i]);
      }
      x += widths[i] + kGap;
    }
  }
  if (!bar || body.height() < 2) return;
  const int length = std::max(1, static_cast<int>(static_cast<double>(body.height()) *
                                                  body.height() / static_cast<double>(count_)));
  const int at = most_top == 0
                     ? 0
                     : static_cast<int>(static_cast<double>(top_) * (body.height() - length) /
                                        static_cast<double>(most_top));
  const Canvas track = canvas.Below(1).Part({canvas.width() - 1, 0, 1, 1 << 20});
  track.Fill(kMuted, U'│');
  track.Part({0, at, 1, length}).Fill(kNormal, U'█');
}

bool TableView::OnKey(const Key& key) {
  switch (key.code) {
    case Key::Code::kUp:
      Move(-1);
      return true;
    case Key::Code::kDown:
      Move(1);
      return true;
    case Key::Code::kPageUp:
      Move(-page_);
      return true;
    case Key::Code::kPageDown:
      Move(page_);
      return true;
    case Key::Code::kHome:
      Select(0);
      return true;
    case Key::Code::kEnd:
      Select(count_);
      return true;
    case Key::Code::kLeft:
      Scroll(-1);
      return true;
    case Key::Code::kRight:
      Scroll(1);
      return true;
    case Key::Code::kControl:
      if (key.character == U'b') return Move(-page_), true;
      if (key.character == U'f') return Move(page_), true;
      return false;
    case Key::Code::kMouse: {
      if (key.mouse == Key::Mouse::kWheelUp)
        return Move(-static_cast<std::ptrdiff_t>(kWheelRows)), true;
      if (key.mouse == Key::Mouse::kWheelDown) return Move(kWheelRows), true;
      const int y = key.y - drawn_at_.y;
      if (y < 0 || y >= page_) return false;
      Select(top_ + static_cast<size_t>(y));
      return key.mouse == Key::Mouse::kClick;
    }
    case Key::Code::kCharacter:
      switch (key.character) {
        case U'k':
          Move(-1);
          return true;
        case U'j':
          Move(1);
          return true;
        case U'g':
          Select(0);
          return true;
        case U'G':
          Select(count_);
          return true;
        case U'h':
          Scroll(-1);
          return true;
        case U'l':
          Scroll(1);
          return true;
        default:
          return false;
      }
    default:
      return false;
  }
}

}  // namespace dragnet::console::tui
