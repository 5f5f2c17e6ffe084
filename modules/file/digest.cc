#include "modules/file/digest.h"

#include "core/strings.h"

namespace dragnet::file {
namespace {

struct Algorithm {
  const char* name;
  size_t size;
};

// By DigestKind.
constexpr Algorithm kAlgorithms[kDigestKinds] = {
    {"MD5", 16},    {"SHA1", 20},     {"SHA224", 28},   {"SHA256", 32},   {"SHA384", 48},
    {"SHA512", 64}, {"SHA3-224", 28}, {"SHA3-256", 32}, {"SHA3-384", 48}, {"SHA3-512", 64},
};

}  // namespace

size_t DigestSize(DigestKind kind) { return kAlgorithms[static_cast<size_t>(kind)].size; }

absl::Status Digester::Start(DigestKinds kinds) {
  kinds_ = kinds;
  for (size_t i = 0; i < kDigestKinds; ++i) {
    if (!(kinds & (1u << i))) continue;
    Slot& slot = slots_[i];
    if (!slot.context) {
      // Fetched once: looking an algorithm up costs more than hashing a small file.
      slot.algorithm.reset(EVP_MD_fetch(nullptr, kAlgorithms[i].name, nullptr));
      slot.context.reset(EVP_MD_CTX_new());
    }
    if (!slot.algorithm || !slot.context ||
        EVP_DigestInit_ex2(slot.context.get(), slot.algorithm.get(), nullptr) != 1) {
      return absl::UnimplementedError(
          StrCat(kAlgorithms[i].name, " is not available from this host's OpenSSL"));
    }
  }
  return absl::OkStatus();
}

void Digester::Update(std::string_view bytes) {
  for (size_t i = 0; i < kDigestKinds; ++i) {
    // Can't fail after a successful start.
    if (kinds_ & (1u << i)) EVP_DigestUpdate(slots_[i].context.get(), bytes.data(), bytes.size());
  }
}

void Digester::Finish() {
  for (size_t i = 0; i < kDigestKinds; ++i) {
    if (!(kinds_ & (1u << i))) continue;
    Slot& slot = slots_[i];
    slot.value.resize(kAlgorithms[i].size);
    EVP_DigestFinal_ex(slot.context.get(), reinterpret_cast<unsigned char*>(slot.value.data()),
                       nullptr);
  }
}

std::string_view Digester::Value(DigestKind kind) const {
  if (!(kinds_ & Bit(kind))) return {};
  return slots_[static_cast<size_t>(kind)].value;
}

}  // namespace dragnet::file
