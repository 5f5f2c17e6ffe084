// An expression over one row of a result, in the language of targets
// (core/target.h): `results --where` and the console's filter.
//
//   path like '/etc/%' and size > 1000 and not hidden
//   agent in ('web-1', 'web-2') or "hash.sha256" = '9f86…'
//
// Columns are `agent`, `agent_id` and those of the row's table. A column with a
// dot may be written hash.sha256, "hash.sha256" or hash_sha256. Words that are
// columns are taken for columns even where SQL has the word for itself (group).
// Types: modules/rows/row_values.h. An expression that is NULL isn't true.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace dragnet {

// Not thread-safe; one per thread. Keeps nothing of the rows.
class RowFilter {
 public:
  // InvalidArgument says what is wrong and which columns there are. `row_type`
  // must outlive the result.
  static absl::StatusOr<std::unique_ptr<RowFilter>> Create(
      const google::protobuf::Descriptor* row_type, std::string_view expression);
  ~RowFilter();
  RowFilter(const RowFilter&) = delete;
  RowFilter& operator=(const RowFilter&) = delete;

  // `row` is of `row_type`. Only what the expression reads of it is looked at.
  // An error is of this row (e.g. JSON functions on what isn't JSON, too many
  // steps): others can still be asked.
  absl::StatusOr<bool> Matches(std::string_view agent_name, std::string_view agent_id,
                               const google::protobuf::Message& row);

  // For those who conclude something from a row that doesn't match.
  enum class Answer {
    kTrue,
    kFalse,
    // Something that the expression needs isn't there: NULL.
    kUnknown,
  };
  // As Matches, but tells "no" from "can't be said". InvalidArgument, besides, when a
  // text that was read isn't all there: it ends in … (what modules put where they cut
  // or withhold), or has a NUL, behind which SQLite doesn't look. Host and agent are
  // empty.
  absl::StatusOr<Answer> Ask(const google::protobuf::Message& row);

 private:
  struct State;
  explicit RowFilter(std::unique_ptr<State> state);
  absl::StatusOr<Answer> Evaluate(std::string_view agent_name, std::string_view agent_id,
                                  const google::protobuf::Message& row);
  const std::unique_ptr<State> state_;
};

}  // namespace dragnet
