#include "console/tui/views/text_page.h"

#include <utility>

#include "console/tui/widgets/text_view.h"

namespace dragnet::console::tui {
namespace {

class TextPage : public View {
 public:
  TextPage(Shell& shell, std::string title, std::string text)
      : shell_(shell), title_(std::move(title)) {
    text_.SetText(std::move(text));
  }

  std::string Title() const override { return title_; }
  void Draw(const Canvas& canvas) override { text_.Draw(canvas); }
  bool OnKey(const Key& key) override {
    if (key.Is(U'/')) {
      Shell::Question question;
      question.title = "Search";
      question.text = "Lines that contain";
      shell_.Ask(question, [this, alive = lifetime_.token()](const std::string& words) {
        // What lies over the form goes when something else opens it.
        if (alive.expired()) return;
        text_.Search(words);
        if (!words.empty() && !text_.Next(false)) shell_.Say("not found");
      });
      return true;
    }
    if (key.Is(U'n') || key.Is(U'N')) return text_.Next(key.character == U'N'), true;
    return text_.OnKey(key);
  }
  std::vector<KeyHint> Keys() const override {
    return {{"Esc", "Back"}, {"↑↓", "Scroll"}, {"/", "Search"}, {"n", "Next"}};
  }
  std::string Help() const override {
    return "  ↑ ↓ PgUp PgDn   scroll\n  /               search; n N next and previous\n"
           "  Esc             back";
  }

 private:
  Shell& shell_;
  const std::string title_;
  TextView text_;
  Lifetime lifetime_;
};

}  // namespace

std::unique_ptr<View> NewTextPage(Shell& shell, std::string title, std::string text) {
  return std::make_unique<TextPage>(shell, std::move(title), std::move(text));
}

}  // namespace dragnet::console::tui
