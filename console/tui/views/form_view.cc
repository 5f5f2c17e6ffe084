#include "console/tui/views/form_view.h"

#include <utility>

#include "console/investigation/delivery.h"
#include "console/investigation/shell_words.h"
#include "console/tui/command/templates.h"
#include "console/tui/views/text_page.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"

namespace dragnet::console::tui {
namespace {

// After the last key, before what was typed is looked at as a whole.
constexpr absl::Duration kPause = absl::Milliseconds(200);
constexpr absl::Duration kBetweenCounts = absl::Seconds(2);
constexpr size_t kMostUnfinished = 20;

}  // namespace

FormView::FormView(Shell& shell)
    : shell_(shell),
      flow_(shell),
      list_(shell.backend().modules(),
            {.module = [this](const std::string& module) { Begin(module); },
             .go_on = [this](size_t index) { GoOn(index); },
             .drop =
                 [this](size_t index) {
                   unfinished_.erase(unfinished_.begin() + static_cast<std::ptrdiff_t>(index));
                   list_.SetUnfinished(unfinished_);
                 },
             .load = [this](const std::string& path) { LoadFile(path); }}),
      fields_([this] { OnChanged(); }, [this] { return shell_.backend().now(); }) {
  shell_.backend().OnActivity(lifetime_.token(), [this](const v1::Activity& activity) {
    if (activity.agents()) CountAgain();
    if (activity.trust_policy()) shell_.Redraw();
  });
}

// ---- which form

std::string FormView::Title() const {
  if (!draft_.has_value()) {
    return preset_target_.empty() ? "New: choose a module"
                                  : StrCat("New, for ", preset_target_, ": choose a module");
  }
  std::string title = StrCat("New: ", draft_->operations[operation_].form->name());
  if (draft_->operations.size() > 1)
    StrAppend(&title, " (operation ", operation_ + 1, " of ", draft_->operations.size(), ")");
  if (!draft_->file.empty()) StrAppend(&title, "  from ", draft_->file);
  return title;
}

void FormView::PutAside() {
  fields_.FinishEditing();
  if (draft_.has_value() && !draft_->empty()) {
    unfinished_.insert(unfinished_.begin(), draft_->WithoutEmpty());
    if (unfinished_.size() > kMostUnfinished) {
      shell_.Say(StrCat("dropped the oldest unfinished one: ", CommandOf(unfinished_.back())));
      unfinished_.pop_back();
    }
  }
  draft_.reset();
  fields_.Show(nullptr, 0);
  from_line_ = false;
  list_.SetUnfinished(unfinished_);
}

void FormView::Show(Draft draft) {
  PutAside();
  draft_ = std::move(draft);
  if (!preset_target_.empty() && !draft_->options.target.has_value())
    draft_->options.target = std::exchange(preset_target_, {});
  ShowOperation(0);
  version_++;
  reach_.clear();
  CheckSoon();
}

void FormView::ShowOperation(size_t index) {
  fields_.FinishEditing();
  operation_ = index;
  fields_.Show(&*draft_, index);
  shell_.Redraw();
}

void FormView::Begin(const std::string& module) {
  absl::StatusOr<Draft> draft = NewDraft(module, shell_.backend().modules());
  if (!draft.ok()) return shell_.SayError(draft.status());
  Show(*std::move(draft));
}

void FormView::GoOn(size_t index) {
  Draft draft = std::move(unfinished_[index]);
  unfinished_.erase(unfinished_.begin() + static_cast<std::ptrdiff_t>(index));
  Show(std::move(draft));
}

absl::Status FormView::Open(const std::string& line, const std::string& target) {
  if (!line.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> words, SplitShellWords(line));
    DRAGNET_ASSIGN_OR_RETURN(Draft draft, DraftFromWords(words, shell_.backend().modules()));
    preset_target_ = target;
    Show(std::move(draft));
    from_line_ = true;
    return absl::OkStatus();
  }
  PutAside();
  preset_target_ = target;
  return absl::OkStatus();
}

// ---- templates

void FormView::ListTemplatesAgain() {
  Backend& backend = shell_.backend();
  shell_.background().Run(
      lifetime_.token(),
      [directory = backend.directory(), modules = &backend.modules()] {
        return ListTemplates(directory, *modules);
      },
      [this](std::vector<TemplateEntry> templates) {
        template_names_.clear();
        for (const TemplateEntry& entry : templates) template_names_.push_back(entry.name);
        list_.SetTemplates(std::move(templates));
        shell_.Redraw();
      });
}

void FormView::Load(const std::string& name) {
  const absl::StatusOr<std::string> path = TemplatePath(shell_.backend().directory(), name);
  if (!path.ok()) return shell_.SayError(path.status());
  LoadFile(*path);
}

void FormView::LoadFile(const std::string& path) {
  shell_.background().Run(
      lifetime_.token(),
      [path, modules = &shell_.backend().modules()] { return LoadTemplate(path, *modules); },
      [this](absl::StatusOr<LoadedTemplate> loaded) {
        if (!loaded.ok()) return shell_.SayError(loaded.status());
        Show(std::move(loaded->draft));
        for (const std::string& notice : loaded->notices) shell_.Say(notice);
        shell_.Redraw();
      });
}

void FormView::Save(const std::string& name) {
  if (!draft_.has_value())
    return shell_.SayError("there is no form to save: choose a module first");
  const absl::StatusOr<std::string> path = TemplatePath(shell_.backend().directory(), name);
  if (!path.ok()) return shell_.SayError(path.status());
  WriteTemplate(*path, /*overwrite=*/false);
}

void FormView::WriteTemplate(const std::string& path, bool overwrite) {
  fields_.FinishEditing();
  if (!draft_.has_value()) return;
  Backend& backend = shell_.backend();
  const Draft draft = draft_->WithoutEmpty();
  shell_.background().Run(
      lifetime_.token(),
      [draft, path, overwrite, now = backend.now(), modules = &backend.modules()] {
        return SaveTemplate(draft, path, overwrite, now, *modules);
      },
      [this, path, expires = draft.options.expires](const absl::Status& saved) {
        if (absl::IsAlreadyExists(saved)) {
          return shell_.Confirm("Save as a template",
                                StrCat(path, "\nis there already. Replace it?"),
                                [this, path] { WriteTemplate(path, /*overwrite=*/true); });
        }
        if (!saved.ok()) return shell_.SayError(saved);
        // A template is for any day.
        shell_.Say(StrCat("saved",
                          expires.has_value() ? StrCat(" without --expires ", *expires) : "", ": ",
                          path, " (dragnet run takes it, too)"));
        ListTemplatesAgain();
      });
}

// ---- looking at what was typed

void FormView::OnChanged() {
  ++version_;
  CheckSoon();
}

void FormView::CheckSoon() {
  shell_.loop().After(kPause, lifetime_.token(), [this, asked = version_] {
    if (asked == version_ && draft_.has_value()) Check();
  });
}

void FormView::Check() {
  CheckReach();
  Backend& backend = shell_.backend();
  checking_ = true;
  const BuildContext context{.fleet_id = backend.config().fleet_id,
                             .now = backend.now(),
                             .lifetime = absl::Minutes(5),
                             .modules = &backend.modules()};
  shell_.background().Run(
      lifetime_.token(),
      [draft = draft_->WithoutEmpty(), context] { return BuildDraft(draft, context).status(); },
      [this, asked = version_](const absl::Status& checked) {
        if (asked != version_) return;
        checking_ = false;
        check_ = checked;
        shell_.Redraw();
      });
}

void FormView::CheckReach() {
  const std::string target = Target();
  const absl::Status valid = ValidateTarget(target);
  if (!valid.ok()) {
    reach_ = ToStd(valid.message());
    reach_is_error_ = true;
    return shell_.Redraw();
  }
  shell_.background().Run(
      lifetime_.token(),
      [target, client = shell_.backend().client()] { return ReachOf(target, *client); },
      [this, target](const absl::StatusOr<Reach>& reach) {
        if (!draft_.has_value() || target != Target()) return;
        reach_ = reach.ok() ? StrCat("reaches ", ReachWords(*reach))
                            : std::string(reach.status().message());
        reach_is_error_ = !reach.ok();
        shell_.Redraw();
      });
}

void FormView::CountAgain() {
  if (counting_soon_ || !shown_ || !draft_.has_value()) return;
  counting_soon_ = true;
  shell_.loop().After(kBetweenCounts, lifetime_.token(), [this] {
    counting_soon_ = false;
    if (shown_ && draft_.has_value()) CheckReach();
  });
}

void FormView::Launch() {
  fields_.FinishEditing();
  flow_.Start(draft_->WithoutEmpty(), [this](const absl::Status& status) {
    if (!draft_.has_value()) return;
    // "operation 2 file: --path: …": to the field that is named.
    const std::string words(status.message());
    for (size_t i = 0; i < draft_->operations.size(); ++i)
      if (words.starts_with(StrCat("operation ", i + 1, " "))) ShowOperation(i);
    const size_t flag = words.find("--");
    if (flag == std::string::npos) return;
    fields_.SelectFlag(words.substr(flag, words.find_first_of(" :", flag) - flag));
    shell_.Redraw();
  });
}

void FormView::Preview() {
  fields_.FinishEditing();
  flow_.Preview(draft_->WithoutEmpty(), [this](const absl::StatusOr<std::string>& text) {
    if (!text.ok()) return shell_.SayError(text.status());
    shell_.Push(NewTextPage(shell_, "The document as it would be signed now", *text));
  });
}

// ---- keys

bool FormView::OnKey(const Key& key) {
  if (!draft_.has_value()) {
    if (key.code == Key::Code::kEscape && !preset_target_.empty()) {
      preset_target_.clear();
      return true;
    }
    return list_.OnKey(key);
  }
  const bool line_ready = std::exchange(from_line_, false);
  if (line_ready && key.code == Key::Code::kEnter) return Launch(), true;
  return OnFormKey(key);
}

bool FormView::OnFormKey(const Key& key) {
  if (key.IsControl(U's') || (key.code == Key::Code::kFunction && key.number == 10))
    return Launch(), true;
  if (key.code == Key::Code::kFunction && key.number == 5) return Preview(), true;
  if (fields_.OnKey(key)) return true;
  if (fields_.editing()) return false;
  if (key.code == Key::Code::kEscape) return PutAside(), true;
  if (key.IsControl(U'w')) {
    Shell::Question question;
    question.title = "Save as a template";
    question.text = "Name (kept here), or a path with / to share it";
    question.check = [this](const std::string& name) {
      return TemplatePath(shell_.backend().directory(), name).status();
    };
    shell_.Ask(question, [this](const std::string& name) { Save(name); });
    return true;
  }
  if (key.Is(U'p')) return Preview(), true;
  if (key.Is(U'h')) {
    shell_.Push(NewTextPage(shell_, fields_.HelpTitle(), fields_.Help()));
    return true;
  }
  if (key.Is(U'/')) {
    Shell::Question question;
    question.title = "Find a field";
    question.text = "A word of its name or its help";
    shell_.Ask(question, [this](const std::string& words) {
      if (!fields_.Search(words)) shell_.Say(StrCat(words, ": no field has this"));
    });
    return true;
  }
  const size_t count = draft_->operations.size();
  if ((key.Is(U']') || key.Is(U'[')) && count > 1) {
    ShowOperation((operation_ + (key.Is(U']') ? 1 : count - 1)) % count);
    return true;
  }
  return false;
}

std::vector<KeyHint> FormView::Keys() const {
  if (!draft_.has_value()) return list_.Keys();
  if (from_line_)
    return {{"Enter", "Launch"}, {"↑↓", "Change it"}, {"p", "Preview"}, {"Esc", "Back"}};
  std::vector<KeyHint> keys = fields_.Keys();
  keys.push_back({"^S", "Launch"});
  if (fields_.editing()) return keys;
  keys.push_back({"p", "Preview"});
  keys.push_back({"t", "Target"});
  keys.push_back({"/", "Find"});
  if (draft_->operations.size() > 1) keys.push_back({"[ ]", "Operation"});
  keys.push_back({"^W", "Save"});
  keys.push_back({"Esc", "Back"});
  return keys;
}

std::unique_ptr<FormScreen> NewFormView(Shell& shell) { return std::make_unique<FormView>(shell); }

}  // namespace dragnet::console::tui
