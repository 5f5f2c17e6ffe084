// cron, anacron and at. Debian's cron, cronie and at differ in where they keep
// things; all their places are looked at.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "core/strings.h"
#include "modules/persistence/cron_line.h"
#include "modules/persistence/readers.h"

namespace dragnet::persistence {
namespace {

constexpr const char* kSpools[] = {"/var/spool/cron/crontabs", "/var/spool/cron/tabs",
                                   "/var/spool/cron", "/etc/crontabs"};
constexpr const char* kAtSpools[] = {"/var/spool/cron/atjobs", "/var/spool/at",
                                     "/var/spool/atjobs"};

bool IsRunPartsName(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

void ReadTable(Host& host, Findings& findings, const std::string& path, CronForm form,
               std::string_view user, bool ignored) {
  const std::optional<std::string> text = host.Read(path);
  if (!text) return;
  ForEachLine(*text, [&](std::string_view line, uint32_t number) {
    const CronLine parsed = ParseCronLine(line, form);
    // What cron itself wouldn't take isn't run; but that is for people to see.
    if (parsed.type == CronLine::Type::kMalformed)
      host.Note("line that isn't a crontab's", StrCat(path, ":", number));
    // SHELL, PATH and what is preloaded change what all the others run.
    const bool is_hook = parsed.type == CronLine::Type::kVariable &&
                         (parsed.name == "SHELL" || parsed.name.starts_with("LD_") ||
                          parsed.name == "BASH_ENV" || parsed.name == "ENV");
    if (parsed.type != CronLine::Type::kJob && !is_hook) return true;
    Finding finding;
    finding.kind = "cron";
    finding.name = parsed.name.empty() ? std::string(BaseName(path)) : std::string(parsed.name);
    finding.path = path;
    finding.line = number;
    finding.directive = is_hook ? std::string(parsed.name) : "";
    finding.schedule = std::string(parsed.schedule);
    finding.command = std::string(parsed.command);
    finding.user = std::string(form == CronForm::kSystem && !is_hook ? parsed.user : user);
    if (ignored) {
      finding.enabled = false;
      finding.state = "ignored";
    }
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

// What the job runs: at writes the user's environment in front of it.
std::string_view AtCommand(std::string_view text) {
  const size_t here = text.find("<< 'marcinDELIMITER");
  if (here != std::string_view::npos) {
    std::string_view delimiter = text.substr(here + 4);
    delimiter = delimiter.substr(0, delimiter.find('\''));
    const size_t begin = text.find('\n', here);
    if (begin == std::string_view::npos) return {};
    const std::string_view body = text.substr(begin + 1);
    const size_t end = body.find(delimiter);
    return Trim(body.substr(0, end));
  }
  // cd DIR || { … exit 1 \n } \n COMMANDS
  const size_t end = text.find("\n}\n");
  return Trim(end == std::string_view::npos ? text : text.substr(end + 3));
}

}  // namespace

bool IsPutAside(std::string_view name) {
  for (std::string_view end :
       {"~", ".bak", ".swp", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-bak", ".dpkg-tmp",
        ".rpmsave", ".rpmorig", ".rpmnew", ".ucf-dist", ".ucf-old", ".apk-new"})
    if (name.ends_with(end)) return true;
  return name.starts_with('.') || name.starts_with('#');
}

void AddScripts(Host& host, Findings& findings, const std::string& directory, Finding more) {
  for (const std::string& name : host.List(directory)) {
    Finding finding = more;
    finding.name = name;
    finding.path = finding.command = Join(directory, name);
    struct stat status;
    if (!host.Status(finding.path, &status)) continue;
    // Only what could be run: a FIFO or a device here is worth a word.
    if (S_ISDIR(status.st_mode)) continue;
    if (!S_ISREG(status.st_mode)) {
      host.Note("not a regular file", finding.path);
      continue;
    }
    if (IsPutAside(name)) {
      finding.enabled = false;
      finding.state = "ignored";
    } else if ((status.st_mode & 0111) == 0) {
      finding.enabled = false;
      finding.state = "not executable";
    }
    findings.Add(std::move(finding));
  }
}

void ReadCron(Host& host, Findings& findings) {
  ReadTable(host, findings, "/etc/crontab", CronForm::kSystem, "root", false);
  // Debian's cron passes over names that run-parts(8) would, cronie doesn't.
  const bool strict = host.IsRegular("/etc/debian_version");
  for (const std::string& name : host.List("/etc/cron.d")) {
    ReadTable(host, findings, Join("/etc/cron.d", name), CronForm::kSystem, "root",
              IsPutAside(name) || (strict && !IsRunPartsName(name)));
  }
  for (const char* period : {"hourly", "daily", "weekly", "monthly", "yearly"}) {
    Finding more;
    more.kind = "cron";
    more.user = "root";
    more.schedule = period;
    const size_t first = findings.all().size();
    AddScripts(host, findings, StrCat("/etc/cron.", period), more);
    // Alpine's.
    AddScripts(host, findings, StrCat("/etc/periodic/", period), more);
    for (size_t i = first; strict && i < findings.all().size(); ++i) {
      Finding& finding = findings.all()[i];
      if (!finding.enabled || IsRunPartsName(finding.name)) continue;
      finding.enabled = false;
      finding.state = "ignored";
    }
  }
  ReadTable(host, findings, "/etc/anacrontab", CronForm::kAnacron, "root", false);
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const char* spool : kSpools) {
    if (!host.IsNewDirectory(spool, &seen)) continue;
    for (const std::string& name : host.List(spool)) {
      const std::string path = Join(spool, name);
      // /var/spool/cron holds tables with some, and directories with others.
      struct stat status;
      if (host.Status(path, &status) && S_ISDIR(status.st_mode)) continue;
      ReadTable(host, findings, path, CronForm::kUser, name, IsPutAside(name));
    }
  }
}

void ReadAt(Host& host, Findings& findings) {
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const char* spool : kAtSpools) {
    if (!host.IsNewDirectory(spool, &seen)) continue;
    for (const std::string& name : host.List(spool)) {
      // QUEUE, five digits of a number, eight of the time in minutes.
      uint64_t minutes = 0;
      if (name.size() != 14 || !absl::SimpleHexAtoi(name.substr(6), &minutes)) continue;
      const std::string path = Join(spool, name);
      struct stat status;
      const std::optional<std::string> text = host.Read(path);
      if (!text || !host.Status(path, &status)) continue;
      Finding finding;
      finding.kind = "at";
      finding.name = name;
      finding.path = path;
      finding.user = host.NameOf(status.st_uid);
      finding.schedule = absl::FormatTime("%Y-%m-%dT%H:%MZ",
                                          absl::FromUnixSeconds(static_cast<int64_t>(minutes) * 60),
                                          absl::UTCTimeZone());
      finding.command = std::string(AtCommand(*text));
      findings.Add(std::move(finding));
    }
  }
}

}  // namespace dragnet::persistence
