#include "scheduler/api/row_columns.h"

#include <algorithm>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

constexpr uint32_t kMaxFieldNumber = (1u << 29) - 1;
constexpr int kMaxVarintBytes = 10;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Takes a varint from the front; false when it doesn't end, or is over 64 bits.
bool TakeVarint(std::string_view* bytes, uint64_t* value) {
  *value = 0;
  for (int i = 0; i < kMaxVarintBytes && i < static_cast<int>(bytes->size()); ++i) {
    const auto byte = static_cast<uint8_t>((*bytes)[static_cast<size_t>(i)]);
    if (i == kMaxVarintBytes - 1 && byte > 1) return false;
    *value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      bytes->remove_prefix(static_cast<size_t>(i) + 1);
      return true;
    }
  }
  return false;
}

void PutVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

struct Field {
  uint32_t number = 0;
  WireType type = kVarint;
  uint64_t varint = 0;
  // Of all others than varints.
  std::string_view payload;
};

bool TakeBytes(std::string_view* bytes, uint64_t size, Field* field) {
  if (size > bytes->size()) return false;
  field->payload = bytes->substr(0, static_cast<size_t>(size));
  bytes->remove_prefix(static_cast<size_t>(size));
  return true;
}

bool TakeField(std::string_view* bytes, Field* field) {
  uint64_t tag = 0;
  if (!TakeVarint(bytes, &tag)) return false;
  if (tag >> 3 == 0 || tag >> 3 > kMaxFieldNumber) return false;
  field->number = static_cast<uint32_t>(tag >> 3);
  field->type = static_cast<WireType>(tag & 7);
  uint64_t size = 0;
  switch (field->type) {
    case kVarint:
      return TakeVarint(bytes, &field->varint);
    case kFixed64:
      return TakeBytes(bytes, 8, field);
    case kFixed32:
      return TakeBytes(bytes, 4, field);
    case kBytes:
      return TakeVarint(bytes, &size) && TakeBytes(bytes, size, field);
  }
  return false;
}

void PutBytes(uint32_t number, std::string_view payload, std::string* out) {
  PutVarint(uint64_t{number} << 3 | kBytes, out);
  PutVarint(payload.size(), out);
  out->append(payload);
}

void PutField(const Field& field, std::string* out) {
  if (field.type == kBytes) return PutBytes(field.number, field.payload, out);
  PutVarint(uint64_t{field.number} << 3 | field.type, out);
  if (field.type == kVarint) return PutVarint(field.varint, out);
  out->append(field.payload);
}

}  // namespace

absl::StatusOr<RowColumns> RowColumns::Create(const std::vector<std::vector<uint32_t>>& paths) {
  if (paths.empty() || paths.size() > kMaxStackColumns)
    return absl::InvalidArgumentError(StrCat("columns: 1 to ", kMaxStackColumns));
  RowColumns columns;
  for (const std::vector<uint32_t>& path : paths)
    DRAGNET_RETURN_IF_ERROR(Add(path, &columns.root_));
  return columns;
}

absl::Status RowColumns::Add(const std::vector<uint32_t>& path, Node* root) {
  if (path.empty() || path.size() > kMaxColumnDepth)
    return absl::InvalidArgumentError(
        StrCat("columns: a path has 1 to ", kMaxColumnDepth, " field numbers"));
  Node* node = root;
  bool is_new = false;
  for (const uint32_t number : path) {
    if (number == 0 || number > kMaxFieldNumber)
      return absl::InvalidArgumentError(StrCat("columns: ", number, " is no field number"));
    // The last node is a column that was added before.
    if (node != root && !is_new && node->children.empty())
      return absl::InvalidArgumentError("columns: one is inside of another");
    auto place = std::lower_bound(node->children.begin(), node->children.end(), number,
                                  [](const Node& child, uint32_t n) { return child.number < n; });
    is_new = place == node->children.end() || place->number != number;
    if (is_new) {
      place = node->children.insert(place, Node());
      place->number = number;
    }
    node = &*place;
  }
  if (!is_new) return absl::InvalidArgumentError("columns: the same one twice, or inside another");
  return absl::OkStatus();
}

bool RowColumns::Extract(std::string_view row, std::string* columns) {
  Clear(&root_);
  columns->clear();
  if (!Scan(row, &root_)) return false;
  for (const Node& child : root_.children) Write(child, columns);
  return true;
}

void RowColumns::Clear(Node* node) {
  node->found.clear();
  for (Node& child : node->children) Clear(&child);
}

bool RowColumns::Scan(std::string_view message, Node* node) {
  Field field;
  while (!message.empty()) {
    if (!TakeField(&message, &field)) return false;
    for (Node& child : node->children) {
      if (child.number != field.number) continue;
      if (child.children.empty()) {
        PutField(field, &child.found);
      } else if (field.type != kBytes || !Scan(field.payload, &child)) {
        return false;
      }
    }
  }
  return true;
}

void RowColumns::Write(const Node& node, std::string* out) {
  if (node.children.empty()) {
    out->append(node.found);
    return;
  }
  std::string inner;
  for (const Node& child : node.children) Write(child, &inner);
  if (!inner.empty()) PutBytes(node.number, inner, out);
}

bool ForEachRow(std::string_view rows, const std::function<void(std::string_view)>& row) {
  Field field;
  while (!rows.empty()) {
    if (!TakeField(&rows, &field) || field.number != 1 || field.type != kBytes) return false;
    row(field.payload);
  }
  return true;
}

}  // namespace dragnet::scheduler
