// Control files as Debian writes them (deb822(5)): stanzas of fields, separated
// by empty lines. Read strictly and one stanza at a time. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "modules/pkg/line_reader.h"

namespace dragnet::pkg {

class Stanza {
 public:
  // The value of a field, its name in any case; empty if there is none. Lines
  // after the first are kept with their newline and without their leading blank.
  std::string_view Get(std::string_view name) const;
  bool empty() const { return fields_.empty(); }

 private:
  friend class Deb822Reader;
  struct Field {
    uint32_t name_begin, name_size, value_begin, value_size;
  };
  std::string_view Text(uint32_t begin, uint32_t size) const {
    return std::string_view(text_).substr(begin, size);
  }

  std::string text_;
  std::vector<Field> fields_;
};

class Deb822Reader {
 public:
  // Larger stanzas are refused.
  static constexpr size_t kMaxStanza = 4 * 1024 * 1024;

  explicit Deb822Reader(LineReader& lines) : lines_(lines) {}

  enum class Result { kStanza, kMalformed, kEnd };
  // The next stanza. kMalformed passes one over; error() says what is wrong with
  // it, and reading can go on.
  Result Next(Stanza* stanza);

  // "line 12: neither a field nor a continuation".
  const std::string& error() const { return error_; }

 private:
  bool Take(std::string_view line, Stanza* stanza);
  void Fail(std::string_view what);

  LineReader& lines_;
  std::string error_;
};

}  // namespace dragnet::pkg
