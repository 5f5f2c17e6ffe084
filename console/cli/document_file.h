// Files with signed documents as commands take them. Thread-safe: no state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "console/cli/session.h"
#include "console/trust/document.h"
#include "core/trust_policy.h"

namespace dragnet::console {

struct DocumentFile {
  std::string bytes;
  SignedDocument document;
};

// The name of the file is in front of every error.
absl::StatusOr<DocumentFile> ReadDocumentFile(const std::string& path, Session& session);

// Refuses what is no trust policy, by name.
absl::StatusOr<DocumentFile> ReadPolicyFile(const std::string& path, Session& session);

// A policy that its own root keys signed: one that was in force, or is.
absl::StatusOr<TrustPolicy> ReadSignedPolicy(const std::string& path, Session& session);

// As ReadSignedPolicy, and the root keys pinned in console.toml signed it, too.
absl::StatusOr<TrustPolicy> ReadPinnedPolicy(const std::string& path, Session& session);

// What a document's signatures are judged by: `file` as ReadPinnedPolicy reads
// it, or, when that is empty, the scheduler's newest.
absl::StatusOr<TrustPolicy> PolicyToJudgeBy(const std::string& file, Session& session);

}  // namespace dragnet::console
