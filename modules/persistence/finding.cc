#include "modules/persistence/finding.h"

#include <utility>

#include "core/text.h"

namespace dragnet::persistence {
namespace {
constexpr size_t kMaxText = 2048;
}  // namespace

std::string Text(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, 2 * kMaxText)), kMaxText);
}

void Findings::Add(Finding finding) {
  if (all_.size() == kMost) {
    context_.NoteUnexamined("more than 20,000 entries", Text(finding.path));
    has_room_ = false;
    return;
  }
  // Paths stay as they are: they are opened later.
  for (std::string* text : {&finding.name, &finding.directive, &finding.command, &finding.user,
                            &finding.schedule, &finding.state, &finding.activates})
    *text = Text(*text);
  all_.push_back(std::move(finding));
}

}  // namespace dragnet::persistence
