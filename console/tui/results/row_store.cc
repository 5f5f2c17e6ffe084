#include "console/tui/results/row_store.h"

#include <algorithm>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kPlacesAtOnce = 1024;
constexpr size_t kFewPlaces = 32;
constexpr size_t kWindow = 256 * 1024;

}  // namespace

absl::Status RowStore::Append(uint32_t agent,
                              const google::protobuf::RepeatedPtrField<std::string>& rows) {
  if (rows.empty()) return absl::OkStatus();
  if (agent >= kMaxAgents) return absl::ResourceExhaustedError("too many agents for one action");
  std::string bytes;
  size_t total = 0;
  for (const std::string& row : rows) total += row.size();
  bytes.reserve(total);
  for (const std::string& row : rows) bytes.append(row);
  const WaitableMutex::Lock lock(mutex_);
  if (static_cast<uint64_t>(rows.size()) > kMaxRows - size_)
    return absl::ResourceExhaustedError(StrCat("more than ", kMaxRows, " rows"));
  DRAGNET_ASSIGN_OR_RETURN(uint64_t offset, file_->Append(bytes));
  if (offset + bytes.size() > kMaxFileBytes)
    return absl::ResourceExhaustedError("more than 1 TiB of rows");
  for (const std::string& row : rows) {
    if (size_ % kBlock == 0) blocks_.push_back(std::make_unique<Block>());
    (*blocks_.back())[size_ % kBlock] = {static_cast<uint32_t>(offset),
                                         static_cast<uint32_t>(offset >> 32) << 24 | agent,
                                         static_cast<uint32_t>(row.size())};
    offset += row.size();
    ++size_;
  }
  return absl::OkStatus();
}

uint32_t RowStore::size() const {
  const WaitableMutex::Lock lock(mutex_);
  return size_;
}

size_t RowStore::memory_bytes() const {
  const WaitableMutex::Lock lock(mutex_);
  return blocks_.size() * sizeof(Block);
}

void RowStore::PlacesOf(uint32_t row, size_t most, std::vector<Place>* places) const {
  places->clear();
  const WaitableMutex::Lock lock(mutex_);
  for (; row < size_ && places->size() < most; ++row) {
    const Entry& entry = (*blocks_[row / kBlock])[row % kBlock];
    const uint32_t packed = entry.high_and_agent;
    places->push_back(
        {uint64_t{packed >> 24} << 32 | entry.low, entry.length, packed & (kMaxAgents - 1)});
  }
}

absl::Status RowReader::Read(uint32_t row, std::string_view* bytes, uint32_t* agent) {
  if (row < first_ || row - first_ >= places_.size()) {
    const bool reads_on = row >= first_ && row - first_ < 2 * kPlacesAtOnce;
    first_ = row;
    store_.PlacesOf(row, reads_on ? kPlacesAtOnce : kFewPlaces, &places_);
    if (places_.empty()) return absl::OutOfRangeError(StrCat("there is no row ", row));
  }
  const RowStore::Place& place = places_[row - first_];
  *agent = place.agent;
  const bool here = place.offset >= window_begin_ &&
                    place.offset + place.length <= window_begin_ + window_.size();
  if (!here) {
    // Only who reads on gets more than what was asked for.
    const bool reads_on = place.offset >= last_end_ && place.offset < last_end_ + kWindow;
    const size_t size =
        reads_on ? std::max<size_t>(place.length, kWindow) : static_cast<size_t>(place.length);
    window_begin_ = place.offset;
    DRAGNET_RETURN_IF_ERROR(store_.file_->Read(place.offset, size, &window_));
    if (window_.size() < place.length) {
      window_.clear();
      return absl::DataLossError("a temporary file of this program was cut short by another");
    }
  }
  last_end_ = place.offset + place.length;
  *bytes = std::string_view(window_).substr(place.offset - window_begin_, place.length);
  return absl::OkStatus();
}

}  // namespace dragnet::console::tui
