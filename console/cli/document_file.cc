#include "console/cli/document_file.h"

#include "console/cli/envelope_file.h"
#include "core/status_macros.h"

namespace dragnet::console {

absl::StatusOr<DocumentFile> ReadDocumentFile(const std::string& path, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string content, ReadInput(session.io(), path));
  DocumentFile file;
  absl::StatusOr<std::string> bytes = EnvelopeBytes(content);
  if (!bytes.ok()) return Annotate(bytes.status(), path);
  file.bytes = *std::move(bytes);
  absl::StatusOr<SignedDocument> document = ReadDocument(file.bytes);
  if (!document.ok()) return Annotate(document.status(), path);
  file.document = *std::move(document);
  return file;
}

absl::StatusOr<DocumentFile> ReadPolicyFile(const std::string& path, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(DocumentFile file, ReadDocumentFile(path, session));
  if (file.document.policy() == nullptr) {
    return absl::InvalidArgumentError(StrCat(
        path, ": this is ", file.document.kind(), ", not a trust policy",
        file.document.release() != nullptr ? " (dragnet release sign and dragnet verify take it)"
                                           : " (dragnet sign and dragnet verify take it)"));
  }
  return file;
}

absl::StatusOr<TrustPolicy> ReadSignedPolicy(const std::string& path, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadPolicyFile(path, session));
  absl::StatusOr<TrustPolicy> policy =
      TrustPolicy::FromOwnStorage(file.bytes, file.document.policy()->fleet_id());
  if (!policy.ok()) return Annotate(policy.status(), path);
  return policy;
}

absl::StatusOr<TrustPolicy> ReadPinnedPolicy(const std::string& path, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadPolicyFile(path, session));
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRootKeys(*config));
  absl::StatusOr<TrustPolicy> policy =
      TrustPolicy::VerifyFirst(file.bytes, roots, config->fleet_id);
  if (!policy.ok()) return Annotate(policy.status(), path);
  return policy;
}

absl::StatusOr<TrustPolicy> PolicyToJudgeBy(const std::string& file, Session& session) {
  if (!file.empty()) return ReadPinnedPolicy(file, session);
  DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
  return *policy;
}

}  // namespace dragnet::console
