#include "modules/settings/setting.h"

#include <map>
#include <utility>

namespace dragnet::settings {
namespace {

// The settings of one name that count, of those that are given in order.
std::vector<Setting*> Counting(const std::vector<Setting*>& competitors, bool first_counts,
                               bool repeatable) {
  std::vector<Setting*> counting;
  for (Setting* setting : competitors) {
    if (setting->resets) {
      counting.clear();
      continue;
    }
    if (repeatable) {
      counting.push_back(setting);
    } else if (counting.empty()) {
      counting = {setting};
    } else if (!first_counts) {
      counting = {setting};
    }
  }
  return counting;
}

}  // namespace

void DecideEffective(const Precedence& precedence, std::vector<Setting>* settings) {
  using Name = std::pair<std::string, std::string>;
  // What holds for everybody, and what holds for everybody before that.
  std::map<Name, std::vector<Setting*>> plain, overriding;
  for (Setting& setting : *settings) {
    setting.effective = false;
    if (setting.conditional) continue;
    const Name name{setting.section, precedence.fold(setting.key)};
    (setting.overrides ? overriding : plain)[name].push_back(&setting);
  }
  const auto decide = [&](const auto& named) {
    const bool repeatable = precedence.is_repeatable(named.first.second);
    for (Setting* setting : Counting(named.second, precedence.first_counts, repeatable))
      setting->effective = true;
  };
  for (const auto& named : plain)
    if (!overriding.contains(named.first)) decide(named);
  for (const auto& named : overriding) decide(named);
}

}  // namespace dragnet::settings
