#include "modules/pkg/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "core/strings.h"
#include "modules/pkg/errno_words.h"

namespace dragnet::pkg {
namespace {

constexpr size_t kBlock = 128 * 1024;

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

const char* OpensslName(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5:
      return "MD5";
    case Algorithm::kSha1:
      return "SHA1";
    case Algorithm::kSha224:
      return "SHA224";
    case Algorithm::kSha256:
      return "SHA256";
    case Algorithm::kSha384:
      return "SHA384";
    case Algorithm::kSha512:
      return "SHA512";
    case Algorithm::kSha3_256:
      return "SHA3-256";
    case Algorithm::kSha3_512:
      return "SHA3-512";
    default:
      return nullptr;
  }
}

absl::StatusOr<Context> Start(Algorithm algorithm) {
  const char* name = OpensslName(algorithm);
  if (name == nullptr) return absl::UnimplementedError("checksum of a kind that isn't known");
  Context context(EVP_MD_CTX_new());
  const EVP_MD* digest = EVP_get_digestbyname(name);
  if (!context || digest == nullptr || EVP_DigestInit_ex(context.get(), digest, nullptr) != 1) {
    return absl::UnavailableError(StrCat("OpenSSL doesn't offer ", name, " here"));
  }
  return context;
}

std::string Finish(EVP_MD_CTX* context) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context, bytes, &size);
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::string_view AlgorithmName(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kMd5:
      return "md5";
    case Algorithm::kSha1:
      return "sha1";
    case Algorithm::kSha224:
      return "sha224";
    case Algorithm::kSha256:
      return "sha256";
    case Algorithm::kSha384:
      return "sha384";
    case Algorithm::kSha512:
      return "sha512";
    case Algorithm::kSha3_256:
      return "sha3-256";
    case Algorithm::kSha3_512:
      return "sha3-512";
    default:
      return "unknown";
  }
}

absl::StatusOr<std::string> DigestOf(Algorithm algorithm, std::string_view text) {
  absl::StatusOr<Context> context = Start(algorithm);
  if (!context.ok()) return context.status();
  EVP_DigestUpdate(context->get(), text.data(), text.size());
  return Finish(context->get());
}

absl::StatusOr<std::string> DigestOfFile(Algorithm algorithm, int fd, uint64_t* bytes) {
  absl::StatusOr<Context> context = Start(algorithm);
  if (!context.ok()) return context.status();
  std::vector<char> buffer(kBlock);
  *bytes = 0;
  while (true) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError(StrCat(ErrnoWords(errno)));
    if (count == 0) return Finish(context->get());
    EVP_DigestUpdate(context->get(), buffer.data(), static_cast<size_t>(count));
    *bytes += static_cast<uint64_t>(count);
  }
}

}  // namespace dragnet::pkg
