#include "modules/scribe/document.h"

#include <algorithm>
#include <functional>

#include "core/status_macros.h"
#include "core/strict_json.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scribe {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxDocumentBytes = 8 << 20;
constexpr size_t kMaxItems = 20'000;
constexpr size_t kMaxRegexBytes = 4096;
constexpr int kMaxChainDepth = 8;

absl::Status Invalid(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }
std::string Shown(std::string_view text) { return ForTerminal(Shorten(text, 100)); }

// One JSON object, whose keys are taken one by one: what is left is unknown.
class Keys {
 public:
  static absl::StatusOr<Keys> Of(const Json& json, std::string where) {
    if (!json.is_object()) return Invalid(StrCat(where, ": must be a JSON object"));
    Keys keys;
    keys.where_ = std::move(where);
    for (const auto& [key, value] : json.items()) keys.values_[key] = &value;
    return keys;
  }

  absl::Status Text(const std::string& key, std::string* to) {
    const Json* value = Take(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_string()) return Wrong(key, "must be a text");
    *to = value->get<std::string>();
    return absl::OkStatus();
  }
  absl::Status Bool(const std::string& key, bool* to) {
    const Json* value = Take(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_boolean()) return Wrong(key, "must be true or false");
    *to = value->get<bool>();
    return absl::OkStatus();
  }
  absl::Status Regex(const std::string& key, std::string* text, std::shared_ptr<const RE2>* regex) {
    DRAGNET_RETURN_IF_ERROR(Text(key, text));
    if (text->empty()) return absl::OkStatus();
    return Compile(key, *text, regex);
  }
  absl::Status Compile(const std::string& key, std::string_view text,
                       std::shared_ptr<const RE2>* regex) const {
    if (text.size() > kMaxRegexBytes) return Wrong(key, "is longer than 4 KiB");
    RE2::Options options;
    options.set_log_errors(false);
    auto compiled =
        std::make_shared<const RE2>(re2::StringPiece(text.data(), text.size()), options);
    if (!compiled->ok()) {
      return Wrong(key,
                   StrCat("'", Shown(text), "' is no regular expression: ", compiled->error()));
    }
    *regex = std::move(compiled);
    return absl::OkStatus();
  }
  // Null when it isn't there.
  const Json* Take(const std::string& key) {
    const auto found = values_.find(key);
    if (found == values_.end()) return nullptr;
    const Json* value = found->second;
    values_.erase(found);
    return value->is_null() ? nullptr : value;
  }
  absl::Status Wrong(std::string_view key, std::string_view what) const {
    return Invalid(StrCat(where_, ".", key, ": ", what));
  }
  absl::Status Done() const {
    if (values_.empty()) return absl::OkStatus();
    return Wrong(Shown(values_.begin()->first), "unknown key");
  }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  std::map<std::string, const Json*> values_;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

absl::StatusOr<std::string> Expand(const Variables& variables, std::string text,
                                   std::string_view where) {
  if (text.size() > kMaxRegexBytes) return Invalid(StrCat(where, ": longer than 4 KiB"));
  for (const auto& [key, value] : variables) {
    const std::string name = StrCat("${", key, "}");
    for (size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size())
      text.replace(at, name.size(), value);
    if (text.size() > kMaxRegexBytes) return Invalid(StrCat(where, ": longer than 4 KiB"));
  }
  size_t at = text.find("${");
  if (at == 0 && text.starts_with(kChainRoot)) at = text.find("${", 2);
  if (at != std::string::npos) {
    return Invalid(StrCat(where, ": the variable in '", Shown(text), "' is not defined"));
  }
  return text;
}

// path, file and expression of filecontent, filename and hasline.
absl::Status ReadFiles(Keys& keys, const Variables& variables, Object* object) {
  std::string expression;
  DRAGNET_RETURN_IF_ERROR(keys.Text("path", &object->path));
  DRAGNET_RETURN_IF_ERROR(keys.Text("file", &object->file));
  if (object->kind != ObjectKind::kFileName) {
    DRAGNET_RETURN_IF_ERROR(keys.Regex("expression", &expression, &object->expression));
    if (expression.empty()) return keys.Wrong("expression", "missing");
    if (object->kind == ObjectKind::kFileContent &&
        object->expression->NumberOfCapturingGroups() == 0) {
      return keys.Wrong("expression",
                        "has no group, so it catches nothing: put the part that is "
                        "to be tested into ( )");
    }
  }
  const auto expand = [&](std::string_view key, std::string* text) -> absl::Status {
    if (text->empty()) return keys.Wrong(key, "missing");
    DRAGNET_ASSIGN_OR_RETURN(*text, Expand(variables, *text, StrCat(keys.where(), ".", key)));
    return absl::OkStatus();
  };
  DRAGNET_RETURN_IF_ERROR(expand("path", &object->path));
  DRAGNET_RETURN_IF_ERROR(expand("file", &object->file));
  if (!object->path.starts_with("/") && !object->path.starts_with(kChainRoot))
    return keys.Wrong("path", "is not absolute: begin it with /");
  if (object->path.find("/../") != std::string::npos || object->path.ends_with("/.."))
    return keys.Wrong("path", "holds '..': write where it leads to");
  if (object->file.find(kChainRoot) != std::string::npos)
    return keys.Wrong("file", "can't have ${chain_root}: only path can");
  std::string_view pattern = object->file;
  if (pattern.size() > 1 && pattern[0] == '!') {
    if (object->kind == ObjectKind::kFileName)
      return keys.Wrong("file", "begins with !, and a name that doesn't match has no group");
    pattern.remove_prefix(1);
  }
  DRAGNET_RETURN_IF_ERROR(keys.Compile("file", pattern, &object->file_regex));
  if (object->kind == ObjectKind::kFileName && object->file_regex->NumberOfCapturingGroups() == 0) {
    return keys.Wrong("file",
                      "has no group, so it catches nothing: put the part that is to be "
                      "tested into ( )");
  }
  return absl::OkStatus();
}

absl::Status ReadPackage(Keys& keys, const Variables& variables, Object* object) {
  DRAGNET_RETURN_IF_ERROR(keys.Text("name", &object->package));
  if (object->package.empty()) return keys.Wrong("name", "missing");
  DRAGNET_ASSIGN_OR_RETURN(object->package,
                           Expand(variables, object->package, keys.where() + ".name"));
  std::string collect;
  DRAGNET_RETURN_IF_ERROR(keys.Regex("collectmatch", &collect, &object->collect_match));
  return keys.Bool("onlynewest", &object->only_newest);
}

absl::Status ReadRaw(Keys& keys, Object* object) {
  const Json* list = keys.Take("identifiers");
  if (list == nullptr || !list->is_array() || list->empty())
    return keys.Wrong("identifiers", "must be a list, not empty");
  if (list->size() > kMaxItems) return keys.Wrong("identifiers", "too many");
  for (const Json& item : *list) {
    DRAGNET_ASSIGN_OR_RETURN(
        Keys entry, Keys::Of(item, StrCat(keys.where(), ".identifiers[", object->raw.size(), "]")));
    std::string identifier;
    std::string value;
    DRAGNET_RETURN_IF_ERROR(entry.Text("identifier", &identifier));
    DRAGNET_RETURN_IF_ERROR(entry.Text("value", &value));
    DRAGNET_RETURN_IF_ERROR(entry.Done());
    if (identifier.empty() || value.empty())
      return entry.Wrong("identifier", "it and value are needed");
    object->raw.emplace_back(std::move(identifier), std::move(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<Object> ReadObject(const Json& json, const Variables& variables, size_t index,
                                  std::vector<std::string>* chain) {
  DRAGNET_ASSIGN_OR_RETURN(Keys keys, Keys::Of(json, StrCat("objects[", index, "]")));
  Object object;
  DRAGNET_RETURN_IF_ERROR(keys.Text("object", &object.name));
  if (object.name.empty()) return keys.Wrong("object", "missing: its name");
  struct Kind {
    const char* key;
    ObjectKind kind;
  };
  int sources = 0;
  for (const Kind& kind :
       {Kind{"package", ObjectKind::kPackage}, Kind{"filecontent", ObjectKind::kFileContent},
        Kind{"filename", ObjectKind::kFileName}, Kind{"raw", ObjectKind::kRaw},
        Kind{"hasline", ObjectKind::kHasLine}}) {
    const Json* source = keys.Take(kind.key);
    // Generated documents have all kinds, the unused ones empty.
    if (source == nullptr || source->empty()) continue;
    if (++sources > 1) return keys.Wrong(kind.key, "an object has one kind only");
    object.kind = kind.kind;
    DRAGNET_ASSIGN_OR_RETURN(
        Keys inner, Keys::Of(*source, StrCat("object '", Shown(object.name), "': ", kind.key)));
    if (kind.kind == ObjectKind::kPackage) {
      DRAGNET_RETURN_IF_ERROR(ReadPackage(inner, variables, &object));
    } else if (kind.kind == ObjectKind::kRaw) {
      DRAGNET_RETURN_IF_ERROR(ReadRaw(inner, &object));
    } else {
      DRAGNET_RETURN_IF_ERROR(ReadFiles(inner, variables, &object));
    }
    if (kind.kind == ObjectKind::kFileContent) {
      DRAGNET_RETURN_IF_ERROR(inner.Text("concat", &object.concat));
      if (const Json* names = inner.Take("import-chain"); names != nullptr) {
        if (!names->is_array()) return inner.Wrong("import-chain", "must be a list");
        for (const Json& name : *names) {
          if (!name.is_string()) return inner.Wrong("import-chain", "must be a list of texts");
          chain->push_back(name.get<std::string>());
        }
        if (chain->size() > 64) return inner.Wrong("import-chain", "at most 64");
      }
    }
    DRAGNET_RETURN_IF_ERROR(inner.Done());
  }
  DRAGNET_RETURN_IF_ERROR(keys.Done());
  if (sources == 0) {
    return Invalid(StrCat(keys.where(),
                          ": has none of package, filecontent, filename, raw, "
                          "hasline"));
  }
  return object;
}

absl::Status ReadComparison(Keys& keys, Test* test) {
  for (const char* key : {"evr", "regexp", "exactmatch"}) {
    const Json* source = keys.Take(key);
    if (source == nullptr || source->empty()) continue;
    DRAGNET_ASSIGN_OR_RETURN(Keys inner, Keys::Of(*source, StrCat(keys.where(), ".", key)));
    std::string value;
    std::string operation;
    DRAGNET_RETURN_IF_ERROR(inner.Text("value", &value));
    const bool is_evr = std::string_view(key) == "evr";
    if (is_evr) DRAGNET_RETURN_IF_ERROR(inner.Text("operation", &operation));
    DRAGNET_RETURN_IF_ERROR(inner.Done());
    if (value.empty() && operation.empty()) continue;
    if (value.empty()) return inner.Wrong("value", "missing");
    if (test->comparison != Comparison::kAny)
      return keys.Wrong(key, "a test compares in one way only");
    test->value = value;
    if (is_evr) {
      if (operation != "<" && operation != "=" && operation != ">")
        return inner.Wrong("operation", "must be <, = or >");
      test->comparison = Comparison::kEvr;
      test->operation = operation[0];
    } else if (std::string_view(key) == "regexp") {
      test->comparison = Comparison::kRegexp;
      DRAGNET_RETURN_IF_ERROR(inner.Compile("value", value, &test->regex));
    } else {
      test->comparison = Comparison::kExact;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Test> ReadTest(const Json& json, size_t index,
                              const std::map<std::string, size_t>& objects,
                              std::vector<std::string>* depends_on) {
  DRAGNET_ASSIGN_OR_RETURN(Keys keys, Keys::Of(json, StrCat("tests[", index, "]")));
  Test test;
  std::string object;
  DRAGNET_RETURN_IF_ERROR(keys.Text("test", &test.id));
  DRAGNET_RETURN_IF_ERROR(keys.Text("name", &test.name));
  DRAGNET_RETURN_IF_ERROR(keys.Text("description", &test.description));
  DRAGNET_RETURN_IF_ERROR(keys.Text("object", &object));
  if (test.id.empty()) return keys.Wrong("test", "missing: its identifier");
  const auto found = objects.find(object);
  if (found == objects.end())
    return keys.Wrong("object", StrCat("there is no object '", Shown(object), "'"));
  test.object = found->second;
  DRAGNET_RETURN_IF_ERROR(ReadComparison(keys, &test));
  if (const Json* tags = keys.Take("tags"); tags != nullptr) {
    if (!tags->is_array()) return keys.Wrong("tags", "must be a list");
    if (tags->size() > 64) return keys.Wrong("tags", "at most 64");
    for (const Json& tag : *tags) {
      DRAGNET_ASSIGN_OR_RETURN(Keys inner, Keys::Of(tag, keys.where() + ".tags"));
      std::string key;
      std::string value;
      DRAGNET_RETURN_IF_ERROR(inner.Text("key", &key));
      DRAGNET_RETURN_IF_ERROR(inner.Text("value", &value));
      DRAGNET_RETURN_IF_ERROR(inner.Done());
      test.tags.emplace_back(Shorten(key, 128), Shorten(value, 256));
    }
  }
  if (const Json* names = keys.Take("if"); names != nullptr) {
    if (!names->is_array()) return keys.Wrong("if", "must be a list");
    for (const Json& name : *names) {
      if (!name.is_string()) return keys.Wrong("if", "must be a list of texts");
      depends_on->push_back(name.get<std::string>());
    }
  }
  if (const Json* expected = keys.Take("expectedresult"); expected != nullptr) {
    if (!expected->is_boolean()) return keys.Wrong("expectedresult", "must be true or false");
    test.expected_result = expected->get<bool>();
  }
  DRAGNET_RETURN_IF_ERROR(keys.Bool("expecterror", &test.expects_error));
  DRAGNET_RETURN_IF_ERROR(keys.Done());
  return test;
}

absl::StatusOr<const Json*> List(const Json& document, const char* key) {
  static const Json empty = Json::array();
  const auto found = document.find(key);
  if (found == document.end() || found->is_null()) return &empty;
  if (!found->is_array()) return Invalid(StrCat(key, ": must be a list"));
  if (found->size() > kMaxItems) return Invalid(StrCat(key, ": at most ", kMaxItems));
  return &*found;
}

// Each after what it needs, `depth` levels at most; InvalidArgument for a circle.
absl::StatusOr<std::vector<size_t>> Sorted(
    size_t count, const std::function<const std::vector<size_t>&(size_t)>& needs,
    std::string_view what, int max_depth) {
  std::vector<size_t> missing(count);
  std::vector<std::vector<size_t>> needed_by(count);
  std::vector<size_t> level;
  for (size_t i = 0; i < count; ++i) {
    missing[i] = needs(i).size();
    for (const size_t need : needs(i)) needed_by[need].push_back(i);
    if (missing[i] == 0) level.push_back(i);
  }
  std::vector<size_t> order;
  for (int depth = 0; !level.empty(); ++depth) {
    if (max_depth > 0 && depth > max_depth)
      return Invalid(StrCat(what, ": more than ", max_depth, " levels deep"));
    std::vector<size_t> next;
    for (const size_t i : level) {
      order.push_back(i);
      for (const size_t dependent : needed_by[i])
        if (--missing[dependent] == 0) next.push_back(dependent);
    }
    level = std::move(next);
  }
  if (order.size() < count) return Invalid(StrCat(what, ": they form a circle"));
  return order;
}

absl::StatusOr<std::vector<size_t>> Indexes(const std::vector<std::string>& names,
                                            const std::map<std::string, size_t>& known,
                                            std::string_view where) {
  std::vector<size_t> indexes;
  for (const std::string& name : names) {
    const auto found = known.find(name);
    if (found == known.end()) return Invalid(StrCat(where, ": there is no '", Shown(name), "'"));
    indexes.push_back(found->second);
  }
  return indexes;
}

}  // namespace

absl::StatusOr<Document> ReadDocument(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) return Invalid("document: larger than 8 MiB");
  DRAGNET_ASSIGN_OR_RETURN(const Json json, ParseStrictJson(text));
  if (!json.is_object()) return Invalid("not a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key != "variables" && key != "objects" && key != "tests")
      return Invalid(StrCat(Shown(key), ": unknown: a document has variables, objects, tests"));
  }
  Variables variables;
  DRAGNET_ASSIGN_OR_RETURN(const Json* variable_list, List(json, "variables"));
  for (const Json& item : *variable_list) {
    DRAGNET_ASSIGN_OR_RETURN(Keys keys,
                             Keys::Of(item, StrCat("variables[", variables.size(), "]")));
    std::string key;
    std::string value;
    DRAGNET_RETURN_IF_ERROR(keys.Text("key", &key));
    DRAGNET_RETURN_IF_ERROR(keys.Text("value", &value));
    DRAGNET_RETURN_IF_ERROR(keys.Done());
    if (key.empty()) return keys.Wrong("key", "missing");
    if (value.size() > kMaxRegexBytes) return keys.Wrong("value", "longer than 4 KiB");
    variables.emplace_back(std::move(key), std::move(value));
  }

  Document document;
  std::map<std::string, size_t> object_names;
  std::vector<std::vector<std::string>> chains;
  DRAGNET_ASSIGN_OR_RETURN(const Json* object_list, List(json, "objects"));
  for (const Json& item : *object_list) {
    const size_t index = document.objects.size();
    DRAGNET_ASSIGN_OR_RETURN(Object object,
                             ReadObject(item, variables, index, &chains.emplace_back()));
    if (!object_names.emplace(object.name, index).second)
      return Invalid(StrCat("objects[", index, "]: there are two '", Shown(object.name), "'"));
    document.objects.push_back(std::move(object));
  }
  for (size_t i = 0; i < chains.size(); ++i) {
    DRAGNET_ASSIGN_OR_RETURN(
        document.objects[i].import_chain,
        Indexes(chains[i], object_names,
                StrCat("object '", Shown(document.objects[i].name), "': import-chain")));
  }
  DRAGNET_RETURN_IF_ERROR(
      Sorted(
          document.objects.size(),
          [&](size_t i) -> const std::vector<size_t>& { return document.objects[i].import_chain; },
          "import-chain", kMaxChainDepth)
          .status());

  std::map<std::string, size_t> test_names;
  std::vector<std::vector<std::string>> dependencies;
  DRAGNET_ASSIGN_OR_RETURN(const Json* test_list, List(json, "tests"));
  if (test_list->empty()) return Invalid("tests: missing: a document without tests says nothing");
  for (const Json& item : *test_list) {
    const size_t index = document.tests.size();
    DRAGNET_ASSIGN_OR_RETURN(Test test,
                             ReadTest(item, index, object_names, &dependencies.emplace_back()));
    if (!test_names.emplace(test.id, index).second)
      return Invalid(StrCat("tests[", index, "]: there are two '", Shown(test.id), "'"));
    document.tests.push_back(std::move(test));
  }
  for (size_t i = 0; i < dependencies.size(); ++i) {
    DRAGNET_ASSIGN_OR_RETURN(document.tests[i].depends_on,
                             Indexes(dependencies[i], test_names, StrCat("tests[", i, "].if")));
  }
  DRAGNET_ASSIGN_OR_RETURN(document.order, Sorted(
                                               document.tests.size(),
                                               [&](size_t i) -> const std::vector<size_t>& {
                                                 return document.tests[i].depends_on;
                                               },
                                               "if", 0));
  return document;
}

}  // namespace dragnet::scribe
