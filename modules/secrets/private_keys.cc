#include "modules/secrets/private_keys.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/ssh_wire.h"
#include "core/strings.h"

namespace dragnet::secrets {
namespace {

constexpr size_t kMaxKey = 64 << 10;
// Less is an example, or a search for the header.
constexpr size_t kMinBody = 64;

bool IsBase64(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/' || c == '=';
}

bool Decode(std::string_view base64, std::string* bytes) {
  return absl::Base64Unescape(ToAbsl(base64), bytes);
}

// What is between the header and -----END: headers of the form NAME: VALUE, and
// base64 without what parts its lines.
struct Body {
  std::string headers;
  std::string base64;
  // After the last dash that is looked at.
  size_t end = 0;
};

// An armoured line without its indentation and what quotes it in a program or in
// JSON: "…\n" +.
std::string_view TrimLine(std::string_view line) {
  constexpr std::string_view kAround = " \t\r\"'+,;\\";
  line.remove_prefix(std::min(line.find_first_not_of(kAround), line.size()));
  // + and = are of base64, too: a + that ends a line stands after a blank.
  while (!line.empty()) {
    const char last = line.back();
    const bool is_plus = last == '+' && line.size() > 1 && line[line.size() - 2] == ' ';
    if (!is_plus && std::string_view(" \t\r\"',;\\").find(last) == std::string_view::npos) break;
    line.remove_suffix(1);
  }
  return line;
}

// Takes no more than the first line that can't be of a key: what looks like
// many keys, one within the other, costs no more than its length.
std::optional<Body> ReadBody(std::string_view text, size_t begin) {
  const std::string_view limited = text.substr(0, std::min(text.size(), begin + kMaxKey));
  Body body;
  for (size_t at = begin; at < limited.size();) {
    // \n as it is, or written out.
    size_t end = std::min(limited.find('\n', at), limited.size());
    size_t next = end + 1;
    const size_t written = limited.substr(at, end - at).find("\\n");
    if (written != std::string_view::npos) {
      end = at + written;
      next = end + 2;
    }
    const std::string_view line = TrimLine(limited.substr(at, end - at));
    body.end = at;
    at = next;
    if (line.empty()) continue;
    if (line.starts_with("-----END")) {
      if (body.base64.size() < kMinBody) return std::nullopt;
      return body;
    }
    if (std::all_of(line.begin(), line.end(), IsBase64)) {
      body.base64 += line;
    } else if (line.find(':') != std::string_view::npos &&
               line.find("-----") == std::string_view::npos) {
      StrAppend(&body.headers, line, "\n");
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

bool IsClearOpenssh(std::string_view base64) {
  constexpr std::string_view kMagic("openssh-key-v1\0", 15);
  std::string bytes;
  if (!Decode(base64, &bytes) || !std::string_view(bytes).starts_with(kMagic)) return false;
  return WireReader(std::string_view(bytes).substr(kMagic.size())).String() == "none";
}

// The armour's checksum (=abcd) is no part of the packets.
bool IsClearPgp(std::string_view base64) {
  const size_t checksum = base64.rfind('=');
  if (checksum != std::string_view::npos && checksum + 5 == base64.size())
    base64 = base64.substr(0, checksum);
  std::string bytes;
  return Decode(base64, &bytes) && HasUnprotectedPgpKey(bytes);
}

// ---- OpenPGP

class PacketReader {
 public:
  explicit PacketReader(std::string_view bytes) : bytes_(bytes) {}

  bool failed() const { return failed_; }
  std::string_view rest() const { return bytes_; }

  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  uint32_t Number(size_t size) {
    if (bytes_.size() < size) {
      failed_ = true;
      bytes_ = {};
      return 0;
    }
    uint32_t number = 0;
    for (size_t i = 0; i < size; ++i) number = number << 8 | static_cast<uint8_t>(bytes_[i]);
    bytes_.remove_prefix(size);
    return number;
  }
  std::string_view Take(size_t size) {
    if (bytes_.size() < size) {
      failed_ = true;
      size = bytes_.size();
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  // A number of so many bits.
  void SkipMpi() { Take((Number(2) + 7) / 8); }

 private:
  std::string_view bytes_;
  bool failed_ = false;
};

// The next packet; its tag, and its body in `body`. 0 at the end and when it is
// not understood.
int TakePacket(PacketReader& reader, std::string_view* body) {
  if (reader.rest().empty()) return 0;
  const uint8_t header = reader.Byte();
  if ((header & 0x80) == 0) return 0;
  if ((header & 0x40) == 0) {
    constexpr size_t kLengthBytes[] = {1, 2, 4, 0};
    const size_t bytes = kLengthBytes[header & 3];
    *body = reader.Take(bytes == 0 ? reader.rest().size() : reader.Number(bytes));
    return reader.failed() ? 0 : header >> 2 & 15;
  }
  const uint8_t first = reader.Byte();
  size_t length = first;
  if (first >= 192 && first < 224) length = (size_t{first} - 192) * 256 + reader.Byte() + 192;
  if (first == 255) length = reader.Number(4);
  // Parts, which keys don't come in.
  if (first >= 224 && first < 255) return 0;
  *body = reader.Take(length);
  return reader.failed() ? 0 : header & 63;
}

// The octet after the public part says how the secret one is protected (RFC 4880,
// 5.5.3).
bool IsUnprotected(std::string_view body) {
  PacketReader reader(body);
  const uint8_t version = reader.Byte();
  if (version != 4 && version != 6) return true;
  reader.Number(4);
  const uint8_t algorithm = reader.Byte();
  if (version == 6) {
    reader.Take(reader.Number(4));
  } else {
    int numbers = 0;
    switch (algorithm) {
      case 1:
      case 2:
      case 3:
        numbers = 2;
        break;
      case 16:
        numbers = 3;
        break;
      case 17:
        numbers = 4;
        break;
      case 18:
      case 19:
      case 22:
        reader.Take(reader.Byte());
        numbers = 1;
        break;
      case 25:
      case 27:
        reader.Take(32);
        break;
      case 26:
        reader.Take(56);
        break;
      case 28:
        reader.Take(57);
        break;
      default:
        return true;
    }
    for (int i = 0; i < numbers; ++i) reader.SkipMpi();
    if (algorithm == 18) reader.Take(reader.Byte());
  }
  const uint8_t usage = reader.Byte();
  return !reader.failed() && usage == 0;
}

}  // namespace

bool HasUnprotectedPgpKey(std::string_view packets) {
  constexpr int kSecretKey = 5;
  constexpr int kSecretSubkey = 7;
  PacketReader reader(packets);
  std::string_view body;
  while (const int tag = TakePacket(reader, &body))
    if ((tag == kSecretKey || tag == kSecretSubkey) && IsUnprotected(body)) return true;
  return false;
}

void FindPemKey(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr size_t kMaxLabel = 40;
  if (text.substr(at, kBegin.size()) != kBegin) return;
  const size_t label_begin = at + kBegin.size();
  const size_t label_size = text.substr(label_begin, kMaxLabel + 5).find("-----");
  if (label_size == std::string_view::npos) return;
  const std::string_view label = text.substr(label_begin, label_size);
  const bool is_pgp = label == "PGP PRIVATE KEY BLOCK";
  if (!is_pgp && !label.ends_with("PRIVATE KEY")) return;
  // PKCS#8 and SSH.com's say it in the label.
  if (label.starts_with("ENCRYPTED")) return;
  const auto body = ReadBody(text, label_begin + label_size + 5);
  if (!body || body->headers.find("ENCRYPTED") != std::string::npos) return;
  if (label.starts_with("OPENSSH") && !IsClearOpenssh(body->base64)) return;
  if (is_pgp && !IsClearPgp(body->base64)) return;
  Finding finding;
  finding.kind = is_pgp ? "pgp-key" : "private-key";
  finding.begin = at;
  finding.end = body->end;
  finding.secret = body->base64;
  finding.unguessable = true;
  // Google's files of service accounts are JSON with this key in it.
  constexpr size_t kNear = 1024;
  const std::string_view before = text.substr(at > kNear ? at - kNear : 0, std::min(at, kNear));
  if (!is_pgp && before.find("\"service_account\"") != std::string_view::npos &&
      before.find("\"private_key\"") != std::string_view::npos) {
    finding.kind = "gcp-service-account";
  }
  on_finding(std::move(finding));
}

void FindPuttyKey(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr std::string_view kBegin = "PuTTY-User-Key-File-";
  if (text.substr(at, kBegin.size()) != kBegin) return;
  if (at > 0 && text[at - 1] != '\n') return;
  // Of the largest keys; its first lines say whether it is encrypted.
  std::string_view file = text.substr(at, 16 << 10);
  // Up to the next one: what looks like many costs no more than its length.
  file = file.substr(0, file.find("\nPuTTY-User-Key-File-"));
  if (file.substr(0, 256).find("\nEncryption: none") == std::string_view::npos) return;
  const size_t lines = file.find("\nPrivate-Lines:");
  if (lines == std::string_view::npos) return;
  const size_t begin = file.find('\n', lines + 1);
  const size_t end = std::min(file.find("\nPrivate-MAC:", lines), file.size());
  if (begin >= end) return;
  Finding finding;
  finding.kind = "private-key";
  finding.begin = at;
  finding.end = at + end;
  for (const char c : file.substr(begin, end - begin))
    if (IsBase64(c)) finding.secret.push_back(c);
  if (finding.secret.size() < 16) return;
  finding.unguessable = true;
  on_finding(std::move(finding));
}

void FindKubeconfigKey(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr std::string_view kName = "client-key-data";
  if (text.substr(at, kName.size()) != kName) return;
  size_t begin = at + kName.size();
  while (begin < text.size() &&
         std::string_view("\"': ").find(text[begin]) != std::string_view::npos)
    ++begin;
  size_t end = begin;
  while (end < text.size() && end - begin < kMaxKey && IsBase64(text[end])) ++end;
  std::string key;
  if (end - begin < kMinBody || !Decode(text.substr(begin, end - begin), &key)) return;
  if (key.find("PRIVATE KEY-----") == std::string::npos ||
      key.find("ENCRYPTED") != std::string::npos) {
    return;
  }
  Finding finding;
  finding.kind = "kubeconfig-key";
  finding.begin = begin;
  finding.end = end;
  finding.secret = text.substr(begin, end - begin);
  finding.unguessable = true;
  on_finding(std::move(finding));
}

}  // namespace dragnet::secrets
