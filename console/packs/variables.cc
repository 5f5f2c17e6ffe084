#include "console/packs/variables.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxNameBytes = 64;

size_t NodesOf(const YamlNode& node) { return 1 + node.items.size(); }

size_t BytesOf(const YamlNode& node) {
  size_t bytes = node.text.size();
  for (const YamlNode& item : node.items) bytes += item.text.size();
  return bytes;
}

}  // namespace

bool IsVariableName(std::string_view name) {
  const auto allowed = [](char c) {
    return c == '_' || absl::ascii_isalnum(static_cast<unsigned char>(c));
  };
  return !name.empty() && name.size() <= kMaxNameBytes &&
         !absl::ascii_isdigit(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(), allowed);
}

void Variables::Define(const std::string& name, YamlNode value, const Place& declared) {
  variables_[name] = {.value = std::move(value), .declared = declared};
}

const YamlNode* Variables::ValueOf(std::string_view name) {
  const auto found = variables_.find(name);
  if (found == variables_.end()) return nullptr;
  found->second.used = true;
  return &found->second.value;
}

std::vector<std::string> Variables::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, variable] : variables_) names.push_back(name);
  return names;
}

std::vector<std::pair<std::string, Place>> Variables::Unused() const {
  std::vector<std::pair<std::string, Place>> unused;
  for (const auto& [name, variable] : variables_)
    if (!variable.used) unused.emplace_back(name, variable.declared);
  return unused;
}

Variables::Variable* Variables::Find(std::string_view name, std::string_view path,
                                     const Place& place, Problems* problems) {
  const auto found = variables_.find(name);
  if (found != variables_.end()) {
    found->second.used = true;
    return &found->second;
  }
  problems->Error(place, path,
                  StrCat("${", name, "}: variables: has no such name", DidYouMean(name, Names()),
                         IsVariableName(name) ? "" : " (a dollar sign is written $$)"));
  return nullptr;
}

bool Variables::Take(size_t nodes, size_t bytes, std::string_view path, const Place& place,
                     Problems* problems) {
  if (nodes > budget_->nodes || bytes > budget_->bytes) {
    if (budget_->nodes != 0) problems->Error(place, path, "variables make the pack too large");
    budget_->nodes = 0;
    return false;
  }
  budget_->nodes -= nodes;
  budget_->bytes -= bytes;
  return true;
}

void Variables::SubstituteScalar(std::string_view path, YamlNode* node, Problems* problems) {
  const std::string_view text = node->text;
  if (text.find('$') == std::string_view::npos) return;
  if (text.starts_with("${") && text.find('}') == text.size() - 1) {
    const Variable* variable = Find(text.substr(2, text.size() - 3), path, node->place, problems);
    if (variable == nullptr ||
        !Take(NodesOf(variable->value), BytesOf(variable->value), path, node->place, problems)) {
      return;
    }
    const Place place = node->place;
    *node = variable->value;
    node->place = place;
    for (YamlNode& item : node->items) item.place = place;
    return;
  }
  std::string replaced;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const size_t end = rest.starts_with("${") ? rest.find('}') : std::string_view::npos;
    if (rest.starts_with("$$")) {
      replaced.push_back('$');
      at += 2;
    } else if (end != std::string_view::npos) {
      const Variable* variable = Find(rest.substr(2, end - 2), path, node->place, problems);
      if (variable == nullptr) return;
      if (!variable->value.is_scalar()) {
        problems->Error(node->place, path,
                        StrCat(rest.substr(0, end + 1), " is a list: it can't be part of a text"));
        return;
      }
      if (!Take(0, variable->value.text.size(), path, node->place, problems)) return;
      replaced.append(variable->value.text);
      at += end + 1;
    } else {
      replaced.push_back(text[at]);
      ++at;
    }
  }
  node->text = std::move(replaced);
}

void Variables::Substitute(std::string_view path, YamlNode* node, Problems* problems) {
  if (node->is_scalar()) return SubstituteScalar(path, node, problems);
  for (size_t i = 0; i < node->items.size(); ++i) {
    const std::string below = node->is_list() ? StrCat(path, "[", i, "]")
                              : path.empty()  ? node->keys[i].text
                                              : StrCat(path, ".", node->keys[i].text);
    Substitute(below, &node->items[i], problems);
  }
}

}  // namespace dragnet::console
