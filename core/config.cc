#include "core/config.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#define TOML_EXCEPTIONS 0
// Its assertions fire on malformed keys that its parser goes on to refuse by itself.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

namespace dragnet {

struct ConfigFile::State {
  std::string path;
  std::string directory;
  toml::table table;
  std::set<std::string, std::less<>> known;
  absl::Status error;

  void Fail(std::string_view key, const toml::node* node, std::string_view problem) {
    if (!error.ok()) return;
    // Of what is missing in a table, the table has a line.
    if (const size_t dot = key.rfind('.'); node == nullptr && dot != std::string_view::npos)
      node = table.at_path(key.substr(0, dot)).node();
    error = absl::InvalidArgumentError(
        node != nullptr ? StrCat(path, ":", node->source().begin.line, ": ", key, ": ", problem)
                        : StrCat(path, ": ", key, ": ", problem));
  }

  const toml::node* Find(std::string_view key) {
    known.insert(std::string(key));
    return table.at_path(key).node();
  }

  std::string Resolve(std::string value) const {
    if (value.empty() || value[0] == '/') return value;
    return StrCat(directory, "/", value);
  }

  bool HasKnownBelow(const std::string& prefix) const {
    const auto below = known.lower_bound(prefix);
    return below != known.end() && below->starts_with(prefix);
  }

  // The first key, in the order of the file's tables, that no one asked for.
  void CheckUnknown(const toml::table& in, const std::string& prefix) {
    for (const auto& [name, node] : in) {
      const std::string key = StrCat(prefix, std::string_view(name.str()));
      if (known.contains(key)) continue;
      if (node.is_array_of_tables() && HasKnownBelow(StrCat(key, "["))) {
        const toml::array& tables = *node.as_array();
        for (size_t i = 0; i < tables.size(); ++i)
          CheckUnknown(*tables[i].as_table(), StrCat(key, "[", i, "]."));
        continue;
      }
      const auto below = known.lower_bound(StrCat(key, "."));
      const bool is_prefix = below != known.end() && below->rfind(key + ".", 0) == 0;
      if (is_prefix && node.is_table()) {
        CheckUnknown(*node.as_table(), key + ".");
      } else {
        Fail(key, &node, is_prefix ? "must be a table" : "unknown key (a typo?)");
      }
    }
  }
};

ConfigFile::ConfigFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigFile::ConfigFile(ConfigFile&&) noexcept = default;
ConfigFile& ConfigFile::operator=(ConfigFile&&) noexcept = default;
ConfigFile::~ConfigFile() = default;

absl::StatusOr<ConfigFile> ConfigFile::Load(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return Annotate(text.status(), "configuration");
  return Parse(*text, path);
}

namespace {

// Where a string that begins at `at` ends: behind its closing quotes, or at the
// end of what it may be in.
size_t EndOfString(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool several_lines = text.substr(at).starts_with(three);
  at += several_lines ? 3 : 1;
  for (; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (several_lines ? text.substr(at).starts_with(three) : text[at] == quote) {
      return at + (several_lines ? 3 : 1);
    } else if (!several_lines && text[at] == '\n') {
      return at;
    }
  }
  return text.size();
}

// TOML has characters beyond ASCII in strings and comments only. toml++ 3.3
// finds that out with a function whose behaviour is undefined for many of them
// (is_non_ascii_horizontal_whitespace: U+00E9, U+FECC, …), so they must not get
// there. The line of the first one elsewhere; nothing if there is none.
std::optional<size_t> LineOfStrayCharacter(std::string_view text) {
  size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // a byte order mark
  while (at < text.size()) {
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (text[at] == '"' || text[at] == '\'') {
      at = EndOfString(text, at);
    } else if (static_cast<unsigned char>(text[at]) >= 0x80) {
      const auto end = text.begin() + static_cast<ptrdiff_t>(at);
      return 1 + static_cast<size_t>(std::count(text.begin(), end, '\n'));
    } else {
      ++at;
    }
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<ConfigFile> ConfigFile::Parse(std::string_view text, const std::string& path) {
  if (const std::optional<size_t> line = LineOfStrayCharacter(text); line.has_value()) {
    return absl::InvalidArgumentError(
        StrCat(path, ":", *line, ": a character that isn't ASCII, outside of a string or comment"));
  }
  toml::parse_result result = toml::parse(text, path);
  if (!result) {
    const toml::parse_error& error = result.error();
    return absl::InvalidArgumentError(StrCat(path, ":", error.source().begin.line, ":",
                                             error.source().begin.column, ": ",
                                             std::string_view(error.description())));
  }
  auto state = std::make_unique<State>();
  state->path = path;
  // Absolute, because what is configured is handed to processes that stand
  // in another directory.
  std::error_code error;
  state->directory = std::filesystem::absolute(path, error).parent_path().string();
  if (error) return absl::InvalidArgumentError(StrCat(path, ": ", error.message()));
  state->table = std::move(result).table();
  return ConfigFile(std::move(state));
}

std::string ConfigFile::String(std::string_view key, std::string_view default_value) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return std::string(default_value);
  if (const auto value = node->value_exact<std::string>()) return *value;
  state_->Fail(key, node, "must be a string");
  return std::string(default_value);
}

std::string ConfigFile::RequiredString(std::string_view key) {
  std::string value = String(key, "");
  if (value.empty()) state_->Fail(key, state_->Find(key), "missing or empty");
  return value;
}

bool ConfigFile::Bool(std::string_view key, bool default_value) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return default_value;
  if (const auto value = node->value_exact<bool>()) return *value;
  state_->Fail(key, node, "must be true or false");
  return default_value;
}

int64_t ConfigFile::Integer(std::string_view key, int64_t default_value, int64_t minimum,
                            int64_t maximum) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return default_value;
  const auto value = node->value_exact<int64_t>();
  if (value && *value >= minimum && *value <= maximum) return *value;
  state_->Fail(key, node, StrCat("must be a whole number from ", minimum, " to ", maximum));
  return default_value;
}

absl::Duration ConfigFile::Duration(std::string_view key, absl::Duration default_value,
                                    absl::Duration minimum, absl::Duration maximum) {
  const std::string text = String(key, "");
  if (text.empty()) return default_value;
  absl::Duration value;
  if (absl::ParseDuration(text, &value) && value >= minimum && value <= maximum) return value;
  state_->Fail(key, state_->Find(key),
               StrCat("must be a duration such as \"90s\" or \"1h30m\", from ",
                      absl::FormatDuration(minimum), " to ", absl::FormatDuration(maximum)));
  return default_value;
}

std::vector<std::string> ConfigFile::StringList(std::string_view key) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return {};
  std::vector<std::string> values;
  if (const toml::array* array = node->as_array()) {
    for (const toml::node& item : *array) {
      const auto value = item.value_exact<std::string>();
      if (!value) {
        state_->Fail(key, &item, "must be a list of strings");
        return {};
      }
      values.push_back(*value);
    }
    return values;
  }
  state_->Fail(key, node, "must be a list of strings");
  return {};
}

std::map<std::string, std::string> ConfigFile::StringMap(std::string_view key) {
  const toml::node* node = state_->Find(key);
  if (node == nullptr) return {};
  const toml::table* table = node->as_table();
  if (table == nullptr) {
    state_->Fail(key, node, "must be a table of strings");
    return {};
  }
  std::map<std::string, std::string> values;
  for (const auto& [name, item] : *table) {
    const auto value = item.value_exact<std::string>();
    if (!value) {
      state_->Fail(StrCat(key, ".", std::string_view(name.str())), &item, "must be a string");
      return {};
    }
    values[std::string(name.str())] = *value;
  }
  return values;
}

std::string ConfigFile::Path(std::string_view key, std::string_view default_value) {
  return state_->Resolve(String(key, default_value));
}

std::string ConfigFile::RequiredPath(std::string_view key) {
  return state_->Resolve(RequiredString(key));
}

std::vector<std::string> ConfigFile::PathList(std::string_view key) {
  std::vector<std::string> values = StringList(key);
  for (std::string& value : values) value = state_->Resolve(std::move(value));
  return values;
}

size_t ConfigFile::TableCount(std::string_view key) {
  const toml::node* node = state_->table.at_path(key).node();
  if (node == nullptr) return 0;
  if (node->is_array_of_tables()) return node->as_array()->size();
  state_->known.insert(std::string(key));
  state_->Fail(key, node, StrCat("must be tables: [[", key, "]]"));
  return 0;
}

void ConfigFile::Refuse(std::string_view key, std::string_view problem) {
  state_->Fail(key, state_->Find(key), problem);
}

absl::Status ConfigFile::Finish() {
  state_->CheckUnknown(state_->table, "");
  return state_->error;
}

}  // namespace dragnet
