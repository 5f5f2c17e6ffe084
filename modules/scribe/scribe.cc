// The module `scribe`: see scribe.proto for what it does.
//
//   document.h  a document, read and checked    values.h  what its objects find
//   evr.h       versions                        mig.cc    MIG's form
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/module.h"
#include "modules/scribe/document.h"
#include "modules/scribe/scribe.pb.h"
#include "modules/scribe/values.h"

namespace dragnet {

extern const ModuleManifest kScribeManifest;

namespace scribe {
namespace {

// Keep a row below the 64 KiB that one may have.
constexpr size_t kMaxTextBytes = 4096;
constexpr size_t kMaxIdentifierBytes = 1024;
constexpr size_t kMaxResultBytes = 32 << 10;

absl::StatusOr<Document> Compile(const google::protobuf::Message& parameters,
                                 bool* only_true = nullptr) {
  const auto* typed = dynamic_cast<const v1::ScribeParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module scribe are a ",
                                             v1::ScribeParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  if (typed->document().empty())
    return absl::InvalidArgumentError("document: missing: a scribe document in JSON");
  if (only_true != nullptr) *only_true = typed->only_true();
  absl::StatusOr<Document> document = ReadDocument(typed->document());
  if (!document.ok()) return Annotate(document.status(), "document");
  return document;
}

bool Holds(const Test& test, const Value& value) {
  switch (test.comparison) {
    case Comparison::kAny:
      return true;
    case Comparison::kExact:
      return value.text == test.value;
    case Comparison::kRegexp:
      return RE2::PartialMatch(value.text, *test.regex);
    case Comparison::kEvr: {
      const int order = CompareVersions(value.ordering, value.text, test.value);
      return test.operation == '<' ? order < 0 : test.operation == '>' ? order > 0 : order == 0;
    }
  }
  return false;
}

// What a test came to, for those that depend on it.
struct Outcome {
  bool result = false;
  bool error = false;
};

v1::ScribeRow Evaluate(const Document& document, const Test& test,
                       const std::vector<ObjectValues>& found,
                       const std::vector<Outcome>& outcomes) {
  v1::ScribeRow row;
  row.set_test(Shorten(test.id, kMaxTextBytes));
  row.set_name(Shorten(test.name, kMaxTextBytes));
  row.set_description(Shorten(test.description, kMaxTextBytes));
  for (const auto& [key, value] : test.tags) {
    v1::Tag* tag = row.add_tags();
    tag->set_key(key);
    tag->set_value(value);
  }
  for (const size_t index : test.depends_on) {
    if (!outcomes[index].error) continue;
    row.set_error(StrCat("a test dependency failed (\"",
                         Shorten(document.tests[index].id, kMaxTextBytes), "\")"));
    break;
  }
  const ObjectValues& object = found[test.object];
  if (row.error().empty() && !object.status.ok())
    row.set_error(ToValidUtf8(ToStd(object.status.message())));
  if (row.error().empty()) {
    size_t bytes = 0;
    for (const Value& value : object.values) {
      const bool holds = Holds(test, value);
      if (holds) row.set_has_true_results(true);
      bytes += std::min(value.identifier.size(), kMaxIdentifierBytes) + 8;
      if (bytes > kMaxResultBytes) {
        row.set_results_omitted(row.results_omitted() + 1);
        continue;
      }
      v1::SubResult* result = row.add_results();
      result->set_result(holds);
      result->set_identifier(Shorten(value.identifier, kMaxIdentifierBytes));
    }
    row.set_result(row.has_true_results());
    for (const size_t index : test.depends_on)
      if (!outcomes[index].result) row.set_result(false);
  }
  const bool failed = !row.error().empty();
  row.set_unexpected(failed != test.expects_error || (!failed && test.expected_result.has_value() &&
                                                      *test.expected_result != row.result()));
  return row;
}

class ScribeModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kScribeManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::ScribeParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::ScribeRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    bool only_true = false;
    DRAGNET_ASSIGN_OR_RETURN(const Document document, Compile(parameters, &only_true));
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<ObjectValues> found, FindValues(document, context));
    std::vector<Outcome> outcomes(document.tests.size());
    std::vector<v1::ScribeRow> rows(document.tests.size());
    for (const size_t index : document.order) {
      rows[index] = Evaluate(document, document.tests[index], found, outcomes);
      outcomes[index] = {rows[index].result(), !rows[index].error().empty()};
    }
    for (const v1::ScribeRow& row : rows) {
      if (only_true && !row.result()) continue;
      if (!context.EmitRow(row)) break;
    }
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace scribe

const Module& ScribeModule() {
  static const scribe::ScribeModuleImplementation module;
  return module;
}

}  // namespace dragnet
