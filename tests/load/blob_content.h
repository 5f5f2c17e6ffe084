// Content of blobs, checked: each part that an agent gets is compared with what
// others got at its place, and the whole with its SHA-256 once all parts are
// there. So ten thousand agents check every byte, and one copy is kept.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/keys.h"

namespace dragnet::load {

class BlobContents {
 public:
  // False when this isn't the content at this place. Parts come in order.
  bool Check(const std::string& sha256, uint64_t size, uint64_t offset, std::string_view data) {
    std::string& content = contents_[sha256];
    if (offset + data.size() > size || offset > content.size()) return false;
    const std::string_view known = std::string_view(content).substr(offset, data.size());
    if (known != data.substr(0, known.size())) return false;
    content.append(data.substr(known.size()));
    if (content.size() < size || known.size() == data.size()) return true;
    return Sha256(content) == sha256;
  }

 private:
  std::map<std::string, std::string> contents_;
};

}  // namespace dragnet::load
