#include "console/cli/list_output.h"

namespace dragnet::console {

Layout ListLayout(const google::protobuf::Descriptor* type,
                  const std::vector<ListColumn>& columns) {
  Layout layout;
  for (const ListColumn& wanted : columns) {
    absl::StatusOr<Column> column = ColumnAt(type, wanted.path, std::string(wanted.header));
    if (!column.ok()) continue;
    column->detail = wanted.detail;
    layout.columns.push_back(*std::move(column));
  }
  return layout;
}

}  // namespace dragnet::console
