#include "modules/secrets/fingerprint.h"

#include <openssl/evp.h>

#include <array>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::secrets {
namespace {

// Each part with its length in front, so that no two lists of parts are alike.
std::string Digest(std::initializer_list<std::string_view> parts) {
  std::string input = "dragnet.secrets.v1";
  for (const std::string_view part : parts) StrAppend(&input, "\n", part.size(), ":", part);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(input.data(), input.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    return {};
  constexpr size_t kBytes = 8;
  return HexEncode({reinterpret_cast<const char*>(digest.data()), kBytes});
}

}  // namespace

std::string FingerprintOf(const Finding& finding, std::string_view path) {
  if (finding.unguessable) return StrCat("secret:", Digest({"secret", finding.secret}));
  return StrCat("place:", Digest({"place", finding.kind, path, finding.name}));
}

}  // namespace dragnet::secrets
