#include "console/cli/launch.h"

#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/follow.h"
#include "console/form/describe.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string Plural(uint64_t count, std::string_view noun) {
  return StrCat(count, " ", noun, count == 1 ? "" : "s");
}

absl::StatusOr<std::string> Reach(const v1::Action& action, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  v1::SearchAgentsRequest request;
  request.set_target(action.target());
  request.set_count_only(true);
  DRAGNET_ASSIGN_OR_RETURN(const v1::SearchAgentsResponse response, client->SearchAgents(request));
  if (response.total() == 0) return std::string("no agent that the scheduler knows now");
  return StrCat(Plural(response.total(), "agent"), ", ", response.connected(), " online");
}

absl::StatusOr<v1::Envelope> SignAction(const v1::Action& action, const PrivateKey& key) {
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(AddSignature(key, &envelope));
  return envelope;
}

// What the scheduler doesn't have yet of the action's large values.
absl::Status UploadBlobs(const v1::Action& action, Session& session, Client& client) {
  v1::FindMissingBlobsRequest question;
  for (const v1::Operation& operation : action.operations())
    for (const v1::Blob& blob : operation.blobs()) question.add_sha256(blob.sha256());
  if (question.sha256().empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const v1::FindMissingBlobsResponse missing,
                           client.FindMissingBlobs(question));
  for (const std::string& sha256 : missing.sha256()) {
    const auto content = session.blobs().find(sha256);
    if (content == session.blobs().end()) {
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

std::string_view Question(const LaunchFlags& flags) {
  return flags.no_launch.has_value() ? "Sign?" : "Sign and launch?";
}

}  // namespace

std::string SignerText(const ConsoleConfig& config, const PrivateKey& key) {
  const std::string_view kind =
      key.public_key().algorithm() == KeyAlgorithm::kEd25519 ? "Ed25519" : "ECDSA P-256";
  return StrCat(config.name, " (", kind, " key ", key.public_key().id().substr(0, 16), "…)");
}

absl::StatusOr<int> LaunchAction(const v1::Action& action, const LaunchFlags& flags,
                                 Session& session) {
  Io& io = session.io();
  if (!flags.dry_run) DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, flags.yes));
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  // Starts to connect; the key is read meanwhile.
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  const absl::StatusOr<PrivateKey> key = PrivateKey::Load(config->signing_key);
  if (!key.ok()) return Annotate(key.status(), "signing key");

  DRAGNET_ASSIGN_OR_RETURN(const std::string reach, Reach(action, session));
  io.err->Write(DescribeAction(action, {{"Reaches", reach}, {"Signer", SignerText(*config, *key)}},
                               session.modules()));
  io.Say("");
  if (flags.dry_run) return kExitDone;
  if (!flags.yes) {
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, Question(flags)));
    if (!agreed) {
      io.Say("Nothing was signed or launched.");
      return kExitBadInput;
    }
  }

  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope, SignAction(action, *key));
  // Before a file is written, too: who launches it later doesn't have them.
  DRAGNET_RETURN_IF_ERROR(UploadBlobs(action, session, *client));
  if (flags.no_launch.has_value()) {
    DRAGNET_RETURN_IF_ERROR(WriteEnvelopeFile(*flags.no_launch, envelope));
    io.Say(StrCat("Signed, not launched: ", *flags.no_launch));
    return kExitDone;
  }
  v1::LaunchRequest request;
  request.set_envelope(envelope.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(client->Launch(request).status());
  return FollowAction(action, {.format = *ParseFormat(flags.output), .until_expired = flags.wait},
                      session);
}

}  // namespace dragnet::console
