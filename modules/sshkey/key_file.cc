#include "modules/sshkey/key_file.h"

#include <limits>

#include "core/strings.h"
#include "modules/sshkey/key_line.h"
#include "modules/sshkey/private_key.h"

namespace dragnet::sshkey {
namespace {

constexpr std::string_view kNoKey = "line is no SSH key";
constexpr uint64_t kForEver = std::numeric_limits<uint64_t>::max();
// 9999-12-31: protobuf's last day.
constexpr uint64_t kMaxTimestamp = 253402300799;

void SetKey(const PublicKey& key, v1::SshkeyRow& row) {
  row.set_algorithm(key.algorithm);
  row.set_bits(key.bits);
  row.set_sha256(key.sha256);
  row.set_md5(key.md5);
  if (!key.certificate) return;
  const CertificateFacts& facts = *key.certificate;
  v1::Certificate& certificate = *row.mutable_certificate();
  certificate.set_type(facts.type == 1 ? "user" : facts.type == 2 ? "host" : StrCat(facts.type));
  certificate.set_serial(facts.serial);
  certificate.set_key_id(facts.key_id);
  for (const std::string& principal : facts.principals) certificate.add_principals(principal);
  const auto seconds = [](uint64_t time) {
    return static_cast<int64_t>(std::min(time, kMaxTimestamp));
  };
  if (facts.valid_after != 0)
    certificate.mutable_valid_after()->set_seconds(seconds(facts.valid_after));
  if (facts.valid_before != kForEver)
    certificate.mutable_valid_before()->set_seconds(seconds(facts.valid_before));
  certificate.set_ca_sha256(facts.ca_sha256);
  certificate.set_ca_algorithm(facts.ca_algorithm);
  for (const std::string& option : facts.critical_options) certificate.add_critical_options(option);
  for (const std::string& extension : facts.extensions) certificate.add_extensions(extension);
}

v1::SshkeyRow PrivateRow(const PrivateKeyFacts& facts, const KeyFileEvents& events) {
  v1::SshkeyRow row;
  row.set_kind("private");
  row.set_format(std::string(facts.format));
  row.set_encrypted(facts.encrypted ? "yes" : "no");
  row.set_cipher(facts.cipher);
  row.set_algorithm(facts.algorithm);
  row.set_comment(facts.comment);
  if (facts.key) {
    SetKey(*facts.key, row);
    row.set_fingerprint_from("key");
    return row;
  }
  const std::string beside = events.beside();
  const auto line = ParseKeyLine(std::string_view(beside).substr(0, beside.find('\n')));
  // Another key's file is no help, as far as one can tell.
  if (!line || (!facts.algorithm.empty() && line->key.algorithm != facts.algorithm)) return row;
  SetKey(line->key, row);
  row.set_comment(line->comment);
  row.set_fingerprint_from("pub");
  return row;
}

v1::SshkeyRow LineRow(const KeyLine& line, FileRole role, uint32_t number) {
  v1::SshkeyRow row;
  row.set_line(number);
  SetKey(line.key, row);
  row.set_comment(line.comment);
  row.set_hosts(line.hosts);
  for (const std::string& option : line.options) row.add_options(option);
  if (role == FileRole::kKnownHosts) {
    row.set_kind("known_host");
  } else if (role == FileRole::kAuthorizedKeys || !line.options.empty()) {
    row.set_kind("authorized_key");
  } else {
    row.set_kind(line.key.certificate ? "certificate" : "public");
  }
  return row;
}

}  // namespace

FileRole RoleOf(std::string_view directory, std::string_view name) {
  constexpr std::string_view kAuthorized = "authorized_keys";
  const size_t slash = directory.rfind('/');
  const std::string_view parent =
      slash == std::string_view::npos ? directory : directory.substr(slash + 1);
  if (name.starts_with(kAuthorized) || parent.starts_with(kAuthorized))
    return FileRole::kAuthorizedKeys;
  if (name.starts_with("known_hosts") || name.starts_with("ssh_known_hosts"))
    return FileRole::kKnownHosts;
  // Other programs' files are named so, too: lines that are no keys are no matter.
  return name.ends_with(".pub") ? FileRole::kPublicKey : FileRole::kAny;
}

bool MayHoldKeys(std::string_view beginning) {
  // A key in base64 begins with the length of its type's name.
  return beginning.find(" AAAA") != std::string_view::npos ||
         beginning.find("\tAAAA") != std::string_view::npos ||
         beginning.find("PRIVATE KEY-----") != std::string_view::npos;
}

void FindKeys(std::string_view content, FileRole role, const Search& search,
              const KeyFileEvents& events) {
  const auto emit = [&](v1::SshkeyRow row) {
    return !search.Holds(row) || events.key(std::move(row));
  };
  if (role == FileRole::kAny || role == FileRole::kPublicKey) {
    for (const auto& facts : FindPrivateKeys(content)) {
      if (!facts.ok()) {
        events.damaged(ToStd(facts.status().message()), 0);
      } else if (!emit(PrivateRow(*facts, events))) {
        return;
      }
    }
  }
  for (uint32_t number = 1; !content.empty(); ++number) {
    const size_t end = std::min(content.find('\n'), content.size());
    const std::string_view text = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    const bool lines_are_keys = role == FileRole::kAuthorizedKeys || role == FileRole::kKnownHosts;
    if (!lines_are_keys && text.find("AAAA") == std::string_view::npos) continue;
    const auto line = role == FileRole::kKnownHosts ? ParseKnownHostLine(text) : ParseKeyLine(text);
    if (line) {
      if (!emit(LineRow(*line, role, number))) return;
    } else if (lines_are_keys && !IsBlankLine(text)) {
      events.damaged(kNoKey, number);
    }
  }
}

}  // namespace dragnet::sshkey
