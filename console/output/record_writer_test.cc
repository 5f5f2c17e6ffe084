#include "console/output/record_writer.h"

#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "console/testing/sample.pb.h"
#include "core/strings.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet::console {
namespace {

using testing::SampleRow;

Layout TwoColumns() {
  Layout layout;
  layout.labels = {{"agent", "agent"}, {"", "operation", /*number=*/true}};
  for (const char* path : {"path", "size"})
    layout.columns.push_back(*ColumnAt(SampleRow::descriptor(), path, path));
  layout.json_key = "row";
  return layout;
}

SampleRow Row(const std::string& path, uint64_t size = 1) {
  SampleRow row;
  row.set_path(path);
  row.set_size(size);
  return row;
}

const std::vector<std::string> kWeb1 = {"web1", "0"};

std::string WriteOne(Format format, const SampleRow& row, RecordWriter::Options options = {}) {
  StringSink sink;
  const auto writer = RecordWriter::Create(format, {TwoColumns()}, &sink, options);
  writer->Write(0, kWeb1, row);
  writer->Finish();
  return sink.text();
}

std::vector<std::string> LinesOf(const std::string& text) { return absl::StrSplit(text, '\n'); }

TEST(TableTest, ColumnsAlign) {
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kTable, {TwoColumns()}, &sink, {});
  writer->Write(0, kWeb1, Row("/a", 1));
  writer->Write(0, std::vector<std::string>{"a-long-name", "0"}, Row("/longer/path", 22));
  writer->Finish();
  EXPECT_EQ(sink.text(),
            "AGENT        PATH          SIZE\n"
            "web1         /a            1\n"
            "a-long-name  /longer/path  22\n");
}

TEST(TableTest, WideCharactersKeepTheColumns) {
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kTable, {TwoColumns()}, &sink, {});
  writer->Write(0, kWeb1, Row("\xe4\xb8\xad\xe6\x96\x87", 1));
  writer->Write(0, kWeb1, Row("abcdef", 2));
  writer->Finish();
  EXPECT_EQ(sink.text(),
            "AGENT  PATH    SIZE\n"
            "web1   \xe4\xb8\xad\xe6\x96\x87    1\n"
            "web1   abcdef  2\n");
}

TEST(TableTest, LaterRowsAreNeverCutAndWidenTheColumn) {
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kTable, {TwoColumns()}, &sink, {});
  writer->Write(0, kWeb1, Row("/a"));
  writer->Flush();
  writer->Write(0, kWeb1, Row("/much/longer"));
  writer->Flush();
  writer->Write(0, kWeb1, Row("/b"));
  writer->Finish();
  EXPECT_EQ(sink.text(),
            "AGENT  PATH  SIZE\n"
            "web1   /a    1\n"
            "web1   /much/longer  1\n"
            "web1   /b            1\n");
}

TEST(TableTest, HostTextCannotLeaveItsLineOrReachTheTerminal) {
  const std::string text = WriteOne(Format::kTable, Row("\x1b]0;x\x07 a\nb\r\xc2\x9b"
                                                        "31m \xe2\x80\xae"));
  EXPECT_EQ(LinesOf(text).size(), 3u) << text;  // header, row, nothing
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_NE(text.find("\\x1b]0;x\\x07 a\\nb\\r\\x9b31m \\u202e"), std::string::npos) << text;
}

TEST(TableTest, HostNameIsHostTextToo) {
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kTable, {TwoColumns()}, &sink, {});
  writer->Write(0, std::vector<std::string>{"evil\x1b[2J", "0"}, Row("/a"));
  writer->Finish();
  EXPECT_EQ(sink.text().find('\x1b'), std::string::npos);
}

TEST(TableTest, DetailColumnsAreLeftOut) {
  Layout layout;
  layout.columns = ColumnsOf(SampleRow::descriptor());
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kTable, {layout}, &sink, {});
  writer->Write(0, {}, Row("/a"));
  writer->Finish();
  EXPECT_EQ(sink.text().find("EXTRA"), std::string::npos);
  EXPECT_NE(sink.text().find("OWNER.NAME"), std::string::npos);
}

TEST(TableTest, EachKindOfRowHasItsHeader) {
  Layout other;
  other.labels = TwoColumns().labels;
  other.columns = {*ColumnAt(v1::Refusal::descriptor(), "detail", "detail")};
  v1::Refusal refusal;
  refusal.set_detail("d");
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kTable, {TwoColumns(), other}, &sink, {});
  writer->Write(0, kWeb1, Row("/a"));
  writer->Write(1, kWeb1, refusal);
  writer->Finish();
  EXPECT_EQ(sink.text(), "AGENT  PATH  SIZE\nweb1   /a    1\n\nAGENT  DETAIL\nweb1   d\n");
}

TEST(JsonWriterTest, OneObjectPerLine) {
  EXPECT_EQ(WriteOne(Format::kJsonl, SampleRow()).substr(0, 42),
            R"({"agent":"web1","operation":0,"row":{"path)");
  EXPECT_EQ(LinesOf(WriteOne(Format::kJsonl, Row("a\nb"))).size(), 2u);
}

TEST(JsonWriterTest, ArrayIsClosedAlsoWhenEmpty) {
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kJson, {TwoColumns()}, &sink, {});
  writer->Finish();
  EXPECT_EQ(sink.text(), "[]\n");
  const std::string one = WriteOne(Format::kJson, Row("/a"));
  EXPECT_TRUE(one.starts_with("[\n{"));
  EXPECT_TRUE(one.ends_with("}\n]\n"));
}

TEST(CsvTest, HeaderComesAlsoWithoutRows) {
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kCsv, {TwoColumns()}, &sink, {});
  writer->Finish();
  EXPECT_EQ(sink.text(), "agent,operation,path,size\n");
}

TEST(CsvTest, SeveralLayoutsShareOneHeader) {
  Layout other;
  other.labels = TwoColumns().labels;
  other.columns = {*ColumnAt(v1::Refusal::descriptor(), "detail", "detail")};
  v1::Refusal refusal;
  refusal.set_detail("d");
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kCsv, {TwoColumns(), other}, &sink, {});
  writer->Write(1, kWeb1, refusal);
  writer->Write(0, kWeb1, Row("/a"));
  writer->Finish();
  EXPECT_EQ(sink.text(), "agent,operation,path,size,detail\nweb1,0,,,d\nweb1,0,/a,1,\n");
}

TEST(CsvTest, FormulasAreDefused) {
  for (const char* text : {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
                           "\xef\xbc\x9d"
                           "1"}) {
    const std::string field = CsvField(text, /*free_text=*/true);
    EXPECT_EQ(field.find('\''), field.starts_with('"') ? 1u : 0u) << field;
  }
  EXPECT_EQ(CsvField("-1", /*free_text=*/false), "-1");
  EXPECT_EQ(CsvField("a=1", /*free_text=*/true), "a=1");
}

TEST(CsvTest, FormulasAreDefusedWhereAnotherSeparatorStartsACell) {
  EXPECT_EQ(CsvField("a;=1", true), "\"a;'=1\"");
  EXPECT_EQ(CsvField("a\t+1\t-1", true), "\"a\t'+1\t'-1\"");
  EXPECT_EQ(CsvField("a\n@x\r=y", true), "\"a\\n'@x\\r'=y\"");
  EXPECT_EQ(CsvField("a;\xef\xbc\x9d"
                     "1",
                     true),
            "\"a;'\xef\xbc\x9d"
            "1\"");
  // The quote ends a quoted cell at once; what follows it is the cell.
  EXPECT_EQ(CsvField("a;\"=cmd;b", true), "\"a;\"\"'=cmd;b\"");
  EXPECT_EQ(CsvField("a; =1", true), "\"a; '=1\"");
  EXPECT_EQ(CsvField("a;b=1", true), "\"a;b=1\"");
}

TEST(CsvTest, ARecordIsOneLine) {
  EXPECT_EQ(CsvField("a\r\nb", true), "a\\r\\nb");
  EXPECT_EQ(CsvField("a\r\nb", false), "a\\r\\nb");
}

TEST(CsvTest, QuotesSeparators) {
  EXPECT_EQ(CsvField("a,b", true), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"x\"", true), "\"say \"\"x\"\"\"");
  EXPECT_EQ(CsvField("=cmd|' /C calc'!A0", true), "\"'=cmd|' /C calc'!A0\"");
}

TEST(CsvTest, OnATerminalItIsMadeSafe) {
  const SampleRow row = Row("\x1b[2J");
  EXPECT_NE(WriteOne(Format::kCsv, row).find('\x1b'), std::string::npos);
  EXPECT_EQ(WriteOne(Format::kCsv, row, {.terminal = true}).find('\x1b'), std::string::npos);
}

TEST(JsonTest, OnlyTheColumnsAskedForByTheirNames) {
  Layout layout = TwoColumns();
  layout.columns.push_back(*ColumnAt(SampleRow::descriptor(), "owner.name", "owner.name"));
  layout.only_columns = true;
  StringSink sink;
  const auto writer = RecordWriter::Create(Format::kJsonl, {layout}, &sink, {});
  SampleRow row = Row("/a", 1);
  row.set_hidden(true);
  writer->Write(0, kWeb1, row);
  row.mutable_owner()->set_name("root");
  writer->Write(0, kWeb1, row);
  writer->Finish();
  EXPECT_EQ(sink.text(),
            "{\"agent\":\"web1\",\"operation\":0,\"row\":{\"path\":\"/a\",\"size\":\"1\","
            "\"owner.name\":null}}\n"
            "{\"agent\":\"web1\",\"operation\":0,\"row\":{\"path\":\"/a\",\"size\":\"1\","
            "\"owner.name\":\"root\"}}\n");
}

std::string WriteValuesAs(Format format, const std::vector<Value>& values) {
  Layout layout;
  for (const Value& value : values) {
    const std::string name = StrCat("c", &value - values.data());
    layout.labels.push_back({name, name});
  }
  StringSink sink;
  const auto writer = RecordWriter::Create(format, {layout}, &sink, {});
  writer->WriteValues(0, values);
  writer->Finish();
  return sink.text();
}

TEST(ValuesTest, KeepTheirTypesInEveryFormat) {
  const std::vector<Value> values = {Value::Null(), Value::Number("-5"), Value::Text("-5\x1b\"<"),
                                     Value::Json("[1]")};
  EXPECT_EQ(WriteValuesAs(Format::kJsonl, values),
            "{\"c0\":null,\"c1\":-5,\"c2\":\"-5\\u001b\\\"<\",\"c3\":[1]}\n");
  // A number is no formula; text that looks like one is made harmless.
  EXPECT_EQ(WriteValuesAs(Format::kCsv, values), "c0,c1,c2,c3\n,-5,\"'-5\x1b\"\"<\",[1]\n");
  EXPECT_EQ(WriteValuesAs(Format::kTable, values),
            "C0  C1  C2        C3\n    -5  -5\\x1b\"<  [1]\n");
}

}  // namespace
}  // namespace dragnet::console
