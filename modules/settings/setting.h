// A setting, and how settings of the same name compete.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::settings {

// Bytes as in the file.
struct Setting {
  std::string path;
  uint32_t line = 0;
  std::string section;
  std::string scope;
  std::string key;
  std::string value;
  std::vector<std::string> values;
  // Of pam.
  std::string type;
  std::string control;
  std::string module;
  uint32_t position = 0;

  // Holds within its scope alone.
  bool conditional = false;
  // Takes precedence over all that isn't (Match all).
  bool overrides = false;
  // Takes back what was set before: an empty value of ini, #clear of apt.
  bool resets = false;
  bool effective = false;
};

struct Precedence {
  bool first_counts = false;
  // By their folded keys: all of them count.
  std::function<bool(std::string_view folded_key)> is_repeatable;
  // What makes two keys the same.
  std::function<std::string(std::string_view key)> fold;
};

// Sets `effective`, of settings in the order in which they were read.
void DecideEffective(const Precedence& precedence, std::vector<Setting>* settings);

}  // namespace dragnet::settings
