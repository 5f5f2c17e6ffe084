#include "console/tui/widgets/fact_list.h"

#include <algorithm>
#include <utility>

#include "console/tui/widgets/text_view.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr int kMostNameWidth = 20;
constexpr int kIndent = 2;

bool IsHeading(const Fact& fact) { return fact.text.empty() && !fact.name.empty(); }

bool Same(const Fact& a, const Fact& b) {
  return a.name == b.name && a.text == b.text && a.style == b.style;
}

}  // namespace

void FactList::SetFacts(std::vector<Fact> facts) {
  if (std::equal(facts.begin(), facts.end(), facts_.begin(), facts_.end(), Same)) return;
  facts_ = std::move(facts);
  laid_out_for_ = -1;
}

void FactList::Layout(int width) {
  if (laid_out_for_ == width) return;
  laid_out_for_ = width;
  name_width_ = 0;
  for (const Fact& fact : facts_)
    if (!IsHeading(fact)) name_width_ = std::max(name_width_, WidthOnScreen(fact.name));
  name_width_ = std::min({name_width_, kMostNameWidth, width / 3});
  lines_.clear();
  for (const Fact& fact : facts_) {
    if (IsHeading(fact)) {
      if (!lines_.empty()) lines_.emplace_back();
      lines_.push_back({fact.name, "", kTitle});
      continue;
    }
    const int room = fact.name.empty() ? width - kIndent : width - kIndent - name_width_ - 1;
    std::vector<std::string> broken;
    BreakLine(ForTerminal(fact.text), std::max(room, 1), &broken);
    for (size_t i = 0; i < broken.size(); ++i) {
      // Later lines of a named fact stay in its column: a blank for a name.
      const std::string name = fact.name.empty() ? "" : i == 0 ? fact.name : " ";
      lines_.push_back({name, std::move(broken[i]), fact.style});
    }
  }
}

void FactList::Draw(const Canvas& canvas) {
  Layout(canvas.width() - 1);
  scroll_.Fit(canvas, lines_.size());
  const size_t top = scroll_.top();
  for (int y = 0; y < canvas.height() && top + static_cast<size_t>(y) < lines_.size(); ++y) {
    const Line& line = lines_[top + static_cast<size_t>(y)];
    if (line.text.empty()) {
      canvas.Put(0, y, line.name, line.style, canvas.width() - 1);
      continue;
    }
    int x = kIndent;
    if (!line.name.empty()) {
      canvas.Put(x, y, line.name, kLabel, name_width_);
      x += name_width_ + 1;
    }
    canvas.Put(x, y, line.text, line.style, canvas.width() - 1 - x);
  }
}

bool FactList::OnKey(const Key& key) { return scroll_.OnKey(key); }

}  // namespace dragnet::console::tui
