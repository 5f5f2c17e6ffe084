// What lies over a view for a moment: questions, help, the last errors. On the
// loop's thread only.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/shell.h"
#include "console/tui/widgets/text_input.h"
#include "console/tui/widgets/text_view.h"

namespace dragnet::console::tui {

class Overlay {
 public:
  virtual ~Overlay() = default;
  // Over the whole screen but the bars.
  virtual void Draw(const Canvas& canvas) = 0;
  // Takes every key. True: it is done and goes.
  virtual bool OnKey(const Key& key) = 0;
  virtual std::optional<Point> Cursor() const { return std::nullopt; }
  virtual std::vector<KeyHint> Keys() const = 0;
};

std::unique_ptr<Overlay> NewConfirmation(std::string title, std::string text,
                                         std::function<void()> yes);
// `cancelled` may be empty; comes when Escape was pressed.
std::unique_ptr<Overlay> NewQuestion(Shell::Question question,
                                     std::function<void(std::string)> answer,
                                     std::function<void()> cancelled);
// To be read, with search on "/".
std::unique_ptr<Overlay> NewReading(std::string title, std::string text);

}  // namespace dragnet::console::tui
