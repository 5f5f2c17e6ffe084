#include "console/packs/advisories/oval_document.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::advisories {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxElements = 5'000'000;
constexpr size_t kMaxText = 4096;
constexpr size_t kChunk = 1 << 20;

struct ParserDeleter {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};
using Parser = std::unique_ptr<std::remove_pointer_t<XML_Parser>, ParserDeleter>;

std::string_view LocalName(std::string_view name) {
  const size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

class Builder {
 public:
  explicit Builder(XML_Parser parser) : parser_(parser) {
    XML_SetUserData(parser, this);
    XML_SetElementHandler(parser, &Start, &End);
    XML_SetCharacterDataHandler(parser, &Text);
    XML_SetStartDoctypeDeclHandler(parser, &Doctype);
  }

  const std::string& error() const { return error_; }
  OvalDocument Take() { return std::move(document_); }

 private:
  static void Start(void* self, const char* name, const char** attributes) {
    static_cast<Builder*>(self)->OnStart(name, attributes);
  }
  static void End(void* self, const char*) { static_cast<Builder*>(self)->OnEnd(); }
  static void Text(void* self, const char* text, int size) {
    auto& builder = *static_cast<Builder*>(self);
    if (builder.text_.size() < kMaxText)
      builder.text_.append(text,
                           std::min(static_cast<size_t>(size), kMaxText - builder.text_.size()));
  }
  static void Doctype(void* self, const char*, const char*, const char*, int) {
    static_cast<Builder*>(self)->Fail("has a document type, which OVAL doesn't need");
  }

  void Fail(std::string_view why) {
    if (error_.empty()) error_ = std::string(why);
    XML_StopParser(parser_, XML_FALSE);
  }

  // Which of the two is meant would be a guess.
  void FailTwice(std::string_view id) {
    Fail(StrCat("has the id ", ForTerminal(Shorten(id, 200)), " twice"));
  }

  static std::string Attribute(const char** attributes, std::string_view name) {
    for (; attributes[0] != nullptr; attributes += 2)
      if (name == attributes[0]) return Shorten(attributes[1], kMaxText);
    return {};
  }

  void OnStart(std::string_view qualified, const char** attributes) {
    if (++elements_ > kMaxElements) return Fail("has more than 5,000,000 elements");
    if (path_.size() == kMaxDepth) return Fail("nests deeper than 64 levels");
    const std::string_view name = LocalName(qualified);
    if (path_.empty() && name != "oval_definitions")
      return Fail(StrCat("is XML, but no OVAL definitions: it begins with ",
                         ForTerminal(Shorten(name, 100))));
    const std::string parent = path_.empty() ? "" : path_.back();
    path_.emplace_back(name);
    text_.clear();
    const size_t depth = path_.size();
    if (depth < 3) return;
    const std::string& section = path_[1];
    if (section == "definitions") {
      StartInDefinition(name, depth, attributes);
    } else if (section == "tests") {
      StartInTest(name, depth, attributes);
    } else if (section == "objects" || section == "states") {
      auto& items = section == "objects" ? document_.objects : document_.states;
      if (depth == 3) {
        const auto [item, is_new] = items.try_emplace(Attribute(attributes, "id"));
        if (!is_new) return FailTwice(item->first);
        item_ = &item->second;
      }
      if (depth == 4) {
        field_operation_ = Attribute(attributes, "operation");
        field_variable_ = !Attribute(attributes, "var_ref").empty();
      }
    }
  }

  void StartInDefinition(std::string_view name, size_t depth, const char** attributes) {
    if (depth == 3) {
      OvalDefinition definition;
      definition.id = Attribute(attributes, "id");
      definition.of_class = Attribute(attributes, "class");
      definition.deprecated = Attribute(attributes, "deprecated") == "true";
      document_.definitions.push_back(std::move(definition));
      nodes_.clear();
      return;
    }
    OvalDefinition& definition = document_.definitions.back();
    if (name == "reference" && depth == 5 && path_[3] == "metadata") {
      definition.references.push_back(Attribute(attributes, "ref_id"));
    } else if (name == "criteria") {
      // The outermost one is the definition's own.
      OvalNode* node = &definition.criteria;
      if (nodes_.empty() && !node->op.empty()) return Fail("has a definition with criteria twice");
      if (!nodes_.empty()) node = &nodes_.back()->children.emplace_back();
      node->op = Attribute(attributes, "operator");
      if (node->op.empty()) node->op = "AND";
      node->negate = IsTrue(Attribute(attributes, "negate"));
      nodes_.push_back(node);
    } else if ((name == "criterion" || name == "extend_definition") && !nodes_.empty()) {
      OvalNode& node = nodes_.back()->children.emplace_back();
      const bool extends = name == "extend_definition";
      node.type = extends ? OvalNode::Type::kExtend : OvalNode::Type::kCriterion;
      node.negate = IsTrue(Attribute(attributes, "negate"));
      node.ref = Attribute(attributes, extends ? "definition_ref" : "test_ref");
    }
  }

  static bool IsTrue(std::string_view text) { return text == "true" || text == "1"; }

  void StartInTest(std::string_view name, size_t depth, const char** attributes) {
    if (depth == 3) {
      const auto [test, is_new] = document_.tests.try_emplace(Attribute(attributes, "id"));
      if (!is_new) return FailTwice(test->first);
      test_ = &test->second;
      test_->element = std::string(name);
      test_->check = Attribute(attributes, "check");
      test_->check_existence = Attribute(attributes, "check_existence");
    } else if (depth == 4 && test_ != nullptr) {
      if (name == "object") test_->object = Attribute(attributes, "object_ref");
      if (name == "state") test_->states.push_back(Attribute(attributes, "state_ref"));
    }
  }

  void OnEnd() {
    if (path_.empty()) return;
    const std::string name = std::move(path_.back());
    path_.pop_back();
    const size_t depth = path_.size();
    if (depth >= 3 && path_[1] == "definitions") {
      if (name == "criteria" && !nodes_.empty()) nodes_.pop_back();
      if (name == "platform") document_.definitions.back().platforms.emplace_back(Trim(text_));
    }
    if (depth == 3 && (path_[1] == "objects" || path_[1] == "states") && item_ != nullptr)
      item_->fields.push_back({name, std::string(Trim(text_)), field_operation_, field_variable_});
    text_.clear();
  }

  const XML_Parser parser_;
  OvalDocument document_;
  std::string error_;
  size_t elements_ = 0;
  std::vector<std::string> path_;
  std::string text_;
  // The criteria that are open. A node's children don't move while one of them is:
  // only the last one's are added to.
  std::vector<OvalNode*> nodes_;
  OvalTest* test_ = nullptr;
  OvalItem* item_ = nullptr;
  std::string field_operation_;
  bool field_variable_ = false;
};

}  // namespace

const OvalField* OvalItem::Find(std::string_view name) const {
  for (const OvalField& field : fields)
    if (field.name == name) return &field;
  return nullptr;
}

absl::StatusOr<OvalDocument> ParseOval(std::string_view xml) {
  const Parser parser(XML_ParserCreate(nullptr));
  if (!parser) return absl::ResourceExhaustedError("no memory for a parser of XML");
  Builder builder(parser.get());
  do {
    const std::string_view chunk = xml.substr(0, kChunk);
    xml.remove_prefix(chunk.size());
    if (XML_Parse(parser.get(), chunk.data(), static_cast<int>(chunk.size()), xml.empty()) !=
        XML_STATUS_OK) {
      const std::string why = builder.error().empty()
                                  ? XML_ErrorString(XML_GetErrorCode(parser.get()))
                                  : builder.error();
      return absl::InvalidArgumentError(
          StrCat("line ", XML_GetCurrentLineNumber(parser.get()), ": ", why));
    }
  } while (!xml.empty());
  return builder.Take();
}

}  // namespace dragnet::advisories
