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
  has_room_ = false;
  if (all_.size() == kMost || bytes_ > kMostBytes)
    return context_.NoteUnexamined("more than 20,000 entries, or 32 MiB of them",
                                   Text(finding.path));
  if (!finding.path.empty() && ++of_file_[finding.path] > kMostOfFile)
    return context_.NoteUnexamined("more than 2,000 entries of one file", Text(finding.path));
  has_room_ = true;
  // Paths stay as they are: they are opened later.
  for (std::string* text : {&finding.name, &finding.directive, &finding.command, &finding.user,
                            &finding.schedule, &finding.state, &finding.activates}) {
    *text = Text(*text);
    bytes_ += text->size();
  }
  bytes_ += finding.path.size();
  for (const std::string& program : finding.programs) bytes_ += program.size();
  all_.push_back(std::move(finding));
}

}  // namespace dragnet::persistence
