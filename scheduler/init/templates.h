// The configuration files that init writes. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scheduler/settings.h"

namespace dragnet::scheduler {

struct TemplateValues {
  std::string fleet_id;
  std::string investigator;
  std::string listen;
  std::string console_scheduler;
  std::vector<std::string> agent_schedulers;
  uint32_t root_keys = 1;
  uint32_t root_threshold = 1;
};

std::string SchedulerToml(const TemplateValues& values);
// Of another scheduler of the same cluster: what is not said here is as it is there.
std::string JoiningSchedulerToml(const Settings& settings, const std::string& name);
std::string ConsoleToml(const TemplateValues& values);
std::string AgentToml(const TemplateValues& values);

}  // namespace dragnet::scheduler
