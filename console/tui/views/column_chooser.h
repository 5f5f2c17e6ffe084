// A list of columns to choose from: one of them, or several in an order. Drawn by
// a pane in place of what it shows. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/widgets/table_view.h"

namespace dragnet::console::tui {

class ColumnChooser {
 public:
  // `most` 1: Enter chooses the one that is selected. Else Space marks up to so
  // many, in the order in which they are marked. `chosen`: marked at first.
  ColumnChooser(std::string title, std::vector<std::string> names, std::vector<size_t> chosen,
                size_t most);

  enum class Outcome { kOpen, kChosen, kCancelled };
  Outcome OnKey(const Key& key);
  void Draw(const Canvas& canvas);
  std::vector<KeyHint> Keys() const;
  // At least one, once it was chosen.
  const std::vector<size_t>& chosen() const { return chosen_; }

 private:
  const std::string title_;
  const std::vector<std::string> names_;
  std::vector<size_t> chosen_;
  const size_t most_;
  TableView table_;
};

}  // namespace dragnet::console::tui
