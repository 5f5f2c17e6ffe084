#include "core/manual/files.h"

#include "core/file_io.h"
#include "core/manual/completion.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::manual {
namespace {

absl::Status Write(const std::string& directory, const std::string& name,
                   const std::string& content) {
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(directory, 0755));
  return WriteFileAtomically(StrCat(directory, "/", name), content, 0644);
}

}  // namespace

absl::Status WritePages(const std::string& directory, const std::vector<Page>& pages) {
  for (const Page& page : pages)
    DRAGNET_RETURN_IF_ERROR(Write(directory + "/man", page.file, page.text));
  return absl::OkStatus();
}

absl::Status WriteCompletions(const std::string& directory, const Program& program) {
  const std::string base = directory + "/completions/";
  DRAGNET_RETURN_IF_ERROR(Write(base + "bash", program.name, BashCompletion(program)));
  DRAGNET_RETURN_IF_ERROR(Write(base + "zsh", "_" + program.name, ZshCompletion(program)));
  return Write(base + "fish", program.name + ".fish", FishCompletion(program));
}

}  // namespace dragnet::manual
