// Exactly what was signed, who signed it, and the orders about it.
#include <utility>

#include "absl/strings/str_join.h"
#include "console/form/describe.h"
#include "console/investigation/summary.h"
#include "console/output/cell.h"
#include "console/tui/views/action_pane.h"
#include "console/tui/widgets/searched_text.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

std::string TimeWords(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? LocalTime(*time) : "";
}

class DocumentPane : public ActionPane {
 public:
  explicit DocumentPane(ActionContext& context) : context_(context) { text_.MarkContinued(); }

  std::string Name() const override { return "Document"; }
  void Draw(const Canvas& canvas) override { text_.Draw(canvas); }
  bool OnKey(const Key& key) override { return text_.OnKey(key); }
  std::optional<Point> Cursor() const override { return text_.Cursor(); }
  bool TakesText() const override { return text_.typing(); }
  std::vector<KeyHint> Keys() const override {
    if (text_.typing()) return {{"Enter", "Find"}, {"Esc", "Cancel"}};
    return {{"/", "Search"}, {"n", "Next"}, {"N", "Previous"}};
  }
  std::string Help() const override {
    return "Document: the signed action with all parameters, whose signatures on\n"
           "it are good by this console's trust policy, and the orders about it\n"
           "  /           search; n and N go to the next and the previous match\n";
  }
  void OnShown() override { Make(); }
  void OnNews() override { Make(); }

 private:
  // In the background: verifying orders takes a signature check each.
  void Make() {
    const auto same = [&] {
      return made_for_ == context_.info.SerializeAsString() && policy_ == context_.policy &&
             verified_ == context_.verification.has_value() &&
             verify_status_ == context_.verify_status;
    };
    if (making_ || same()) return;
    making_ = true;
    made_for_ = context_.info.SerializeAsString();
    policy_ = context_.policy;
    verified_ = context_.verification.has_value();
    verify_status_ = context_.verify_status;
    context_.shell.background().Run(
        lifetime_.token(),
        [info = context_.info, action = context_.action, policy = context_.policy,
         verification = context_.verification,
         why = context_.policy == nullptr ? context_.shell.backend().policy_status()
                                          : context_.verify_status,
         modules = &context_.shell.backend().modules()] {
          return TextOf(info, action, policy.get(), verification, why, *modules);
        },
        [this](std::string text) {
          making_ = false;
          text_.SetText(std::move(text));
          context_.shell.Redraw();
          // What changed meanwhile.
          Make();
        });
  }

  static std::string TextOf(const v1::ActionInfo& info, const v1::Action& action,
                            const TrustPolicy* policy,
                            const std::optional<ActionVerification>& verification,
                            const absl::Status& why, const ModuleCatalog& modules) {
    std::string text;
    if (policy != nullptr && verification.has_value()) {
      text = DescribeVerification(*verification, *policy);
      StrAppend(&text, DescribeOrders(info.orders(), action, *policy, modules));
    } else if (policy != nullptr) {
      text = StrCat("Signed by   no one: ", ForTerminal(ToStd(why.message())), "\n");
    } else {
      // The words may be the scheduler's: a line of theirs would be read as one of ours.
      text = StrCat("Signed by   not known here: there is no trust policy to verify it with",
                    why.ok() ? "" : ": ", ForTerminal(ToStd(why.message())), "\n");
    }
    // The rest is what the scheduler says, not what someone signed.
    StrAppend(
        &text,
        DescribeLines(
            {{"Launched", StrCat(TimeWords(info.launched_at()), " by ", info.launched_by(),
                                 " (says the scheduler)")},
             {"Phase", StrCat(PhaseWord(info.phase()), info.phase_reason().empty() ? "" : ": ",
                              info.phase_reason())},
             {"Kept", info.has_keep_until() ? StrCat("until ", TimeWords(info.keep_until()))
                                            : std::string()},
             {"Rows", info.has_results_removed_at()
                          ? StrCat("removed by retention on ", TimeWords(info.results_removed_at()))
                          : std::string()}}));
    StrAppend(&text, "\nWhat was signed\n\n", DescribeAction(action, {}, modules));
    return text;
  }

  ActionContext& context_;
  SearchedText text_;
  std::string made_for_;
  std::shared_ptr<const TrustPolicy> policy_;
  bool verified_ = false;
  absl::Status verify_status_;
  bool making_ = false;
  Lifetime lifetime_;
};

}  // namespace

std::unique_ptr<ActionPane> NewDocumentPane(ActionContext& context) {
  return std::make_unique<DocumentPane>(context);
}

}  // namespace dragnet::console::tui
