// Lines of crontabs (crontab(5)) and of anacrontab(5). Thread-safe: no state.
#pragma once

#include <string_view>

namespace dragnet::persistence {

enum class CronForm {
  // Of a user: schedule, command.
  kUser,
  // Of the system: schedule, user, command.
  kSystem,
  // Period, delay, name, command.
  kAnacron,
};

struct CronLine {
  enum class Type { kNothing, kVariable, kJob, kMalformed } type = Type::kNothing;
  std::string_view schedule;
  std::string_view user;
  // Of anacrontab; of a variable, its name.
  std::string_view name;
  // Of a variable, its value.
  std::string_view command;
};

CronLine ParseCronLine(std::string_view line, CronForm form);

}  // namespace dragnet::persistence
