#include "scheduler/blobs/blob_source.h"

#include <algorithm>

#include "core/action.h"
#include "core/envelope.h"

namespace dragnet::scheduler {

std::vector<std::string> BlobsOf(std::string_view envelope_bytes) {
  std::vector<std::string> sha256s;
  const absl::StatusOr<v1::Envelope> envelope = ParseEnvelope(envelope_bytes, kActionPayloadType);
  if (!envelope.ok()) return sha256s;
  const absl::StatusOr<v1::Action> action = ParseAction(envelope->payload());
  if (!action.ok()) return sha256s;
  for (const v1::Operation& operation : action->operations())
    for (const v1::Blob& blob : operation.blobs())
      if (std::find(sha256s.begin(), sha256s.end(), blob.sha256()) == sha256s.end())
        sha256s.push_back(blob.sha256());
  return sha256s;
}

}  // namespace dragnet::scheduler
