// FormView: what is shown, and the help.
#include <algorithm>

#include "console/tui/views/form_view.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr int kWide = 110;
constexpr int kFooterColumn = 9;

constexpr char kHelp[] =
    "A form for one action, made from the module's own documentation. Below it: how many agents "
    "it reaches now, whether it is complete, and the command that does the same.\n"
    "\n"
    "  ↑ ↓         from field to field\n"
    "  Enter       types into one, Enter again is done; ↓ goes on to the next,\n"
    "              Esc leaves it as it was\n"
    "  Space       switches on and off, goes through the choices\n"
    "  a d         adds a value where several can be; removes one\n"
    "  t           the target: which agents\n"
    "  /           to a field by a word in its name or help\n"
    "  h           the whole help of the field\n"
    "  p F5        the document as it would be signed\n"
    "  Ctrl-S F10  shows the document, asks, signs and launches; proposes it\n"
    "              to the others where your signature alone is not enough\n"
    "  Ctrl-W      saves it as a template (:save NAME; :load NAME or FILE)\n"
    "  [ ]         another operation, in a template that has several\n"
    "  Esc         back to the modules; what was typed waits there\n"
    "\n"
    "As one line: \":file --path /etc --name '^passwd$'\" fills in the form and shows it; Enter "
    "or Ctrl-S launches it after a question. Nothing is launched without one.";

}  // namespace

std::string FormView::Help() const { return kHelp; }

void FormView::Draw(const Canvas& canvas) {
  if (!draft_.has_value()) return list_.Draw(canvas);
  const std::string command = CommandOf(draft_->WithoutEmpty());
  // What doesn't fit into one row gets another.
  const int footer = WidthOnScreen(command) > canvas.width() - kFooterColumn ? 5 : 4;
  command_.SetText(command);
  DrawForm(canvas.Above(footer));
  DrawFooter(canvas.Bottom(footer));
}

void FormView::DrawHelp(const Canvas& canvas) {
  if (fields_.candidates().size() > 1) {
    std::string words;
    for (const std::string& word : fields_.candidates()) StrAppend(&words, word, "  ");
    help_.SetText(words);
  } else {
    help_.SetText(fields_.Help());
  }
  canvas.Put(0, 0, fields_.HelpTitle(), kTitle);
  help_.Draw(canvas.Below(1));
}

void FormView::DrawForm(const Canvas& canvas) {
  if (canvas.width() >= kWide) {
    const int right = std::min(canvas.width() * 2 / 5, 80);
    const int left = canvas.width() - right;
    fields_.Draw(canvas.Part({0, 0, left - 1, canvas.height()}));
    canvas.Part({left, 0, 1, canvas.height()}).Fill(kMuted, U'│');
    DrawHelp(canvas.Part({left + 2, 0, right - 2, canvas.height()}));
    return;
  }
  const int below = std::clamp(canvas.height() / 3, 2, 12);
  fields_.Draw(canvas.Above(below + 1));
  canvas.Part({0, canvas.height() - below - 1, canvas.width(), 1}).Fill(kMuted, U'─');
  DrawHelp(canvas.Bottom(below));
}

void FormView::DrawFooter(const Canvas& canvas) {
  canvas.Part({0, 0, canvas.width(), 1}).Fill(kMuted, U'─');
  canvas.Put(0, 1, "Target", kLabel);
  int x = kFooterColumn;
  const std::string target = Target() == "true" ? "every agent" : Target();
  x += canvas.Put(x, 1, target, kNormal, std::max(canvas.width() / 2, 10));
  const std::string reach = reach_.empty() ? "counting…" : reach_;
  canvas.Put(x + 2, 1, StrCat(reach_is_error_ ? "✗ " : "", reach),
             reach_is_error_ ? kError : kBold);
  canvas.Put(0, 2, "Status", kLabel);
  if (!flow_.doing().empty()) {
    canvas.Put(kFooterColumn, 2, StrCat(flow_.doing(), "…"), kWarning);
  } else if (const std::string error = fields_.FirstError(); !error.empty()) {
    canvas.Put(kFooterColumn, 2, StrCat("✗ ", error), kError);
  } else if (checking_) {
    canvas.Put(kFooterColumn, 2, "checking…", kMuted);
  } else if (draft_->empty()) {
    canvas.Put(kFooterColumn, 2, "nothing is filled in yet: Enter types into a field", kMuted);
  } else if (!check_.ok()) {
    canvas.Put(kFooterColumn, 2, StrCat("✗ ", check_.message()), kError);
  } else {
    const std::optional<SignatureNeed> need = OwnNeed(*draft_, shell_.backend());
    const bool blocked = !CheckHasSay(need, shell_.backend()).ok();
    canvas.Put(kFooterColumn, 2, StrCat(blocked ? "✗ " : "✓ ready: ", NeedWords(need)),
               blocked                            ? kError
               : need.has_value() && need->enough ? kBold
                                                  : kWarning);
  }
  canvas.Put(0, 3, "Command", kLabel);
  command_.Draw(canvas.Part({kFooterColumn, 3, canvas.width() - kFooterColumn, 2}));
}

}  // namespace dragnet::console::tui
