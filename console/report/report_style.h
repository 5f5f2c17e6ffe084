// The style sheet of reports. The page's policy allows this very text, by its
// hash, and no other style. Thread-safe: immutable.
#pragma once

#include <string_view>

namespace dragnet::console {

std::string_view ReportStyle();

}  // namespace dragnet::console
