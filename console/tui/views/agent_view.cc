#include "console/tui/views/views.h"

namespace dragnet::console::tui {
namespace {

class AgentView : public View {
 public:
  std::string Title() const override { return "Agent"; }
  void Draw(const Canvas&) override {}
  bool OnKey(const Key&) override { return false; }
  std::vector<KeyHint> Keys() const override { return {}; }
  std::string Help() const override { return ""; }
};

}  // namespace

std::unique_ptr<View> NewAgentView(Shell&, const std::string&) {
  return std::make_unique<AgentView>();
}

}  // namespace dragnet::console::tui
