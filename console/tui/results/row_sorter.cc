#include "console/tui/results/row_sorter.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <queue>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kPartBytes = 8 * 1024 * 1024;
constexpr size_t kPartKeys = 350'000;
constexpr size_t kMostParts = 12;
constexpr size_t kBuffer = 64 * 1024;
constexpr size_t kHeader = 8;
constexpr uint64_t kRowsBetweenLooks = 4096;

// Set: after what isn't.
std::string Ordered(uint64_t value) {
  std::string key(1, '\1');
  for (int shift = 56; shift >= 0; shift -= 8)
    key.push_back(static_cast<char>(value >> static_cast<unsigned>(shift)));
  return key;
}
std::string Ordered(int64_t value) {
  return Ordered(static_cast<uint64_t>(value) ^ (uint64_t{1} << 63));
}
std::string Ordered(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  return Ordered((bits >> 63) != 0 ? ~bits : bits | (uint64_t{1} << 63));
}

// Of a Timestamp or Duration, in whichever descriptor pool.
std::optional<std::string> SecondsKey(const Message& message) {
  const auto* seconds = message.GetDescriptor()->FindFieldByName("seconds");
  const auto* nanos = message.GetDescriptor()->FindFieldByName("nanos");
  if (seconds == nullptr || nanos == nullptr ||
      seconds->cpp_type() != FieldDescriptor::CPPTYPE_INT64 ||
      nanos->cpp_type() != FieldDescriptor::CPPTYPE_INT32)
    return std::nullopt;
  const Reflection& reflection = *message.GetReflection();
  return Ordered(reflection.GetInt64(message, seconds)) +
         Ordered(int64_t{reflection.GetInt32(message, nanos)});
}

std::optional<std::string> NumberKey(const Message& holder, const FieldDescriptor* field) {
  const Reflection& reflection = *holder.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Ordered(int64_t{reflection.GetInt32(holder, field)});
    case FieldDescriptor::CPPTYPE_INT64:
      return Ordered(reflection.GetInt64(holder, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Ordered(uint64_t{reflection.GetUInt32(holder, field)});
    case FieldDescriptor::CPPTYPE_UINT64:
      return Ordered(reflection.GetUInt64(holder, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Ordered(uint64_t{reflection.GetBool(holder, field)});
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Ordered(double{reflection.GetFloat(holder, field)});
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Ordered(reflection.GetDouble(holder, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SecondsKey(reflection.GetMessage(holder, field));
    default:
      return std::nullopt;
  }
}

void PutNumber(uint32_t value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof bytes);
}

uint32_t NumberAt(std::string_view bytes, size_t at) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

std::string SortKey(const Message& row, const Column& column) {
  const Message* holder = &row;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    const Reflection& reflection = *holder->GetReflection();
    if (!reflection.HasField(*holder, column.path[i])) return "";
    holder = &reflection.GetMessage(*holder, column.path[i]);
  }
  const FieldDescriptor* field = column.path.back();
  if (!field->is_repeated()) {
    const Reflection& reflection = *holder->GetReflection();
    if (field->has_presence() && !reflection.HasField(*holder, field)) return "";
    if (std::optional<std::string> key = NumberKey(*holder, field); key.has_value()) return *key;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      std::string scratch;
      return reflection.GetStringReference(*holder, field, &scratch).substr(0, kMostSortKeyBytes);
    }
  }
  return CellOf(row, column, CellStyle::kData).text.substr(0, kMostSortKeyBytes);
}

// ---- parts

class RowSorter::PartWriter {
 public:
  static absl::StatusOr<PartWriter> Create(const std::string& directory) {
    DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<ScratchFile> file, NewScratchFile(directory));
    return PartWriter(std::move(file));
  }
  absl::Status Put(std::string_view key, uint32_t row) {
    PutNumber(static_cast<uint32_t>(key.size()), &buffer_);
    PutNumber(row, &buffer_);
    buffer_.append(key);
    ++part_.rows;
    return buffer_.size() < kBuffer ? absl::OkStatus() : Flush();
  }
  absl::StatusOr<Part> Finish() {
    DRAGNET_RETURN_IF_ERROR(Flush());
    return std::move(part_);
  }

 private:
  explicit PartWriter(std::unique_ptr<ScratchFile> file) { part_.file = std::move(file); }
  absl::Status Flush() {
    const absl::Status status = part_.file->Append(buffer_).status();
    buffer_.clear();
    return status;
  }

  Part part_;
  std::string buffer_;
};

class RowSorter::PartReader {
 public:
  explicit PartReader(const Part& part) : part_(&part), left_(part.rows) {}

  // False at the end.
  absl::StatusOr<bool> Next() {
    if (left_ == 0) return false;
    --left_;
    DRAGNET_RETURN_IF_ERROR(Need(kHeader));
    const uint32_t length = NumberAt(buffer_, at_);
    row_ = NumberAt(buffer_, at_ + sizeof(uint32_t));
    DRAGNET_RETURN_IF_ERROR(Need(kHeader + length));
    key_ = std::string_view(buffer_).substr(at_ + kHeader, length);
    at_ += kHeader + length;
    return true;
  }
  std::string_view key() const { return key_; }
  uint32_t row() const { return row_; }

 private:
  absl::Status Need(size_t bytes) {
    if (buffer_.size() - at_ >= bytes) return absl::OkStatus();
    offset_ += at_;
    at_ = 0;
    DRAGNET_RETURN_IF_ERROR(part_->file->Read(offset_, std::max(bytes, kBuffer), &buffer_));
    if (buffer_.size() < bytes)
      return absl::DataLossError("a temporary file of this program was cut short by another");
    return absl::OkStatus();
  }

  const Part* part_;
  uint64_t left_;
  uint64_t offset_ = 0;
  std::string buffer_;
  size_t at_ = 0;
  std::string_view key_;
  uint32_t row_ = 0;
};

// ---- sorting

absl::Status RowSorter::Add(std::span<const uint32_t> rows) {
  for (const uint32_t row : rows) {
    DRAGNET_RETURN_IF_ERROR(parser_.Read(row));
    const std::string key = column_.has_value() ? SortKey(parser_.message(), *column_)
                                                : parser_.agent_name().substr(0, kMostSortKeyBytes);
    keys_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(key.size()), row});
    bytes_.append(key);
    if (bytes_.size() >= kPartBytes || keys_.size() >= kPartKeys)
      DRAGNET_RETURN_IF_ERROR(WritePart());
  }
  return absl::OkStatus();
}

absl::Status RowSorter::WritePart() {
  if (keys_.empty()) return absl::OkStatus();
  const std::string_view bytes = bytes_;
  const auto text = [&](const Key& key) { return bytes.substr(key.offset, key.length); };
  std::stable_sort(keys_.begin(), keys_.end(),
                   [&](const Key& a, const Key& b) { return text(a) < text(b); });
  DRAGNET_ASSIGN_OR_RETURN(PartWriter writer, PartWriter::Create(directory_));
  for (const Key& key : keys_) DRAGNET_RETURN_IF_ERROR(writer.Put(text(key), key.row));
  DRAGNET_ASSIGN_OR_RETURN(Part part, writer.Finish());
  parts_.push_back(std::move(part));
  // Gives the memory back, too: most sorts are done once.
  std::string().swap(bytes_);
  std::vector<Key>().swap(keys_);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> RowSorter::Sorted(const std::atomic<bool>& cancelled) {
  DRAGNET_RETURN_IF_ERROR(WritePart());
  uint64_t total = 0;
  for (const Part& part : parts_) total += part.rows;
  std::vector<uint32_t> sorted;
  sorted.reserve(total);
  // Many small parts come about when rows land one by one: they become one.
  std::optional<PartWriter> writer;
  if (parts_.size() > kMostParts) {
    DRAGNET_ASSIGN_OR_RETURN(writer, PartWriter::Create(directory_));
  }
  std::vector<PartReader> readers;
  for (const Part& part : parts_) readers.emplace_back(part);
  // Earlier parts hold earlier rows.
  const auto later = [&](size_t a, size_t b) {
    const int order = readers[a].key().compare(readers[b].key());
    return order != 0 ? order > 0 : a > b;
  };
  std::priority_queue<size_t, std::vector<size_t>, decltype(later)> heads(later);
  for (size_t i = 0; i < readers.size(); ++i) {
    DRAGNET_ASSIGN_OR_RETURN(const bool any, readers[i].Next());
    if (any) heads.push(i);
  }
  while (!heads.empty()) {
    if (sorted.size() % kRowsBetweenLooks == 0 && cancelled.load())
      return absl::CancelledError("no longer wanted");
    const size_t first = heads.top();
    heads.pop();
    sorted.push_back(readers[first].row());
    if (writer.has_value())
      DRAGNET_RETURN_IF_ERROR(writer->Put(readers[first].key(), readers[first].row()));
    DRAGNET_ASSIGN_OR_RETURN(const bool more, readers[first].Next());
    if (more) heads.push(first);
  }
  if (writer.has_value()) {
    DRAGNET_ASSIGN_OR_RETURN(Part merged, writer->Finish());
    parts_.clear();
    parts_.push_back(std::move(merged));
  }
  return sorted;
}

}  // namespace dragnet::console::tui
