// A line in which a target expression is typed, with what it reaches below: the
// scheduler is asked a moment after the last key, one question at a time. On the
// loop's thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/investigation/delivery.h"
#include "console/tui/backend.h"
#include "console/tui/views/target_filter.h"
#include "console/tui/widgets/text_input.h"

namespace dragnet::console::tui {

class TargetField {
 public:
  // `on_reach` comes with every answer to what stands there now.
  TargetField(Backend& backend,
              std::function<void(const TypedTarget&, const absl::StatusOr<Reach>&)> on_reach);

  void SetText(std::string_view text);
  std::string text() const { return input_.text(); }
  TypedTarget target() const { return TargetOf(input_.text()); }
  void set_tag_keys(std::vector<std::string> keys) { tag_keys_ = std::move(keys); }
  void AddToHistory(const std::string& line) { input_.AddToHistory(line); }

  // False for Enter, Escape and what means nothing in a line.
  bool OnKey(const Key& key);
  // What is typed is asked about now, without waiting for more.
  void AskNow();
  // What the scheduler said to what stands there now; nothing: it wasn't asked yet.
  const std::optional<absl::StatusOr<Reach>>& reach() const { return reach_; }

  // Two rows: the line, and what it means and reaches, or what is wrong with it.
  static constexpr int kRows = 2;
  void Draw(const Canvas& canvas) const;
  Point cursor() const { return input_.cursor(); }

 private:
  static constexpr absl::Duration kPatience = absl::Milliseconds(150);

  void Changed();

  Backend& backend_;
  const std::function<void(const TypedTarget&, const absl::StatusOr<Reach>&)> on_reach_;
  TextInput input_;
  std::vector<std::string> tag_keys_;
  std::optional<absl::StatusOr<Reach>> reach_;
  // What `reach_` is about, or is asked about now.
  std::string expression_;
  bool asking_ = false;
  bool ask_again_ = false;
  // Owns the timer: a new one for each key.
  std::shared_ptr<void> waiting_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
