// The part of scheduler.toml that says where the store is, and which schedulers belong
// together: `store`, `bus…`, `scheduler_name`, and whether `ca_key` has to be here.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/config.h"
#include "scheduler/settings.h"

namespace dragnet::scheduler {

// After `listen` was read. What is wrong is remembered by `file`.
void ReadCluster(ConfigFile* file, Settings* settings);

// InvalidArgument, with words for a person, unless a scheduler may connect to it: each
// host is named, a server's certificate is verified in full, no password is in it. So
// that results are neither read nor changed between the two.
absl::Status CheckPostgresUrl(const std::string& url);

bool IsSchedulerName(std::string_view name);

// For a scheduler that was given none: that of the machine, and its port.
std::string DefaultSchedulerName(std::string_view host, std::string_view listen);

}  // namespace dragnet::scheduler
