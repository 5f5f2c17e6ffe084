#include "console/tui/views/views.h"

namespace dragnet::console::tui {
namespace {

class FleetView : public View {
 public:
  std::string Title() const override { return "Fleet"; }
  void Draw(const Canvas&) override {}
  bool OnKey(const Key&) override { return false; }
  std::vector<KeyHint> Keys() const override { return {}; }
  std::string Help() const override { return ""; }
};

}  // namespace

std::unique_ptr<View> NewFleetView(Shell&) { return std::make_unique<FleetView>(); }

}  // namespace dragnet::console::tui
