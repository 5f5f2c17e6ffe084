// An OVAL document as it is written: definitions with their criteria, tests,
// objects and states. XML with a document type is refused, so there are no entities
// but XML's own five. Values; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::advisories {

struct OvalNode {
  enum class Type { kCriteria, kCriterion, kExtend } type = Type::kCriteria;
  // Of criteria: AND, OR, ONE, XOR.
  std::string op;
  bool negate = false;
  // Of a criterion the test, of an extension the definition.
  std::string ref;
  std::vector<OvalNode> children;
};

struct OvalDefinition {
  std::string id;
  // patch, vulnerability, inventory, …
  std::string of_class;
  bool deprecated = false;
  // Ids of references, in order.
  std::vector<std::string> references;
  std::vector<std::string> platforms;
  // A node of type kCriteria; without children when the definition has none.
  OvalNode criteria;
};

struct OvalTest {
  // The element's local name: rpminfo_test.
  std::string element;
  std::string check;
  std::string check_existence;
  std::string object;
  std::vector<std::string> states;
};

// Of an object or a state.
struct OvalField {
  std::string name;
  std::string text;
  std::string operation;
  // The value is a variable's.
  bool variable = false;
};
struct OvalItem {
  std::vector<OvalField> fields;
  const OvalField* Find(std::string_view name) const;
};

struct OvalDocument {
  std::vector<OvalDefinition> definitions;
  std::map<std::string, OvalTest> tests;
  std::map<std::string, OvalItem> objects;
  std::map<std::string, OvalItem> states;
};

// InvalidArgument with the line when it isn't XML, isn't OVAL, nests deeper than 64
// levels or has more than 5,000,000 elements.
absl::StatusOr<OvalDocument> ParseOval(std::string_view xml);

}  // namespace dragnet::advisories
