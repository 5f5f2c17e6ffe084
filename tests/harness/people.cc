#include "tests/harness/people.h"

#include "core/certificate.h"
#include "core/strings.h"
#include "tests/harness/database.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {

SecondInvestigator::SecondInvestigator(TestFleet& fleet)
    : fleet_(fleet),
      directory_(fleet.temporary() + "/bob"),
      key_(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)) {
  CopyTree(fleet.directory() + "/investigator", directory_);
  const TlsPair tls = fleet.forge().Issue({"investigator", kName}, absl::Now(), absl::Hours(24));
  Write(directory_ + "/tls.pem", tls.certificate_chain);
  Write(directory_ + "/tls.key", tls.private_key, 0600);
  Write(directory_ + "/signing.key", key_.ToPem(), 0600);
  Write(console_config(), WithTomlKey(Read(console_config()), "name", StrCat("\"", kName, "\"")));
  const CertificateInfo certificate =
      NeedValue(ParseCertificate(tls.certificate_chain), "bob's certificate");
  TestDatabase(fleet.database_path())
      .Execute(
          "INSERT INTO certificates (fingerprint, identity, issued_at, not_after)"
          " VALUES (?, ?, ?, ?)",
          {certificate.fingerprint,
           StrCat("spiffe://", fleet.forge().fleet_id(), "/investigator/", kName),
           absl::ToUnixMillis(absl::Now()), absl::ToUnixMillis(absl::Now() + absl::Hours(24))});
}

void SecondInvestigator::BeNeededFor(const std::string& name) {
  v1::TrustPolicy policy = fleet_.forge().NextPolicy();
  v1::Investigator* bob = policy.add_investigators();
  bob->set_name(kName);
  *bob->add_keys() = key_.public_key().ToProto();
  bob->add_roles(v1::ROLE_INVESTIGATOR);
  for (v1::ModulePolicy& module : *policy.mutable_modules()) {
    if (module.module() != name) continue;
    module.set_minimum_weight(2);
    v1::Weight* weight = module.add_weights();
    weight->set_investigator(kName);
    weight->set_weight(1);
  }
  NeedOk(fleet_.api().PublishTrustPolicy(fleet_.forge().SignPolicy(policy)), "publish the policy");
}

Finished SecondInvestigator::Dragnet(std::vector<std::string> arguments) const {
  Command command;
  command.arguments = std::move(arguments);
  command.arguments.insert(command.arguments.begin(), "dragnet");
  command.environment = {"DRAGNET_CONFIG=" + console_config()};
  return RunToEnd(command);
}

}  // namespace dragnet::testing
