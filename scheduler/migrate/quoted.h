// Names and texts in SQL. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_replace.h"
#include "core/strings.h"

namespace dragnet::scheduler {

inline std::string QuotedName(std::string_view name) {
  return StrCat("\"", absl::StrReplaceAll(ToAbsl(name), {{"\"", "\"\""}}), "\"");
}
inline std::string QuotedText(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "''"}}), "'");
}
inline std::string QuotedNames(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names)
    StrAppend(&list, list.empty() ? "" : ", ", QuotedName(name));
  return list;
}

}  // namespace dragnet::scheduler
