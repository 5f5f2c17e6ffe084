#include "console/signing/signing.h"

#include <stdlib.h>

#include "console/signing/agent_signer.h"
#include "console/signing/key_file.h"
#include "console/signing/pkcs11_signer.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr std::string_view kAgent = "ssh-agent:";
constexpr std::string_view kToken = "pkcs11:";

}  // namespace

Environment ProcessEnvironment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = ::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

absl::StatusOr<std::unique_ptr<Signer>> OpenSigner(const std::string& key,
                                                   const PassphrasePrompt& ask,
                                                   const Environment& environment) {
  if (key.starts_with(kAgent)) {
    return OpenAgentSigner(key.substr(kAgent.size()), environment);
  }
  if (key.starts_with(kToken)) return OpenTokenSigner(key, ask);
  return OpenKeyFile(key, ask);
}

absl::StatusOr<std::unique_ptr<Signer>> OpenSigner(const ConsoleConfig& config,
                                                   const PassphrasePrompt& ask,
                                                   const Environment& environment) {
  absl::StatusOr<std::unique_ptr<Signer>> signer = OpenSigner(config.signing_key, ask, environment);
  if (!signer.ok()) return Annotate(signer.status(), "signing key");
  return signer;
}

}  // namespace dragnet::console
