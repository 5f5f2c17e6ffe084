// TOML configuration files, read strictly: a key that no one asked for is an
// error, so that a typo is never silently a default. Errors name file, line and
// key. Not thread-safe.
//
//   DRAGNET_ASSIGN_OR_RETURN(ConfigFile file, ConfigFile::Load(path));
//   config.listen = file.String("listen", "0.0.0.0:7443");
//   config.fleet_id = file.RequiredString("fleet_id");
//   config.tags = file.StringMap("tags");
//   DRAGNET_RETURN_IF_ERROR(file.Finish());
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet {

class ConfigFile {
 public:
  static absl::StatusOr<ConfigFile> Load(const std::string& path);
  static absl::StatusOr<ConfigFile> Parse(std::string_view text, const std::string& path);
  ConfigFile(ConfigFile&&) noexcept;
  ConfigFile& operator=(ConfigFile&&) noexcept;
  ~ConfigFile();

  // Keys are dotted for tables: "limits.rows". A wrong type is remembered and
  // reported by Finish().
  std::string String(std::string_view key, std::string_view default_value);
  std::string RequiredString(std::string_view key);
  bool Bool(std::string_view key, bool default_value);
  int64_t Integer(std::string_view key, int64_t default_value, int64_t minimum, int64_t maximum);
  // A string as absl::ParseDuration reads it: "90s", "5m", "1h30m".
  absl::Duration Duration(std::string_view key, absl::Duration default_value,
                          absl::Duration minimum, absl::Duration maximum);
  std::vector<std::string> StringList(std::string_view key);
  // A table of strings.
  std::map<std::string, std::string> StringMap(std::string_view key);
  // Relative paths are relative to the file's directory. Empty stays empty.
  std::string Path(std::string_view key, std::string_view default_value);
  std::string RequiredPath(std::string_view key);
  std::vector<std::string> PathList(std::string_view key);

  // How many tables an array of tables ([[key]]) has; 0 when it isn't there. Keys in
  // them are "key[0].name".
  size_t TableCount(std::string_view key);
  // For a value that its reader finds wrong, as for a wrong type.
  void Refuse(std::string_view key, std::string_view problem);

  // The first error met: wrong type, missing, out of range, unknown key.
  absl::Status Finish();

 private:
  struct State;
  explicit ConfigFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace dragnet
