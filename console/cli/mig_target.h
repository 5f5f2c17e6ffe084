// MIG's targets, said over Dragnet's facts. MIG asks PostgreSQL, with a WHERE
// condition over its table of agents; Dragnet evaluates an expression in SQLite
// over the facts of one agent (core/target.h). Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::console {

// The expression that is true for the same hosts. What is worth a word to the
// person who signs goes to `notes`. InvalidArgument names what has no
// counterpart, and what to write instead: a column of MIG's own bookkeeping, an
// operator of PostgreSQL, a subquery. docs/mig.md has the list.
absl::StatusOr<std::string> TargetFromMig(std::string_view condition,
                                          std::vector<std::string>* notes);

}  // namespace dragnet::console
