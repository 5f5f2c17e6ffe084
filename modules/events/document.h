// One JSON object that is put together by dotted names, as the Elastic Common
// Schema has them: "file.hash.sha256" goes into the object "hash" in "file".
// Every text in it is safe to look at (core/safe_json.h). Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dragnet::events {

class Document {
 public:
  // Later values of a name replace earlier ones. Empty texts aren't set: in a
  // search, "is there" and "is not empty" are then the same.
  void SetText(std::string_view name, std::string_view text);
  void SetNumber(std::string_view name, int64_t number);
  void SetUnsigned(std::string_view name, uint64_t number);
  void SetTime(std::string_view name, absl::Time time);
  // Adds to an array; what it has already isn't added again.
  void AddText(std::string_view name, std::string_view text);
  // What is JSON already.
  void SetJson(std::string_view name, std::string json);

  // One line, without its end. Names in order.
  std::string Take() const;

 private:
  struct Node {
    // Of a leaf; of an array its items in their order, with commas between.
    std::string json;
    bool array = false;
    std::map<std::string, Node, std::less<>> members;
  };

  Node& At(std::string_view name);
  static void Append(const Node& node, std::string* json);

  Node root_;
};

}  // namespace dragnet::events
