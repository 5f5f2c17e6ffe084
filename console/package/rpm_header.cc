#include "console/package/rpm_header.h"

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// https://rpm-software-management.github.io/rpm/manual/format_v4.html
constexpr size_t kLeadBytes = 96;
constexpr std::string_view kLeadMagic = "\xed\xab\xee\xdb";
constexpr std::string_view kHeaderMagic = "\x8e\xad\xe8\x01";
constexpr size_t kHeaderHeadBytes = 16;
constexpr size_t kIndexEntryBytes = 16;
// rpm's own limits are 64 Ki tags and 256 MiB; ours has some hundred tags.
constexpr uint32_t kMaxEntries = 4096;
constexpr uint32_t kMaxStoreBytes = 16 << 20;
constexpr uint32_t kMaxValues = 65536;

enum ValueType : uint32_t {
  kChar = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kString = 6,
  kBytes = 7,
  kStringArray = 8,
  kTranslatedString = 9,
};

absl::Status Damaged(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("damaged rpm: ", what));
}

uint64_t BigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// Where one header structure lies.
struct Region {
  std::string_view index;
  std::string_view store;
  size_t end = 0;
};

absl::StatusOr<Region> FindRegion(std::string_view package, size_t at) {
  if (package.size() < at + kHeaderHeadBytes || package.substr(at, 4) != kHeaderMagic)
    return Damaged("no header where one should be");
  const uint64_t entries = BigEndian(package.substr(at + 8, 4));
  const uint64_t bytes = BigEndian(package.substr(at + 12, 4));
  if (entries == 0 || entries > kMaxEntries || bytes > kMaxStoreBytes)
    return Damaged("a header of more than may be");
  at += kHeaderHeadBytes;
  const size_t index_bytes = entries * kIndexEntryBytes;
  if (package.size() - at < index_bytes + bytes) return Damaged("cut short");
  return Region{package.substr(at, index_bytes), package.substr(at + index_bytes, bytes),
                at + index_bytes + bytes};
}

size_t WidthOf(uint64_t type) {
  switch (type) {
    case kChar:
    case kInt8:
      return 1;
    case kInt16:
      return 2;
    case kInt32:
      return 4;
    case kInt64:
      return 8;
    default:
      return 0;
  }
}

absl::StatusOr<std::vector<std::string>> ReadTexts(std::string_view store, size_t at,
                                                   uint64_t count) {
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t end = store.find('\0', at);
    if (end == std::string_view::npos) return Damaged("a text without an end");
    texts.emplace_back(store.substr(at, end - at));
    at = end + 1;
  }
  return texts;
}

}  // namespace

absl::StatusOr<RpmHeader> RpmHeader::Parse(std::string_view package, size_t* payload) {
  if (package.size() < kLeadBytes || !package.starts_with(kLeadMagic))
    return absl::InvalidArgumentError("not an rpm");
  if (package[4] != 3) return Damaged("a format that is not known");
  if (BigEndian(package.substr(6, 2)) != 0)
    return absl::InvalidArgumentError("a source package: give the one with the programs");
  DRAGNET_ASSIGN_OR_RETURN(const Region signature, FindRegion(package, kLeadBytes));
  const size_t aligned = (signature.end + 7) / 8 * 8;
  DRAGNET_ASSIGN_OR_RETURN(const Region main, FindRegion(package, aligned));
  *payload = main.end;

  RpmHeader header;
  for (size_t at = 0; at < main.index.size(); at += kIndexEntryBytes) {
    const std::string_view entry = main.index.substr(at, kIndexEntryBytes);
    const uint32_t tag = static_cast<uint32_t>(BigEndian(entry.substr(0, 4)));
    const uint64_t type = BigEndian(entry.substr(4, 4));
    const uint64_t offset = BigEndian(entry.substr(8, 4));
    const uint64_t count = BigEndian(entry.substr(12, 4));
    if (offset > main.store.size()) return Damaged("a value outside of its header");
    if (type == kString || type == kStringArray || type == kTranslatedString) {
      if (count == 0 || count > kMaxValues || (type == kString && count != 1))
        return Damaged("a number of texts that can't be");
      DRAGNET_ASSIGN_OR_RETURN(header.texts_[tag], ReadTexts(main.store, offset, count));
    } else if (const size_t width = WidthOf(type); width != 0) {
      if (count > kMaxValues || count * width > main.store.size() - offset)
        return Damaged("numbers outside of their header");
      std::vector<uint64_t> numbers;
      for (uint64_t i = 0; i < count; ++i)
        numbers.push_back(BigEndian(main.store.substr(offset + i * width, width)));
      header.numbers_[tag] = std::move(numbers);
    }
    // Bytes are digests and signatures, which nothing here asks for.
  }
  return header;
}

bool RpmHeader::Has(RpmTag tag) const {
  const auto number = static_cast<uint32_t>(tag);
  return texts_.contains(number) || numbers_.contains(number);
}

std::string RpmHeader::Text(RpmTag tag) const {
  const auto found = texts_.find(static_cast<uint32_t>(tag));
  return found == texts_.end() ? std::string() : found->second.front();
}

std::vector<std::string> RpmHeader::Texts(RpmTag tag) const {
  const auto found = texts_.find(static_cast<uint32_t>(tag));
  return found == texts_.end() ? std::vector<std::string>() : found->second;
}

std::vector<uint64_t> RpmHeader::Numbers(RpmTag tag) const {
  const auto found = numbers_.find(static_cast<uint32_t>(tag));
  return found == numbers_.end() ? std::vector<uint64_t>() : found->second;
}

absl::StatusOr<std::vector<RpmHeader::File>> RpmHeader::Files() const {
  const std::vector<std::string> names = Texts(RpmTag::kBaseNames);
  const std::vector<std::string> directories = Texts(RpmTag::kDirectoryNames);
  const std::vector<uint64_t> indexes = Numbers(RpmTag::kDirectoryIndexes);
  const std::vector<uint64_t> modes = Numbers(RpmTag::kFileModes);
  const std::vector<uint64_t> flags = Numbers(RpmTag::kFileFlags);
  const std::vector<std::string> users = Texts(RpmTag::kFileUsers);
  const std::vector<std::string> groups = Texts(RpmTag::kFileGroups);
  const size_t count = names.size();
  for (const size_t size :
       {indexes.size(), modes.size(), flags.size(), users.size(), groups.size()})
    if (size != count) return Damaged("lists of files that don't fit each other");
  std::vector<File> files;
  for (size_t i = 0; i < count; ++i) {
    if (indexes[i] >= directories.size()) return Damaged("a file without its directory");
    files.push_back({.path = directories[indexes[i]] + names[i],
                     .mode = modes[i],
                     .flags = flags[i],
                     .user = users[i],
                     .group = groups[i]});
  }
  return files;
}

}  // namespace dragnet::console
