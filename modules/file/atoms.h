// What a text must hold for a pattern to match in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "modules/file/pattern.h"

namespace dragnet::file {

// Literals of two bytes or more, in lower case: whatever `pattern` matches holds
// at least one of them, in upper or lower case of ASCII. Nothing if there are no
// such literals, or too many. Thread-safe: no state.
//
// Why that holds: RE2 derives from the pattern, as LinePattern compiled it, a
// condition of its literals, with "and" and "or" only, that every match fulfils.
// Such a condition can't become false by one literal more; so if all that aren't
// in the answer are there and it is still false, one in the answer must be there.
std::optional<std::vector<std::string>> RequiredAtoms(const LinePattern& pattern);

}  // namespace dragnet::file
