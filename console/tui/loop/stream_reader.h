// Reads a stream of the scheduler on a thread of its own and hands what comes to
// the loop's thread in batches. While a batch waits there, nothing more is read:
// a slow screen holds up the stream and not the memory.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/tui/loop/background.h"
#include "console/tui/loop/event_loop.h"

namespace dragnet::console::tui {

// Lives on the loop's thread. Destroying it ends the call, soon and without waiting.
template <class Event>
class StreamReader {
 public:
  using Open = std::function<absl::StatusOr<std::unique_ptr<Stream<Event>>>()>;

  struct Hooks {
    // At least one event.
    std::function<void(std::vector<Event>)> on_events;
    // Once, the last. The reader may be destroyed in it.
    std::function<void(absl::Status)> on_end;
  };

  // `open` runs on the reader's thread and must not refer to what may go away
  // before Background does.
  StreamReader(EventLoop& loop, Background& background, Open open, Hooks hooks)
      : hooks_(std::make_shared<Hooks>(std::move(hooks))) {
    background.RunAlone([&loop, &background, open = std::move(open), stopped = stopped_,
                         owner = lifetime_.token(), hooks = std::weak_ptr<Hooks>(hooks_)] {
      Read(loop, background, open, *stopped, owner, hooks);
    });
  }
  ~StreamReader() { stopped_->store(true); }
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

 private:
  static constexpr size_t kMostInBatch = 256;
  static constexpr absl::Duration kPatience = absl::Milliseconds(100);

  static void Read(EventLoop& loop, Background& background, const Open& open,
                   const std::atomic<bool>& stopped, const std::weak_ptr<void>& owner,
                   const std::weak_ptr<Hooks>& hooks) {
    const auto over = [&] { return stopped.load() || background.stopping(); };
    auto stream = open();
    absl::Status status = stream.status();
    bool ended = !stream.ok();
    while (!ended && !over()) {
      std::vector<Event> batch;
      Event event;
      // Waits for the first of a batch, takes what is there beside it.
      absl::Duration patience = kPatience;
      while (batch.size() < kMostInBatch && !over()) {
        const StreamStep step = (*stream)->Next(patience, &event);
        if (step == StreamStep::kTimeout) break;
        if (step == StreamStep::kEnd) {
          status = (*stream)->status();
          ended = true;
          break;
        }
        batch.push_back(std::move(event));
        event = Event();
        patience = absl::ZeroDuration();
      }
      if (batch.empty()) continue;
      auto taken = std::make_shared<absl::Notification>();
      auto events = std::make_shared<std::vector<Event>>(std::move(batch));
      loop.Post([=] {
        const std::shared_ptr<Hooks> call = owner.expired() ? nullptr : hooks.lock();
        if (call != nullptr) call->on_events(std::move(*events));
        taken->Notify();
      });
      while (!over() && !taken->WaitForNotificationWithTimeout(kPatience)) {
      }
    }
    if (over()) return;
    loop.Post([=] {
      const std::shared_ptr<Hooks> call = owner.expired() ? nullptr : hooks.lock();
      if (call != nullptr) call->on_end(status);
    });
  }

  Lifetime lifetime_;
  std::shared_ptr<std::atomic<bool>> stopped_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Hooks> hooks_;
};

}  // namespace dragnet::console::tui
