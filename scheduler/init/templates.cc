#include "scheduler/init/templates.h"

#include "absl/time/time.h"
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

std::string RootKeys(size_t count, const std::string& directory) {
  std::vector<std::string> names;
  for (size_t i = 1; i <= count; ++i) names.push_back(StrCat(directory, "root-", i, ".pub"));
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
      RootKeys(values.root_keys, "scheduler/"), "\n", "root_threshold = ", values.root_threshold,
      "\n\n",
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

std::string JoiningSchedulerToml(const Settings& settings, const std::string& name) {
  const auto duration = [](absl::Duration value) { return Quoted(absl::FormatDuration(value)); };
  return StrCat(
      "# Configuration of dragnet-scheduler, of one in a cluster: all but its name, and where it\n"
      "# listens, is as at the others. Relative paths start from this file.\n"
      "scheduler_name = ",
      Quoted(name), "\nfleet_id = ", Quoted(settings.fleet_id), "\n",
      "listen = ", Quoted(settings.listen), "\n\n",
      "# No ca_key: the scheduler that has it issues certificates.\n"
      "ca_certificate = \"scheduler/ca.pem\"\n"
      "server_certificate = \"scheduler/server.pem\"\n"
      "server_key = \"scheduler/server.key\"\n\n"
      "# As its own client certificates are stored here: of each host another one.\n"
      "store = ",
      Quoted(settings.store), "\n", "bus = ", List(settings.bus), "\n",
      "bus_ca = ", Quoted(settings.bus_ca), "\n",
      "bus_certificate = ", Quoted(settings.bus_certificate), "\n",
      "bus_key = ", Quoted(settings.bus_key), "\n", "bus_replicas = ", settings.bus_replicas,
      "\nbus_max_bytes = ", settings.bus_max_bytes, "\n\n",
      "root_keys = ", RootKeys(settings.root_keys.size(), "scheduler/"), "\n",
      "root_threshold = ", settings.root_threshold, "\n\n",
      "agent_certificate_lifetime = ", duration(settings.agent_certificate_lifetime), "\n",
      "heartbeat_interval = ", duration(settings.heartbeat_interval), "\n",
      "max_rows = ", settings.max_rows, "\nmax_result_bytes = ", settings.max_result_bytes, "\n",
      "record_budget = ", settings.record_budget, "\n\n", "retention_age = ",
      settings.retention.age == absl::InfiniteDuration() ? "\"0s\""
                                                         : duration(settings.retention.age),
      "\nretention_bytes = ", settings.retention.bytes, "\n",
      "retention_clock_hold = ", duration(settings.retention.clock_hold), "\n\n",
      "# /metrics for Prometheus, /healthz and /readyz; \"\" switches them off.\n"
      "metrics_listen = ",
      Quoted(settings.metrics_listen), "\n",
      "metrics_allow_remote = ", settings.metrics_allow_remote ? "true" : "false", "\n",
      "log_format = ", settings.log_format == LogFormat::kJson ? "\"json\"" : "\"text\"", "\n",
      settings.exports.empty() ? ""
                               : "\n# The others have [[export]]: the same, with their files, "
                                 "belong at the end of this.\n");
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
      "root_keys = ", RootKeys(values.root_keys, ""), "\n",
      "root_threshold = ", values.root_threshold, "\n");
}

std::string AgentToml(const TemplateValues& values) {
  return StrCat(
      "# Configuration of dragnet-agent. Relative paths start from this file.\n"
      "fleet_id = ",
      Quoted(values.fleet_id), "\n", "schedulers = ", List(values.agent_schedulers), "\n",
      "ca_file = \"ca.pem\"\n\n",
      "# Pinned: who may say who may order what.\n"
      "root_keys = ",
      RootKeys(values.root_keys, ""), "\n", "root_threshold = ", values.root_threshold, "\n\n",
      "# Identity, journal and results that are not sent yet.\n"
      "state_dir = \"state\"\n",
      "# Used once, on the first start.\n"
      "enrolment_token_file = \"enrolment.token\"\n\n",
      "# Facts that targets can ask for, e.g. tags->>'env' = 'prod'\n"
      "[tags]\n"
      "# env = \"prod\"\n");
}

}  // namespace dragnet::scheduler
