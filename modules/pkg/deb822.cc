#include "modules/pkg/deb822.h"

#include <algorithm>

#include "core/strings.h"

namespace dragnet::pkg {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char left, char right) { return Lower(left) == Lower(right); });
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (IsBlank(text.front()) || text.front() == '\r')) text.remove_prefix(1);
  while (!text.empty() && (IsBlank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// deb822(5): printable ASCII but space and colon, not beginning with # or -.
bool IsFieldName(std::string_view name) {
  if (name.empty() || name[0] == '#' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

std::string_view Stanza::Get(std::string_view name) const {
  for (const Field& field : fields_)
    if (EqualIgnoringCase(Text(field.name_begin, field.name_size), name))
      return Text(field.value_begin, field.value_size);
  return {};
}

void Deb822Reader::Fail(std::string_view what) {
  // The first thing that is wrong with a stanza says most.
  if (error_.empty()) error_ = StrCat("line ", lines_.line_number(), ": ", what);
}

bool Deb822Reader::Take(std::string_view line, Stanza* stanza) {
  if (stanza->text_.size() + line.size() > kMaxStanza) {
    Fail("stanza over 4 MiB");
    return false;
  }
  std::string& text = stanza->text_;
  if (IsBlank(line[0])) {
    if (stanza->fields_.empty()) {
      Fail("continuation without a field");
      return false;
    }
    Stanza::Field& field = stanza->fields_.back();
    text.push_back('\n');
    text.append(Trim(line));
    field.value_size = static_cast<uint32_t>(text.size()) - field.value_begin;
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsFieldName(line.substr(0, colon))) {
    Fail("neither a field nor a continuation");
    return false;
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = Trim(line.substr(colon + 1));
  const auto at = static_cast<uint32_t>(text.size());
  text.append(name).append(value);
  stanza->fields_.push_back({at, static_cast<uint32_t>(name.size()),
                             at + static_cast<uint32_t>(name.size()),
                             static_cast<uint32_t>(value.size())});
  return true;
}

Deb822Reader::Result Deb822Reader::Next(Stanza* stanza) {
  stanza->text_.clear();
  stanza->fields_.clear();
  error_.clear();
  bool any = false;
  const uint64_t too_long = lines_.too_long();
  std::string_view line;
  while (lines_.Next(&line)) {
    if (Trim(line).empty()) {
      if (any) break;
      continue;
    }
    any = true;
    if (error_.empty()) Take(line, stanza);
  }
  if (lines_.too_long() != too_long) {
    any = true;
    Fail("line over 1 MiB");
  }
  if (!any) return Result::kEnd;
  return error_.empty() ? Result::kStanza : Result::kMalformed;
}

}  // namespace dragnet::pkg
