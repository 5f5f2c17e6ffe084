#include "console/cli/envelope_file.h"

#include <sys/stat.h>

#include <cerrno>

#include "console/form/form.h"
#include "console/output/json.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

std::string FileContent(const v1::Envelope& envelope) {
  return StrCat(IndentJson(MessageToJson(envelope)), "\n");
}

}  // namespace

absl::Status WriteEnvelopeFile(const std::string& path, const v1::Envelope& envelope) {
  const absl::Status written = WriteNewFile(path, FileContent(envelope), 0644);
  if (absl::IsAlreadyExists(written)) {
    return absl::AlreadyExistsError(
        StrCat(path, ": exists already: give another name, nothing is overwritten"));
  }
  return written;
}

absl::Status ReplaceEnvelopeFile(const std::string& path, const v1::Envelope& envelope) {
  if (path == "-") {
    return absl::InvalidArgumentError("standard input can't be written back to: give a file");
  }
  struct stat info = {};
  if (::lstat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  // A link would be replaced by a file, and what it names would stay as it was.
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(StrCat(path, ": not a regular file: give its own name"));
  }
  return WriteFileAtomically(path, FileContent(envelope), info.st_mode & 0777);
}

absl::StatusOr<std::string> EnvelopeBytes(std::string_view file_content) {
  // No white space is skipped: the binary form begins with a line feed, and with
  // "{" behind it where the payload has 123 bytes.
  if (!file_content.starts_with('{')) return std::string(file_content);
  v1::Envelope envelope;
  DRAGNET_RETURN_IF_ERROR(Annotate(MessageFromJson(file_content, &envelope), "DSSE envelope"));
  return envelope.SerializeAsString();
}

}  // namespace dragnet::console
