#include "agent/monitor/link_start.h"

#include "absl/strings/str_join.h"
#include "agent/monitor/host_facts.h"
#include "core/ca_bundle.h"

namespace dragnet {

v1::Hello MakeHello(const AgentConfig& config, const v1::Facts& facts, uint64_t policy_version,
                    const std::vector<std::string>& missing_walls) {
  v1::Hello hello;
  *hello.mutable_facts() = facts;
  hello.set_trust_policy_version(policy_version);
  for (const std::string& wall : missing_walls) hello.add_missing_walls(wall);
  hello.set_boot_id(BootId());
  for (const std::string& line : LimitLines(config)) hello.add_limits(line);
  return hello;
}

std::string CaCertificates(const AgentConfig& config, const TrustPolicy* policy) {
  std::string named;
  if (policy != nullptr) {
    for (const std::string& der : policy->proto().ca_certificates()) named += CertificateToPem(der);
  }
  // In one form, so that the same ones are seen to be the same. With one that can't be
  // read the host would be without any scheduler.
  for (const std::string& pem : {named, config.ca_certificates}) {
    const auto certificates = SplitCertificates(pem);
    if (certificates.ok()) return absl::StrJoin(*certificates, "");
  }
  return config.ca_certificates;
}

ipc::LinkStart MakeLinkStart(const AgentConfig& config, const std::string& ca_certificates,
                             const v1::Hello& hello, absl::Time enrolled_with) {
  ipc::LinkStart start;
  for (const std::string& scheduler : config.schedulers) start.add_schedulers(scheduler);
  start.set_ca_certificates(ca_certificates);
  start.set_agent_id(hello.facts().id());
  start.set_fleet_id(config.fleet_id);
  start.set_identity_directory(config.state_directory + "/link");
  if (enrolled_with == absl::InfinitePast() || config.enrolment_token_written > enrolled_with) {
    start.set_enrolment_token(config.enrolment_token);
  }
  start.set_proxy(config.proxy);
  *start.mutable_hello() = hello;
  return start;
}

}  // namespace dragnet
