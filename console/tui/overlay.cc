#include "console/tui/overlay.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "console/output/text_width.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// A box in the middle that is as large as it must be and no larger than there is.
Canvas Box(const Canvas& canvas, int width, int height, std::string_view title) {
  width = std::min(width, canvas.width());
  height = std::min(height, canvas.height());
  const Canvas box =
      canvas.Part({(canvas.width() - width) / 2, (canvas.height() - height) / 2, width, height});
  box.Fill(kNormal);
  box.Frame(title, kTitle);
  return box.Inside();
}

int LinesOf(std::string_view text, int width) {
  int lines = 0;
  for (const auto line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n'))
    lines += 1 + WidthOnScreen(std::string_view(line.data(), line.size())) / std::max(width, 1);
  return lines;
}

class Confirmation : public Overlay {
 public:
  Confirmation(std::string title, std::string text, std::function<void()> yes)
      : title_(std::move(title)), yes_(std::move(yes)) {
    text_.MarkContinued();
    text_.SetText(std::move(text));
  }

  void Draw(const Canvas& canvas) override {
    const int width = std::min(canvas.width() - 4, 78);
    const int height = text_.RowsFor(width - 4) + 4;
    const Canvas inside = Box(canvas, width, height, title_);
    text_.Draw(inside.Above(2).Part({1, 0, inside.width() - 2, 1 << 20}));
    inside.Put(1, inside.height() - 1, "y yes   any other key no", kKey);
    drawn_ = true;
  }

  bool OnKey(const Key& key) override {
    // Typed ahead, or pasted: nobody has read this.
    if (!drawn_) return key.code == Key::Code::kEscape;
    if (key.code == Key::Code::kUp || key.code == Key::Code::kDown ||
        key.code == Key::Code::kPageUp || key.code == Key::Code::kPageDown) {
      text_.OnKey(key);
      return false;
    }
    if (key.Is(U'y') || key.Is(U'Y')) yes_();
    return true;
  }

  std::vector<KeyHint> Keys() const override { return {{"y", "Yes"}, {"n", "No"}}; }

 private:
  const std::string title_;
  const std::function<void()> yes_;
  TextView text_;
  bool drawn_ = false;
};

class QuestionOverlay : public Overlay {
 public:
  QuestionOverlay(Shell::Question question, std::function<void(std::string)> answer,
                  std::function<void()> cancelled)
      : question_(std::move(question)),
        answer_(std::move(answer)),
        cancelled_(std::move(cancelled)) {
    input_.SetText(question_.initial);
    input_.set_secret(question_.secret);
    text_.SetText(question_.text);
  }
  ~QuestionOverlay() override {
    if (question_.secret) input_.Wipe();
  }

  void Draw(const Canvas& canvas) override {
    const int width = std::min(canvas.width() - 4, 78);
    const int lines = question_.text.empty() ? 0 : LinesOf(question_.text, width - 4);
    const Canvas inside = Box(canvas, width, lines + 6, question_.title);
    text_.Draw(inside.Part({1, 0, inside.width() - 2, lines}));
    input_.Draw(inside.Part({1, lines + 1, inside.width() - 2, 1}), {Role::kInput});
    inside.Put(1, lines + 2, error_, kError, inside.width() - 2);
    inside.Put(1, inside.height() - 1, "Enter accept   Esc cancel", kKey);
  }

  bool OnKey(const Key& key) override {
    if (key.code == Key::Code::kEscape || key.IsControl(U'c') || key.IsControl(U'g')) {
      if (cancelled_ != nullptr) cancelled_();
      return true;
    }
    if (key.code != Key::Code::kEnter) {
      input_.OnKey(key);
      error_.clear();
      return false;
    }
    std::string text = input_.text();
    if (question_.check != nullptr) {
      const absl::Status status = question_.check(text);
      if (!status.ok()) {
        error_ = std::string(status.message());
        return false;
      }
    }
    answer_(std::move(text));
    return true;
  }

  std::optional<Point> Cursor() const override { return input_.cursor(); }
  std::vector<KeyHint> Keys() const override { return {{"Enter", "Accept"}, {"Esc", "Cancel"}}; }

 private:
  const Shell::Question question_;
  const std::function<void(std::string)> answer_;
  const std::function<void()> cancelled_;
  TextInput input_;
  TextView text_;
  std::string error_;
};

class Reading : public Overlay {
 public:
  Reading(std::string title, std::string text) : title_(std::move(title)) {
    text_.SetText(std::move(text));
  }

  void Draw(const Canvas& canvas) override {
    const Canvas inside = Box(canvas, std::min(canvas.width(), 100), canvas.height(), title_);
    text_.Draw(inside.Part({1, 0, inside.width() - 1, inside.height() - (searching_ ? 1 : 0)}));
    if (!searching_) return;
    inside.Put(1, inside.height() - 1, "/", kKey);
    search_.Draw(inside.Part({2, inside.height() - 1, inside.width() - 3, 1}), {Role::kInput});
  }

  bool OnKey(const Key& key) override {
    if (searching_) {
      if (key.code == Key::Code::kEnter || key.code == Key::Code::kEscape) {
        searching_ = false;
        if (key.code == Key::Code::kEscape) search_.SetText("");
        text_.Search(search_.text());
        text_.Next(false);
      } else {
        search_.OnKey(key);
        text_.Search(search_.text());
      }
      return false;
    }
    if (key.Is(U'/')) {
      searching_ = true;
      search_.SetText("");
      return false;
    }
    if (key.Is(U'n') || key.Is(U'N')) return text_.Next(key.character == U'N'), false;
    if (text_.OnKey(key)) return false;
    return key.code == Key::Code::kEscape || key.code == Key::Code::kEnter || key.Is(U'q') ||
           key.Is(U'?') || key.code == Key::Code::kFunction;
  }

  std::optional<Point> Cursor() const override {
    if (!searching_) return std::nullopt;
    return search_.cursor();
  }
  std::vector<KeyHint> Keys() const override {
    return {{"Esc", "Close"}, {"/", "Search"}, {"n", "Next"}, {"↑↓", "Scroll"}};
  }

 private:
  const std::string title_;
  TextView text_;
  bool searching_ = false;
  TextInput search_;
};

}  // namespace

std::unique_ptr<Overlay> NewConfirmation(std::string title, std::string text,
                                         std::function<void()> yes) {
  return std::make_unique<Confirmation>(std::move(title), std::move(text), std::move(yes));
}

std::unique_ptr<Overlay> NewQuestion(Shell::Question question,
                                     std::function<void(std::string)> answer,
                                     std::function<void()> cancelled) {
  return std::make_unique<QuestionOverlay>(std::move(question), std::move(answer),
                                           std::move(cancelled));
}

std::unique_ptr<Overlay> NewReading(std::string title, std::string text) {
  return std::make_unique<Reading>(std::move(title), std::move(text));
}

}  // namespace dragnet::console::tui
