#include "tests/harness/database.h"

#include <sqlite3.h>

#include <memory>

#include "core/strings.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementPtr = std::unique_ptr<sqlite3_stmt, Finalize>;

void Bind(sqlite3_stmt* statement, int index, const TestDatabase::Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
  } else {
    const std::string& bytes = std::get<TestDatabase::Blob>(value).bytes;
    sqlite3_bind_blob64(statement, index, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  }
}

StatementPtr Prepare(sqlite3* database, const std::string& sql,
                     const std::vector<TestDatabase::Value>& values) {
  sqlite3_stmt* raw = nullptr;
  sqlite3_prepare_v2(database, sql.c_str(), -1, &raw, nullptr);
  StatementPtr statement(raw);
  Need(statement != nullptr, sql, sqlite3_errmsg(database));
  for (size_t i = 0; i < values.size(); ++i) Bind(raw, static_cast<int>(i) + 1, values[i]);
  return statement;
}

}  // namespace

TestDatabase::TestDatabase(const std::string& path) {
  const int result = sqlite3_open_v2(path.c_str(), &database_, SQLITE_OPEN_READWRITE, nullptr);
  Need(result == SQLITE_OK, "open", path);
  sqlite3_busy_timeout(database_, 10'000);
}

TestDatabase::~TestDatabase() { sqlite3_close(database_); }

void TestDatabase::Execute(const std::string& sql, const std::vector<Value>& values) {
  const StatementPtr statement = Prepare(database_, sql, values);
  Need(sqlite3_step(statement.get()) == SQLITE_DONE, sql, sqlite3_errmsg(database_));
}

std::vector<std::string> TestDatabase::Texts(const std::string& sql,
                                             const std::vector<Value>& values) {
  const StatementPtr statement = Prepare(database_, sql, values);
  std::vector<std::string> texts;
  int result;
  while ((result = sqlite3_step(statement.get())) == SQLITE_ROW) {
    const void* bytes = sqlite3_column_blob(statement.get(), 0);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement.get(), 0));
    texts.emplace_back(static_cast<const char*>(bytes), bytes == nullptr ? 0 : size);
  }
  Need(result == SQLITE_DONE, sql, sqlite3_errmsg(database_));
  return texts;
}

int64_t TestDatabase::Number(const std::string& sql, const std::vector<Value>& values) {
  const StatementPtr statement = Prepare(database_, sql, values);
  Need(sqlite3_step(statement.get()) == SQLITE_ROW, sql, sqlite3_errmsg(database_));
  return sqlite3_column_int64(statement.get(), 0);
}

}  // namespace dragnet::testing
