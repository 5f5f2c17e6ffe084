#include "scheduler/migrate/table_rows.h"

#include "core/keys.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

void AppendNumber(uint64_t number, std::string* text) {
  for (int shift = 56; shift >= 0; shift -= 8) text->push_back(static_cast<char>(number >> shift));
}

// No two different rows have the same: each value says what it is and how long.
std::string Unambiguous(Row row) {
  std::string text;
  for (const Field& field : row) {
    text.push_back(static_cast<char>(field.kind));
    if (field.kind == Field::Kind::kInteger)
      AppendNumber(static_cast<uint64_t>(field.integer), &text);
    if (field.kind != Field::Kind::kBytes) continue;
    AppendNumber(field.bytes.size(), &text);
    text.append(field.bytes);
  }
  return text;
}

}  // namespace

void RowsDigest::Add(Row row) {
  const std::string hash = Sha256(Unambiguous(row));
  uint64_t carry = 0;
  for (size_t word = 0; word < sum_.size(); ++word) {
    uint64_t value = 0;
    for (size_t byte = 0; byte < 8; ++byte)
      value |= uint64_t{static_cast<unsigned char>(hash[word * 8 + byte])} << (8 * byte);
    const uint64_t with_carry = value + carry;
    const uint64_t sum = sum_[word] + with_carry;
    carry = (with_carry < value || sum < with_carry) ? 1 : 0;
    sum_[word] = sum;
  }
  ++rows_;
}

std::string RowsDigest::Hex() const {
  std::string bytes;
  for (size_t word = sum_.size(); word-- > 0;) AppendNumber(sum_[word], &bytes);
  return HexEncode(bytes);
}

}  // namespace dragnet::scheduler
