#include "modules/events/row_fields.h"

#include <string>

#include "core/strings.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/stubs/logging.h"
#include "modules/accounts/accounts.pb.h"
#include "modules/check/check.pb.h"
#include "modules/events/convert.h"
#include "modules/file/file.pb.h"
#include "modules/firewall/firewall.pb.h"
#include "modules/memory/memory.pb.h"
#include "modules/mounts/mounts.pb.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/persistence/persistence.pb.h"
#include "modules/ping/ping.pb.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/process/process.pb.h"
#include "modules/retire/retire.pb.h"
#include "modules/scribe/scribe.pb.h"
#include "modules/secrets/secrets.pb.h"
#include "modules/settings/settings.pb.h"
#include "modules/sshkey/sshkey.pb.h"
#include "modules/sysctl/sysctl.pb.h"
#include "modules/timedrift/timedrift.pb.h"
#include "modules/tls/tls.pb.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet::events {
namespace {

// Rows nest three levels deep.
constexpr int kMaxDepth = 16;
constexpr size_t kMaxRowBytes = 64 * 1024;

// What name is depends on the kind of row: it is no user.name.
constexpr FieldMapping kAccounts[] = {
    {"path", "file.path", Conversion::kFilePath},
};

constexpr FieldMapping kCheck[] = {
    {"check", "rule.id"},
    {"title", "rule.name"},
    {"reason", "event.reason"},
};

constexpr FieldMapping kFile[] = {
    {"path", "file.path", Conversion::kFilePath},
    {"size", "file.size"},
    {"mode", "file.mode", Conversion::kOctalMode},
    {"type", "file.type", Conversion::kFileType},
    {"owner", "file.owner"},
    {"group", "file.group"},
    {"uid", "file.uid", Conversion::kNumberAsText},
    {"gid", "file.gid", Conversion::kNumberAsText},
    {"mtime", "file.mtime"},
    {"ctime", "file.ctime"},
    {"atime", "file.accessed"},
    {"btime", "file.created"},
    {"sha256", "file.hash.sha256", Conversion::kHash},
};

constexpr FieldMapping kFirewall[] = {
    {"protocol", "network.transport", Conversion::kTransport},
};

constexpr FieldMapping kMemory[] = {
    {"pid", "process.pid"},
    {"name", "process.name"},
    {"exe", "process.executable"},
    {"command_line", "process.command_line"},
    {"user", "process.user.name"},
    {"uid", "process.user.id", Conversion::kNumberAsText},
    {"parent", "process.parent.pid", Conversion::kNonZero},
    {"started", "process.start"},
};

constexpr FieldMapping kNetstat[] = {
    {"protocol", "network.transport", Conversion::kTransport},
    {"local_address", "source.ip", Conversion::kIp},
    {"local_port", "source.port", Conversion::kNonZero},
    {"remote_address", "destination.ip", Conversion::kIp},
    {"remote_port", "destination.port", Conversion::kNonZero},
    {"pid", "process.pid", Conversion::kNonZero},
    {"process", "process.name"},
    {"exe", "process.executable"},
    {"cmdline", "process.command_line"},
    {"user", "process.user.name"},
    {"container", "container.id"},
};

constexpr FieldMapping kPkg[] = {
    {"name", "package.name"},
    {"version", "package.version"},
    {"arch", "package.architecture"},
    {"type", "package.type"},
    {"installed", "package.installed"},
    {"path", "package.path"},
    {"installed_size", "package.size", Conversion::kNonZero},
};

constexpr FieldMapping kSecrets[] = {
    {"path", "file.path", Conversion::kFilePath},
    {"mode", "file.mode", Conversion::kOctalMode},
    {"uid", "file.uid", Conversion::kNumberAsText},
    {"gid", "file.gid", Conversion::kNumberAsText},
    {"mtime", "file.mtime"},
};

// sha256 is a fingerprint of the key, not a digest of the file.
constexpr FieldMapping kSshkey[] = {
    {"path", "file.path", Conversion::kFilePath},
    {"mode", "file.mode", Conversion::kOctalMode},
    {"uid", "file.uid", Conversion::kNumberAsText},
    {"gid", "file.gid", Conversion::kNumberAsText},
    {"mtime", "file.mtime"},
};

// What runs isn't a process yet, but this is where ECS has command lines.
constexpr FieldMapping kPersistence[] = {
    {"path", "file.path", Conversion::kFilePath},
    {"sha256", "file.hash.sha256", Conversion::kHash},
    {"mode", "file.mode", Conversion::kOctalMode},
    {"uid", "file.uid", Conversion::kNumberAsText},
    {"gid", "file.gid", Conversion::kNumberAsText},
    {"mtime", "file.mtime"},
    {"ctime", "file.ctime"},
    {"command", "process.command_line"},
    {"user", "process.user.name"},
    {"package", "package.name"},
};

constexpr FieldMapping kProcess[] = {
    {"pid", "process.pid"},
    {"name", "process.name"},
    {"exe", "process.executable"},
    {"command_line", "process.command_line"},
    {"user", "process.user.name"},
    {"uid", "process.user.id", Conversion::kNumberAsText},
    {"parent", "process.parent.pid", Conversion::kNonZero},
    {"started", "process.start"},
    {"container", "container.id"},
};

constexpr FieldMapping kSettings[] = {
    {"path", "file.path", Conversion::kFilePath},
};

constexpr FieldMapping kPing[] = {
    {"destination", "destination.address"},
    {"address", "destination.ip", Conversion::kIp},
    {"port", "destination.port", Conversion::kNonZero},
    {"protocol", "network.transport", Conversion::kTransport},
};

constexpr FieldMapping kTimedrift[] = {
    {"server", "destination.address"},
    {"address", "destination.ip", Conversion::kIp},
};

constexpr FieldMapping kTls[] = {
    {"target", "destination.address"},
    {"address", "destination.ip", Conversion::kIp},
    {"port", "destination.port", Conversion::kNonZero},
    {"sni", "tls.client.server_name"},
    {"subject", "tls.server.subject"},
    {"issuer", "tls.server.issuer"},
    {"not_before", "tls.server.not_before"},
    {"not_after", "tls.server.not_after"},
    {"key_type", "tls.server.x509.public_key_algorithm"},
    {"key_bits", "tls.server.x509.public_key_size", Conversion::kNonZero},
    {"key_curve", "tls.server.x509.public_key_curve"},
    {"signature", "tls.server.x509.signature_algorithm"},
};

constexpr FieldMapping kRetire[] = {
    {"path", "file.path", Conversion::kFilePath},
    {"detail", "event.reason"},
};

constexpr FieldMapping kUpgrade[] = {
    {"to", "package.version"},
    {"detail", "event.reason"},
};

template <typename Row>
const google::protobuf::Message* Prototype() {
  return &Row::default_instance();
}

constexpr ModuleEvents kModules[] = {
    {"accounts", "iam", &Prototype<accounts::v1::AccountsRow>, kAccounts},
    {"check", "configuration", &Prototype<check::v1::Verdict>, kCheck},
    {"file", "file", &Prototype<file::v1::FileRow>, kFile},
    {"firewall", "network", &Prototype<firewall::v1::FirewallRow>, kFirewall},
    {"memory", "process", &Prototype<memory::v1::MemoryRow>, kMemory},
    {"mounts", "host", &Prototype<mounts::v1::MountsRow>, {}},
    {"netstat", "network", &Prototype<netstat::v1::NetstatRow>, kNetstat},
    {"persistence", "configuration", &Prototype<persistence::v1::PersistenceRow>, kPersistence},
    {"ping", "network", &Prototype<ping::v1::PingRow>, kPing},
    {"pkg", "package", &Prototype<pkg::v1::PkgRow>, kPkg},
    {"process", "process", &Prototype<process::v1::ProcessRow>, kProcess},
    {"retire", "host", &Prototype<retire::v1::RetireRow>, kRetire},
    {"scribe", "configuration", &Prototype<scribe::v1::ScribeRow>, {}},
    {"secrets", "file", &Prototype<secrets::v1::SecretsRow>, kSecrets},
    {"settings", "configuration", &Prototype<settings::v1::SettingsRow>, kSettings},
    {"sshkey", "file", &Prototype<sshkey::v1::SshkeyRow>, kSshkey},
    {"sysctl", "configuration", &Prototype<sysctl::v1::SysctlRow>, {}},
    {"timedrift", "host", &Prototype<timedrift::v1::TimedriftRow>, kTimedrift},
    {"tls", "network", &Prototype<tls::v1::TlsRow>, kTls},
    {"upgrade", "package", &Prototype<upgrade::v1::UpgradeRow>, kUpgrade},
};

}  // namespace

std::span<const ModuleEvents> AllModuleEvents() { return kModules; }

const ModuleEvents* FindModuleEvents(std::string_view module) {
  for (const ModuleEvents& events : kModules)
    if (events.module == module) return &events;
  return nullptr;
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ParseRow(const ModuleEvents& events,
                                                                    std::string_view bytes) {
  if (bytes.size() > kMaxRowBytes)
    return absl::InvalidArgumentError(
        StrCat("a row of ", bytes.size(), " bytes, more than ", kMaxRowBytes));
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kMaxDepth);
  // It writes to standard error of each text that isn't UTF-8: a host could fill logs.
  const google::protobuf::LogSilencer silence;
  std::unique_ptr<google::protobuf::Message> row(events.prototype()->New());
  if (row->ParseFromCodedStream(&input) && input.ConsumedEntireMessage()) return row;
  return absl::InvalidArgumentError(StrCat("not a row of module ", events.module));
}

void SetRowFields(const ModuleEvents& events, const google::protobuf::Message& row,
                  Document* document) {
  for (const FieldMapping& mapping : events.fields) Convert(row, mapping, document);
}

}  // namespace dragnet::events
