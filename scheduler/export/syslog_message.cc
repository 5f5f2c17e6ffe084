#include "scheduler/export/syslog_message.h"

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxHost = 255;

// PRINTUSASCII, or the nil value.
std::string HostField(std::string_view host) {
  std::string field;
  for (const char c : host.substr(0, kMaxHost)) field.push_back(c > ' ' && c <= '~' ? c : '_');
  return field.empty() ? "-" : field;
}

}  // namespace

std::string SyslogFrame(std::string_view host, absl::Time time, std::string_view json) {
  const std::string message =
      StrCat("<134>1 ", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", time, absl::UTCTimeZone()), " ",
             HostField(host), " dragnet - ecs - ", json);
  return StrCat(message.size(), " ", message);
}

}  // namespace dragnet::scheduler
