#include "modules/persistence/facts.h"

#include <errno.h>

#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/checksum.h"
#include "modules/pkg/errno_words.h"

namespace dragnet::persistence {
namespace {
// Larger scripts, units and kernel modules aren't hashed.
constexpr off_t kMaxHashed = 64 << 20;
}  // namespace

std::string Facts::Digest(const std::string& path) {
  const UniqueFd fd = host_.root().OpenFile(path);
  struct stat status;
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    host_.Note(pkg::ErrnoWords(errno), path);
    return {};
  }
  if (status.st_size > kMaxHashed) {
    host_.Note("larger than 64 MiB: not hashed", path);
    return {};
  }
  uint64_t bytes = 0;
  const auto digest = pkg::DigestOfFile(pkg::Algorithm::kSha256, fd.get(), &bytes);
  host_.context().AddExamined(0, bytes);
  if (digest.ok()) return HexEncode(*digest);
  host_.Note(ToStd(digest.status().message()), path);
  return {};
}

const FileFacts& Facts::Of(const std::string& path) {
  const auto [entry, is_new] = files_.try_emplace(path);
  FileFacts& facts = entry->second;
  if (!is_new) return facts;
  facts.real = host_.RealPath(path);
  facts.exists = host_.Status(path, &facts.status);
  if (facts.exists && S_ISREG(facts.status.st_mode)) facts.sha256 = Digest(path);
  return facts;
}

const std::string& Facts::WritableBy(const std::string& path) {
  const auto [entry, is_new] = writable_.try_emplace(path);
  if (!is_new) return entry->second;
  struct stat status;
  if (host_.Status(path, &status) && !S_ISLNK(status.st_mode) && (status.st_mode & S_IWOTH)) {
    entry->second = path;
  } else if (path != "/") {
    const std::string above = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
    // The map may have grown meanwhile; its entries stay where they are.
    entry->second = WritableBy(above);
  }
  return entry->second;
}

}  // namespace dragnet::persistence
