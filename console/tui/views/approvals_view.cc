#include "console/tui/views/views.h"

namespace dragnet::console::tui {
namespace {

class ApprovalsView : public View {
 public:
  std::string Title() const override { return "Approvals"; }
  void Draw(const Canvas&) override {}
  bool OnKey(const Key&) override { return false; }
  std::vector<KeyHint> Keys() const override { return {}; }
  std::string Help() const override { return ""; }
};

}  // namespace

std::unique_ptr<View> NewApprovalsView(Shell&) { return std::make_unique<ApprovalsView>(); }

}  // namespace dragnet::console::tui
