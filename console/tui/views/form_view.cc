#include "console/tui/views/views.h"

namespace dragnet::console::tui {
namespace {

class FormView : public View {
 public:
  std::string Title() const override { return "New"; }
  void Draw(const Canvas&) override {}
  bool OnKey(const Key&) override { return false; }
  std::vector<KeyHint> Keys() const override { return {}; }
  std::string Help() const override { return ""; }
};

}  // namespace

std::unique_ptr<View> NewFormView(Shell&, const std::string&, const std::string&) {
  return std::make_unique<FormView>();
}

}  // namespace dragnet::console::tui
