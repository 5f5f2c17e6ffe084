// What views ask of the program around them. On the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "console/tui/backend.h"
#include "console/tui/view.h"

namespace dragnet::console::tui {

enum class Tab { kFleet, kActions, kNew, kApprovals, kSweeps };

class Shell {
 public:
  virtual ~Shell() = default;

  virtual Backend& backend() = 0;
  EventLoop& loop() { return backend().loop(); }
  Background& background() { return backend().background(); }

  // ---- where to go
  virtual void ShowTab(Tab tab) = 0;
  // Over what is there; Escape comes back.
  virtual void OpenAgent(const std::string& agent_id) = 0;
  virtual void OpenAction(const std::string& action_id) = 0;
  // The form for a new action. `line` as typed after a colon, e.g. "file --path
  // /etc": fills the form; empty: an empty one. `target` preset, if not empty.
  virtual void OpenNew(const std::string& line, const std::string& target) = 0;
  virtual void Push(std::unique_ptr<View> view) = 0;
  // The view on top goes; its object lives until the key or event that did it is done.
  virtual void Pop() = 0;

  // ---- what to say: one line at the bottom, until something else is said.
  // Errors stay until a key is pressed after they were shown; F8 lists the last ones.
  virtual void Say(std::string_view text) = 0;
  virtual void SayError(std::string_view text) = 0;
  void SayError(const absl::Status& status) {
    SayError(std::string_view(status.message().data(), status.message().size()));
  }

  // ---- what to ask. One question at a time, over everything; Escape says no.
  // `text`: lines, the last is the question. Only "y" is yes.
  virtual void Confirm(const std::string& title, const std::string& text,
                       std::function<void()> yes) = 0;
  struct Question {
    std::string title;
    // Above the field; may have several lines.
    std::string text;
    std::string initial;
    // What is typed is not shown.
    bool secret = false;
    // Not OK: stays open, with the words.
    std::function<absl::Status(const std::string&)> check;
  };
  virtual void Ask(const Question& question, std::function<void(std::string)> answer) = 0;

  virtual void Redraw() = 0;
  virtual void Quit() = 0;
};

}  // namespace dragnet::console::tui
