#include "modules/pkg/package.h"

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::pkg {

std::string Text(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, kMaxText * 2)), kMaxText);
}

std::string Shown(const Root& root, std::string_view path) {
  return ToValidUtf8(root.is_host() ? std::string(path) : StrCat(root.path(), path));
}

}  // namespace dragnet::pkg
