#include "console/analysis/result_database.h"

#include "console/testing/sample.pb.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Row = console::testing::SampleRow;

const RowTables kOne = {{"sample", Row::descriptor()}};

absl::StatusOr<std::unique_ptr<ResultDatabase>> Open(std::string_view query,
                                                     ResultDatabase::Limits limits = {}) {
  return ResultDatabase::Create(kOne, query, std::move(limits));
}

Row Of(const std::string& path, uint64_t size) {
  Row row;
  row.set_path(path);
  row.set_size(size);
  row.mutable_owner()->set_name("root");
  row.add_notes("n1");
  row.add_notes("n2");
  return row;
}

// "a|1 b|2" of an answer.
std::string Answer(std::string_view query) {
  const auto database = Open(query);
  if (!database.ok()) return std::string(database.status().message());
  EXPECT_TRUE((*database)->AddRow("sample", "web", "id-web", 0, Of("/a", 1)).ok());
  EXPECT_TRUE((*database)->AddRow("sample", "db", "id-db", 0, Of("/b", 30)).ok());
  EXPECT_TRUE((*database)->AddHost({"web", "id-web", "found", 1, ""}).ok());
  EXPECT_TRUE((*database)->AddHost({"db", "id-db", "incomplete", 1, "1 not looked at"}).ok());
  EXPECT_TRUE((*database)->AddHost({"mail", "id-mail", "refused", 0, ""}).ok());
  EXPECT_TRUE((*database)->AddRefusal({"mail", "id-mail", "expired", "late", "2024"}).ok());
  std::string text;
  std::vector<Value> values;
  while (true) {
    const absl::StatusOr<bool> more = (*database)->Next(&values);
    if (!more.ok()) return std::string(more.status().message());
    if (!*more) return text;
    if (!text.empty()) text.push_back(' ');
    for (const Value& value : values) {
      if (&value != values.data()) text.push_back('|');
      text.append(value.kind == Value::Kind::kNull ? "NULL" : value.text);
    }
  }
}

TEST(ResultDatabaseTest, ReadsRowsHostsAndRefusals) {
  EXPECT_EQ(Answer("SELECT path, size FROM sample ORDER BY size DESC"), "/b|30 /a|1");
  EXPECT_EQ(Answer("SELECT * FROM hosts ORDER BY agent"),
            "db|id-db|incomplete|1|1 not looked at mail|id-mail|refused|0| web|id-web|found|1|");
  EXPECT_EQ(Answer("SELECT reason, detail FROM refusals"), "expired|late");
  EXPECT_EQ(Answer("SELECT count(*) FROM rows"), "2");
  EXPECT_EQ(Answer("SELECT agent, owner_name, operation FROM rows WHERE size > 2;"), "db|root|0");
  EXPECT_EQ(Answer("SELECT state, h.agent, sum(size) FROM sample JOIN hosts h USING (agent_id) "
                   "GROUP BY 1, 2 ORDER BY 2"),
            "incomplete|db|30 found|web|1");
  // Columns that are read without being asked for by name.
  EXPECT_EQ(Answer("SELECT count(*) FROM sample NATURAL JOIN hosts"), "2");
  EXPECT_EQ(Answer("SELECT count(*) FROM sample JOIN hosts USING (agent_id)"), "2");
  EXPECT_EQ(Answer("SELECT h.* FROM sample s JOIN hosts h USING (\"AGENT\") WHERE size > 2"),
            "db|id-db|incomplete|1|1 not looked at");
  EXPECT_EQ(Answer("SELECT count(*) FROM hosts WHERE agent_id IN (SELECT agent_id FROM sample)"),
            "2");
  EXPECT_EQ(Answer("SELECT s.* FROM (SELECT path, size FROM sample ORDER BY 2 LIMIT 1) s"), "/a|1");
  EXPECT_EQ(Answer("SELECT count(*) FROM (SELECT * FROM sample EXCEPT SELECT * FROM rows)"), "0");
  EXPECT_EQ(Answer("SELECT agent FROM hosts WHERE (agent, rows) = (SELECT agent, 1 FROM refusals)"),
            "");
  EXPECT_EQ(Answer("SELECT max(size) OVER w FROM sample WINDOW w AS (PARTITION BY owner_name) "
                   "LIMIT 1"),
            "30");
  EXPECT_EQ(Answer("WITH big AS (SELECT path FROM sample WHERE size > 2) SELECT * FROM big"), "/b");
  EXPECT_EQ(Answer("SELECT value FROM sample s, json_each(notes) WHERE s.path='/a'"), "n1 n2");
  EXPECT_EQ(Answer("SELECT links, 1.5, x'00ff' FROM sample LIMIT 1"), "NULL|1.5|00ff");
  EXPECT_EQ(Answer("SELECT path FROM sample UNION ALL SELECT agent FROM refusals ORDER BY 1"),
            "/a /b mail");
  EXPECT_EQ(Answer("VALUES (1)"), "1");
  EXPECT_EQ(Answer("/* first */ SELECT 1 -- last"), "1");
}

TEST(ResultDatabaseTest, TheStarReadsEveryColumn) {
  const auto database = *Open("SELECT * FROM sample");
  EXPECT_THAT(database->columns(),
              ElementsAre("agent", "agent_id", "operation", "path", "size", "modified", "digest",
                          "hash", "owner_name", "owner_uid", "notes", "extra", "hidden", "links",
                          "entropy", "owners", "age"));
}

TEST(ResultDatabaseTest, ColumnsThatStandTwiceStayApart) {
  EXPECT_THAT((*Open("SELECT count(*), count(*), 1 AS x, 2 AS x FROM rows"))->columns(),
              ElementsAre("count(*)", "count(*)_2", "x", "x_2"));
}

TEST(ResultDatabaseTest, EverythingButOneSelectIsRefused) {
  for (const char* attack : {
           "",
           ";",
           "-- nothing",
           "SELECT 1; SELECT 2",
           "SELECT 1; garbage",
           "INSERT INTO sample(path) VALUES('x')",
           "DELETE FROM sample",
           "UPDATE hosts SET state='clean'",
           "DROP TABLE sample",
           "CREATE TABLE x(y)",
           "CREATE TEMP VIEW v AS SELECT 1",
           "CREATE VIRTUAL TABLE v USING fts5(x)",
           "ATTACH '/tmp/dragnet-attached.db' AS x",
           "VACUUM INTO '/tmp/dragnet-vacuum.db'",
           "PRAGMA hard_heap_limit=0",
           "PRAGMA temp_store_directory='/tmp'",
           "BEGIN",
           "COMMIT",
           "SAVEPOINT x",
           "ANALYZE",
           "REINDEX",
           "SELECT * FROM sqlite_schema",
           "SELECT * FROM sqlite_master",
           "SELECT * FROM pragma_database_list",
           "SELECT * FROM pragma_table_info('sample')",
           "SELECT * FROM dbstat",
           "SELECT load_extension('x')",
           "SELECT readfile('/etc/passwd')",
           "SELECT writefile('/tmp/x', 'y')",
           "SELECT edit('x')",
           "SELECT randomblob(10)",
           "SELECT zeroblob(1000000000)",
           "SELECT fts3_tokenizer('simple')",
           "SELECT sqlite_version()",
           "SELECT ?1",
           "SELECT :name",
           "SELECT \"text in double quotes\"",
           "SELECT nosuch FROM sample",
           "SELECT * FROM nosuch",
           "EXPLAIN DELETE FROM sample",
       }) {
    EXPECT_EQ(Open(attack).status().code(), absl::StatusCode::kInvalidArgument) << attack;
  }
  EXPECT_FALSE(Open(std::string("SELECT 1\0", 9)).ok());
  EXPECT_FALSE(Open(StrCat("SELECT ", std::string(kMaxQueryBytes, ' '), "1")).ok());
}

TEST(ResultDatabaseTest, WhatIsRefusedIsNamed) {
  EXPECT_THAT(Answer("PRAGMA user_version"), HasSubstr("PRAGMA: not allowed"));
  EXPECT_THAT(Answer("SELECT load_extension('x')"), HasSubstr("load_extension"));
  EXPECT_THAT(Answer("SELECT sise FROM sample"), HasSubstr("no such column: sise"));
}

TEST(ResultDatabaseTest, MoreMemoryThanItMayHaveEndsTheQueryNotTheProgram) {
  ResultDatabase::Limits limits;
  limits.memory_bytes = 8 << 20;
  {
    const auto database = *Open("SELECT path FROM sample ORDER BY 1", limits);
    absl::Status status;
    for (int i = 0; i < 200 && status.ok(); ++i)
      status = database->AddRow("sample", "a", "b", 0, Of(std::string(60'000, 'x'), 1));
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  }
  // What it reads is what counts: no path is kept here.
  const auto database = *Open("SELECT count(*), sum(size) FROM sample", limits);
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(database->AddRow("sample", "a", "b", 0, Of(std::string(60'000, 'x'), 1)).ok());
  std::vector<Value> values;
  ASSERT_TRUE(*database->Next(&values));
  EXPECT_EQ(values[1].text, "200");
}

TEST(ResultDatabaseTest, AQueryThatMakesMuchOfNothingMeetsTheMemoryLimit) {
  ResultDatabase::Limits limits;
  limits.memory_bytes = 16 << 20;
  const auto database = *Open(
      "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) "
      "SELECT group_concat(printf('%50000d', x)) FROM c",
      limits);
  std::vector<Value> values;
  EXPECT_THAT(database->Next(&values).status().code(),
              AnyOf(absl::StatusCode::kResourceExhausted, absl::StatusCode::kInvalidArgument));
}

TEST(ResultDatabaseTest, AnEndlessQueryStopsWhenItIsTold) {
  int looks = 0;
  ResultDatabase::Limits limits;
  limits.stop = [&] { return ++looks > 3; };
  const auto database = *Open(
      "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT max(x) FROM c", limits);
  std::vector<Value> values;
  EXPECT_EQ(database->Next(&values).status().code(), absl::StatusCode::kCancelled);
}

TEST(ResultDatabaseTest, SeveralModulesHaveATableEachAndNoRows) {
  const RowTables two = {{"one", Row::descriptor()}, {"two", Row::descriptor()}};
  const auto database = *ResultDatabase::Create(
      two, "SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM two)", {});
  ASSERT_TRUE(database->AddRow("two", "a", "b", 1, Of("/a", 1)).ok());
  std::vector<Value> values;
  ASSERT_TRUE(*database->Next(&values));
  EXPECT_EQ(values[0].text, "0");
  EXPECT_EQ(values[1].text, "1");
  EXPECT_FALSE(ResultDatabase::Create(two, "SELECT * FROM rows", {}).ok());
}

}  // namespace
}  // namespace dragnet::console
