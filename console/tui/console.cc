#include "console/tui/console.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "console/tui/app.h"
#include "core/status_macros.h"

namespace dragnet::console::tui {

absl::Status RunConsole(Backend::Parts parts, const Terminal::Options& options) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<Terminal> terminal, Terminal::Open(options));
  EventLoop loop;
  // Last to go: what runs there may refer to nothing but what it holds itself.
  Background background(loop);
  Backend backend(loop, background, std::move(parts));
  App app(backend);
  app.on_suspend = [&] { terminal->Suspend(); };
  app.on_repaint = [&] { terminal->Repaint(); };
  backend.Start();
  loop.Run(STDIN_FILENO, {.on_input =
                              [&] {
                                bool resized = true;
                                while (true) {
                                  const std::optional<Key> key = terminal->Read(&resized);
                                  if (key.has_value())
                                    app.OnKey(*key);
                                  else if (!resized)
                                    break;
                                }
                              },
                          .on_redraw =
                              [&] {
                                Surface surface(terminal->width(), terminal->height());
                                app.Draw(&surface);
                                terminal->Show(surface, app.Cursor());
                              }});
  return absl::OkStatus();
}

}  // namespace dragnet::console::tui
