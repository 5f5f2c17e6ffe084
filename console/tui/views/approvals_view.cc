// The screen Approvals: what waits for signatures, its whole document, and one's own
// decision about it.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "console/investigation/delivery.h"
#include "console/tui/views/proposal_decision.h"
#include "console/tui/views/proposal_entry.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/table_view.h"
#include "console/tui/widgets/text_view.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr int kWide = 120;
constexpr absl::Duration kClockTick = absl::Seconds(20);

constexpr char kHelp[] =
    "Actions that too few have signed: they are sent to no agent before. What is shown is decoded "
    "from the signed bytes, and who signed is checked here against the trust policy.\n"
    "\n"
    "  ↑ ↓      from one to the next\n"
    "  Enter    its document over the whole screen, to scroll in; Esc comes back\n"
    "  s        signs it; when that is enough it is launched at once\n"
    "  r        refuses it, with a reason: signed by you, seen by all, for good\n"
    "  c        those that were launched, refused or have expired lately, too\n";

class ApprovalsView : public View {
 public:
  explicit ApprovalsView(Shell& shell) : shell_(shell) {
    document_.MarkContinued();
    table_.SetColumns({{.title = "NAME", .width = 14, .weight = 3},
                       {.title = "MODULES", .width = 8, .weight = 1},
                       {.title = "FROM", .width = 7},
                       {.title = "SIGNED", .width = 10, .weight = 1},
                       {.title = "MISSING", .width = 12, .weight = 1},
                       {.title = "EXPIRES", .width = 7, .right_aligned = true},
                       {.title = "REACH", .width = 10}});
    table_.set_cells([this](size_t row, size_t column) { return CellAt(entries_[row], column); });
    shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
      if (activity.proposals() || activity.trust_policy()) Fetch();
    });
  }

  std::string Title() const override {
    const auto open = std::count_if(entries_.begin(), entries_.end(),
                                    [](const ProposalEntry& entry) { return entry.open(); });
    std::string title = StrCat("Approvals: ", open, " waiting");
    if (with_closed_)
      StrAppend(&title, ", ", entries_.size() - static_cast<size_t>(open), " closed");
    if (!doing_.empty()) StrAppend(&title, "   ", doing_, "…");
    return title;
  }
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override { return kHelp; }
  void OnShown() override {
    shown_ = true;
    Tick();
  }
  void OnHidden() override { shown_ = false; }

 private:
  TableCell CellAt(const ProposalEntry& entry, size_t column) const;
  const ProposalEntry* Current() const;
  std::string ReachOfEntry(const ProposalEntry& entry) const;
  // Draws anew now and then, for the time that is left.
  void Tick();

  void Fetch();
  void Take(std::vector<ProposalEntry> entries);
  // Of targets that weren't counted yet; or, `again`, of all.
  void AskReach(bool again);
  void AskFate(const std::string& id, const std::string& name);

  void Sign();
  void AskToSign(const ProposalEntry& entry, bool launches, const std::string& reach);
  void DoSign(const ProposalEntry& entry);
  void Refuse();
  void DoRefuse(const ProposalEntry& entry, const std::string& reason);
  void Done(const absl::Status& status);

  void DrawDocument(const Canvas& canvas);

  Shell& shell_;
  Lifetime lifetime_;
  std::vector<ProposalEntry> entries_;
  // By target: what the scheduler counted.
  std::map<std::string, std::string> reach_;
  TableView table_;
  TextView document_;
  std::string selected_id_;
  // The one whose document was opened; it stays when it leaves the list.
  std::optional<ProposalEntry> opened_;
  bool with_closed_ = false;
  bool shown_ = false;
  bool ticking_ = false;
  bool fetching_ = false;
  bool fetch_again_ = false;
  bool fetched_ = false;
  absl::Status fetch_status_;
  // What is being done; empty: nothing.
  std::string doing_;
};

// ---- what there is

void ApprovalsView::Tick() {
  if (ticking_ || !shown_) return;
  ticking_ = true;
  shell_.loop().After(kClockTick, lifetime_.token(), [this] {
    ticking_ = false;
    if (shown_) AskReach(/*again=*/true);
    shell_.Redraw();
    Tick();
  });
}

void ApprovalsView::Fetch() {
  if (fetching_) {
    fetch_again_ = true;
    return;
  }
  fetching_ = true;
  Backend& backend = shell_.backend();
  shell_.background().Run(
      lifetime_.token(),
      [client = backend.client(), policy = backend.policy(), modules = &backend.modules(),
       now = backend.now(),
       with_closed = with_closed_]() -> absl::StatusOr<std::vector<ProposalEntry>> {
        v1::ListProposalsRequest request;
        request.set_with_closed(with_closed);
        DRAGNET_ASSIGN_OR_RETURN(v1::ListProposalsResponse response,
                                 client->ListProposals(request));
        std::vector<ProposalEntry> entries;
        for (v1::Proposal& proposal : *response.mutable_proposals())
          entries.push_back(Examine(std::move(proposal), policy.get(), *modules, now, *client));
        return entries;
      },
      [this](absl::StatusOr<std::vector<ProposalEntry>> entries) {
        fetching_ = false;
        fetch_status_ = entries.status();
        // What was there stays while the scheduler is away.
        if (entries.ok()) Take(*std::move(entries));
        shell_.Redraw();
        if (std::exchange(fetch_again_, false)) Fetch();
      });
}

void ApprovalsView::Take(std::vector<ProposalEntry> entries) {
  fetched_ = true;
  const std::string watched = opened_.has_value() ? opened_->id() : selected_id_;
  std::string watched_name;
  for (const ProposalEntry& entry : entries_)
    if (entry.id() == watched && entry.open()) watched_name = entry.name();
  entries_ = std::move(entries);
  std::stable_partition(entries_.begin(), entries_.end(),
                        [](const ProposalEntry& entry) { return entry.open(); });
  table_.SetCount(entries_.size());
  bool there = false;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].id() == selected_id_) table_.Select(i);
    if (entries_[i].id() != watched) continue;
    if (opened_.has_value()) opened_ = entries_[i];
    there = entries_[i].open();
  }
  selected_id_ = entries_.empty() ? "" : entries_[table_.selected()].id();
  if (!there && !watched_name.empty()) AskFate(watched, watched_name);
  AskReach(/*again=*/false);
}

void ApprovalsView::AskFate(const std::string& id, const std::string& name) {
  Backend& backend = shell_.backend();
  shell_.background().Run(
      lifetime_.token(),
      [id, client = backend.client(), policy = backend.policy(), modules = &backend.modules(),
       now = backend.now()]() -> absl::StatusOr<ProposalEntry> {
        v1::ListProposalsRequest request;
        request.set_with_closed(true);
        DRAGNET_ASSIGN_OR_RETURN(v1::ListProposalsResponse response,
                                 client->ListProposals(request));
        for (v1::Proposal& proposal : *response.mutable_proposals())
          if (proposal.action_id() == id)
            return Examine(std::move(proposal), policy.get(), *modules, now, *client);
        return absl::NotFoundError("the scheduler doesn't know it any more");
      },
      [this, id, name](absl::StatusOr<ProposalEntry> entry) {
        // One's own decision is told by who took it.
        if (!doing_.empty()) return;
        const std::string fate = entry.ok() ? entry->fate : std::string(entry.status().message());
        shell_.Say(StrCat(name, ": ", fate));
        if (opened_.has_value() && opened_->id() == id && entry.ok()) opened_ = *std::move(entry);
      });
}

void ApprovalsView::AskReach(bool again) {
  std::set<std::string> targets;
  for (const ProposalEntry& entry : entries_) {
    const std::string& target = entry.action.target();
    if (!entry.open() || target.empty() || (!again && reach_.contains(target))) continue;
    reach_.emplace(target, "…");
    targets.insert(target);
  }
  if (targets.empty()) return;
  using Found = std::map<std::string, std::string>;
  shell_.background().Run(
      lifetime_.token(),
      [targets, client = shell_.backend().client()] {
        Found found;
        for (const std::string& target : targets) {
          const absl::StatusOr<Reach> reach = ReachOf(target, *client);
          // Asked anew next time where there was no answer.
          if (reach.ok()) found[target] = ReachWords(*reach);
        }
        return found;
      },
      [this, targets](Found found) {
        for (const std::string& target : targets) reach_.erase(target);
        reach_.merge(found);
        shell_.Redraw();
      });
}

std::string ApprovalsView::ReachOfEntry(const ProposalEntry& entry) const {
  if (!entry.open()) return "";
  const auto found = reach_.find(entry.action.target());
  return found == reach_.end() ? "" : found->second;
}

const ProposalEntry* ApprovalsView::Current() const {
  if (opened_.has_value()) return &*opened_;
  return entries_.empty() ? nullptr : &entries_[table_.selected()];
}

TableCell ApprovalsView::CellAt(const ProposalEntry& entry, size_t column) const {
  const Style style = !entry.open() ? kMuted : !entry.distrust.empty() ? kError : kNormal;
  switch (column) {
    case 0:
      return {entry.distrust.empty() ? entry.name() : StrCat("✗ ", entry.name()), style};
    case 1:
      return {entry.modules(), style};
    case 2:
      return {entry.proposal.proposed_by(), style};
    case 3:
      return {entry.signers.empty() ? "no one" : absl::StrJoin(entry.signers, ", "), style};
    case 4:
      if (!entry.open()) {
        return {entry.proposal.state() == v1::Proposal::STATE_LAUNCHED  ? "launched"
                : entry.proposal.state() == v1::Proposal::STATE_REFUSED ? "refused"
                                                                        : "expired",
                style};
      }
      return {entry.missing, entry.distrust.empty() ? kWarning : kError};
    case 5:
      return {entry.open() ? TimeLeft(entry.expires() - shell_.backend().now()) : "", style};
    default:
      return {ReachOfEntry(entry), style};
  }
}

// ---- decisions

void ApprovalsView::Done(const absl::Status& status) {
  doing_.clear();
  if (!status.ok()) shell_.SayError(status);
  shell_.Redraw();
  Fetch();
}

void ApprovalsView::Sign() {
  const ProposalEntry* current = Current();
  if (current == nullptr) return;
  if (!doing_.empty()) return shell_.Say(StrCat("wait: ", doing_));
  Backend& backend = shell_.backend();
  bool launches = false;
  const std::string why = WhyNotSign(*current, backend.config().name, backend.policy().get(),
                                     backend.modules(), backend.now(), &launches);
  if (!why.empty()) return shell_.SayError(StrCat("not signed: ", why));
  doing_ = "counting its reach";
  shell_.background().Run(
      lifetime_.token(),
      [target = current->action.target(), client = backend.client()] {
        return ReachOf(target, *client);
      },
      [this, entry = *current, launches](const absl::StatusOr<Reach>& reach) {
        doing_.clear();
        AskToSign(
            entry, launches,
            reach.ok() ? ReachWords(*reach) : StrCat("not known: ", reach.status().message()));
      });
}

void ApprovalsView::AskToSign(const ProposalEntry& entry, bool launches, const std::string& reach) {
  Backend& backend = shell_.backend();
  const std::string question =
      StrCat(launches ? "Sign and launch" : "Sign", ", as ", backend.config().name, "?");
  const std::string text =
      StrCat(launches ? "With your signature it has enough: it is launched at once."
                      : "With your signature it still waits for others.",
             "\n\n", DescribeEntry(entry, reach, backend.config().name, backend.modules()), "\n",
             question);
  shell_.Confirm(question, text, [this, entry] { DoSign(entry); });
}

void ApprovalsView::DoSign(const ProposalEntry& entry) {
  doing_ = "signing";
  shell_.backend().WithSigner(lifetime_.token(), [this, entry](auto signer) {
    if (!signer.ok()) return Done(Annotate(signer.status(), "not signed"));
    Backend& backend = shell_.backend();
    const std::shared_ptr<const TrustPolicy> policy = backend.policy();
    if (policy == nullptr)
      return Done(absl::FailedPreconditionError("not signed: there is no verified trust policy"));
    shell_.background().Run(
        lifetime_.token(),
        [entry, signer = *std::move(signer), name = backend.config().name, policy,
         modules = &backend.modules(), now = backend.now(), client = backend.client()] {
          return SignAndPropose(entry, *signer, name, *policy, *modules, now, *client);
        },
        [this, id = entry.id(), name = entry.name()](const absl::StatusOr<SignResult>& result) {
          Done(result.status());
          if (!result.ok()) return;
          if (!result->launched) return shell_.Say(StrCat("signed ", name, "; ", result->words));
          opened_.reset();
          selected_id_.clear();
          shell_.Say(StrCat("signed and launched: ", name));
          shell_.OpenAction(id);
        });
  });
}

void ApprovalsView::Refuse() {
  const ProposalEntry* current = Current();
  if (current == nullptr) return;
  if (!doing_.empty()) return shell_.Say(StrCat("wait: ", doing_));
  Backend& backend = shell_.backend();
  const std::string why =
      WhyNotRefuse(*current, backend.config().name, backend.policy().get(), backend.modules());
  if (!why.empty()) return shell_.SayError(StrCat("not refused: ", why));
  Shell::Question question;
  question.title = StrCat("Refuse ", current->name());
  question.text = StrCat("Signed by ", absl::StrJoin(current->signers, ", "),
                         ". Your refusal is signed by you as ", backend.config().name,
                         ", seen by all, and for good: this action is never launched.\nWhy?");
  question.check = [](const std::string& reason) -> absl::Status {
    if (absl::StripAsciiWhitespace(reason).empty())
      return absl::InvalidArgumentError("say why: the others read it");
    if (reason.size() > kMaxOrderReason)
      return absl::InvalidArgumentError(StrCat("too long: at most ", kMaxOrderReason, " bytes"));
    return absl::OkStatus();
  };
  shell_.Ask(question,
             [this, entry = *current](const std::string& reason) { DoRefuse(entry, reason); });
}

void ApprovalsView::DoRefuse(const ProposalEntry& entry, const std::string& reason) {
  doing_ = "refusing";
  shell_.backend().WithSigner(lifetime_.token(), [this, entry, reason](auto signer) {
    if (!signer.ok()) return Done(Annotate(signer.status(), "not refused"));
    Backend& backend = shell_.backend();
    shell_.background().Run(
        lifetime_.token(),
        [action = entry.action, reason, signer = *std::move(signer),
         fleet = backend.config().fleet_id, now = backend.now(), client = backend.client()] {
          return SignRefusal(action, *signer, fleet, reason, now, *client);
        },
        [this, name = entry.name()](const absl::Status& refused) {
          if (refused.ok()) {
            opened_.reset();
            selected_id_.clear();
            shell_.Say(StrCat("refused: ", name, ": it is sent to no one"));
          }
          Done(refused);
        });
  });
}

// ---- keys and screen

bool ApprovalsView::OnKey(const Key& key) {
  if (key.Is(U's')) return Sign(), true;
  if (key.Is(U'r')) return Refuse(), true;
  if (key.Is(U'c')) {
    with_closed_ = !with_closed_;
    Fetch();
    return true;
  }
  if (opened_.has_value()) {
    if (key.code == Key::Code::kEscape || key.Is(U'q')) {
      opened_.reset();
      return true;
    }
    return document_.OnKey(key);
  }
  const bool open = key.code == Key::Code::kEnter ||
                    (key.code == Key::Code::kMouse && key.mouse == Key::Mouse::kDoubleClick);
  if (open && !entries_.empty()) {
    opened_ = entries_[table_.selected()];
    return true;
  }
  if (key.Is(U'J') || key.Is(U'K')) {
    Key scroll = key;
    scroll.code = key.Is(U'J') ? Key::Code::kDown : Key::Code::kUp;
    return document_.OnKey(scroll);
  }
  if (!table_.OnKey(key)) return false;
  if (!entries_.empty()) selected_id_ = entries_[table_.selected()].id();
  return true;
}

std::vector<KeyHint> ApprovalsView::Keys() const {
  std::vector<KeyHint> keys;
  const ProposalEntry* current = Current();
  if (current != nullptr && current->open() && current->distrust.empty()) {
    keys.push_back({"s", "Sign"});
    keys.push_back({"r", "Refuse"});
  }
  if (opened_.has_value()) {
    keys.push_back({"↑↓", "Scroll"});
    keys.push_back({"Esc", "Back"});
  } else if (current != nullptr) {
    keys.push_back({"Enter", "Whole document"});
  }
  keys.push_back({"c", with_closed_ ? "Only waiting" : "Closed, too"});
  return keys;
}

void ApprovalsView::DrawDocument(const Canvas& canvas) {
  const ProposalEntry* current = Current();
  if (current == nullptr) return;
  Backend& backend = shell_.backend();
  document_.SetText(
      DescribeEntry(*current, ReachOfEntry(*current), backend.config().name, backend.modules()));
  document_.Draw(canvas);
}

void ApprovalsView::Draw(const Canvas& canvas) {
  // What is shown may be older than it looks.
  std::string stale;
  if (!shell_.backend().connection().connected) {
    stale = "the scheduler is away: this is how it was before";
  } else if (!fetch_status_.ok()) {
    stale = StrCat("this is how it was before; the scheduler says: ", fetch_status_.message());
  }
  if (!stale.empty()) canvas.Bottom(1).PutLine(0, stale, kWarning);
  const Canvas body = stale.empty() ? canvas : canvas.Above(1);
  if (opened_.has_value()) return DrawDocument(body);
  if (entries_.empty()) {
    body.Put(2, 1,
             !fetched_      ? "asking the scheduler…"
             : with_closed_ ? "Nothing waits for a signature, and nothing did in the last 7 days."
                            : "Nothing waits for a signature.",
             kMuted);
    return;
  }
  if (body.width() >= kWide) {
    const int left = body.width() * 3 / 5;
    table_.Draw(body.Part({0, 0, left - 1, body.height()}));
    body.Part({left, 0, 1, body.height()}).Fill(kMuted, U'│');
    DrawDocument(body.Part({left + 2, 0, body.width() - left - 2, body.height()}));
    return;
  }
  const int rows = std::clamp(static_cast<int>(entries_.size()) + 1, 4, body.height() * 2 / 5);
  table_.Draw(body.Top(rows));
  body.Part({0, rows, body.width(), 1}).Fill(kMuted, U'─');
  DrawDocument(body.Below(rows + 1));
}

}  // namespace

std::unique_ptr<View> NewApprovalsView(Shell& shell) {
  return std::make_unique<ApprovalsView>(shell);
}

}  // namespace dragnet::console::tui
