#include "console/tui/app.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "console/investigation/shell_words.h"
#include "console/output/cell.h"
#include "console/tui/command/completion.h"
#include "console/tui/command/history.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/text_view.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kMostErrors = 100;
// Of a message that is longer than a line; errors are whole on F8.
constexpr size_t kMostMessageLines = 5;
constexpr int kLeastWidth = 40;
constexpr int kLeastHeight = 8;

struct TabName {
  Tab tab;
  std::string_view key;
  std::string_view name;
};
constexpr TabName kTabNames[] = {
    {Tab::kFleet, "1", "Fleet"},         {Tab::kActions, "2", "Actions"}, {Tab::kNew, "3", "New"},
    {Tab::kApprovals, "4", "Approvals"}, {Tab::kSweeps, "5", "Sweeps"},
};

constexpr std::string_view kShellHelp =
    "Everywhere\n"
    "  1 2 3 4 5   Fleet, Actions, New, Approvals, Sweeps (also F1 to F5)\n"
    "  Tab         the next of these, Shift-Tab the one before (where a view doesn't use it)\n"
    "  :           a command: an action as one line (file --path /etc), or fleet, actions, new,\n"
    "              approvals, sweeps, load FILE, save NAME, help, quit. Tab completes,\n"
    "              arrows recall\n"
    "  Esc         back\n"
    "  ?           this help\n"
    "  F8          the last errors\n"
    "  Ctrl-L      draws the screen anew\n"
    "  Ctrl-Z      to the shell; fg comes back\n"
    "  Q, Ctrl-C   leaves the console; actions go on\n";

}  // namespace

App::App(Backend& backend) : backend_(backend) {
  command_.set_complete([this](std::string_view before, size_t* start) {
    return CompleteCommand(backend_.modules(), form_->template_names(), before, start);
  });
  backend_.set_ask_secret(
      [this](std::string_view what, std::function<void(absl::StatusOr<std::string>)> answer) {
        Question question;
        question.title = "Signing key";
        question.text = std::string(what);
        question.secret = true;
        Open(NewQuestion(
            question, [answer](std::string text) { answer(std::move(text)); },
            [answer] { answer(absl::CancelledError("not signed: no passphrase was given")); }));
      });
  stacks_[static_cast<size_t>(Tab::kFleet)].push_back(NewFleetView(*this));
  stacks_[static_cast<size_t>(Tab::kActions)].push_back(NewActionsView(*this));
  std::unique_ptr<FormScreen> form = NewFormView(*this);
  form_ = form.get();
  stacks_[static_cast<size_t>(Tab::kNew)].push_back(std::move(form));
  stacks_[static_cast<size_t>(Tab::kApprovals)].push_back(NewApprovalsView(*this));
  stacks_[static_cast<size_t>(Tab::kSweeps)].push_back(NewSweepsView(*this));
  backend_.OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
    if (activity.proposals()) CountProposals();
  });
  top().OnShown();
}

App::~App() = default;

// ---- drawing

void App::Draw(Surface* surface) {
  surface->Clear();
  cursor_ = std::nullopt;
  const Canvas canvas(surface);
  if (canvas.width() < kLeastWidth || canvas.height() < kLeastHeight) {
    canvas.Put(0, 0, "too small: make the window larger", kError);
    return;
  }
  DrawBar(canvas.Top(1));
  canvas.PutLine(1, top().Title(), kBold);
  const Canvas middle = canvas.Below(2).Above(2);
  top().Draw(middle);
  cursor_ = top().Cursor();
  DrawMessage(canvas.Above(1));
  DrawKeys(canvas.Bottom(1));
  if (commanding_ && !command_error_.empty()) {
    middle.Bottom(1).PutLine(0, command_error_, kError);
  } else if (commanding_ && command_.candidates().size() > 1) {
    DrawCandidates(middle, command_.candidates());
  }
  if (Overlay* const overlay = Front(); overlay != nullptr) {
    overlay->Draw(canvas.Below(1).Above(1));
    overlays_.back().seen = true;
    cursor_ = overlay->Cursor();
  } else if (commanding_) {
    cursor_ = command_.cursor();
  }
}

std::optional<Point> App::Cursor() const { return cursor_; }

// In columns over the end of the view; how many there are more, if there is no room.
void App::DrawCandidates(const Canvas& middle, const std::vector<std::string>& words) {
  int width = 1;
  for (const std::string& word : words) width = std::max(width, WidthOnScreen(word) + 2);
  const auto columns = static_cast<size_t>(std::max(middle.width() / width, 1));
  const auto most = static_cast<size_t>(std::max(middle.height() / 2, 1));
  const size_t rows = std::min((words.size() + columns - 1) / columns, most);
  const Canvas box = middle.Bottom(static_cast<int>(rows));
  box.Fill(kMuted);
  const size_t cells = rows * columns;
  for (size_t i = 0; i < std::min(words.size(), cells); ++i) {
    const bool cut = i + 1 == cells && words.size() > cells;
    box.Put(static_cast<int>(i % columns) * width, static_cast<int>(i / columns),
            cut ? StrCat("… ", words.size() - i, " more") : words[i], kMuted, width - 1);
  }
}

void App::DrawBar(const Canvas& canvas) {
  canvas.PutLine(0, " dragnet ", kHeader);
  int x = 10;
  for (const TabName& each : kTabNames) {
    std::string text = StrCat(" ", each.key, " ", each.name);
    if (each.tab == Tab::kApprovals && open_proposals_ > 0)
      StrAppend(&text, " (", open_proposals_, ")");
    text += ' ';
    const Style style = each.tab == tab_ ? Selected(kHeader) : Style{Role::kHeader};
    x += canvas.Put(x, 0, text, style);
  }
  DrawConnection(canvas, x + 1);
}

void App::DrawConnection(const Canvas& canvas, int from) {
  const Backend::Connection& connection = backend_.connection();
  const std::string who = StrCat(backend_.config().name, "@", backend_.config().fleet_id, " ");
  if (connection.connected) {
    canvas.PutRight(from, 0, canvas.width() - from, StrCat("● ", who), kHeader);
    return;
  }
  canvas.PutRight(from, 0, canvas.width() - from, StrCat("○ no scheduler: ", who),
                  Selected(kHeader));
}

void App::DrawMessage(const Canvas& room) {
  const Canvas canvas = room.Bottom(1);
  if (commanding_) {
    canvas.Put(0, 0, ":", kKey);
    command_.Draw(canvas.Part({1, 0, canvas.width() - 1, 1}), kNormal);
    return;
  }
  if (!message_.empty()) {
    // What doesn't fit goes on in lines above, over the view, until the next key.
    std::vector<std::string> lines;
    BreakLine(ForTerminal(message_), room.width() - 2, &lines);
    if (lines.size() > kMostMessageLines) {
      lines.resize(kMostMessageLines);
      lines.back() += " …";
    }
    const Canvas place = room.Bottom(static_cast<int>(lines.size()));
    for (size_t i = 0; i < lines.size(); ++i)
      place.PutLine(static_cast<int>(i), lines[i], message_is_error_ ? kError : kNormal);
    return;
  }
  const Backend::Connection& connection = backend_.connection();
  if (!connection.connected) {
    canvas.Put(0, 0, StrCat(connection.problem, "; trying again"), kWarning);
    return;
  }
  if (!backend_.policy_status().ok()) {
    canvas.Put(0, 0, ToStd(backend_.policy_status().message()), kError);
  }
}

void App::DrawKeys(const Canvas& canvas) {
  std::vector<KeyHint> keys;
  if (const Overlay* const overlay = Front(); overlay != nullptr) {
    keys = overlay->Keys();
  } else if (commanding_) {
    keys = {{"Enter", "Run"}, {"Tab", "Complete"}, {"↑", "Earlier"}, {"Esc", "Cancel"}};
    if (!overlays_.empty()) keys.insert(keys.begin(), {"!", "a question waits"});
  } else {
    keys = top().Keys();
    // Where text is typed it is a character.
    if (!top().TakesText()) keys.push_back({"?", "Help"});
    if (!overlays_.empty()) keys.insert(keys.begin(), {"!", "a question waits"});
  }
  int x = 0;
  for (const KeyHint& hint : keys) {
    if (x + WidthOnScreen(hint.key) + WidthOnScreen(hint.what) + 1 > canvas.width()) return;
    x += canvas.Put(x, 0, hint.key, kKey);
    x += 1 + canvas.Put(x + 1, 0, hint.what, kMuted);
    x += 2;
  }
}

// ---- keys

void App::OnKey(const Key& key) {
  retired_.clear();
  Redraw();
  in_key_ = true;
  const absl::Cleanup done = [this] { in_key_ = false; };
  // What was pressed before a question was seen is not its answer.
  if (Overlay* const overlay = Front(); overlay != nullptr && overlays_.back().seen) {
    // It may ask another one, or pop views, while it answers.
    if (overlay->OnKey(key)) {
      std::erase_if(overlays_, [&](const auto& each) { return each.overlay.get() == overlay; });
    }
    return;
  }
  if (message_is_error_ || key.code != Key::Code::kMouse) message_.clear();
  message_is_error_ = false;
  if (commanding_) return OnCommandKey(key);
  const bool plain = key.code == Key::Code::kCharacter;
  // Where text is typed letters are the view's; everywhere else the view comes first, too.
  if (top().OnKey(key)) return;
  if (plain && top().TakesText()) return;
  OnShellKey(key);
}

bool App::OnShellKey(const Key& key) {
  const auto next_tab = [&](size_t by) {
    ShowTab(static_cast<Tab>((static_cast<size_t>(tab_) + by) % kTabs));
    return true;
  };
  switch (key.code) {
    case Key::Code::kFunction:
      if (key.number >= 1 && key.number <= static_cast<int>(kTabs))
        return ShowTab(static_cast<Tab>(key.number - 1)), true;
      if (key.number == 8) {
        std::string text;
        // One line each, whatever the words are that came from a scheduler.
        for (const std::string& error : errors_) StrAppend(&text, ForTerminal(error), "\n\n");
        Open(NewReading("Last errors", text.empty() ? "None so far." : text));
        return true;
      }
      return false;
    case Key::Code::kTab:
      return next_tab(1);
    case Key::Code::kBackTab:
      return next_tab(kTabs - 1);
    case Key::Code::kEscape:
      Pop();
      return true;
    case Key::Code::kControl:
      if (key.character == U'c') return AskToQuit(), true;
      if (key.character == U'l' && on_repaint != nullptr) return on_repaint(), true;
      if (key.character == U'z' && on_suspend != nullptr) return on_suspend(), true;
      return false;
    case Key::Code::kMouse:
      return false;
    case Key::Code::kCharacter:
      if (key.character >= U'1' && key.character < U'1' + kTabs)
        return ShowTab(static_cast<Tab>(key.character - U'1')), true;
      if (key.character == U'?') return ShowHelp(), true;
      if (key.character == U'Q') return AskToQuit(), true;
      if (key.character == U'q') {
        if (stack().size() > 1) return Pop(), true;
        return AskToQuit(), true;
      }
      if (key.character == U':') {
        BeginCommand("");
        LoadHistory();
        return true;
      }
      return false;
    default:
      return false;
  }
}

void App::OnCommandKey(const Key& key) {
  if (key.code == Key::Code::kEscape || key.IsControl(U'c') || key.IsControl(U'g') ||
      (key.code == Key::Code::kBackspace && command_.empty())) {
    commanding_ = false;
    return;
  }
  command_error_.clear();
  if (key.code != Key::Code::kEnter) {
    command_.OnKey(key);
    return;
  }
  commanding_ = false;
  const std::string line(absl::StripAsciiWhitespace(command_.text()));
  if (line.empty()) return;
  command_.AddToHistory(line);
  KeepHistory(line);
  const absl::Status done = RunCommand(line);
  if (done.ok()) return;
  BeginCommand(line);
  command_error_ = ToStd(done.message());
}

void App::BeginCommand(const std::string& text) {
  commanding_ = true;
  command_.SetText(text);
  command_error_.clear();
}

absl::Status App::RunCommand(const std::string& line) {
  const std::string word = line.substr(0, line.find(' '));
  const std::string rest(absl::StripAsciiWhitespace(line.substr(word.size())));
  if (word == "q" || word == "quit") return Quit(), absl::OkStatus();
  if (word == "help") return ShowHelp(), absl::OkStatus();
  if (word == "load" || word == "save") {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> words, SplitShellWords(rest));
    if (words.size() != 1) return absl::InvalidArgumentError(StrCat(word, ": takes one name"));
    ShowTab(Tab::kNew);
    ShowForm();
    word == "load" ? form_->Load(words.front()) : form_->Save(words.front());
    return absl::OkStatus();
  }
  for (const TabName& each : kTabNames)
    if (word == absl::AsciiStrToLower(std::string(each.name)))
      return ShowTab(each.tab), absl::OkStatus();
  if (backend_.modules().Find(word) != nullptr) {
    DRAGNET_RETURN_IF_ERROR(form_->Open(line, ""));
    ShowTab(Tab::kNew);
    ShowForm();
    return absl::OkStatus();
  }
  SayError(StrCat(word, ": neither a module nor a screen; Tab shows what there is"));
  return absl::OkStatus();
}

void App::LoadHistory() {
  backend_.background().Run(
      lifetime_.token(), [directory = backend_.directory()] { return tui::LoadHistory(directory); },
      [this](absl::StatusOr<std::vector<std::string>> history) {
        if (!history.ok()) return SayError(ToStd(history.status().message()));
        if (!history->empty() && command_.empty()) command_.set_history(*std::move(history));
      });
}

void App::KeepHistory(const std::string& line) {
  backend_.background().Run(
      lifetime_.token(),
      [directory = backend_.directory(), line] { return AddToHistory(directory, line).status(); },
      [this](const absl::Status& kept) {
        if (!kept.ok())
          SayError(StrCat("the command isn't kept for another time: ", kept.message()));
      });
}

void App::ShowHelp() {
  Open(NewReading(StrCat("Help: ", top().Title()),
                  StrCat(top().Help(), "\n\n", kShellHelp, "\ndragnet ", kVersion)));
}

void App::AskToQuit() {
  Confirm("Leave", "Leave the console? Actions that run go on.", [this] { Quit(); });
}

// ---- Shell

void App::ShowTab(Tab tab) {
  // Once more the same: back to its list.
  while (tab == tab_ && stack().size() > 1) Pop();
  if (tab == tab_) return;
  top().OnHidden();
  tab_ = tab;
  top().OnShown();
  Redraw();
}

void App::OpenAgent(const std::string& agent_id) { Push(NewAgentView(*this, agent_id)); }

void App::OpenAction(const std::string& action_id) { Push(NewActionView(*this, action_id)); }

void App::OpenNew(const std::string& line, const std::string& target) {
  const absl::Status opened = form_->Open(line, target);
  if (!opened.ok()) return SayError(ToStd(opened.message()));
  ShowTab(Tab::kNew);
  ShowForm();
}

// What lies over the form in its tab goes; the form itself keeps what was typed.
void App::ShowForm() {
  while (stack().size() > 1) Pop();
  Redraw();
}

void App::Push(std::unique_ptr<View> view) {
  top().OnHidden();
  stack().push_back(std::move(view));
  top().OnShown();
  Redraw();
}

void App::Pop() {
  if (stack().size() < 2) return;
  top().OnHidden();
  Retire(std::move(stack().back()));
  stack().pop_back();
  top().OnShown();
  Redraw();
}

void App::Retire(std::unique_ptr<View> view) {
  retired_.push_back(std::move(view));
  // After what runs now, so that a view may ask to be popped.
  backend_.loop().Post(lifetime_.token(), [this] { retired_.clear(); });
}

void App::Say(std::string_view text) {
  message_ = text;
  message_is_error_ = false;
  Redraw();
}

void App::SayError(std::string_view text) {
  message_ = text;
  message_is_error_ = true;
  errors_.push_front(StrCat(LocalTime(backend_.now()), "  ", text));
  if (errors_.size() > kMostErrors) errors_.pop_back();
  Redraw();
}

void App::Confirm(const std::string& title, const std::string& text, std::function<void()> yes) {
  Open(NewConfirmation(title, text, std::move(yes)));
}

void App::Ask(const Question& question, std::function<void(std::string)> answer) {
  Open(NewQuestion(question, std::move(answer), nullptr));
}

// A question may come at any time, from work in the background. It never takes the
// place of one that is being answered, nor the keys of who types something else: a
// "y" of a passphrase or of a name would sign what nobody read.
void App::Open(std::unique_ptr<Overlay> overlay) {
  // One that a key asked for gets the next keys.
  Asked asked{.overlay = std::move(overlay), .seen = in_key_};
  auto place = overlays_.end();
  if (!overlays_.empty() && !in_key_) place = overlays_.begin();
  // Asked by the answer to the one in front, which goes.
  if (!overlays_.empty() && in_key_ && overlays_.back().seen) place = overlays_.end() - 1;
  overlays_.insert(place, std::move(asked));
  Redraw();
}

Overlay* App::Front() {
  if (overlays_.empty()) return nullptr;
  const bool typing = commanding_ || top().TakesText();
  return typing && !overlays_.back().seen ? nullptr : overlays_.back().overlay.get();
}

void App::Quit() { backend_.loop().Quit(); }

void App::CountProposals() {
  backend_.background().Run(
      lifetime_.token(),
      [client = backend_.client()] { return client->ListProposals(v1::ListProposalsRequest()); },
      [this](absl::StatusOr<v1::ListProposalsResponse> response) {
        if (!response.ok()) return;
        open_proposals_ = static_cast<size_t>(response->proposals_size());
        Redraw();
      });
}

}  // namespace dragnet::console::tui
