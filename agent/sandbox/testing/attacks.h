// What a hostile child would try, one function each. For tests only.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dragnet::sandbox {

struct Attack {
  std::string_view name;
  // 0 when the attack got what it wants; else the errno that stopped it.
  // `argument`: a path, a pid or a port, as the attack needs.
  int (*run)(const std::string& argument);
};

std::span<const Attack> AllAttacks();

}  // namespace dragnet::sandbox
