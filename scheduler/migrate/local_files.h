// What lies beside a SQLite store and not in it: blobs, and how far exports are. A scheduler
// on PostgreSQL has its own under its name. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

// `from`: the path of the store; `to`: a path to the scheduler's name. FROM.blobs becomes
// TO.blobs and FROM.export.NAME.cursor TO.export.NAME.cursor; what is there already stays, and
// so does the source. How many files were copied, or linked.
absl::StatusOr<uint64_t> CopyLocalFiles(const std::string& from, const std::string& to);

// Whether there is anything of it.
bool HasLocalFiles(const std::string& store);

}  // namespace dragnet::scheduler
