#include "modules/file/hash_list.h"

#include <string.h>

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::file {
namespace {

template <typename Hashes>
void Add(std::string_view bytes, Hashes* hashes) {
  memcpy(hashes->emplace_back().data(), bytes.data(), bytes.size());
}

template <typename Hashes>
void Sort(Hashes* hashes) {
  std::sort(hashes->begin(), hashes->end());
  hashes->erase(std::unique(hashes->begin(), hashes->end()), hashes->end());
  hashes->shrink_to_fit();
}

template <typename Hashes>
bool Has(const Hashes& hashes, std::string_view bytes) {
  typename Hashes::value_type hash;
  memcpy(hash.data(), bytes.data(), bytes.size());
  return std::binary_search(hashes.begin(), hashes.end(), hash);
}

}  // namespace

absl::StatusOr<HashList> HashList::Parse(std::string_view text) {
  if (text.size() > kMaxHashListBytes) {
    return absl::InvalidArgumentError(StrCat("is larger than ", kMaxHashListBytes, " bytes"));
  }
  HashList list;
  size_t entries = 0;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    line = line.substr(0, line.find_first_of(" \t\r"));
    if (line.empty()) continue;
    if (++entries > kMaxHashListEntries) {
      return absl::InvalidArgumentError(
          StrCat("line ", number, ": more than ", kMaxHashListEntries, " hashes"));
    }
    std::string bytes;
    if (!HexDecode(line, &bytes)) bytes.clear();
    switch (bytes.size()) {
      case 16:
        Add(bytes, &list.md5_);
        break;
      case 20:
        Add(bytes, &list.sha1_);
        break;
      case 32:
        Add(bytes, &list.sha256_);
        break;
      default:
        return absl::InvalidArgumentError(
            StrCat("line ", number, ": '", ForTerminal(Shorten(line, 100)),
                   "' is not an MD5, SHA-1 or SHA-256 hash (32, 40 or 64 hexadecimal digits)"));
    }
  }
  if (entries == 0) return absl::InvalidArgumentError("holds no hash");
  Sort(&list.md5_);
  Sort(&list.sha1_);
  Sort(&list.sha256_);
  return list;
}

DigestKinds HashList::kinds() const {
  DigestKinds kinds = 0;
  if (!md5_.empty()) kinds |= Bit(DigestKind::kMd5);
  if (!sha1_.empty()) kinds |= Bit(DigestKind::kSha1);
  if (!sha256_.empty()) kinds |= Bit(DigestKind::kSha256);
  return kinds;
}

bool HashList::Contains(std::string_view hash) const {
  switch (hash.size()) {
    case 16:
      return Has(md5_, hash);
    case 20:
      return Has(sha1_, hash);
    case 32:
      return Has(sha256_, hash);
    default:
      return false;
  }
}

}  // namespace dragnet::file
