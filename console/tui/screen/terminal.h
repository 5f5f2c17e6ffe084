// The real terminal, by ncurses: the only file that includes it is terminal.cc.
// One at a time; not thread-safe. The destructor gives the terminal back as it was.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"

namespace dragnet::console::tui {

class Terminal {
 public:
  struct Options {
    // Off: NO_COLOR, or asked for.
    bool color = true;
    bool mouse = false;
  };
  // FailedPrecondition: standard input or output is no terminal, or it is of a
  // kind that can't be drawn on (TERM).
  static absl::StatusOr<std::unique_ptr<Terminal>> Open(const Options& options);
  virtual ~Terminal() = default;

  virtual int width() const = 0;
  virtual int height() const = 0;

  // Brings what differs from the last call to the screen.
  virtual void Show(const Surface& surface, std::optional<Point> cursor) = 0;
  // Draws everything anew: after something else wrote on the terminal.
  virtual void Repaint() = 0;
  // What is there; nothing when no whole key is. After a change of the terminal's
  // size, width() and height() are new and `resized` is true.
  virtual std::optional<Key> Read(bool* resized) = 0;
  // Gives the terminal to the shell until the process is continued (Ctrl-Z).
  virtual void Suspend() = 0;
};

}  // namespace dragnet::console::tui
