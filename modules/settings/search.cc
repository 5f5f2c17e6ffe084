#include "modules/settings/search.h"

#include "absl/strings/ascii.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/file/glob.h"
#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

constexpr int kMaxPaths = 64;
constexpr int kMaxDropIns = 16;
constexpr int kMaxKeys = 256;
constexpr int kMaxSections = 64;
constexpr size_t kMaxTextBytes = 4096;

absl::StatusOr<Format> ParseFormat(std::string_view text) {
  if (text == "sshd") return Format::kSshd;
  if (text == "key_value") return Format::kKeyValue;
  if (text == "ini") return Format::kIni;
  if (text == "pam") return Format::kPam;
  if (text == "apt") return Format::kApt;
  return absl::InvalidArgumentError(
      StrCat("format: '", text, "' is none; give sshd, key_value, ini, pam or apt"));
}

absl::Status CheckPath(std::string_view field, std::string_view path) {
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(StrCat(field, ": '", path, "' ", what));
  };
  if (!path.starts_with('/')) return bad("is not an absolute path");
  if (path.size() > kMaxTextBytes) return bad("is longer than 4096 bytes");
  if (path.find('\0') != std::string_view::npos) return bad("has a NUL byte");
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (name == "..") return bad("has a ..; write the path without it");
    if (absl::Status status = file::CheckGlobName(name); !status.ok())
      return bad(StrCat("is no wildcard: ", status.message()));
    path.remove_prefix(end);
  }
  return absl::OkStatus();
}

absl::Status CheckCount(std::string_view field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(field, ": at most ", most, ", these are ", count));
}

absl::Status CheckText(std::string_view field, std::string_view text) {
  if (text.size() <= kMaxTextBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(field, ": longer than 4096 bytes"));
}

absl::Status SetFiles(const v1::SettingsParameters& parameters, Search* search) {
  if (parameters.paths().empty() && parameters.drop_ins().empty())
    return absl::InvalidArgumentError("paths: none given; name the files to read");
  DRAGNET_RETURN_IF_ERROR(CheckCount("paths", parameters.paths_size(), kMaxPaths));
  DRAGNET_RETURN_IF_ERROR(CheckCount("drop_ins", parameters.drop_ins_size(), kMaxDropIns));
  for (const std::string& path : parameters.paths()) {
    DRAGNET_RETURN_IF_ERROR(CheckPath("paths", path));
    search->paths.push_back(path);
  }
  for (const std::string& path : parameters.drop_ins()) {
    DRAGNET_RETURN_IF_ERROR(CheckPath("drop_ins", path));
    if (file::HasWildcard(path))
      return absl::InvalidArgumentError("drop_ins: directories, without wildcards");
    search->drop_ins.push_back(path);
  }
  DRAGNET_RETURN_IF_ERROR(CheckCount("if_present", parameters.if_present_size(), kMaxPaths));
  for (const std::string& path : parameters.if_present()) {
    DRAGNET_RETURN_IF_ERROR(CheckPath("if_present", path));
    if (file::HasWildcard(path))
      return absl::InvalidArgumentError("if_present: paths without wildcards");
    search->if_present.push_back(path);
  }
  if (search->format == Format::kPam && !search->drop_ins.empty())
    return absl::InvalidArgumentError("drop_ins: pam has none; name the services in paths");
  return absl::OkStatus();
}

absl::Status SetKeys(const v1::SettingsParameters& parameters, Search* search) {
  DRAGNET_RETURN_IF_ERROR(CheckCount("keys", parameters.keys_size(), kMaxKeys));
  DRAGNET_RETURN_IF_ERROR(
      CheckCount("defaults", static_cast<int>(parameters.defaults_size()), kMaxKeys));
  DRAGNET_RETURN_IF_ERROR(CheckCount("repeatable", parameters.repeatable_size(), kMaxSections));
  for (const std::string& key : parameters.keys()) {
    DRAGNET_RETURN_IF_ERROR(CheckText("keys", key));
    if (key.empty()) return absl::InvalidArgumentError("keys: one is empty");
    search->keys.insert(search->Fold(key));
    search->spelling.emplace(search->Fold(key), key);
  }
  for (const auto& [key, value] : parameters.defaults()) {
    DRAGNET_RETURN_IF_ERROR(CheckText("defaults", key));
    DRAGNET_RETURN_IF_ERROR(CheckText("defaults", value));
    if (key.empty()) return absl::InvalidArgumentError("defaults: one has no key");
    const std::string folded = search->Fold(key);
    if (!search->keys.empty() && !search->keys.contains(folded))
      return absl::InvalidArgumentError(StrCat("defaults: '", key, "' is not among keys"));
    if (!search->defaults.emplace(folded, value).second)
      return absl::InvalidArgumentError(StrCat("defaults: '", key, "' is given twice"));
    search->spelling.emplace(folded, key);
  }
  if (search->format == Format::kPam && !search->defaults.empty())
    return absl::InvalidArgumentError("defaults: a line of pam has none");
  if (!search->defaults.empty() && search->format == Format::kIni && search->sections.size() != 1)
    return absl::InvalidArgumentError("defaults: of ini they take one section; give sections one");
  for (const std::string& key : parameters.repeatable())
    search->repeatable.insert(search->Fold(key));
  return absl::OkStatus();
}

absl::Status SetSections(const v1::SettingsParameters& parameters, Search* search) {
  DRAGNET_RETURN_IF_ERROR(CheckCount("sections", parameters.sections_size(), kMaxSections));
  if (!parameters.sections().empty() && search->format != Format::kIni)
    return absl::InvalidArgumentError("sections: only ini has them");
  search->sections.insert(parameters.sections().begin(), parameters.sections().end());
  return absl::OkStatus();
}

absl::Status SetPrecedence(std::string_view text, Search* search) {
  if (text.empty()) {
    search->first_counts = search->format == Format::kSshd;
    return absl::OkStatus();
  }
  if (text != "first" && text != "last")
    return absl::InvalidArgumentError(StrCat("precedence: '", text, "'; give first or last"));
  search->first_counts = text == "first";
  return absl::OkStatus();
}

}  // namespace

std::string Search::Fold(std::string_view key) const {
  if (format == Format::kSshd) return FoldSshdKey(key);
  if (format == Format::kApt || ignore_case) return absl::AsciiStrToLower(ToAbsl(key));
  return std::string(key);
}

absl::StatusOr<Search> CompileSearch(const v1::SettingsParameters& parameters) {
  Search search;
  DRAGNET_ASSIGN_OR_RETURN(search.format, ParseFormat(parameters.format()));
  search.ignore_case = parameters.ignore_case();
  search.required = parameters.required();
  search.no_text = parameters.no_text();
  DRAGNET_RETURN_IF_ERROR(SetFiles(parameters, &search));
  DRAGNET_RETURN_IF_ERROR(SetSections(parameters, &search));
  DRAGNET_RETURN_IF_ERROR(SetKeys(parameters, &search));
  DRAGNET_RETURN_IF_ERROR(SetPrecedence(parameters.precedence(), &search));
  return search;
}

}  // namespace dragnet::settings
