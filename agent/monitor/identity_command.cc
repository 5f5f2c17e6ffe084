#include "agent/monitor/identity_command.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "core/certificate.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "core/version.h"

namespace dragnet {
namespace {

// Of a key, or of a chain of certificates.
constexpr size_t kMaxBytes = 64 * 1024;

// No link that leads elsewhere, no pipe that waits.
absl::StatusOr<std::string> ReadPlainFile(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0)
    return ErrnoStatus(StrCat("open ", path), errno);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(StrCat(path, ": not a plain file"));
  std::string content(kMaxBytes + 1, '\0');
  size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = ::read(fd.get(), content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(StrCat("read ", path), errno);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > kMaxBytes)
    return absl::InvalidArgumentError(StrCat(path, ": over ", kMaxBytes, " bytes"));
  content.resize(size);
  return content;
}

// Nothing before the first enrolment.
absl::StatusOr<std::optional<CertificateInfo>> ReadCertificate(const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadPlainFile(path);
  if (absl::IsNotFound(pem.status())) return std::optional<CertificateInfo>();
  if (!pem.ok()) return pem.status();
  absl::StatusOr<CertificateInfo> info = ParseCertificate(*pem);
  DRAGNET_RETURN_IF_ERROR(Annotate(info.status(), path));
  return std::optional<CertificateInfo>(*std::move(info));
}

}  // namespace

absl::StatusOr<std::string> DescribeIdentity(const AgentConfig& config, absl::Time now) {
  const std::string directory = config.state_directory + "/link";
  const std::string key_path = directory + "/tls.key";
  const absl::StatusOr<std::string> pem = ReadPlainFile(key_path);
  if (absl::IsNotFound(pem.status())) {
    return absl::FailedPreconditionError(
        StrCat(key_path, ": no key yet: the agent draws it when it is started for the first time"));
  }
  if (!pem.ok()) return pem.status();
  const absl::StatusOr<PrivateKey> key = PrivateKey::FromPem(*pem);
  DRAGNET_RETURN_IF_ERROR(Annotate(key.status(), key_path));
  const std::string certificate_path = directory + "/tls.pem";
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<CertificateInfo> certificate,
                           ReadCertificate(certificate_path));
  std::string agent = "not enrolled yet: no scheduler has issued a certificate";
  std::string validity = "none";
  if (certificate.has_value()) {
    if (certificate->spki != key->public_key().spki())
      return absl::InvalidArgumentError(
          StrCat(certificate_path, ": does not belong to ", key_path));
    const std::optional<SpiffeId> id = ParseSpiffeId(certificate->spiffe_id);
    if (!id.has_value() || id->kind != "agent" || id->fleet_id != config.fleet_id) {
      return absl::InvalidArgumentError(StrCat(certificate_path, ": is for \"",
                                               certificate->spiffe_id, "\", not for an agent of ",
                                               config.fleet_id));
    }
    agent = id->name;
    validity =
        StrCat(now > certificate->not_after ? "expired " : "until ",
               absl::FormatTime("%Y-%m-%d %H:%M UTC", certificate->not_after, absl::UTCTimeZone()));
  }
  return StrCat("agent        ", ForTerminal(agent), "\nfleet        ", config.fleet_id,
                "\nkey          ", key->public_key().id(), "\ncertificate  ", validity,
                "\nversion      ", kVersion, "\n");
}

}  // namespace dragnet
