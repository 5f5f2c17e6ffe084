#include "console/packs/expectation.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "console/packs/keys.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using check::v1::Expectation;

constexpr std::string_view kForms =
    "found, not found, {found: WHERE}, {not_found: WHERE}, {all: WHERE, at_least: N} or "
    "{count: {where: WHERE, min: N, max: N}}";

class ExpectationReader {
 public:
  ExpectationReader(std::string_view path, Expectation* expectation, Problems* problems)
      : path_(path), expectation_(expectation), problems_(problems) {}

  bool Read(const YamlNode& node) {
    if (node.is_scalar()) return ReadWord(node);
    if (!node.is_mapping()) {
      return Wrong(node, path_, StrCat("must be ", kForms, ", not ", node.KindName()));
    }
    CheckKeysOf(node, path_, kExpectKeys, problems_);
    const YamlNode* kind = nullptr;
    std::string_view name;
    for (const std::string_view key : {"found", "not_found", "all", "count"}) {
      const YamlNode* value = node.Find(key);
      if (value == nullptr) continue;
      if (kind != nullptr) {
        return Wrong(node, path_, StrCat("has ", name, " and ", key, ": one of them"));
      }
      kind = value;
      name = key;
    }
    if (kind == nullptr) return Wrong(node, path_, StrCat("must be ", kForms));
    const YamlNode* at_least = node.Find("at_least");
    if (at_least != nullptr && name != "all") {
      return Wrong(*at_least, Below(path_, "at_least"), "only with all");
    }
    if (name == "count") return ReadCount(*kind);
    expectation_->set_kind(name == "found"       ? Expectation::KIND_FOUND
                           : name == "not_found" ? Expectation::KIND_NOT_FOUND
                                                 : Expectation::KIND_ALL);
    if (name == "all") {
      const auto least = at_least == nullptr ? 1 : Number(*at_least, Below(path_, "at_least"));
      if (!least.has_value()) return false;
      expectation_->set_min(*least);
    }
    return ReadWhere(*kind, Below(path_, name));
  }

 private:
  bool Wrong(const YamlNode& node, std::string_view path, std::string_view message) {
    problems_->Error(node.place, path, message);
    return false;
  }

  bool ReadWord(const YamlNode& node) {
    if (node.text == "found") {
      expectation_->set_kind(Expectation::KIND_FOUND);
    } else if (node.text == "not found" || node.text == "not_found") {
      expectation_->set_kind(Expectation::KIND_NOT_FOUND);
    } else {
      return Wrong(node, path_, StrCat("\"", Shorten(node.text, 100), "\" is not ", kForms));
    }
    return true;
  }

  bool ReadWhere(const YamlNode& node, std::string_view path) {
    if (!node.is_scalar() || node.text.empty()) {
      return Wrong(node, path,
                   StrCat("must be a condition over the rows' columns, not ", node.KindName()));
    }
    expectation_->set_where(node.text);
    return true;
  }

  std::optional<uint64_t> Number(const YamlNode& node, std::string_view path) {
    uint64_t number = 0;
    if (node.is_scalar() && absl::SimpleAtoi(node.text, &number)) return number;
    Wrong(node, path, "must be a whole number of at least 0");
    return std::nullopt;
  }

  bool ReadCount(const YamlNode& node) {
    expectation_->set_kind(Expectation::KIND_COUNT);
    const std::string path = Below(path_, "count");
    if (node.is_scalar()) {
      const std::optional<uint64_t> exactly = Number(node, path);
      if (!exactly.has_value()) return false;
      expectation_->set_min(*exactly);
      expectation_->set_max(*exactly);
      return true;
    }
    if (!CheckKeysOf(node, path, kCountKeys, problems_)) return false;
    bool good = true;
    if (const YamlNode* where = node.Find("where"); where != nullptr) {
      good = ReadWhere(*where, Below(path, "where"));
    }
    const YamlNode* min = node.Find("min");
    const YamlNode* max = node.Find("max");
    if (min == nullptr && max == nullptr) return Wrong(node, path, "needs min, max or both");
    if (min != nullptr) {
      const std::optional<uint64_t> number = Number(*min, Below(path, "min"));
      good = good && number.has_value();
      expectation_->set_min(number.value_or(0));
    }
    if (max != nullptr) {
      const std::optional<uint64_t> number = Number(*max, Below(path, "max"));
      good = good && number.has_value();
      expectation_->set_max(number.value_or(0));
    }
    return good;
  }

  const std::string_view path_;
  Expectation* const expectation_;
  Problems* const problems_;
};

}  // namespace

bool ExpectationFrom(const YamlNode& node, std::string_view path, Expectation* expectation,
                     Problems* problems) {
  return ExpectationReader(path, expectation, problems).Read(node);
}

const YamlNode* WhereOf(const YamlNode& expect) {
  for (const std::string_view key : {"found", "not_found", "all"})
    if (const YamlNode* where = expect.Find(key); where != nullptr) return where;
  const YamlNode* count = expect.Find("count");
  return count == nullptr ? nullptr : count->Find("where");
}

}  // namespace dragnet::console
