// What another scheduler of a cluster is set up from: a directory that
// `dragnet-scheduler certificate issue` makes where the CA's key is, and
// `dragnet-scheduler join` takes on the other host (InstallScheduler).
//
//   scheduler.toml              as this scheduler's, without the CA's key, under another name
//   scheduler/ca.pem, server.pem, server.key, root-1.pub, …
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/enrolment/ca_files.h"
#include "scheduler/settings.h"

namespace dragnet::scheduler {

struct JoiningOptions {
  // Of the other scheduler in the cluster.
  std::string name;
  // By which agents and consoles reach it.
  std::vector<std::string> hosts;
  absl::Duration lifetime = kServerLifetime;
};

struct JoiningKit {
  struct File {
    // In the directory.
    std::string path;
    std::string content;
    mode_t mode;
  };
  std::vector<File> files;
  absl::Time not_after;
  std::vector<std::string> names;
};

// FailedPrecondition: this one isn't part of a cluster, or has no key of the CA itself.
absl::StatusOr<JoiningKit> MakeJoiningKit(const Settings& settings, const JoiningOptions& options,
                                          absl::Time now);

// AlreadyExists: the directory does.
absl::Status WriteJoiningKit(const JoiningKit& kit, const std::string& directory);

}  // namespace dragnet::scheduler
