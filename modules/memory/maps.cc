#include "modules/memory/maps.h"

#include <algorithm>
#include <charconv>

namespace dragnet::memory {
namespace {

// A name is at most PATH_MAX bytes, each of which may be written as \012.
constexpr size_t kMaxLine = 4 * 4096 + 256;

bool Number(std::string_view* line, int base, char end, uint64_t* value) {
  const auto [next, error] =
      std::from_chars(line->data(), line->data() + line->size(), *value, base);
  if (error != std::errc() || next == line->data() + line->size() || *next != end) return false;
  line->remove_prefix(static_cast<size_t>(next - line->data()) + 1);
  return true;
}

// start-end perms offset major:minor inode, without the name.
bool Head(std::string_view* line, Region* region) {
  uint64_t major = 0, minor = 0;
  if (!Number(line, 16, '-', &region->start) || !Number(line, 16, ' ', &region->end)) return false;
  if (line->size() < 5 || (*line)[4] != ' ' || region->start >= region->end) return false;
  line->copy(region->permissions, 4);
  line->remove_prefix(5);
  if (!Number(line, 16, ' ', &region->offset) || !Number(line, 16, ':', &major) ||
      !Number(line, 16, ' ', &minor) || major > 0xffffffff || minor > 0xffffffff) {
    return false;
  }
  region->device_major = static_cast<uint32_t>(major);
  region->device_minor = static_cast<uint32_t>(minor);
  return Number(line, 10, ' ', &region->inode);
}

// The kernel writes a newline in a name as \012, and nothing else.
std::string Unescape(std::string_view escaped) {
  std::string name;
  while (!escaped.empty()) {
    const bool newline = escaped.starts_with("\\012");
    name += newline ? '\n' : escaped[0];
    escaped.remove_prefix(newline ? 4 : 1);
  }
  return name;
}

}  // namespace

void Maps::Feed(std::string_view bytes) {
  while (!bytes.empty() && incomplete_.empty()) {
    const size_t end = bytes.find('\n');
    partial_.append(bytes.substr(0, std::min(end, kMaxLine)));
    if (partial_.size() > kMaxLine) {
      incomplete_ = "its list of memory regions has an overlong line";
      return;
    }
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    Line(partial_);
    partial_.clear();
  }
}

void Maps::Finish() {
  if (!partial_.empty() && incomplete_.empty())
    incomplete_ = "its list of memory regions ends within a line";
}

void Maps::Line(std::string_view line) {
  Region region;
  if (regions_.size() == max_regions_) {
    incomplete_ = "it has too many memory regions";
    return;
  }
  // A line without a name still has the space after the inode.
  if (!Head(&line, &region) || (!regions_.empty() && region.start < regions_.back().end)) {
    incomplete_ = "its list of memory regions can't be understood";
    return;
  }
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (!AddName(line, &region.name)) {
    incomplete_ = "the names of its mapped files are too long";
    return;
  }
  regions_.push_back(region);
}

bool Maps::AddName(std::string_view escaped, uint32_t* index) {
  if (escaped.empty()) return true;
  if (names_.size() == 1 || escaped != last_escaped_) {
    if (name_bytes_ + escaped.size() > max_name_bytes_) return false;
    name_bytes_ += escaped.size();
    last_escaped_ = escaped;
    names_.push_back(Unescape(escaped));
  }
  *index = static_cast<uint32_t>(names_.size() - 1);
  return true;
}

}  // namespace dragnet::memory
