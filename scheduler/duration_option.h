// Lifetimes on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

// As absl::ParseDuration reads it, and in days: "90s", "24h", "365d".
inline bool ParseLifetime(const std::string& text, absl::Duration* value) {
  int64_t days = 0;
  if (text.ends_with('d') && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days)) {
    *value = absl::Hours(24) * days;
    return true;
  }
  return absl::ParseDuration(text, value);
}

inline void AddDuration(CLI::App* command, const std::string& name, absl::Duration* value,
                        const std::string& description) {
  command
      ->add_option_function<std::string>(
          name,
          [name, value](const std::string& text) {
            if (!ParseLifetime(text, value) || *value <= absl::ZeroDuration())
              throw CLI::ValidationError(name, "not a duration (90s, 30m, 24h, 365d): " + text);
          },
          description)
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(*value));
}

}  // namespace dragnet::scheduler
