// The Action screen is one view with four panes: Stacks, Rows, Hosts, Document.
// What they share, and what each must answer. On the loop's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "console/investigation/verification.h"
#include "console/tui/results/result_set.h"
#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/shell.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "modules/module.h"

namespace dragnet::console::tui {

enum class ActionTab { kStacks, kRows, kHosts, kDocument };

// Filled by the view; panes read it, and go to each other through it.
struct ActionContext {
  explicit ActionContext(Shell& the_shell) : shell(the_shell) {}

  Shell& shell;
  v1::ActionInfo info;
  v1::Action action;
  std::shared_ptr<ResultSet> results;
  v1::Progress progress;
  // What comes is not yet all that there is.
  bool loading = true;
  uint32_t operation = 0;
  // Of `operation`; null: this version doesn't have it.
  const Module* module = nullptr;
  // Of `action`, against `policy`; nothing while that isn't known, or where what the
  // scheduler gave doesn't stand up: `verify_status` says why.
  std::optional<ActionVerification> verification;
  absl::Status verify_status;
  std::shared_ptr<const TrustPolicy> policy;

  std::function<void(const std::string& filter)> show_rows;
  // The agents that have a row for which `filter` is true.
  std::function<void(const std::string& filter)> show_hosts_with;
};

class ActionPane {
 public:
  virtual ~ActionPane() = default;
  // With a count where there is one: "Rows 4,711".
  virtual std::string Name() const = 0;
  virtual void Draw(const Canvas& canvas) = 0;
  virtual bool OnKey(const Key& key) = 0;
  virtual std::optional<Point> Cursor() const { return std::nullopt; }
  virtual bool TakesText() const { return false; }
  // Every key is the pane's: text is typed, something is being chosen.
  virtual bool Busy() const { return TakesText(); }
  virtual std::vector<KeyHint> Keys() const = 0;
  virtual std::string Help() const = 0;
  // Rows, states or the action's description may have changed.
  virtual void OnNews() {}
  virtual void OnShown() {}
  virtual void OnHidden() {}
  // Another operation: everything that was of the old one is void.
  virtual void OnOperation() {}
};

class RowsPane;
class HostsPane;
std::unique_ptr<ActionPane> NewStacksPane(ActionContext& context);
std::unique_ptr<ActionPane> NewDocumentPane(ActionContext& context);

inline std::string WithCommas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

// "1 row", "4,711 rows".
inline std::string RowsText(uint64_t count) {
  return count == 1 ? "1 row" : WithCommas(count) + " rows";
}

inline Key CharacterKey(char32_t character) {
  Key key;
  key.code = Key::Code::kCharacter;
  key.character = character;
  return key;
}

}  // namespace dragnet::console::tui
