#include "console/investigation/delivery.h"

#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

absl::StatusOr<Reach> ReachOf(const std::string& target, Client& client) {
  v1::SearchAgentsRequest request;
  request.set_target(target);
  request.set_count_only(true);
  DRAGNET_ASSIGN_OR_RETURN(const v1::SearchAgentsResponse response, client.SearchAgents(request));
  return Reach{response.total(), response.connected()};
}

std::string ReachWords(const Reach& reach) {
  if (reach.agents == 0) return "no agent that the scheduler knows now";
  return StrCat(reach.agents, reach.agents == 1 ? " agent, " : " agents, ", reach.online,
                " online");
}

absl::StatusOr<v1::Envelope> SignAction(const v1::Action& action, const Signer& signer) {
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(AddSignature(signer, &envelope));
  return envelope;
}

absl::Status UploadBlobs(const v1::Action& action, const BlobContents& blobs, Client& client) {
  v1::FindMissingBlobsRequest question;
  for (const v1::Operation& operation : action.operations())
    for (const v1::Blob& blob : operation.blobs()) question.add_sha256(blob.sha256());
  if (question.sha256().empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const v1::FindMissingBlobsResponse missing,
                           client.FindMissingBlobs(question));
  for (const std::string& sha256 : missing.sha256()) {
    const auto content = blobs.find(sha256);
    if (content == blobs.end()) {
      return absl::InternalError(StrCat("the scheduler asks for a blob that is not ours: ",
                                        HexEncode(sha256.substr(0, 32))));
    }
    for (size_t offset = 0; offset < content->second.size(); offset += kMaxBlobPartBytes) {
      v1::PutBlobPartRequest part;
      part.set_sha256(sha256);
      part.set_size(content->second.size());
      part.set_offset(offset);
      part.set_data(content->second.substr(offset, kMaxBlobPartBytes));
      DRAGNET_RETURN_IF_ERROR(client.PutBlobPart(part).status());
    }
  }
  return absl::OkStatus();
}

std::string SignerText(const std::string& name, const Signer& signer) {
  const PublicKey& key = signer.public_key();
  const std::string_view kind =
      key.algorithm() == KeyAlgorithm::kEd25519 ? "Ed25519" : "ECDSA P-256";
  return StrCat(name, " (", kind, " key ", key.id().substr(0, 16), "…)");
}

}  // namespace dragnet::console
