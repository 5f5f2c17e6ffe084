#include "modules/sshkey/private_key.h"

#include <utility>

#include "core/ssh_wire.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "modules/sshkey/private_der.h"

namespace dragnet::sshkey {
namespace {

constexpr size_t kMaxKeys = 64;
constexpr size_t kMaxText = 1024;
constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::string_view kMagic = {"openssh-key-v1", 15};

absl::Status Damaged() { return absl::InvalidArgumentError("damaged private key"); }

std::string Text(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, 2 * kMaxText)), kMaxText);
}

// How many strings the private half of a key has in front of its comment, after
// its type; those of security keys have a byte of flags before the last two.
int StringsBeforeComment(std::string_view type) {
  if (type == "ssh-rsa") return 6;
  if (type == "ssh-dss") return 5;
  if (type.starts_with("ecdsa-")) return 3;
  if (type == "ssh-ed25519") return 2;
  return -1;
}

// Of the section that is encrypted in other keys.
std::string ReadComment(std::string_view section) {
  WireReader reader(section);
  if (reader.Uint32() != reader.Uint32()) return {};
  const std::string_view type = reader.String();
  if (type.starts_with("sk-") && type.find("-cert-") == std::string_view::npos) {
    for (int i = type.starts_with("sk-ecdsa-") ? 3 : 2; i > 0; --i) reader.String();
    reader.Byte();
    for (int i = 0; i < 2; ++i) reader.String();
  } else {
    const int strings = StringsBeforeComment(type);
    if (strings < 0) return {};
    for (int i = 0; i < strings; ++i) reader.String();
  }
  const std::string_view comment = reader.String();
  return reader.ok() ? Text(comment) : std::string();
}

absl::StatusOr<PrivateKeyFacts> ReadOpenssh(std::string_view blob) {
  if (!blob.starts_with(kMagic)) return Damaged();
  WireReader reader(blob.substr(kMagic.size()));
  const std::string_view cipher = reader.String();
  reader.String();  // How the key is derived from the passphrase,
  reader.String();  // and with which salt and rounds.
  const uint32_t count = reader.Uint32();
  const std::string_view public_blob = reader.String();
  const std::string_view section = reader.String();
  if (!reader.ok() || count != 1) return Damaged();
  PrivateKeyFacts facts;
  facts.format = "openssh";
  facts.encrypted = cipher != "none";
  if (facts.encrypted) facts.cipher = Text(cipher.substr(0, 64));
  DRAGNET_ASSIGN_OR_RETURN(facts.key, ParsePublicKey(public_blob));
  facts.algorithm = facts.key->algorithm;
  if (!facts.encrypted) facts.comment = ReadComment(section);
  return facts;
}

absl::StatusOr<PrivateKeyFacts> FromDer(std::string_view format,
                                        const absl::StatusOr<DerFacts>& der) {
  if (!der.ok()) return der.status();
  PrivateKeyFacts facts;
  facts.format = format;
  facts.algorithm = std::string(der->algorithm);
  if (der->public_blob.empty()) return facts;
  DRAGNET_ASSIGN_OR_RETURN(facts.key, ParsePublicKey(der->public_blob));
  return facts;
}

struct Armour {
  bool encrypted = false;
  std::string cipher;
  std::string bytes;
};

// RFC 1421 headers, if any, and base64 in lines.
bool ReadArmour(std::string_view body, Armour* armour) {
  std::string base64;
  while (!body.empty()) {
    const size_t end = std::min(body.find('\n'), body.size());
    std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
      line.remove_suffix(1);
    if (line.find(':') == std::string_view::npos) {
      base64.append(line);
      continue;
    }
    if (line.starts_with("Proc-Type:") && line.find("ENCRYPTED") != std::string_view::npos)
      armour->encrypted = true;
    constexpr std::string_view kDek = "DEK-Info: ";
    if (line.starts_with(kDek)) {
      line.remove_prefix(kDek.size());
      armour->cipher = Text(line.substr(0, std::min(line.find(','), size_t{64})));
    }
  }
  return DecodeBase64(base64, &armour->bytes);
}

absl::StatusOr<PrivateKeyFacts> ReadPem(std::string_view label, const Armour& armour) {
  struct Form {
    std::string_view label, algorithm;
    absl::StatusOr<DerFacts> (*read)(std::string_view);
  };
  constexpr Form kForms[] = {{"RSA PRIVATE KEY", "rsa", ReadRsaDer},
                             {"DSA PRIVATE KEY", "dsa", ReadDsaDer},
                             {"EC PRIVATE KEY", "ecdsa", ReadEcDer}};
  for (const Form& form : kForms) {
    if (form.label != label) continue;
    if (!armour.encrypted) return FromDer("pem", form.read(armour.bytes));
    PrivateKeyFacts facts;
    facts.format = "pem";
    facts.encrypted = true;
    facts.cipher = armour.cipher;
    facts.algorithm = std::string(form.algorithm);
    return facts;
  }
  return absl::NotFoundError("no form of private key that SSH has");
}

absl::StatusOr<PrivateKeyFacts> ReadOne(std::string_view label, std::string_view body) {
  Armour armour;
  if (!ReadArmour(body, &armour)) return Damaged();
  if (label == "OPENSSH PRIVATE KEY") return ReadOpenssh(armour.bytes);
  if (label == "PRIVATE KEY") return FromDer("pkcs8", ReadPkcs8Der(armour.bytes));
  if (label == "ENCRYPTED PRIVATE KEY") {
    PrivateKeyFacts facts;
    facts.format = "pkcs8";
    facts.encrypted = true;
    return facts;
  }
  return ReadPem(label, armour);
}

}  // namespace

std::vector<absl::StatusOr<PrivateKeyFacts>> FindPrivateKeys(std::string_view text) {
  std::vector<absl::StatusOr<PrivateKeyFacts>> found;
  size_t at = 0;
  while (found.size() < kMaxKeys && (at = text.find(kBegin, at)) != std::string_view::npos) {
    const bool line_begins = at == 0 || text[at - 1] == '\n';
    at += kBegin.size();
    // A label is short: what follows isn't searched to its end for each BEGIN.
    const std::string_view line = text.substr(at, 64);
    const size_t label_end = line.find(kDashes);
    if (!line_begins || label_end == std::string_view::npos) continue;
    const std::string_view label = line.substr(0, label_end);
    if (!label.ends_with("PRIVATE KEY")) continue;
    const size_t body = at + label_end + kDashes.size();
    const size_t end = text.find(kEnd, body);
    if (end == std::string_view::npos) {
      found.push_back(Damaged());
      break;
    }
    absl::StatusOr<PrivateKeyFacts> facts = ReadOne(label, text.substr(body, end - body));
    if (!absl::IsNotFound(facts.status())) found.push_back(std::move(facts));
    at = end;
  }
  return found;
}

}  // namespace dragnet::sshkey
