// From the tables of older versions to those of this one: one step for each
// version, all inside the caller's transaction. What schema.cc creates and what
// the steps lead to are the same tables; a test compares them.
#pragma once

#include "absl/status/status.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

// `from` is at least 1. Does nothing for the present version.
absl::Status Migrate(Database& database, int from);

}  // namespace dragnet::scheduler
