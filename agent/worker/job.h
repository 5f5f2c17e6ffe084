// One job of a worker: from its frame to its last message. Not thread-safe; one
// per process, because running it locks the process in.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/ipc/ipc.pb.h"
#include "google/protobuf/message.h"
#include "modules/module.h"

namespace dragnet {

// Puts up the walls that `manifest` allows. After this nothing but reading the
// host, computing and writing to open descriptors works. With a `root` that isn't
// empty it is that directory that is read, as if it were the host (Job.root).
absl::Status LockInForModule(const ModuleManifest& manifest, const std::string& root,
                             bool allow_missing_walls);

// Strictly: an unknown field or key is an error. Takes the job's inputs from
// their descriptors; an input that isn't what its digest says is an error.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ReadParameters(const ipc::Job& job,
                                                                          const Module& module);

// Locks in, parses, validates, runs; writes all messages to `output`. An error
// means that the monitor could not be told how it went.
absl::Status RunJob(const ipc::Job& job, int output, bool allow_missing_walls);

}  // namespace dragnet
