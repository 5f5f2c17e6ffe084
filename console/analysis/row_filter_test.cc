#include "modules/rows/row_filter.h"

#include <string>

#include "console/testing/sample.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Row = console::testing::SampleRow;

Row PasswdRow() {
  Row row;
  row.set_path("/etc/passwd");
  row.set_size(1234);
  row.mutable_modified()->set_seconds(1714558272);
  row.set_digest("\x01\xff");
  row.set_hash(console::testing::SAMPLE_HASH_SHA2_256);
  row.mutable_owner()->set_name("root");
  row.mutable_owner()->set_uid(0);
  row.add_notes("a");
  row.add_notes("it's \"b\"");
  (*row.mutable_extra())["k"] = "v";
  row.set_hidden(true);
  row.set_entropy(2.5);
  row.mutable_age()->set_seconds(90);
  row.mutable_age()->set_nanos(500'000'000);
  return row;
}

absl::StatusOr<bool> Ask(std::string_view expression, const Row& row) {
  auto filter = RowFilter::Create(Row::descriptor(), expression);
  if (!filter.ok()) return filter.status();
  return (*filter)->Matches("web-1", "0189-id", row);
}

bool Matches(std::string_view expression, const Row& row = PasswdRow()) {
  const absl::StatusOr<bool> answer = Ask(expression, row);
  EXPECT_TRUE(answer.ok()) << expression << ": " << answer.status();
  return answer.ok() && *answer;
}

TEST(RowFilterTest, EveryColumnHasItsNativeType) {
  EXPECT_TRUE(Matches("path = '/etc/passwd' and typeof(path) = 'text'"));
  EXPECT_TRUE(Matches("size > 1000 and size < 2000 and typeof(size) = 'integer'"));
  EXPECT_TRUE(Matches("modified = '2024-05-01T10:11:12Z'"));
  EXPECT_TRUE(Matches("modified >= '2024-05-01' and modified < '2024-05-02'"));
  EXPECT_TRUE(Matches("digest = '01ff'"));
  EXPECT_TRUE(Matches("hash = 'sha2-256'"));
  EXPECT_TRUE(Matches("hidden"));
  EXPECT_TRUE(Matches("hidden = 1 and hidden = true"));
  EXPECT_TRUE(Matches("entropy = 2.5"));
  EXPECT_TRUE(Matches("age = 90.5"));
  EXPECT_TRUE(Matches("notes->>1 = 'it''s \"b\"'"));
  EXPECT_TRUE(Matches("json_array_length(notes) = 2"));
  EXPECT_TRUE(Matches("extra->>'k' = 'v'"));
  EXPECT_TRUE(Matches("agent = 'web-1' and agent_id = '0189-id'"));
  EXPECT_FALSE(Matches("size > 2000"));
  // Numbers that are written as text are compared as numbers.
  EXPECT_TRUE(Matches("size > '999'"));
}

TEST(RowFilterTest, DottedColumnsHaveThreeSpellings) {
  EXPECT_TRUE(Matches("owner.name = 'root'"));
  EXPECT_TRUE(Matches("\"owner.name\" = 'root'"));
  EXPECT_TRUE(Matches("owner_name = 'root' and OWNER.NAME = 'root'"));
  EXPECT_FALSE(Matches("owner.name = 'owner.name'"));
  EXPECT_TRUE(Matches("'owner.name' = 'owner' || '.name'"));
}

TEST(RowFilterTest, WhatARowDoesNotHaveIsNull) {
  Row row;
  EXPECT_TRUE(Matches("owner.name is null and links is null and modified is null", row));
  EXPECT_TRUE(Matches("path = '' and size = 0 and not hidden and notes = '[]'", row));
  EXPECT_FALSE(Matches("owner.uid = 0", row));
  row.mutable_owner();
  row.set_links(0);
  EXPECT_TRUE(Matches("owner.uid = 0 and links = 0", row));
}

TEST(RowFilterTest, NumbersAndTimesBeyondSqlAreNotWrapped) {
  Row row;
  row.set_size(~uint64_t{0});
  row.mutable_modified()->set_seconds(int64_t{1} << 60);
  EXPECT_TRUE(Matches("size > 9223372036854775807", row));
  EXPECT_TRUE(Matches("modified is null", row));
}

TEST(RowFilterTest, TextFromHostsIsDataWhateverItHolds) {
  Row row;
  row.set_path("x' or '1'='1");
  EXPECT_FALSE(Matches("path = 'x'", row));
  EXPECT_TRUE(Matches("path = 'x'' or ''1''=''1'", row));
  row.set_path(std::string("a\0b", 3));
  EXPECT_FALSE(Matches("path = 'a'", row));
  row.set_path("size > 5");
  EXPECT_FALSE(Matches("path and false", row));
}

TEST(RowFilterTest, OneFilterLooksAtManyRows) {
  const auto filter = *RowFilter::Create(Row::descriptor(), "size % 2 = 0 and path like 'p%'");
  for (int i = 0; i < 1000; ++i) {
    Row row;
    row.set_path("p");
    row.set_size(static_cast<uint64_t>(i));
    ASSERT_EQ(*filter->Matches("a", "b", row), i % 2 == 0) << i;
  }
}

TEST(RowFilterTest, AnErrorIsOfItsRowAlone) {
  const auto filter = *RowFilter::Create(Row::descriptor(), "json_extract(path, '$.a') = 1");
  Row row;
  row.set_path("not json");
  EXPECT_FALSE(filter->Matches("a", "b", row).ok());
  row.set_path(R"({"a":1})");
  EXPECT_TRUE(*filter->Matches("a", "b", row));
}

TEST(RowFilterTest, UnknownColumnsAreNamedWithThoseThereAre) {
  const absl::Status status = Ask("sha256 = 'x'", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("sha256"), HasSubstr("agent, agent_id, path"), HasSubstr("owner.name")));
}

TEST(RowFilterTest, AttemptsToLeaveTheExpressionAreRefused) {
  for (const char* attack :
       {"", "1) or (1", "true; drop table host_row", "true -- x", "(select 1)",
        "path in (select sql from sqlite_schema)", "path in host_row", "path = \"linux\"",
        "load_extension('x')", "readfile('/etc/passwd') is null",
        "randomblob(100000000) is not null", "printf('%.1000000000d', 1) = ''",
        "replace(path, '', 'x') = ''", "count(*) > 0", "?1 is null", "size(path)", "group(path)"}) {
    EXPECT_EQ(Ask(attack, {}).status().code(), absl::StatusCode::kInvalidArgument) << attack;
  }
  EXPECT_FALSE(Ask(std::string(5000, ' ') + "true", {}).ok());
}

TEST(RowFilterTest, PatternsWithManyWildcardsDoNotBacktrackForever) {
  Row row;
  row.set_path(std::string(60000, 'a'));
  std::string wildcards;
  for (int i = 0; i < 100; ++i) wildcards += "%a";
  EXPECT_FALSE(Matches("path like '" + wildcards + "b'", row));
}

}  // namespace
}  // namespace dragnet::console
