// What somebody may have meant. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dragnet::console {

// The candidate nearest to `word` by edit distance; empty if none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace dragnet::console
