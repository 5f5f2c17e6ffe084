#include "scheduler/init/templates.h"

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

// A TOML basic string.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string List(const std::vector<std::string>& values) {
  std::string list = "[";
  for (size_t i = 0; i < values.size(); ++i) list += StrCat(i == 0 ? "" : ", ", Quoted(values[i]));
  return list + "]";
}

std::string RootKeys(const TemplateValues& values, const std::string& directory) {
  std::vector<std::string> names;
  for (uint32_t i = 1; i <= values.root_keys; ++i)
    names.push_back(StrCat(directory, "root-", i, ".pub"));
  return List(names);
}

}  // namespace

std::string SchedulerToml(const TemplateValues& values) {
  return StrCat(
      "# Configuration of dragnet-scheduler. Relative paths start from this file.\n"
      "fleet_id = ",
      Quoted(values.fleet_id), "\n", "listen = ", Quoted(values.listen), "\n\n",
      "ca_certificate = \"scheduler/ca.pem\"\n"
      "ca_key = \"scheduler/ca.key\"\n"
      "server_certificate = \"scheduler/server.pem\"\n"
      "server_key = \"scheduler/server.key\"\n"
      "store = \"scheduler/dragnet.db\"\n\n",
      "# Public halves; the private ones belong offline.\n"
      "root_keys = ",
      RootKeys(values, "scheduler/"), "\n", "root_threshold = ", values.root_threshold, "\n\n",
      "agent_certificate_lifetime = \"720h\"\n"
      "heartbeat_interval = \"30s\"\n\n"
      "# Results are removed so long after an action has expired (\"0s\": never), or, oldest\n"
      "# first, while the store is larger than so many bytes (0: whatever its size).\n"
      "retention_age = \"8760h\"\n"
      "retention_bytes = 0\n\n"
      "# /metrics for Prometheus, /healthz and /readyz; \"\" switches them off.\n"
      "metrics_listen = \"127.0.0.1:7480\"\n"
      "# text or json; debug, info, warning or error.\n"
      "log_format = \"text\"\n"
      "log_level = \"info\"\n");
}

std::string ConsoleToml(const TemplateValues& values) {
  return StrCat(
      "# Configuration of dragnet, for one investigator. Relative paths start from this file.\n"
      "fleet_id = ",
      Quoted(values.fleet_id), "\n", "scheduler = ", Quoted(values.console_scheduler), "\n",
      "name = ", Quoted(values.investigator), "\n\n",
      "ca_file = \"ca.pem\"\n"
      "tls_certificate = \"tls.pem\"\n"
      "tls_key = \"tls.key\"\n"
      "signing_key = \"signing.key\"\n\n",
      "root_keys = ", RootKeys(values, ""), "\n", "root_threshold = ", values.root_threshold, "\n");
}

std::string AgentToml(const TemplateValues& values) {
  return StrCat(
      "# Configuration of dragnet-agent. Relative paths start from this file.\n"
      "fleet_id = ",
      Quoted(values.fleet_id), "\n", "schedulers = ", List(values.agent_schedulers), "\n",
      "ca_file = \"ca.pem\"\n\n",
      "# Pinned: who may say who may order what.\n"
      "root_keys = ",
      RootKeys(values, ""), "\n", "root_threshold = ", values.root_threshold, "\n\n",
      "# Identity, journal and results that are not sent yet.\n"
      "state_dir = \"state\"\n",
      "# Used once, on the first start.\n"
      "enrolment_token_file = \"enrolment.token\"\n\n",
      "# Facts that targets can ask for, e.g. tags->>'env' = 'prod'\n"
      "[tags]\n"
      "# env = \"prod\"\n");
}

}  // namespace dragnet::scheduler
