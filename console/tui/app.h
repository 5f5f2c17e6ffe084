// The full-screen console around its views: tabs, the bars at top and bottom, the
// command line, questions, help. On the loop's thread only; no terminal in it, so
// that tests drive it with keys and read a Surface.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "console/tui/overlay.h"
#include "console/tui/shell.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/text_input.h"

namespace dragnet::console::tui {

class App : public Shell {
 public:
  // `backend` must outlive it.
  explicit App(Backend& backend);
  ~App() override;

  void Draw(Surface* surface);
  // After Draw.
  std::optional<Point> Cursor() const;
  void OnKey(const Key& key);
  // Set by who owns the terminal.
  std::function<void()> on_suspend;
  std::function<void()> on_repaint;

  Backend& backend() override { return backend_; }
  void ShowTab(Tab tab) override;
  void OpenAgent(const std::string& agent_id) override;
  void OpenAction(const std::string& action_id) override;
  void OpenNew(const std::string& line, const std::string& target) override;
  void Push(std::unique_ptr<View> view) override;
  void Pop() override;
  void Say(std::string_view text) override;
  void SayError(std::string_view text) override;
  void Confirm(const std::string& title, const std::string& text,
               std::function<void()> yes) override;
  void Ask(const Question& question, std::function<void(std::string)> answer) override;
  void Redraw() override { backend_.loop().RequestRedraw(); }
  void Quit() override;

 private:
  static constexpr size_t kTabs = 5;
  using Stack = std::vector<std::unique_ptr<View>>;

  Stack& stack() { return stacks_[static_cast<size_t>(tab_)]; }
  View& top() { return *stack().back(); }
  void DrawBar(const Canvas& canvas);
  void DrawConnection(const Canvas& canvas, int from);
  void DrawMessage(const Canvas& canvas);
  void DrawKeys(const Canvas& canvas);
  void DrawCandidates(const Canvas& middle, const std::vector<std::string>& words);
  bool OnShellKey(const Key& key);
  void OnCommandKey(const Key& key);
  // Not OK: nothing was done, and the line can be mended.
  absl::Status RunCommand(const std::string& line);
  void LoadHistory();
  void KeepHistory(const std::string& line);
  void ShowForm();
  void BeginCommand(const std::string& text);
  void ShowHelp();
  void AskToQuit();
  void CountProposals();
  void Retire(std::unique_ptr<View> view);
  void Open(std::unique_ptr<Overlay> overlay);
  // The one that is shown; null: none, or text is typed that is not for it.
  Overlay* Front();

  Backend& backend_;
  Lifetime lifetime_;
  Tab tab_ = Tab::kFleet;
  std::array<Stack, kTabs> stacks_;
  // Views that went while something of theirs may still run on this thread.
  std::vector<std::unique_ptr<View>> retired_;
  struct Asked {
    std::unique_ptr<Overlay> overlay;
    // It was on the screen, or a key asked for it: keys are meant for it.
    bool seen = false;
  };
  // The last one is shown; the others wait for it, the first for the longest.
  std::vector<Asked> overlays_;
  bool in_key_ = false;
  bool commanding_ = false;
  TextInput command_;
  // What is wrong with the line that was entered.
  std::string command_error_;
  // In the stack of its tab, at the bottom.
  FormScreen* form_ = nullptr;
  std::string message_;
  bool message_is_error_ = false;
  std::deque<std::string> errors_;
  size_t open_proposals_ = 0;
  std::optional<Point> cursor_;
};

}  // namespace dragnet::console::tui
