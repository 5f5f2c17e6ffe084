#include "console/packs/pack_schema.h"

#include <span>

#include "console/packs/message_from_yaml.h"
#include "console/packs/pack_keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/options.pb.h"
#include "modules/rows/columns.h"
#include "modules/weights.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

Json Ref(std::string_view name) { return {{"$ref", StrCat("#/$defs/", name)}}; }
Json AnyOf(Json one, Json other) { return {{"anyOf", {std::move(one), std::move(other)}}}; }
Json OneOrList(const Json& item) { return AnyOf(item, {{"type", "array"}, {"items", item}}); }
Json OrVariable(Json schema) { return AnyOf(std::move(schema), Ref("variable")); }

// Texts without quotes may look like numbers.
Json Text() { return {{"type", {"string", "number", "boolean"}}}; }
Json Natural() { return OrVariable({{"type", "integer"}, {"minimum", 0}}); }
Json Severity() {
  return OrVariable(
      {{"enum", std::vector<std::string>(kSeverityWords.begin(), kSeverityWords.end())}});
}
Json MappingOf(Json values) {
  return {{"type", "object"}, {"additionalProperties", std::move(values)}};
}

// An object of exactly these keys; `schemas` has what is known of their values.
Json Object(std::span<const KeySpec> keys, const Json& schemas) {
  Json object = {{"type", "object"}, {"additionalProperties", false}};
  Json required = Json::array();
  for (const KeySpec& key : keys) {
    const std::string name(key.name);
    Json property = schemas.contains(name) ? schemas[name] : Text();
    property["description"] = std::string(key.help);
    object["properties"][name] = std::move(property);
    if (key.required) required.push_back(name);
  }
  if (!required.empty()) object["required"] = std::move(required);
  return object;
}

// Messages by reflection, each once in $defs.
class MessageSchemas {
 public:
  explicit MessageSchemas(Json* definitions) : definitions_(*definitions) {}

  Json Of(const Descriptor* type, const Documentation& documentation) {
    const std::string& name = type->full_name();
    if (name == "google.protobuf.Duration") {
      return {{"type", {"string", "integer"}}, {"examples", {"90s", "5m", "1h30m"}}};
    }
    if (name == "google.protobuf.Timestamp") {
      return {{"type", "string"}, {"examples", {"2024-05-01T10:00:00Z"}}};
    }
    if (!definitions_.contains(name)) {
      // Before what it holds: a message may hold itself.
      definitions_[name] = {{"type", "object"}, {"additionalProperties", false}};
      Json properties = Json::object();
      for (int i = 0; i < type->field_count(); ++i) {
        const FieldDescriptor* field = type->field(i);
        properties[field->name()] = OfField(field, documentation);
      }
      definitions_[name]["properties"] = std::move(properties);
    }
    return Ref(name);
  }

 private:
  Json OfField(const FieldDescriptor* field, const Documentation& documentation) {
    Json schema;
    if (field->is_map()) {
      schema = MappingOf(OfValue(field->message_type()->map_value(), documentation));
    } else {
      schema = OfValue(field, documentation);
      if (field->is_repeated()) schema = OneOrList(schema);
    }
    if (const std::string& comment = documentation.Of(field->full_name()); !comment.empty()) {
      schema["description"] = comment;
    }
    return schema;
  }

  Json OfValue(const FieldDescriptor* field, const Documentation& documentation) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return OrVariable({{"type", "boolean"}});
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64:
        return OrVariable({{"type", "integer"}});
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        return Natural();
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return OrVariable({{"type", "number"}});
      case FieldDescriptor::CPPTYPE_STRING:
        if (!field->options().GetExtension(v1::cli).from_file()) return Text();
        return AnyOf(Text(), Ref(TakesAdvisories(field) ? "file_or_advisories" : "file"));
      case FieldDescriptor::CPPTYPE_ENUM:
        return OfEnum(field->enum_type());
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Of(field->message_type(), documentation);
    }
    return {};
  }

  static Json OfEnum(const google::protobuf::EnumDescriptor* type) {
    Json words = Json::array();
    for (int i = 0; i < type->value_count(); ++i) {
      const std::string word = EnumWord(type->value(i));
      if (word != "unspecified") words.push_back(word);
    }
    return OrVariable({{"enum", std::move(words)}});
  }

  Json& definitions_;
};

Json ExpectSchema() {
  const Json words = {{"enum", {"found", "not found", "not_found"}}};
  const Json count = AnyOf(Natural(), Object(kCountKeys, {{"min", Natural()}, {"max", Natural()}}));
  Json object = Object(kExpectKeys, {{"count", count}, {"at_least", Natural()}});
  object["oneOf"] = Json::array();
  for (const char* kind : {"found", "not_found", "all", "count"})
    object["oneOf"].push_back({{"required", {kind}}});
  object["dependentRequired"] = {{"at_least", {"all"}}};
  return AnyOf(words, std::move(object));
}

Json CheckSchema(const Json& modules, const Json& limits, Json conditions) {
  Json check = Object(kCheckKeys, {{"id", {{"type", "string"}, {"pattern", "^[a-z0-9.-]{1,64}$"}}},
                                   {"severity", Severity()},
                                   {"reference", OneOrList(Text())},
                                   {"needs", OneOrList(Text())},
                                   {"module", {{"enum", modules}}},
                                   {"parameters", {{"type", {"object", "null"}}}},
                                   {"expect", Ref("expect")},
                                   {"limits", limits}});
  check["oneOf"] = {{{"required", {"module"}}}, {{"required", {"command"}}}};
  check["dependentRequired"] = {{"parameters", {"module"}}};
  check["allOf"] = std::move(conditions);
  return check;
}

Json IncludeSchema() {
  const Json entry = Object(kIncludeKeys, {{"only", OneOrList(Text())},
                                           {"except", OneOrList(Text())},
                                           {"variables", Ref("variables")},
                                           {"severity", MappingOf(Severity())}});
  return OneOrList(AnyOf({{"type", "string"}}, entry));
}

Json VariablesSchema() {
  Json values = {{"anyOf", {Text(), {{"type", "array"}, {"items", Text()}}, {{"type", "null"}}}}};
  return {{"type", {"object", "null"}},
          {"propertyNames", {{"pattern", "^[A-Za-z_][A-Za-z0-9_]{0,63}$"}}},
          {"additionalProperties", std::move(values)}};
}

}  // namespace

absl::StatusOr<std::string> PackSchema(const ModuleCatalog& modules) {
  Json definitions = {
      {"variable", {{"type", "string"}, {"pattern", "^\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}$"}}},
      {"variables", VariablesSchema()},
      {"file",
       {{"type", "object"},
        {"additionalProperties", false},
        {"required", {"file"}},
        {"properties", {{"file", {{"type", "string"}}}}}}},
      {"file_or_advisories",
       AnyOf(Ref("file"), {{"type", "object"},
                           {"additionalProperties", false},
                           {"required", {"advisories"}},
                           {"properties", {{"advisories", OneOrList({{"type", "string"}})}}}})},
      {"expect", ExpectSchema()}};
  MessageSchemas messages(&definitions);
  Json names = Json::array();
  Json conditions = Json::array();
  Json limits = {{"type", "object"}};
  for (const Module* module : modules.modules) {
    DRAGNET_ASSIGN_OR_RETURN(const Documentation documentation, modules.DocumentationOf(*module));
    const std::string name(module->manifest().name);
    if (name == kCheckModule) {
      // Its .proto is the one that has limits, and their comments.
      limits = messages.Of(v1::Limits::descriptor(), documentation);
      continue;
    }
    if (module->manifest().run_by_monitor) continue;
    names.push_back(name);
    const Json parameters = AnyOf(
        messages.Of(module->NewParameters()->GetDescriptor(), documentation), {{"type", "null"}});
    conditions.push_back(
        {{"if", {{"properties", {{"module", {{"const", name}}}}}, {"required", {"module"}}}},
         {"then", {{"properties", {{"parameters", parameters}}}}}});
  }
  definitions["check"] = CheckSchema(names, limits, std::move(conditions));
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "A pack of Dragnet's checks"}};
  Json pack =
      Object(kPackKeys, {{"id", {{"type", "string"}, {"pattern", "^[a-z0-9-]{1,64}$"}}},
                         {"variables", Ref("variables")},
                         {"include", IncludeSchema()},
                         {"checks", {{"type", {"array", "null"}}, {"items", Ref("check")}}}});
  schema.update(pack);
  schema["$defs"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace dragnet::console
