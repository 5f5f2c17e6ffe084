#include "modules/pkg/rpm_header.h"

#include <algorithm>
#include <string>

#include "core/strings.h"

namespace dragnet::pkg {
namespace {

// RPM's own bound on the number of entries.
constexpr uint32_t kMaxEntries = 0xffff;
constexpr size_t kEntrySize = 16;
// Of one tag: more files than any package has, and empty strings are cheap to claim.
constexpr uint32_t kMaxStrings = 400000;

enum Type : uint32_t {
  kChar = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kString = 6,
  kStringArray = 8,
  kI18nString = 9,
};

uint64_t BigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

uint32_t Word(std::string_view bytes, size_t at) {
  return static_cast<uint32_t>(BigEndian(bytes.substr(at, 4)));
}

size_t NumberSize(uint32_t type) {
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

}  // namespace

absl::StatusOr<RpmHeader> RpmHeader::Parse(std::string_view blob) {
  if (blob.size() < 8) return absl::InvalidArgumentError("header shorter than 8 bytes");
  const uint32_t entries = Word(blob, 0);
  const uint32_t data_size = Word(blob, 4);
  if (entries == 0 || entries > kMaxEntries) {
    return absl::InvalidArgumentError(StrCat("header of ", entries, " entries"));
  }
  blob.remove_prefix(8);
  if (blob.size() < entries * kEntrySize || blob.size() - entries * kEntrySize < data_size) {
    return absl::InvalidArgumentError(
        StrCat("header of ", entries, " entries and ", data_size, " bytes in ", blob.size()));
  }
  RpmHeader header;
  header.data_ = blob.substr(entries * kEntrySize, data_size);
  header.entries_.reserve(entries);
  for (uint32_t i = 0; i < entries; ++i) {
    const std::string_view bytes = blob.substr(i * kEntrySize, kEntrySize);
    const Entry entry{Word(bytes, 0), Word(bytes, 4), Word(bytes, 8), Word(bytes, 12)};
    // The regions that signatures cover have tags below 100, and offsets of
    // their own kind; nothing here reads them.
    if (entry.tag < 100) continue;
    const size_t size = NumberSize(entry.type);
    if (entry.offset > data_size || (size > 0 && entry.count > (data_size - entry.offset) / size)) {
      return absl::InvalidArgumentError(StrCat("tag ", entry.tag, " is outside of the header"));
    }
    header.entries_.push_back(entry);
  }
  // Stable, and the last one of a tag counts: what RPM added when it installed
  // the package comes after what was signed.
  std::stable_sort(header.entries_.begin(), header.entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.tag < b.tag; });
  return header;
}

const RpmHeader::Entry* RpmHeader::Find(RpmTag tag) const {
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), static_cast<uint32_t>(tag),
                       [](uint32_t value, const Entry& entry) { return value < entry.tag; });
  if (after == entries_.begin() || (after - 1)->tag != static_cast<uint32_t>(tag)) return nullptr;
  return &*(after - 1);
}

std::string_view RpmHeader::String(RpmTag tag) const {
  const Entry* entry = Find(tag);
  if (entry == nullptr || entry->count == 0) return {};
  if (entry->type != kString && entry->type != kStringArray && entry->type != kI18nString)
    return {};
  const std::string_view rest = data_.substr(entry->offset);
  const size_t end = rest.find('\0');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

std::vector<std::string_view> RpmHeader::Strings(RpmTag tag) const {
  std::vector<std::string_view> strings;
  const Entry* entry = Find(tag);
  if (entry == nullptr || (entry->type != kStringArray && entry->type != kI18nString))
    return strings;
  std::string_view rest = data_.substr(entry->offset);
  for (uint32_t i = 0; i < std::min(entry->count, kMaxStrings); ++i) {
    const size_t end = rest.find('\0');
    // As many as end; the caller sees that some are missing.
    if (end == std::string_view::npos) break;
    strings.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return strings;
}

std::optional<uint64_t> RpmHeader::Number(RpmTag tag) const { return Number(tag, 0); }

size_t RpmHeader::NumberCount(RpmTag tag) const {
  const Entry* entry = Find(tag);
  return entry == nullptr || NumberSize(entry->type) == 0 ? 0 : entry->count;
}

std::optional<uint64_t> RpmHeader::Number(RpmTag tag, size_t index) const {
  const Entry* entry = Find(tag);
  if (entry == nullptr) return std::nullopt;
  const size_t size = NumberSize(entry->type);
  if (size == 0 || index >= entry->count) return std::nullopt;
  return BigEndian(data_.substr(entry->offset + index * size, size));
}

}  // namespace dragnet::pkg
