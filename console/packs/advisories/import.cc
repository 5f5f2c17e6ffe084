#include "console/packs/advisories/import.h"

#include <utility>

#include "console/packs/advisories/collector.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::advisories {
namespace {

absl::Status ReadOne(const AdvisoryFile& file, Collector& collector) {
  if (file.content.size() > kMaxFileBytes) return absl::InvalidArgumentError("is over 256 MiB");
  std::string_view content = file.content;
  if (content.starts_with("\xef\xbb\xbf")) content.remove_prefix(3);
  const size_t begin = content.find_first_not_of(" \t\r\n");
  const char first = begin == std::string_view::npos ? '\0' : content[begin];
  if (first == '{' || first == '[') return ReadOsv(content, collector);
  if (first == '<') return ReadOval(content, collector);
  return absl::InvalidArgumentError("is neither OSV (JSON) nor OVAL (XML)");
}

}  // namespace

absl::StatusOr<ImportedAdvisories> ImportAdvisories(const std::vector<AdvisoryFile>& files) {
  Collector collector;
  for (const AdvisoryFile& file : files) {
    collector.set_file(file.name);
    DRAGNET_RETURN_IF_ERROR(
        Annotate(ReadOne(file, collector), ForTerminal(Shorten(file.name, 256))));
    if (collector.full())
      return absl::InvalidArgumentError(
          StrCat(ForTerminal(Shorten(file.name, 256)),
                 ": more than 250,000 entries, 64 MiB of them, or 100,000 that are left out; "
                 "import fewer files at once"));
  }
  ImportedAdvisories imported;
  imported.entries = collector.entries();
  imported.parameters.set_vulnerable(collector.TakeText());
  imported.left_out = collector.TakeLeftOut();
  if (imported.entries == 0) {
    std::string why = "no advisory in the files can be asked of hosts";
    if (!imported.left_out.empty())
      StrAppend(&why, "; the first: ", imported.left_out[0].what, ": ", imported.left_out[0].why);
    return absl::InvalidArgumentError(why);
  }
  return imported;
}

}  // namespace dragnet::advisories
