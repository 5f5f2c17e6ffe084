#include "modules/tls/hello.h"

#include <span>
#include <string_view>

#include "modules/tls/names.h"
#include "modules/tls/wire.h"

namespace dragnet::tls {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746): the extension for those without extensions.
constexpr uint16_t kRenegotiationScsv = 0x00ff;

enum Extension : uint16_t {
  kServerName = 0,
  kStatusRequest = 5,
  kSupportedGroups = 10,
  kPointFormats = 11,
  kSignatureAlgorithms = 13,
  kExtendedMasterSecret = 23,
  kSessionTicket = 35,
  kSupportedVersions = 43,
  kPskModes = 45,
  kKeyShare = 51,
  kRenegotiationInfo = 0xff01,
};

std::string Numbers(std::span<const uint16_t> numbers) {
  std::string bytes;
  for (const uint16_t number : numbers) AppendNumber(number, 2, &bytes);
  return bytes;
}

std::string WithLength(std::string_view content, size_t size) {
  std::string bytes;
  AppendVector(content, size, &bytes);
  return bytes;
}

class Extensions {
 public:
  void Add(uint16_t type, std::string_view content) {
    AppendNumber(type, 2, &bytes_);
    AppendVector(content, 2, &bytes_);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string ServerName(const std::string& name) {
  std::string entry(1, '\0');  // host_name
  AppendVector(name, 2, &entry);
  return WithLength(entry, 2);
}

std::string ExtensionsOf(const Hello& hello) {
  using std::string_view_literals::operator""sv;
  const bool is_tls13 = hello.version == kTls13;
  Extensions extensions;
  if (!hello.sni.empty()) extensions.Add(kServerName, ServerName(hello.sni));
  // OCSP, of no particular responder and without extensions.
  extensions.Add(kStatusRequest, "\1\0\0\0\0"sv);
  if (!hello.groups.empty()) {
    extensions.Add(kSupportedGroups, WithLength(Numbers(hello.groups), 2));
    extensions.Add(kPointFormats, "\1\0"sv);
  }
  if (hello.version >= kTls12)
    extensions.Add(kSignatureAlgorithms, WithLength(Numbers(AllSignatureSchemes()), 2));
  extensions.Add(kExtendedMasterSecret, "");
  extensions.Add(kSessionTicket, "");
  extensions.Add(kRenegotiationInfo, "\0"sv);
  if (is_tls13) {
    extensions.Add(kSupportedVersions, WithLength(Numbers(hello.versions), 1));
    extensions.Add(kPskModes, "\1\1"sv);
    extensions.Add(kKeyShare, "\0\0"sv);
  }
  return extensions.bytes();
}

}  // namespace

std::string ClientHello(const Hello& hello, const std::array<uint8_t, 32>& random) {
  const bool is_tls13 = hello.version == kTls13;
  const std::string_view chance(reinterpret_cast<const char*>(random.data()), random.size());
  std::string body;
  AppendNumber(is_tls13 ? kTls12 : hello.version, 2, &body);
  body += chance;
  // TLS 1.3 wants one for looking like a resumption (RFC 8446, D.4).
  AppendVector(is_tls13 ? chance : std::string_view(), 1, &body);
  std::vector<uint16_t> suites = hello.suites;
  if (hello.version == kSsl3) suites.push_back(kRenegotiationScsv);
  AppendVector(Numbers(suites), 2, &body);
  // TLS 1.3 allows no compression; the others are offered DEFLATE first.
  AppendVector(is_tls13 ? std::string_view("\0", 1) : std::string_view("\1\0", 2), 1, &body);
  if (hello.version > kSsl3) AppendVector(ExtensionsOf(hello), 2, &body);

  std::string message;
  AppendNumber(kClientHelloMessage, 1, &message);
  AppendVector(body, 3, &message);
  std::string record;
  AppendNumber(kHandshakeRecord, 1, &record);
  // Old servers hang up at a record of a version that they don't know.
  AppendNumber(hello.version == kSsl3 ? kSsl3 : kTls10, 2, &record);
  AppendVector(message, 2, &record);
  return record;
}

Hello HelloOf(uint16_t version, const std::string& sni) {
  Hello hello;
  hello.version = version;
  if (version == kTls13) hello.versions = {kTls13};
  for (const Suite& suite : AllSuites())
    if (IsOfVersion(suite, version)) hello.suites.push_back(suite.code);
  for (const Group& group : AllGroups())
    if (version == kTls13 ? group.in_tls13 : group.before_tls13) hello.groups.push_back(group.code);
  hello.sni = sni;
  return hello;
}

Hello EverythingHello(const std::string& sni) {
  Hello hello = HelloOf(kTls13, sni);
  hello.versions = {kTls13, kTls12, kTls11, kTls10};
  const Hello older = HelloOf(kTls12, sni);
  hello.suites.insert(hello.suites.end(), older.suites.begin(), older.suites.end());
  for (const uint16_t group : older.groups)
    if (!FindGroup(group)->in_tls13) hello.groups.push_back(group);
  return hello;
}

}  // namespace dragnet::tls
