#include "console/trust/edit.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "console/trust/ca_certificate.h"
#include "console/trust/keys.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/trust_policy.h"

namespace dragnet::console {
namespace {

constexpr uint32_t kMaxWeight = 1000;
// What a person types of an id, so that it isn't hit by chance.
constexpr size_t kMinIdBeginning = 8;

v1::Investigator* Find(std::string_view name, v1::TrustPolicy* policy) {
  for (v1::Investigator& person : *policy->mutable_investigators())
    if (person.name() == name) return &person;
  return nullptr;
}

v1::ModulePolicy* FindModule(std::string_view module, v1::TrustPolicy* policy) {
  for (v1::ModulePolicy& rule : *policy->mutable_modules())
    if (rule.module() == module) return &rule;
  return nullptr;
}

absl::Status NoSuchPerson(std::string_view name, const v1::TrustPolicy& policy) {
  std::vector<std::string> names;
  for (const v1::Investigator& person : policy.investigators()) names.push_back(person.name());
  return absl::NotFoundError(StrCat("no investigator ", ForTerminal(name),
                                    " in this policy; there ", names.size() == 1 ? "is " : "are ",
                                    absl::StrJoin(names, ", ")));
}

absl::Status NoSuchModule(std::string_view module, const v1::TrustPolicy& policy) {
  std::vector<std::string> names;
  for (const v1::ModulePolicy& rule : policy.modules()) names.push_back(rule.module());
  return absl::NotFoundError(StrCat("no rule for module ", ForTerminal(module),
                                    " in this policy; there are ", absl::StrJoin(names, ", "),
                                    " (dragnet trust weight FILE MODULE --minimum N makes one)"));
}

void SetWeight(std::string_view name, uint32_t weight, v1::ModulePolicy* rule) {
  auto* weights = rule->mutable_weights();
  const auto found = std::find_if(weights->begin(), weights->end(), [&](const v1::Weight& entry) {
    return entry.investigator() == name;
  });
  if (weight == 0) {
    if (found != weights->end()) weights->erase(found);
    return;
  }
  v1::Weight* entry = found != weights->end() ? &*found : rule->add_weights();
  entry->set_investigator(std::string(name));
  entry->set_weight(weight);
}

// The index of the one that `word` names.
absl::StatusOr<int> IndexOf(const std::string& word, const std::vector<std::string>& ids,
                            std::string_view what) {
  if (word.size() < kMinIdBeginning) {
    return absl::InvalidArgumentError(StrCat(what, " ", ForTerminal(word), ": give at least ",
                                             kMinIdBeginning, " characters of the id"));
  }
  int found = -1;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i].starts_with(word)) continue;
    if (found >= 0) {
      return absl::InvalidArgumentError(
          StrCat(what, " ", ForTerminal(word), ": several begin so: give more of the id"));
    }
    found = static_cast<int>(i);
  }
  if (found < 0) {
    return absl::NotFoundError(StrCat("no ", what, " ", ForTerminal(word), " here; there ",
                                      ids.size() == 1 ? "is " : "are ", absl::StrJoin(ids, ", ")));
  }
  return found;
}

// Of one investigator or of the root set.
absl::Status ChangeKeyList(std::string_view what, const std::vector<PublicKey>& add,
                           const std::vector<std::string>& remove,
                           google::protobuf::RepeatedPtrField<v1::PublicKey>* keys) {
  std::vector<std::string> ids;
  for (const v1::PublicKey& proto : *keys) {
    DRAGNET_ASSIGN_OR_RETURN(const PublicKey key, KeyOf(proto));
    ids.push_back(key.id());
  }
  for (const std::string& word : remove) {
    DRAGNET_ASSIGN_OR_RETURN(const int index, IndexOf(word, ids, what));
    keys->DeleteSubrange(index, 1);
    ids.erase(ids.begin() + index);
  }
  for (const PublicKey& key : add) {
    if (std::find(ids.begin(), ids.end(), key.id()) != ids.end()) {
      return absl::AlreadyExistsError(StrCat(what, " ", key.id(), " is in this policy already"));
    }
    ids.push_back(key.id());
    *keys->Add() = ToProto(key);
  }
  return absl::OkStatus();
}

// Whose key it is; the same one twice would let one person count as two.
absl::Status CheckVacant(const std::vector<PublicKey>& keys, const v1::TrustPolicy& policy) {
  for (const PublicKey& key : keys) {
    for (const v1::Investigator& person : policy.investigators()) {
      for (const v1::PublicKey& other : person.keys()) {
        if (other.spki() != key.spki()) continue;
        return absl::AlreadyExistsError(
            StrCat("key ", key.id(), " is ", ForTerminal(person.name()), "'s already"));
      }
    }
    for (const v1::PublicKey& other : policy.roots().keys()) {
      if (other.spki() != key.spki()) continue;
      return absl::InvalidArgumentError(
          StrCat("key ", key.id(), " is a root key: those stay offline and sign policies only"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

v1::TrustPolicy DraftSuccessor(const v1::TrustPolicy& current, absl::Time now,
                               absl::Duration lifetime) {
  v1::TrustPolicy next = current;
  next.set_version(current.version() + 1);
  *next.mutable_issued() = ToTimestamp(now);
  *next.mutable_expires() = ToTimestamp(now + lifetime);
  return next;
}

absl::StatusOr<v1::Role> ParseRole(std::string_view word) {
  if (word == "reader") return v1::ROLE_READER;
  if (word == "investigator") return v1::ROLE_INVESTIGATOR;
  if (word == "operator") return v1::ROLE_OPERATOR;
  return absl::InvalidArgumentError(
      StrCat("no role ", ForTerminal(word), ": give reader, investigator or operator"));
}

std::string RoleWord(int role) {
  if (role == v1::ROLE_READER) return "reader";
  if (role == v1::ROLE_INVESTIGATOR) return "investigator";
  if (role == v1::ROLE_OPERATOR) return "operator";
  return StrCat("role ", role);
}

absl::StatusOr<NamedWeight> ParseNamedWeight(std::string_view text) {
  const size_t equals = text.rfind('=');
  NamedWeight result;
  if (equals == std::string_view::npos || equals == 0 ||
      !absl::SimpleAtoi(ToAbsl(text.substr(equals + 1)), &result.weight) ||
      result.weight > kMaxWeight) {
    return absl::InvalidArgumentError(
        StrCat(ForTerminal(text), ": give a name and a weight of 0 to ", kMaxWeight, ": alice=1"));
  }
  result.name = std::string(text.substr(0, equals));
  return result;
}

absl::Status AddInvestigator(std::string_view name, const std::vector<PublicKey>& keys,
                             const std::vector<v1::Role>& roles,
                             const std::vector<NamedWeight>& weights, v1::TrustPolicy* policy) {
  if (!IsInvestigatorName(name)) {
    return absl::InvalidArgumentError(StrCat("investigator ", ForTerminal(name),
                                             ": a name is 1 to 64 of a-z, 0-9, '.', '_' and '-', "
                                             "starting with a letter or digit"));
  }
  v1::TrustPolicy changed = *policy;
  if (Find(name, &changed) != nullptr) {
    return absl::AlreadyExistsError(
        StrCat("investigator ", name,
               " is in this policy already: change it with dragnet trust key, role or weight"));
  }
  if (keys.empty()) return absl::InvalidArgumentError(StrCat(name, ": give at least one key"));
  DRAGNET_RETURN_IF_ERROR(CheckVacant(keys, changed));
  v1::Investigator* person = changed.add_investigators();
  person->set_name(std::string(name));
  DRAGNET_RETURN_IF_ERROR(ChangeKeyList("key", keys, {}, person->mutable_keys()));
  DRAGNET_RETURN_IF_ERROR(SetRoles(name, roles, &changed));
  for (const NamedWeight& weight : weights) {
    if (weight.name != "*") continue;
    for (v1::ModulePolicy& rule : *changed.mutable_modules()) SetWeight(name, weight.weight, &rule);
  }
  for (const NamedWeight& weight : weights) {
    if (weight.name == "*") continue;
    v1::ModulePolicy* rule = FindModule(weight.name, &changed);
    if (rule == nullptr) return NoSuchModule(weight.name, changed);
    SetWeight(name, weight.weight, rule);
  }
  *policy = std::move(changed);
  return absl::OkStatus();
}

absl::Status RemoveInvestigator(std::string_view name, v1::TrustPolicy* policy) {
  auto* people = policy->mutable_investigators();
  const auto found = std::find_if(people->begin(), people->end(),
                                  [&](const v1::Investigator& one) { return one.name() == name; });
  if (found == people->end()) return NoSuchPerson(name, *policy);
  people->erase(found);
  for (v1::ModulePolicy& rule : *policy->mutable_modules()) SetWeight(name, 0, &rule);
  return absl::OkStatus();
}

absl::Status ChangeKeys(std::string_view name, const std::vector<PublicKey>& add,
                        const std::vector<std::string>& remove, v1::TrustPolicy* policy) {
  v1::TrustPolicy changed = *policy;
  v1::Investigator* person = Find(name, &changed);
  if (person == nullptr) return NoSuchPerson(name, changed);
  // What goes makes room: a key may come back on other terms.
  DRAGNET_RETURN_IF_ERROR(ChangeKeyList("key", {}, remove, person->mutable_keys()));
  DRAGNET_RETURN_IF_ERROR(CheckVacant(add, changed));
  DRAGNET_RETURN_IF_ERROR(ChangeKeyList("key", add, {}, person->mutable_keys()));
  if (person->keys().empty()) {
    return absl::InvalidArgumentError(
        StrCat(name, " would have no key left: add another one, or dragnet trust remove"));
  }
  *policy = std::move(changed);
  return absl::OkStatus();
}

absl::Status SetRoles(std::string_view name, const std::vector<v1::Role>& roles,
                      v1::TrustPolicy* policy) {
  v1::Investigator* person = Find(name, policy);
  if (person == nullptr) return NoSuchPerson(name, *policy);
  person->clear_roles();
  // In one order, each once, so that equal policies are equal bytes.
  for (const v1::Role role : {v1::ROLE_READER, v1::ROLE_INVESTIGATOR, v1::ROLE_OPERATOR}) {
    if (std::find(roles.begin(), roles.end(), role) != roles.end()) person->add_roles(role);
  }
  return absl::OkStatus();
}

absl::Status SetWeights(std::string_view module, std::optional<uint32_t> minimum,
                        const std::vector<NamedWeight>& people, v1::TrustPolicy* policy) {
  if (minimum == 0U) {
    return absl::InvalidArgumentError(
        "a minimum of 0 would let everyone: give 1 or more, or --remove for no one");
  }
  v1::TrustPolicy changed = *policy;
  v1::ModulePolicy* rule = FindModule(module, &changed);
  if (rule == nullptr) {
    if (!minimum.has_value()) return NoSuchModule(module, changed);
    rule = changed.add_modules();
    rule->set_module(std::string(module));
  }
  if (minimum.has_value()) rule->set_minimum_weight(*minimum);
  for (const NamedWeight& person : people) {
    if (Find(person.name, &changed) == nullptr) return NoSuchPerson(person.name, changed);
    SetWeight(person.name, person.weight, rule);
  }
  *policy = std::move(changed);
  return absl::OkStatus();
}

absl::Status RemoveModule(std::string_view module, v1::TrustPolicy* policy) {
  auto* modules = policy->mutable_modules();
  const auto found =
      std::find_if(modules->begin(), modules->end(),
                   [&](const v1::ModulePolicy& rule) { return rule.module() == module; });
  if (found == modules->end()) return NoSuchModule(module, *policy);
  modules->erase(found);
  return absl::OkStatus();
}

absl::Status ChangeRoots(const std::vector<PublicKey>& add, const std::vector<std::string>& remove,
                         std::optional<uint32_t> threshold, v1::TrustPolicy* policy) {
  v1::RootSet changed = policy->roots();
  DRAGNET_RETURN_IF_ERROR(ChangeKeyList("root key", add, remove, changed.mutable_keys()));
  for (const PublicKey& key : add) {
    for (const v1::Investigator& person : policy->investigators()) {
      for (const v1::PublicKey& other : person.keys()) {
        if (other.spki() != key.spki()) continue;
        return absl::InvalidArgumentError(StrCat("key ", key.id(), " is the signing key of ",
                                                 ForTerminal(person.name()),
                                                 ": a root key is one that stays offline"));
      }
    }
  }
  if (threshold.has_value()) changed.set_threshold(*threshold);
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, RootSet::FromProto(changed));
  *policy->mutable_roots() = roots.ToProto();
  return absl::OkStatus();
}

absl::Status ChangeReleaseKeys(const std::vector<PublicKey>& add,
                               const std::vector<std::string>& remove,
                               std::optional<uint32_t> threshold, v1::TrustPolicy* policy) {
  v1::ReleaseKeys changed = policy->release_keys();
  DRAGNET_RETURN_IF_ERROR(ChangeKeyList("release key", {}, remove, changed.mutable_keys()));
  DRAGNET_RETURN_IF_ERROR(CheckVacant(add, *policy));
  DRAGNET_RETURN_IF_ERROR(ChangeKeyList("release key", add, {}, changed.mutable_keys()));
  if (changed.keys().empty()) {
    if (threshold.has_value()) {
      return absl::InvalidArgumentError(
          "--threshold: there would be no release key left that could sign");
    }
    policy->clear_release_keys();
    return absl::OkStatus();
  }
  if (threshold.has_value()) changed.set_threshold(*threshold);
  if (changed.threshold() == 0) {
    return absl::InvalidArgumentError(
        "these are the first release keys: say how many of them must sign a release "
        "(--threshold N)");
  }
  DRAGNET_ASSIGN_OR_RETURN(const ReleaseKeySet keys, ReleaseKeySet::FromProto(changed));
  *policy->mutable_release_keys() = keys.ToProto();
  return absl::OkStatus();
}

absl::Status ChangeCaCertificates(const std::vector<std::string>& add,
                                  const std::vector<std::string>& remove, v1::TrustPolicy* policy) {
  v1::TrustPolicy changed = *policy;
  auto* certificates = changed.mutable_ca_certificates();
  std::vector<std::string> ids;
  for (const std::string& der : *certificates) ids.push_back(CaFingerprint(der));
  for (const std::string& word : remove) {
    DRAGNET_ASSIGN_OR_RETURN(const int index, IndexOf(word, ids, "CA certificate"));
    certificates->DeleteSubrange(index, 1);
    ids.erase(ids.begin() + index);
  }
  for (const std::string& der : add) {
    const std::string id = CaFingerprint(der);
    if (std::find(ids.begin(), ids.end(), id) != ids.end()) {
      return absl::AlreadyExistsError(StrCat("CA certificate ", id, " is in this policy already"));
    }
    ids.push_back(id);
    *certificates->Add() = der;
  }
  *policy = std::move(changed);
  return absl::OkStatus();
}

}  // namespace dragnet::console
