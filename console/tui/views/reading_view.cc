#include "console/tui/views/reading_view.h"

#include <utility>

#include "console/tui/widgets/searched_text.h"

namespace dragnet::console::tui {
namespace {

class ReadingView : public View {
 public:
  ReadingView(Shell& shell, std::string title, std::string text, std::vector<ReadingAction> actions)
      : shell_(shell), title_(std::move(title)), actions_(std::move(actions)) {
    text_.MarkContinued();
    text_.SetText(std::move(text));
  }

  std::string Title() const override { return title_; }
  void Draw(const Canvas& canvas) override { text_.Draw(canvas); }
  bool OnKey(const Key& key) override {
    if (!text_.typing()) {
      for (const ReadingAction& action : actions_) {
        if (!key.Is(action.key)) continue;
        const auto act = action.act;
        shell_.Pop();
        act();
        return true;
      }
    }
    return text_.OnKey(key);
  }
  std::optional<Point> Cursor() const override { return text_.Cursor(); }
  bool TakesText() const override { return text_.typing(); }
  std::vector<KeyHint> Keys() const override {
    if (text_.typing()) return {{"Enter", "Find"}, {"Esc", "Cancel"}};
    std::vector<KeyHint> keys = {{"Esc", "Back"}};
    for (const ReadingAction& action : actions_)
      keys.push_back({std::string(1, static_cast<char>(action.key)), action.what});
    keys.push_back({"/", "Search"});
    keys.push_back({"n", "Next"});
    return keys;
  }
  std::string Help() const override {
    return "A text to be read\n"
           "  arrows, Page Up/Down, g, G   scroll\n"
           "  /           search; n and N go to the next and the previous match\n"
           "  Esc         back\n";
  }

 private:
  Shell& shell_;
  const std::string title_;
  const std::vector<ReadingAction> actions_;
  SearchedText text_;
};

}  // namespace

std::unique_ptr<View> NewReadingView(Shell& shell, std::string title, std::string text,
                                     std::vector<ReadingAction> actions) {
  return std::make_unique<ReadingView>(shell, std::move(title), std::move(text),
                                       std::move(actions));
}

}  // namespace dragnet::console::tui
