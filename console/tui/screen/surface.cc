#include "console/tui/screen/surface.h"

#include <algorithm>

#include "console/output/text_width.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

// The next character of valid UTF-8.
std::string_view NextCharacter(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return text.substr(0, length);
}

char32_t Decode(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead;
  char32_t value = lead & (0x7f >> character.size());
  for (const char byte : character.substr(1)) value = (value << 6) | (byte & 0x3f);
  return value;
}

// A character with those that combine with it.
struct Cluster {
  GridCell cell;
  int width = 1;
};

// Safe text as clusters. Stops when they take more than `max_width` columns, so
// that a value of a megabyte costs no more than what is seen of it.
std::vector<Cluster> Clusters(std::string_view safe, int max_width) {
  std::vector<Cluster> clusters;
  int taken = 0;
  while (!safe.empty() && taken <= max_width) {
    const std::string_view character = NextCharacter(safe);
    safe.remove_prefix(character.size());
    const int width = character.size() == 1 ? 1 : static_cast<int>(DisplayWidth(character));
    const char32_t c = Decode(character);
    if (width == 0) {
      // One that has nothing to combine with is shown by a space.
      if (clusters.empty()) {
        clusters.emplace_back();
        ++taken;
      }
      for (char32_t& place : clusters.back().cell.combining) {
        if (place != 0) continue;
        place = c;
        break;
      }
      continue;
    }
    Cluster& cluster = clusters.emplace_back();
    cluster.cell.character = c;
    cluster.width = width;
    taken += width;
  }
  return clusters;
}

// Bytes of raw text that can be seen in so many columns: at least one byte each,
// with combining characters and what ForTerminal spells out there are more.
std::string_view Visible(std::string_view raw, int max_width) {
  const size_t bound = static_cast<size_t>(std::max(max_width, 0)) * 16 + 64;
  return raw.substr(0, bound);
}

}  // namespace

Surface::Surface(int width, int height)
    : width_(std::max(width, 1)),
      height_(std::max(height, 1)),
      cells_(static_cast<size_t>(width_) * static_cast<size_t>(height_)) {}

void Surface::Clear() { std::fill(cells_.begin(), cells_.end(), GridCell()); }

void Surface::Set(int x, int y, const GridCell& cell) {
  GridCell& old = cells_[Index(x, y)];
  if (old.character == 0 && x > 0 && cell.character != 0) {
    cells_[Index(x - 1, y)].character = U' ';
  }
  const bool was_wide = x + 1 < width_ && cells_[Index(x + 1, y)].character == 0;
  if (was_wide && old.character != 0) cells_[Index(x + 1, y)].character = U' ';
  old = cell;
}

std::string Surface::ToText() const {
  std::string text;
  for (int y = 0; y < height_; ++y) {
    std::string line;
    for (int x = 0; x < width_; ++x) {
      const GridCell& cell = At(x, y);
      if (cell.character == 0) continue;
      AppendUtf8(cell.character, &line);
      for (const char32_t c : cell.combining)
        if (c != 0) AppendUtf8(c, &line);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line;
    text += '\n';
  }
  return text;
}

Canvas Canvas::Part(Rect rect) const {
  const int left = std::clamp(rect.x, 0, std::max(rect_.width, 0));
  const int top = std::clamp(rect.y, 0, std::max(rect_.height, 0));
  const int right = std::clamp(rect.x + std::max(rect.width, 0), left, std::max(rect_.width, 0));
  const int bottom = std::clamp(rect.y + std::max(rect.height, 0), top, std::max(rect_.height, 0));
  return Canvas(surface_, {rect_.x + left, rect_.y + top, right - left, bottom - top});
}

int Canvas::Put(int x, int y, std::string_view text, Style style, int max_width) const {
  const int room = std::min(max_width, rect_.width - x);
  if (y < 0 || y >= rect_.height || x < 0 || room <= 0) return 0;
  std::vector<Cluster> clusters = Clusters(ForTerminal(Visible(text, room)), room);
  int total = 0;
  for (const Cluster& cluster : clusters) total += cluster.width;
  if (total > room) {
    while (total > room - 1 && !clusters.empty()) {
      total -= clusters.back().width;
      clusters.pop_back();
    }
    Cluster& cut = clusters.emplace_back();
    cut.cell.character = U'…';
  }
  int column = x;
  for (Cluster& cluster : clusters) {
    cluster.cell.style = style;
    surface_->Set(rect_.x + column, rect_.y + y, cluster.cell);
    if (cluster.width == 2) {
      GridCell half;
      half.character = 0;
      half.style = style;
      surface_->Set(rect_.x + column + 1, rect_.y + y, half);
    }
    column += cluster.width;
  }
  return column - x;
}

void Canvas::PutRight(int x, int y, int width, std::string_view text, Style style) const {
  const int taken = std::min(WidthOnScreen(Visible(text, width)), width);
  Put(x + width - taken, y, text, style, taken);
}

void Canvas::Fill(Style style, char32_t character) const {
  GridCell cell;
  cell.character = character;
  cell.style = style;
  for (int y = 0; y < rect_.height; ++y)
    for (int x = 0; x < rect_.width; ++x) surface_->Set(rect_.x + x, rect_.y + y, cell);
}

void Canvas::PutLine(int y, std::string_view text, Style style) const {
  if (y < 0 || y >= rect_.height) return;
  Part({0, y, width(), 1}).Fill(style);
  Put(0, y, text, style);
}

void Canvas::Frame(std::string_view title, Style style) const {
  if (width() < 2 || height() < 2) return;
  Part({0, 0, width(), 1}).Fill(style, U'─');
  Part({0, height() - 1, width(), 1}).Fill(style, U'─');
  Part({0, 0, 1, height()}).Fill(style, U'│');
  Part({width() - 1, 0, 1, height()}).Fill(style, U'│');
  Put(0, 0, "┌", style);
  Put(width() - 1, 0, "┐", style);
  Put(0, height() - 1, "└", style);
  Put(width() - 1, height() - 1, "┘", style);
  if (title.empty() || width() < 6) return;
  Put(2, 0, " ", style);
  const int taken = Put(3, 0, title, {style.role, true}, width() - 6);
  Put(3 + taken, 0, " ", style);
}

int WidthOnScreen(std::string_view raw) {
  int width = 0;
  for (const Cluster& cluster : Clusters(ForTerminal(raw), 1 << 20)) width += cluster.width;
  return width;
}

}  // namespace dragnet::console::tui
