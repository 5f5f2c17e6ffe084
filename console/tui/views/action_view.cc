#include "console/tui/views/action_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/tui/views/order_flow.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/agent_bar.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// Panes are told so often that there is more.
constexpr absl::Duration kTellPause = absl::Milliseconds(200);

absl::Duration Backoff(int attempt) {
  return std::min(absl::Milliseconds(250) * (1 << std::min(attempt, 5)), absl::Seconds(5));
}

bool IsLost(const absl::Status& status) { return absl::IsUnavailable(status) || status.ok(); }

struct Begun {
  v1::Action action;
  std::shared_ptr<ResultSet> results;
};

absl::StatusOr<Begun> Prepare(const v1::ActionInfo& info) {
  Begun begun;
  DRAGNET_ASSIGN_OR_RETURN(begun.action, DecodeAction(info.envelope()));
  // The rows of a sweep's run go by its own id.
  begun.action.set_id(info.action_id());
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<ScratchFile> file, NewScratchFile(ScratchDirectory()));
  begun.results = std::make_shared<ResultSet>(begun.action, std::move(file));
  return begun;
}

}  // namespace

ActionView::ActionView(Shell& shell, std::string action_id)
    : shell_(shell),
      action_id_(std::move(action_id)),
      context_(shell),
      ticker_(shell.loop(), [this] { Tick(); }) {
  context_.show_rows = [this](const std::string& filter) {
    rows_->SetFilter(filter);
    ShowPane(ActionTab::kRows);
  };
  context_.show_hosts_with = [this](const std::string& filter) {
    hosts_->ShowOnlyWith(filter);
    ShowPane(ActionTab::kHosts);
  };
  shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
    const auto& ids = activity.action_ids();
    if (activity.all_actions() || activity.trust_policy() ||
        std::find(ids.begin(), ids.end(), action_id_) != ids.end())
      Fetch();
  });
  Fetch();
}

// ---- what the scheduler says of it

void ActionView::Fetch() {
  if (fetching_) {
    fetch_again_ = true;
    return;
  }
  fetching_ = true;
  fetch_again_ = false;
  shell_.background().Run(
      lifetime_.token(),
      [client = shell_.backend().client(), id = action_id_]() -> absl::StatusOr<v1::ActionInfo> {
        DRAGNET_ASSIGN_OR_RETURN(v1::ActionInfo info, FindActionById(id, *client));
        return CheckedInfo(std::move(info));
      },
      [this](absl::StatusOr<v1::ActionInfo> info) {
        fetching_ = false;
        OnInfo(std::move(info));
        if (fetch_again_) Fetch();
      });
}

void ActionView::OnInfo(absl::StatusOr<v1::ActionInfo> info) {
  shell_.Redraw();
  info_status_ = info.status();
  if (!info.ok()) return;
  const bool moved = info->phase() != context_.info.phase();
  const bool same = info->envelope() == context_.info.envelope();
  context_.info = *std::move(info);
  // Of the stream and of this, whichever is further.
  if (!begun() || context_.info.progress().rows() >= context_.progress.rows())
    context_.progress = context_.info.progress();
  if (!begun()) return Begin();
  // A proposal gets further signatures; the action in it stays.
  if (!same) verifying_with_ = nullptr;
  Verify();
  // There is a stream once a proposal was launched.
  if (moved && reader_ == nullptr && !ended_ && !retries_) Follow();
  pane().OnNews();
}

void ActionView::Begin() {
  shell_.background().Run(
      lifetime_.token(), [info = context_.info] { return Prepare(info); },
      [this](absl::StatusOr<Begun> begun_now) {
        if (begun()) return;
        info_status_ = begun_now.status();
        shell_.Redraw();
        if (!begun_now.ok()) return;
        context_.action = std::move(begun_now->action);
        context_.results = std::move(begun_now->results);
        if (context_.action.operations_size() > 0)
          context_.module = shell_.backend().modules().Find(context_.action.operations(0).module());
        auto rows = std::make_unique<RowsPane>(context_);
        auto hosts = std::make_unique<HostsPane>(context_);
        rows_ = rows.get();
        hosts_ = hosts.get();
        panes_ = {NewStacksPane(context_), std::move(rows), std::move(hosts),
                  NewDocumentPane(context_)};
        Verify();
        pane().OnShown();
        Follow();
      });
}

void ActionView::Verify() {
  const std::shared_ptr<const TrustPolicy> policy = shell_.backend().policy();
  if (policy == nullptr || policy == verifying_with_) return;
  verifying_with_ = policy;
  shell_.background().Run(
      lifetime_.token(),
      [policy, envelope = context_.info.envelope(), modules = &shell_.backend().modules(),
       now = shell_.backend().now()] { return VerifyAction(envelope, *policy, *modules, now); },
      [this, policy](absl::StatusOr<ActionVerification> verification) {
        // There is a newer policy.
        if (policy != verifying_with_) return;
        // A run shows its sweep's document, by its own id (Prepare).
        v1::Action shown = context_.action;
        shown.set_id(std::string(SweepOfRun(shown.id())));
        // What is shown came first; signatures on something else say nothing about it.
        if (verification.ok() &&
            verification->action.SerializeAsString() != shown.SerializeAsString()) {
          verification = absl::DataLossError(
              "the scheduler now gives another document with this id than the one that is shown: "
              "don't trust this scheduler");
        }
        context_.verify_status = verification.status();
        context_.verification = std::nullopt;
        context_.policy = policy;
        if (verification.ok()) context_.verification = *std::move(verification);
        pane().OnNews();
        shell_.Redraw();
      });
}

// ---- the stream

void ActionView::Follow() {
  stream_status_ = absl::OkStatus();
  reader_ = std::make_unique<StreamReader<ResultNews>>(
      shell_.loop(), shell_.background(),
      [client = shell_.backend().client(), results = context_.results] {
        return OpenResults(*client, results);
      },
      StreamReader<ResultNews>::Hooks{
          .on_events = [this](std::vector<ResultNews> news) { OnNews(news); },
          .on_end = [this](const absl::Status& status) { OnStreamEnd(status); }});
}

void ActionView::OnNews(const std::vector<ResultNews>& news) {
  attempts_ = 0;
  for (const ResultNews& each : news) {
    if (each.progress.has_value()) {
      context_.progress = *each.progress;
      pace_.Add(SteadyNow(), context_.progress);
    }
    ended_ |= each.end;
  }
  context_.loading = !ended_;
  if (telling_) return;
  telling_ = true;
  shell_.loop().After(ended_ ? absl::ZeroDuration() : kTellPause, lifetime_.token(), [this] {
    telling_ = false;
    TellPanes();
  });
}

void ActionView::TellPanes() {
  // All of them: a filter goes on while another pane is looked at.
  for (const auto& each : panes_)
    if (each.get() == &pane() || each.get() == rows_ || each.get() == hosts_) each->OnNews();
  if (shown_) shell_.Redraw();
}

void ActionView::OnStreamEnd(const absl::Status& status) {
  reader_ = nullptr;
  TellPanes();
  if (ended_) return;
  stream_status_ =
      status.ok() ? absl::UnavailableError("the scheduler ended the stream early") : status;
  retries_ = IsLost(status);
  if (!retries_) return;
  shell_.loop().After(Backoff(attempts_++), lifetime_.token(), [this] {
    if (reader_ == nullptr && !ended_) Follow();
  });
}

void ActionView::ReadAgain() {
  Fetch();
  if (begun() && reader_ == nullptr && !ended_ && !retries_) Follow();
}

// ---- panes

void ActionView::ShowPane(ActionTab tab) {
  if (tab != tab_) {
    pane().OnHidden();
    tab_ = tab;
  }
  pane().OnShown();
  shell_.Redraw();
}

void ActionView::SetOperation(uint32_t operation) {
  context_.operation = operation;
  context_.module = shell_.backend().modules().Find(
      context_.action.operations(static_cast<int>(operation)).module());
  for (const auto& each : panes_) each->OnOperation();
  shell_.Redraw();
}

void ActionView::OnShown() {
  shown_ = true;
  ticker_.Start();
  if (begun()) pane().OnShown();
}

void ActionView::OnHidden() {
  shown_ = false;
  ticker_.Stop();
  if (begun()) pane().OnHidden();
}

void ActionView::Tick() {
  // The policy comes when it comes.
  if (begun()) Verify();
  if (!ended_) shell_.Redraw();
}

bool ActionView::OnKey(const Key& key) {
  if (begun() && pane().OnKey(key)) return true;
  if (begun() && pane().Busy()) return false;
  return OnViewKey(key);
}

bool ActionView::OnViewKey(const Key& key) {
  if (key.IsControl(U'r')) return ReadAgain(), true;
  if (!begun()) return false;
  const auto turn = [&](size_t by) {
    ShowPane(static_cast<ActionTab>((static_cast<size_t>(tab_) + by) % kPanes));
    return true;
  };
  if (key.code == Key::Code::kTab || key.Is(U']')) return turn(1);
  if (key.code == Key::Code::kBackTab || key.Is(U'[')) return turn(kPanes - 1);
  if (key.Is(U'o')) {
    const auto operations = static_cast<uint32_t>(context_.action.operations_size());
    if (operations > 1) SetOperation((context_.operation + 1) % operations);
    return true;
  }
  const auto order = [&](v1::Order::Kind kind) {
    if (SweepOfRun(action_id_) != action_id_) {
      shell_.SayError("A run takes no orders of its own: give them about its sweep");
    } else {
      GiveOrder(shell_, kind, context_.action.id());
    }
    return true;
  };
  if (key.Is(U'p') || key.Is(U'P')) return order(v1::Order::KIND_PAUSE);
  if (key.Is(U'r') || key.Is(U'R')) return order(v1::Order::KIND_RESUME);
  if (key.Is(U'c') || key.Is(U'C')) return order(v1::Order::KIND_CANCEL);
  return false;
}

std::optional<Point> ActionView::Cursor() const {
  if (!begun()) return std::nullopt;
  return pane().Cursor();
}

bool ActionView::TakesText() const { return begun() && pane().TakesText(); }

std::vector<KeyHint> ActionView::Keys() const {
  if (!begun()) return {{"Esc", "Back"}, {"Ctrl-R", "Again"}};
  std::vector<KeyHint> keys = pane().Keys();
  if (pane().Busy()) return keys;
  keys.push_back({"Tab", "Next tab"});
  if (context_.action.operations_size() > 1) keys.push_back({"o", "Operation"});
  for (const KeyHint& each : {KeyHint{"P", "Pause"}, {"R", "Resume"}, {"C", "Cancel"}})
    keys.push_back(each);
  return keys;
}

std::string ActionView::Help() const {
  const std::string pane_help = begun() ? pane().Help() : "";
  return StrCat(pane_help, pane_help.empty() ? "" : "\n",
                "The action\n"
                "  Tab, ]      the next of Stacks, Rows, Hosts, Document;\n"
                "              Shift-Tab, [ the one before\n"
                "  o           the next operation, of an action with several\n"
                "  P, R, C     pause, resume, cancel it: signed orders (small\n"
                "              letters, too, where a tab doesn't use them)\n"
                "  Ctrl-R      asks the scheduler again, after an error\n"
                "  Esc         back; rows that were read are forgotten, a file\n"
                "              that is being written is removed\n");
}

}  // namespace dragnet::console::tui
