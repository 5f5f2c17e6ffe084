#include "modules/persistence/cron_line.h"

#include <algorithm>

#include "modules/persistence/host.h"

namespace dragnet::persistence {
namespace {

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// NAME = VALUE, either of them perhaps in quotes. A schedule has no = in its first
// word, and no word = after it.
bool TakeVariable(std::string_view line, CronLine* parsed) {
  const size_t sign = line.find('=');
  if (sign == std::string_view::npos) return false;
  std::string_view name = Trim(line.substr(0, sign));
  if (name.size() > 2 && (name.front() == '"' || name.front() == '\'') &&
      name.back() == name.front())
    name = name.substr(1, name.size() - 2);
  if (name.empty() || (name.front() >= '0' && name.front() <= '9') ||
      !std::all_of(name.begin(), name.end(), IsNameCharacter))
    return false;
  parsed->type = CronLine::Type::kVariable;
  parsed->name = name;
  parsed->command = Trim(line.substr(sign + 1));
  return true;
}

// The first `count` words as one text.
std::string_view TakeWords(std::string_view* text, int count) {
  const std::string_view whole = *text;
  std::string_view last;
  for (int i = 0; i < count; ++i) last = TakeWord(text);
  if (last.empty()) return {};
  return whole.substr(0, static_cast<size_t>(last.data() + last.size() - whole.data()));
}

}  // namespace

CronLine ParseCronLine(std::string_view line, CronForm form) {
  CronLine parsed;
  line = Trim(line);
  if (line.empty() || line.front() == '#') return parsed;
  if (TakeVariable(line, &parsed)) return parsed;
  parsed.type = CronLine::Type::kMalformed;
  // cronie and Debian take a line that begins with - for one that isn't logged.
  if (form != CronForm::kAnacron && line.front() == '-') line = Trim(line.substr(1));
  const bool is_name = line.starts_with('@');
  if (form == CronForm::kAnacron) {
    parsed.schedule = TakeWords(&line, 2);
    parsed.name = TakeWord(&line);
  } else {
    parsed.schedule = TakeWords(&line, is_name ? 1 : 5);
    // @every takes a number on BSD, which cron here doesn't have.
    const std::string_view first = parsed.schedule.substr(0, 1);
    if (!is_name &&
        (first.empty() || std::string_view("0123456789*~").find(first) == std::string_view::npos))
      return parsed;
  }
  if (form == CronForm::kSystem) parsed.user = TakeWord(&line);
  parsed.command = line;
  if (!parsed.schedule.empty() && !parsed.command.empty()) parsed.type = CronLine::Type::kJob;
  return parsed;
}

}  // namespace dragnet::persistence
