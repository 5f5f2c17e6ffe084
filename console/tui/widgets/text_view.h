// A longer text, wrapped at the width that there is, to be scrolled and searched.
// Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/output/text_width.h"
#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/widgets/line_scroll.h"

namespace dragnet::console::tui {

class TextView {
 public:
  // Raw text; each of its lines is one, and is broken where it is too long. Keeps
  // the position when the text is almost the same.
  void SetText(std::string text);
  const std::string& text() const { return text_; }
  // Marks what goes on from the line above. For documents: without it the author of
  // a long value chooses what stands at the beginning of a line, e.g. "Signed by".
  void MarkContinued() { mark_ = kContinued; }
  // Lines that contain it are marked; empty: none. Case doesn't matter.
  void Search(std::string_view words);
  // To the next or previous line that contains it. False: there is none.
  bool Next(bool backwards);

  // Rows that it takes on a canvas of this width.
  int RowsFor(int width);

  void Draw(const Canvas& canvas);
  bool OnKey(const Key& key);

 private:
  void Layout(int width);

  std::string text_;
  std::string search_;
  std::string_view mark_;
  // Broken lines, for `laid_out_for_` columns.
  std::vector<std::string> lines_;
  int laid_out_for_ = -1;
  LineScroll scroll_;
};

}  // namespace dragnet::console::tui
