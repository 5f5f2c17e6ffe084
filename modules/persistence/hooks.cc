// Scripts that other programs run: for the message of the day, when networks come
// and go, when packages are installed, when a desktop session begins.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "core/strings.h"
#include "modules/persistence/apt_config.h"
#include "modules/persistence/readers.h"
#include "modules/persistence/unit_file.h"

namespace dragnet::persistence {
namespace {

struct Place {
  const char* directory;
  const char* when;
};

// NetworkManager-dispatcher(8), interfaces(5), networkd-dispatcher(8),
// dhclient-script(8), pppd(8), wpa_action(8), if-up of resolvconf.
constexpr Place kNetworkPlaces[] = {
    {"/etc/NetworkManager/dispatcher.d", "connection up or down"},
    {"/etc/NetworkManager/dispatcher.d/pre-up.d", "connection going up"},
    {"/etc/NetworkManager/dispatcher.d/pre-down.d", "connection going down"},
    {"/etc/NetworkManager/dispatcher.d/no-wait.d", "connection up or down"},
    {"/usr/lib/NetworkManager/dispatcher.d", "connection up or down"},
    {"/usr/lib/NetworkManager/dispatcher.d/pre-up.d", "connection going up"},
    {"/usr/lib/NetworkManager/dispatcher.d/pre-down.d", "connection going down"},
    {"/usr/lib/NetworkManager/dispatcher.d/no-wait.d", "connection up or down"},
    {"/etc/network/if-pre-up.d", "interface going up"},
    {"/etc/network/if-up.d", "interface up"},
    {"/etc/network/if-down.d", "interface going down"},
    {"/etc/network/if-post-down.d", "interface down"},
    {"/etc/networkd-dispatcher/routable.d", "interface routable"},
    {"/etc/networkd-dispatcher/configured.d", "interface configured"},
    {"/etc/networkd-dispatcher/carrier.d", "carrier"},
    {"/etc/networkd-dispatcher/degraded.d", "interface degraded"},
    {"/etc/networkd-dispatcher/dormant.d", "interface dormant"},
    {"/etc/networkd-dispatcher/no-carrier.d", "no carrier"},
    {"/etc/networkd-dispatcher/off.d", "interface off"},
    {"/etc/dhcp/dhclient-enter-hooks.d", "DHCP lease"},
    {"/etc/dhcp/dhclient-exit-hooks.d", "DHCP lease"},
    {"/etc/ppp/ip-up.d", "PPP up"},
    {"/etc/ppp/ip-down.d", "PPP down"}};

constexpr Place kKernelPlaces[] = {{"/etc/kernel/preinst.d", "kernel package"},
                                   {"/etc/kernel/postinst.d", "kernel package"},
                                   {"/etc/kernel/prerm.d", "kernel package"},
                                   {"/etc/kernel/postrm.d", "kernel package"},
                                   {"/etc/kernel/install.d", "kernel package"},
                                   {"/etc/initramfs/post-update.d", "initramfs update"},
                                   {"/etc/initramfs-tools/hooks", "initramfs update"}};

void AddPlaces(Host& host, Findings& findings, std::span<const Place> places,
               std::string_view kind) {
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const Place& place : places) {
    if (!host.IsNewDirectory(place.directory, &seen)) continue;
    Finding more;
    more.kind = kind;
    more.user = "root";
    more.schedule = place.when;
    const size_t first = findings.all().size();
    AddScripts(host, findings, place.directory, more);
    // dhclient-script reads its hooks into itself.
    if (!std::string_view(place.directory).starts_with("/etc/dhcp/")) continue;
    for (size_t i = first; i < findings.all().size(); ++i) {
      Finding& finding = findings.all()[i];
      if (finding.state != "not executable") continue;
      finding.enabled = true;
      finding.state = "enabled";
    }
  }
}

// up, pre-up, down and post-down lines of interfaces(5).
void ReadInterfaces(Host& host, Findings& findings, const std::string& path) {
  const std::optional<std::string> text = host.Read(path);
  std::string interface;
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    const std::string_view word = TakeWord(&line);
    if (word == "iface") interface = Text(line.substr(0, line.find_first_of(" \t")));
    if (word != "up" && word != "pre-up" && word != "post-up" && word != "down" &&
        word != "pre-down" && word != "post-down")
      return true;
    Finding finding;
    finding.kind = "network_hook";
    finding.name = interface;
    finding.path = path;
    finding.line = number;
    finding.directive = std::string(word);
    finding.command = std::string(line);
    finding.user = "root";
    finding.schedule = StrCat("interface ", word);
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

bool IsAptHook(std::string_view option) {
  while (option.ends_with(':')) option.remove_suffix(1);
  for (const char* end : {"::Pre-Invoke", "::Post-Invoke", "::Post-Invoke-Success",
                          "::Pre-Install-Pkgs", "::Post-Invoke-Stats"})
    if (absl::EndsWithIgnoreCase(ToAbsl(option), end)) return true;
  // The programs that apt takes for dpkg, its sources and keys.
  for (const char* whole :
       {"Dir::Bin::dpkg", "Dir::Bin::apt-key", "Dir::Bin::methods", "Dir::Bin::solvers",
        "Acquire::http::Proxy-Auto-Detect", "Acquire::http::ProxyAutoDetect"})
    if (absl::EqualsIgnoreCase(ToAbsl(option), whole)) return true;
  return false;
}

void ReadApt(Host& host, Findings& findings, const std::string& path, bool ignored) {
  const std::optional<std::string> text = host.Read(path);
  if (!text) return;
  const auto take = [&](std::string_view option, std::string_view value, uint32_t line) {
    if (!IsAptHook(option) || value.empty()) return true;
    Finding finding;
    finding.kind = "package_hook";
    finding.name = "apt";
    finding.path = path;
    finding.line = line;
    finding.directive = std::string(option);
    finding.command = std::string(value);
    finding.user = "root";
    finding.schedule = "packages are installed or updated";
    if (ignored) {
      finding.enabled = false;
      finding.state = "ignored";
    }
    findings.Add(std::move(finding));
    return findings.has_room();
  };
  if (!ParseAptConfig(*text, take)) host.Note("configuration of apt that isn't of its form", path);
}

// pre-invoke=COMMAND, post-invoke=…, status-logger=… (dpkg(1)).
void ReadDpkg(Host& host, Findings& findings, const std::string& path) {
  const std::optional<std::string> text = host.Read(path);
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    line = Trim(line);
    if (line.starts_with("--")) line.remove_prefix(2);
    const std::string_view option = line.substr(0, line.find_first_of(" \t="));
    if (option != "pre-invoke" && option != "post-invoke" && option != "status-logger") return true;
    line = Trim(line.substr(option.size()));
    if (line.starts_with('=')) line = Trim(line.substr(1));
    Finding finding;
    finding.kind = "package_hook";
    finding.name = "dpkg";
    finding.path = path;
    finding.line = number;
    finding.directive = std::string(option);
    finding.command = std::string(line);
    finding.user = "root";
    finding.schedule = "packages are installed or removed";
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

void ReadDesktopEntries(Host& host, Findings& findings, const std::string& directory,
                        const std::string& user) {
  for (const std::string& name : host.List(directory)) {
    if (!name.ends_with(".desktop")) continue;
    const std::string path = Join(directory, name);
    const std::optional<std::string> text = host.Read(path);
    if (!text) continue;
    Finding finding;
    finding.kind = "xdg_autostart";
    finding.name = name;
    finding.path = path;
    finding.user = user;
    finding.schedule = "desktop session";
    ParseUnitFile(*text, [&](const UnitLine& line) {
      if (line.section != "Desktop Entry") return true;
      if (line.key == "Exec") {
        finding.command = std::string(line.value);
        finding.line = line.line;
        finding.directive = "Exec";
      } else if ((line.key == "Hidden" && line.value == "true") ||
                 (line.key == "X-GNOME-Autostart-enabled" && line.value == "false")) {
        finding.enabled = false;
        finding.state = "disabled";
      }
      return true;
    });
    findings.Add(std::move(finding));
  }
}

}  // namespace

void ReadMotd(Host& host, Findings& findings) {
  Finding more;
  more.kind = "motd";
  more.user = "root";
  more.schedule = "login";
  AddScripts(host, findings, "/etc/update-motd.d", more);
}

void ReadNetworkHooks(Host& host, Findings& findings) {
  AddPlaces(host, findings, kNetworkPlaces, "network_hook");
  ReadInterfaces(host, findings, "/etc/network/interfaces");
  for (const std::string& name : host.List("/etc/network/interfaces.d"))
    ReadInterfaces(host, findings, Join("/etc/network/interfaces.d", name));
}

void ReadPackageHooks(Host& host, Findings& findings) {
  ReadApt(host, findings, "/etc/apt/apt.conf", false);
  for (const std::string& name : host.List("/etc/apt/apt.conf.d"))
    // As apt does: names of letters, digits, - and _, with .conf or nothing at the end.
    ReadApt(host, findings, Join("/etc/apt/apt.conf.d", name),
            IsPutAside(name) || (name.find('.') != std::string::npos && !name.ends_with(".conf")));
  ReadDpkg(host, findings, "/etc/dpkg/dpkg.cfg");
  for (const std::string& name : host.List("/etc/dpkg/dpkg.cfg.d"))
    ReadDpkg(host, findings, Join("/etc/dpkg/dpkg.cfg.d", name));
  AddPlaces(host, findings, kKernelPlaces, "package_hook");
}

void ReadAutostart(Host& host, Findings& findings) {
  ReadDesktopEntries(host, findings, "/etc/xdg/autostart", "*");
  for (const Account& account : host.Accounts())
    ReadDesktopEntries(host, findings, Join(account.home, ".config/autostart"), account.name);
}

}  // namespace dragnet::persistence
