// What all views share: the scheduler, the fleet's trust policy, the
// investigator's key, and the news that something changed. Lives on the loop's
// thread; the client may be used from Background's threads.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/client/config.h"
#include "console/form/module_catalog.h"
#include "console/tui/loop/background.h"
#include "console/tui/loop/event_loop.h"
#include "console/tui/loop/stream_reader.h"
#include "core/clock.h"
#include "core/signer.h"
#include "core/trust_policy.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

class Backend {
 public:
  struct Parts {
    ConsoleConfig config;
    const ModuleCatalog* modules;
    std::shared_ptr<Client> client;
    const Clock* clock;
    // Opens the investigator's key; may block, and asks for a passphrase through
    // its argument, which blocks until it was typed.
    using AskSecret = std::function<absl::StatusOr<std::string>(std::string_view what)>;
    std::function<absl::StatusOr<std::unique_ptr<Signer>>(const AskSecret& ask)> open_signer;
    // Where templates and the history of commands are kept; empty: nowhere.
    std::string directory;
  };
  Backend(EventLoop& loop, Background& background, Parts parts);
  ~Backend();

  EventLoop& loop() { return loop_; }
  Background& background() { return background_; }
  const ConsoleConfig& config() const { return parts_.config; }
  const ModuleCatalog& modules() const { return *parts_.modules; }
  absl::Time now() const { return parts_.clock->Now(); }
  // For work in the background: hold a copy of the pointer.
  const std::shared_ptr<Client>& client() const { return parts_.client; }
  const std::string& directory() const { return parts_.directory; }

  // Begins to listen for news.
  void Start();

  // ---- connection
  struct Connection {
    bool connected = false;
    // Why not, and since when.
    std::string problem;
    absl::Time since = absl::InfinitePast();
  };
  const Connection& connection() const { return connection_; }

  // ---- news. `call` comes for every activity, and once with everything set after
  // each connection, until `owner` is gone.
  void OnActivity(std::weak_ptr<void> owner, std::function<void(const v1::Activity&)> call);

  // ---- trust. Null until it was fetched; verified as always (investigation/policy.h).
  std::shared_ptr<const TrustPolicy> policy() const { return policy_; }
  // Why there is none, or what is wrong with how the scheduler has it now.
  const absl::Status& policy_status() const { return policy_status_; }

  // ---- signing. Opens the key when it is asked for first, in the background;
  // passphrases are asked for through `ask_secret`, which is set by the shell.
  // `then` comes on the loop's thread, unless `owner` is gone. The signer may be used
  // from any thread.
  void WithSigner(std::weak_ptr<void> owner,
                  std::function<void(absl::StatusOr<std::shared_ptr<const Signer>>)> then);
  using AskSecret = std::function<void(std::string_view what,
                                       std::function<void(absl::StatusOr<std::string>)> answer)>;
  void set_ask_secret(AskSecret ask) { ask_secret_ = std::move(ask); }

 private:
  void Listen();
  void OnNews(const v1::Activity& activity);
  void OnLost(const absl::Status& status);
  void FetchTrust();
  void TellAll(const v1::Activity& activity);

  EventLoop& loop_;
  Background& background_;
  Parts parts_;
  Lifetime lifetime_;
  Connection connection_;
  std::unique_ptr<StreamReader<v1::Activity>> news_;
  struct Listener {
    std::weak_ptr<void> owner;
    std::function<void(const v1::Activity&)> call;
  };
  std::list<Listener> listeners_;
  std::shared_ptr<const TrustPolicy> policy_;
  absl::Status policy_status_;
  std::shared_ptr<const Signer> signer_;
  // The key is used by one at a time: tokens and agents can't do two things at once.
  bool opening_ = false;
  std::vector<std::pair<std::weak_ptr<void>,
                        std::function<void(absl::StatusOr<std::shared_ptr<const Signer>>)>>>
      wait_for_signer_;
  AskSecret ask_secret_;
};

}  // namespace dragnet::console::tui
