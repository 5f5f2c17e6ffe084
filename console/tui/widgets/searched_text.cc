#include "console/tui/widgets/searched_text.h"

namespace dragnet::console::tui {

void SearchedText::Draw(const Canvas& canvas) {
  if (!typing_ && !not_found_) return view_.Draw(canvas);
  view_.Draw(canvas.Above(1));
  const Canvas line = canvas.Bottom(1);
  if (!typing_) {
    line.PutLine(0, "not found: " + input_.text(), kWarning);
    return;
  }
  line.Put(0, 0, "/", kKey);
  input_.Draw(line.Part({1, 0, line.width() - 1, 1}), {Role::kInput});
}

bool SearchedText::OnKey(const Key& key) {
  if (!typing_) {
    not_found_ = false;
    if (key.Is(U'/')) {
      typing_ = true;
      input_.SetText("");
      return true;
    }
    if (key.Is(U'n') || key.Is(U'N')) {
      not_found_ = !input_.empty() && !view_.Next(key.Is(U'N'));
      return true;
    }
    return view_.OnKey(key);
  }
  if (key.code == Key::Code::kEnter || key.code == Key::Code::kEscape) {
    typing_ = false;
    if (key.code == Key::Code::kEscape) input_.SetText("");
    view_.Search(input_.text());
    not_found_ = !input_.empty() && !view_.Next(false);
    return true;
  }
  input_.OnKey(key);
  view_.Search(input_.text());
  return true;
}

std::optional<Point> SearchedText::Cursor() const {
  if (!typing_) return std::nullopt;
  return input_.cursor();
}

}  // namespace dragnet::console::tui
