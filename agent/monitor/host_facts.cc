#include "agent/monitor/host_facts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_split.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "core/uuid.h"
#include "core/version.h"
#include "modules/manifest.h"

namespace dragnet {
namespace {

constexpr size_t kMaxAddresses = 256;
constexpr size_t kMaxOsReleaseBytes = 65536;
constexpr std::string_view kTopDirectories[] = {"etc", "usr", "bin"};

bool IsLinkLocal(const in6_addr& address) { return IN6_IS_ADDR_LINKLOCAL(&address); }

void AddAddresses(v1::Facts* facts) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  const absl::Cleanup free_list = [&] { ::freeifaddrs(list); };
  std::set<std::string> addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET6_ADDRSTRLEN] = {};
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* ip = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      ::inet_ntop(AF_INET, &ip->sin_addr, text, sizeof text);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* ip = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      if (IsLinkLocal(ip->sin6_addr)) continue;
      ::inet_ntop(AF_INET6, &ip->sin6_addr, text, sizeof text);
    } else {
      continue;
    }
    addresses.insert(text);
    if (addresses.size() == kMaxAddresses) break;
  }
  for (const std::string& address : addresses) facts->add_addresses(address);
}

std::string FirstLine(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, 65536);
  if (!text.ok()) return "";
  return ToValidUtf8(text->substr(0, text->find('\n')));
}

void AddEnvironment(v1::Facts* facts) {
  auto& environment = *facts->mutable_environment();
  const std::string machine_id = FirstLine("/etc/machine-id");
  if (!machine_id.empty()) environment["machine_id"] = machine_id;
  environment["init"] = FirstLine("/proc/1/comm");
  if (::access("/.dockerenv", F_OK) == 0 || ::access("/run/.containerenv", F_OK) == 0) {
    environment["container"] = "true";
  }
  const std::string product = FirstLine("/sys/class/dmi/id/product_name");
  if (!product.empty()) environment["product"] = product;
}

// A regular file beneath `root`, whatever its links say.
absl::StatusOr<std::string> ReadInImage(const std::string& root, const char* path) {
  const UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd file(
      static_cast<int>(::syscall(SYS_openat2, directory.get(), path, &how, sizeof how)));
  struct stat info;
  if (!file.valid() || ::fstat(file.get(), &info) != 0) {
    return ErrnoStatus(StrCat("open ", root, "/", path), errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(StrCat(root, "/", path, ": not a regular file"));
  }
  std::string text(kMaxOsReleaseBytes, '\0');
  const ssize_t size = ::read(file.get(), text.data(), text.size());
  if (size < 0) return ErrnoStatus(StrCat("read ", root, "/", path), errno);
  text.resize(static_cast<size_t>(size));
  return text;
}

void SetDistribution(std::string_view os_release, v1::Facts* facts) {
  auto values = ParseOsRelease(os_release);
  facts->set_distribution(values["ID"]);
  facts->set_distribution_version(values["VERSION_ID"]);
}

void AddModules(v1::Facts* facts) {
  for (const ModuleManifest* manifest : AllManifests()) {
    facts->add_modules(std::string(manifest->name));
  }
}

}  // namespace

std::map<std::string, std::string> ParseOsRelease(std::string_view text) {
  std::map<std::string, std::string> values;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos || line[0] == '#') continue;
    std::string value(line.substr(equals + 1));
    if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) {
      value = value.substr(1, value.size() - 2);
    }
    values[std::string(line.substr(0, equals))] = ToValidUtf8(value);
  }
  return values;
}

ImageFacts CollectImageFacts(const std::string& root) {
  ImageFacts image;
  v1::Facts& facts = image.facts;
  utsname kernel = {};
  ::uname(&kernel);
  facts.set_os("linux");
  facts.set_arch(ToValidUtf8(kernel.machine));
  facts.set_version(kVersion);
  absl::StatusOr<std::string> release = ReadInImage(root, "etc/os-release");
  // The first is there to take the place of the second (os-release(5)).
  if (absl::IsNotFound(release.status())) release = ReadInImage(root, "usr/lib/os-release");
  image.status = release.status();
  if (release.ok()) SetDistribution(*release, &facts);
  if (release.ok() && facts.distribution().empty()) {
    image.status = absl::NotFoundError(StrCat(root, ": its os-release has no ID"));
  }
  AddModules(&facts);
  return image;
}

bool LooksLikeAnImage(const std::string& root) {
  struct stat info;
  return std::any_of(
      std::begin(kTopDirectories), std::end(kTopDirectories),
      [&](std::string_view name) { return ::lstat(StrCat(root, "/", name).c_str(), &info) == 0; });
}

v1::Facts CollectHostFacts() {
  v1::Facts facts;
  utsname kernel = {};
  ::uname(&kernel);
  facts.set_name(ToValidUtf8(kernel.nodename));
  facts.set_os("linux");
  facts.set_kernel(ToValidUtf8(kernel.release));
  facts.set_arch(ToValidUtf8(kernel.machine));
  facts.set_version(kVersion);
  absl::StatusOr<std::string> release = ReadFile("/etc/os-release", kMaxOsReleaseBytes);
  if (!release.ok()) release = ReadFile("/usr/lib/os-release", kMaxOsReleaseBytes);
  if (release.ok()) SetDistribution(*release, &facts);
  AddAddresses(&facts);
  AddEnvironment(&facts);
  struct sysinfo info = {};
  if (::sysinfo(&info) == 0) {
    *facts.mutable_boot_time() = ToTimestamp(
        absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now() - absl::Seconds(info.uptime))));
  }
  AddModules(&facts);
  return facts;
}

std::string BootId() {
  std::string id = FirstLine("/proc/sys/kernel/random/boot_id");
  return IsUuid(id) ? id : "";
}

}  // namespace dragnet
