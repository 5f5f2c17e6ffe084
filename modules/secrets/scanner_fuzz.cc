// libFuzzer target: a text that somebody on the host made up. What is found lies
// in it, in order, and has a kind and a secret.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "modules/secrets/fingerprint.h"
#include "modules/secrets/private_keys.h"
#include "modules/secrets/scanner.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet::secrets;
  static const Scanner scanner;
  if (size == 0) return 0;
  const auto kind = static_cast<FileKind>(data[0] % 10);
  const auto text_kind = static_cast<TextKind>(data[0] / 10 % 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  size_t last = 0;
  for (const Finding& finding : scanner.Find(text, kind, text_kind)) {
    if (finding.begin < last || finding.begin > finding.end || finding.end > text.size())
      std::abort();
    if (finding.kind.empty() || finding.secret.empty()) std::abort();
    if (FingerprintOf(finding, "/p").size() < 22) std::abort();
    last = finding.begin;
  }
  HasUnprotectedPgpKey(text);
  return 0;
}
