#include "console/signing/agent_signer.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "console/signing/ssh_agent.h"
#include "core/file_io.h"
#include "core/ssh_signature.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr std::string_view kFingerprint = "SHA256:";
constexpr size_t kMaxKeyFile = 64 * 1024;

class AgentSigner : public Signer {
 public:
  AgentSigner(PublicKey key, std::string socket)
      : key_(std::move(key)), socket_(std::move(socket)) {}

  const PublicKey& public_key() const override { return key_; }

  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    // A connection for each: between two signatures people restart agents.
    DRAGNET_ASSIGN_OR_RETURN(SshAgent agent, SshAgent::Connect(socket_));
    const absl::StatusOr<std::string> signature =
        agent.Sign(key_.ToSshBlob(), SshSignedData(message));
    if (!signature.ok()) return Annotate(signature.status(), key_.SshFingerprint());
    std::string blob = FormatSshSignature(key_, *signature);
    const absl::Status valid = CheckSshSignature(key_, message, blob);
    if (!valid.ok()) {
      return absl::DataLossError(StrCat("ssh-agent: what it signed with ", key_.SshFingerprint(),
                                        " is not usable: ", ToStd(valid.message())));
    }
    return blob;
  }

 private:
  const PublicKey key_;
  const std::string socket_;
};

// Of a fingerprint nothing is known before the agent is asked.
absl::StatusOr<std::optional<PublicKey>> KeyFromFile(const std::string& which) {
  if (which.starts_with(kFingerprint)) return std::nullopt;
  DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(which, kMaxKeyFile));
  absl::StatusOr<PublicKey> key = PublicKey::FromText(text);
  if (!key.ok()) return Annotate(key.status(), which);
  return *std::move(key);
}

std::string FingerprintOf(std::string_view blob) {
  std::string base64 = absl::Base64Escape(Sha256(blob));
  while (base64.ends_with('=')) base64.pop_back();
  return StrCat(kFingerprint, base64);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> OpenAgentSigner(const std::string& which,
                                                        const Environment& environment) {
  if (which.empty()) {
    return absl::InvalidArgumentError(
        "ssh-agent: which key? Write ssh-agent:PUBLIC-KEY-FILE or ssh-agent:SHA256:…");
  }
  DRAGNET_ASSIGN_OR_RETURN(std::optional<PublicKey> key, KeyFromFile(which));
  const std::optional<std::string> socket = environment("SSH_AUTH_SOCK");
  if (!socket.has_value() || socket->empty()) {
    return absl::FailedPreconditionError(
        "ssh-agent: SSH_AUTH_SOCK isn't set: start an agent (eval $(ssh-agent)) and ssh-add the "
        "key, or log in with ssh -A");
  }
  DRAGNET_ASSIGN_OR_RETURN(SshAgent agent, SshAgent::Connect(*socket));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<SshAgent::Identity> identities, agent.List());
  const std::string wanted = key.has_value() ? key->SshFingerprint() : which;
  const auto held = std::find_if(identities.begin(), identities.end(), [&](const auto& identity) {
    return FingerprintOf(identity.blob) == wanted;
  });
  if (held == identities.end()) {
    return absl::NotFoundError(StrCat("ssh-agent has no key ", ForTerminal(wanted), " among its ",
                                      identities.size(),
                                      ": ssh-add it (ssh-add -l lists what is there)"));
  }
  // By its own words, or by the file's: the same blob, for the fingerprint is.
  absl::StatusOr<PublicKey> listed = PublicKey::FromSshBlob(held->blob);
  if (!listed.ok()) return Annotate(listed.status(), StrCat("ssh-agent's key ", wanted));
  return std::make_unique<AgentSigner>(*std::move(listed), *socket);
}

}  // namespace dragnet::console
