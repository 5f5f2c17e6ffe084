// Which columns of a condition may be missing from a row: for the lint of packs.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"

namespace dragnet::console {

// Columns that `expression` (modules/rows/row_filter.h) reads, that are NULL in rows which
// don't have them (optional fields, fields of messages, messages, times), and of which
// it nowhere says what then: `is …`, `isnull`, `notnull`, or coalesce or ifnull around
// them. By their headers, each once, in the expression's order. A look at the words and
// no proof: `x is null or y > 3` says nothing of y, and `x is null and x > 3` is
// taken for careful.
std::vector<std::string> ColumnsWithoutNullCase(const google::protobuf::Descriptor* row_type,
                                                std::string_view expression);

}  // namespace dragnet::console
