// Which rows of an action are wanted and which of their columns: --where,
// --columns, --operation. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/form/module_catalog.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "modules/rows/row_filter.h"

namespace dragnet::console {

struct RowOptions {
  // Empty: all rows. In the language of RowFilter.
  std::string where{};
  // In this order; empty: as the module says.
  std::vector<std::string> columns{};
  // Only of this operation.
  std::optional<uint32_t> operation{};
};

// The rows of one operation.
struct SelectedOperation {
  // Null: this version doesn't have it.
  const Module* module = nullptr;
  // False: not the one that --operation names.
  bool wanted = true;
  // Of the module; for reading rows into.
  std::unique_ptr<google::protobuf::Message> row;
  // Null: all rows are wanted.
  std::unique_ptr<RowFilter> filter;
  // In RowSelection::Layouts.
  size_t layout = 0;
};

class RowSelection {
 public:
  // What is wrong for an operation is said before any row is asked for:
  // InvalidArgument names the flag, and the columns that there are.
  static absl::StatusOr<RowSelection> Create(const v1::Action& action, const ModuleCatalog& modules,
                                             RowOptions options);

  // Reads one row. Nothing: it is not wanted, which is counted. The message
  // belongs to the selection, until the next call.
  const google::protobuf::Message* Read(const v1::AgentRows& from, const std::string& bytes);

  // One for each module, for RecordWriter.
  const std::vector<Layout>& layouts() const { return layouts_; }
  const std::vector<SelectedOperation>& operations() const { return operations_; }
  const RowOptions& options() const { return options_; }

  // Rows read, and of them those that were wanted.
  uint64_t seen() const { return seen_; }
  uint64_t selected() const { return selected_; }
  // Rows that no one can say anything of: of no known module, not messages of
  // it, or the filter failed on them.
  uint64_t lost() const { return lost_; }
  // Lines for people about what was lost and left out; empty when nothing was.
  std::vector<std::string> Notes() const;

 private:
  RowSelection() = default;
  void Lose(std::string_view reason);

  RowOptions options_;
  std::vector<SelectedOperation> operations_;
  std::vector<std::string> module_names_;
  std::vector<Layout> layouts_;
  uint64_t seen_ = 0;
  uint64_t selected_ = 0;
  uint64_t lost_ = 0;
  // The first few.
  std::vector<std::string> reasons_;
};

// The columns of these names among those of a module's rows. InvalidArgument
// names the flag, one that isn't there, and those that are.
absl::StatusOr<std::vector<Column>> NamedColumns(std::string_view flag, const Module& module,
                                                 const std::vector<std::string>& names);

// "a,b" and "c" together.
std::vector<std::string> SplitNames(const std::vector<std::string>& values);

// "--operation" of an action: which one, or the only one there is. InvalidArgument
// names those there are.
absl::StatusOr<uint32_t> OneOperation(std::string_view flag, const v1::Action& action,
                                      const RowOptions& options);

}  // namespace dragnet::console
