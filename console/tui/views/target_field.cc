#include "console/tui/views/target_field.h"

#include <utility>

#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr std::string_view kPrompt = "/ ";

}  // namespace

TargetField::TargetField(
    Backend& backend,
    std::function<void(const TypedTarget&, const absl::StatusOr<Reach>&)> on_reach)
    : backend_(backend), on_reach_(std::move(on_reach)) {
  input_.set_complete([this](std::string_view before, size_t* start) {
    return CompleteTarget(tag_keys_, before, start);
  });
}

void TargetField::SetText(std::string_view text) {
  input_.SetText(text);
  waiting_ = nullptr;
  reach_ = std::nullopt;
  AskNow();
}

bool TargetField::OnKey(const Key& key) {
  const std::string before = input_.text();
  if (!input_.OnKey(key)) return false;
  if (input_.text() != before) Changed();
  return true;
}

void TargetField::Changed() {
  // "web " means what "web" does.
  if (const std::string expression = target().expression; expression == expression_) return;
  reach_ = std::nullopt;
  waiting_ = std::make_shared<char>();
  backend_.loop().After(kPatience, waiting_, [this] { AskNow(); });
}

void TargetField::AskNow() {
  waiting_ = nullptr;
  if (asking_) {
    ask_again_ = true;
    return;
  }
  asking_ = true;
  expression_ = target().expression;
  backend_.background().Run(
      lifetime_.token(),
      [client = backend_.client(), expression = expression_] {
        return ReachOf(expression, *client);
      },
      [this](absl::StatusOr<Reach> reach) {
        asking_ = false;
        if (std::exchange(ask_again_, false)) return AskNow();
        const TypedTarget now = target();
        // Something else was typed meanwhile; it is asked about when its time has come.
        if (now.expression != expression_) return;
        reach_ = reach;
        on_reach_(now, reach);
        backend_.loop().RequestRedraw();
      });
}

void TargetField::Draw(const Canvas& canvas) const {
  const int x = canvas.Put(0, 0, kPrompt, kKey);
  input_.Draw(canvas.Part({x, 0, canvas.width() - x, 1}), {Role::kInput});
  if (!input_.candidates().empty()) {
    std::string words;
    for (const std::string& word : input_.candidates()) StrAppend(&words, word, "  ");
    canvas.Put(x, 1, words, kMuted);
    return;
  }
  const TypedTarget now = target();
  if (reach_.has_value() && !reach_->ok()) {
    canvas.Put(x, 1, ToStd(reach_->status().message()), kError);
    return;
  }
  if (now.expression.empty() && !reach_.has_value()) {
    canvas.Put(x, 1, "a part of the name, or a condition: os='linux' and tags->>'env'='prod'",
               kMuted);
    return;
  }
  int at = x;
  at += canvas.Put(at, 1, reach_.has_value() ? ReachWords(**reach_) : "…", kBold);
  if (now.by_name) canvas.Put(at + 2, 1, StrCat("by name: ", now.expression), kMuted);
  if (now.expression.empty()) canvas.Put(at + 2, 1, "every agent", kMuted);
}

}  // namespace dragnet::console::tui
