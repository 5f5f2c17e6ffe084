// What one run of `dragnet` shares between its parts, made when first needed:
// configuration, connection, trust policy. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/io.h"
#include "console/client/client.h"
#include "console/client/config.h"
#include "console/form/module_catalog.h"
#include "console/investigation/lookup.h"
#include "core/file_io.h"
#include "core/signer.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "modules/blobs.h"

namespace dragnet::console {

class Session {
 public:
  Session(Io& io, const ModuleCatalog& modules, std::string config_flag)
      : io_(io), modules_(modules), config_flag_(std::move(config_flag)) {}

  Io& io() { return io_; }
  const ModuleCatalog& modules() const { return modules_; }
  absl::Time now() const { return io_.clock->Now(); }

  absl::StatusOr<const ConsoleConfig*> config();
  absl::StatusOr<Client*> client();
  // The scheduler's newest policy, verified here against the pinned root keys:
  // what the scheduler says of signatures is never taken on its word. Refused
  // if a newer one was seen here before.
  absl::StatusOr<const TrustPolicy*> policy();

  // The investigator's key, opened when first asked for: for a key with a
  // passphrase, that is asked for once (console/signing/signing.h).
  absl::StatusOr<const Signer*> signer();

  // "last" (the newest action that this investigator launched), a full id, or
  // a unique beginning or end of one. DataLoss if the scheduler gives another
  // action than that; id and name are those in the signed document.
  absl::StatusOr<v1::ActionInfo> FindAction(const std::string& word);
  // By id or by unique name.
  absl::StatusOr<v1::AgentInfo> FindAgent(const std::string& word);

  // Where `dragnet file` and the like find the --config that was given.
  std::string* config_flag() { return &config_flag_; }

  // Values of the action under construction that travel as blobs.
  BlobContents& blobs() { return blobs_; }

 private:
  BlobContents blobs_;

  Io& io_;
  const ModuleCatalog& modules_;
  std::string config_flag_;
  std::optional<ConsoleConfig> config_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Signer> signer_;
  std::optional<TrustPolicy> policy_;
};

// A file, or standard input (up to 4 MiB) for "-".
absl::StatusOr<std::string> ReadInput(Io& io, const std::string& path,
                                      size_t max_bytes = kMaxSmallFile);

// "[y/N]" on the terminal. FailedPrecondition without one: `flag` would have
// said yes.
absl::StatusOr<bool> Confirm(Io& io, std::string_view question);

// Refuses early what Confirm would refuse late.
absl::Status CheckCanConfirm(const Io& io, bool yes);

}  // namespace dragnet::console
