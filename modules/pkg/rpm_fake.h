// For tests: headers as RPM writes them, and databases of the forms that the RPM
// of a test machine may not know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modules/pkg/rpm_header.h"

namespace dragnet::pkg {

inline std::string BigWord(uint32_t value, size_t size = 4) {
  std::string bytes;
  for (size_t i = size; i-- > 0;) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}
inline std::string LittleWord(uint32_t value) {
  const std::string big = BigWord(value);
  return {big.rbegin(), big.rend()};
}

class FakeHeader {
 public:
  FakeHeader& String(RpmTag tag, std::string_view text) {
    return Add(tag, 6, 1, std::string(text) + '\0');
  }
  FakeHeader& Strings(RpmTag tag, const std::vector<std::string>& texts) {
    std::string bytes;
    for (const std::string& text : texts) bytes += text + '\0';
    return Add(tag, 8, static_cast<uint32_t>(texts.size()), bytes);
  }
  FakeHeader& Numbers(RpmTag tag, const std::vector<uint32_t>& numbers, size_t size = 4) {
    std::string bytes;
    for (uint32_t number : numbers) bytes += BigWord(number, size);
    return Add(tag, size == 2 ? 3 : 4, static_cast<uint32_t>(numbers.size()), bytes);
  }
  FakeHeader& Add(RpmTag tag, uint32_t type, uint32_t count, const std::string& bytes) {
    index_ += BigWord(static_cast<uint32_t>(tag)) + BigWord(type) +
              BigWord(static_cast<uint32_t>(data_.size())) + BigWord(count);
    data_ += bytes;
    ++entries_;
    return *this;
  }
  std::string Bytes() const {
    return BigWord(entries_) + BigWord(static_cast<uint32_t>(data_.size())) + index_ + data_;
  }

 private:
  uint32_t entries_ = 0;
  std::string index_;
  std::string data_;
};

inline std::string FakePackage(std::string_view name, std::string_view version,
                               std::string_view release) {
  return FakeHeader()
      .String(RpmTag::kName, name)
      .String(RpmTag::kVersion, version)
      .String(RpmTag::kRelease, release)
      .String(RpmTag::kArch, "x86_64")
      .Numbers(RpmTag::kInstallTime, {1700000000})
      .Bytes();
}

// A Packages.db of the form ndb.
inline std::string FakeNdb(const std::vector<std::string>& blobs) {
  std::string slots = "RpmP" + LittleWord(0) + LittleWord(1) + LittleWord(1) +
                      LittleWord(static_cast<uint32_t>(blobs.size() + 1)) + std::string(12, '\0');
  std::string data;
  uint32_t number = 0;
  for (const std::string& blob : blobs) {
    ++number;
    std::string bytes = "BlbS" + LittleWord(number) + LittleWord(1) +
                        LittleWord(static_cast<uint32_t>(blob.size())) + blob;
    while ((bytes.size() + 12) % 16 != 0) bytes.push_back('\0');
    bytes += LittleWord(0) + LittleWord(static_cast<uint32_t>(blob.size())) + "BlbE";
    slots += "Slot" + LittleWord(number) +
             LittleWord(static_cast<uint32_t>((4096 + data.size()) / 16)) +
             LittleWord(static_cast<uint32_t>(bytes.size() / 16));
    data += bytes;
  }
  while (slots.size() < 4096) slots += "Slot" + std::string(12, '\0');
  return slots + data;
}

}  // namespace dragnet::pkg
