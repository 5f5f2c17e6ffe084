// Several hashes of one file, made while it is read once.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::file {

enum class DigestKind : uint8_t {
  kMd5,
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  kSha3_224,
  kSha3_256,
  kSha3_384,
  kSha3_512,
};
inline constexpr size_t kDigestKinds = 10;

// A set of kinds: bit 1 << kind.
using DigestKinds = uint32_t;
inline constexpr DigestKinds Bit(DigestKind kind) { return 1u << static_cast<int>(kind); }

// In bytes.
size_t DigestSize(DigestKind kind);

// Not thread-safe; one per thread, used for one file after the other.
class Digester {
 public:
  // Begins a new file. Fails if OpenSSL doesn't offer one of the kinds (MD5
  // under a FIPS policy).
  absl::Status Start(DigestKinds kinds);
  // The next bytes of the file.
  void Update(std::string_view bytes);
  void Finish();

  DigestKinds kinds() const { return kinds_; }
  // After Finish: the binary hash; empty if this kind was not asked for.
  std::string_view Value(DigestKind kind) const;

 private:
  struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  struct AlgorithmDeleter {
    void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
  };
  struct Slot {
    std::unique_ptr<EVP_MD, AlgorithmDeleter> algorithm;
    std::unique_ptr<EVP_MD_CTX, ContextDeleter> context;
    std::string value;
  };

  std::array<Slot, kDigestKinds> slots_;
  DigestKinds kinds_ = 0;
};

}  // namespace dragnet::file
