#include "modules/mounts/tables.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "core/strings.h"

namespace dragnet::mounts {
namespace {

using Fields = std::vector<absl::string_view>;

std::vector<std::string> SplitOptions(absl::string_view text) {
  std::vector<std::string> options;
  for (absl::string_view option : absl::StrSplit(text, ',', absl::SkipEmpty()))
    options.push_back(Unescape(ToStd(option)));
  return options;
}

std::string TrimSlashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace

std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::optional<Mount> ParseMountinfoLine(std::string_view line) {
  // ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [TAG…] - TYPE SOURCE SUPER-OPTIONS
  const Fields fields = absl::StrSplit(ToAbsl(line), ' ');
  const auto dash =
      std::find(fields.begin() + static_cast<ptrdiff_t>(std::min<size_t>(6, fields.size())),
                fields.end(), "-");
  if (fields.size() < 10 || fields.end() - dash < 4) return std::nullopt;
  Mount mount;
  mount.device_number = std::string(fields[2]);
  mount.root = Unescape(ToStd(fields[3]));
  mount.mount_point = Unescape(ToStd(fields[4]));
  mount.options = SplitOptions(fields[5]);
  for (auto tag = fields.begin() + 6; tag != dash; ++tag) mount.propagation.emplace_back(*tag);
  mount.fs_type = Unescape(ToStd(dash[1]));
  mount.device = Unescape(ToStd(dash[2]));
  mount.super_options = SplitOptions(dash[3]);
  if (!mount.mount_point.starts_with('/')) return std::nullopt;
  return mount;
}

std::optional<FstabEntry> ParseFstabLine(std::string_view line) {
  const Fields fields = absl::StrSplit(ToAbsl(line), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (fields.size() < 3) return std::nullopt;
  FstabEntry entry;
  entry.device = Unescape(ToStd(fields[0]));
  entry.mount_point = TrimSlashes(Unescape(ToStd(fields[1])));
  entry.fs_type = Unescape(ToStd(fields[2]));
  entry.options =
      fields.size() > 3 ? SplitOptions(fields[3]) : std::vector<std::string>{"defaults"};
  return entry;
}

}  // namespace dragnet::mounts
