// Takes columns out of rows whose type the scheduler doesn't know: it reads the
// wire format of protobuf, and is told which field numbers to follow. Rows come
// from hosts: strict, and no bytes make it read outside of them.
//
// Not thread-safe: one object for each who reads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

inline constexpr size_t kMaxStackColumns = 8;
inline constexpr size_t kMaxColumnDepth = 8;

class RowColumns {
 public:
  // Each a path of field numbers from the row message down. InvalidArgument: not
  // 1 to 8 columns, of 1 to 8 valid numbers, or one inside of another.
  static absl::StatusOr<RowColumns> Create(const std::vector<std::vector<uint32_t>>& paths);

  // Sets `columns` to a row message in which only the columns are set: what is
  // set of them, in the order of the numbers, all of a repeated field. The same
  // values always give the same bytes. False: not a message (also one with
  // groups, which no row has), or a path goes through a field that is none.
  bool Extract(std::string_view row, std::string* columns);

 private:
  struct Node {
    uint32_t number = 0;
    // Of a column, its fields as they are written; of one above, empty.
    std::string found;
    // Rising; empty for a column.
    std::vector<Node> children;
  };

  static absl::Status Add(const std::vector<uint32_t>& path, Node* root);
  static bool Scan(std::string_view message, Node* node);
  static void Clear(Node* node);
  static void Write(const Node& node, std::string* out);

  Node root_;
};

// Calls `row` for each row of a serialised v1::Rows. False: it isn't one.
bool ForEachRow(std::string_view rows, const std::function<void(std::string_view)>& row);

}  // namespace dragnet::scheduler
