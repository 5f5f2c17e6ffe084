// Values of rows as SQLite has them, for filters and for `results --sql`: the
// one place that says what a column is called and what type it has. Thread-safe:
// no state.
//
//   numbers                 INTEGER, REAL   unsigned ones over 2^63-1: REAL
//   bool                    INTEGER         0 or 1
//   text, enum words        TEXT
//   times                   TEXT            2024-05-01T10:11:12.5Z: RFC 3339, UTC
//   durations               REAL            seconds
//   bytes                   TEXT            hexadecimal
//   lists, maps, messages   TEXT            JSON, as in --output jsonl
//
// What a row doesn't have (an optional field, a field of a message that isn't
// set) is NULL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "modules/rows/columns.h"

namespace dragnet {

enum class SqlType { kInteger, kReal, kText };

struct SqlColumn {
  // "hash_sha256" for the column "hash.sha256". A column that is called as one
  // that every table has (agent, agent_id, operation) is "row_agent".
  std::string name;
  SqlType type;
  Column column;
};

// As SQL has it: "INTEGER".
std::string_view SqlTypeName(SqlType type);

// All columns of a row message, in the order of its .proto.
std::vector<SqlColumn> SqlColumnsOf(const google::protobuf::Descriptor* type);

// "name", quoted for SQL.
std::string SqlIdentifier(std::string_view name);

struct SqlValue {
  enum class Kind { kNull, kInteger, kReal, kText };
  Kind kind = Kind::kNull;
  int64_t integer = 0;
  double real = 0;
  // Into the message, or into `scratch`.
  std::string_view text{};
};

// `scratch` holds text that the message doesn't hold as it is.
SqlValue SqlValueOf(const google::protobuf::Message& row, const Column& column,
                    std::string* scratch);

}  // namespace dragnet
