// OVAL definitions as entries: which of their criteria are about packages, and
// which say only that it is this system.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "console/packs/advisories/collector.h"
#include "console/packs/advisories/oval_document.h"
#include "console/packs/advisories/platform.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::advisories {
namespace {

constexpr size_t kMaxPackages = 100'000;

struct PackageTest {
  // dpkg or rpm.
  std::string type;
  std::string name;
  pkg::VersionRange range;
};

// What a criterion comes to.
struct Meaning {
  enum class Kind {
    // Holds on the systems that the definition is for.
    kHolds,
    // Doesn't hold there: Red Hat's "must be installed" is true elsewhere.
    kNever,
    // When one of the packages is of a version.
    kPackages,
    kUnknown,
  } kind = Kind::kHolds;
  std::vector<PackageTest> packages;
  std::string why;
  // Alternatives that couldn't be said, beside those that could.
  std::vector<std::string> partly;

  static Meaning Unknown(std::string why) {
    Meaning meaning;
    meaning.kind = Kind::kUnknown;
    meaning.why = std::move(why);
    return meaning;
  }
};

std::optional<pkg::Comparison> ComparisonOf(std::string_view operation) {
  // Without one it is equals.
  if (operation == "less than") return pkg::Comparison::kLess;
  if (operation == "less than or equal") return pkg::Comparison::kLessOrEqual;
  if (operation == "equals" || operation.empty()) return pkg::Comparison::kEqual;
  if (operation == "greater than or equal") return pkg::Comparison::kGreaterOrEqual;
  if (operation == "greater than") return pkg::Comparison::kGreater;
  return std::nullopt;
}

// Debian's way to say that there is no fix yet: every version is bad.
bool IsNoVersion(std::string_view version) { return version == "0:0" || version == "0"; }

// What tells which system it is.
bool IsReleasePackage(std::string_view name) {
  return name.find("-release") != std::string_view::npos;
}
bool IsReleaseFile(std::string_view path) {
  for (std::string_view each :
       {"/etc/debian_version", "/etc/redhat-release", "/etc/os-release", "/usr/lib/os-release",
        "/etc/system-release", "/etc/lsb-release", "/etc/centos-release", "/etc/oracle-release"})
    if (path == each) return true;
  return false;
}

class Interpreter {
 public:
  Interpreter(const OvalDocument& document) : document_(document) {
    for (const OvalDefinition& definition : document.definitions)
      by_id_.emplace(definition.id, &definition);
  }

  Meaning OfDefinition(const OvalDefinition& definition) {
    if (definition.criteria.children.empty()) return Meaning::Unknown("has no criteria");
    return OfNode(definition.criteria);
  }

 private:
  Meaning OfNode(const OvalNode& node) {
    if (node.negate) return Meaning::Unknown("a negated criterion can't be said");
    switch (node.type) {
      case OvalNode::Type::kCriterion:
        return OfTest(node.ref);
      case OvalNode::Type::kExtend:
        return OfExtension(node.ref);
      case OvalNode::Type::kCriteria:
        break;
    }
    if (node.children.empty()) return Meaning::Unknown("criteria that are empty");
    if (node.op == "AND") return All(node);
    if (node.op == "OR" || node.children.size() == 1) return Any(node);
    return Meaning::Unknown(StrCat("operator ", node.op, " can't be said"));
  }

  // Each definition is looked at once; one that leads to itself is not.
  Meaning OfExtension(const std::string& id) {
    const auto known = extensions_.find(id);
    if (known != extensions_.end()) return known->second;
    const auto found = by_id_.find(id);
    if (found == by_id_.end())
      return Meaning::Unknown(StrCat("extends ", id, ", which isn't in the file"));
    extensions_[id] = Meaning::Unknown(StrCat("extends ", id, ", which leads to itself"));
    // As deep as the document nests, no deeper: extensions of extensions aren't used.
    if (depth_ == 16) return Meaning::Unknown("extends definitions more than 16 deep");
    ++depth_;
    Meaning meaning = OfDefinition(*found->second);
    --depth_;
    extensions_[id] = meaning;
    return meaning;
  }

  Meaning All(const OvalNode& node) {
    Meaning all;
    for (const OvalNode& child : node.children) {
      Meaning meaning = OfNode(child);
      if (meaning.kind == Meaning::Kind::kUnknown || meaning.kind == Meaning::Kind::kNever)
        return meaning;
      if (meaning.kind == Meaning::Kind::kHolds) continue;
      if (all.kind == Meaning::Kind::kHolds) {
        all = std::move(meaning);
        continue;
      }
      // A range of one package's versions is all that two tests can be.
      if (all.packages.size() != 1 || meaning.packages.size() != 1 ||
          all.packages[0].name != meaning.packages[0].name)
        return Meaning::Unknown("needs two packages at once, which can't be said");
      for (pkg::VersionBound& bound : meaning.packages[0].range)
        all.packages[0].range.push_back(std::move(bound));
    }
    return all;
  }

  Meaning Any(const OvalNode& node) {
    Meaning any;
    any.kind = Meaning::Kind::kPackages;
    size_t hold = 0;
    size_t never = 0;
    for (const OvalNode& child : node.children) {
      Meaning meaning = OfNode(child);
      switch (meaning.kind) {
        case Meaning::Kind::kHolds:
          ++hold;
          break;
        case Meaning::Kind::kNever:
          ++never;
          break;
        case Meaning::Kind::kUnknown:
          any.partly.push_back(std::move(meaning.why));
          break;
        case Meaning::Kind::kPackages:
          for (PackageTest& test : meaning.packages) any.packages.push_back(std::move(test));
          for (std::string& why : meaning.partly) any.partly.push_back(std::move(why));
          break;
      }
      if (any.packages.size() > kMaxPackages)
        return Meaning::Unknown("has more than 100,000 packages");
    }
    if (never == node.children.size()) any.kind = Meaning::Kind::kNever;
    if (any.kind == Meaning::Kind::kNever) return any;
    if (hold + never == node.children.size()) return {};
    if (hold > 0) return Meaning::Unknown("holds on every system, whatever is installed");
    if (any.packages.empty()) return Meaning::Unknown(any.partly.empty() ? "" : any.partly[0]);
    return any;
  }

  Meaning OfTest(const std::string& id) {
    const auto found = document_.tests.find(id);
    if (found == document_.tests.end())
      return Meaning::Unknown(StrCat("test ", id, " isn't in the file"));
    const OvalTest& test = found->second;
    const auto object = document_.objects.find(test.object);
    const OvalItem none;
    const OvalItem& item = object == document_.objects.end() ? none : object->second;
    if (test.element == "rpminfo_test") return OfPackageTest(test, item, "rpm");
    if (test.element == "dpkginfo_test") return OfPackageTest(test, item, "dpkg");
    if (IsOfSystem(test, item)) {
      if (test.check != "none satisfy") return {};
      Meaning never;
      never.kind = Meaning::Kind::kNever;
      return never;
    }
    return Meaning::Unknown(StrCat("a ", test.element, " can't be said"));
  }

  bool IsOfSystem(const OvalTest& test, const OvalItem& object) const {
    if (test.element == "family_test") return true;
    if (test.element == "uname_test") {
      // The machine, but not which kernel runs.
      return std::all_of(test.states.begin(), test.states.end(), [&](const std::string& id) {
        const auto state = document_.states.find(id);
        return state != document_.states.end() && state->second.Find("os_release") == nullptr &&
               state->second.Find("os_version") == nullptr;
      });
    }
    if (test.element != "textfilecontent54_test" && test.element != "rpmverifyfile_test")
      return false;
    const OvalField* whole = object.Find("filepath");
    const OvalField* directory = object.Find("path");
    const OvalField* name = object.Find("filename");
    if (whole != nullptr) return IsReleaseFile(whole->text);
    return directory != nullptr && name != nullptr &&
           IsReleaseFile(StrCat(directory->text, "/", name->text));
  }

  Meaning OfPackageTest(const OvalTest& test, const OvalItem& object, std::string_view type) {
    const OvalField* name = object.Find("name");
    if (name == nullptr || name->text.empty() || name->variable ||
        (!name->operation.empty() && name->operation != "equals"))
      return Meaning::Unknown("a package's name that isn't written out can't be said");
    if (IsReleasePackage(name->text)) return {};
    if (!test.check_existence.empty() && test.check_existence != "at_least_one_exists" &&
        test.check_existence != "all_exist")
      return Meaning::Unknown(StrCat("existence ", test.check_existence, " can't be said"));
    Meaning meaning;
    meaning.kind = Meaning::Kind::kPackages;
    meaning.packages.push_back({std::string(type), name->text, {}});
    bool of_signature = false;
    for (const std::string& id : test.states) {
      const auto state = document_.states.find(id);
      if (state == document_.states.end())
        return Meaning::Unknown(StrCat("state ", id, " isn't in the file"));
      for (const OvalField& field : state->second.fields) {
        if (field.variable) return Meaning::Unknown("a state of a variable can't be said");
        if (field.name == "arch" || field.name == "name") continue;
        of_signature |= field.name == "signature_keyid";
        if (field.name == "signature_keyid") continue;
        const auto comparison = ComparisonOf(field.operation);
        if (field.name != "evr" || !comparison)
          return Meaning::Unknown(
              StrCat("a package's ", field.name, " that is '", field.operation, "' can't be said"));
        if (type == "dpkg" && comparison == pkg::Comparison::kLess && IsNoVersion(field.text))
          continue;
        meaning.packages[0].range.push_back({*comparison, field.text});
      }
    }
    // Signed by whoever: on a real system by the distributor.
    if (of_signature && meaning.packages[0].range.empty()) return {};
    return meaning;
  }

  const OvalDocument& document_;
  std::map<std::string, const OvalDefinition*> by_id_;
  std::map<std::string, Meaning> extensions_;
  int depth_ = 0;
};

// The advisory's own name rather than the definition's.
std::string IdOf(const OvalDefinition& definition) {
  for (const std::string& reference : definition.references)
    if (!reference.empty() && reference.find_first_of(" \t\r\n") == std::string::npos)
      return reference;
  return definition.id;
}

void AddDefinition(const OvalDefinition& definition, Meaning meaning, Collector& collector) {
  const std::string id = IdOf(definition);
  if (meaning.kind == Meaning::Kind::kUnknown) return collector.Leave(id, meaning.why);
  if (meaning.kind == Meaning::Kind::kHolds || meaning.kind == Meaning::Kind::kNever)
    return collector.Leave(id, "is about no package");
  for (const std::string& why : meaning.partly) collector.Leave(id, StrCat("in part: ", why));
  if (definition.platforms.empty()) return collector.Leave(id, "names no platform");
  // One entry for each package, with all its ranges.
  std::map<std::pair<std::string, std::string>, std::vector<pkg::VersionRange>> by_name;
  for (PackageTest& test : meaning.packages)
    by_name[{test.type, test.name}].push_back(std::move(test.range));
  for (const std::string& name : definition.platforms) {
    const std::optional<Platform> platform = PlatformOfName(name);
    if (!platform) {
      collector.Leave(id, StrCat("platform '", name, "' isn't known"));
      continue;
    }
    for (const auto& [package, ranges] : by_name) {
      if (package.first != platform->type) {
        collector.Leave(id, StrCat("platform '", name, "' has no packages of ", package.first));
        continue;
      }
      for (const pkg::VulnerableEntry& entry : EntriesFor(*platform, id, package.second, ranges))
        collector.Add(entry);
    }
  }
}

}  // namespace

absl::Status ReadOval(std::string_view content, Collector& collector) {
  DRAGNET_ASSIGN_OR_RETURN(const OvalDocument document, ParseOval(content));
  Interpreter interpreter(document);
  for (const OvalDefinition& definition : document.definitions) {
    if (collector.full()) break;
    // What system it is is asked for by others.
    if (definition.of_class == "inventory") continue;
    if (definition.of_class != "patch" && definition.of_class != "vulnerability") {
      collector.Leave(IdOf(definition), StrCat("is of class '", definition.of_class, "'"));
    } else if (definition.deprecated) {
      collector.Leave(IdOf(definition), "is deprecated");
    } else {
      AddDefinition(definition, interpreter.OfDefinition(definition), collector);
    }
  }
  return absl::OkStatus();
}

}  // namespace dragnet::advisories
