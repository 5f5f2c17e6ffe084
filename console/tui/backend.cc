#include "console/tui/backend.h"

#include <utility>

#include "absl/synchronization/mutex.h"
#include "console/investigation/policy.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(2);
// An older scheduler has no activity stream: then it is asked anew so often.
constexpr absl::Duration kPoll = absl::Seconds(3);

// Views sign on threads of Background, each on its own; a token, and the session
// with one, is for one at a time.
class OneAtATime : public Signer {
 public:
  explicit OneAtATime(std::unique_ptr<Signer> signer) : signer_(std::move(signer)) {}

  const PublicKey& public_key() const override { return signer_->public_key(); }
  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    absl::MutexLock lock(&mutex_);
    return signer_->Sign(message);
  }

 private:
  const std::unique_ptr<Signer> signer_;
  mutable absl::Mutex mutex_;
};

v1::Activity Everything() {
  v1::Activity activity;
  activity.set_all_actions(true);
  activity.set_proposals(true);
  activity.set_trust_policy(true);
  activity.set_agents(true);
  return activity;
}

}  // namespace

Backend::Backend(EventLoop& loop, Background& background, Parts parts)
    : loop_(loop), background_(background), parts_(std::move(parts)) {
  connection_.since = now();
  connection_.problem = "connecting";
}

Backend::~Backend() = default;

void Backend::Start() { Listen(); }

void Backend::Listen() {
  news_ = std::make_unique<StreamReader<v1::Activity>>(
      loop_, background_, [client = parts_.client] { return client->WatchActivity(); },
      StreamReader<v1::Activity>::Hooks{
          .on_events =
              [this](std::vector<v1::Activity> events) {
                for (const v1::Activity& activity : events) OnNews(activity);
              },
          .on_end = [this](const absl::Status& status) { OnLost(status); }});
}

void Backend::OnNews(const v1::Activity& activity) {
  const bool again = !connection_.connected;
  if (again) connection_ = {.connected = true, .problem = "", .since = now()};
  if (again || activity.trust_policy()) FetchTrust();
  TellAll(again ? Everything() : activity);
  loop_.RequestRedraw();
}

void Backend::OnLost(const absl::Status& status) {
  const std::string words(status.ok() ? "the scheduler ended the stream"
                                      : StrCat(status.message()));
  if (absl::IsUnimplemented(status)) {
    OnNews(Everything());
    loop_.After(kPoll, lifetime_.token(), [this] { Listen(); });
    return;
  }
  if (connection_.connected || connection_.problem != words) {
    if (connection_.connected) connection_.since = now();
    connection_.connected = false;
    connection_.problem = words;
    loop_.RequestRedraw();
  }
  loop_.After(kRetry, lifetime_.token(), [this] { Listen(); });
}

void Backend::TellAll(const v1::Activity& activity) {
  for (auto listener = listeners_.begin(); listener != listeners_.end();) {
    if (listener->owner.expired()) {
      listener = listeners_.erase(listener);
      continue;
    }
    listener->call(activity);
    ++listener;
  }
}

void Backend::OnActivity(std::weak_ptr<void> owner, std::function<void(const v1::Activity&)> call) {
  if (connection_.connected) {
    loop_.Post(owner, [call] { call(Everything()); });
  }
  listeners_.push_back({std::move(owner), std::move(call)});
}

void Backend::FetchTrust() {
  background_.Run(
      lifetime_.token(),
      [config = parts_.config, client = parts_.client] { return FetchPolicy(config, *client); },
      [this](absl::StatusOr<TrustedPolicy> fetched) {
        policy_status_ = fetched.status();
        // What was verified before stays: a scheduler that now gives something else
        // takes nothing away, nor brings back an older one where its version could
        // not be kept in a file.
        if (fetched.ok() && policy_ != nullptr && fetched->policy.version() < policy_->version()) {
          policy_status_ = absl::FailedPreconditionError(
              StrCat("the scheduler's trust policy: version ", fetched->policy.version(),
                     " is older than version ", policy_->version(),
                     ", which is held here: don't trust this scheduler"));
        } else if (fetched.ok()) {
          if (!fetched->remembered.ok()) {
            policy_status_ =
                absl::Status(fetched->remembered.code(),
                             StrCat("an older trust policy will not be noticed next time: ",
                                    fetched->remembered.message()));
          }
          policy_ = std::make_shared<TrustPolicy>(std::move(fetched->policy));
        }
        v1::Activity activity;
        activity.set_proposals(true);
        TellAll(activity);
        loop_.RequestRedraw();
      });
}

void Backend::WithSigner(std::weak_ptr<void> owner,
                         std::function<void(absl::StatusOr<std::shared_ptr<const Signer>>)> then) {
  if (signer_ != nullptr) return then(signer_);
  wait_for_signer_.emplace_back(std::move(owner), std::move(then));
  if (opening_) return;
  opening_ = true;
  // Called on a thread of Background; the question is the loop's to ask.
  const Parts::AskSecret ask =
      [this, &loop = loop_, &background = background_,
       alive = lifetime_.token()](std::string_view what) -> absl::StatusOr<std::string> {
    struct Answer {
      absl::Mutex mutex;
      std::optional<absl::StatusOr<std::string>> value ABSL_GUARDED_BY(mutex);
    };
    auto answer = std::make_shared<Answer>();
    const auto give = [answer](absl::StatusOr<std::string> value) {
      absl::MutexLock lock(&answer->mutex);
      answer->value = std::move(value);
    };
    loop.Post(alive, [this, give, what = std::string(what)] {
      if (ask_secret_ == nullptr) return give(absl::UnavailableError("no one to ask"));
      ask_secret_(what, give);
    });
    absl::MutexLock lock(&answer->mutex);
    const auto given = [&]() ABSL_SHARED_LOCKS_REQUIRED(answer->mutex) {
      return answer->value.has_value();
    };
    while (!answer->mutex.AwaitWithTimeout(absl::Condition(&given), absl::Milliseconds(100))) {
      if (background.stopping()) return absl::CancelledError("the console ends");
    }
    return *std::move(answer->value);
  };
  background_.Run(
      lifetime_.token(), [open = parts_.open_signer, ask] { return open(ask); },
      [this](absl::StatusOr<std::unique_ptr<Signer>> opened) {
        opening_ = false;
        if (opened.ok()) signer_ = std::make_shared<const OneAtATime>(*std::move(opened));
        for (auto& [owner, then] : std::exchange(wait_for_signer_, {})) {
          if (owner.expired()) continue;
          if (opened.ok()) {
            then(signer_);
          } else {
            then(opened.status());
          }
        }
      });
}

}  // namespace dragnet::console::tui
