// Reads and writes the SQLite files of programs that are stopped (or of the
// scheduler, which lets others in), as whoever owns the disk could.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

struct sqlite3;

namespace dragnet::testing {

class TestDatabase {
 public:
  explicit TestDatabase(const std::string& path);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  struct Blob {
    std::string bytes;
  };
  using Value = std::variant<int64_t, std::string, Blob>;
  void Execute(const std::string& sql, const std::vector<Value>& values = {});
  // First column of all rows, as text or as a blob's bytes.
  std::vector<std::string> Texts(const std::string& sql, const std::vector<Value>& values = {});
  int64_t Number(const std::string& sql, const std::vector<Value>& values = {});

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace dragnet::testing
