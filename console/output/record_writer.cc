#include "console/output/record_writer.h"

#include "absl/strings/str_replace.h"
#include "console/output/csv_writer.h"
#include "console/output/json.h"
#include "console/output/table_writer.h"

namespace dragnet::console {
namespace {

// An array, or one object per line.
class JsonWriter : public RecordWriter {
 public:
  JsonWriter(bool lines, std::vector<Layout> layouts, Sink* sink)
      : lines_(lines), layouts_(std::move(layouts)), sink_(sink) {}

  void Write(size_t layout, std::span<const std::string> labels,
             const google::protobuf::Message& message) override {
    Put(ToObject(layouts_[layout], labels, message));
  }

  void WriteValues(size_t layout, std::span<const Value> values) override {
    std::string json = "{";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) json.push_back(',');
      json.append(SafeJsonString(layouts_[layout].labels[i].key)).append(":");
      switch (values[i].kind) {
        case Value::Kind::kNull:
          json.append("null");
          break;
        case Value::Kind::kNumber:
          json.append(values[i].text);
          break;
        case Value::Kind::kText:
          json.append(SafeJsonString(values[i].text));
          break;
      }
    }
    Put(json.append("}"));
  }

  void Finish() override {
    if (!lines_) sink_->Write(empty_ ? "[]\n" : "\n]\n");
  }

 private:
  void Put(std::string json) {
    if (lines_) {
      json.push_back('\n');
    } else {
      json.insert(0, empty_ ? "[\n" : ",\n");
    }
    empty_ = false;
    sink_->Write(json);
  }

  static std::string ColumnsAsJson(const Layout& layout, const google::protobuf::Message& message) {
    std::string json = "{";
    for (const Column& column : layout.columns) {
      if (json.size() > 1) json.push_back(',');
      json.append(SafeJsonString(column.header)).append(":");
      AppendColumnJson(message, column, &json);
    }
    return json.append("}");
  }

  static std::string ToObject(const Layout& layout, std::span<const std::string> labels,
                              const google::protobuf::Message& message) {
    std::string json = "{";
    for (size_t i = 0; i < layout.labels.size(); ++i) {
      json.append(SafeJsonString(layout.labels[i].key)).append(":");
      json.append(layout.labels[i].number ? labels[i] : SafeJsonString(labels[i])).append(",");
    }
    if (layout.json_key.empty()) {
      std::string members =
          layout.only_columns ? ColumnsAsJson(layout, message) : MessageToJson(message);
      if (members == "{}" && json.size() > 1) json.pop_back();
      return json.append(members, 1);
    }
    json.append(SafeJsonString(layout.json_key)).append(":");
    if (layout.only_columns) {
      json.append(ColumnsAsJson(layout, message));
    } else {
      AppendJson(message, &json);
    }
    return json.append("}");
  }

  const bool lines_;
  const std::vector<Layout> layouts_;
  Sink* const sink_;
  bool empty_ = true;
};

}  // namespace

std::optional<Format> ParseFormat(std::string_view word) {
  if (word == "table") return Format::kTable;
  if (word == "json") return Format::kJson;
  if (word == "jsonl") return Format::kJsonl;
  if (word == "csv") return Format::kCsv;
  return std::nullopt;
}

std::unique_ptr<RecordWriter> RecordWriter::Create(Format format, std::vector<Layout> layouts,
                                                   Sink* sink, Options options) {
  switch (format) {
    case Format::kTable:
      return std::make_unique<TableWriter>(std::move(layouts), sink, options.color);
    case Format::kCsv:
      return std::make_unique<CsvWriter>(std::move(layouts), sink, options.terminal);
    case Format::kJson:
      return std::make_unique<JsonWriter>(/*lines=*/false, std::move(layouts), sink);
    case Format::kJsonl:
      break;
  }
  return std::make_unique<JsonWriter>(/*lines=*/true, std::move(layouts), sink);
}

}  // namespace dragnet::console
