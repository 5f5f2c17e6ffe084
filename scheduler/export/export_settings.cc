#include "scheduler/export/export_settings.h"

#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxName = 32;

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

// "siem.example.org:6514", "[2001:db8::1]:6514".
bool SplitAddress(std::string_view address, ExportSettings* settings) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return false;
  }
  settings->host = host;
  settings->port = address.substr(colon + 1);
  int port = 0;
  return !host.empty() && absl::SimpleAtoi(settings->port, &port) && port > 0 && port < 65536;
}

// Without user, blanks or control characters: it is shown in problems and logs.
bool IsUrl(std::string_view url, bool plain_loopback) {
  for (const char c : url)
    if (c <= ' ' || c == 0x7f || static_cast<unsigned char>(c) >= 0x80 || c == '"' || c == '\\')
      return false;
  constexpr std::string_view kHttps = "https://";
  std::string_view rest;
  if (url.starts_with(kHttps)) {
    rest = url.substr(kHttps.size());
  } else {
    if (!plain_loopback) return false;
    for (const std::string_view begin : {"http://127.0.0.1", "http://[::1]"})
      if (url.starts_with(begin)) rest = url.substr(begin.size());
    // Then a port, a path, or nothing: "127.0.0.1.example.org" is another host.
    if (rest.empty() || (rest[0] != ':' && rest[0] != '/'))
      return url == "http://127.0.0.1" || url == "http://[::1]";
    return rest.substr(0, rest.find('/')).find('@') == std::string_view::npos;
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  return !authority.empty() && authority.find('@') == std::string_view::npos;
}

void ReadSyslog(ConfigFile* file, const std::string& prefix, ExportSettings* settings) {
  const std::string address = file->RequiredString(prefix + "address");
  settings->accept_plain_close = file->Bool(prefix + "accept_plain_close", false);
  if (!address.empty() && !SplitAddress(address, settings))
    file->Refuse(prefix + "address", "must be HOST:PORT, such as \"siem.example.org:6514\"");
}

void ReadWebhook(ConfigFile* file, const std::string& prefix, ExportSettings* settings) {
  settings->url = file->RequiredString(prefix + "url");
  settings->secret = file->RequiredPath(prefix + "secret");
  const bool plain_loopback = file->Bool(prefix + "allow_plain_loopback", false);
  if (!settings->url.empty() && !IsUrl(settings->url, plain_loopback))
    file->Refuse(prefix + "url",
                 "must begin with https://, without a user (http://127.0.0.1 only with "
                 "allow_plain_loopback = true)");
}

}  // namespace

std::vector<ExportSettings> ReadExports(ConfigFile* file) {
  std::vector<ExportSettings> exports;
  std::set<std::string> names;
  const size_t count = file->TableCount("export");
  if (count > kMaxExports) file->Refuse("export", StrCat("there may be ", kMaxExports, " at most"));
  for (size_t i = 0; i < std::min(count, kMaxExports); ++i) {
    const std::string prefix = StrCat("export[", i, "].");
    ExportSettings& settings = exports.emplace_back();
    settings.name = file->RequiredString(prefix + "name");
    if (!settings.name.empty() && !IsName(settings.name))
      file->Refuse(prefix + "name", "may have lower-case letters, digits and hyphens, 32 at most");
    if (!names.insert(settings.name).second && !settings.name.empty())
      file->Refuse(prefix + "name", "another export has this name");
    const std::string from = file->String(prefix + "from", "now");
    if (from != "now" && from != "oldest")
      file->Refuse(prefix + "from", "must be \"now\" or \"oldest\"");
    settings.from_oldest = from == "oldest";
    const std::string events = file->String(prefix + "events", "all");
    if (events != "all" && events != "changes")
      file->Refuse(prefix + "events", "must be \"all\" or \"changes\"");
    settings.changes_only = events == "changes";
    const std::string format = file->String(prefix + "format", "ecs");
    if (format != "ecs" && format != "mig-compliance")
      file->Refuse(prefix + "format", "must be \"ecs\" or \"mig-compliance\"");
    if (format == "mig-compliance") settings.format = ExportSettings::Format::kMigCompliance;
    settings.ca = file->Path(prefix + "ca", "");
    settings.certificate = file->Path(prefix + "certificate", "");
    settings.key = file->Path(prefix + "key", "");
    if (settings.certificate.empty() != settings.key.empty())
      file->Refuse(prefix + (settings.key.empty() ? "certificate" : "key"),
                   "certificate and key go together");
    const std::string kind = file->RequiredString(prefix + "kind");
    if (kind == "syslog") {
      ReadSyslog(file, prefix, &settings);
    } else if (kind == "webhook") {
      settings.kind = ExportSettings::Kind::kWebhook;
      ReadWebhook(file, prefix, &settings);
    } else if (!kind.empty()) {
      file->Refuse(prefix + "kind", "must be \"syslog\" or \"webhook\"");
    }
  }
  return exports;
}

}  // namespace dragnet::scheduler
