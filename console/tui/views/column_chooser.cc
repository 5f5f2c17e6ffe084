#include "console/tui/views/column_chooser.h"

#include <algorithm>

#include "core/strings.h"

namespace dragnet::console::tui {

ColumnChooser::ColumnChooser(std::string title, std::vector<std::string> names,
                             std::vector<size_t> chosen, size_t most)
    : title_(std::move(title)), names_(std::move(names)), chosen_(std::move(chosen)), most_(most) {
  table_.SetColumns({{"", 2}, {title_, 20, 1}});
  table_.SetCount(names_.size());
  if (!chosen_.empty()) table_.Select(chosen_.front());
  table_.set_cells([this](size_t row, size_t column) -> TableCell {
    const auto place = std::find(chosen_.begin(), chosen_.end(), row);
    const bool marked = place != chosen_.end();
    const Style style = marked ? Style{Role::kMarked} : kNormal;
    if (column == 1) return {names_[row], style};
    if (!marked) return {};
    return {most_ == 1 ? "*" : StrCat(place - chosen_.begin() + 1), style};
  });
}

ColumnChooser::Outcome ColumnChooser::OnKey(const Key& key) {
  const size_t row = table_.selected();
  if (key.code == Key::Code::kEscape) return Outcome::kCancelled;
  if (names_.empty()) return Outcome::kOpen;
  if (key.code == Key::Code::kEnter) {
    if (most_ == 1 || chosen_.empty()) chosen_ = {row};
    return Outcome::kChosen;
  }
  if (most_ > 1 && (key.Is(U' ') || key.Is(U'm'))) {
    const auto place = std::find(chosen_.begin(), chosen_.end(), row);
    if (place != chosen_.end()) {
      chosen_.erase(place);
    } else if (chosen_.size() < most_) {
      chosen_.push_back(row);
    }
    return Outcome::kOpen;
  }
  table_.OnKey(key);
  return Outcome::kOpen;
}

void ColumnChooser::Draw(const Canvas& canvas) { table_.Draw(canvas); }

std::vector<KeyHint> ColumnChooser::Keys() const {
  if (most_ == 1) return {{"Enter", "Choose"}, {"Esc", "Cancel"}};
  return {{"Space", "Mark, in this order"}, {"Enter", "Done"}, {"Esc", "Cancel"}};
}

}  // namespace dragnet::console::tui
